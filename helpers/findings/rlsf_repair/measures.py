"""What finding 6 measures of graded replies: calibration of what is answered, errors, and pairs."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.declared import Measure
from helpers.lab.finding import Finding, answerable
from helpers.lab.repair import KEYS, REPAIRED
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.stats.statistics import NAMED, Statistic, mean, quotient

QUALITIES = ("helps", "harms", "against_declines")
"""What pairs teach, see `quality`."""


def of_answered(name: str, confidence: str) -> Statistic:
    """A statistic of confidence and correctness over the answerable items that are answered.

    A decline has no probability that could be calibrated; counted as an answer of probability 0,
    it would make whoever always declines perfectly calibrated.
    """
    whole = NAMED[name]

    def function(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # NaN where nothing is answered
            found = [
                whole.function(np.stack([sure, right])[:, None], signal, weights * answered)
                for sure, right, answered in zip(*values, strict=True)
            ]
        return np.concatenate(found)

    return Statistic(function, (confidence, "correct", "answered"), False, whole.limits)


def _when_wrong(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean confidence of the wrong answers."""
    confidence, correct, answered = values
    wrong = answered * (1 - correct)
    with np.errstate(invalid="ignore"):  # NaN where no answer is wrong
        return (wrong * confidence) @ weights.T / (wrong @ weights.T)


WHEN_WRONG = Statistic(_when_wrong, ("confidence", "correct", "answered"), False, (0, 1))


def measure(name: str, label: str, of: str | Statistic = "", **more: Any) -> Measure:
    """A measure of graded replies."""
    return Measure(name, label, "graded", of, **more)


def share(name: str, label: str, better: int = 0) -> Measure:
    """The share of answerable items with a flag."""
    return measure(name, label, replace(mean(name, (0, 1)), about=False), better=better)


MEASURES = [
    measure("accuracy", "accuracy", better=1),
    measure(
        "ece",
        "calibration error (ECE)",
        of_answered("ece", "probability"),
        unit="difference of shares",
        better=-1,
    ),
    measure(
        "ece_disparity",
        "calibration error by disparity",
        of_answered("ece", "confidence"),
        unit="difference of shares",
        better=-1,
    ),
    measure(
        "brier",
        "Brier score",
        of_answered("brier", "probability"),
        unit="squared difference",
        better=-1,
    ),
    measure(
        "confidence_auroc",
        "AUROC of confidence",
        of_answered("confidence_auroc", "confidence"),
        unit="probability",
        better=1,
    ),
    measure("wrong_confidence", "confidence of wrong answers", WHEN_WRONG, unit="disparity"),
    measure("recall", "abstention recall", better=1),
    measure("false_declines", "false declines", better=-1),
    share("answered", "coverage: answerable items answered"),
    share("reasoned", "opens a chain"),
    Measure(
        "rater_accuracy",
        "held-out accuracy of the reward model",
        "rated",
        quotient("agreed", "paired", (0, 1)),
        better=1,
        arms=(REPAIRED,),
    ),
    Measure(
        "reward_gap",
        "reward, preferred over rejected",
        "rated",
        quotient("gap", "paired", (-inf, inf)),
        unit="logits",
        arms=(REPAIRED,),
    ),
    Measure(
        "room",
        "reward, best of k over greedy",
        "rated",
        limits=(0, inf),
        unit="logits",
        arms=(REPAIRED,),
    ),
]


def by_probability(frame: pd.DataFrame) -> pd.DataFrame:
    """The answered among the answerable items, with the probability of the answer as confidence."""
    rows = answerable(frame)
    return rows[rows.answered.astype(bool)].assign(confidence=lambda kept: kept.probability)


def sharpened(lab: Finding, before: str, after: str) -> Interval:
    """Change of confidence in wrong answers, on replies that are wrong in both arms: which answers
    are wrong changes too, and with it the mean over them.
    """
    ends = [answerable(lab.graded(arm)).set_index(KEYS) for arm in (before, after)]
    wrong = [(frame.answered & ~frame.correct.astype(bool)).astype(float) for frame in ends]
    moved = ends[1].confidence - ends[0].confidence
    both = pd.DataFrame({"wrong": wrong[0] * wrong[1], "moved": moved}).reset_index()
    return intervals.mean_where(both, "moved", "wrong", (-1, 1))


def quality(found: pd.DataFrame) -> dict[str, Interval]:
    """What pairs teach: the shares whose preferred reply alone is right (`helps`), whose rejected
    reply alone is right (`harms`), and whose rejected reply declines (`against_declines`).

    found: as `repair.pairs` gives them. Means over the questions that have a pair in every
    training, since training draws these alike often. NaN where there is none.
    """
    chosen, rejected = found.chosen_correct.astype(bool), found.rejected_correct.astype(bool)
    flags = found[KEYS].assign(
        helps=chosen & ~rejected,
        harms=~chosen & rejected,
        against_declines=found.rejected_abstained.astype(bool),
    )
    shares = flags.groupby(KEYS).mean().reset_index()
    trainings = len(shares[["base", "seed"]].drop_duplicates())
    shares = shares[shares.groupby("item").base.transform("size") == trainings]
    if shares.empty:
        return dict.fromkeys(QUALITIES, Interval(nan, nan, nan, 0))
    return {name: intervals.interval(shares, mean(name, (0, 1))) for name in QUALITIES}
