"""All findings on one page: every arm of the ladder by a measure of every finding, from records."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from helpers import plots, record, runner

ARMS = (
    "before", "reasoning_sft", "answer_sft", "hold_sft", "rlvr", "damaged", "rlsf_dpo",
    "rlsf_grpo", "repair_grpo", "harder_sft", "dialled",
)  # fmt: skip
SHOWN = {
    "abstention_loss": ("recall", "1 abstention recall"),
    "faithfulness_decay": ("aoc", "2 area over the curve"),
    "sft_accuracy_trap": ("infogain", "3 InfoGain per step"),
    "sycophancy": ("net_flip", "4 net flip rate"),
    "latent_reasoning": ("accuracy", "5 accuracy, greedy"),
    "rlsf_repair": ("ece", "6 calibration error"),
    "reward_dial": ("recall", "7 abstention recall"),
}
"""By finding: the measure of its records that is shown, and its label."""
ELSEWHERE = {("latent_reasoning", "before"): "greedy"}
"""Where a finding's records have another name for an arm."""
EMPTY = "no record"


def frame(folder: Path | None = None) -> pd.DataFrame:
    """A row a record, arm of `ARMS` and measure of `SHOWN` that is there, at the arm's last dose.

    Columns: tier, model, finding, label, arm, dose, estimate, low, high, n, seeds. folder: of
    records, data/results by default; a record of one's own questions is left out.
    """
    rows = []
    for one in runner.records(folder or runner.RESULTS):
        name, label = SHOWN.get(one.finding, ("", ""))
        if one.parameters.get("questions"):
            continue
        found = [m for m in one.measures if m.name == name and m.scenario == "all"]
        for arm in ARMS:
            own = ELSEWHERE.get((one.finding, arm), arm)
            last = max((m for m in found if m.arm == own), key=lambda m: m.dose, default=None)
            if last:
                rows.append({
                    "tier": one.tier, "model": one.model, "finding": one.finding, "label": label,
                    "arm": arm, "dose": last.dose, "estimate": last.estimate, "low": last.low,
                    "high": last.high, "n": last.n, "seeds": len(last.seeds),
                })  # fmt: skip
    columns = ["tier", "model", "finding", "label", "arm", "dose", "estimate", "low", "high", "n",
               "seeds"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def figure(table: pd.DataFrame) -> Figure:
    """The scoreboard: a panel a finding, a row an arm, a colour a tier; what no record holds is
    said to be empty. table: as `frame` gives it.
    """
    tiers = list(dict.fromkeys(table.tier))
    records = table.groupby("tier").finding.nunique().to_dict()
    counted = ", ".join(f"{tier}: {n} of {len(SHOWN)}" for tier, n in records.items())
    title = f"Every arm by a measure of every finding (findings with records: {counted or 'none'})"
    models = " · ".join(dict.fromkeys(f"tier {r.tier}: {r.model}" for r in table.itertuples()))
    note = f"{models or EMPTY} · last dose of every arm · intervals 95 % · n and seeds: its record"
    whole, axes = plots.canvas(title, note, len(SHOWN), 1.9 + 0.55 * len(ARMS), 22.0)
    for ax, (finding, (_, label)) in zip(axes, SHOWN.items(), strict=True):
        for i, arm in enumerate(ARMS):
            cell = table[(table.finding == finding) & (table.arm == arm)]
            if cell.empty:
                ax.text(0.5, i, EMPTY, transform=ax.get_yaxis_transform(), ha="center",
                        va="center", color="0.6", fontsize=12)  # fmt: skip
            for row in cell.itertuples():
                k = tiers.index(row.tier)
                y = i + 0.22 * (k - (len(tiers) - 1) / 2)
                shade = plots.PALETTE[(0, 1, 2, 4)[k % 4]]
                ax.plot([row.low, row.high], [y, y], color=shade, lw=3)
                ax.plot(row.estimate, y, "os^D"[k % 4], color=shade, ms=9)
        ax.set(yticks=range(len(ARMS)), ylim=(len(ARMS) - 0.5, -0.5))
        ax.set_yticklabels([plots.named(a) for a in ARMS] if ax is axes[0] else [])
        ax.set_title(label, fontsize=14)
        ax.grid(axis="y", color="0.93", lw=8)
        ax.set_axisbelow(True)
        if not (table.finding == finding).any():
            ax.set_xticks([])
        elif table[table.finding == finding][["low", "high"]].stack().between(0, 1).all():
            ax.set(xlim=(-0.03, 1.03), xticks=[0, 0.5, 1])
    keys = [
        plt.Line2D([], [], marker="os^D"[k % 4], lw=3, ms=9, label=f"tier {tier}",
                   color=plots.PALETTE[(0, 1, 2, 4)[k % 4]])
        for k, tier in enumerate(tiers)
    ]  # fmt: skip
    if keys:
        whole.legend(handles=keys, loc="outside upper right", ncols=len(keys), frameon=False,
                     fontsize=13)  # fmt: skip
    return whole


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
