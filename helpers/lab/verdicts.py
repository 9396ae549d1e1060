"""The rule of the verdict, second version: what decides a published effect, and what would.

The smallest effect of interest and the contrasts are stated in data/published.yaml before any run
(small telescopes: Simonsohn 2015; equivalence: Schuirmann 1987).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, inf, isfinite, nan, sqrt
from typing import Literal

from scipy.stats import t

from helpers.stats.intervals import LEVEL, Interval

Label = Literal["replicates", "explained otherwise", "does not replicate", "inconclusive"]
MOST_BASES, MOST_TIMES_ITEMS = 100, 20
"""Beyond these nothing is promised: so many bases, or so many times the items, are no remedy."""

TOLD = 2
"""A verdict names so many failed gates or open rivals; the card lists all."""


@dataclass(frozen=True)
class Gate:
    """What must be so before a result counts: value at least `minimum`."""

    name: str
    value: float
    minimum: float
    passed: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", bool(self.value >= self.minimum))


@dataclass(frozen=True)
class Contrast:
    """What is left of the effect beyond a rival explanation, oriented so that the published
    direction is positive.
    """

    name: str
    rival: str
    interval: Interval


@dataclass(frozen=True)
class Verdict:
    """One of the four labels, why, and for an open one what would decide it.

    rival: the contrast that explains the effect, where one does. deviation: the standard deviation
    of the per-base values over the smallest effect of interest.
    """

    label: Label
    reason: str
    remedy: str = ""
    rival: str = ""
    deviation: float = nan


def verdict(
    effect: Interval,
    delta: float,
    contrasts: Sequence[Contrast] = (),
    gates: Sequence[Gate] = (),
    published_size: float | None = None,
    second_hand: bool = False,
) -> Verdict:
    """The verdict on a published effect. `effect` and contrasts are oriented so that the published
    direction is positive; `delta` is the smallest effect of interest. A `second_hand` published
    size, read about and not read in the source, is shown with ~.

    does not replicate: high < delta, so that nothing of interest is left; reversed where high < 0.
    replicates: low > 0, and low > 0 in every contrast. explained otherwise: low > 0, but for some
    contrast that does not hold nothing of interest is left, high < delta. inconclusive: a gate
    failed, there is but one base, the interval holds 0 and delta, or a contrast is open.
    Raises ValueError unless delta > 0.
    """
    if closed := _not_judged(effect, delta, gates):
        return closed
    spread = effect.deviation / delta
    size = _size_held(effect, published_size, second_hand)
    if effect.high < delta:
        what = "the effect is reversed" if effect.high < 0 else "nothing of interest is left"
        why = f"{what}: at most {effect.high:z.3f} in the published direction, below {delta:.3g}"
        return Verdict("does not replicate", why, deviation=spread)
    left = [one for one in contrasts if not one.interval.low > 0]
    if effect.low > 0 and not left:
        why = f"at least {effect.low:.3f} in the published direction, and every contrast holds"
        return Verdict("replicates", why + size, deviation=spread)
    explained = [one for one in left if one.interval.high < delta]
    if effect.low > 0 and explained:
        strongest = min(explained, key=lambda one: one.interval.high)
        why = f"{strongest.rival}: beyond it at most {strongest.interval.high:z.3f} is left"
        return Verdict("explained otherwise", why + size, rival=strongest.name, deviation=spread)
    if effect.low > 0:
        rivals = _first([one.rival for one in left], "; or whether ")
        why = f"the effect is there, but open is whether {rivals}"
        judged = [one.interval for one in left]
    else:
        why = f"the interval holds both 0 and {delta:.3g}, the smallest effect of interest"
        judged = [effect]
    asked = [(one, max(one.estimate, delta - one.estimate)) for one in judged]
    return Verdict("inconclusive", why, remedy(asked), deviation=spread)


def equivalence(effect: Interval, margin: float, gates: Sequence[Gate] = ()) -> Verdict:
    """The verdict on "there is no difference", shown only by an interval within +-`margin`: two
    one-sided tests (Schuirmann 1987), here with 95 % intervals.

    replicates: the whole interval lies within. does not replicate: the whole interval lies beyond
    the margin on one side. inconclusive: a gate failed, there is but one base, or the interval
    crosses the margin. Raises ValueError unless margin > 0.
    """
    if closed := _not_judged(effect, margin, gates):
        return closed
    spread = effect.deviation / margin
    if -margin < effect.low and effect.high < margin:
        why = f"the whole interval lies within the margin of {margin:.3g}"
        return Verdict("replicates", why, deviation=spread)
    if effect.low > margin or effect.high < -margin:
        side = "above" if effect.low > margin else "below"
        why = f"the whole interval lies {side} the margin of {'-' * (side == 'below')}{margin:.3g}"
        return Verdict("does not replicate", why, deviation=spread)
    why = f"the interval crosses the margin of {margin:.3g}"
    needed = abs(margin - abs(effect.estimate))
    return Verdict("inconclusive", why, remedy([(effect, needed)]), deviation=spread)


def _not_judged(effect: Interval, delta: float, gates: Sequence[Gate]) -> Verdict | None:
    """The verdict where nothing can be said of the effect; None where something can."""
    if not delta > 0:
        raise ValueError(f"The smallest effect of interest must be above 0, not {delta:g}.")
    failed = [f"{g.name} is {g.value:.3g}, below {g.minimum:.3g}" for g in gates if not g.passed]
    if failed:
        return Verdict("inconclusive", "a gate failed: " + _first(failed, "; "))
    if not isfinite(effect.estimate):
        return Verdict("inconclusive", "the primary measure is undefined here")
    if len(effect.by_base) < 2:
        why = "one base says nothing of others"
        return Verdict("inconclusive", why, "at least two bases, better eight, would decide it")
    return None


def _first(texts: list[str], between: str) -> str:
    """The first few of several texts, and how many more there are."""
    more = len(texts) - TOLD
    return between.join(texts[:TOLD]) + (f"; and {more} more" if more > 0 else "")


def _size_held(effect: Interval, published: float | None, second_hand: bool) -> str:
    """A clause on whether the published size, oriented, lies in the interval; "" without one."""
    if published is None:
        return ""
    held = effect.low <= published <= effect.high
    size = f"{'~' * second_hand}{published:.3g}"
    return f"; the published size, {size}, lies {'in' if held else 'out'}side the interval"


def remedy(asked: Sequence[tuple[Interval, float]]) -> str:
    """How many bases, or how many items, would make intervals narrow enough, by their own variances
    and if the estimates stay where they are; asked: intervals and the half-widths they need.
    """
    bases = max(bases_needed(one, half) for one, half in asked)
    items = max(items_needed(one, half) for one, half in asked)
    ways = []
    if bases <= MOST_BASES:
        ways.append(f"about {bases} bases (now {len(asked[0][0].by_base)})")
    if items <= MOST_TIMES_ITEMS * max(one.n for one, _ in asked):
        ways.append(f"about {items} items (now {min(one.n for one, _ in asked)})")
    return f"{' or '.join(ways) or 'nothing within reach'} would decide it"


def half_width(deviation: float, bases: int) -> float:
    """Half the width of a 95 % interval over so many bases, by Student's t."""
    return float(t.ppf((1 + LEVEL) / 2, bases - 1)) * deviation / sqrt(bases)


def bases_needed(one: Interval, half: float) -> float:
    """The fewest bases at which the interval is narrower than 2 `half`; infinite beyond reach."""
    enough = (b for b in range(2, MOST_BASES + 1) if half_width(one.deviation, b) < half)
    return next(enough, inf)


def items_needed(one: Interval, half: float) -> float:
    """The fewest items at which it is, with the bases that there are: the noise of the items
    shrinks with their number, the rest of the spread between bases does not.
    """
    bases = len(one.by_base)
    allowed = (half * sqrt(bases) / t.ppf((1 + LEVEL) / 2, bases - 1)) ** 2
    noise = min(one.noise, one.deviation) ** 2
    between = one.deviation**2 - noise
    if not isfinite(noise) or allowed <= between:
        return inf
    return max(one.n + 1, ceil(one.n * noise / (allowed - between)))
