"""Tables and figures of notebook 4 beyond its measures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.sycophancy.experiment import Sycophancy
from helpers.findings.sycophancy.measures import OVER, READINGS, right_starts
from helpers.findings.sycophancy.reading import DRAWS
from helpers.lab import verdicts
from helpers.lab.claims import Claim
from helpers.show import plots
from helpers.stats import intervals
from helpers.stats.intervals import wilson

HELPERS = {"nothing": "no helper", "argument": "logical helper", "fallacy": "fallacious helper"}
"""LOGICOM's persuaders, by what we compare them with."""
BASES = (4, 8, 16)
"""Numbers of bases whose intervals are told the width of."""


def claims_won(claim: Claim) -> pd.DataFrame:
    """LOGICOM's claims, a row a claim: model, helper, and the share of its debates that was won."""
    rows = []
    for figure in claim.values("claims_won"):
        model, helper, won = figure.setting.split(", ")
        share = int(won.split()[0]) / DRAWS
        rows += [{"model": model, "helper": helper, "won": share}] * int(figure.value)
    return pd.DataFrame(rows)


def published_counts(claim: Claim) -> pd.DataFrame:
    """LOGICOM's shares of claims won in every debate (Wilson intervals), and of debates won (claims
    resampled): arm, setting, and the fields of an interval.
    """
    rows = []
    for (model, helper), cell in claims_won(claim).groupby(["model", "helper"], sort=False):
        every = wilson(int((cell.won == 1).sum()), len(cell))
        average = intervals.over_items(cell.assign(item=range(len(cell))), "won")
        for words, found in (("3 of 3", every), ("mean", average)):
            rows.append({"arm": helper, "setting": f"{model}, {words}", **vars(found)})
    found = pd.DataFrame(rows)
    return found.sort_values("setting", key=lambda s: s.str.endswith("mean"), kind="stable")


def published_increases(claim: Claim) -> list[dict[str, Any]]:
    """LOGICOM's relative increases of a fallacious helper over a logical one and over none, with an
    interval where one is published: model, over, reading, label, kind, estimate, low, high.
    """
    printed = {figure.setting: figure for figure in claim.values("convinced_3_of_3_ratio")}
    won = claims_won(claim).assign(always=lambda rows: rows.won == 1)
    shares = won.groupby(["helper", "model"], sort=False)[["won", "always"]].mean()
    rows = []
    for over, model in itertools.product(OVER, dict.fromkeys(won.model)):
        for reading, column, words in (
            ("always", "always", "3 times of 3"),
            ("claim", "won", "mean"),
        ):
            before, after = (shares[column][HELPERS[k], model] for k in (over, "fallacy"))
            row = {"model": model, "over": over, "reading": reading, "kind": over}
            row["label"] = f"{model}, {words}, over {HELPERS[over]}"
            row |= {"estimate": after / before - 1, "low": nan, "high": nan}
            if (over, reading) == ("argument", "always"):
                ends = printed[model]
                row |= {"low": ends.low / 100, "high": ends.high / 100}
            rows.append(row)
    return rows


def increases(lab: Sycophancy, over: str) -> pd.DataFrame:
    """Relative increase of a fallacy over an argument, or over nothing (a neutral re-ask), of
    LOGICOM's models and of every arm: arm, reading, and the fields of an interval; NaN where it
    would divide by nothing.
    """
    rows = [
        {**row, "arm": f"logicom_{row['model'].lower()}", "n": 200}
        for row in published_increases(lab.claim)
        if row["over"] == over
    ]
    for arm in lab.every_arm:
        for reading in READINGS:
            found = vars(lab.value(f"over_{over}_{reading}", arm.name))
            rows.append({"arm": arm.name, "reading": reading, **found})
    table = pd.DataFrame(rows)
    order = list(READINGS)
    table = table.sort_values("reading", key=lambda s: s.map(order.index), kind="stable")
    return table.assign(reading=table.reading.map(READINGS))


def beside_logicom(lab: Sycophancy, over: str, title: str) -> Figure:
    """`increases` as a figure, on a log axis beyond +-100 %."""
    table = increases(lab, over)
    ours = table[~table.arm.str.startswith("logicom")]
    xlabel = "relative increase, 1 = +100 % (beyond that on a log axis)"
    figure = plots.compare(table, "reading", xlabel, title, lab.about(ours))
    (ax,) = figure.axes
    ax.set_xscale("symlog", linthresh=1.0)
    most = table[["estimate", "high"]].max(axis=None)
    ticks = [tick for tick in (-1, 0, 1, 10, 100, 1000) if tick <= max(1, 2 * most)]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    return figure


def widths(lab: Sycophancy) -> pd.DataFrame:
    """Half the width of the primary's interval by the number of bases, their spread as it is found
    here, and whether it is below the margin: bases, half_width, can_show_it; empty for one base.
    """
    found, margin = lab.primary.value(lab).interval, lab.delta
    enough = verdicts.bases_needed(found, margin)
    counts = {len(found.by_base), *BASES} | ({int(enough)} if isfinite(enough) else set())
    halves = {bases: verdicts.half_width(found.deviation, bases) for bases in counts if bases > 1}
    return pd.DataFrame(
        [
            {"bases": bases, "half_width": half, "can_show_it": half < margin}
            for bases, half in sorted(halves.items())
            if isfinite(half)
        ],
        columns=["bases", "half_width", "can_show_it"],
    )


def by_fallacy(lab: Sycophancy, arms: Sequence[str]) -> pd.DataFrame:
    """What of P(right) is lost to a fallacy by its type, over the items that an arm first answers
    right: arm, fallacy, and the fields of an interval.
    """
    of = lab.measure("loss_fallacy").statistic
    return pd.DataFrame(
        {"arm": arm, "fallacy": name, **vars(intervals.interval(cell, of))}
        for arm in arms
        for name, cell in right_starts(lab.reading(arm)).groupby("fallacy")
    )


def by_training(lab: Sycophancy, arms: Sequence[str]) -> pd.DataFrame:
    """How often each training of each arm reasons in its reply to a fallacy, and what it loses to
    that, on items that it first answers right: arm, base, seed, reasons_fallacy, loss_fallacy, n.
    """
    right = pd.concat(lab.reading(arm).query("started") for arm in arms)
    rows = right.groupby(["arm", "base", "seed"], sort=False)
    found = rows[["reasons_fallacy", "loss_fallacy"]].mean()
    return found.assign(n=rows.size()).reset_index()


def agreement(scores: dict[str, intervals.Interval]) -> pd.DataFrame:
    """The moderator's agreement with labels: measure, estimate, low, high, n."""
    columns = ["measure", "estimate", "low", "high", "n"]
    return pd.DataFrame({"measure": name, **vars(one)} for name, one in scores.items())[columns]
