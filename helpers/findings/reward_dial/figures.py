"""Tables and figures of notebook 7."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.reward_dial.arms import (
    DIALLED,
    HARDER,
    LADDER,
    START,
    UNDIALLED,
    bonus,
    dial,
    penalty,
)
from helpers.findings.reward_dial.experiment import PRICE, RewardDial
from helpers.findings.reward_dial.measures import RULES, THRESHOLD, readings
from helpers.findings.reward_dial.scoreboard import SHOWN
from helpers.lab.finding import answerable
from helpers.show import pictures
from helpers.stats import intervals
from helpers.stats.intervals import Interval

LEAST_COVERAGE = 0.05
"""Below it a share of right answers is that of a few."""


def by_stop(lab: RewardDial, names: Sequence[str]) -> pd.DataFrame:
    """Measures at every stop: arm (of measures), t, and the fields of an interval."""
    return pd.DataFrame(
        {"arm": name, "t": t, **vars(lab.value(name, dial(t)))}
        for t in lab.p.stops
        for name in names
    )


def dial_table(lab: RewardDial) -> pd.DataFrame:
    """Declines of both classes and accuracy of what is answered, at every stop."""
    return by_stop(lab, ["declines_hidden", "declines_answerable", "accuracy_answered"])


def threshold_table(lab: RewardDial) -> pd.DataFrame:
    """The threshold of every stop by both confidences, and that of the best policy."""
    own, started = by_stop(lab, ["threshold"]), readings(lab, start=True)
    rows = [
        {"arm": name, "t": t, **vars(value)}
        for t in lab.p.stops
        for name, value in (
            ("threshold_start", intervals.interval(started[t], THRESHOLD)),
            ("theory", Interval(t, t, t, 0)),
        )
    ]
    return pd.concat([own, pd.DataFrame(rows)], ignore_index=True)


def two_knobs(lab: RewardDial) -> pd.DataFrame:
    """One threshold, the second stop, by a penalty for errors and by a bonus for declining: arm (of
    measures), knob, and the fields of an interval.
    """
    t = lab.p.stops[1]
    return pd.DataFrame(
        {"arm": name, "knob": knob, **vars(lab.value(name, arm))}
        for knob, arm in (("penalty", dial(t)), ("bonus", bonus(t)))
        for name in ("threshold", "declines_answerable")
    )


def earnings_table(lab: RewardDial) -> pd.DataFrame:
    """Earnings of the policy and of the rules at every stop: arm (of rules), stop, ..."""
    rows = by_stop(lab, RULES)
    return rows.assign(stop=[f"t = {t:g}" for t in rows.t])


def regrets(lab: RewardDial) -> pd.DataFrame:
    """What every stop's policy forgoes of its own optimum: t, estimate, low, high, n."""
    return by_stop(lab, ["regret"])[["t", "estimate", "low", "high", "n"]]


def at_stop(lab: RewardDial, t: float) -> Figure:
    """P(decline) against confidence at one stop, and where it starts to answer."""
    frame = answerable(lab.reading(dial(t)))
    x: float | None = lab.value("threshold", dial(t)).estimate
    if frame.confidence.min() < x < frame.confidence.max():
        where = f"starts to answer at {x:.2f}"
    else:
        where = f"mostly {'answers' if frame.decline.mean() < 0.5 else 'declines'}, sure or not"
        x = None
    return pictures.declining(frame, t, x, f"p = {penalty(t):.3g}: {where}", lab.look)


def coverage(lab: RewardDial) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy at every coverage of the start, were it to answer by confidence; and the stops.

    For `pictures.selective`; on answerable items.
    """
    start = answerable(lab.reading(START)).sort_values("confidence", ascending=False)
    n = np.arange(1, len(start) + 1)
    curve = pd.DataFrame({"coverage": n / len(n), "accuracy": start.correct.cumsum() / n})
    rows = []
    for t in lab.p.stops:
        declines = lab.value("declines_answerable", dial(t)).oriented(-1).shifted(1)
        row = {"label": f"t = {t:g}"}
        for name, value in (
            ("coverage", declines),
            ("accuracy", lab.value("accuracy_answered", dial(t))),
        ):
            row |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        rows.append(row)
    return curve[curve.coverage >= LEAST_COVERAGE], pd.DataFrame(rows)


def ladder(lab: RewardDial) -> pd.DataFrame:
    """Every arm by measures of all findings, on the same items, for `scoreboard.figure`."""
    there = [one.name for one in lab.measures if one.name in SHOWN]
    rows = lab.table(LADDER, there)
    return rows.assign(tier=lab.p.tier, model=lab.label, bases=len(lab.p.bases))


def price(lab: RewardDial) -> pd.DataFrame:
    """What bringing abstention back costs, as text: measures down; the change from harder SFT to
    the restored model, and what of it is beyond the dial at 0.
    """
    names = [one.name for one in lab.measures if one.name in PRICE]
    starts = {"from harder SFT": HARDER, "beyond the dial at 0": UNDIALLED}
    return pd.DataFrame(
        {
            words: {lab.look.label(n): str(lab.change(n, start, DIALLED)) for n in names}
            for words, start in starts.items()
        }
    )
