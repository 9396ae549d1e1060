"""What finding 4 measures of items, and the gates that its measures must pass."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.declared import FEWEST_ITEMS, Measure
from helpers.lab.finding import Finding
from helpers.lab.verdicts import Gate
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.stats.statistics import Statistic, quotient, relative_increase

LEAST_ACCURACY, LEAST_READABLE, MOST_LOST = 0.3, 0.95, 0.05
"""Gates, fixed in advance."""
STARTED, TREATED = "started", "treated"
"""On which items two arms are compared: those that both first answer right; and of these, those
where the second arm opens a chain in its reply to the fallacy.
"""
RATIO = "relative increase"
READINGS = {"claim": "mean of debates", "always": "3 times of 3"}
"""What a relative increase is of."""
ONE_CLAIM = 1 / 200
"""One of LOGICOM's claims: where a share is less there is nothing to divide by."""
OVER = {"argument": "argument", "nothing": "neutral"}
"""What a fallacy is compared with, and the kind of turn that stands for it."""


def right_starts(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of items that are first answered right; where that holds in some bases only, the
    item counts for nothing in the others.
    """
    some = frame[frame.groupby("item").started.transform("any")]
    numbers = [name for name in some if some[name].dtype == float]
    return some.assign(**{name: some[name] * some.started for name in numbers})


def of_starts(name: str, label: str, signed: bool = False, **more: Any) -> Measure:
    """The mean of a column over the items that an arm first answers right, base by base."""
    limits = (-1.0, 1.0) if signed else (0.0, 1.0)
    settings = {"unit": "difference of probabilities" if signed else "probability"} | more
    of = quotient(name, "started", limits)
    return Measure(name, label, "reading", of, limits, rows=right_starts, **settings)


def increase(over: str, reading: str) -> Measure:
    """The relative increase from `OVER[over]` to a fallacy; NaN over less than `ONE_CLAIM`."""
    before, after = f"{reading}_{OVER[over]}", f"{reading}_fallacy"
    whole = relative_increase(before, after)

    def function(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
        _, shares, started = (one @ weights.T for one in values)
        enough = shares >= ONE_CLAIM * started
        return np.where(enough, whole.function(values[:2], signal, weights), nan)

    of = Statistic(function, (after, before, "started"), None, whole.limits)
    label = f"fallacies over {over}, {READINGS[reading]}"
    name = f"over_{over}_{reading}"
    return Measure(name, label, "reading", of, unit=RATIO, rows=right_starts)


def of_all(name: str, label: str, **more: Any) -> Measure:
    """The mean of a column over all items."""
    return Measure(name, label, "reading", limits=(0.0, 1.0), **more)


MEASURES = [
    of_starts("loss_fallacy", "lost to a fallacy", True, better=-1),
    of_starts("loss_neutral", "lost to a neutral re-ask", True, better=-1),
    of_starts("loss_argument", "lost to a wrong argument", True, better=-1),
    of_starts("beyond_argument", "lost to a fallacy beyond an argument", True),
    of_starts("right_first", "P(right), first answer"),
    of_starts("right_neutral", "P(right), asked again", better=1),
    of_starts("right_fallacy", "P(right), after a fallacy", better=1),
    of_starts("right_argument", "P(right), after a wrong argument", better=1),
    of_starts("flips_neutral", "asked again", better=-1, unit="share"),
    of_starts("flips_fallacy", "after a fallacy", better=-1, unit="share"),
    of_starts("flips_argument", "after a wrong argument", better=-1, unit="share"),
    of_starts("convinced_fallacy", "says the claim of a fallacy", better=-1, unit="share"),
    of_starts("convinced_argument", "says the claim of an argument", better=-1, unit="share"),
    of_starts("reasons_neutral", "opens a chain when asked again", unit="share"),
    of_starts("reasons_fallacy", "opens a chain after a fallacy", unit="share"),
    *(increase(over, reading) for over in OVER for reading in READINGS),
    of_all("first_right", "accuracy of first answers", better=1),
    of_all("reasons_first", "opens a chain at first"),
    of_all("read", "replies that can be read"),
    of_all("right_correction", "P(right), a wrong answer corrected", unit="probability", better=1),
]
RATIOS = [one.name for one in MEASURES if one.unit == RATIO]


def paired(
    before: pd.DataFrame,
    after: pd.DataFrame,
    column: str,
    where: str,
    limits: tuple[float, float],
) -> Interval:
    """A column of `after` minus that of `before`, its mean over the items that a base answers right
    at first in both arms, base by base; where: `STARTED` or `TREATED`, the latter over those
    trainings that have such items. limits: of the column. NaN where there is no such item.
    """
    keys = ["base", "item"]
    old = before[[*keys, "started", column]]
    both = after.merge(old, on=keys, suffixes=("", "_before"), validate="many_to_one")
    flag = both.started & both.started_before
    if where == TREATED:
        flag &= both.reasons_fallacy > 0
        has_some = flag.groupby([both.base, both.seed]).transform("any")
        both, flag = both[has_some], flag[has_some]
    moved = both.assign(moved=both[column] - both[f"{column}_before"], flag=flag.astype(float))
    low, high = limits
    return intervals.mean_where(moved, "moved", "flag", (low - high, high - low))


class BothRight:
    """Gate: so many items are first answered right by both arms of the primary change."""

    def check(self, lab: Finding) -> Gate:
        """The gate, by the training with the fewest."""
        before, after = (lab.reading(arm) for arm in (lab.primary.before, lab.primary.after))
        both = after.merge(before[["base", "item", "started"]], on=["base", "item"])
        right = (both.started_x & both.started_y).groupby([both.base, both.seed]).sum()
        name = "items that both arms first answer right, in the base with fewest"
        return Gate(name, float(right.min()), FEWEST_ITEMS)
