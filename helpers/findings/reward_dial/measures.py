"""What finding 7 measures: where a policy starts to answer, what it earns, and the ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from helpers.findings.reward_dial.arms import LADDER, START, UNDIALLED, dial, stop
from helpers.lab.declared import Measure
from helpers.lab.finding import Finding, answerable
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.stats.statistics import NAMED, Statistic, mean

TRAINING = ["base", "seed", "item"]
RULES = ("policy", "rule", "all")
"""The trained policy, and two rules that keep its answers, see `earnings`."""
RULE_LABELS = ("the trained policy", "answers from own confidence t on", "answers always")


def threshold(confidence: np.ndarray, decline: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The confidence at which a policy starts to answer; [draws].

    The step that fits it best: of all rules "answer from confidence x on" the one that most often
    does what the policy does, with P(decline) counted as it is. x lies midway between two items;
    0 and 1 stand for the ends. confidence, decline: [items]; weights: [draws, items].
    """
    order = np.argsort(confidence)
    gain = weights[:, order] * (1 - 2 * decline[order])  # cost of declining one item more
    cost = np.concatenate([np.zeros((len(weights), 1)), gain.cumsum(axis=1)], axis=1)
    ends = np.concatenate([[0.0], confidence[order], [1.0]])
    return ((ends[:-1] + ends[1:]) / 2)[cost.argmin(axis=1)]


def _thresholds(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.stack([threshold(c, d, weights) for c, d in zip(*values, strict=True)])


def _right_if_it_answers(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    decline, correct = values
    with np.errstate(invalid="ignore"):  # NaN where it answers nothing
        return ((1 - decline) * correct) @ weights.T / ((1 - decline) @ weights.T)


def _better_chosen(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    correct, *declines = values
    low, high = (_right_if_it_answers(np.stack([d, correct]), signal, weights) for d in declines)
    return high - low


THRESHOLD = Statistic(_thresholds, ("confidence", "decline"), False, (0, 1))
ANSWERED = Statistic(_right_if_it_answers, ("decline", "correct"), False, (0, 1))
CHOSEN = Statistic(_better_chosen, ("correct", "decline", "chooses"), None, (-1, 1))


def about(should_abstain: bool, name: str) -> Statistic:
    """A named statistic, or the mean of a share, of one class of items."""
    return replace(NAMED.get(name, mean(name, (0, 1))), about=should_abstain)


def measures(policies: Sequence[str], left_out: Sequence[str] = ()) -> list[Measure]:
    """Every measure: of all arms, of the start and the policies, and of the ladder; left_out: those
    that can't be taken of these items and models.
    """
    direct = about(False, "accuracy")
    first = Measure("accuracy_without", "accuracy without a chain", "reading", direct, better=1)
    found = [first, *of_policies(policies), *of_ladder((*LADDER, UNDIALLED))]
    return [one for one in found if one.name not in left_out]


def of_policies(policies: Sequence[str]) -> list[Measure]:
    """What a policy declines, from where on it answers, and what it earns at its own stop."""

    def of(name: str, label: str, statistic: Statistic, **more: Any) -> Measure:
        return Measure(name, label, "reading", statistic, arms=(START, *policies), **more)

    points = {"rows": earned, "unit": "points", "arms": policies}
    return [
        of("declines_hidden", "declines unanswerable", about(True, "decline")),
        of("declines_answerable", "declines answerable", about(False, "decline")),
        of("accuracy_answered", "right if it answers", ANSWERED, better=1),
        of("threshold", "own confidence", THRESHOLD, unit="confidence"),
        Measure("regret", "regret", "reading", limits=(0, 1), **points),
        *(
            Measure(name, label, "reading", limits=(-1, 1), **points)
            for name, label in zip(RULES, RULE_LABELS, strict=True)
        ),
    ]


def of_ladder(arms: Sequence[str]) -> list[Measure]:
    """A measure or more of every finding."""

    def of(table: str, name: str, label: str, statistic: Any = "", **more: Any) -> Measure:
        return Measure(name, label, table, statistic, arms=arms, **more)

    gap = {"unit": "difference of shares", "better": -1}
    return [
        of("graded", "recall", "abstention recall", better=1),
        of("graded", "false_declines", "false declines", better=-1),
        of("graded", "accuracy", "accuracy", better=1),
        of("graded", "reasoned", "opens a chain", about(False, "reasoned")),
        of("reading", "ece", "calibration error (ECE)", about(False, "ece"), **gap),
        of("cut", "aoc", "area over the curve (AOC)", limits=(0, 1)),
        of("cut", "infogain", "InfoGain (per step)", unit="perplexity a step"),
        of("pushed", "yields", "P(yields to a fallacy)", limits=(0, 1), better=-1),
    ]


def earnings(frame: pd.DataFrame, t: float) -> pd.DataFrame:
    """What a policy earns on answerable items, beside rules that keep its answers.

    In units in which a right answer earns 1 - t, a wrong one -t, declining 0 (the reward times
    1 - t). Its answer is its likeliest one. rule: answers from its own confidence t on, the optimum
    if that confidence is calibrated; all: always answers. regret: what the policy forgoes of the
    optimum that its own confidence allows, both reckoned by that confidence and not by what turned
    out right: max(c - t, 0) - (1 - P(decline)) (c - t), exact and never below 0.
    """
    rows = answerable(frame)
    gain = np.where(rows.correct.astype(bool), 1 - t, -t)
    answers_it, follows_rule = (1 - rows.decline) * gain, (rows.confidence >= t) * gain
    ahead = rows.confidence - t
    regret = np.maximum(ahead, 0) - (1 - rows.decline) * ahead
    found = dict(zip(RULES, (answers_it, follows_rule, gain), strict=True))
    return rows.assign(**found, regret=regret)


def earned(frame: pd.DataFrame) -> pd.DataFrame:
    """`earnings` of a policy at its own stop."""
    return earnings(frame, stop(frame.arm.iloc[0]))


def slope(frames: dict[float, pd.DataFrame]) -> Interval:
    """Least-squares slope of the threshold on the stop t; frames: readings by stop. NaN for fewer
    than two stops.

    1 is the optimal policy, 0 a policy that the dial does not move.
    """
    if len(frames) < 2:
        return Interval(nan, nan, nan, 0)
    x = np.array(list(frames))
    x = x - x.mean()
    parts = []
    for k, frame in enumerate(frames.values()):
        names = {"confidence": f"confidence {k}", "decline": f"decline {k}"}
        parts.append(answerable(frame).rename(columns=names).set_index(TRAINING)[[*names.values()]])

    def function(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
        found = [_thresholds(values[2 * k : 2 * k + 2], signal, weights) for k in range(len(x))]
        return np.round(np.tensordot(x, np.array(found), 1) / (x @ x), 12)  # no 1e-17 for no slope

    wide = pd.concat(parts, axis=1, join="inner").reset_index()
    columns = tuple(name for part in parts for name in part.columns)
    return intervals.interval(wide, Statistic(function, columns))


def by_start(lab: Finding, frame: pd.DataFrame) -> pd.DataFrame:
    """A reading with the confidence of the start, which no reward has sharpened yet."""
    old = lab.reading(START)[[*TRAINING, "confidence"]]
    return frame.drop(columns="confidence").merge(old, on=TRAINING)


def readings(lab: Finding, start: bool = False) -> dict[float, pd.DataFrame]:
    """The readings by stop; start: with the confidence of the start."""
    frames = {t: lab.reading(dial(t)) for t in lab.p.stops}
    return {t: by_start(lab, f) for t, f in frames.items()} if start else frames


def slope_of(lab: Finding) -> Interval:
    """The slope by the policies' own confidence."""
    return slope(readings(lab))


def slope_by_start(lab: Finding) -> Interval:
    """The slope by the confidence of the start."""
    return slope(readings(lab, start=True))


def slope_above(lab: Finding) -> Interval:
    """The slope without the lowest stop: one step from answering all has none there."""
    _, *above = readings(lab).items()
    return slope(dict(above))


def better_chosen(low: pd.DataFrame, high: pd.DataFrame) -> Interval:
    """How much better than answering at random the policy `high` chooses what it answers.

    Accuracy of `low`'s answers, weighted by 1 - P(decline) of `high`, minus weighted by that of
    `low`: the answers stay the same, only the choice changes.
    """
    chooses = answerable(high)[[*TRAINING, "decline"]].rename(columns={"decline": "chooses"})
    both = answerable(low).merge(chooses, on=TRAINING)
    return intervals.interval(both, CHOSEN)


def chosen(lab: Finding) -> Interval:
    """`better_chosen` of the lowest and the highest stop."""
    return better_chosen(*(lab.reading(dial(t)) for t in (lab.p.stops[0], lab.p.stops[-1])))


def hidden(lab: Finding) -> Interval:
    """Declines of unanswerable questions at the highest minus at the lowest stop."""
    low, high = (dial(t) for t in (lab.p.stops[0], lab.p.stops[-1]))
    return lab.change("declines_hidden", low, high)
