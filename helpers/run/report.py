"""The report of a run: verdicts, cards, figures and every number, in one self-contained page."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

import nbformat

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
h2{margin-top:2em;break-after:avoid}.small{font-size:.85em;color:#555}"""


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
    """Write FOLDER/report.html, self-contained: table of verdicts, cards, numbers, figures."""
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
    """A notebook's part of the report: its card, its figures, and every value of its record."""
    parts = [f"<h2>{escape(notebook.stem)}</h2>"]
    if one is None:
        parts.append("<p><b>No complete record: this notebook did not finish.</b></p>")
    elif one.finding in claims():
        parts.append(card(one))
    try:
        parts += figures(notebook)
    except nbformat.reader.NotJSONError:
        parts.append(f"<p><b>{escape(str(notebook))} is not whole: run it again.</b></p>")
    if one and one.values:
        heads = ["measure", "arm", "minus", "items", "dose", "estimate", "bases", "n"]
        rows = [
            [
                v.measure,
                v.arm,
                v.minus,
                " where ".join(filter(None, [v.scenario, v.where])),
                str(v.dose),
                str(v),
                ", ".join(f"{value:.3f}" for value in v.by_base.values()),
                str(v.n),
            ]
            for v in one.values
        ]
        about = [json.dumps(one.parameters), json.dumps(one.versions), one.command]
        parts.append("<h3>Every value</h3><div class=small>")
        parts.append(table(heads, rows))
        parts.append(f"<p>{'<br>'.join(map(escape, about))}</p></div>")
    return parts


def table(heads: list[str], rows: list[list[str]]) -> str:
    """An HTML table, every cell escaped."""
    cells = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def figures(notebook: Path) -> list[str]:
    """The PNG figures of an executed notebook, each under the heading it stands under."""
    parts, heading, shown = [], "", ""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^#+ +(.*)$", cell.source, re.M) or [heading])[-1]
        for output in cell.get("outputs", []):
            png = output.get("data", {}).get("image/png")
            if png:
                title = f"<h3>{escape(heading)}</h3>" if heading != shown else ""
                image = "".join(png.split())
                parts.append(
                    f'<figure>{title}<img alt="{escape(heading)}" '
                    f'src="data:image/png;base64,{escape(image)}"></figure>'
                )
                shown = heading
    return parts
