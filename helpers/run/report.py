"""The report of a run in one self-contained file: the verdicts, then a page for every notebook; its
numbers stand beside it as CSV.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

import nbformat
import pandas as pd
from nbconvert.filters import markdown2html

from helpers.lab import record
from helpers.lab.card import card
from helpers.lab.claims import claims
from helpers.lab.record import Record
from helpers.lm.cache import write_atomically

HEADS = ["finding", "verdict", "why", "measured", "model (tier)"]
STYLE = """
body{font-family:sans-serif;max-width:62em;margin:2em auto;padding:0 1em;line-height:1.45}
table{border-collapse:collapse}th,td{border-bottom:1px solid #ccc;padding:4px 8px;text-align:left;
vertical-align:top}img{max-width:100%;break-inside:avoid}figure{margin:1em 0;break-inside:avoid}
h2{margin-top:2em;break-after:avoid}.small{font-size:.85em;color:#555}
@page{size:A4;margin:12mm}
@media print{body{margin:0;max-width:none;font-size:9pt}h2{break-before:page;margin-top:0}
img{max-height:88mm}}"""


def verdict_row(one: Record) -> list[str]:
    """Finding, verdict, why, measured, model: a row of the table of verdicts."""
    claim = claims().get(one.finding)
    title = f"{claim.number} {claim.title}" if claim else one.finding
    if one.verdict is None:
        return [title, "none asked", "", "", f"{one.model} ({one.tier})"]
    why = record.sentence(one.verdict.reason)
    if one.verdict.remedy:
        why += f" {record.sentence(one.verdict.remedy)}"
    what = claim.primary_label if claim else one.primary.measure
    measured = f"{what} {one.primary}, n = {one.primary.n}" if one.passed else ""
    return [title, one.label, why, measured, f"{one.model} ({one.tier})"]


def report(folder: Path) -> Path:
    """Write FOLDER/report.html, self-contained, and beside it every record's numbers as CSV."""
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        raise ValueError(f"{folder} holds no executed notebook: nothing to report.")
    found, unread = read_all(folder)
    parts = [
        f"<h1>Reasoning workbook: report of {escape(folder.name)}</h1>",
        table(HEADS, [verdict_row(one) for one in found.values()]),
        *[f"<p><b>Not read: {escape(sentence)}</b></p>" for sentence in unread],
        "<p class=small>Verdicts are about this model family at this scale; intervals 95 %.</p>",
    ]
    for path in notebooks:
        parts += chapter(path, found.get(path.stem))
    return write_page(folder, parts)


def write_page(folder: Path, parts: list[str]) -> Path:
    """Write FOLDER/report.html of parts that are HTML."""
    html = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(folder.name)}"
        f"</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )
    write_atomically(folder / "report.html", html)
    return folder / "report.html"


def read_all(folder: Path) -> tuple[dict[str, Record], list[str]]:
    """The records of a folder by notebook, and a sentence for each that can't be read."""
    found, unread = {}, []
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = record.read(path)
        except ValueError as error:
            unread.append(str(error))
    return found, unread


def chapter(notebook: Path, one: Record | None) -> list[str]:
    """A notebook's page of the report: what was asked, the card, its picture, what was found, and
    where everything else is.
    """
    parts = [f"<h2>{escape(notebook.stem)}</h2>"]
    if one is None:
        parts.append("<p><b>No complete record: this notebook did not finish.</b></p>")
    elif one.finding in claims():
        claim = claims()[one.finding]
        parts += [f"<p>Asked: {escape(claim.claim)}</p>", card(one)]
    try:
        book = nbformat.read(notebook, as_version=4)
    except nbformat.reader.NotJSONError:
        return [*parts, f"<p><b>{escape(str(notebook))} is not whole: run it again.</b></p>"]
    parts += [*figures(book), *told(book)]
    if one:
        write_values(notebook.with_suffix(".csv"), one)
    beside = [
        notebook.with_suffix(f".{kind}") for kind in ("ipynb", "json", "csv", "replies.jsonl")
    ]
    beside = [path for path in beside if path.is_file()]
    links = ", ".join(f'<a href="{escape(path.name)}">{escape(path.name)}</a>' for path in beside)
    return [*parts, f"<p class=small>All of it: {links}</p>"]


def write_values(path: Path, one: Record) -> None:
    """Write every value of a record as CSV, a row a value and a column a base."""
    rows = []
    for value in one.values:
        row = value.model_dump()
        each = {f"base {base}": number for base, number in row.pop("by_base").items()}
        rows.append(row | each)
    write_atomically(path, pd.DataFrame(rows).to_csv(index=False).rstrip())


def table(heads: list[str], rows: list[list[str]]) -> str:
    """An HTML table, every cell escaped."""
    cells = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def figures(book: nbformat.NotebookNode) -> list[str]:
    """The pictures of an executed notebook that its author chose for the report (cells with the tag
    "picture"), or all of one without any, each with the heading that it stands under.
    """
    heading, every, chosen = "", [], []
    for cell in book.cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^#+ +(.*)$", cell.source, re.M) or [heading])[-1]
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                image = "".join(png.split())
                says = "".join(output.data.get("text/plain", ""))
                says = heading if says.startswith("<Figure") else says  # it has no title of ours
                shown = (
                    f'<figure><img alt="{escape(says)}" '
                    f'src="data:image/png;base64,{escape(image)}"></figure>'
                )
                every.append(shown)
                chosen += [shown] if "picture" in cell.metadata.get("tags", []) else []
    return chosen or every


def told(book: nbformat.NotebookNode) -> list[str]:
    """What a notebook says in words of its result: the last text that its code wrote."""
    outputs = [one for cell in book.cells for one in cell.get("outputs", [])]
    texts = [one.get("data", {}).get("text/markdown") for one in outputs]
    texts = [text for text in texts if text]
    return [markdown2html(escape(texts[-1], quote=False))] if texts else []
