"""Tidy frame in, figure out: safe for colour-blind readers, directly labelled, intervals drawn."""

import itertools
from collections.abc import Sequence
from math import nan
from textwrap import fill
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.show.look import GREY, PALETTE, Colour, Look
from helpers.stats.intervals import interval, mean_where

OUTCOMES = {
    "right": PALETTE[2],
    "wrong": PALETTE[3],
    "abstained": PALETTE[0],
    "no_answer": GREY,
}
WIDTH, HALF = 11.0, 5.6
"""Inches of a figure and of one of two beside each other; fonts are 12 points or more."""


def moves(start: float, end: float) -> str:
    """How a number moved, in words: "falls from 0.90 to 0.55"."""
    if f"{start:.2f}" == f"{end:.2f}":
        return f"stays at {end:.2f}"
    return f"{'rises' if end > start else 'falls'} from {start:.2f} to {end:.2f}"


def canvas(
    title: str, stamp: str, panels: int = 1, height: float = 4.6, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """An empty figure with its title (what is seen) and its stamp; width and height in inches."""
    with sns.axes_style("ticks"), sns.plotting_context("notebook", font_scale=1.15):
        figure, axes = plt.subplots(
            1, panels, figsize=(width, height), layout="constrained", squeeze=False
        )
    size = 16 if width > HALF else 14
    figure.suptitle(
        fill(title, int(125 * width / size)), fontsize=size, weight="bold", x=0.01, ha="left"
    )
    figure.supxlabel(fill(stamp, int(11 * width)), fontsize=12, color=GREY, x=0.01, ha="left")
    sns.despine(figure)
    plt.close(figure)  # shown where it is returned, and only there
    return figure, list(axes[0])


def spread(ys: Sequence[float], gap: float) -> list[float]:
    """`ys` moved apart where they are nearer than `gap`, their order kept."""
    order = sorted(range(len(ys)), key=lambda i: ys[i])
    placed = [float(y) for y in ys]
    for below, above in zip(order, order[1:], strict=False):
        placed[above] = max(placed[above], placed[below] + gap)
    excess = [placed[i] - ys[i] for i in order]
    shift = sum(excess) / len(excess) if excess else 0.0  # centred again
    return [y - shift for y in placed]


def bar(
    ax: Axes, row: Any, at: float, shade: Colour, upright: bool = False, lw: float = 2.5
) -> None:
    """The interval of a row of a table as a line at `at`, and its bases as dots; nothing where the
    row has none. upright: values on the y axis.
    """
    row = row if isinstance(row, dict) else row._asdict()
    low, high = row.get("low", nan), row.get("high", nan)
    if pd.notna(low) and pd.notna(high):
        ends, place = [low, high], [at, at]
        ax.plot(*((place, ends) if upright else (ends, place)), color=shade, lw=lw)
    bases = row.get("by_base")
    values = list(bases.values()) if isinstance(bases, dict) and len(bases) > 1 else []
    places = [at] * len(values)
    ax.plot(
        *((places, values) if upright else (values, places)),
        "o",
        ms=4.5,
        mew=1.2,
        mfc="white",
        mec=shade,
        zorder=4,
    )


def slopes(rows: pd.DataFrame, title: str, look: Look) -> Figure:
    """Before and after of several pairs, a panel a measure, published ones beside our own.

    rows: label, measure, before, after; ours also before_low, before_high, after_low, after_high.
    """
    measures = list(dict.fromkeys(rows.measure))
    figure, axes = canvas(title, look.stamp, len(measures), 5.0)
    labels = list(dict.fromkeys(rows.label))
    for ax, measure in zip(axes, measures, strict=True):
        cell = rows[rows.measure == measure]
        for row in cell.to_dict("records"):
            shade = PALETTE[(0, 1, 3, 2)[labels.index(row["label"]) % 4]]
            ends = [row["before"], row["after"]]
            ax.plot([0, 1], ends, "o-", color=shade, lw=2.5, ms=9)
            for x, name in enumerate(("before", "after")):
                if pd.notna(row.get(f"{name}_low")):
                    ax.plot([x, x], [row[f"{name}_low"], row[f"{name}_high"]], color=shade, lw=2)
        for x, name, side in ((0, "before", "right"), (1, "after", "left")):
            there = cell[cell[name].notna()]  # precision is undefined without any decline
            heights = spread(there[name].tolist(), 0.07)
            for y, value, label in zip(heights, there[name], there.label, strict=True):
                shade = PALETTE[(0, 1, 3, 2)[labels.index(label) % 4]]
                ax.text(
                    x + (0.08 if x else -0.08),
                    y,
                    f"{value:.2f}",
                    color=shade,
                    ha=side,
                    va="center",
                    fontsize=13,
                )
        ax.set(xticks=[0, 1], xticklabels=["before", "after"], xlim=(-0.5, 1.5), ylim=(-0.03, 1.03))
        ax.set_title(look.label(measure))
    for i, label in enumerate(labels):
        axes[0].text(
            -0.45,
            0.02 + 0.08 * (len(labels) - 1 - i),
            label,
            fontsize=12,
            color=PALETTE[(0, 1, 3, 2)[i % 4]],
        )
    return figure


def dose_response(table: pd.DataFrame, names: Sequence[str], title: str, look: Look) -> Figure:
    """Measures against training steps, a panel each; every arm starts from `before`.

    table: arm, dose, measure, estimate, low, high.
    """
    figure, axes = canvas(title, look.stamp, len(names))
    start = table[table.arm == "before"]
    for ax, name in zip(axes, names, strict=True):
        ends = {}
        for arm in dict.fromkeys(table.arm):
            rows = table[(table.arm == arm) | (table.arm == "before")]
            rows = rows[rows.measure == name].sort_values("dose")
            if arm == "before" and len(set(table.arm)) > 1:
                continue
            ax.plot(rows.dose, rows.estimate, "o-", color=look.colour(arm), lw=2.5, ms=7)
            for row in rows.itertuples():
                bar(ax, row, row.dose, look.colour(arm), upright=True)
            ends[arm] = rows.estimate.iloc[-1]
        if look.ranges.get(name) == (0, 1):
            ax.set_ylim(-0.03, 1.03)
        else:
            ax.axhline(0, color="0.8", lw=1, zorder=0)
        low, high = ax.get_ylim()
        last = table.dose.max()
        ends = {arm: y for arm, y in ends.items() if pd.notna(y)}
        heights = spread(list(ends.values()), 0.13 * (high - low))
        for arm, y in zip(ends, heights, strict=True):
            ax.text(
                1.04 * last,
                y,
                fill(look.label(arm), 16),
                color=look.colour(arm),
                va="center",
                fontsize=12,
            )
        ax.set(xlabel="training steps", title=look.label(name), xlim=(-0.05 * last, 1.02 * last))
        ax.set_xticks(sorted({*start.dose, *table.dose}))
    return figure


def compare(
    table: pd.DataFrame, by: str, xlabel: str, title: str, look: Look, width: float = WIDTH
) -> Figure:
    """Every arm beside the others, row by row of the column `by`.

    table: arm, `by`, estimate, low, high.
    """
    names = list(dict.fromkeys(table[by]))
    arms = list(dict.fromkeys(table.arm))
    height = 2.3 + max(0.55, 0.16 * len(arms)) * len(names)
    figure, (ax,) = canvas(title, look.stamp, height=height, width=width)
    for i, arm in enumerate(arms):
        rows = table[table.arm == arm].set_index(by).reindex(names)
        gap = min(0.18, 0.8 / len(arms))  # rows of names must not run into each other
        y = [k + (i - (len(arms) - 1) / 2) * gap for k in range(len(names))]
        ax.plot(rows.estimate, y, "o", color=look.colour(arm), ms=9, label=look.label(arm))
        for row, height in zip(rows.itertuples(), y, strict=True):
            bar(ax, row, height, look.colour(arm))
    ax.set(yticks=range(len(names)), yticklabels=[fill(look.label(name), 34) for name in names])
    ax.set(xlabel=xlabel)
    if table.estimate.between(0, 1).all() and not (table.low < 0).any():
        ax.set_xlim(-0.03, 1.03)
    else:
        ax.axvline(0, color="0.8", lw=1, zorder=0)
    ax.invert_yaxis()
    columns = min(len(arms), 3) if width >= WIDTH else 1
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        frameon=False,
        fontsize=12,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    return figure


def curves(
    table: pd.DataFrame,
    x: str,
    xlabel: str,
    ylabel: str,
    title: str,
    look: Look,
    doubling: bool = False,
) -> Figure:
    """A line an arm with its intervals, labelled at the end where the arms lie further apart.

    table: arm, `x`, estimate, low, high. doubling: on an axis where each doubling takes one step.
    """
    figure, (ax,) = canvas(title, look.stamp, height=5.2)
    ticks = sorted(set(table[x]))
    if doubling:
        table = table.assign(**{x: np.log2(table[x])})
    for arm, rows in table.groupby("arm", sort=False):
        ax.plot(rows[x], rows.estimate, "o-", color=look.colour(arm), lw=2.5, ms=8)
        ax.fill_between(rows[x], rows.low, rows.high, color=look.colour(arm), alpha=0.15, lw=0)
        for row in rows.to_dict("records"):
            bar(ax, row | {"low": nan}, row[x], look.colour(arm), upright=True)
    left, right = table[x].min(), table[x].max()
    starts, ends = (table[table[x] == end].set_index("arm").estimate for end in (left, right))
    at_end = ends.std() > starts.std()
    shown = ends if at_end else starts
    gap = 0.02 * (right - left)
    heights = spread(shown.tolist(), 0.07)
    lift = max(0.0, 0.03 - min(heights)) - max(0.0, max(heights) - 1.0)  # off axis and title
    for arm, y in zip(shown.index, [y + lift for y in heights], strict=True):
        ax.text(
            right + gap if at_end else left - gap,
            y,
            look.label(arm),
            color=look.colour(arm),
            va="center",
            ha="left" if at_end else "right",
            fontsize=13,
        )
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(-0.03, 1.03))
    wide = max(0.32, 0.015 * max(len(look.label(arm)) for arm in shown.index))
    room = (0.03, wide) if at_end else (wide, 0.03)
    ax.set_xlim(left - room[0] * (right - left), right + room[1] * (right - left))
    ax.set_xticks(sorted(set(table[x])), [f"{tick:g}" for tick in ticks])
    return figure


def waterfall(table: pd.DataFrame, ylabel: str, title: str, look: Look) -> Figure:
    """Parts that add up to the last row, each bar standing where the one before it ended.

    table: part, estimate, low, high (intervals of the parts).
    """
    figure, (ax,) = canvas(title, look.stamp, height=5.2)
    start = 0.0
    for x, row in enumerate(table.to_dict("records")):
        whole = x == len(table) - 1
        base = 0.0 if whole else start
        shade = GREY if whole else PALETTE[3] if row["estimate"] < 0 else PALETTE[2]
        ax.bar(x, row["estimate"], bottom=base, color=shade, width=0.6)
        ends = {name: base + row[name] for name in ("low", "high")}
        dots = {b: base + v for b, v in (row.get("by_base") or {}).items()}
        bar(ax, ends | {"by_base": dots}, x, GREY, upright=True, lw=2)
        ax.text(
            x + 0.08,
            base + row["estimate"] / 2,
            f"{row['estimate']:+.2f}",
            fontsize=13,
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        start = base + row["estimate"]
    ax.axhline(0, color="0.6", lw=1)
    ax.set(ylabel=ylabel, xticks=range(len(table)))
    ax.set_xticklabels([fill(part, 18) for part in table["part"]])
    return figure


def scatter(table: pd.DataFrame, x: str, y: str, title: str, look: Look) -> Figure:
    """One measure against another, a point an arm and seed. table: arm, `x`, `y`."""
    figure, (ax,) = canvas(title, look.stamp, height=5.2)
    for arm, rows in table.groupby("arm", sort=False):
        ax.plot(rows[x], rows[y], "o", color=look.colour(arm), ms=11, label=look.label(arm))
    ax.set(xlabel=look.label(x), ylabel=look.label(y))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=13)
    return figure


def heat(tables: dict[str, pd.DataFrame], right: str, title: str, look: Look) -> Figure:
    """Probability of every answer after every step, a panel an arm; the right answer is framed.

    tables: by arm, a row a step and a column an answer, each 0..1.
    """
    rows = max(len(table) for table in tables.values())
    figure, axes = canvas(title, look.stamp, len(tables), height=2.6 + 0.5 * rows)
    for ax, (arm, table) in zip(axes, tables.items(), strict=True):
        ax.imshow(table, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for i, j in itertools.product(range(len(table)), range(table.shape[1])):
            p = table.iloc[i, j]
            ax.text(
                j,
                i,
                f"{p:.2f}",
                ha="center",
                va="center",
                fontsize=12,
                color="white" if p > 0.55 else "0.25",
            )
        if right in table.columns:
            at = list(table.columns).index(right)
            ax.add_patch(
                plt.Rectangle((at - 0.5, -0.5), 1, len(table), fill=False, lw=3, ec=PALETTE[2])
            )
        ax.set(xticks=range(table.shape[1]), xticklabels=table.columns, xlabel="answer")
        labels = [fill(str(step), 30) for step in table.index] if ax is axes[0] else []
        ax.set(yticks=range(len(table)), title=look.label(arm))
        ax.set_yticklabels(labels or [""] * len(table))
    return figure


def forest(rows: pd.DataFrame, xlabel: str, title: str, look: Look, signed: bool = True) -> Figure:
    """Numbers with their intervals under each other, zero marked.

    rows: label, estimate, low, high (low and high may be missing), and optionally kind, which
    gives the colour: the first kind is grey. signed: numbers are differences.
    """
    figure, (ax,) = canvas(title, look.stamp, height=1.9 + 0.6 * len(rows))
    kinds = list(dict.fromkeys(rows["kind"])) if "kind" in rows else []
    shades = dict(zip(kinds, (GREY, PALETTE[1], PALETTE[3], PALETTE[0]), strict=False))
    shades |= OUTCOMES
    for y, row in enumerate(rows.to_dict("records")):
        shade = shades.get(row.get("kind"), PALETTE[0])
        ax.plot(row["estimate"], y, "o", color=shade, ms=10)
        bar(ax, row, y, shade, lw=3)
        value = f"{row['estimate']:{'+' * signed}.2f}"
        ax.annotate(
            value,
            (row["estimate"], y),
            (0, 11),
            ha="center",
            textcoords="offset points",
            fontsize=13,
            color=shade,
        )
    ax.axvline(0, color="0.6", lw=1, zorder=0)
    ax.set(yticks=range(len(rows)), yticklabels=[fill(label, 42) for label in rows.label])
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.8))
    return figure


def contrasts(
    rows: pd.DataFrame,
    delta: float,
    xlabel: str,
    title: str,
    look: Look,
    equivalence: bool = False,
) -> Figure:
    """The effect and what is left of it beyond each rival, the published direction to the right,
    zero and the smallest effect of interest marked.

    rows: as for `forest`. equivalence: the claim is that there is no effect, and `delta` is the
    margin on both sides of zero.
    """
    figure = forest(rows, xlabel, title, look)
    (ax,) = figure.axes
    for at in (-delta, delta) if equivalence else (delta,):
        ax.axvline(at, color="0.3", ls="--", lw=2, zorder=0)
    ax.annotate(
        "margin" if equivalence else "smallest effect of interest",
        (delta, 0),
        (4, -4),
        textcoords="offset points",
        xycoords=("data", "axes fraction"),
        va="top",
        fontsize=12,
        color="0.3",
    )
    return figure


def outcomes(frame: pd.DataFrame, title: str, look: Look) -> Figure:
    """What each arm does with the two kinds of question.

    frame: arm, base, seed, item, should_abstain, outcome.
    """
    arms = list(dict.fromkeys(frame.arm))
    figure, axes = canvas(title, look.stamp, 2, height=2.6 + 0.55 * len(arms))
    for ax, should in zip(axes, (False, True), strict=True):
        cell = frame[frame.should_abstain == should]
        shares = pd.crosstab(cell.arm, cell.outcome, normalize="index")
        shares = shares.reindex(index=arms, columns=list(OUTCOMES), fill_value=0.0)
        left = pd.Series(0.0, index=arms)
        for outcome, shade in OUTCOMES.items():
            ax.barh(range(len(arms)), shares[outcome], left=left, color=shade, height=0.75)
            for y, (x, width) in enumerate(zip(left, shares[outcome], strict=True)):
                if width > 0.3:
                    hits = cell[cell.arm == arms[y]].eval("hit = outcome == @outcome")
                    share = interval(hits, "hit")
                    several = pd.notna(share.low)
                    ends = f"\n[{share.low:.0%}, {share.high:.0%}]" if several else ""
                    text = f"{look.label(outcome)} {width:.0%}{ends}"
                    ax.text(
                        x + width / 2, y, text, ha="center", va="center", color="white", fontsize=12
                    )
            left += shares[outcome]
        ax.set(title=f"{'un' if should else ''}answerable questions", xlabel="share of replies")
        ax.set(yticks=range(len(arms)), xlim=(0, 1), ylim=(len(arms) - 0.5, -0.5))
        ax.set_yticklabels([] if should else [fill(look.label(arm), 18) for arm in arms])
    figure.legend(
        [plt.Rectangle((0, 0), 1, 1, color=shade) for shade in OUTCOMES.values()],
        [look.label(outcome) for outcome in OUTCOMES],
        loc="outside right center",
        frameon=False,
        fontsize=12,
    )
    return figure


def roc(curves: pd.DataFrame, points: pd.DataFrame, title: str, look: Look) -> Figure:
    """Recall against false declines over all thresholds, and where a threshold stands on it.

    curves: arm, false_declines, recall; points: the same columns, one row an arm.
    """
    figure, (ax,) = canvas(title, look.stamp, height=5.8, width=HALF)
    ax.plot([0, 1], [0, 1], color="0.8", lw=1)
    ends = points.recall.tolist()
    for y, row in zip(spread(ends, 0.14), points.to_dict("records"), strict=True):
        rows = curves[curves.arm == row["arm"]]
        ax.plot(rows.false_declines, rows.recall, color=look.colour(row["arm"]), lw=2.5)
        ax.plot(row["false_declines"], row["recall"], "o", color=look.colour(row["arm"]), ms=13)
        text = f"{look.label(row['arm'])}: {row['recall']:.2f} at {row['false_declines']:.2f}"
        right = row["false_declines"] < 0.45
        ax.text(
            row["false_declines"] + (0.04 if right else -0.04),
            y,
            text,
            va="center",
            ha="left" if right else "right",
            color=look.colour(row["arm"]),
            fontsize=13,
        )
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.06))
    ax.set(xlabel="false declines", ylabel=look.label("recall"))
    return figure


def bars(table: pd.DataFrame, title: str, look: Look) -> Figure:
    """First tokens and their probabilities, a panel a story. table: story, token, probability."""
    stories = list(dict.fromkeys(table.story))
    figure, axes = canvas(title, look.stamp, len(stories))
    for ax, story in zip(axes, stories, strict=True):
        rows = table[table.story == story]
        ax.barh(range(len(rows)), rows.probability, color=PALETTE[0])
        for y, p in enumerate(rows.probability):
            ax.text(p + 0.01, y, f"{p:.2f}", va="center", fontsize=12)
        ax.set(title=story, xlim=(0, 1.12), xlabel="probability of opening the reply")
        ax.set(yticks=range(len(rows)), yticklabels=[repr(t.strip())[1:-1] for t in rows.token])
        ax.invert_yaxis()
    return figure


def declining(
    frame: pd.DataFrame, optimum: float, threshold: float | None, title: str, look: Look
) -> Figure:
    """P(decline) against confidence: an item a point, the mean of every tenth as a line, the
    threshold of the policy, if it has one, and the best. frame: item, seed, confidence, decline.
    """
    figure, (ax,) = canvas(title, look.stamp, height=5.4, width=HALF)
    ax.plot(frame.confidence, frame.decline, "o", color=GREY, alpha=0.25, ms=5, mew=0)
    tenths = frame.groupby((frame.confidence * 10).astype(int).clip(upper=9))
    middles = tenths[["confidence", "decline"]].mean()
    ax.plot(
        middles.confidence,
        middles.decline,
        "o-",
        color=PALETTE[0],
        lw=2.5,
        ms=8,
        label="mean of every tenth",
    )
    if threshold is not None:
        label = f"starts at {threshold:.2f}"
        ax.axvline(threshold, color=PALETTE[0], lw=2, ls="--", label=label)
    ax.axvline(optimum, color=PALETTE[1], lw=2, label=f"best: {optimum:.2f}")
    ax.set(xlabel="confidence in its answer", ylabel="probability of declining")
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        fontsize=12,
        handlelength=1.2,
        columnspacing=1,
    )
    return figure


def selective(curve: pd.DataFrame, points: pd.DataFrame, title: str, look: Look) -> Figure:
    """Accuracy where a model answers against how much it answers (El-Yaniv and Wiener 2010).

    curve: coverage, accuracy of one model over all thresholds; points: label, and both with their
    limits (coverage_low, ...).
    """
    figure, (ax,) = canvas(title, look.stamp, height=5.2)
    ax.plot(curve.coverage, curve.accuracy, color=GREY, lw=2.5, label="start, by its confidence")
    shades = sns.color_palette("viridis", len(points))
    for shade, row in zip(shades, points.to_dict("records"), strict=True):
        ends = {end: row[f"coverage_{end}"] for end in ("low", "high")}
        bar(ax, ends, row["accuracy"], shade, lw=2)
        ends = {end: row[f"accuracy_{end}"] for end in ("low", "high")}
        bar(ax, ends, row["coverage"], shade, upright=True, lw=2)
        ax.plot(row["coverage"], row["accuracy"], "o", color=shade, ms=12, label=row["label"])
    ax.set(xlabel="coverage: share of answerable questions answered", xlim=(-0.03, 1.03))
    ax.set(ylabel="accuracy where it answers", ylim=(-0.03, 1.03))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=13)
    return figure


def reliability(frame: pd.DataFrame, title: str, look: Look) -> Figure:
    """A panel an arm: the share of right answers in each tenth of confidence, with its interval,
    items resampled, and the count of replies; confidence 0 is in the first.

    frame: arm, seed, item, confidence (0..1), correct.
    """
    arms = list(frame.arm.unique())
    figure, axes = canvas(title, look.stamp, panels=len(arms), height=5.2)
    for ax, arm in zip(axes, arms, strict=True):
        rows = frame[frame.arm == arm]
        ax.plot([0, 1], [0, 1], "--", color=GREY, lw=1.5)
        tenth = (rows.confidence * 10).astype(int).clip(0, 9)
        for at, group in rows.groupby(tenth):
            inside = rows.assign(inside=(tenth == at).astype(float))
            rate = mean_where(inside, "correct", "inside", (0, 1))
            x = group.confidence.mean()
            bar(ax, vars(rate), x, look.colour(arm), upright=True, lw=2)
            ax.plot(x, rate.estimate, "o", color=look.colour(arm), ms=8)
            ax.text((at + 0.5) / 10, 1.06, str(len(group)), ha="center", fontsize=10)
        ax.set(xlabel="probability of the answer", xlim=(-0.03, 1.03), ylim=(-0.03, 1.14))
        ax.set_title(f"{look.label(arm)} (replies above)", fontsize=13)
    axes[0].set_ylabel("share of right answers")
    return figure


def risk(table: pd.DataFrame, title: str, look: Look) -> Figure:
    """Share of wrong answers against coverage, a line an arm, dashed where an earlier one has its
    colour; no intervals. table: arm, coverage, risk.
    """
    figure, (ax,) = canvas(title, f"{look.stamp} (none drawn)", height=5.2)
    seen = set()
    for arm, rows in table.groupby("arm", sort=False):
        dashed = "--" if look.colour(arm) in seen else "-"
        seen.add(look.colour(arm))
        ax.plot(
            rows.coverage, rows.risk, dashed, color=look.colour(arm), lw=2.5, label=look.label(arm)
        )
    ax.set(xlabel="coverage: share answered, the surest first", xlim=(-0.03, 1.03))
    ax.set(ylabel="share of wrong answers", ylim=(-0.03, 1.03))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=13)
    return figure
