"""What is measured of an arm's rows: rates, detection theory, calibration, ranking, pass@k."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm


def d_prime_criterion(
    hits: ArrayLike, n_signal: ArrayLike, false_alarms: ArrayLike, n_noise: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity d' and criterion c from counts, elementwise, with the log-linear correction.

    A hit is declining an unanswerable item, a false alarm declining an answerable one. A high c is
    a reluctance to decline. The correction (Hautus 1995) adds 0.5 to counts and 1 to totals.
    """
    z_hit = norm.ppf((np.asarray(hits) + 0.5) / (np.asarray(n_signal) + 1))
    z_false = norm.ppf((np.asarray(false_alarms) + 0.5) / (np.asarray(n_noise) + 1))
    return z_hit - z_false, -(z_hit + z_false) / 2


# Takes values [columns, cells, items], signal [items] (should_abstain) and weights [draws, items],
# and returns [cells, draws]; a cell is one training: a base and a seed.
Function = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Statistic:
    """What is computed of an arm's rows.

    columns: of the table, in the order of the function's values; about: the class of items
    (should_abstain) that it is about, None for both; limits: its range.
    """

    function: Function
    columns: tuple[str, ...]
    about: bool | None = None
    limits: tuple[float, float] = (-inf, inf)


def _mean(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return values[0] @ weights.T / weights.sum(axis=1)


def _counts(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Hits, unanswerable items, false alarms, answerable items."""
    hits = (values[0] * signal) @ weights.T
    false_alarms = (values[0] * ~signal) @ weights.T
    return hits, weights @ signal, false_alarms, weights @ ~signal


def _precision(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    hits, _, false_alarms, _ = _counts(values, signal, weights)
    return _ratio(hits, hits + false_alarms)


def _f1(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    hits, n_signal, false_alarms, _ = _counts(values, signal, weights)
    return _ratio(2 * hits, n_signal + hits + false_alarms)


def _d_prime(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return d_prime_criterion(*_counts(values, signal, weights))[0]


def _criterion(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return d_prime_criterion(*_counts(values, signal, weights))[1]


def _ece(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    confidence, correct = values
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [((bins == b) * (correct - confidence)) @ weights.T for b in range(10)]
    return np.abs(gaps).sum(axis=0) / weights.sum(axis=1)


def _brier(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (values[0] - values[1]) ** 2 @ weights.T / weights.sum(axis=1)


def _kappa(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    a, b = (v @ weights.T / weights.sum(axis=1) for v in values)
    agreement = (values[0] == values[1]) @ weights.T / weights.sum(axis=1)
    chance = a * b + (1 - a) * (1 - b)
    return _ratio(agreement - chance, 1 - chance)


def _auroc(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Chance that an unanswerable item scores above an answerable one, a tie counting half
    (Hanley and McNeil 1982).
    """
    positive, negative = weights[:, signal], weights[:, ~signal]
    wins = [(np.sign(s[signal][:, None] - s[~signal]) + 1) / 2 for s in values[0]]
    sums = np.array([((positive @ won) * negative).sum(axis=1) for won in wins])
    return _ratio(sums, positive.sum(axis=1) * negative.sum(axis=1))


def _confidence_auroc(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Chance that a right answer is surer than a wrong one; what is right differs by seed."""
    seeds = zip(*values, strict=True)
    return np.concatenate([_auroc(c[None, None], r.astype(bool), weights) for c, r in seeds])


def _quotient(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return _ratio(values[0] @ weights.T, values[1] @ weights.T)


def _relative(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    after, before = (v @ weights.T for v in values)
    return _ratio(after, before) - 1


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom, NaN where bottom is zero: a precision without declines is undefined."""
    positive = bottom > 1e-12
    return np.where(positive, top / np.where(positive, bottom, 1), nan)


NAMED: dict[str, Statistic] = {
    "recall": Statistic(_mean, ("abstained",), True, (0, 1)),
    "false_declines": Statistic(_mean, ("abstained",), False, (0, 1)),
    "accuracy": Statistic(_mean, ("correct",), False, (0, 1)),
    "precision": Statistic(_precision, ("abstained",), None, (0, 1)),
    "f1": Statistic(_f1, ("abstained",), None, (0, 1)),
    "d_prime": Statistic(_d_prime, ("abstained",)),
    "criterion": Statistic(_criterion, ("abstained",)),
    "auroc": Statistic(_auroc, ("p_decline",), None, (0, 1)),
    "ece": Statistic(_ece, ("confidence", "correct"), None, (0, 1)),
    "brier": Statistic(_brier, ("confidence", "correct"), None, (0, 1)),
    "confidence_auroc": Statistic(_confidence_auroc, ("confidence", "correct"), None, (0, 1)),
    "kappa": Statistic(_kappa, ("label", "predicted"), None, (-1, 1)),
}
"""Statistics by the field's name for them; any other name is the mean of the column so called."""


def mean(column: str, limits: tuple[float, float] = (-inf, inf)) -> Statistic:
    """The mean of a column."""
    return Statistic(_mean, (column,), None, limits)


def quotient(top: str, bottom: str, limits: tuple[float, float] = (0, inf)) -> Statistic:
    """mean(top) / mean(bottom) of two columns; NaN over nothing."""
    return Statistic(_quotient, (top, bottom), None, limits)


def relative_increase(before: str, after: str) -> Statistic:
    """mean(after) / mean(before) - 1 of two columns; NaN over nothing."""
    return Statistic(_relative, (after, before), None, (-1.0, inf))


def macro(statistic: Statistic, scenario: np.ndarray) -> Statistic:
    """The mean of a statistic over scenarios [items], coded 0, 1, ..."""
    function = statistic.function

    def averaged(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
        groups = [scenario == group for group in set(scenario)]
        return np.mean([function(values[..., g], signal[g], weights[:, g]) for g in groups], axis=0)

    return Statistic(averaged, statistic.columns, statistic.about, statistic.limits)


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Expected calibration error (Guo et al. 2017) over 10 equal bins; confidence 0 counts."""
    return _calibration(_ece, confidence, correct)


def brier(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean squared distance of confidence [n] in 0..1 from correct [n], 0 or 1 (Brier 1950)."""
    return _calibration(_brier, confidence, correct)


def _calibration(function: Function, confidence: ArrayLike, correct: ArrayLike) -> float:
    values = np.array([confidence, correct], dtype=float)[:, None]
    check_probability(values[0])
    n = values.shape[-1]
    return float(function(values, np.ones(n, bool), np.ones((1, n)))[0, 0])


def check_probability(confidence: np.ndarray) -> None:
    """Raise ValueError unless there is a confidence and all lie between 0 and 1."""
    if not (confidence.size and ((confidence >= 0) & (confidence <= 1)).all()):
        raise ValueError("Confidences must be at least one number, each between 0 and 1.")


def pass_at_k(n_correct: ArrayLike, n: int, k: int) -> np.ndarray:
    """1 - C(n - c, k) / C(n, k) for each count c [items] of right answers among n samples: unbiased
    (Chen et al., arXiv 2107.03374; used by Yue et al., arXiv 2504.13837).

    Raises ValueError unless 1 <= k <= n and all counts lie in 0..n.
    """
    c = np.asarray(n_correct)
    if not (1 <= k <= n and (c >= 0).all() and (c <= n).all()):
        raise ValueError(f"pass_at_k needs 1 <= k <= n and counts in 0..n; got k = {k}, n = {n}.")
    wrong = n - c[..., None] - np.arange(k)
    return 1.0 - np.clip(wrong / (n - np.arange(k)), 0.0, None).prod(-1)
