"""Tables and figures of notebook 7."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.reward_dial.arms import (
    DEFAULT,
    DIAL,
    DIALLED,
    LADDER,
    LOST,
    START,
    UNDIALLED,
    default,
    dial,
    penalty,
)
from helpers.findings.reward_dial.experiment import PRICE, RewardDial
from helpers.findings.reward_dial.measures import GAIN, stakes, stops
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
    """Where the policies of the dial and those by trl's default start to answer, and the best
    policy: arm, t, and the fields of an interval.
    """
    rows = [
        {"arm": kind, "t": t, **vars(lab.value("threshold", named(t)))}
        for kind, named, there in ((DIAL, dial, lab.p.stops), (DEFAULT, default, stops(lab)))
        for t in there
    ]
    best = [{"arm": "theory", "t": t, "estimate": t, "low": t, "high": t} for t in lab.p.stops]
    return pd.DataFrame([*rows, *best])


def gain_table(lab: RewardDial) -> pd.DataFrame:
    """What the policies and their start gain over the better switch, and what the best rule by the
    dial's own confidence would: arm, stop, and the fields of an interval.
    """
    rows = []
    for t in stops(lab):
        started = intervals.interval(stakes(lab.reading(START), t), GAIN)
        for arm, number in (
            ("best", lab.value("possible", dial(t))),
            (DIAL, lab.value("gain", dial(t))),
            (DEFAULT, lab.value("gain", default(t))),
            (START, started),
        ):
            rows.append({"arm": arm, "stop": f"t = {t:g}", **vars(number)})
    return pd.DataFrame(rows)


def share_table(lab: RewardDial) -> pd.DataFrame:
    """At every stop above 0 the share of the possible gain and where the policy starts to answer,
    of the dial and by trl's default, as text beside the exact optimum t.
    """
    rows = []
    for t in stops(lab):
        row = {"best: t": f"{t:g}"}
        for kind, named in ((DIAL, dial), (DEFAULT, default)):
            for name, words in (("threshold", "starts at"), ("share", "share")):
                row[f"{words}, {lab.look.label(kind)}"] = said(lab.value(name, named(t)))
        rows.append(row)
    return pd.DataFrame(rows)


def exchanged(lab: RewardDial) -> pd.DataFrame:
    """Every policy of the dial, a row, judged at every stop above 0, a column: what it gains over
    the better switch there, points a question.
    """
    there = stops(lab)
    rows = {
        f"trained at {s:g}": {
            f"judged at {t:g}": intervals.interval(stakes(lab.reading(dial(s)), t), GAIN).estimate
            for t in there
        }
        for s in there
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")


def said(number: Interval) -> str:
    """An interval in two decimals; in words where too little could be gained."""
    if isnan(number.estimate):
        return "too little to gain"
    ends = "" if isnan(number.low) else f" [{number.low:z.2f}, {number.high:z.2f}]"
    return f"{number.estimate:z.2f}{ends}"


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
    """What bringing abstention back costs, as text: measures down; the change from answer SFT to
    the restored model, and what of it is beyond the dial at 0.
    """
    names = [one.name for one in lab.measures if one.name in PRICE]
    starts = {"from answer SFT": LOST, "beyond the dial at 0": UNDIALLED}
    return pd.DataFrame(
        {
            words: {lab.look.label(n): str(lab.change(n, start, DIALLED)) for n in names}
            for words, start in starts.items()
        }
    ).rename_axis("measure")
