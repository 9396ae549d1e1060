"""The scoreboard: every arm of the ladder by a measure of every finding, from notebook 7's records.

Notebook 7 asks all arms the same items, so a column compares like with like.
"""

from __future__ import annotations

from math import nan
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.findings.reward_dial.arms import FIXED, LADDER
from helpers.findings.reward_dial.measures import of_ladder
from helpers.lab import record
from helpers.lm.cache import write_atomically
from helpers.show import plots
from helpers.show.look import GREY, PALETTE
from helpers.stats.intervals import Interval, over_bases

SHOWN = {
    "recall": "1 abstention recall",
    "aoc": "2 area over the curve",
    "log_infogain": "3 gain a step, nats",
    "yields": "4 yields to a fallacy",
    "accuracy": "5 accuracy",
    "ece": "6 calibration error",
}
"""Measures that are shown, one a finding, and their labels."""
BETTER = {one.name: one.better for one in of_ladder(LADDER)}
"""1 where more is better, -1 where less is, 0 where neither: a large area may be a good chain or
many wrong answers.
"""
LEAST = 0.02
"""A smaller change is none in two decimals, whatever its interval says."""
MARKS = {1: ("▲", PALETTE[0]), -1: ("▼", PALETTE[1])}
"""Of what became better, and worse: a sign and a colour."""
COLUMNS = ["tier", "model", "arm", "measure", "dose", "estimate", "low", "high", "n", "bases"]
EMPTY = "no record"
LABELS = {arm.name: arm.label for arm in FIXED}


def frame(folder: Path) -> pd.DataFrame:
    """A row a record in a folder, arm of the ladder and measure of `SHOWN`; the columns are
    `COLUMNS` and by_base. A record of one's own questions is left out.
    """
    rows = [
        vars(one.get(measure, arm))
        | {"tier": one.tier, "model": one.model, "bases": len(one.bases)}
        for one in record.records(folder)
        if one.finding == "reward_dial" and not one.parameters.get("questions")
        for arm in LADDER
        for measure in SHOWN
        if one.has(measure, arm)
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, "by_base"])


def figure(table: pd.DataFrame) -> Figure:
    """A row an arm, a column a finding, a panel a tier; a cell is coloured where it became better
    or worse than before, see `turned`; what no record holds is said to be empty.

    table: as `frame` gives it.
    """
    tiers = list(dict.fromkeys(table.tier)) or [""]
    note = f"▲ blue: better than before, ▼ orange: worse, by {LEAST:g} or more, and the 95 % "
    note += "interval over bases of the change leaves out 0 · the same items for every arm"
    size = 1.6 + 0.5 * len(LADDER), 7.0 + 6.0 * len(tiers)
    whole, axes = plots.canvas(seen(table), note, len(tiers), *size)
    for ax, tier in zip(axes, tiers, strict=True):
        own = table[table.tier == tier]
        for x, name in enumerate(SHOWN):
            for y, arm in enumerate(LADDER):
                draw(ax, own[own.measure == name], arm, x, y)
        ran = own[["model", "bases"]].drop_duplicates().itertuples()
        told = [f"tier {tier}: {r.model}, {r.bases} base{'s'[: r.bases - 1]}" for r in ran]
        ax.set_xlabel("; ".join(told) or EMPTY, fontsize=12, color=GREY)
        ax.set(xlim=(-0.5, len(SHOWN) - 0.5), ylim=(len(LADDER) - 0.5, -0.5))
        ax.xaxis.tick_top()
        ax.set_xticks(range(len(SHOWN)), [fill(label, 14) for label in SHOWN.values()], fontsize=12)
        ax.set_yticks(range(len(LADDER)), [LABELS[a] if ax is axes[0] else "" for a in LADDER])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return whole


def draw(ax: Axes, cells: pd.DataFrame, arm: str, x: int, y: int) -> None:
    """One arm by one measure; cells: the measure of every arm of the tier."""
    found = cells[cells.arm == arm]
    centred = {"ha": "center", "va": "center"}
    if found.empty:
        ax.text(x, y, EMPTY, color=GREY, fontsize=11, **centred)
        return
    sign, shade = MARKS.get(turned(cells, arm), ("", (1.0, 1.0, 1.0)))
    box = plt.Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, color=shade, alpha=0.6, lw=0)
    ax.add_patch(box)
    said = f"{found.estimate.iloc[0]:.2f} {sign}".strip()
    ax.text(x, y, said, fontsize=14, weight="bold" if sign else "normal", **centred)


def turned(cells: pd.DataFrame, arm: str) -> int:
    """Whether an arm became better (1) or worse (-1) than the one before, 0 where neither is shown.

    cells: one measure of every arm of a tier.
    """
    change = since(cells, arm)
    if not abs(change.estimate) >= LEAST:
        return 0
    return BETTER[cells.measure.iloc[0]] * ((change.low > 0) - (change.high < 0))


def since(cells: pd.DataFrame, arm: str) -> Interval:
    """What an arm's measure changed by since the one before, base by base; NaN where one lacks."""
    found = cells.drop_duplicates("arm").set_index("arm").by_base
    if not {arm, "before"} <= {*found.index}:
        return Interval(nan, nan, nan, 0)
    start = found["before"]
    return over_bases({b: v - start[b] for b, v in found[arm].items() if b in start}, len(cells))


def seen(table: pd.DataFrame) -> str:
    """What the first tier of a scoreboard shows, in words."""
    first = table[table.tier == table.tier.iloc[0]] if len(table) else table
    right, recall = (
        first[first.measure == name].set_index("arm").estimate for name in ("accuracy", "recall")
    )
    if right.empty or recall.empty:
        return "Every arm by a measure of every finding"
    best, least = LABELS[right.idxmax()], LABELS[recall.idxmin()]
    return f"Tier {first.tier.iloc[0]}: most often right, {best}; lowest abstention recall, {least}"


def write(folder: Path) -> Path:
    """Write scoreboard.png and, as text, the numbers it shows (scoreboard.csv) beside the records
    of a folder.
    """
    table = frame(folder)
    write_atomically(folder / "scoreboard.csv", as_text(table))
    path = folder / "scoreboard.png"
    figure(table).savefig(path, dpi=100, metadata={"Software": None})
    return path


def as_text(table: pd.DataFrame) -> str:
    """The table as comma-separated values with four decimals, without a final line end."""
    return table[COLUMNS].to_csv(index=False, float_format="%.4f").rstrip("\n")
