"""The README's picture and table of findings, from the records of data/results/."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import NormalDist
from textwrap import shorten

from matplotlib.figure import Figure

from helpers import ROOT
from helpers.lab import record
from helpers.lab.card import COLOURS
from helpers.lab.claims import Claim, claims
from helpers.lab.finding import Finding
from helpers.lab.record import Record
from helpers.lm.cache import write_atomically
from helpers.run.plan import finding_in
from helpers.show import plots
from helpers.stats.intervals import LEVEL

PICTURE = "findings.png"
MARKS = ("<!-- findings: written by `workbook report --readme` -->", "<!-- end -->")
REACH = (-3.0, 9.0)
"""What the picture shows, in smallest effects of interest; an arrow stands for what lies beyond."""


@dataclass(frozen=True)
class Row:
    """A finding with its record, if there is one: what the picture and the table show of it."""

    claim: Claim
    record: Record | None

    @property
    def title(self) -> str:
        """Number and name."""
        return f"{self.claim.number} {self.claim.title}"

    @property
    def failed(self) -> list[str]:
        """Gates that failed, in words."""
        gates = self.record.gates if self.record else []
        return [f"{g.name} is {g.value:.3g}, below {g.minimum:.3g}" for g in gates if not g.passed]

    @property
    def label(self) -> str:
        """The label of the verdict."""
        return self.record.label if self.record else "not yet run"

    def notes(self, code: str) -> list[str]:
        """What weakens the record: one base, questions that scatter more than bases do, or code
        that is older than `code`, that of now.
        """
        if self.record is None:
            return []
        one = ["one base"] if len(self.record.bases) == 1 else []
        old = ["older than the code"] if self.record.code != code else []
        return [*one, *self.by_questions, *old]

    @property
    def by_questions(self) -> list[str]:
        """Where it is more than the interval shows, how far other questions could move the effect:
        all bases answer the same ones, so that their mean may scatter by them as one base does.
        """
        effect = self.record.primary
        moved = NormalDist().inv_cdf((1 + LEVEL) / 2) * effect.noise
        if self.failed or not moved > (effect.high - effect.low) / 2:
            return []
        return [f"other questions could move it by up to {moved:.3f}"]

    @property
    def reason(self) -> str:
        """Why, and what would decide it, in sentences."""
        if self.record is None:
            return ""
        if self.failed:
            return f"A gate failed: {'; '.join(self.failed)}."
        verdict, delta = self.record.verdict, self.record.delta
        asked = f"where {self.claim.direction * delta:+.3g} would count"
        if not self.claim.direction:
            asked = f"where ±{delta:.3g} is still no difference"
        number = f"{self.claim.primary_label} {self.record.primary}, {asked}"
        told = map(record.sentence, filter(None, [number, verdict.reason, verdict.remedy]))
        return " ".join([*(["The first:"] if self.record.parts else []), *told, *self.counted])

    @property
    def counted(self) -> list[str]:
        """Of a finding of several parts, those that replicate and those left undecided."""
        named = {arm.name: arm.label for arm in finding_of(self.record.finding).arms}
        found = []
        for label, word in {"replicates": "Replicate", "inconclusive": "Undecided"}.items():
            of_label = [name for name, p in self.record.parts.items() if p.label == label]
            if of_label:
                words = (named.get(name, name.replace("_", " ")) for name in of_label)
                found.append(f"{word}: {'; '.join(words)}.")
        return found


def rows(folder: Path = record.RESULTS) -> list[Row]:
    """Every finding in order with its reference."""
    return [Row(claim, record.reference(name, folder)) for name, claim in claims().items()]


def finding_of(name: str) -> type[Finding]:
    """The finding so called."""
    return finding_in(f"helpers.findings.{name}")


def code_now(finding: str) -> str:
    """Hash of the code that would compute the finding now."""
    return finding_of(finding).code()


def table(found: list[Row]) -> str:
    """One row a finding, its verdict first, as Markdown."""
    lines = ["| verdict | finding | why | on |", "| --- | --- | --- | --- |"]
    for row in found:
        where = ""
        if row.record:
            notes = row.notes(code_now(row.record.finding))
            where = "; ".join([row.record.trainings, *notes])
        cells = [f"**{row.label}**", row.title, row.reason, where]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def picture(found: list[Row]) -> Figure:
    """Every finding on one axis, in smallest effects of interest and with the published direction
    to the right: the published size, our interval with a dot a base, and the label.
    """
    there = [row.record for row in found if row.record]
    decided = [one for one in there if one.verdict.label != "inconclusive"]
    partly = sum(any(p.label == "inconclusive" for p in one.parts.values()) for one in decided)
    title = f"{len(decided)} of {len(found)} findings are decided on the pocket models"
    title += f", {partly} of them in part" if partly else ""
    note = (
        "effect in smallest effects of interest δ, published direction to the right · line: 95 % "
        "interval · dots: bases (▷ beyond the axis) · ◆: published, if on our scale · 4: margin ±δ"
    )
    figure, (ax,) = plots.canvas(title, note, height=1.6 + 0.9 * len(found))
    ax.axvspan(-1, 1, color="0.95", zorder=0)
    for x, style in ((0, "-"), (1, "--")):
        ax.axvline(x, color="0.5", lw=1.5, ls=style, zorder=1)
    for y, row in enumerate(found):
        shade = COLOURS[row.record.verdict.label if row.record else "inconclusive"]
        if row.claim.published_size is not None and row.record:
            size = abs(row.claim.published_size) / row.record.delta
            ax.plot(min(size, REACH[1]), y, "D", color="0.2", ms=9, zorder=5)
        words = row.label
        if row.failed:
            words += f": a gate failed ({shorten(row.failed[0], 72)})"
        elif row.record:
            drawn(ax, row, y, shade)
        ax.text(REACH[1] + 0.4, y, plots.fill(words, 36), color=shade, va="center", fontsize=12)
    ax.set(xlim=REACH, ylim=(len(found) - 0.5, -0.5), yticks=range(len(found)))
    ax.set_yticklabels([row.title for row in found])
    ax.set_xticks(range(int(REACH[0]), int(REACH[1]) + 1))
    ax.set_xlabel("effect / δ")
    return figure


def drawn(ax, row: Row, y: float, shade) -> None:
    """Our effect in smallest effects of interest, no dot where it lies beyond the axis; an end
    beyond it is an arrow.
    """
    effect = row.record.primary.interval.oriented(row.claim.direction or 1)
    scaled = {base: value / row.record.delta for base, value in effect.by_base.items()}
    low, high = effect.low / row.record.delta, effect.high / row.record.delta
    inside = [min(max(v, REACH[0]), REACH[1]) for v in (low, high)] if isfinite(low) else []
    if inside:
        ax.plot(inside, [y, y], color=shade, lw=4, zorder=3)
        for end, at, mark in ((low, REACH[0], "<"), (high, REACH[1], ">")):
            if not REACH[0] <= end <= REACH[1]:
                ax.plot(at, y, mark, color=shade, ms=9, clip_on=False)
    middle = effect.estimate / row.record.delta
    if REACH[0] <= middle <= REACH[1]:
        ax.plot(middle, y, "o", color=shade, ms=11, zorder=4)
    for v in scaled.values():
        kind = "<" if v < REACH[0] else ">" if v > REACH[1] else "o"
        at = min(max(v, REACH[0]), REACH[1])
        ax.plot(at, y - 0.2, kind, mfc="white", mec=shade, ms=5, clip_on=False)


def renew(folder: Path = record.RESULTS) -> Path:
    """Write the picture beside the records and the table into the README; returns the picture."""
    found = rows(folder)
    path = folder / PICTURE
    picture(found).savefig(path, dpi=100, metadata={"Software": None})
    readme = ROOT / "README.md"
    text = with_table(readme.read_text("utf-8"), table(found))
    write_atomically(readme, text.rstrip("\n"))
    return path


def with_table(readme: str, lines: str) -> str:
    """README text with the table of findings renewed between its marks."""
    start, end = MARKS
    if readme.count(start) != 1 or end not in readme.partition(start)[2]:
        raise ValueError(f"README.md needs the two marks '{start}' and '{end}', each once.")
    before, _, rest = readme.partition(start)
    return f"{before}{start}\n{lines}\n{end}{rest.partition(end)[2]}"
