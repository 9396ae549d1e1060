"""Notebook 0: meeting the model, and simulated experiments that show how a verdict is made."""

import difflib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.lab import params, record, verdicts
from helpers.lab.card import COLOURS
from helpers.lab.claims import Claim, claims
from helpers.lab.verdicts import Contrast, Label, Verdict
from helpers.lm.generation import first_token_probabilities, generate
from helpers.lm.models import LM
from helpers.lm.prompts import unknown_words
from helpers.lm.reasoning import own_chains
from helpers.show import pictures, plots
from helpers.show.look import GREY, PALETTE, Look
from helpers.show.tables import inert, table
from helpers.stats.intervals import Interval, over_bases
from helpers.world import scene
from helpers.world.grammar import Story


class Params(params.Params):
    """Parameters of notebook 0."""

    model: str
    tier: str
    seed: int


# --- the map ----------------------------------------------------------------------------------


def published_falls() -> Figure:
    """How much less often models decline unanswerable questions after reasoning training, by kind
    of question, as published: the numbers behind finding 1.
    """
    claim = claims()["abstention_loss"]
    rows = []
    for figure in claim.values("recall_change_by_scenario"):
        kind, model = figure.setting.split(", ")
        rows.append({"arm": model, "kind": kind, "estimate": figure.value})
    table = pd.DataFrame(rows).assign(low=nan, high=nan)
    falls = -table.estimate
    title = f"Published: {falls.min():.0f} to {falls.max():.0f} points fewer are declined"
    colours = dict(zip(table.arm.unique(), PALETTE, strict=False))
    look = Look("as published, AbstentionBench, arXiv 2506.09038; no intervals", colours=colours)
    xlabel = "unanswerable questions declined, after minus before training (points)"
    return plots.compare(table, "kind", xlabel, title, look)


def the_map() -> str:
    """Every finding with its claim, what its source really measured, and the smallest effect of
    interest, as an HTML table.
    """
    rows = [
        {
            "": claim.number,
            "finding": claim.title,
            "claim": claim.claim,
            "what was measured": claim.definition,
            "smallest effect of interest (δ)": smallest(claim),
            "source": claim.source[0],
        }
        for claim in claims().values()
    ]
    return table(pd.DataFrame(rows)).data


def smallest(claim: Claim) -> str:
    """The smallest effect of interest of a claim with the measure that it is about, in words."""
    size = f"{claim.delta.value:g}"
    if claim.delta.relative_to:
        size += " times what it was before training"
    return f"{claim.primary_label}: {size if claim.direction else f'within ±{size}'}"


# --- meeting the model ------------------------------------------------------------------------


def ask(lm: LM, question: str) -> str:
    """The model's greedy reply, as HTML with its question; words that it never learned are named.

    A word-level model reads an unknown word as a blank.
    """
    (reply,) = generate(lm, [lm.prompt(question)], 96)
    lost = ", ".join(map(inert, unknown_words(lm.tokenizer, question)))
    note = f"<br><i>Unknown to this model, which reads a blank there: {lost}.</i>" if lost else ""
    return f"<blockquote>{inert(question)}</blockquote><b>{inert(reply.text)}</b>{note}"


def asked(lm: LM, question: str, look: Look) -> Figure:
    """What a model makes of a question: what it may open with, its greedy reply, and the one with a
    chain opened; words that it never learned are named.
    """
    (reply,), (reasoned,) = generate(lm, [lm.prompt(question)], 96), own_chains(lm, [question], 96)
    told = [question, f"→ {reply.text}", f"with a chain opened: → {reasoned.text}"]
    if lost := unknown_words(lm.tokenizer, question):
        told.append(f"unknown to this model, which reads a blank there: {', '.join(lost)}")
    head = "\n".join(plots.fill(line, 100) for line in told)
    table = first_token_probabilities(lm, lm.prompt(question), 5).assign(story=head)
    first = table.iloc[0]
    title = f"It opens with {first.token.strip()!r} at a probability of {first.probability:.2f}"
    return pictures.bars(table, title, look)


def marked(text: str, other: str) -> str:
    """`text` as HTML with the words in bold that `other` does not have in the same place."""
    words, others = text.split(), other.split()
    parts = []
    for kind, i, j, _, _ in difflib.SequenceMatcher(None, words, others, False).get_opcodes():
        piece = inert(" ".join(words[i:j]))
        if piece:
            parts.append(piece if kind == "equal" else f"<b>{piece}</b>")
    return " ".join(parts)


def stories(
    seed: int, scenario: str = "underspecified_context", number: int = 0
) -> dict[str, Story]:
    """A minimal pair: "answerable" and "unanswerable"."""
    hidden, twin = scene.pair(random.Random(f"start {seed} {scenario} {number}"), scenario, 2)
    return {"answerable": twin, "unanswerable": hidden}


def first_tokens(lm: LM, pair: dict[str, Story], title: str, look: Look) -> Figure:
    """What the reply to each story of a pair may open with, and the greedy reply itself."""
    replies = generate(lm, [lm.prompt(story.text) for story in pair.values()], 96)
    tables = []
    for (kind, story), reply in zip(pair.items(), replies, strict=True):
        head = plots.fill(f"{kind}: {story.text}", 52) + "\n" + plots.fill(f"→ {reply.text}", 52)
        table = first_token_probabilities(lm, lm.prompt(story.text), 5)
        tables.append(table.assign(story=head))
    return pictures.bars(pd.concat(tables), title, look)


# --- simulated experiments --------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """What is true in a simulated world, in units of the smallest effect of interest.

    words: what figures call it. effect: the true one, the published direction positive. left: what
    is truly left of it beyond each of three rivals. right: the label that it should earn.
    """

    words: str
    effect: float
    left: tuple[float, float, float]
    right: Label


EFFECTS = {
    "null": Truth("no effect", 0, (0, 0, 0), "does not replicate"),
    "real": Truth("an effect of 2 δ", 2, (2, 2, 2), "replicates"),
    "rival": Truth("2 δ, made by a rival", 2, (2, 2, 0), "explained otherwise"),
    "reversed": Truth("2 δ the other way", -2, (-2, -2, -2), "does not replicate"),
}
DELTA = 0.1
"""Smallest effect of interest in the simulated world."""
DEVIATION = 0.7
"""Standard deviation between bases over DELTA, where nothing else is said."""
TIMES = 4000
"""Simulated experiments behind a share, whose standard error is .008 at most then."""
OFTEN, PERCENT = 0.8, "80 %"
"""How often a design should earn the right label, and the same in words."""
MANY_BASES = range(2, 13)
MANY_DEVIATIONS = [step / 20 for step in range(6, 25)]


@dataclass(frozen=True)
class Simulated:
    """One simulated experiment: the effect, its contrasts, and the verdict on them."""

    effect: Interval
    contrasts: list[Contrast]
    verdict: Verdict


def drawn(effect: str, bases: int, deviation: float, seed: int, times: int = 1) -> np.ndarray:
    """The values of every base in `times` simulated experiments, of the effect and of its three
    contrasts, [times, 4, bases]: normal, with a standard deviation of `deviation` times DELTA.

    The same seed gives the same numbers, and further bases leave those before them as they were.
    Raises ValueError that lists the known effects.
    """
    if effect not in EFFECTS:
        raise ValueError(f"Unknown effect '{effect}'; known are: {', '.join(EFFECTS)}.")
    truth = EFFECTS[effect]
    rng = np.random.default_rng([seed, list(EFFECTS).index(effect)])
    means = np.array([truth.effect, *truth.left])
    luck = rng.standard_normal((bases, times, len(means)))
    return DELTA * (means + deviation * luck).transpose(1, 2, 0)


def simulated(effect: str, bases: int, deviation: float, seed: int) -> Simulated:
    """One experiment over so many bases where EFFECTS[effect] is true, and its verdict."""
    (values,) = drawn(effect, bases, deviation, seed)
    found, *left = (over_bases(dict(enumerate(row.tolist())), n=0) for row in values)
    contrasts = [
        Contrast(f"rival {k}", f"rival {k} makes it", one) for k, one in enumerate(left, 1)
    ]
    return Simulated(found, contrasts, verdicts.verdict(found, DELTA, contrasts))


def labels(values: np.ndarray) -> np.ndarray:
    """The label of each experiment of `drawn`, [times]: `verdicts.verdict` for many at once."""
    if values.shape[-1] < 2:
        return np.full(len(values), "inconclusive")
    middle = values.mean(axis=-1)
    half = verdicts.half_width(1.0, values.shape[-1]) * values.std(axis=-1, ddof=1)
    low, high = middle - half, middle + half
    there, missing = low[:, 0] > 0, ~(low[:, 1:] > 0)
    explained = (missing & (high[:, 1:] < DELTA)).any(axis=1)
    return np.select(
        [high[:, 0] < DELTA, there & ~missing.any(axis=1), there & explained],
        ["does not replicate", "replicates", "explained otherwise"],
        "inconclusive",
    )


def power(effect: str, bases: int, deviation: float, times: int = TIMES, seed: int = 0) -> float:
    """Share of `times` simulated experiments that earn the right label."""
    values = drawn(effect, bases, deviation, seed, times)
    return float((labels(values) == EFFECTS[effect].right).mean())


# --- their figures ----------------------------------------------------------------------------


def draw_experiments(bases: int, repetition: int = 0) -> Figure:
    """One experiment of each kind over so many bases: intervals, a dot a base, the label earned.

    Where there is an effect, the weakest of its three contrasts stands below it; where the verdict
    is open, what would decide it.
    """
    found = {name: simulated(name, bases, DEVIATION, repetition) for name in EFFECTS}
    right = sum(one.verdict.label == EFFECTS[name].right for name, one in found.items())
    title = f"{bases} bases: {right} of {len(found)} experiments earn the right label"
    stamp = f"simulated, deviation {DEVIATION} δ, repetition {repetition}; intervals 95 %"
    figure, (ax,) = plots.canvas(title, stamp, height=6.6, width=plots.HALF)
    y = 0.0
    for name, one in found.items():
        shade = COLOURS[one.verdict.label]
        words = [f"{EFFECTS[name].words}: {one.verdict.label}", one.verdict.remedy]
        _line(ax, one.effect, y, shade, "\n".join(filter(None, words)))
        if EFFECTS[name].effect > 0:
            y += 1.0
            weakest = min((one.interval for one in one.contrasts), key=lambda i: i.estimate)
            _line(ax, weakest, y, GREY, "what is left beyond its strongest rival")
        y += 1.2
    for at, word in ((0.0, "0"), (DELTA, "δ")):
        ax.axvline(at, color="0.6", ls="--" if at else "-", lw=1.5, zorder=0)
        ax.annotate(word, (at, 1), (0, 3), ("data", "axes fraction"), "offset points", ha="center")
    ax.set(yticks=[], xlim=(-5 * DELTA, 5 * DELTA), ylim=(y - 0.8, -0.9))
    ax.set(xlabel="measured; the published direction is to the right")
    ax.spines["left"].set_visible(False)
    return figure


def _line(ax: Axes, one: Interval, y: float, shade: Any, words: str) -> None:
    """An interval with its bases, and words above it."""
    plots.bar(ax, vars(one), y, shade)
    ax.plot(one.estimate, y, "|", color=shade, ms=18, mew=3)
    place = {"transform": ax.get_yaxis_transform(), "va": "bottom"}
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(0.0, y - 0.26, words, color=shade, fontsize=12, bbox=box, **place)


def draw_power(deviation: float, bases: int) -> Figure:
    """How often the right label is earned: over the number of bases at a deviation, and over the
    deviation with a number of bases.
    """
    shown = ["null", "real", "rival"]
    by_bases = {name: [power(name, n, deviation) for n in MANY_BASES] for name in shown}
    by_deviation = {name: [power(name, bases, d) for d in MANY_DEVIATIONS] for name in shown}
    often = [n for n, *p in zip(MANY_BASES, *by_bases.values(), strict=True) if min(p) >= OFTEN]
    least = f"{often[0]} bases" if often else f"more than {MANY_BASES[-1]} bases"
    title = f"Deviation {deviation:g} δ: it takes {least} to get all three right in {PERCENT}"
    stamp = f"simulated, no model; {TIMES} experiments behind every point"
    figure, axes = plots.canvas(title, stamp, 2, height=5.4)
    _curves(axes[0], MANY_BASES, by_bases, f"deviation between bases: {deviation:g} δ")
    axes[0].set(xlabel="number of bases", ylabel="share that earn the right label")
    _curves(axes[1], MANY_DEVIATIONS, by_deviation, f"{bases} bases")
    axes[1].set(xlabel="deviation between bases, over δ")
    return figure


def _curves(ax: Axes, xs: Sequence[float], shares: dict[str, list[float]], title: str) -> None:
    """A line for each effect, labelled at its right end."""
    ax.axhline(OFTEN, color="0.6", lw=1.5, ls="--", zorder=0)
    ax.text(xs[0], OFTEN + 0.01, PERCENT, color=GREY, fontsize=12, va="bottom")
    heights = plots.spread([ys[-1] for ys in shares.values()], 0.13)
    heights = [y - max(0.0, max(heights) - 1.0) for y in heights]  # off the title
    for (name, ys), marker, y in zip(shares.items(), "osD", heights, strict=True):
        truth = EFFECTS[name]
        shade = COLOURS[truth.right]
        ax.plot(xs, ys, f"{marker}-", color=shade, lw=2.5, ms=6)
        words = f"{truth.words}:\n{truth.right}"
        ax.text(xs[-1] + 0.03 * (xs[-1] - xs[0]), y, words, color=shade, va="center", fontsize=12)
    ax.set(ylim=(-0.03, 1.1), xlim=(xs[0] - 0.03 * (xs[-1] - xs[0]), None))
    ax.set_title(title, fontsize=13)


# --- the records ------------------------------------------------------------------------------


def known_records(folder: Path = record.RESULTS) -> str:
    """The effect of every record with a verdict and its deviation between bases, both over the
    smallest effect of interest, as an HTML table; no effect where a gate failed. Records of an
    older format are passed over.
    """
    rows = []
    for path in sorted(folder.glob("*.json")):
        try:
            found = record.read(path)
        except ValueError:
            continue
        if found.verdict is None:
            continue
        spread = found.verdict.deviation
        shown = found.primary is not None and found.passed
        effect = f"{found.primary.estimate / found.delta:z.2f}" if shown else "unknown"
        rows.append(
            {
                "finding": found.finding.replace("_", " "),
                "model": found.model,
                "bases": len(found.bases),
                "effect/δ": effect,
                "deviation/δ": f"{spread:.2f}" if isfinite(spread) else "unknown",
                "label": found.label,
            }
        )
    if not rows:
        return "<p>No record by this rule is here yet.</p>"
    return table(pd.DataFrame(rows)).data
