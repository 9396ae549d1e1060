"""Tidy frame in, figure out: colour-blind-safe, directly labelled, intervals drawn, readable from the back row."""

from collections.abc import Sequence
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.record import Claim

NAMES = {
    "before": "before",
    "reasoning_sft": "reasoning SFT",
    "reasoning_sft_keep": "reasoning SFT,\nabstentions kept",
    "answer_sft": "answer SFT",
    "recall": "abstention recall",
    "false_declines": "false declines",
    "d_prime": "sensitivity d′",
    "criterion": "criterion c\n(higher: more reluctant to decline)",
    "f1": "F1",
}
PALETTE = sns.color_palette("colorblind")
COLOURS = dict(zip(("before", "reasoning_sft", "reasoning_sft_keep", "answer_sft"),
                   (PALETTE[7], PALETTE[3], PALETTE[2], PALETTE[0]), strict=True))  # fmt: skip
OUTCOMES = {"right": PALETTE[2], "wrong": PALETTE[3], "abstained": PALETTE[0], "no_answer": PALETTE[7]}


def named(name: str) -> str:
    """What people read for a name in the code."""
    return NAMES.get(name, name.replace("_", " "))


def canvas(title: str, stamp: str, panels: int = 1, height: float = 4.6) -> tuple[Figure, list[Axes]]:
    """An empty figure with its title (what is seen) and its stamp (model, tier, seeds, n)."""
    with sns.axes_style("ticks"), sns.plotting_context("notebook", font_scale=1.15):
        figure, axes = plt.subplots(1, panels, figsize=(11, height), layout="constrained", squeeze=False)
    figure.suptitle(fill(title, 84), fontsize=16, fontweight="bold", x=0.01, ha="left")
    figure.supxlabel(stamp, fontsize=12, color="0.35", x=0.01, ha="left")
    sns.despine(figure)
    plt.close(figure)  # shown where it is returned, and only there
    return figure, list(axes[0])


def stamp(model: str, tier: str, seeds: Sequence[int], n: int) -> str:
    """What every figure carries, so that a pocket result can't pass for one at scale."""
    return f"model {model} · tier {tier} · seeds {', '.join(map(str, seeds))} · n = {n} items an arm · bars: 95 % intervals"


def published_pairs(claim: Claim, title: str) -> Figure:
    """The published before and after of each pair and measure; the source gives no intervals."""
    names = ("recall", "precision", "f1")
    figure, axes = canvas(title, f"{claim.source[0]}; no intervals published", len(names), 3.6)
    for ax, name in zip(axes, names, strict=True):
        pairs = [f for f in claim.values(name) if f.before is not None and not f.setting.startswith("GSM8K")]
        for colour, pair in zip((PALETTE[0], PALETTE[1]), pairs, strict=False):
            ax.plot([0, 1], [pair.before, pair.after], "o-", color=colour, lw=2.5, ms=9)
            ax.annotate(f"{pair.after:.2f}", (1, pair.after), (8, 0), textcoords="offset points", color=colour, va="center")
            ax.annotate(f"{pair.before:.2f}", (0, pair.before), (-8, 0), textcoords="offset points", color=colour,
                        va="center", ha="right")  # fmt: skip
            if name == "recall":
                ax.annotate(pair.setting.split(" to ")[0].split("-Instruct")[0], (0.5, (pair.before + pair.after) / 2), (4, 6),
                            textcoords="offset points", color=colour, fontsize=12)  # fmt: skip
        ax.set(xticks=[0, 1], xticklabels=["before", "reasoning"], xlim=(-0.45, 1.45), ylim=(0.3, 1), title=named(name))
    return figure


def dose_response(measures: pd.DataFrame, names: Sequence[str], title: str, stamp: str) -> Figure:
    """Measures against training steps, a panel each. measures: arm, dose, measure, estimate, low, high."""
    figure, axes = canvas(title, stamp, len(names))
    base = measures[measures.arm == "before"]
    for ax, name in zip(axes, names, strict=True):
        ends = []
        for arm, rows in measures[measures.measure == name].groupby("arm", sort=False):
            if arm == "before":
                continue
            rows = pd.concat([base[base.measure == name], rows]).sort_values("dose")
            errors = [rows.estimate - rows.low, rows.high - rows.estimate]
            ax.errorbar(rows.dose, rows.estimate, errors, fmt="o-", color=COLOURS.get(arm), lw=2.5, ms=7, capsize=4)
            ends.append((rows.estimate.iloc[-1], rows.dose.iloc[-1], arm))
        label_ends(ax, ends)
        if name in ("recall", "false_declines", "accuracy"):
            ax.set_ylim(-0.03, 1.03)
        ax.set(xlabel="training steps", title=named(name))
        ax.margins(x=0.05)
    return figure


def label_ends(ax: Axes, ends: list[tuple[float, float, str]]) -> None:
    """Names at the ends of lines, kept from lying on each other."""
    low, high = ax.get_ylim()
    gap, last = (high - low) * 0.17, float("-inf")
    for y, x, arm in sorted(ends):
        at = max(y, last + gap)
        last = at
        ax.annotate(named(arm), (x, y), (x + 0.03 * (ax.get_xlim()[1] or 1), at), color=COLOURS.get(arm), va="center",
                    annotation_clip=False, fontsize=13)  # fmt: skip


def by_scenario(frame: pd.DataFrame, title: str, stamp: str) -> Figure:
    """Recall of every arm, scenario by scenario. frame: arm, scenario, estimate, low, high."""
    figure, (ax,) = canvas(title, stamp, height=5.4)
    arms, scenarios = list(dict.fromkeys(frame.arm)), sorted(set(frame.scenario))
    for i, arm in enumerate(arms):
        rows = frame[frame.arm == arm].set_index("scenario").loc[scenarios]
        y = [k + (i - (len(arms) - 1) / 2) * 0.17 for k in range(len(scenarios))]
        errors = [rows.estimate - rows.low, rows.high - rows.estimate]
        ax.errorbar(rows.estimate, y, xerr=errors, fmt="o", color=COLOURS.get(arm), ms=9, lw=2, capsize=3,
                    label=named(arm).replace("\n", " "))  # fmt: skip
    ax.set(yticks=range(len(scenarios)), yticklabels=[named(s) for s in scenarios], xlim=(-0.03, 1.03), xlabel="abstention recall")
    ax.invert_yaxis()
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure


def published_beside(rows: pd.DataFrame, title: str, stamp: str) -> Figure:
    """Published and measured changes on one axis. rows: label, kind, estimate, low, high (low and high may be missing)."""
    figure, (ax,) = canvas(title, stamp, height=1.6 + 0.55 * len(rows))
    colours = {"published": PALETTE[7], "ours": PALETTE[3], "your forecast": PALETTE[1]}
    for y, row in enumerate(rows.itertuples()):
        ax.plot(row.estimate, y, "D" if row.kind == "published" else "o", color=colours[row.kind], ms=11)
        if pd.notna(row.low):
            ax.plot([row.low, row.high], [y, y], color=colours[row.kind], lw=3)
        ax.annotate(f"{row.estimate:+.2f}", (row.estimate, y), (0, 11), textcoords="offset points", ha="center", fontsize=13)
    ax.axvline(0, color="0.5", lw=1)
    ax.set(yticks=range(len(rows)), yticklabels=[fill(label, 40) for label in rows.label], xlabel="change of abstention recall",
           ylim=(len(rows) - 0.4, -0.7))  # fmt: skip
    return figure


def outcomes(frame: pd.DataFrame, title: str, stamp: str) -> Figure:
    """What each arm does with the two kinds of question. frame: arm, should_abstain, outcome."""
    figure, axes = canvas(title, stamp, 2)
    for ax, should in zip(axes, (False, True), strict=True):
        cell = frame[frame.should_abstain == should]
        shares = pd.crosstab(cell.arm, cell.outcome, normalize="index").reindex(
            index=list(dict.fromkeys(frame.arm)), columns=list(OUTCOMES), fill_value=0.0
        )
        left = pd.Series(0.0, index=shares.index)
        for name, colour in OUTCOMES.items():
            ax.barh([named(a) for a in shares.index], shares[name], left=left, color=colour)
            for y, (x, width) in enumerate(zip(left, shares[name], strict=True)):
                if width > 0.09:
                    ax.text(x + width / 2, y, f"{name.replace('_', ' ')}\n{width:.0%}", ha="center", va="center", color="white",
                            fontsize=12)  # fmt: skip
            left += shares[name]
        ax.set(title="unanswerable questions" if should else "answerable questions", xlim=(0, 1), xlabel="share of replies")
        ax.invert_yaxis()
    return figure


def threshold(curves: pd.DataFrame, at: float, title: str, stamp: str) -> Figure:
    """Declining by rule whenever P(decline) reaches a threshold. curves: arm, threshold, class, rate."""
    arms = list(dict.fromkeys(curves.arm))
    figure, axes = canvas(title, stamp, len(arms))
    for ax, arm in zip(axes, arms, strict=True):
        for kind, colour in (("unanswerable", PALETTE[0]), ("answerable", PALETTE[3])):
            rows = curves[(curves.arm == arm) & (curves["class"] == kind)]
            ax.plot(rows.threshold, rows.rate, color=colour, lw=2.5)
            middle = rows.iloc[len(rows) // 2]
            ax.annotate(f"declines {kind}", (middle.threshold, middle.rate), (0, 8), textcoords="offset points", color=colour,
                        ha="center", fontsize=13)  # fmt: skip
        ax.axvline(at, color="0.4", ls="--")
        ax.set(xscale="log", xlabel="threshold on P(decline)", ylim=(-0.03, 1.08), title=named(arm).replace("\n", " "))
    return figure


def first_tokens(frame: pd.DataFrame, title: str, stamp: str) -> Figure:
    """The likeliest first tokens of a reply. frame: story, token, probability."""
    stories = list(dict.fromkeys(frame.story))
    figure, axes = canvas(title, stamp, len(stories))
    for ax, story in zip(axes, stories, strict=True):
        rows = frame[frame.story == story]
        ax.barh(rows.token, rows.probability, color=PALETTE[0])
        for y, p in enumerate(rows.probability):
            ax.text(p + 0.01, y, f"{p:.2f}", va="center", fontsize=12)
        ax.set(title=story, xlim=(0, 1.12), xlabel="probability of opening the reply")
        ax.invert_yaxis()
    return figure
