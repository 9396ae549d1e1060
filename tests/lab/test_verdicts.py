"""The rule of the verdict: every row of its table, planted truths, and remedies that decide."""

from math import inf, nan, sqrt

import numpy as np
import pytest

from helpers.lab.claims import claims
from helpers.lab.verdicts import (
    MOST_BASES,
    MOST_TIMES_ITEMS,
    Contrast,
    Gate,
    bases_needed,
    equivalence,
    half_width,
    items_needed,
    remedy,
    verdict,
)
from helpers.stats.intervals import Interval, over_bases

DELTA = 0.1


def lies(low, high, n=100, bases=8, noise=nan):
    """An interval that lies between two numbers, as so many bases give it."""
    middle, deviation = (low + high) / 2, (high - low) / 2 / half_width(1.0, bases)
    return of_deviation(middle, deviation, bases, n, noise)


def of_deviation(estimate, deviation, bases, n=100, noise=nan):
    """The interval of so many bases with this mean and standard deviation."""
    steps = np.linspace(-1, 1, bases)
    values = estimate + deviation * steps / steps.std(ddof=1)
    return over_bases(dict(enumerate(values.tolist())), n, noise=noise)


def beyond(interval, name="keep", rival="the missing declines do it"):
    return Contrast(name, rival, interval)


EFFECT = lies(0.15, 0.25)
SURE_BUT_SMALL = lies(0.01, 0.09)
NOTHING = lies(-0.05, 0.05)
REVERSED = lies(-0.3, -0.1)
OPEN = lies(-0.05, 0.15)
WIDE = lies(-0.5, 0.5)
JUST_NOT = lies(0.0, 0.3)
HOLDS, EXPLAINS, UNDECIDED = (beyond(one) for one in (EFFECT, NOTHING, OPEN))
PASSED, FAILED = Gate("accuracy", 0.9, 0.6), Gate("accuracy", 0.4, 0.6)

TABLE = [
    (EFFECT, [], [], "replicates", "at least 0.150 in the published direction"),
    (EFFECT, [HOLDS], [PASSED], "replicates", "every contrast holds"),
    (EFFECT, [HOLDS, EXPLAINS], [PASSED], "explained otherwise", "the missing declines do it"),
    (EFFECT, [UNDECIDED, EXPLAINS], [PASSED], "explained otherwise", "at most 0.050 is left"),
    (EFFECT, [beyond(REVERSED)], [], "explained otherwise", "at most -0.100 is left"),
    (EFFECT, [beyond(SURE_BUT_SMALL)], [], "replicates", "every contrast holds"),
    (EFFECT, [HOLDS, UNDECIDED], [], "inconclusive", "open is whether the missing declines do it"),
    (EFFECT, [beyond(Interval(nan, nan, nan, 0))], [], "inconclusive", "open is whether"),
    (NOTHING, [HOLDS], [PASSED], "does not replicate", "nothing of interest is left: at most 0.05"),
    (SURE_BUT_SMALL, [HOLDS], [], "does not replicate", "at most 0.090 in the published direction"),
    (REVERSED, [HOLDS], [], "does not replicate", "the effect is reversed: at most -0.100"),
    (REVERSED, [EXPLAINS], [], "does not replicate", "below 0.1"),
    (OPEN, [HOLDS], [], "inconclusive", "holds both 0 and 0.1"),
    (WIDE, [EXPLAINS], [], "inconclusive", "the smallest effect of interest"),
    (JUST_NOT, [HOLDS], [], "inconclusive", "holds both 0 and 0.1"),
    (EFFECT, [HOLDS], [PASSED, FAILED], "inconclusive", "gate failed: accuracy is 0.4, below 0.6"),
    (REVERSED, [HOLDS], [FAILED], "inconclusive", "a gate failed"),
    (Interval(nan, nan, nan, 0), [HOLDS], [], "inconclusive", "undefined here"),
    (over_bases({0: 0.5}, 100), [HOLDS], [], "inconclusive", "one base says nothing of others"),
]


@pytest.mark.parametrize(("effect", "contrasts", "gates", "label", "why"), TABLE)
def test_the_verdict_follows_the_rule(effect, contrasts, gates, label, why):
    found = verdict(effect, DELTA, contrasts, gates)
    assert (found.label, why in found.reason) == (label, True), found
    assert bool(found.remedy) == (label == "inconclusive" and "gate" not in why and effect.n > 0)


@pytest.mark.parametrize(("effect", "contrasts", "gates", "label", "why"), TABLE)
def test_a_published_fall_is_judged_as_a_rise_is(effect, contrasts, gates, label, why):
    fell = effect.oriented(-1)  # as measured
    assert np.isnan(fell.estimate) or fell.estimate == -effect.estimate
    turned = [beyond(one.interval.oriented(-1).oriented(-1)) for one in contrasts]
    assert verdict(fell.oriented(-1), DELTA, turned, gates) == verdict(
        effect, DELTA, contrasts, gates
    )
    against = verdict(fell, DELTA, [beyond(one.interval.oriented(-1)) for one in contrasts], gates)
    if label in ("replicates", "explained otherwise"):
        assert (against.label, "reversed" in against.reason) == ("does not replicate", True)
    if label == "inconclusive" and effect.low < -DELTA < 0 < effect.high:
        assert against.label == label


def test_an_effect_that_is_explained_names_the_strongest_rival():
    weak = beyond(lies(-0.02, 0.08), "first", "the length does it")
    strong = beyond(lies(-0.1, 0.0), "second", "the format does it")
    found = verdict(EFFECT, DELTA, [HOLDS, weak, strong])
    assert (found.rival, found.label) == ("second", "explained otherwise")
    assert found.reason == "the format does it: beyond it at most 0.000 is left"
    assert verdict(EFFECT, DELTA, [HOLDS]).rival == ""


def test_all_open_contrasts_are_named():
    more = beyond(OPEN, "other", "the length does it")
    found = verdict(EFFECT, DELTA, [UNDECIDED, more, HOLDS])
    assert found.reason.endswith("the missing declines do it; or whether the length does it")


def test_a_verdict_has_at_most_sixty_words_whatever_fails_or_is_open():
    named = [Gate("a name of a gate that takes twelve words to say it all", 0.1, 0.2)] * 5
    told = verdict(EFFECT, DELTA, [], named)
    assert told.reason.endswith("; and 3 more") and told.reason.count("a name of a gate") == 2
    worst = [verdict(EFFECT, DELTA, [], named)]
    for claim in claims().values():
        rivals = [beyond(OPEN, name, one.rival) for name, one in claim.contrasts.items()]
        worst.append(verdict(EFFECT, DELTA, rivals, published_size=0.1))
    assert max(len(f"{one.reason} {one.remedy}".split()) for one in worst) <= 60


def test_it_is_said_whether_the_published_size_lies_in_the_interval():
    inside = verdict(EFFECT, DELTA, [HOLDS], published_size=0.2)
    assert inside.reason.endswith("; the published size, 0.2, lies inside the interval")
    outside = verdict(EFFECT, DELTA, [EXPLAINS], published_size=0.26, second_hand=True)
    assert outside.reason.endswith("; the published size, ~0.26, lies outside the interval")
    assert "published size" not in verdict(EFFECT, DELTA, [HOLDS]).reason


def test_the_deviation_between_bases_is_told_in_smallest_effects():
    effect = of_deviation(0.2, 0.05, 8)
    assert verdict(effect, DELTA).deviation == pytest.approx(0.5)
    assert verdict(effect, 0.2).deviation == pytest.approx(0.25)
    assert np.isnan(verdict(effect, DELTA, gates=[FAILED]).deviation)


def test_a_gate_without_a_value_fails_and_a_smallest_effect_is_above_zero():
    assert not Gate("parse rate", nan, 0.95).passed and Gate("parse rate", 0.95, 0.95).passed
    for delta in (0.0, -0.1, nan):
        with pytest.raises(ValueError, match="smallest effect of interest must be above 0"):
            verdict(EFFECT, delta)


# --- planted truths ------------------------------------------------------------------------------


def experiments(seed, effect, contrasts, deviation=0.7, trials=500, bases=8):
    """Labels of experiments in which effect and contrasts have these true sizes, in smallest
    effects of interest, and bases deviate from them.
    """
    rng = np.random.default_rng(seed)
    truths = np.array([effect, *contrasts])
    values = truths[:, None] + deviation * rng.normal(size=(trials, len(truths), bases))
    found = []
    for trial in values.tolist():
        own, *left = (over_bases(dict(enumerate(row)), 100) for row in trial)
        rivals = [beyond(one, f"rival {i}") for i, one in enumerate(left)]
        found.append(verdict(own, 1.0, rivals).label)
    return {label: found.count(label) / trials for label in set(found)}


def test_planted_nulls_do_not_replicate():
    shares = experiments(1, 0.0, [0.0, 0.0, 0.0])
    assert shares["does not replicate"] >= 0.8 and shares.get("replicates", 0.0) <= 0.05


def test_planted_effects_replicate_where_no_rival_makes_them():
    assert experiments(2, 2.0, [2.0, 2.0, 2.0])["replicates"] >= 0.85


def test_effects_that_a_rival_makes_are_explained_otherwise():
    shares = experiments(3, 2.0, [2.0, 0.0, 2.0])
    assert shares["explained otherwise"] >= 0.8 and shares.get("replicates", 0.0) <= 0.05


def test_nulls_rarely_replicate_however_few_or_unlike_the_bases():
    for bases, deviation in ((3, 0.2), (3, 2.0), (8, 2.0)):
        shares = experiments(4, 0.0, [], deviation, trials=300, bases=bases)
        assert shares.get("replicates", 0.0) <= 0.05


# --- what would decide an open verdict -----------------------------------------------------------


@pytest.mark.parametrize("estimate", [-0.05, 0.0, 0.03, 0.05, 0.08, 0.1])
def test_the_number_of_bases_that_is_named_decides_and_one_fewer_does_not(estimate):
    effect = of_deviation(estimate, 0.2, 4)
    half = max(estimate, DELTA - estimate)
    found = verdict(effect, DELTA)
    needed = bases_needed(effect, half)
    assert found.label == "inconclusive"
    assert f"about {needed} bases (now 4)" in found.remedy
    assert half_width(0.2, needed) < half <= half_width(0.2, needed - 1)
    more, fewer = (verdict(of_deviation(estimate, 0.2, n), DELTA) for n in (needed, needed - 1))
    assert more.label != "inconclusive" and fewer.label == "inconclusive"
    assert more.label == ("replicates" if estimate > 0.05 else "does not replicate")


def test_the_half_width_is_that_of_student_s_interval():
    for bases in (2, 5, 30):
        found = of_deviation(0.3, 0.2, bases)
        assert found.high - found.estimate == pytest.approx(half_width(0.2, bases))


def test_an_open_contrast_is_what_more_bases_must_decide():
    loose, tight = of_deviation(0.07, 0.3, 4), of_deviation(0.02, 0.1, 4)
    contrasts = [HOLDS, beyond(loose), beyond(tight)]
    found = verdict(EFFECT, DELTA, contrasts)
    needed = max(bases_needed(loose, 0.07), bases_needed(tight, 0.08))
    assert found.remedy == f"about {needed} bases (now 4) would decide it"
    after = [beyond(of_deviation(m, s, needed)) for m, s in ((0.07, 0.3), (0.02, 0.1))]
    assert verdict(EFFECT, DELTA, [HOLDS, *after]).label == "explained otherwise"


def test_the_number_of_items_by_hand():
    # four bases, t(3) = 3.1824: half of 0.25 allows a variance of (0.25 * 2 / 3.1824)² = 0.02468;
    # 0.16² of 0.2² is noise of 100 items, and 0.0144 between bases stays
    one = of_deviation(0.1, 0.2, 4, n=100, noise=0.16)
    needed = items_needed(one, 0.25)
    assert needed == 249  # 100 * 0.0256 / 0.01028, rounded up
    after = of_deviation(0.1, sqrt(0.0144 + 0.0256 * 100 / needed), 4)
    before = of_deviation(0.1, sqrt(0.0144 + 0.0256 * 100 / (needed - 1)), 4)
    assert half_width(after.deviation, 4) < 0.25 <= half_width(before.deviation, 4)


def test_more_items_are_no_remedy_for_what_bases_differ_in():
    assert items_needed(of_deviation(0.1, 0.2, 4, noise=0.05), 0.25) == inf
    assert items_needed(of_deviation(0.1, 0.2, 4), 0.25) == inf  # of unknown noise
    alone = of_deviation(0.1, 0.2, 4, n=100, noise=0.3)  # noise that chance hides is no more
    assert items_needed(alone, 0.25) == np.ceil(100 * 0.2**2 / (0.25 * 2 / 3.18245) ** 2)


def test_either_way_is_named_where_either_will_do():
    effect = of_deviation(0.05, 0.1, 4, n=100, noise=0.1)
    found = verdict(effect, DELTA)
    needed = bases_needed(effect, 0.05), items_needed(effect, 0.05)
    assert found.remedy == (
        f"about {needed[0]} bases (now 4) or about {needed[1]} items (now 100) would decide it"
    )


def test_nothing_is_promised_beyond_reach():
    far = of_deviation(0.05, 5.0, 4, noise=0.1)
    assert bases_needed(far, 0.05) == inf
    assert verdict(far, DELTA).remedy == "nothing within reach would decide it"
    edge = of_deviation(0.05, 0.05 / half_width(1.0, MOST_BASES) * 0.999, 4)
    assert bases_needed(edge, 0.05) == MOST_BASES
    many = of_deviation(0.05, 0.1, 4, n=2, noise=0.1)
    assert items_needed(many, 0.01) > MOST_TIMES_ITEMS * 2
    assert "items" not in remedy([(many, 0.01)])


def test_one_base_asks_for_more():
    found = verdict(over_bases({3: 0.4}, 50), DELTA, [HOLDS])
    assert found.remedy == "at least two bases, better eight, would decide it"
    assert equivalence(over_bases({3: 0.0}, 50), DELTA).remedy == found.remedy


# --- no difference -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "label"),
    [
        (-0.05, 0.06, "replicates"),
        (0.01, 0.06, "replicates"),  # not zero, and small for sure
        (-0.06, 0.12, "inconclusive"),
        (-0.30, 0.32, "inconclusive"),
        (0.05, 0.3, "inconclusive"),
        (0.15, 0.3, "does not replicate"),
    ],
)
def test_equivalence_is_shown_only_by_an_interval_within_the_margin(low, high, label):
    found, turned = equivalence(lies(low, high), DELTA), equivalence(lies(-high, -low), DELTA)
    assert found.label == turned.label == label
    assert found.remedy == turned.remedy and bool(found.remedy) == (label == "inconclusive")
    assert equivalence(lies(low, high), DELTA, [FAILED]).label == "inconclusive"
    assert found.deviation == pytest.approx(lies(low, high).deviation / DELTA)


@pytest.mark.parametrize("estimate", [0.0, -0.04, 0.06, 0.14, -0.2])
def test_the_bases_that_equivalence_asks_for_decide_it(estimate):
    found = equivalence(of_deviation(estimate, 0.2, 4), DELTA)
    needed = bases_needed(of_deviation(estimate, 0.2, 4), abs(DELTA - abs(estimate)))
    assert f"about {needed} bases (now 4)" in found.remedy
    more, fewer = (
        equivalence(of_deviation(estimate, 0.2, n), DELTA).label for n in (needed, needed - 1)
    )
    assert more == ("replicates" if abs(estimate) < DELTA else "does not replicate")
    assert fewer == "inconclusive"


def test_equivalence_needs_a_margin_and_a_number():
    with pytest.raises(ValueError, match="must be above 0"):
        equivalence(NOTHING, 0.0)
    assert "undefined" in equivalence(Interval(nan, nan, nan, 0), DELTA).reason
    assert equivalence(NOTHING, DELTA, [FAILED]).reason.startswith("a gate failed: accuracy")


def test_planted_equality_is_shown_and_a_planted_difference_is_not():
    rng = np.random.default_rng(5)
    shares = {}
    for truth in (0.0, 1.0, 2.0):
        values = truth + 0.7 * rng.normal(size=(200, 8))
        found = [
            equivalence(over_bases(dict(enumerate(v)), 100), 1.0).label for v in values.tolist()
        ]
        shares[truth] = found.count("replicates") / 200, found.count("does not replicate") / 200
    assert shares[0.0][0] >= 0.8 and shares[1.0][0] <= 0.05 and shares[2.0][1] >= 0.8
