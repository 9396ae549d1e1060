"""The replication card: the verdict, why, and the effect on one line with what could sink it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from helpers.lab.claims import Claim, published
from helpers.lab.record import RESULTS, Checked, Gated, Record, larger, sentence
from helpers.lab.verdicts import Gate
from helpers.stats.intervals import Interval

WIDTH, LABEL, ROW = 760, 270, 26
"""Of the drawing, in pixels: all of it, what labels take, and a line."""
NO_INTERVAL = "no interval, as a gate failed"
ANCHORS = {"0": "end", "δ": "start", "−δ": "end"}
"""On which side of its line a mark is written, so that two that are near stay apart."""
COLOURS = {
    "replicates": "#00734f",
    "does not replicate": "#8c140a",
    "explained otherwise": "#8a5a00",
    "inconclusive": "#666666",
}
"""Of labels, dark enough for text."""
CARD = """<div style="border:1px solid #888;border-radius:6px;padding:12px;max-width:58em;\
font-family:sans-serif;break-inside:avoid">
<div style="font-size:1.15em"><b>{title}</b></div>
<div style="color:#555">model <b>{model}</b> · tier <b>{tier}</b> · bases {bases} · seeds {seeds} \
· n = {n}</div>
<p style="font-size:1.3em;margin:.5em 0"><b style="color:{colour}">{label}</b></p>
<p style="margin:.3em 0">{why}</p>
<p style="margin:.3em 0">Published: {headline}. Forecast: {forecast}. Measured, {primary_label}: \
{measured}.{deviation}</p>
{reference}
{drawing}
{cut_off}
<div style="color:#555">{checks}</div>
</div>"""


def card(record: Record, results: Path = RESULTS) -> str:
    """The card as HTML; results: the folder of the reference that stands beside it."""
    claim, primary, verdict = published(record.finding), record.primary, record.verdict
    spread = verdict.deviation
    deviation = (
        f" Deviation between bases over the smallest effect of interest: {spread:.2f}."
        if isfinite(spread)
        else ""
    )
    more = larger(record, results)
    why = sentence(verdict.reason) + (f" {sentence(verdict.remedy)}" if verdict.remedy else "")
    return CARD.format(
        title=escape(f"{claim.number} · {claim.title}"),
        model=escape(record.model),
        tier=escape(record.tier),
        bases=escape(", ".join(map(str, record.bases)) or "none"),
        seeds=escape(", ".join(map(str, record.seeds)) or "none"),
        n=primary.n if primary else "none",
        colour=COLOURS.get(verdict.label, "#333333"),
        label=escape(record.label),
        why=escape(why),
        headline=escape(claim.headline),
        forecast="none" if record.forecast is None else f"{record.forecast:+.3f}",
        primary_label=escape(claim.primary_label),
        measured=escape(str(primary)) if record.passed else NO_INTERVAL,
        deviation=deviation,
        reference=beside(more) if more else "",
        drawing=drawing(record, claim, more) if record.passed else "",
        cut_off=cut_off(record),
        checks="<br>".join(escape(line) for line in map(gate_line, record.gates)),
    )


def cut_off(record: Record) -> str:
    """What was cut off by the token limit, and what would change it; "" where little was."""
    if not record.cut_off:
        return ""
    arms = ", ".join(
        f"{arm.replace('_', ' ')} {share:.0%}" for arm, share in record.cut_off.items()
    )
    limit = record.parameters.get("max_new_tokens")
    return (
        f"<p style='margin:.3em 0;color:#b00'>Replies that were cut off and count as such: {arms}. "
        f"Raise max_new_tokens (now {limit}).</p>"
    )


def beside(more: Record) -> str:
    """The reference in a sentence: what more bases, seeds and items measured, and its verdict."""
    measured = str(more.primary) if more.passed else NO_INTERVAL
    return (
        f"<p style='margin:.3em 0'>Reference, {len(more.bases)} bases by {len(more.seeds)} "
        f"seed{'s'[: len(more.seeds) - 1]}, n = {more.primary.n}: {escape(measured)}. Its verdict: "
        f"<b>{escape(more.label)}</b>. {escape(sentence(more.verdict.reason))}</p>"
    )


def drawing(record: Record, claim: Claim, more: Record | None = None) -> str:
    """The effect with its interval, the bases as dots, the smallest effect of interest and the
    published size on one line, the reference and every contrast on lines below; the published
    direction is to the right. As SVG.
    """
    sign = claim.direction or 1
    rows = [(claim.primary_label, record.primary.interval.oriented(sign), True)]
    if more and more.passed:
        named = f"reference: {len(more.bases)} bases"
        rows.append((named, more.primary.interval.oriented(sign), True))
    rows += [(told(one), one.value.interval, True) for one in record.contrasts]
    rows += [(told(one), one.value.interval, False) for one in record.attribution]
    marks = [0.0, record.delta] + ([-record.delta] if claim.direction == 0 else [])
    if claim.published_size is not None:
        marks.append(claim.published_size * sign)
    x = scale(marks, [interval for _, interval, _ in rows])
    height = ROW * (len(rows) + 2)
    drawn = [f"{label} {interval}" for label, interval, _ in rows]
    seen = escape(f"{'; '.join(drawn)}; smallest effect of interest {record.delta:.3g}")
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" width="100%" role="img" aria-label="{seen}" '
        f'style="max-width:{WIDTH}px;font:13px sans-serif">'
    ]
    for at, words in zip(marks, mark_words(claim), strict=True):
        parts.append(
            f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{ROW}" y2="{height - ROW / 2}" '
            f'stroke="#999" stroke-dasharray="{"" if at == 0 else "4 3"}"/>'
            f'<text x="{x(at):.1f}" y="{ROW * 0.7}" text-anchor="{ANCHORS.get(words, "middle")}" '
            f'fill="#555">{words}</text>'
        )
    for k, (label, interval, can_sink) in enumerate(rows):
        y = ROW * (k + 1.6)
        shade = "#006ba6" if k == 0 else "#333" if can_sink else "#666"
        parts.append(f'<text x="0" y="{y + 4:.1f}" fill="{shade}">{escape(short(label))}</text>')
        parts.append(marked(interval, x, y, shade))
    return "".join(parts) + "</svg>"


def lines(record: Record) -> pd.DataFrame:
    """The effect, every contrast and every attribution as rows for `plots.contrasts`, oriented: the
    published direction is positive.
    """
    claim = published(record.finding)
    effect = record.primary.interval.oriented(claim.direction or 1)
    rows = [{"label": claim.primary_label, "kind": "effect", **vars(effect)}]
    for kind, checks in (("contrast", record.contrasts), ("attribution", record.attribution)):
        rows += [{"label": told(one), "kind": kind, **vars(one.value.interval)} for one in checks]
    return pd.DataFrame(rows)


def told(one: Checked) -> str:
    """What a contrast or an attribution is called where there is little room."""
    return one.name.replace("_", " ") + ": " + one.told


def short(label: str, most: int = 40) -> str:
    """A label that fits."""
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"


def mark_words(claim: Claim) -> list[str]:
    """What stands above the marks of a drawing."""
    words = ["0", "δ"] + (["−δ"] if claim.direction == 0 else [])
    return words + (
        [f"{'~' * claim.size_second_hand}published"] if claim.published_size is not None else []
    )


def scale(marks: Sequence[float], rows: Sequence[Interval]):
    """A function from values to pixels that holds all marks, intervals and bases."""
    ends = [*marks]
    for row in rows:
        ends += [v for v in (row.low, row.high, *row.by_base.values()) if isfinite(v)]
    low, high = min(ends), max(ends)
    room = (high - low) or 1.0

    def pixel(value: float) -> float:
        return LABEL + 20 + (WIDTH - LABEL - 40) * (value - low) / room

    return pixel


def marked(interval: Interval, x, y: float, shade: str) -> str:
    """An interval as a line, its estimate as a bar, the bases as dots."""
    parts = []
    if isfinite(interval.low) and isfinite(interval.high):
        parts.append(
            f'<line x1="{x(interval.low):.1f}" x2="{x(interval.high):.1f}" y1="{y}" y2="{y}" '
            f'stroke="{shade}" stroke-width="3"/>'
        )
    if isfinite(interval.estimate):
        at = x(interval.estimate)
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y - 8}" y2="{y + 8}" stroke="{shade}" '
            'stroke-width="3"/>'
        )
    parts += [
        f'<circle cx="{x(value):.1f}" cy="{y}" r="4" fill="white" stroke="{shade}"/>'
        for value in interval.by_base.values()
        if isfinite(value)
    ]
    return "".join(parts)


def gates_table(found: Sequence[Gate]) -> Styler:
    """Every gate as a table that leaves names whole, however long."""
    rows = pd.DataFrame([vars(gate) for gate in found])
    return rows.style.format(precision=3).hide(axis="index")


def gate_line(gate: Gated) -> str:
    """A gate in a line."""
    outcome = "passed" if gate.passed else "failed"
    return f"Gate, {gate.name}: {gate.value:.3f}, at least {gate.minimum:.3g} asked: {outcome}"
