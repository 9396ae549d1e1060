"""The published claims: what each says, what its source measured, and the rule of our verdict."""

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from helpers import ROOT

PUBLISHED = ROOT / "data" / "published.yaml"

Words = Annotated[str, Field(min_length=1)]


class Strict(BaseModel):
    # A misspelt field or a number in quotes is an error of the file, and not to be read past.
    model_config = ConfigDict(extra="forbid", strict=True)


class Figure(Strict):
    """A published number (`value`) or a pair of them (`before`, `after`), as the source has it."""

    measure: str
    setting: str
    value: float | None = None
    before: float | None = None
    after: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    note: str = ""
    second_hand: bool = False  # read about, not read: shown with ~

    def __str__(self) -> str:
        ends = (self.before, self.after) if self.value is None else (self.value,)
        ends = (self.low, self.high) if ends[0] is None else ends
        text = " to ".join(f"{end:g}" for end in ends)
        if self.value is not None and self.low is not None:
            text += f" [{self.low:g}, {self.high:g}]"
        note = f" ({self.note})" if self.note else ""
        return f"{'~' * self.second_hand}{text} {self.unit}".rstrip() + note


class Smallest(Strict):
    """The smallest effect of interest, and the sentence that argues it.

    relative_to: a measure of the arm before; the effect is then `value` times its absolute mean.
    """

    value: float = Field(gt=0)
    relative_to: str = ""
    why: Words


class Contrast(Strict):
    """What is left of an effect beyond one rival explanation of it.

    rival: a clause that names it, to be read after "explained otherwise: ". beyond: a clause that
    says what is measured as being left beyond it.
    """

    rival: Words
    beyond: Words


class Claim(Strict):
    """A published claim, what its source measured, and the rule of our verdict.

    direction: the sign of the published effect; 0 where the claim is that there is none.
    published_size: the published effect, signed, on the scale of our primary; None where the
    scales differ; size_second_hand: it was read about, and not there. contrasts: by name; each can
    sink the finding. attribution: by name, a sentence on what a further measure tells; none of them
    can.
    """

    number: int
    title: Words
    claim: Words
    headline: Words
    source: list[str] = Field(min_length=1)
    definition: Words
    caveat: Words
    measures: list[str] = Field(min_length=1)
    rule: Words
    primary_label: Words
    direction: Literal[-1, 0, 1]
    delta: Smallest
    published_size: float | None = None
    size_second_hand: bool = False
    contrasts: dict[str, Contrast] = {}
    attribution: dict[str, str] = {}
    figures: list[Figure] = []

    def values(self, measure: str) -> list[Figure]:
        """The published figures of one measure."""
        return [figure for figure in self.figures if figure.measure == measure]

    def rows(self) -> list[dict[str, str]]:
        """Every published figure as text: measure, setting, figure."""
        return [
            {"measure": f.measure.replace("_", " "), "setting": f.setting, "figure": str(f)}
            for f in self.figures
        ]

    def as_published(self) -> str:
        """Claim, what was measured, where the two part, the rule of our verdict with its smallest
        effect, contrasts and attribution, and the source, as Markdown.
        """
        parts = [
            f"> {self.claim}",
            f"**What was measured.** {self.definition}",
            f"**Where wording and evidence part.** {self.caveat}",
            f"**Rule of the verdict.** {self.rule} {self._smallest()}",
        ]
        if self.contrasts:
            parts += [
                "What else could explain it, and what is measured as left beyond that:",
                bullets(f"{capital(c.rival)}: {c.beyond}." for c in self.contrasts.values()),
            ]
        if self.attribution:
            parts += [
                "What only tells which ingredient does it, and sinks nothing:",
                bullets(f"`{name}`: {told}" for name, told in self.attribution.items()),
            ]
        return "\n\n".join([*parts, f"**Source.** {'; '.join(self.source)}"])

    def _smallest(self) -> str:
        """The smallest effect of interest and its argument, in sentences."""
        size = f"{self.delta.value:g}"
        if self.delta.relative_to:
            size += f" times the mean of {self.delta.relative_to} before training"
        name = "smallest effect of interest" if self.direction else "margin of equivalence"
        return f"The {name} is {size}. {self.delta.why}"


def bullets(lines: Iterable[str]) -> str:
    """Lines as a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def capital(clause: str) -> str:
    """A clause with a capital at its beginning, the rest as it was."""
    return clause[:1].upper() + clause[1:]


@cache
def claims() -> dict[str, Claim]:
    """Every claim of data/published.yaml by the name of its finding, in order.

    Raises ValidationError that names the finding's field which is missing, unknown or of the wrong
    kind.
    """
    entries = yaml.safe_load(PUBLISHED.read_text("utf-8"))
    return {name: Claim.model_validate(entry) for name, entry in entries.items()}


def published(finding: str) -> Claim:
    """The published claim of a finding. Raises ValueError that lists the known ones."""
    if finding not in claims():
        raise ValueError(f"No published claim '{finding}'; known are: {', '.join(claims())}.")
    return claims()[finding]
