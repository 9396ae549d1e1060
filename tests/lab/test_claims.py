"""The published claims: read strictly, and true to their own arithmetic."""

import pytest
from pydantic import ValidationError

from helpers.findings.sft_accuracy_trap import SftAccuracyTrap
from helpers.lab import claims
from helpers.lab.claims import Claim, Figure, published

NAMES = list(claims.claims())


def fields(**changes):
    """A claim as the file has it, with some of its fields changed."""
    return published("abstention_loss").model_dump() | changes


def test_every_claim_is_published_with_what_it_needs():
    assert [claim.number for claim in claims.claims().values()] == [1, 2, 3, 4, 5, 6, 7]
    for claim in claims.claims().values():
        assert claim.source and claim.definition and claim.caveat and claim.rule and claim.measures
        for figure in claim.figures:
            one, two, span = figure.value, figure.before, figure.low
            assert [one is not None, two is not None].count(True) == 1 or span is not None
            assert (figure.before is None) == (figure.after is None)
            assert (figure.low is None) == (figure.high is None)


@pytest.mark.parametrize("name", NAMES)
def test_every_claim_argues_its_smallest_effect_of_interest(name):
    claim = published(name)
    assert claim.delta.value > 0 and claim.delta.why.endswith(".")
    if claim.published_size is not None:
        assert claim.published_size * claim.direction > claim.delta.value


@pytest.mark.parametrize("name", NAMES)
def test_every_contrast_has_two_clauses_and_every_attribution_a_sentence(name):
    claim = published(name)
    for contrast in claim.contrasts.values():
        for clause in (contrast.rival, contrast.beyond):
            assert clause and not clause.endswith(".") and "; " not in clause
    for told in claim.attribution.values():
        assert told.endswith(".")
    assert not set(claim.contrasts) & set(claim.attribution)


def test_only_the_claim_of_no_difference_has_no_direction_and_no_contrast():
    flat = [name for name in NAMES if published(name).direction == 0]
    bare = [name for name in NAMES if not published(name).contrasts]
    assert flat == bare == ["sycophancy"]


def test_a_relative_smallest_effect_names_a_measure():
    relative = {n: c.delta.relative_to for n, c in claims.claims().items() if c.delta.relative_to}
    assert relative == {"sft_accuracy_trap": "log_infogain"}
    assert relative["sft_accuracy_trap"] in {one.name for one in SftAccuracyTrap.measures}


def test_an_interval_lies_around_its_number():
    for claim in claims.claims().values():
        for figure in claim.figures:
            if figure.low is not None:
                assert figure.low < figure.high
                if figure.value is not None:
                    assert figure.low <= figure.value <= figure.high


def test_the_mean_loss_is_what_the_two_published_pairs_give():
    claim = published("abstention_loss")
    pairs = [f for f in claim.values("recall") if not f.setting.startswith("GSM8K")]
    changes = [f.after - f.before for f in pairs]
    assert round(100 * sum(changes) / 2) == claim.values("recall_change")[0].value == -24
    assert claim.published_size == -0.24
    assert all(f.after > f.before for f in claim.values("precision"))
    bootstrapped = [f.value for f in claim.values("recall_change") if f.low is not None]
    assert bootstrapped == pytest.approx([100 * change for change in changes])


def test_published_ratios_follow_from_the_published_counts():
    claim = published("sycophancy")
    for count, ratio in zip(
        claim.values("convinced_3_of_3"), claim.values("convinced_3_of_3_ratio"), strict=True
    ):
        assert abs(100 * (count.after / count.before - 1) - ratio.value) < 0.5
        assert ratio.low < ratio.value < ratio.high


def test_logicom_s_counts_are_of_200_claims_and_give_its_other_figures():
    claim = published("sycophancy")
    won = {f.setting: f.value for f in claim.values("claims_won")}
    for model in ("GPT-4", "GPT-3.5"):
        mean = {}
        for helper in ("no", "logical", "fallacious"):
            counts = [won.pop(f"{model}, {helper} helper, {k} of 3") for k in range(4)]
            assert sum(counts) == 200
            mean[helper] = 100 * sum(k * n for k, n in enumerate(counts)) / 600
            ends = {"logical": "before", "fallacious": "after"}
            for f in claim.values("convinced_3_of_3"):
                if f.setting == model and helper in ends:
                    assert getattr(f, ends[helper]) == counts[3]
        (means,) = [f for f in claim.values("mean_success") if f.setting == model]
        assert (means.before, means.after) == pytest.approx(
            (mean["logical"], mean["fallacious"]), abs=0.05
        )
        (ratio,) = [f for f in claim.values("mean_success_ratio") if f.setting == model]
        assert round(100 * (mean["fallacious"] / mean["logical"] - 1)) == ratio.value
    assert not won


def test_gaps_recovered_follow_from_the_published_accuracies():
    claim = published("latent_reasoning")
    stated = {f.setting: f.value for f in claim.values("hybrid_gap_recovered")}
    for cell in claim.values("hybrid_accuracy"):
        thinking = float(cell.note.removeprefix("of "))
        recovered = 100 * (cell.after - cell.before) / (thinking - cell.before)
        assert recovered == pytest.approx(stated[cell.setting], abs=0.5)


def test_published_sizes_are_those_of_the_published_figures():
    cot = published("latent_reasoning").values("cot_decoding_accuracy")[0]
    gain = (cot.after - cot.before) / 100
    assert gain == pytest.approx(published("latent_reasoning").published_size)
    ece = {f.setting.rpartition(", ")[2]: f.value for f in published("rlsf_repair").values("ece")}
    change = (ece["RLSF-PPO"] - ece["RLHF-PPO"]) / 100
    assert change == pytest.approx(published("rlsf_repair").published_size)
    assert all(figure.second_hand for figure in published("rlsf_repair").values("ece"))
    assert published("rlsf_repair").size_second_hand
    assert not published("latent_reasoning").size_second_hand


def test_an_unknown_claim_lists_the_known_ones():
    with pytest.raises(ValueError, match="'abstention'; known are: abstention_loss, "):
        published("abstention")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"controls": ["the same opening"]}, "controls"),
        ({"delta": {"value": 0.0, "why": "None is."}}, "delta.value"),
        ({"delta": {"value": 0.1, "why": ""}}, "delta.why"),
        ({"delta": {"value": 0.1, "why": "So.", "margin": 0.1}}, "delta.margin"),
        ({"contrasts": {"keep": {"rival": "the data do it"}}}, "contrasts.keep.beyond"),
        ({"direction": 2}, "direction"),
        ({"published_size": "-0.24"}, "published_size"),
    ],
)
def test_a_wrong_or_unknown_field_is_refused(change, field):
    with pytest.raises(ValidationError) as caught:
        Claim.model_validate(fields(**change))
    assert [".".join(map(str, e["loc"])) for e in caught.value.errors()] == [field]


def test_a_claim_as_published_has_its_caveat_and_every_source():
    claim = published("faithfulness_decay")
    text = claim.as_published()
    assert claim.caveat in text and all(source in text for source in claim.source)


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_as_published_has_its_rule_and_all_that_the_rule_weighs(name):
    claim = published(name)
    text = claim.as_published()
    assert f"{claim.rule} The " in text and claim.delta.why in text
    assert all(f"{c.rival[1:]}: {c.beyond}." in text for c in claim.contrasts.values())
    assert all(f"- `{name}`: {told}" in text for name, told in claim.attribution.items())


def test_the_smallest_effect_is_worded_by_its_kind():
    assert "The smallest effect of interest is 0.08. " in shown("abstention_loss")
    assert "is 0.13 times the mean of log_infogain before" in shown("sft_accuracy_trap")
    assert "The margin of equivalence is 0.1. " in shown("sycophancy")
    assert "could explain it" not in shown("sycophancy")


def shown(name):
    """A claim as published."""
    return published(name).as_published()


def test_a_second_hand_figure_is_marked():
    read = Figure(measure="ece", setting="base", value=12.2, unit="%")
    assert str(read) == "12.2 %"
    assert str(read.model_copy(update={"second_hand": True})) == "~12.2 %"
