"""Intervals, paired differences, detection theory, calibration, and the verdict.

Every measure is a number with a 95 % interval. Items are resampled by bootstrap, the same items in
every arm and every seed; training seeds are the second level. Three seeds are too few to resample:
a percentile interval over them excludes zero whenever they agree, one null in four. So the spread
between seeds enters through Student's t instead (see `_interval`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite, nan
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

DRAWS = 2000
LEVEL = 0.95
Label = Literal["replicates", "direction only", "does not replicate", "inconclusive"]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % limits; n is the number of items, seeds of training seeds."""

    estimate: float
    low: float
    high: float
    n: int
    seeds: int = 1

    def __str__(self) -> str:
        return f"{self.estimate:z.3f} [{self.low:z.3f}, {self.high:z.3f}]"


def wilson(k: int, n: int) -> Interval:
    """Share k / n with its Wilson score interval. Raises ValueError unless 0 <= k <= n, n > 0."""
    if not (n > 0 and 0 <= k <= n):
        raise ValueError(f"wilson needs 0 <= k <= n and n > 0, but k = {k} and n = {n}.")
    low, high = proportion_confint(k, n, alpha=1 - LEVEL, method="wilson")
    # The limits at k = 0 and k = n are exact, whatever rounding says.
    return Interval(k / n, float(low) if k else 0.0, float(high) if k < n else 1.0, int(n))


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


# A statistic takes values [columns, seeds, items], signal [items] (should_abstain) and weights
# [draws, items], and returns [seeds, draws].
Statistic = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


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
    after, before, *wholes = (v @ weights.T for v in values)
    if wholes:
        after, before = _ratio(after, wholes[0]), _ratio(before, wholes[1])
    return _ratio(after, before) - 1


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom, NaN where bottom is zero: a precision without declines is undefined."""
    positive = bottom > 1e-12
    return np.where(positive, top / np.where(positive, bottom, 1), nan)


# name: (statistic, its columns, the items it is about (should_abstain), its range)
_NAMED: dict[str, tuple[Statistic, tuple[str, ...], bool | None, tuple[float, float]]] = {
    "recall": (_mean, ("abstained",), True, (0, 1)),
    "false_declines": (_mean, ("abstained",), False, (0, 1)),
    "accuracy": (_mean, ("correct",), False, (0, 1)),
    "precision": (_precision, ("abstained",), None, (0, 1)),
    "f1": (_f1, ("abstained",), None, (0, 1)),
    "d_prime": (_d_prime, ("abstained",), None, (-np.inf, np.inf)),
    "criterion": (_criterion, ("abstained",), None, (-np.inf, np.inf)),
    "auroc": (_auroc, ("p_decline",), None, (0, 1)),
    "ece": (_ece, ("confidence", "correct"), None, (0, 1)),
    "brier": (_brier, ("confidence", "correct"), None, (0, 1)),
    "confidence_auroc": (_confidence_auroc, ("confidence", "correct"), None, (0, 1)),
    "kappa": (_kappa, ("label", "predicted"), None, (-1, 1)),
}


def bootstrap(
    frame: pd.DataFrame,
    statistic: str,
    macro: bool = False,
    limits: tuple[float, float] | None = None,
) -> Interval:
    """Interval of one arm's statistic: items resampled, seeds as a second level.

    frame: responses of one arm at one dose, a row per item and seed (column `seed` optional).
    statistic: recall, false_declines, accuracy, precision, f1, d_prime, criterion (these need
    should_abstain), ece, brier, confidence_auroc (column confidence), or the name of any column,
    for its mean. macro: the mean over scenarios ("plain" items, which have no pair, left out).
    limits: the range of a column's values where they are not 0 or 1, as of rates over repetitions.
    A rate in a single seed gets the Wilson interval. Raises ValueError on a missing column, on a
    missing or doubled item, and when there is nothing to measure.
    """
    return _measure([frame], statistic, macro, limits)


def paired_bootstrap(
    before: pd.DataFrame,
    after: pd.DataFrame,
    statistic: str,
    macro: bool = False,
    limits: tuple[float, float] | None = None,
) -> Interval:
    """Interval of statistic(after) - statistic(before) on the same items; see `bootstrap`.

    Both frames hold the same items and seeds; a `before` with one seed serves every seed of
    `after` (one base model, several trainings of it). Raises ValueError when they don't match.
    """
    return _measure([before, after], statistic, macro, limits)


def bootstrap_by(
    frame: pd.DataFrame,
    statistic: Statistic,
    columns: Sequence[str],
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """As `bootstrap`, for a statistic of one's own of the given columns; all items alike.

    statistic: (values [columns, seeds, items], signal [items], weights [draws, items]) to
    [seeds, draws]; limits: its range.
    """
    if frame.empty:
        raise ValueError(f"There is no response to compute a statistic of {columns} from.")
    values, items, _ = _cube(frame, columns)
    same = np.zeros(len(items), dtype=int)
    return _interval(statistic, [values], same.astype(bool), same, limits)


def relative_increase(
    frame: pd.DataFrame, before: str, after: str, of: Sequence[str] | None = None
) -> Interval:
    """mean(after) / mean(before) - 1 of two columns of one arm, items resampled.

    of: columns by whose means the two (before, after) are divided first, where they are shares of
    different wholes.
    """
    wholes = of or ()
    return bootstrap_by(frame, _relative, (after, before, *wholes[::-1]), (-1.0, np.inf))


def ratio(
    frame: pd.DataFrame, top: str, bottom: str, limits: tuple[float, float] = (0, np.inf)
) -> Interval:
    """mean(top) / mean(bottom) of two columns of one arm, items resampled; NaN over nothing."""
    return bootstrap_by(frame, _quotient, (top, bottom), limits)


def mean_where(
    frame: pd.DataFrame, column: str, flag: str, limits: tuple[float, float]
) -> Interval:
    """Mean of a column over the responses where `flag` is 1, items resampled; n counts the items
    with one. NaN without any. limits: the range of the column.
    """
    some = frame[frame.groupby("item")[flag].transform("max") > 0]
    if some.empty:
        return _undefined(0, frame.get("seed", pd.Series([0])).nunique())
    return ratio(some.assign(total=some[flag] * some[column]), "total", flag, limits)


def binary_scores(abstained: ArrayLike, should_abstain: ArrayLike) -> dict[str, Interval]:
    """Recall, precision and F1 of the flag `abstained` against labels, both [n] of 0 or 1."""
    flags, labels = _same_length(abstained, should_abstain)
    hits = int((flags & labels).sum())
    frame = pd.DataFrame({"item": range(len(flags)), "abstained": flags, "should_abstain": labels})
    return {
        "recall": wilson(hits, int(labels.sum())) if labels.any() else _undefined(0, 1),
        "precision": wilson(hits, int(flags.sum())) if flags.any() else _undefined(0, 1),
        "f1": bootstrap(frame, "f1"),
    }


def kappa(labels: ArrayLike, predicted: ArrayLike) -> Interval:
    """Cohen's kappa (1960) of two raters, both [n] of 0 or 1; NaN if both say only one thing."""
    labels, predicted = _same_length(labels, predicted)
    return bootstrap(
        pd.DataFrame({"item": range(len(labels)), "label": labels, "predicted": predicted}), "kappa"
    )


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Expected calibration error (Guo et al. 2017) over 10 equal bins; confidence 0 counts."""
    return _calibration(_ece, confidence, correct)


def brier(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean squared distance of confidence [n] in 0..1 from correct [n], 0 or 1 (Brier 1950)."""
    return _calibration(_brier, confidence, correct)


def _calibration(statistic: Statistic, confidence: ArrayLike, correct: ArrayLike) -> float:
    values = np.array([confidence, correct], dtype=float)[:, None]
    _check_probability(values[0])
    n = values.shape[-1]
    return float(statistic(values, np.ones(n, bool), np.ones((1, n)))[0, 0])


def _check_probability(confidence: np.ndarray) -> None:
    if not (confidence.size and ((confidence >= 0) & (confidence <= 1)).all()):
        raise ValueError("Confidences must be at least one number, each between 0 and 1.")


def _same_length(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a).astype(bool), np.asarray(b).astype(bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"Two lists of one length are needed, not {a.shape} and {b.shape}.")
    return a, b


def _measure(
    frames: list[pd.DataFrame],
    statistic: str,
    macro: bool,
    limits: tuple[float, float] | None = None,
) -> Interval:
    anything = (_mean, (statistic,), None, limits or (-np.inf, np.inf))
    function, columns, about, limits = _NAMED.get(statistic, anything)
    needed = {"item", *columns} | ({"scenario"} if macro else set())
    needed |= {"should_abstain"} if about is not None or columns == ("abstained",) else set()
    tables = []
    for frame in frames:
        if missing := sorted(needed - set(frame.columns)):
            raise ValueError(f"{statistic} needs the columns {missing}, which the frame lacks.")
        if about is not None:
            frame = frame[frame["should_abstain"].astype(bool) == about]
        tables.append(frame[frame["scenario"] != "plain"] if macro else frame)
    if any(table.empty for table in tables):
        raise ValueError(f"There is no response to compute {statistic} from.")
    values, items, seeds = zip(*(_cube(table, columns) for table in tables), strict=True)
    if any(list(other) != list(items[0]) for other in items):
        odd = sorted(set(items[0]) ^ set(items[-1]), key=str)[:3]
        raise ValueError(f"Both arms must answer the same items; only one arm has {odd}.")
    if len(seeds[0]) > 1 and list(seeds[0]) != list(seeds[-1]):
        raise ValueError(f"Both arms need the same seeds, not {seeds[0]} and {seeds[-1]}.")
    if "confidence" in columns:
        _check_probability(np.concatenate([v[0].ravel() for v in values]))
    groups = tables[0].drop_duplicates("item").set_index("item").loc[list(items[0])]
    constant = pd.Series(0, groups.index)
    signal = groups.get("should_abstain", constant).to_numpy(bool)
    scenario = pd.factorize(groups.get("scenario", constant))[0]
    if function is _mean and all(((v == 0) | (v == 1)).all() for v in values):
        limits = (0, 1)
        if not macro and len(frames) == len(seeds[0]) == 1:
            return wilson(int(values[0].sum()), values[0].size)
    if macro:
        function = _macro(function, scenario)
    return _interval(function, values, signal, scenario * 2 + signal, limits)


def _cube(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, list, list]:
    """Tidy rows to values [columns, seeds, items], with the items and seeds, sorted."""
    frame = frame if "seed" in frame else frame.assign(seed=0)
    if frame.duplicated(["item", "seed"]).any():
        raise ValueError("An item has two rows in one seed: pass one arm at one dose.")
    wide = [frame.pivot(index="seed", columns="item", values=c).astype(float) for c in columns]
    values = np.stack([w.to_numpy() for w in wide])
    if np.isnan(values).any():
        _, row, column = np.argwhere(np.isnan(values))[0]
        item, seed = wide[0].columns[column], wide[0].index[row]
        raise ValueError(f"Item {item} has no value in seed {seed}: all seeds need all items.")
    return values, list(wide[0].columns), list(wide[0].index)


def _macro(function: Statistic, scenario: np.ndarray) -> Statistic:
    """The mean of a statistic over scenarios [items], coded 0, 1, ..."""

    def mean(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
        groups = [np.tile(scenario, values.shape[-1] // len(scenario)) == g for g in set(scenario)]
        return np.mean([function(values[..., g], signal[g], weights[:, g]) for g in groups], axis=0)

    return mean


@lru_cache(maxsize=16)
def _weights(strata: tuple[int, ...]) -> np.ndarray:
    """Bootstrap weights [draws, items], resampled within strata; the same ones every time.

    Of a stratum of n, n - 1 are drawn and weighted by n / (n - 1), so that small strata don't look
    too certain (Rao, Wu and Yue 1992). Items alone in their stratum are resampled together.
    """
    codes = np.array(strata)
    codes[np.bincount(codes)[codes] == 1] = codes.max() + 1
    rng = np.random.default_rng(0)
    weights = np.ones((DRAWS, len(codes)))
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        n = len(members)
        if n > 1:
            drawn = rng.integers(n, size=(DRAWS, n - 1)) + n * np.arange(DRAWS)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=DRAWS * n).reshape(DRAWS, n)
            weights[:, members] = counts * n / (n - 1)
    weights.flags.writeable = False
    return weights


def _interval(
    function: Statistic,
    values: Sequence[np.ndarray],
    signal: np.ndarray,
    strata: np.ndarray,
    limits: tuple[float, float],
) -> Interval:
    """Interval of a statistic (one array of values) or of its difference (before, after).

    Two independent sources of error are joined by squares on either side (MOVER, Zou and Donner
    2008): the items, by bias-corrected percentiles over resampled items (Efron 1981), and the
    seeds, by Student's t on what their variance has beyond the noise of finite items. Where the
    estimate lies outside the middle 95 % of the resamples, normal limits stand for percentiles;
    where none has a value in every seed, the statistic's whole range stands.
    """

    def contrast(weights: np.ndarray) -> np.ndarray:
        results = [function(v, signal, weights) for v in values]
        return results[0] if len(results) == 1 else results[1] - results[0]

    n = len(signal)
    by_seed = contrast(np.ones((1, n)))
    n_seeds, estimate = len(by_seed), float(by_seed.mean())
    estimate = 0.0 if abs(estimate) < 1e-12 else estimate  # rounding gives zero no sign
    if not isfinite(estimate):
        return _undefined(n, n_seeds)
    draws = contrast(_weights(tuple(strata.tolist())))
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    floor, ceiling = limits if len(values) == 1 else (limits[0] - limits[1], limits[1] - limits[0])
    if not draws.size:
        return Interval(estimate, float(floor), float(ceiling), n, n_seeds)
    pooled = draws.mean(axis=0)
    if np.ptp(pooled) < 1e-12:
        low, high = _constant_limits(function, values, signal)
    else:
        below = np.mean(pooled < estimate - 1e-12) + np.mean(np.abs(pooled - estimate) <= 1e-12) / 2
        bias, tail = norm.ppf(below), norm.ppf((1 - LEVEL) / 2)
        if abs(bias) < -tail:
            low, high = np.quantile(pooled, norm.cdf(2 * bias + np.array([tail, -tail])))
        else:  # resampling itself moves it, as it does a calibration error: percentiles end there
            low, high = estimate + np.array([tail, -tail]) * pooled.std()
    margin = 0.0
    if n_seeds > 1:
        item_noise = np.var(draws - by_seed, axis=0, ddof=1).mean()
        between = max(0.0, np.var(by_seed, ddof=1) - item_noise)
        margin = t.ppf((1 + LEVEL) / 2, n_seeds - 1) * np.sqrt(between / n_seeds)
    low = estimate - np.hypot(max(0.0, estimate - low), margin)
    high = estimate + np.hypot(max(0.0, high - estimate), margin)
    return Interval(estimate, float(max(low, floor)), float(min(high, ceiling)), n, n_seeds)


def _undefined(n: int, n_seeds: int) -> Interval:
    return Interval(nan, nan, nan, n, n_seeds)


def _constant_limits(
    function: Statistic, values: Sequence[np.ndarray], signal: np.ndarray
) -> tuple[float, float]:
    """Limits where every resample agrees, as when all items were right: Wilson's, generalised.

    Up to a share 1 - wilson(n, n).low of unseen items may differ: every column of every arm and
    class is set to 0 or to 1 in that share, and the extremes of the statistic are the limits.
    """
    if any(((v < 0) | (v > 1)).any() for v in values):
        return -np.inf, np.inf
    classes = np.unique(signal)
    weights = np.ones(len(signal))
    other = np.empty(len(signal))
    for c in classes:
        n = int((signal == c).sum())
        other[signal == c] = 1 - wilson(n, n).low
    both = np.concatenate([weights - other, other])[None]
    n_columns = len(values[0])
    results = []
    for corner in itertools.product((0.0, 1.0), repeat=len(values) * len(classes) * n_columns):
        fills = np.reshape(corner, (len(values), n_columns, len(classes)))
        arms = []
        for v, fill in zip(values, fills, strict=True):
            unseen = fill[:, np.searchsorted(classes, signal)][:, None]
            mixed = np.concatenate([v, np.broadcast_to(unseen, v.shape)], axis=-1)
            arms.append(function(mixed, np.tile(signal, 2), both).mean())
        results.append(arms[0] if len(arms) == 1 else arms[1] - arms[0])
    return float(np.nanmin(results)), float(np.nanmax(results))


@dataclass(frozen=True)
class Gate:
    """What must be so before a result counts: value at least `minimum`."""

    name: str
    value: float
    minimum: float
    passed: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "passed", bool(self.value >= self.minimum))


@dataclass(frozen=True)
class Control:
    """A second measure that must point in `direction` (+1 or -1) for the finding to hold.

    It holds when its whole interval lies beyond `threshold`, fails in size when only the sign of
    its estimate is right, and fails otherwise.
    """

    name: str
    interval: Interval
    direction: int
    threshold: float = 0.0
    outcome: Literal["holds", "fails in size", "fails"] = field(init=False)

    def __post_init__(self) -> None:
        _check_direction(self.direction)
        right_sign = self.interval.estimate * self.direction > 0
        outcome = "fails in size" if right_sign else "fails"
        if right_sign and _beyond(self.interval, self.direction, self.threshold):
            outcome = "holds"
        object.__setattr__(self, "outcome", outcome)


@dataclass(frozen=True)
class Verdict:
    """One of the four labels, and why."""

    label: Label
    reason: str


def _beyond(interval: Interval, direction: int, threshold: float = 0.0) -> bool:
    return interval.low > threshold if direction > 0 else interval.high < threshold


def _check_direction(direction: int) -> None:
    if direction not in (1, -1):
        raise ValueError(f"A direction is +1 (rises) or -1 (falls), not {direction!r}.")


def verdict(
    primary: Interval, direction: int, controls: Sequence[Control], gates: Sequence[Gate]
) -> Verdict:
    """The verdict on a published effect of sign `direction`, by rules fixed in advance.

    replicates: the interval excludes zero in the published direction and every control holds.
    direction only: the sign is right, but the interval touches zero or a control fails in size.
    does not replicate: nothing in the interval has the published direction.
    inconclusive: a gate failed; or a control fails even in sign, so that the effect can't be laid
    to its cause; or the sign is wrong in an interval wide enough to hold the published one.
    """
    _check_direction(direction)
    failed, contrary, weak = _checked(controls, gates)
    measured = f"the difference {primary}, n = {primary.n}, seeds = {primary.seeds},"
    if failed:
        label, why = "inconclusive", "a gate failed: " + "; ".join(failed)
    elif not all(map(isfinite, (primary.estimate, primary.low, primary.high))):
        label, why = "inconclusive", "the primary measure is undefined here"
    elif (primary.low if direction < 0 else -primary.high) >= 0:
        label, why = "does not replicate", f"{measured} excludes the published direction"
    elif contrary:
        label = "inconclusive"
        why = f"{measured} does not count, as a control fails: {'; '.join(contrary)}"
    elif primary.estimate * direction <= 0:
        label, why = "inconclusive", f"{measured} leaves the sign open: too few items or seeds"
    elif not _beyond(primary, direction):
        label, why = "direction only", f"{measured} has the published sign but touches zero"
    elif weak:
        label = "direction only"
        why = f"{measured} excludes zero, but a control fails in size: {'; '.join(weak)}"
    else:
        label, why = "replicates", f"{measured} excludes zero as published and every control holds"
    return Verdict(label, f"For this model family at this scale, {why}.")


def equivalence(
    primary: Interval, margin: float, controls: Sequence[Control], gates: Sequence[Gate]
) -> Verdict:
    """The verdict on "there is no difference", shown only by an interval within +-`margin`.

    With 95 % intervals it is two one-sided tests at 2.5 % (Schuirmann 1987, at 5 %, has 90 %).
    replicates: the whole interval lies within the margin and every control holds. direction only:
    the estimate does, but the interval leaves it or a control fails in size. does not replicate:
    the whole interval lies beyond the margin. inconclusive: a gate failed, a control fails, the
    estimate lies beyond the margin and the interval does not, or the interval is so wide that it
    could not lie within (`equivalence_power` is 0). Raises ValueError unless margin > 0.
    """
    if not margin > 0:
        raise ValueError(f"An equivalence test needs a margin above 0, not {margin:g}.")
    failed, contrary, weak = _checked(controls, gates)
    measured = f"the difference {primary}, n = {primary.n}, seeds = {primary.seeds},"
    if failed:
        label, why = "inconclusive", "a gate failed: " + "; ".join(failed)
    elif not all(map(isfinite, (primary.estimate, primary.low, primary.high))):
        label, why = "inconclusive", "the primary measure is undefined here"
    elif primary.low >= margin or primary.high <= -margin:
        label, why = "does not replicate", f"{measured} lies beyond the margin {margin:g}"
    elif contrary:
        label = "inconclusive"
        why = f"{measured} does not count, as a control fails: {'; '.join(contrary)}"
    elif equivalence_power(primary, margin) == 0:
        label, why = "inconclusive", f"{measured} is known too roughly for the margin {margin:g}"
    elif abs(primary.estimate) >= margin:
        label, why = "inconclusive", f"{measured} crosses the margin {margin:g} from beyond it"
    elif primary.low <= -margin or primary.high >= margin:
        label, why = "direction only", f"{measured} is small, but not surely within {margin:g}"
    elif weak:
        label = "direction only"
        why = f"{measured} lies within {margin:g}, but a control fails in size: {'; '.join(weak)}"
    else:
        label, why = "replicates", f"{measured} lies within {margin:g} and every control holds"
    return Verdict(label, f"For this model family at this scale, {why}.")


def equivalence_power(found: Interval, margin: float) -> float:
    """Chance that `equivalence` finds the interval within the margin when nothing differs, for an
    interval as wide as `found` (normal approximation).
    """
    half = (found.high - found.low) / 2
    error = half / norm.ppf((1 + LEVEL) / 2)
    if not half < margin:
        return 0.0
    return float(2 * norm.cdf((margin - half) / error) - 1) if error > 0 else 1.0


def _checked(
    controls: Sequence[Control], gates: Sequence[Gate]
) -> tuple[list[str], list[str], list[str]]:
    """Gates that failed, controls that fail, and controls that fail in size."""
    failed = [f"{g.name} is {g.value:.3g}, below {g.minimum:.3g}" for g in gates if not g.passed]
    contrary = [c.name for c in controls if c.outcome == "fails"]
    return failed, contrary, [c.name for c in controls if c.outcome == "fails in size"]


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
