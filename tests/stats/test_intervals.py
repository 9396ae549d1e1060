"""Intervals over bases: Student's t on per-base values, seeds nested, and the noise of items."""

from math import isnan, sqrt

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from helpers.stats import intervals
from helpers.stats.intervals import (
    Interval,
    binary_scores,
    difference,
    interval,
    kappa,
    mean_where,
    over_bases,
    over_items,
    where_both,
    wilson,
)
from helpers.stats.statistics import quotient
from tests.rows import replies

# --- Student's t over bases ----------------------------------------------------------------------


def test_the_interval_is_student_s_t_on_the_values_of_the_bases():
    by_base = {0: 0.2, 1: 0.5, 2: 0.35, 3: 0.6}
    found = over_bases(by_base, n=40)
    values = np.array(list(by_base.values()))
    error = values.std(ddof=1) / 2
    expected = t.interval(0.95, 3, loc=values.mean(), scale=error)
    assert (found.low, found.high) == pytest.approx(expected)
    # by hand: mean 0.4125, deviation 0.1750, t(3) = 3.1824
    assert found.estimate == pytest.approx(0.4125) and found.deviation == pytest.approx(0.1750)
    assert found.high - found.estimate == pytest.approx(3.1824 * 0.1750 / 2, abs=1e-4)
    assert (found.n, found.by_base) == (40, by_base)


def test_the_interval_of_rows_is_that_of_the_mean_of_every_base():
    values = np.random.default_rng(0).random((5, 30))
    found = interval(replies(values, column="nats"), "nats")
    means = values.mean(axis=1)
    assert found.by_base == pytest.approx(dict(enumerate(means)))
    expected = t.interval(0.95, 4, loc=means.mean(), scale=means.std(ddof=1) / sqrt(5))
    assert (found.low, found.high) == pytest.approx(expected)
    assert (found.estimate, found.n, found.seeds) == (pytest.approx(means.mean()), 30, 1)


def test_training_seeds_are_averaged_before_anything_else():
    rng = np.random.default_rng(1)
    values = rng.random((6, 20))  # three bases of two seeds
    frame = replies(values, column="x", seeds=2)
    found = interval(frame, "x")
    means = values.mean(axis=1).reshape(3, 2).mean(axis=1)
    assert found.by_base == pytest.approx(dict(enumerate(means))) and found.seeds == 2
    expected = t.interval(0.95, 2, loc=means.mean(), scale=means.std(ddof=1) / sqrt(3))
    assert (found.low, found.high) == pytest.approx(expected)
    shuffled = frame.sample(frac=1, random_state=0)
    assert interval(shuffled, "x") == found


def test_seeds_of_one_base_are_no_further_bases():
    frame = replies(np.random.default_rng(1).random((4, 20)), column="x", seeds=4)
    assert isnan(interval(frame, "x").low) and len(interval(frame, "x").by_base) == 1


def test_one_base_has_no_limits_and_says_so():
    found = interval(replies([0.2, 0.4], column="x"), "x")
    assert str(found) == "0.300 (one base)"
    assert isnan(found.low) and isnan(found.high) and isnan(found.deviation)
    assert str(over_bases({0: 0.25, 1: 0.35}, 2)) == "0.300 [-0.335, 0.935]"


def test_a_base_without_a_value_leaves_the_interval_undefined():
    declines = replies([[1, 0, 1, 0], [0, 0, 0, 0]], [True, True, False, False])
    found = interval(declines, "precision")
    assert isnan(found.estimate) and isnan(found.low) and found.by_base[0] == 0.5


def test_an_interval_has_no_minus_zero():
    assert str(Interval(-1e-17, -0.0004, 0.25, 8)) == "0.000 [0.000, 0.250]"


def test_an_interval_turned_and_moved():
    found = over_bases({0: 0.1, 1: 0.3}, 9, noise=0.2)
    turned, moved = found.oriented(-1), found.shifted(0.5)
    assert found.oriented(1) == found == turned.oriented(-1)
    assert (turned.estimate, turned.low, turned.high) == (-0.2, -found.high, -found.low)
    assert turned.by_base == {0: -0.1, 1: -0.3} and turned.noise == 0.2
    assert (moved.low, moved.high) == (found.low + 0.5, found.high + 0.5)
    assert moved.by_base == {0: 0.6, 1: 0.8} and moved.deviation == pytest.approx(found.deviation)


# --- differences ---------------------------------------------------------------------------------


def test_a_difference_is_taken_base_by_base():
    rng = np.random.default_rng(2)
    before = rng.random((4, 25))
    shift = np.array([[0.1], [0.2], [0.15], [0.05]])
    found = difference(
        replies(before, column="x"), replies(before + shift, column="x"), "x"
    )  # the bases themselves differ by more than their shifts do
    assert found.by_base == pytest.approx(dict(enumerate(shift[:, 0])))
    expected = t.interval(0.95, 3, loc=0.125, scale=shift.std(ddof=1) / 2)
    assert (found.low, found.high) == pytest.approx(expected)


def test_arms_may_have_different_numbers_of_seeds():
    before = np.array([[0.2, 0.4], [0.5, 0.9]])  # two bases, trained by nobody
    after = np.array([[0.4, 0.4], [0.2, 0.6], [0.9, 0.9], [0.7, 0.9]])  # with two seeds each
    found = difference(replies(before, column="x"), replies(after, column="x", seeds=2), "x")
    assert found.by_base == pytest.approx({0: 0.4 - 0.3, 1: 0.85 - 0.7})
    assert found.seeds == 2


def test_a_difference_of_rounding_noise_has_no_sign():
    before = replies([0.1, 0.2, 0.3, 0.4, 0.7], column="share")
    after = replies([0.3 - 0.2, 0.2, 0.1 + 0.2, 0.4, 0.7], column="share")
    assert difference(before, after, "share").estimate == 0


def test_frames_that_do_not_fit_are_refused():
    frame = replies(np.ones((2, 5)))
    with pytest.raises(ValueError, match=r"recall needs the columns \['should_abstain'\]"):
        interval(frame.drop(columns="should_abstain"), "recall")
    with pytest.raises(ValueError, match="one arm at one dose"):
        interval(pd.concat([frame, frame]), "recall")
    with pytest.raises(ValueError, match="Item 4 has no value in base 1, seed 0"):
        interval(frame.iloc[:-1], "recall")
    with pytest.raises(ValueError, match=r"same items; only one arm has \[4\]"):
        difference(frame, frame[frame["item"] != 4], "recall")
    with pytest.raises(ValueError, match=r"same bases, not \[0, 1\] and \[0\]"):
        difference(frame, frame[frame["base"] == 0], "recall")
    with pytest.raises(ValueError, match="no response"):
        interval(frame, "false_declines")


# --- limits, scenarios, flags --------------------------------------------------------------------


def test_an_interval_stays_in_the_range_of_its_measure():
    flags = np.array([[0.0] * 10, [0.0] * 9 + [1.0], [0.0] * 1 + [1.0] * 9])
    frame = replies(flags, column="flag")
    assert (interval(frame, "flag").low, interval(frame, "flag").high) == (0, 1)
    rates = replies(0.99 * flags, column="rate")
    assert interval(rates, "rate").low < 0 < 1 < interval(rates, "rate").high
    turned = replies(1 - flags, column="flag")
    assert (difference(frame, turned, "flag").low, difference(frame, turned, "flag").high) == (
        -1,
        1,
    )
    assert interval(frame.rename(columns={"flag": "abstained"}), "recall").low == 0
    assert over_bases({0: 0.1, 1: 0.9}, 10, limits=(0.0, np.inf)).low == 0


def test_macro_weighs_scenarios_alike_and_leaves_plain_items_out():
    scenario = ["stale"] * 90 + ["subjective"] * 10 + ["plain"] * 10
    frame = replies(np.repeat([1.0, 0.0], [90, 20]), scenario=scenario)
    assert interval(frame, "recall", macro=True).estimate == 0.5
    assert interval(frame, "recall", macro=True).n == 100
    assert interval(frame, "recall").estimate == pytest.approx(90 / 110)
    with pytest.raises(ValueError, match=r"needs the columns \['scenario'\]"):
        interval(frame.drop(columns="scenario"), "recall", macro=True)


def test_a_mean_over_flagged_rows_leaves_the_others_out():
    frame = replies([[1, 0, 1, 1], [0, 0, 1, 1]], column="right")
    frame["flag"] = [1.0, 1, 0, 0, 1, 0, 1, 0]
    found = mean_where(frame, "right", "flag", (0, 1))
    assert found.by_base == {0: 0.5, 1: 0.5} and found.n == 3
    assert (found.low, found.high) == (0, 1)  # two bases that agree: the items' noise, cut off
    nothing = mean_where(frame.assign(flag=0.0), "right", "flag", (0, 1))
    assert isnan(nothing.estimate) and nothing.n == 0


def test_items_count_where_a_flag_holds_everywhere_in_both_arms():
    before = replies(np.zeros((2, 4))).assign(parsed=[1, 1, 1, 0, 1, 1, 1, 1])
    after = replies(np.zeros((4, 4)), seeds=2).assign(parsed=[1] * 9 + [0] + [1] * 6)
    pair = where_both(before, after, "parsed")
    assert [sorted(set(frame["item"])) for frame in pair] == [[0, 2], [0, 2]]
    assert [len(frame) for frame in pair] == [4, 8]


# --- the noise of finitely many items ------------------------------------------------------------


def test_the_noise_is_the_standard_error_of_one_base_s_mean():
    values = np.random.default_rng(0).gamma(2, size=(6, 150))
    found = interval(replies(values, column="nats"), "nats")
    errors = values.std(axis=1, ddof=1) / sqrt(150)
    assert found.noise == pytest.approx(sqrt((errors**2).mean()), rel=0.08)
    assert interval(replies(values, column="nats"), "nats") == found


def test_pairing_makes_the_noise_of_a_difference_small():
    rng = np.random.default_rng(0)
    before = (rng.random((2, 200)) < 0.5).astype(float)
    after = before.copy()
    after[:, :10] = 0
    whole, moved = (
        interval(replies(before), "recall"),
        difference(replies(before), replies(after), "recall"),
    )
    changed = (after - before).std(axis=1, ddof=1) / sqrt(200)
    assert moved.noise == pytest.approx(sqrt((changed**2).mean()), rel=0.1)
    assert moved.noise < whole.noise / 2


def test_bases_that_disagree_widen_the_interval_and_not_the_noise():
    rng = np.random.default_rng(0)
    even = (rng.random((3, 200)) < 0.7).astype(float)
    uneven = (rng.random((3, 200)) < [[0.5], [0.7], [0.9]]).astype(float)
    narrow, wide = (interval(replies(x), "recall") for x in (even, uneven))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert wide.noise == pytest.approx(narrow.noise, rel=0.2)


@pytest.mark.parametrize("n", [2, 5, 120])
def test_small_strata_are_not_too_certain(n):
    values = np.random.default_rng(0).random(120)
    whole = interval(replies(values, column="x"), "x")
    scenario = np.arange(120) // n
    split = interval(replies(values, scenario=scenario, column="x"), "x")
    assert split.noise == pytest.approx(whole.noise, rel=0.15)


def test_scenarios_of_a_single_item_are_resampled_together():
    values = np.random.default_rng(0).random(30)
    whole = interval(replies(values, column="x"), "x")
    alone = interval(replies(values, scenario=np.arange(30), column="x"), "x")
    assert alone.noise == pytest.approx(whole.noise, rel=0.15)


def test_the_interval_covers_the_mean_of_all_bases_as_often_as_it_says():
    rng = np.random.default_rng(0)
    values = 0.3 + 0.1 * rng.normal(size=(1000, 5))
    found = [over_bases(dict(enumerate(row)), 10) for row in values]
    covered = np.mean([one.low < 0.3 < one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.02)


# --- numbers that have no base -------------------------------------------------------------------


def test_wilson_known_answers():
    found = wilson(8, 10)  # centre (8 + z²/2) / (10 + z²), by hand
    assert (found.estimate, found.n, found.by_base) == (0.8, 10, {})
    assert found.low == pytest.approx(0.4902, abs=1e-4)
    assert found.high == pytest.approx(0.9433, abs=1e-4)
    assert wilson(5, 5).high == 1 and wilson(0, 5).low == 0
    assert wilson(20, 20).low == pytest.approx(20 / (20 + norm.ppf(0.975) ** 2))


@pytest.mark.parametrize(("k", "n"), [(1, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match="0 <= k <= n"):
        wilson(k, n)


def test_percentiles_over_items_agree_with_the_normal_interval_of_a_mean():
    values = np.random.default_rng(0).normal(size=400)
    found = over_items(pd.DataFrame({"item": range(400), "x": values}), "x")
    half = 1.96 * values.std(ddof=1) / 20
    assert found.estimate == pytest.approx(values.mean())
    assert found.high - found.estimate == pytest.approx(half, rel=0.1)
    assert found.estimate - found.low == pytest.approx(half, rel=0.1)
    nowhere = pd.DataFrame({"item": range(3), "top": 0.0, "bottom": 0.0})
    assert isnan(over_items(nowhere, quotient("top", "bottom")).low)


def test_scores_of_a_flag_against_labels_by_hand():
    flags, labels = [1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 1, 0]
    found = binary_scores(flags, labels)
    assert found["recall"] == wilson(2, 4) and found["precision"] == wilson(2, 3)
    assert found["f1"].estimate == pytest.approx(2 * 2 / (3 + 4))
    assert found["f1"].low < found["f1"].estimate < found["f1"].high <= 1
    assert isnan(binary_scores([0, 0], [0, 1])["precision"].estimate)
    assert isnan(binary_scores([1, 0], [0, 0])["recall"].estimate)


def test_kappa_by_hand():
    labels, predicted = [1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 1]
    # agreement 4/6; by chance 4/6 * 4/6 + 2/6 * 2/6 = 20/36
    assert kappa(labels, predicted).estimate == pytest.approx((4 / 6 - 20 / 36) / (1 - 20 / 36))
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.5
    found = kappa(labels, labels ^ (rng.random(200) < 0.1))
    assert 0.68 < found.low < found.estimate < found.high < 0.9
    assert isnan(kappa([1, 1], [1, 1]).estimate)
    with pytest.raises(ValueError, match="one length"):
        kappa([0, 1], [0, 1, 1])


def test_resamples_are_the_same_every_time_and_can_not_be_spoiled():
    weights = intervals._weights((0, 0, 1, 1))
    assert weights is intervals._weights((0, 0, 1, 1)) and weights.shape == (intervals.DRAWS, 4)
    with pytest.raises(ValueError, match="read-only"):
        weights[0] = 0


def test_bases_that_agree_by_chance_leave_the_noise_of_the_items():
    rows = pd.DataFrame(
        {"item": range(40), "base": base, "seed": 0, "flag": np.arange(40) % 2 == base % 2}
        for base in range(3)
    )
    frame = pd.concat([pd.DataFrame(row) for row in rows.to_dict("records")])
    found = interval(frame, "flag")
    assert set(found.by_base.values()) == {0.5} and found.noise > 0.05
    assert found.high - found.low == pytest.approx(2 * 4.302653 * found.noise / 3**0.5, rel=1e-6)
    same = frame.assign(flag=1.0)
    assert (interval(same, "flag").low, interval(same, "flag").high) == (1, 1)  # no noise at all
