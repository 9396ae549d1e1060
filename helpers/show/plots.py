"""Tidy frame in, figure out: safe for colour-blind readers, directly labelled, intervals drawn."""

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

from helpers.show.look import GREY, PALETTE, Colour, Look, ink, marker
from helpers.show.widgets import Picture

OUTCOMES = {
    "right": PALETTE[2],
    "wrong": PALETTE[3],
    "abstained": PALETTE[0],
    "no_answer": GREY,
    "cut_off": (0.8, 0.8, 0.8),
}
ROLES = {"effect": PALETTE[0], "contrast": PALETTE[1], "attribution": GREY}
plt.rcParams["text.parse_math"] = False  # a dollar sign in a label is one
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
    shape = {"figsize": (width, height), "layout": "constrained", "squeeze": False}
    with sns.axes_style("ticks"), sns.plotting_context("notebook", font_scale=1.15):
        figure, axes = plt.subplots(1, panels, FigureClass=Picture, **shape)
    figure.says = title
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


def fit(ax: Axes, table: pd.DataFrame, limits: tuple[float, float], upright: bool = False) -> str:
    """Fit an axis to what is drawn of a measure that lies between `limits`, which are lines where
    they are seen; returns words on them for its label, "" where all of them is shown.

    table: estimate, low, high, by_base.
    """
    drawn = [*table.estimate, *table.get("low", []), *table.get("high", [])]
    drawn += [
        v for bases in table.get("by_base", []) if isinstance(bases, dict) for v in bases.values()
    ]
    drawn = [v for v in drawn if pd.notna(v)] or list(limits)
    whole = limits[1] - limits[0]
    room = max(0.1 * (max(drawn) - min(drawn)), (0.25 * whole - (max(drawn) - min(drawn))) / 2)
    low = max(min(drawn) - room, limits[0] - 0.03 * whole)
    high = min(max(drawn) + room, limits[1] + 0.03 * whole)
    for at in limits:
        (ax.axhline if upright else ax.axvline)(at, color="0.8", lw=1, zorder=0)
    (ax.set_ylim if upright else ax.set_xlim)(low, high)
    return f" (of {limits[0]:g} to {limits[1]:g})" if high - low < 0.8 * whole else ""


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
            ax.plot([0, 1], ends, f"{marker(shade)}-", color=shade, lw=2.5, ms=9)
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
                    color=ink(shade),
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
            color=ink(PALETTE[(0, 1, 3, 2)[i % 4]]),
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
            line = f"{look.marker(arm)}-"
            ax.plot(rows.dose, rows.estimate, line, color=look.colour(arm), lw=2.5, ms=7)
            for row in rows.itertuples():
                bar(ax, row, row.dose, look.colour(arm), upright=True)
            ends[arm] = rows.estimate.iloc[-1]
        part = ""
        if look.ranges.get(name) == (0, 1):
            part = fit(ax, table[table.measure == name], (0, 1), upright=True)
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
                color=ink(look.colour(arm)),
                va="center",
                fontsize=12,
            )
        ax.set(xlabel="training steps", title=look.label(name) + part)
        ax.set_xlim(-0.05 * last, 1.02 * last)
        ax.set_xticks(sorted({*start.dose, *table.dose}))
    return figure


def compare(
    table: pd.DataFrame, by: str, xlabel: str, title: str, look: Look, width: float = WIDTH
) -> Figure:
    """Every arm beside the others, row by row of the column `by`.

    table: arm, `by`, estimate, low, high.
    """
    arms = list(dict.fromkeys(table.arm))
    figure, (ax,) = canvas(title, look.stamp, height=tall(table, by), width=width)
    part = beside(ax, table, by, look)
    ax.set(xlabel=xlabel + part)
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


def compare_measures(table: pd.DataFrame, by: str, title: str, look: Look) -> Figure:
    """As `compare`, a panel a measure. table: arm, measure, `by`, estimate, low, high."""
    measures = list(dict.fromkeys(table.measure))
    figure, axes = canvas(title, look.stamp, len(measures), tall(table, by))
    for ax, name in zip(axes, measures, strict=True):
        part = beside(ax, table[table.measure == name], by, look)
        ax.set_title(fill(look.label(name) + part, 30), fontsize=13)
    for ax in axes[1:]:
        ax.set_yticklabels([])
    if table.arm.nunique() > 1:
        above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 3.2}
        axes[0].legend(**above, ncols=3, frameon=False, fontsize=12)
    return figure


def tall(table: pd.DataFrame, by: str) -> float:
    """Inches that a figure needs for a row for each name in `by` and a place for each arm."""
    return 2.3 + max(0.55, 0.16 * table.arm.nunique()) * table[by].nunique()


def beside(ax: Axes, table: pd.DataFrame, by: str, look: Look) -> str:
    """Every arm beside the others, row by row of the column `by`, from top to bottom; returns what
    `fit` does.
    """
    names = list(dict.fromkeys(table[by]))
    arms = list(dict.fromkeys(table.arm))
    for i, arm in enumerate(arms):
        rows = table[table.arm == arm].set_index(by).reindex(names)
        gap = min(0.18, 0.8 / len(arms))  # rows of names must not run into each other
        y = [k + (i - (len(arms) - 1) / 2) * gap for k in range(len(names))]
        shade = look.colour(arm)
        ax.plot(rows.estimate, y, look.marker(arm), color=shade, ms=9, label=look.label(arm))
        for row, height in zip(rows.itertuples(), y, strict=True):
            bar(ax, row, height, shade)
    ax.set(yticks=range(len(names)), yticklabels=[fill(look.label(name), 34) for name in names])
    if table.estimate.between(0, 1).all() and not (table.low < 0).any():
        part = fit(ax, table, (0, 1))
    else:
        part = ""
        ax.axvline(0, color="0.8", lw=1, zorder=0)
    ax.set_ylim(len(names) - 0.5, -0.5)
    return part


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
        line = f"{look.marker(arm)}-"
        ax.plot(rows[x], rows.estimate, line, color=look.colour(arm), lw=2.5, ms=8)
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
            color=ink(look.colour(arm)),
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
        shade = look.colour(arm)
        ax.plot(rows[x], rows[y], look.marker(arm), color=shade, ms=11, label=look.label(arm))
    ax.set(xlabel=look.label(x), ylabel=look.label(y))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=13)
    return figure


def plane(table: pd.DataFrame, x: str, y: str, title: str, look: Look) -> Figure:
    """One measure against another: every arm with both intervals, its bases as dots, and a line to
    it from `before`, where that is among the arms.

    table: arm, measure (`x` or `y`), estimate, low, high, by_base.
    """
    figure, (ax,) = canvas(title, look.stamp, height=5.6)
    points = {
        arm: tuple(rows[rows.measure == name].iloc[0] for name in (x, y))
        for arm, rows in table.groupby("arm", sort=False)
    }
    for arm, (across, up) in points.items():
        shade = look.colour(arm)
        if "before" in points:
            start = points["before"]
            ends = [[a.estimate, b.estimate] for a, b in zip(start, (across, up), strict=True)]
            ax.plot(*ends, ":", color=shade, lw=1.5, zorder=1)
        ax.plot([across.low, across.high], [up.estimate] * 2, color=shade, lw=2.5)
        ax.plot([across.estimate] * 2, [up.low, up.high], color=shade, lw=2.5)
        ax.plot(across.estimate, up.estimate, look.marker(arm), color=shade, ms=12)
        dots = [(across.by_base[base], up.by_base[base]) for base in across.by_base]
        ax.plot(*zip(*dots, strict=True), "o", ms=5, mfc="white", mec=shade, zorder=4)
    ax.set(xlabel=look.label(x), ylabel=look.label(y))
    low, high = ax.get_ylim()
    heights = spread([up.estimate for _, up in points.values()], 0.07 * (high - low))
    for arm, height in zip(points, heights, strict=True):
        ax.annotate(
            look.label(arm),
            (1.02, height),
            xycoords=ax.get_yaxis_transform(),
            color=ink(look.colour(arm)),
            va="center",
            fontsize=13,
            annotation_clip=False,
        )
    return figure


def forest(rows: pd.DataFrame, xlabel: str, title: str, look: Look, signed: bool = True) -> Figure:
    """Numbers with their intervals under each other, zero marked.

    rows: label, estimate (a missing one is not drawn), low, high (which may be missing), and
    optionally kind, which
    gives the colour: the first kind is grey. signed: numbers are differences.
    """
    labels = [fill(label, 42) for label in rows.label]
    tallest = max((label.count("\n") + 1 for label in labels), default=1)
    figure, (ax,) = canvas(title, look.stamp, height=1.9 + max(0.6, 0.27 * tallest) * len(rows))
    kinds = list(dict.fromkeys(rows["kind"])) if "kind" in rows else []
    shades = dict(zip(kinds, (GREY, PALETTE[1], PALETTE[3], PALETTE[0]), strict=False))
    shades |= OUTCOMES | ROLES
    for y, row in enumerate(rows.to_dict("records")):
        shade = shades.get(row.get("kind"), PALETTE[0])
        if pd.isna(row["estimate"]):
            continue
        ax.plot(row["estimate"], y, marker(shade), color=shade, ms=10)
        bar(ax, row, y, shade, lw=3)
        value = f"{row['estimate']:{'+' * signed}.2f}"
        ax.annotate(
            value,
            (row["estimate"], y),
            (0, 11),
            ha="center",
            textcoords="offset points",
            fontsize=13,
            color=ink(shade),
        )
    ax.axvline(0, color="0.6", lw=1, zorder=0)
    ax.set(yticks=range(len(rows)), yticklabels=labels)
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
    left, right = ax.get_xlim()
    inward = "right" if delta > (left + right) / 2 else "left"
    ax.annotate(
        "margin" if equivalence else "smallest effect of interest",
        (delta, 1),
        (-6 if inward == "right" else 6, 0),
        textcoords="offset points",
        xycoords=("data", "axes fraction"),
        va="top",
        ha=inward,
        fontsize=12,
        color="0.3",
    )
    return figure
