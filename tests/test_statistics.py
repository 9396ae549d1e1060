from math import comb

import numpy as np
import pandas as pd
import pytest
from helpers.statistics import (
    Control,
    Gate,
    Interval,
    binary_scores,
    bootstrap,
    brier,
    d_prime_criterion,
    equivalence,
    equivalence_power,
    expected_calibration_error,
    kappa,
    mean_where,
    paired_bootstrap,
    pass_at_k,
    relative_increase,
    verdict,
    wilson,
)
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, cohen_kappa_score, f1_score, roc_auc_score


def responses(abstained, should_abstain=None, scenario=None, column="abstained"):
    """A tidy frame from values [seeds, items]."""
    values = np.atleast_2d(abstained)
    seeds, n = values.shape
    return pd.DataFrame(
        {
            "item": np.tile(np.arange(n), seeds),
            "seed": np.repeat(np.arange(seeds), n),
            "should_abstain": np.tile(
                np.ones(n, bool) if should_abstain is None else should_abstain, seeds
            ),
            "scenario": np.tile(["stale"] * n if scenario is None else scenario, seeds),
            column: values.ravel(),
        }
    )


def test_wilson_known_answers():
    interval = wilson(8, 10)  # centre (8 + z²/2) / (10 + z²), by hand
    assert (interval.estimate, interval.n) == (0.8, 10)
    assert interval.low == pytest.approx(0.4902, abs=1e-4)
    assert interval.high == pytest.approx(0.9433, abs=1e-4)
    assert wilson(5, 5).high == 1 and wilson(0, 5).low == 0
    assert wilson(20, 20).low == pytest.approx(20 / (20 + norm.ppf(0.975) ** 2))


@pytest.mark.parametrize(("k", "n"), [(1, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match="0 <= k <= n"):
        wilson(k, n)


def test_bootstrap_of_a_mean_agrees_with_scipy():
    values = np.random.default_rng(0).gamma(2, size=150)
    ours = bootstrap(responses(values, column="nats"), "nats")
    theirs = scipy_bootstrap((values,), np.mean, rng=1).confidence_interval
    assert ours.estimate == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.03)
    assert ours == bootstrap(responses(values, column="nats"), "nats")


def test_rates_of_one_seed_are_wilson_and_count_their_own_class():
    frame = responses([1, 1, 0, 1, 0, 0, 0, 1], [True] * 4 + [False] * 4)
    assert bootstrap(frame, "recall") == wilson(3, 4)
    assert bootstrap(frame, "false_declines") == wilson(1, 4)
    assert bootstrap(frame, "precision").estimate == 0.75
    assert bootstrap(frame, "f1").estimate == 0.75


def test_constant_data_fall_back_to_wilson():
    ones = responses(np.ones((3, 50)))
    three_seeds = bootstrap(ones, "recall")
    assert three_seeds.low == pytest.approx(wilson(50, 50).low) and three_seeds.high == 1
    unchanged = paired_bootstrap(ones, ones, "recall")
    slack = 1 - wilson(50, 50).low
    assert (unchanged.low, unchanged.high) == pytest.approx((-slack, slack))
    total = paired_bootstrap(ones, responses(np.zeros((3, 50))), "recall")
    assert total.estimate == -1 and total.low == -1
    assert total.high == pytest.approx(2 * slack - 1)


def test_perfect_detection_keeps_an_uncertain_d_prime():
    signal = np.repeat([True, False], 50)
    interval = bootstrap(responses(signal.astype(float), signal), "d_prime")
    worst = wilson(50, 50).low * 50
    low, _ = d_prime_criterion(worst, 50, 50 - worst, 50)
    assert interval.low == pytest.approx(float(low))
    assert interval.low < interval.estimate == interval.high
    criterion = bootstrap(responses(signal.astype(float), signal), "criterion")
    assert criterion.low < criterion.estimate < criterion.high


def test_pairing_makes_the_interval_of_a_difference_narrow():
    rng = np.random.default_rng(0)
    before = (rng.random(200) < 0.5).astype(float)
    after = before.copy()
    after[np.flatnonzero(before)[:10]] = 0
    paired = paired_bootstrap(responses(before), responses(after), "recall")
    assert paired.estimate == pytest.approx(-0.05)
    assert paired.high < 0 and paired.high - paired.low < 0.07


def test_seeds_that_disagree_widen_the_interval_and_n_counts_items():
    rng = np.random.default_rng(0)
    even = (rng.random((3, 200)) < 0.7).astype(float)
    uneven = (rng.random((3, 200)) < [[0.5], [0.7], [0.9]]).astype(float)
    narrow, wide = (bootstrap(responses(x), "recall") for x in (even, uneven))
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert (wide.n, wide.seeds) == (200, 3) and 0 <= wide.low < wide.high <= 1


def test_one_base_model_serves_every_training_seed():
    base = responses(np.ones(60))
    after = responses(np.tile(np.repeat([1.0, 0.0], 30), (3, 1)))
    assert paired_bootstrap(base, after, "recall").estimate == -0.5
    with pytest.raises(ValueError, match="same seeds"):
        paired_bootstrap(after, base, "recall")


def test_macro_weighs_scenarios_alike_and_leaves_plain_items_out():
    scenario = ["stale"] * 90 + ["subjective"] * 10 + ["plain"] * 10
    frame = responses(np.repeat([1.0, 0.0], [90, 20]), scenario=scenario)
    assert bootstrap(frame, "recall", macro=True).estimate == 0.5
    assert bootstrap(frame, "recall", macro=True).n == 100
    assert bootstrap(frame, "recall").estimate == pytest.approx(90 / 110)


@pytest.mark.parametrize("n", [2, 5])
def test_small_strata_are_not_too_certain(n):
    rng = np.random.default_rng(0)
    scenario = np.repeat(np.arange(120 // n), n)
    values = rng.random(120)
    whole = bootstrap(responses(values, column="x"), "x")
    split = bootstrap(responses(values, scenario=scenario, column="x"), "x")
    assert split.high - split.low == pytest.approx(whole.high - whole.low, rel=0.15)


def test_scenarios_of_a_single_item_are_resampled_together():
    values = np.random.default_rng(0).random(30)
    whole = bootstrap(responses(values, column="x"), "x")
    alone = bootstrap(responses(values, scenario=np.arange(30), column="x"), "x")
    assert alone.high - alone.low == pytest.approx(whole.high - whole.low, rel=0.15)


def test_frames_that_do_not_fit_are_refused():
    frame = responses(np.ones((2, 5)))
    with pytest.raises(ValueError, match=r"recall needs the columns \['should_abstain'\]"):
        bootstrap(frame.drop(columns="should_abstain"), "recall")
    with pytest.raises(ValueError, match="one arm at one dose"):
        bootstrap(pd.concat([frame, frame]), "recall")
    with pytest.raises(ValueError, match="Item 4 has no value in seed 1"):
        bootstrap(frame.iloc[:-1], "recall")
    with pytest.raises(ValueError, match=r"same items; only one arm has \[4\]"):
        paired_bootstrap(frame, frame[frame["item"] != 4], "recall")
    with pytest.raises(ValueError, match="no response"):
        bootstrap(frame, "false_declines")


def test_precision_without_declines_is_undefined():
    frame = responses(np.zeros(20), np.repeat([True, False], 10))
    assert np.isnan(bootstrap(frame, "precision").estimate)
    assert bootstrap(frame, "f1").estimate == 0


def test_d_prime_and_criterion_by_hand():
    d_prime, c = d_prime_criterion(19.5, 39, 3.5, 39)  # corrected rates 0.5 and 0.1
    assert float(d_prime) == pytest.approx(1.2816, abs=1e-4)
    assert float(c) == pytest.approx(0.6408, abs=1e-4)
    assert np.isfinite(d_prime_criterion([10, 0], 10, [0, 10], 10)).all()


def test_a_moved_threshold_moves_the_criterion_alone():
    rng = np.random.default_rng(0)
    signal = np.repeat([True, False], 400)
    evidence = rng.normal(np.where(signal, 2.0, 0.0), size=(3, 800))
    before, after = (responses((evidence > cut).astype(float), signal) for cut in (0.7, 1.3))
    assert paired_bootstrap(before, after, "recall").high < 0
    moved = paired_bootstrap(before, after, "criterion")
    assert moved.low < 0.6 < moved.high and moved.low > 0.4
    ability = paired_bootstrap(before, after, "d_prime")
    assert ability.low < 0 < ability.high


def test_binary_scores_and_kappa_against_sklearn():
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.5
    flags = labels ^ (rng.random(200) < 0.1)
    scores = binary_scores(flags, labels)
    assert scores["f1"].estimate == pytest.approx(f1_score(labels, flags))
    assert scores["recall"] == wilson((flags & labels).sum(), labels.sum())
    assert scores["precision"] == wilson((flags & labels).sum(), flags.sum())
    agreement = kappa(labels, flags)
    assert agreement.estimate == pytest.approx(cohen_kappa_score(labels, flags))
    assert 0.68 < agreement.low < agreement.estimate < agreement.high < 0.9
    assert kappa(labels, labels).estimate == 1 > kappa(labels, labels).low
    with pytest.raises(ValueError, match="one length"):
        kappa([0, 1], [0, 1, 1])


def test_calibration_is_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    sure = rng.random(400)
    right = rng.random(400) < sure**2
    assert brier(sure, right) == pytest.approx(brier_score_loss(right, sure))
    shares, means = calibration_curve(right, sure, n_bins=10)
    counts = np.histogram(sure, np.linspace(0, 1, 11))[0]
    error = (counts * np.abs(shares - means)).sum() / 400
    assert expected_calibration_error(sure, right) == pytest.approx(error)


def test_calibration_by_hand():
    # Bins: {0, 0.05} gap |1 - 0.05| / 4, {1.0, 1.0} gap |1 - 2| / 4.
    confidence, correct = [0.0, 0.05, 1.0, 1.0], [1, 0, 1, 0]
    assert expected_calibration_error(confidence, correct) == pytest.approx(0.4875)
    assert brier(confidence, correct) == pytest.approx((1 + 0.0025 + 0 + 1) / 4)
    with pytest.raises(ValueError, match="between 0 and 1"):
        expected_calibration_error([1.2], [1])
    with pytest.raises(ValueError, match="at least one"):
        brier([], [])


def test_calibration_error_has_an_interval_around_it():
    rng = np.random.default_rng(0)
    confidence = rng.random((3, 300))
    frame = responses(confidence, column="confidence")
    frame["correct"] = (rng.random(900) < frame["confidence"] * 0.7).astype(float)
    interval = bootstrap(frame, "ece")
    assert 0.05 < interval.low < interval.estimate < interval.high < 0.25


def test_the_error_of_a_calibrated_model_lies_within_its_interval():
    rng = np.random.default_rng(1)
    frame = responses(rng.random((5, 150)), column="confidence")
    frame["correct"] = (rng.random(750) < frame["confidence"]).astype(float)
    interval = bootstrap(frame, "ece")  # every resample is worse calibrated than the sample
    below, above = interval.estimate - interval.low, interval.high - interval.estimate
    assert below == pytest.approx(above) and above > 0.005


# --- the verdict ---------------------------------------------------------------------------------

FALL = Interval(-0.2, -0.3, -0.1, 240, 3)
UNSURE = Interval(-0.05, -0.12, 0.02, 240, 3)
RISE = Interval(0.2, 0.1, 0.3, 240, 3)
OPEN = Interval(0.02, -0.05, 0.09, 240, 3)
TOUCHES = Interval(-0.1, -0.2, 0.0, 240, 3)
NO_FALL = Interval(0.1, 0.0, 0.2, 240, 3)
HOLDS = Control("keep", FALL, -1)
SMALL = Control("keep", UNSURE, -1)
FAILS = Control("keep", RISE, -1)
PASSED = Gate("accuracy", 0.9, 0.6)
FAILED = Gate("accuracy", 0.4, 0.6)


@pytest.mark.parametrize(
    ("primary", "control", "gate", "label"),
    [
        (FALL, HOLDS, PASSED, "replicates"),
        (FALL, SMALL, PASSED, "direction only"),
        (FALL, FAILS, PASSED, "inconclusive"),
        (FALL, HOLDS, FAILED, "inconclusive"),
        (UNSURE, HOLDS, PASSED, "direction only"),
        (UNSURE, SMALL, PASSED, "direction only"),
        (UNSURE, FAILS, PASSED, "inconclusive"),
        (TOUCHES, HOLDS, PASSED, "direction only"),
        (OPEN, HOLDS, PASSED, "inconclusive"),
        (RISE, HOLDS, PASSED, "does not replicate"),
        (RISE, FAILS, PASSED, "does not replicate"),
        (NO_FALL, HOLDS, PASSED, "does not replicate"),
        (RISE, HOLDS, FAILED, "inconclusive"),
        (Interval(np.nan, np.nan, np.nan, 0), HOLDS, PASSED, "inconclusive"),
        (Interval(-0.1, -np.inf, np.inf, 9), HOLDS, PASSED, "inconclusive"),
    ],
)
def test_verdict_follows_the_rules_both_ways(primary, control, gate, label):
    assert verdict(primary, -1, [control], [gate]).label == label

    def mirrored(i):
        return Interval(-i.estimate, -i.high, -i.low, i.n, i.seeds)

    control = Control(control.name, mirrored(control.interval), +1)
    assert verdict(mirrored(primary), +1, [control], [gate]).label == label


def test_verdict_says_why():
    assert "accuracy is 0.4, below 0.6" in verdict(FALL, -1, [HOLDS], [FAILED]).reason
    assert "fails in size: keep" in verdict(FALL, -1, [SMALL], []).reason
    assert "this model family at this scale" in verdict(FALL, -1, [], []).reason
    assert not Gate("parse rate", float("nan"), 0.95).passed
    with pytest.raises(ValueError, match=r"\+1 \(rises\) or -1"):
        verdict(FALL, 0, [], [])


def test_control_with_a_threshold():
    assert Control("kappa", Interval(0.8, 0.7, 0.9, 200), 1, 0.6).outcome == "holds"
    assert Control("kappa", Interval(0.65, 0.5, 0.8, 200), 1, 0.6).outcome == "fails in size"
    assert Control("kappa", Interval(-0.1, -0.2, 0.1, 200), 1, 0.6).outcome == "fails"


def simulate(rng, n, base, effect, seed_noise):
    """Declines before and after, [3 seeds, n]: probit with an item effect shared by all."""
    mean = norm.ppf(base) * np.sqrt(2)
    item = mean + rng.normal(size=(1, n))
    shift = effect + seed_noise * rng.normal(size=(3, 1))
    before = (item + rng.normal(size=(3, n)) > 0).astype(float)
    after = (item + shift + rng.normal(size=(3, n)) > 0).astype(float)
    return responses(before), responses(after)


def labels(seed, trials, n, base, effect, seed_noise):
    rng = np.random.default_rng(seed)
    return [
        verdict(
            paired_bootstrap(*simulate(rng, n, base, effect, seed_noise), "recall"), -1, [], []
        ).label
        for _ in range(trials)
    ]


@pytest.mark.parametrize(
    ("n", "base", "seed_noise"),
    [(240, 0.8, 0), (240, 0.98, 0), (40, 0.9, 0), (240, 0.8, 0.2), (240, 0.8, 0.8)],
)
def test_planted_nulls_rarely_replicate(n, base, seed_noise):
    found = labels(1, 200, n, base, 0.0, seed_noise)
    assert found.count("replicates") <= 10


@pytest.mark.parametrize(("effect", "label"), [(-0.8, "replicates"), (0.8, "does not replicate")])
@pytest.mark.parametrize("seed_noise", [0, 0.05])
def test_planted_effects_are_found(effect, label, seed_noise):
    found = labels(2, 50, 240, 0.8, effect, seed_noise)
    assert found.count(label) >= 45


def test_auroc_is_that_of_scikit_learn_and_its_interval_covers_a_planted_change():
    rng = np.random.default_rng(0)
    flag = np.arange(120) % 2 == 0
    frames = [
        pd.DataFrame(
            {
                "item": range(120),
                "should_abstain": flag,
                "p_decline": np.clip((rng.normal(gap * flag, 1).round(1) + 5) / 10, 0, 1),
            }
        )
        for gap in (2.0, 0.5)
    ]
    areas = [roc_auc_score(flag, frame.p_decline) for frame in frames]
    assert bootstrap(frames[0], "auroc").estimate == pytest.approx(areas[0])
    moved = paired_bootstrap(*frames, "auroc")
    assert moved.estimate == pytest.approx(areas[1] - areas[0])
    assert moved.high < 0
    same = paired_bootstrap(frames[0], frames[0], "auroc")
    assert same.low <= 0 <= same.high


def test_auroc_of_confidence_takes_every_seed_s_own_right_answers():
    rng = np.random.default_rng(1)
    frames = [
        pd.DataFrame(
            {
                "item": range(80),
                "seed": seed,
                "confidence": rng.random(80).round(1),
                "correct": rng.random(80) < 0.5,
            }
        )
        for seed in range(3)
    ]
    areas = [roc_auc_score(f.correct, f.confidence) for f in frames]
    found = bootstrap(pd.concat(frames), "confidence_auroc")
    assert found.estimate == pytest.approx(np.mean(areas))
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize(
    "low, high, label",
    [
        (-0.05, 0.06, "replicates"),
        (0.01, 0.06, "replicates"),  # not zero, and small for sure
        (-0.06, 0.12, "direction only"),
        (-0.30, 0.32, "inconclusive"),  # no interval this wide could lie within
        (-0.5, -0.2, "does not replicate"),
        (0.15, 0.3, "does not replicate"),
        (0.05, 0.3, "inconclusive"),
    ],
)
def test_equivalence_is_shown_only_by_an_interval_within_the_margin(low, high, label):
    primary = Interval((low + high) / 2, low, high, 90)
    assert equivalence(primary, 0.1, [], []).label == label
    assert equivalence(primary, 0.1, [], [Gate("items", 3, 50)]).label == "inconclusive"


def test_a_control_weighs_on_equivalence_as_on_any_verdict():
    primary = Interval(0.0, -0.05, 0.05, 90)
    weak = Control("weak", Interval(0.1, -0.1, 0.3, 90), 1)
    contrary = Control("contrary", Interval(-0.1, -0.3, 0.1, 90), 1)
    assert equivalence(primary, 0.1, [weak], []).label == "direction only"
    assert equivalence(primary, 0.1, [contrary], []).label == "inconclusive"
    with pytest.raises(ValueError, match="margin above 0"):
        equivalence(primary, 0.0, [], [])


def test_power_of_the_equivalence_test_agrees_with_simulation():
    error, margin = 0.04, 0.1
    half = 1.959964 * error
    found = Interval(0.0, -half, half, 90)
    draws = np.random.default_rng(0).normal(0, error, 200_000)
    within = np.mean((draws - half > -margin) & (draws + half < margin))
    assert equivalence_power(found, margin) == pytest.approx(within, abs=0.005)
    assert equivalence_power(Interval(0.0, -0.2, 0.2, 9), margin) == 0.0


def test_a_relative_increase_by_hand_and_its_interval():
    frame = pd.DataFrame({"item": range(200), "logic": 0.0, "fallacy": 0.0})
    frame.loc[:66, "logic"] = 1.0
    frame.loc[:112, "fallacy"] = 1.0
    found = relative_increase(frame, "logic", "fallacy")
    assert found.estimate == pytest.approx(113 / 67 - 1)
    assert 0.3 < found.low < found.estimate < found.high < 1.2


def test_pass_at_k_by_hand():
    assert pass_at_k([0, 1, 2, 4], 4, 1) == pytest.approx([0, 0.25, 0.5, 1])
    assert pass_at_k([0, 1, 2, 4], 4, 2) == pytest.approx([0, 0.5, 1 - 1 / 6, 1])
    assert float(pass_at_k([3], 10, 4)[0]) == pytest.approx(1 - comb(7, 4) / comb(10, 4))
    assert float(pass_at_k([1], 128, 64)[0]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="1 <= k <= n"):
        pass_at_k([1], 4, 5)


def test_a_rate_over_repetitions_stays_in_its_range():
    rows = [(seed, i, rate) for seed, rate in enumerate((0.0, 0.1, 0.9)) for i in range(30)]
    frame = pd.DataFrame(rows, columns=["seed", "item", "rate"])
    assert bootstrap(frame, "rate").low < 0 < 1 < bootstrap(frame, "rate").high
    kept = bootstrap(frame, "rate", limits=(0, 1))
    assert (kept.low, kept.high) == (0, 1)


def test_an_interval_has_no_minus_zero():
    assert str(Interval(-1e-17, -0.0004, 0.25, 8)) == "0.000 [0.000, 0.250]"


def test_a_difference_of_rounding_noise_has_no_sign():
    shares = [0.1, 0.2, 0.3, 0.4, 0.7]
    before = pd.DataFrame({"item": range(5), "share": shares})
    after = pd.DataFrame({"item": range(5), "share": [0.3 - 0.2, 0.2, 0.1 + 0.2, 0.4, 0.7]})
    moved = paired_bootstrap(before, after, "share")
    assert moved.estimate == 0 and Control("none", moved, 1).outcome == "fails"


def test_where_no_resample_has_a_value_in_every_seed_the_whole_range_stands():
    frame = pd.DataFrame(
        {
            "item": [0, 1, 2] * 3,
            "seed": [0] * 3 + [1] * 3 + [2] * 3,
            "flag": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
            "right": [1.0, 0, 0, 0, 0, 0, 0, 0, 0],
        }
    )
    found = mean_where(frame, "right", "flag", (0, 1))
    assert (found.estimate, found.low, found.high) == (pytest.approx(1 / 3), 0, 1)
