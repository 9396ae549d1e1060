"""Intervals over bases and over items, and the statistics that they are about.

A *base* is one pretrained (or published) model, and what is reported is meant for bases like
those that were tried. So an interval is Student's t on the per-base values, bases - 1 degrees of
freedom; training seeds are nested in their base and are averaged first. All bases and arms answer
the same items. How much of the spread between bases is the noise of finitely many items is found
by resampling items and is kept beside the interval, so that a record can say what would narrow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t
from statsmodels.stats.proportion import proportion_confint

from helpers.stats.statistics import NAMED, Statistic, check_probability, macro, mean, quotient

DRAWS = 400
"""Resamples of the items; their spread is known to 4 % then."""
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % limits.

    n: number of items. by_base: the value of every base, training seeds averaged; empty for a
    number that has no base, such as an agreement of two raters. One base alone has no limits (NaN).
    seeds: training seeds a base. noise: standard error of one base's value that the items alone
    make.
    """

    estimate: float
    low: float
    high: float
    n: int
    by_base: dict[int, float] = field(default_factory=dict)
    seeds: int = 1
    noise: float = nan

    def __str__(self) -> str:
        if len(self.by_base) == 1:
            return f"{self.estimate:z.3f} (one base)"
        return f"{self.estimate:z.3f} [{self.low:z.3f}, {self.high:z.3f}]"

    @property
    def deviation(self) -> float:
        """Standard deviation of the per-base values, NaN for fewer than two bases. Where all bases
        agree to the digit, which rates of few items may do by chance, it is the noise of the items.
        """
        return spread_of(list(self.by_base.values()), self.noise)

    def oriented(self, direction: int) -> Interval:
        """The same with its sign turned where the published direction is a fall (-1)."""
        if direction >= 0:
            return self
        turned = {base: -value for base, value in self.by_base.items()}
        return replace(
            self, estimate=-self.estimate, low=-self.high, high=-self.low, by_base=turned
        )

    def shifted(self, by: float) -> Interval:
        """The same with a constant added."""
        moved = {base: value + by for base, value in self.by_base.items()}
        ends = {name: getattr(self, name) + by for name in ("estimate", "low", "high")}
        return replace(self, **ends, by_base=moved)


def spread_of(values: Sequence[float], noise: float) -> float:
    """See `Interval.deviation`."""
    if len(values) < 2:
        return nan
    found = float(np.std(values, ddof=1))
    return noise if found < 1e-12 < noise else found


def over_bases(
    by_base: dict[int, float],
    n: int,
    seeds: int = 1,
    noise: float = nan,
    limits: tuple[float, float] = (-inf, inf),
) -> Interval:
    """Student's t interval on per-base values, cut off at the limits of the measure.

    NaN where a base has no value, and without limits where there is but one base.
    """
    values = np.array(list(by_base.values()), dtype=float)
    estimate = float(values.mean()) if len(values) else nan
    estimate = 0.0 if abs(estimate) < 1e-12 else estimate  # rounding gives zero no sign
    if len(values) < 2 or not np.isfinite(values).all():
        return Interval(estimate, nan, nan, n, by_base, seeds, noise)
    half = t.ppf((1 + LEVEL) / 2, len(values) - 1) * spread_of(values, noise) / sqrt(len(values))
    low, high = max(estimate - half, limits[0]), min(estimate + half, limits[1])
    return Interval(estimate, float(low), float(high), n, by_base, seeds, noise)


def wilson(k: int, n: int) -> Interval:
    """Share k / n with its Wilson score interval. Raises ValueError unless 0 <= k <= n, n > 0."""
    if not (n > 0 and 0 <= k <= n):
        raise ValueError(f"wilson needs 0 <= k <= n and n > 0, but k = {k} and n = {n}.")
    low, high = proportion_confint(k, n, alpha=1 - LEVEL, method="wilson")
    # The limits at k = 0 and k = n are exact, whatever rounding says.
    return Interval(k / n, float(low) if k else 0.0, float(high) if k < n else 1.0, int(n))


def interval(frame: pd.DataFrame, of: str | Statistic, macro: bool = False) -> Interval:
    """Interval of one arm's statistic over bases.

    frame: rows of one arm at one dose, a row for every item, base and training seed. of: a name of
    `statistics.NAMED` (most need the column should_abstain), a `Statistic`, or the name of a
    column, for its mean. macro: the mean over scenarios ("plain" items, which have no pair, are
    left out). Raises ValueError on a missing column, on a missing or doubled item, and when there
    is nothing to measure.
    """
    return _measured([frame], of, macro)


def difference(
    before: pd.DataFrame, after: pd.DataFrame, of: str | Statistic, macro: bool = False
) -> Interval:
    """Interval of the statistic of `after` minus that of `before`, base by base; see `interval`.

    Both frames hold the same items and bases; the number of training seeds may differ. Raises
    ValueError when they don't match.
    """
    return _measured([before, after], of, macro)


def over_items(frame: pd.DataFrame, of: str | Statistic) -> Interval:
    """Interval of a statistic of rows that no base made, such as labelled replies: percentiles
    over resampled items (Efron 1979).
    """
    statistic = _statistic(of)
    values, _, _ = _cube(frame.assign(base=0, seed=0), statistic.columns)
    n = values.shape[-1]
    signal = np.zeros(n, dtype=bool)
    estimate = float(statistic.function(values, signal, np.ones((1, n)))[0, 0])
    draws = statistic.function(values, signal, _weights((0,) * n))[0]
    draws = draws[np.isfinite(draws)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail]) if draws.size else (nan, nan)
    return Interval(estimate, float(low), float(high), n)


def mean_where(
    frame: pd.DataFrame, column: str, flag: str, limits: tuple[float, float]
) -> Interval:
    """Mean of a column over the rows where `flag` is 1; n counts the items with one. NaN where no
    row is flagged. limits: the range of the column.
    """
    some = frame[frame.groupby("item")[flag].transform("max") > 0]
    if some.empty:
        return Interval(nan, nan, nan, 0)
    flagged = some.assign(total=some[flag] * some[column])
    return interval(flagged, quotient("total", flag, limits))


def where_both(
    before: pd.DataFrame, after: pd.DataFrame, flag: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two arms on the items where `flag` holds in both, in every base and training seed."""
    good = [frame.groupby("item")[flag].all() for frame in (before, after)]
    common = good[0] & good[1].reindex(good[0].index, fill_value=False)
    chosen = set(common.index[common])
    return tuple(frame[frame.item.isin(chosen)] for frame in (before, after))


def binary_scores(abstained: ArrayLike, should_abstain: ArrayLike) -> dict[str, Interval]:
    """Recall, precision and F1 of the flag `abstained` against labels, both [n] of 0 or 1."""
    flags, labels = _same_length(abstained, should_abstain)
    hits = int((flags & labels).sum())
    frame = pd.DataFrame(
        {
            "item": range(len(flags)),
            "top": 2 * (flags & labels),
            "bottom": flags.astype(int) + labels,
        }
    )
    return {
        "recall": wilson(hits, int(labels.sum())) if labels.any() else Interval(nan, nan, nan, 0),
        "precision": wilson(hits, int(flags.sum())) if flags.any() else Interval(nan, nan, nan, 0),
        "f1": over_items(frame, quotient("top", "bottom", (0, 1))),
    }


def kappa(labels: ArrayLike, predicted: ArrayLike) -> Interval:
    """Cohen's kappa (1960) of two raters, both [n] of 0 or 1; NaN if both say only one thing."""
    labels, predicted = _same_length(labels, predicted)
    rows = {"item": range(len(labels)), "label": labels, "predicted": predicted}
    return over_items(pd.DataFrame(rows), "kappa")


def _same_length(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a).astype(bool), np.asarray(b).astype(bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"Two lists of one length are needed, not {a.shape} and {b.shape}.")
    return a, b


def _statistic(of: str | Statistic) -> Statistic:
    if isinstance(of, Statistic):
        return of
    return NAMED[of] if of in NAMED else mean(of)


def _measured(frames: list[pd.DataFrame], of: str | Statistic, by_scenario: bool) -> Interval:
    statistic = _statistic(of)
    tables = [_about(frame, statistic, of, by_scenario) for frame in frames]
    values, items, cells = zip(*(_cube(table, statistic.columns) for table in tables), strict=True)
    _check_match(items, cells)
    if "confidence" in statistic.columns:
        check_probability(np.concatenate([v[0].ravel() for v in values]))
    groups = tables[0].drop_duplicates("item").set_index("item").loc[items[0]]
    constant = pd.Series(0, groups.index)
    signal = groups.get("should_abstain", constant).to_numpy(bool)
    scenario = pd.factorize(groups.get("scenario", constant))[0]
    if by_scenario:
        statistic = macro(statistic, scenario)

    def by_base(weights: np.ndarray) -> np.ndarray:
        """The value, or the difference, of every base under weights [draws, items]."""
        found = [
            _seed_means(statistic.function(v, signal, weights), c)
            for v, c in zip(values, cells, strict=True)
        ]
        return found[0] if len(found) == 1 else found[1] - found[0]

    point = by_base(np.ones((1, len(signal))))[:, 0]
    draws = by_base(_weights(tuple((scenario * 2 + signal).tolist())))
    draws = draws[:, np.isfinite(draws).all(axis=0)]
    noise = sqrt(draws.var(axis=1).mean()) if draws.size else nan
    flags = all(((v == 0) | (v == 1)).all() for v in values)
    low, high = (0, 1) if flags and statistic == mean(*statistic.columns[:1]) else statistic.limits
    limits = (low, high) if len(values) == 1 else (low - high, high - low)
    bases = list(dict.fromkeys(base for base, _ in cells[-1]))
    seeds = len(cells[-1]) // len(bases)
    return over_bases(
        dict(zip(bases, map(float, point), strict=True)), len(signal), seeds, noise, limits
    )


def _about(
    frame: pd.DataFrame, statistic: Statistic, of: str | Statistic, by_scenario: bool
) -> pd.DataFrame:
    """The rows that a statistic is about; ValueError where a column or all rows are missing."""
    name = of if isinstance(of, str) else " and ".join(statistic.columns)
    needed = {"item", *statistic.columns} | ({"scenario"} if by_scenario else set())
    if statistic.about is not None or statistic.columns == ("abstained",):
        needed.add("should_abstain")
    if missing := sorted(needed - set(frame.columns)):
        raise ValueError(f"{name} needs the columns {missing}, which the frame lacks.")
    if statistic.about is not None:
        frame = frame[frame["should_abstain"].astype(bool) == statistic.about]
    if by_scenario:
        frame = frame[frame["scenario"] != "plain"]
    if frame.empty:
        raise ValueError(f"There is no response to compute {name} from.")
    return frame


def _check_match(items: Sequence[list], cells: Sequence[list]) -> None:
    if any(other != items[0] for other in items):
        odd = sorted(set(items[0]) ^ set(items[-1]), key=str)[:3]
        raise ValueError(f"Both arms must answer the same items; only one arm has {odd}.")
    bases = [list(dict.fromkeys(base for base, _ in each)) for each in cells]
    if any(other != bases[0] for other in bases):
        raise ValueError(f"Both arms need the same bases, not {bases[0]} and {bases[-1]}.")


def _seed_means(values: np.ndarray, cells: list[tuple[int, int]]) -> np.ndarray:
    """Means over the training seeds of each base; [cells, draws] to [bases, draws]."""
    bases = np.array([base for base, _ in cells])
    return np.stack([values[bases == base].mean(axis=0) for base in dict.fromkeys(bases)])


def _cube(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[np.ndarray, list, list]:
    """Tidy rows to values [columns, cells, items], with the items and the cells (base, seed), both
    sorted.
    """
    keys = [
        frame[name].to_numpy() if name in frame else np.zeros(len(frame), dtype=int)
        for name in ("base", "seed")
    ]
    item = frame["item"].to_numpy()
    order = np.lexsort((pd.factorize(item, sort=True)[0], keys[1], keys[0]))
    base, seed, item = (array[order] for array in (*keys, item))
    cells = list(dict.fromkeys(zip(base.tolist(), seed.tolist(), strict=True)))
    items = list(dict.fromkeys(item[(base == cells[0][0]) & (seed == cells[0][1])].tolist()))
    _check_whole(base, seed, item, cells, items)
    values = np.stack([frame[name].to_numpy(dtype=float)[order] for name in columns])
    values = values.reshape(len(columns), len(cells), len(items))
    if np.isnan(values).any():
        _, cell, k = np.argwhere(np.isnan(values))[0]
        _lacks(items[k], cells[cell])
    return values, items, cells


def _check_whole(
    base: np.ndarray, seed: np.ndarray, item: np.ndarray, cells: list, items: list
) -> None:
    """Raise ValueError unless every cell has every item once; the arrays are sorted."""
    if len(item) == len(cells) * len(items) and (item == np.tile(items, len(cells))).all():
        return
    rows = pd.DataFrame({"base": base, "seed": seed, "item": item})
    if rows.duplicated().any():
        raise ValueError("An item has two rows in one training: pass one arm at one dose.")
    everyone = sorted(set(item.tolist()), key=str)
    for cell, own in rows.groupby(["base", "seed"]):
        for lost in set(everyone) - set(own.item):
            _lacks(lost, cell)


def _lacks(item: object, cell: tuple[int, int]) -> None:
    base, seed = cell
    raise ValueError(f"Item {item} has no value in base {base}, seed {seed}: all need all items.")


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
