"""What finding 7 measures: what a policy earns beyond a switch, where it starts to answer, and the
ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from helpers.findings.reward_dial.arms import LADDER, START, default, dial, stop
from helpers.lab.declared import Measure
from helpers.lab.finding import Finding, answerable
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.stats.statistics import NAMED, Statistic, mean

TRAINING = ["base", "seed", "item"]
STAKES = ["earned", "always", "rule", "ahead"]
"""Columns of `stakes`."""
LEAST_POSSIBLE = 0.02
"""Points a question: where a policy could gain less, its share of that says nothing."""
RIDGE, NEWTON_STEPS, LONGEST = np.diag([1e-6, 1e-4]), 40, 10.0
"""Of `crossing`: the penalty on level and tilt, which a perfect step would take to infinity,
and the longest move at a time.
"""


# --- what a policy earns --------------------------------------------------------------------


def stakes(frame: pd.DataFrame, t: float, worth: str = "confidence") -> pd.DataFrame:
    """What a policy and its rivals earn at the stop t, an answerable item a row.

    In units in which a right answer earns 1 - t, a wrong one -t, declining 0 (the reward times
    1 - t). So answering is worth c - t, where c is the policy's own confidence (an expectation,
    exact as the policy is) or, with worth "correct", whether its likeliest answer turned out right.
    earned: (1 - P(decline)) (c - t); always: c - t. rule, ahead: what the policy's own best rule,
    "answer from confidence t on", and always answering earn in expectation: max(c - t, 0), c - t.
    """
    rows = answerable(frame)
    always, ahead = rows[worth].astype(float) - t, rows.confidence - t
    paid = {"earned": (1 - rows.decline) * always, "always": always}
    return rows.assign(**paid, rule=np.maximum(ahead, 0), ahead=ahead)


def gains(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a policy gains over the better of always and never answering, and what its own best rule
    would; both [cells, draws], points a question. values: of `STAKES`, [4, cells, items].
    """
    earned, always, rule, ahead = values @ weights.T / weights.sum(axis=1)
    return earned - np.maximum(always, 0), rule - np.maximum(ahead, 0)


def _gain(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return gains(values, weights)[0]


def _possible(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return gains(values, weights)[1]


def _share(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of several stops together: their gains are summed first, as ratios of little are noise."""
    stops = [gains(part, weights) for part in np.split(values, len(values) // len(STAKES))]
    gain, possible = np.sum(stops, axis=0)
    enough = possible >= LEAST_POSSIBLE * len(stops)
    return np.where(enough, gain / np.where(enough, possible, 1), nan)


GAIN = Statistic(_gain, tuple(STAKES), False, (-1, 1))
POSSIBLE = Statistic(_possible, tuple(STAKES), False, (0, 1))
SHARE = Statistic(_share, tuple(STAKES), False)


def own(frame: pd.DataFrame) -> pd.DataFrame:
    """`stakes` of a policy at its own stop."""
    return stakes(frame, stop(frame.arm.iloc[0]))


def share(parts: Sequence[pd.DataFrame], minus: Sequence[pd.DataFrame] = ()) -> Interval:
    """The share of the possible gain that policies earn, all stops together; parts: their stakes.

    1 is the best rule by the policy's own confidence, 0 a switch: the better of always and never
    answering. minus: the stakes of others, whose share is taken off. NaN for no part, and for a
    base in which less than `LEAST_POSSIBLE` a stop could be gained.
    """
    if not parts:
        return Interval(nan, nan, nan, 0)
    wide = []
    for k, part in enumerate([*parts, *minus]):
        names = {name: f"{name} {k}" for name in STAKES}
        wide.append(part.set_index(TRAINING)[STAKES].rename(columns=names))
    frame = pd.concat(wide, axis=1, join="inner").reset_index()
    columns = tuple(name for name in frame.columns if name not in TRAINING)
    first = len(parts) * len(STAKES)

    def function(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
        mine = _share(values[:first], signal, weights)
        return mine - _share(values[first:], signal, weights) if minus else mine

    return intervals.interval(frame, Statistic(function, columns))


def stops(lab: Finding) -> list[float]:
    """The stops above 0: at 0 answering always is the best rule, and there is nothing to gain."""
    return [t for t in lab.p.stops if t > 0]


def by_start(lab: Finding, frame: pd.DataFrame) -> pd.DataFrame:
    """A reading with the confidence of the start, which no reward has sharpened yet."""
    old = lab.reading(START)[[*TRAINING, "confidence"]]
    return frame.drop(columns="confidence").merge(old, on=TRAINING)


def share_of(lab: Finding, policy: Callable[[float], str] = dial) -> Interval:
    """The share by the policies' own confidence."""
    return share([own(lab.reading(policy(t))) for t in stops(lab)])


def share_of_default(lab: Finding) -> Interval:
    """That of the policies trained by trl's default."""
    return share_of(lab, default)


def share_by_start(lab: Finding) -> Interval:
    """The share, all reckoned by the confidence of the start."""
    return share([stakes(by_start(lab, lab.reading(dial(t))), t) for t in stops(lab)])


def share_as_it_turned_out(lab: Finding) -> Interval:
    """What policies earned by the answers that turned out right, as a share of the same possible
    gain.
    """
    return share([stakes(lab.reading(dial(t)), t, "correct") for t in stops(lab)])


def beyond_start(lab: Finding) -> Interval:
    """The share, minus that of the start, which declines by lot, at the same stops."""
    started = [stakes(lab.reading(START), t) for t in stops(lab)]
    return share([own(lab.reading(dial(t))) for t in stops(lab)], started)


def beyond_other_stops(lab: Finding) -> Interval:
    """The share, minus that of the policies of the other stops above 0 at the same stop."""
    there = stops(lab)
    others = [stakes(lab.reading(dial(s)), t) for t in there for s in there if s != t]
    if not others:
        return Interval(nan, nan, nan, 0)
    return share([own(lab.reading(dial(t))) for t in there], others)


# --- where it starts to answer --------------------------------------------------------------


def crossing(confidence: np.ndarray, decline: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The confidence at which a logistic regression of P(decline) on it crosses one half; [draws].

    Fitted by Newton's method with a small ridge. Where nothing is crossed between 0 and 1, or
    declines rise with confidence, it is 0 for a policy that mostly answers and 1 for one that
    mostly declines. confidence, decline: [items]; weights: [draws, items].
    """
    x = np.stack([np.ones_like(confidence), confidence - confidence.mean()])
    squares = (x[:, None] * x).reshape(4, -1).T
    beta = np.zeros((len(weights), 2))
    for _ in range(NEWTON_STEPS):
        p = expit(beta @ x)
        slope = (weights * (decline - p)) @ x.T - beta @ RIDGE
        bend = (weights * p * (1 - p) @ squares).reshape(-1, 2, 2) + RIDGE
        step = np.linalg.solve(bend, slope[..., None])[..., 0]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        beta = beta + step * LONGEST / np.maximum(length, LONGEST)
    level, tilt = beta.T
    falls = tilt < 0
    at = confidence.mean() - level / np.where(falls, tilt, 1)
    shy = (weights @ decline / weights.sum(axis=1) >= 0.5).astype(float)
    return np.where(falls, np.clip(at, 0, 1), shy)


def _crossings(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.stack([crossing(c, d, weights) for c, d in zip(*values, strict=True)])


THRESHOLD = Statistic(_crossings, ("confidence", "decline"), False, (0, 1))


def slope(lab: Finding) -> Interval:
    """Least-squares slope of the threshold on the stop: 1 for the best policy, about as much for a
    switch from answering everything to nothing, so that it proves nothing.
    """
    found = [lab.value("threshold", dial(t)).by_base for t in lab.p.stops]
    x = np.array(lab.p.stops) - np.mean(lab.p.stops)
    by_base = {b: float(x @ [one[b] for one in found] / (x @ x)) for b in found[0]}
    return intervals.over_bases(by_base, lab.value("threshold", dial(lab.p.stops[0])).n)


# --- all that is measured -------------------------------------------------------------------


def _right_if_it_answers(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    decline, correct = values
    with np.errstate(invalid="ignore"):  # NaN where it answers nothing
        return ((1 - decline) * correct) @ weights.T / ((1 - decline) @ weights.T)


ANSWERED = Statistic(_right_if_it_answers, ("decline", "correct"), False, (0, 1))


def about(should_abstain: bool, name: str) -> Statistic:
    """A named statistic, or the mean of a share, of one class of items."""
    return replace(NAMED.get(name, mean(name, (0, 1))), about=should_abstain)


def measures(policies: Sequence[str], left_out: Sequence[str] = ()) -> list[Measure]:
    """Every measure: of all arms, of the start and the policies, and of the ladder; left_out: those
    that can't be taken of these items and models.
    """
    direct = about(False, "accuracy")
    first = Measure("accuracy_without", "accuracy without a chain", "reading", direct, better=1)
    found = [first, *of_policies(policies), *of_ladder(LADDER)]
    return [one for one in found if one.name not in left_out]


def of_policies(policies: Sequence[str]) -> list[Measure]:
    """What a policy declines, from where on it answers, and what it earns at its own stop."""

    def of(name: str, label: str, statistic: Statistic, **more: Any) -> Measure:
        return Measure(name, label, "reading", statistic, arms=(START, *policies), **more)

    def at_own_stop(name: str, label: str, statistic: Statistic, unit: str) -> Measure:
        return Measure(name, label, "reading", statistic, rows=own, unit=unit, arms=policies)

    return [
        of("declines_hidden", "declines unanswerable", about(True, "decline")),
        of("declines_answerable", "declines answerable", about(False, "decline")),
        of("accuracy_answered", "right if it answers", ANSWERED, better=1),
        of("threshold", "starts to answer at", THRESHOLD, unit="confidence"),
        at_own_stop("gain", "gain over the better switch", GAIN, "points"),
        at_own_stop("possible", "gain of its own best rule", POSSIBLE, "points"),
        at_own_stop("share", "share of the possible gain", SHARE, "share"),
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
        of("cut", "log_infogain", "gain a step, in nats a token", unit="nats a token", better=1),
        of("pushed", "yields", "P(yields to a fallacy)", limits=(0, 1), better=-1),
    ]
