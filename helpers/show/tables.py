"""Tables and quotations of what people and models wrote, as HTML in which none of it is markup."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
from IPython.display import HTML

from helpers.show.look import Look

CELL = "padding:3px 10px;vertical-align:top;text-align:{}"


def inert(text: str) -> str:
    """A text as HTML that shows it letter by letter: tags are no markup, and no two dollar signs
    are seen as a formula, as each stands in an element of its own.
    """
    return html.escape(text).replace("$", "<span>$</span>")


def quote(*paragraphs: str) -> HTML:
    """What someone wrote, indented, a paragraph each."""
    inside = "".join(f"<p>{inert(text)}</p>" for text in paragraphs)
    return HTML(f"<blockquote>{inside}</blockquote>")


def table(frame: pd.DataFrame, digits: int = 3, look: Look | None = None) -> HTML:
    """A frame, its index before it where that has a name: text to the left, numbers to the right,
    and those of a column at one precision.

    digits: behind the point of a column that holds other than whole numbers; look: has what people
    read for the names of arms and measures, in headings and cells.
    """
    look = look or Look()
    frame = frame.reset_index() if frame.index.name else frame
    numeric = {name: pd.api.types.is_numeric_dtype(frame[name]) for name in frame}
    numeric |= {name: False for name in frame if frame[name].dtype == bool}
    heads = "".join(
        f'<th style="{style(numeric[name])}">{inert(look.label(name))}</th>' for name in frame
    )
    told = frame.replace(dict(look.labels))
    columns = [cells(told[name], numeric[name], digits) for name in frame]
    rows = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True))
    return HTML(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")


def style(number: bool) -> str:
    """Where a column's cells stand."""
    return CELL.format("right" if number else "left")


def cells(column: pd.Series, number: bool, digits: int) -> list[str]:
    """The cells of a column."""
    broken = number and bool((column.dropna() % 1 != 0).any())
    decimals = digits if broken else 0
    told = [f"{v:.{decimals}f}" if number and pd.notna(v) else said(v) for v in column]
    return [f'<td style="{style(number)}">{inert(text)}</td>' for text in told]


def said(value: Any) -> str:
    """A value in words: yes or no, the members of a list, nothing for what is missing."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    if pd.isna(value):
        return ""
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return "yes" if value else "no"
    return str(value)
