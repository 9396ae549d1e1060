"""The scoreboard: every arm of the ladder by a measure of every finding, from notebook 7's records.

Notebook 7 asks all arms the same items, so a column compares like with like.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.reward_dial import LADDER
from helpers.lab import record
from helpers.run import runner
from helpers.show import plots

SHOWN = {
    "recall": "1 abstention recall",
    "aoc": "2 area over the curve",
    "infogain": "3 InfoGain, log beyond 1",
    "yields": "4 P(yields to a fallacy)",
    "accuracy": "5 accuracy, greedy",
    "ece": "6 calibration error, no chain",
}
"""Measures that are shown, one a finding, and their labels."""
COLUMNS = ["tier", "model", "arm", "measure", "dose", "estimate", "low", "high", "n", "seeds"]
EMPTY = "no record"


def frame(folder: Path | None = None) -> pd.DataFrame:
    """A row a record, arm of the ladder and measure of `SHOWN`; the columns are `COLUMNS`.

    folder: of records, data/results by default; a record of one's own questions is left out.
    """
    rows = [
        {"tier": one.tier, "model": one.model, **vars(m), "seeds": len(m.seeds), "measure": m.name}
        for one in runner.records(folder or runner.RESULTS)
        if one.finding == "reward_dial" and not one.parameters.get("questions")
        for m in one.measures
        if m.arm in LADDER and m.name in SHOWN
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def figure(table: pd.DataFrame) -> Figure:
    """A panel a finding, a row an arm, a colour a tier; what no record holds is said to be empty.

    table: as `frame` gives it.
    """
    tiers = list(dict.fromkeys(table.tier))
    ran = table[["tier", "model", "seeds"]].drop_duplicates().itertuples()
    told = [f"tier {r.tier}: {r.model}, {r.seeds} seed{'s'[: r.seeds - 1]}" for r in ran]
    note = f"{' · '.join(told) or EMPTY} · same items for every arm · intervals 95 %"
    whole, axes = plots.canvas(seen(table), note, len(SHOWN), 1.9 + 0.6 * len(LADDER), 20.0)
    for ax, (measure, label) in zip(axes, SHOWN.items(), strict=True):
        for i, arm in enumerate(LADDER):
            cell = table[(table.measure == measure) & (table.arm == arm)]
            if cell.empty:
                ax.text(
                    0.5,
                    i,
                    EMPTY,
                    transform=ax.get_yaxis_transform(),
                    ha="center",
                    va="center",
                    color="0.6",
                    fontsize=12,
                )
            for row in cell.itertuples():
                k = tiers.index(row.tier)
                y = i + 0.22 * (k - (len(tiers) - 1) / 2)
                shade = plots.PALETTE[(0, 1, 2, 4)[k % 4]]
                ax.plot([row.low, row.high], [y, y], color=shade, lw=3)
                ax.plot(row.estimate, y, "os^D"[k % 4], color=shade, ms=9)
        ax.set(yticks=range(len(LADDER)), ylim=(len(LADDER) - 0.5, -0.5))
        ax.set_yticklabels([plots.named(arm) for arm in LADDER] if ax is axes[0] else [])
        counts = sorted(set(table[table.measure == measure].n))
        ax.set_title(f"{label}\nn = {' and '.join(map(str, counts)) or 0}", fontsize=14)
        ax.grid(axis="y", color="0.93", lw=8)
        ax.set_axisbelow(True)
        if not counts:
            ax.set_xticks([])
        elif table[table.measure == measure][["low", "high"]].stack().between(0, 1).all():
            ax.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1])
        elif measure == "infogain":  # of one unsure arm it can be many times that of the others
            ax.set_xscale("symlog")
            ax.set_xticks([-10, -1, 0, 1], ["-10", "-1", "0", "1"])
    keys = [
        plt.Line2D(
            [],
            [],
            marker="os^D"[k % 4],
            lw=3,
            ms=9,
            label=f"tier {tier}",
            color=plots.PALETTE[(0, 1, 2, 4)[k % 4]],
        )
        for k, tier in enumerate(tiers)
    ]
    if keys:
        whole.legend(
            handles=keys, loc="outside upper right", ncols=len(keys), frameon=False, fontsize=13
        )
    return whole


def seen(table: pd.DataFrame) -> str:
    """What the first tier of a scoreboard shows, in words."""
    first = table[table.tier == table.tier.iloc[0]] if len(table) else table
    right, recall = (
        first[first.measure == name].set_index("arm").estimate for name in ("accuracy", "recall")
    )
    if right.empty or recall.empty:
        return "Every arm by a measure of every finding"
    best, least = plots.named(right.idxmax()), plots.named(recall.idxmin())
    return f"Tier {first.tier.iloc[0]}: most often right, {best}; lowest abstention recall, {least}"


def write(folder: Path | None = None) -> Path:
    """Write scoreboard.png and, as text, the numbers it shows (scoreboard.csv) beside the records.

    folder: of records, data/results by default.
    """
    folder = folder or runner.RESULTS
    table = frame(folder)
    record.write_atomically(folder / "scoreboard.csv", as_text(table))
    path = folder / "scoreboard.png"
    figure(table).savefig(path, dpi=100, metadata={"Software": None})
    return path


def as_text(table: pd.DataFrame) -> str:
    """The table as comma-separated values with four decimals, without a final line end."""
    return table.to_csv(index=False, float_format="%.4f").rstrip("\n")
