"""The scoreboard: every arm of the ladder by a measure of every finding, from notebook 7's records.

Notebook 7 asks all arms the same items, so a panel compares like with like.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.findings.reward_dial.arms import FIXED, LADDER
from helpers.lab import record
from helpers.lm.cache import write_atomically
from helpers.show import plots
from helpers.show.look import PALETTE, Colour

SHOWN = {
    "recall": "1 abstention recall",
    "aoc": "2 area over the curve",
    "infogain": "3 InfoGain, log beyond 1",
    "yields": "4 P(yields to a fallacy)",
    "accuracy": "5 accuracy, greedy",
    "ece": "6 ECE, without a chain",
}
"""Measures that are shown, one a finding, and their labels."""
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
    """A panel a finding, a row an arm, a colour a tier; what no record holds is said to be empty.

    table: as `frame` gives it.
    """
    tiers = list(dict.fromkeys(table.tier))
    ran = table[["tier", "model", "bases"]].drop_duplicates().itertuples()
    told = [f"tier {r.tier}: {r.model}, {r.bases} base{'s'[: r.bases - 1]}" for r in ran]
    note = f"{' · '.join(told) or EMPTY} · same items for every arm · "
    note += "intervals 95 % over bases, a dot a base"
    whole, axes = plots.canvas(seen(table), note, len(SHOWN), 1.9 + 0.6 * len(LADDER), 20.0)
    for ax, (measure, label) in zip(axes, SHOWN.items(), strict=True):
        cells = table[table.measure == measure]
        for i, arm in enumerate(LADDER):
            draw(ax, cells[cells.arm == arm], i, tiers)
        counts = sorted(set(cells.n))
        ax.set_title(f"{label}\nn = {' and '.join(map(str, counts)) or 0}", fontsize=14)
        ax.set(yticks=range(len(LADDER)), ylim=(len(LADDER) - 0.5, -0.5))
        ax.set_yticklabels([LABELS[arm] for arm in LADDER] if ax is axes[0] else [])
        ax.grid(axis="y", color="0.93", lw=8)
        ax.set_axisbelow(True)
        scale(ax, cells, measure)
    keys = [
        plt.Line2D([], [], lw=3, label=f"tier {tier}", **mark(k)) for k, tier in enumerate(tiers)
    ]
    if keys:
        place = {"loc": "outside upper right", "ncols": len(keys)}
        whole.legend(handles=keys, **place, frameon=False, fontsize=13)
    return whole


def draw(ax: Axes, cell: pd.DataFrame, i: int, tiers: list[str]) -> None:
    """One arm in one panel, the tiers beneath each other."""
    if cell.empty:
        centred = {"ha": "center", "va": "center", "transform": ax.get_yaxis_transform()}
        ax.text(0.5, i, EMPTY, color="0.6", fontsize=12, **centred)
    for row in cell.to_dict("records"):
        k = tiers.index(row["tier"])
        y = i + 0.22 * (k - (len(tiers) - 1) / 2)
        plots.bar(ax, row, y, shade(k), lw=3)
        ax.plot(row["estimate"], y, **mark(k))


def scale(ax: Axes, cells: pd.DataFrame, measure: str) -> None:
    """The x axis of a panel."""
    ends = cells[["estimate", "low", "high"]].stack().dropna()
    if cells.empty:
        ax.set_xticks([])
    elif ends.between(0, 1).all():
        ax.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1])
    elif measure == "infogain":  # of one unsure arm it can be many times that of the others
        ax.set_xscale("symlog")
        ax.set_xticks([-10, -1, 0, 1], ["-10", "-1", "0", "1"])


def shade(k: int) -> Colour:
    """The colour of a tier."""
    return PALETTE[(0, 1, 2, 4)[k % 4]]


def mark(k: int) -> dict[str, Any]:
    """The marker of a tier."""
    return {"marker": "os^D"[k % 4], "color": shade(k), "ms": 9}


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
