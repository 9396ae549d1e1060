"""What is measured of rows: by hand, and against scikit-learn."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, cohen_kappa_score, f1_score, roc_auc_score

from helpers.stats.intervals import difference, interval, kappa
from helpers.stats.statistics import (
    brier,
    d_prime_criterion,
    expected_calibration_error,
    mean,
    pass_at_k,
    quotient,
    relative_increase,
)
from tests.rows import replies


def test_rates_count_their_own_class():
    frame = replies([1, 1, 0, 1, 0, 0, 0, 1], [True] * 4 + [False] * 4)
    expected = {"recall": 0.75, "false_declines": 0.25, "precision": 0.75, "f1": 0.75}
    assert {name: interval(frame, name).estimate for name in expected} == expected
    assert interval(frame, "recall").n == 4 and interval(frame, "precision").n == 8


def test_f1_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.5
    flags = labels ^ (rng.random(200) < 0.1)
    frame = replies(flags.astype(float), labels)
    assert interval(frame, "f1").estimate == pytest.approx(f1_score(labels, flags))


def test_precision_without_declines_is_undefined():
    frame = replies(np.zeros(20), np.repeat([True, False], 10))
    assert np.isnan(interval(frame, "precision").estimate)
    assert interval(frame, "f1").estimate == 0


def test_d_prime_and_criterion_by_hand():
    d_prime, c = d_prime_criterion(19.5, 39, 3.5, 39)  # corrected rates 0.5 and 0.1
    assert float(d_prime) == pytest.approx(1.2816, abs=1e-4)
    assert float(c) == pytest.approx(0.6408, abs=1e-4)
    assert np.isfinite(d_prime_criterion([10, 0], 10, [0, 10], 10)).all()


def test_d_prime_and_criterion_of_rows_are_those_of_their_counts():
    signal = np.repeat([True, False], 50)
    declined = np.r_[np.ones(40), np.zeros(10), np.ones(5), np.zeros(45)]
    expected = [float(x) for x in d_prime_criterion(40, 50, 5, 50)]
    found = [interval(replies(declined, signal), name) for name in ("d_prime", "criterion")]
    assert [one.estimate for one in found] == pytest.approx(expected)
    perfect = interval(replies(signal.astype(float), signal), "d_prime")
    assert np.isfinite(perfect.estimate)


def test_a_moved_threshold_moves_the_criterion_alone():
    rng = np.random.default_rng(1)
    signal = np.repeat([True, False], 400)
    evidence = rng.normal(np.where(signal, 2.0, 0.0), size=(8, 800))
    before, after = (replies((evidence > cut).astype(float), signal) for cut in (0.7, 1.3))
    assert difference(before, after, "recall").high < 0
    moved = difference(before, after, "criterion")
    assert 0.5 < moved.low < 0.6 < moved.high < 0.7
    ability = difference(before, after, "d_prime")
    assert ability.low < 0 < ability.high


def test_auroc_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    flag = np.arange(120) % 2 == 0
    frames = [
        replies((rng.normal(gap * flag, 1).round(1) + 5) / 10, flag, column="p_decline")
        for gap in (2.0, 0.5)  # rounded, so that there are ties
    ]
    areas = [roc_auc_score(flag, frame.p_decline) for frame in frames]
    assert interval(frames[0], "auroc").estimate == pytest.approx(areas[0])
    assert difference(*frames, "auroc").estimate == pytest.approx(areas[1] - areas[0])


def test_auroc_of_confidence_takes_every_base_s_own_right_answers():
    rng = np.random.default_rng(1)
    frame = replies(rng.random((3, 80)).round(1), column="confidence")
    frame["correct"] = rng.random(240) < 0.5
    areas = [roc_auc_score(rows.correct, rows.confidence) for _, rows in frame.groupby("base")]
    found = interval(frame, "confidence_auroc")
    assert list(found.by_base.values()) == pytest.approx(areas)
    assert found.estimate == pytest.approx(np.mean(areas))


def test_kappa_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.5
    flags = labels ^ (rng.random(200) < 0.1)
    assert kappa(labels, flags).estimate == pytest.approx(cohen_kappa_score(labels, flags))


def test_calibration_is_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    sure = rng.random(400)
    right = rng.random(400) < sure**2
    assert brier(sure, right) == pytest.approx(brier_score_loss(right, sure))
    shares, means = calibration_curve(right, sure, n_bins=10)
    counts = np.histogram(sure, np.linspace(0, 1, 11))[0]
    error = (counts * np.abs(shares - means)).sum() / 400
    assert expected_calibration_error(sure, right) == pytest.approx(error)
    frame = replies(sure, column="confidence").assign(correct=right.astype(float))
    assert interval(frame, "ece").estimate == pytest.approx(error)
    assert interval(frame, "brier").estimate == pytest.approx(brier(sure, right))


def test_calibration_by_hand():
    # Bins: {0, 0.05} gap |1 - 0.05| / 4, {1.0, 1.0} gap |1 - 2| / 4.
    confidence, correct = [0.0, 0.05, 1.0, 1.0], [1, 0, 1, 0]
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.4875)
    assert brier(confidence, correct) == pytest.approx((1 + 0.0025 + 0 + 1) / 4)
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_calibration_error([1.2], [1])
    with pytest.raises(ValueError, match="at least one"):
        brier([], [])
    frame = replies([0.5, 1.2], column="confidence").assign(correct=1.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval(frame, "ece")


def test_a_relative_increase_by_hand():
    frame = replies(np.r_[np.ones(67), np.zeros(133)], column="logic")
    frame["fallacy"] = np.r_[np.ones(113), np.zeros(87)]
    found = interval(frame, relative_increase("logic", "fallacy"))
    assert found.estimate == pytest.approx(113 / 67 - 1)


def test_a_quotient_by_hand_and_over_nothing():
    frame = pd.DataFrame({"item": range(4), "top": [1.0, 0, 1, 0], "bottom": [1.0, 1, 1, 1]})
    assert interval(frame, quotient("top", "bottom")).estimate == 0.5
    assert np.isnan(interval(frame.assign(bottom=0.0), quotient("top", "bottom")).estimate)
    assert interval(frame, mean("top")).estimate == interval(frame, "top").estimate == 0.5


def test_pass_at_k_by_hand():
    assert pass_at_k([0, 1, 2, 4], 4, 1) == pytest.approx([0, 0.25, 0.5, 1])
    assert pass_at_k([0, 1, 2, 4], 4, 2) == pytest.approx([0, 0.5, 1 - 1 / 6, 1])
    assert float(pass_at_k([3], 10, 4)[0]) == pytest.approx(1 - comb(7, 4) / comb(10, 4))
    assert float(pass_at_k([1], 128, 64)[0]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="1 <= k <= n"):
        pass_at_k([1], 4, 5)
