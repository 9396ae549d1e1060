"""Pictures of what models reply and of how sure they are: outcomes, probabilities, calibration."""

import itertools

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.show.look import GREY, PALETTE, Look, ink
from helpers.show.plots import HALF, OUTCOMES, bar, canvas, fill, spread
from helpers.stats.intervals import interval, over_bases

WHITE = (1.0, 1.0, 1.0)


def heat(tables: dict[str, pd.DataFrame], right: str, title: str, look: Look) -> Figure:
    """Probability of every answer after every step, a panel an arm; the right answer is framed.

    tables: by arm, a row a step and a column an answer, each 0..1.
    """
    rows = max(len(table) for table in tables.values())
    shades = plt.get_cmap("Blues")
    figure, axes = canvas(title, look.stamp, len(tables), height=2.6 + 0.5 * rows)
    for ax, (arm, table) in zip(axes, tables.items(), strict=True):
        ax.imshow(table, cmap=shades, vmin=0, vmax=1, aspect="auto")
        for i, j in itertools.product(range(len(table)), range(table.shape[1])):
            p = table.iloc[i, j]
            ax.text(
                j,
                i,
                f"{p:.2f}",
                ha="center",
                va="center",
                fontsize=12,
                color=ink(WHITE, shades(p)[:3]),
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
                    at = {"ha": "center", "va": "center"}
                    ax.text(x + width / 2, y, text, color=ink(WHITE, shade), fontsize=12, **at)
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
        shade, shape = look.colour(row["arm"]), look.marker(row["arm"])
        ax.plot(row["false_declines"], row["recall"], shape, color=shade, ms=13)
        text = f"{look.label(row['arm'])}: {row['recall']:.2f} at {row['false_declines']:.2f}"
        right = row["false_declines"] < 0.45
        ax.text(
            row["false_declines"] + (0.04 if right else -0.04),
            y,
            text,
            va="center",
            ha="left" if right else "right",
            color=ink(shade),
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
    """A panel an arm: the share of right answers in each tenth of confidence, its interval over the
    bases that have a reply there, and the count of replies; confidence 0 is in the first tenth.

    frame: arm, base, seed, item, confidence (0..1), correct; arms may have answered other items.
    """
    arms = list(frame.arm.unique())
    figure, axes = canvas(title, look.stamp, panels=len(arms), height=5.2)
    for ax, arm in zip(axes, arms, strict=True):
        rows = frame[frame.arm == arm]
        ax.plot([0, 1], [0, 1], "--", color=GREY, lw=1.5)
        tenth = (rows.confidence * 10).astype(int).clip(0, 9)
        for at, group in rows.groupby(tenth):
            shares = group.groupby(["base", "seed"]).correct.mean().groupby("base").mean()
            rate = over_bases(shares.to_dict(), len(group), limits=(0, 1))
            x = group.confidence.mean()
            bar(ax, vars(rate), x, look.colour(arm), upright=True, lw=2)
            share = group.correct.mean()  # of all replies, since a base may have none here
            ax.plot(x, share, look.marker(arm), color=look.colour(arm), ms=8)
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
