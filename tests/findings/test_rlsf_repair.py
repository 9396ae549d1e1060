"""Finding 6 on hand-made replies, a planted repair, a planted null and rivals; its trainings."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.findings import rlsf_repair as finding
from helpers.findings.rlsf_repair import measures
from helpers.lab import repair
from helpers.lab.items import pocket_items, pocket_stories
from helpers.lab.repair import ARMS, DAMAGED, ORACLE, REPAIRED
from helpers.run import plan
from helpers.stats.intervals import interval
from helpers.train.recipes import RECIPES

BASES = list(range(6))
SETTINGS = dict(
    model="pocket",
    tier="pocket",
    bases=BASES,
    seeds=[0],
    n_items=60,
    n_pairs=5,
    questions="",
    n_learned=20,
    k=3,
    threshold=0.9,
    pair_margin=1.0,
    damage_dose=160,
    doses=[0, 20, 40],
    max_new_tokens=64,
    forecast=0.0,
)
# item, branch, text, n_tokens, confidence, abstained, correct
REPLIES = pd.DataFrame(
    [
        (0, 0, "sure", 9, 0.95, False, True),
        (0, 1, "less sure", 5, 0.50, False, False),
        (0, 2, "can't say", 3, 0.0, True, False),
        (1, 0, "sure and wrong", 5, 0.90, False, False),
        (1, 1, "as sure", 5, 0.90, False, True),
        (1, 2, "right", 7, 0.40, False, True),
        (2, 0, "never sure", 4, 0.89, False, True),
        (2, 1, "unsure", 4, 0.10, False, False),
    ],
    columns=["item", "branch", "text", "n_tokens", "confidence", "abstained", "correct"],
).assign(answer=lambda f: np.where(f.abstained, "", "1"), base=0, seed=0)
PUBLISHED = {
    ("sure", "less sure"),
    ("sure", "can't say"),
    ("sure and wrong", "right"),
    ("as sure", "right"),
}


def who(found):
    return set(zip(found.chosen_text, found.rejected_text, strict=True))


def test_pairs_by_hand():
    found = repair.pairs(REPLIES, 0.9)
    assert who(found) == PUBLISHED
    margins = dict(zip(found.rejected_text, found.margin, strict=True))
    assert margins["less sure"] == pytest.approx(math.exp(0.45))
    assert margins["can't say"] == pytest.approx(math.exp(0.95))
    assert set(repair.pairs(REPLIES, 0.9, margin=0.0).margin) == {1.0}


def test_replies_of_two_trainings_are_never_paired():
    both = pd.concat([REPLIES, REPLIES.assign(base=1, text=REPLIES.text + " too")])
    found = repair.pairs(both, 0.9)
    assert len(found) == 2 * len(PUBLISHED)
    assert all(a.endswith(" too") == b.endswith(" too") for a, b in who(found))


def test_a_reply_that_declines_loses_every_pair_unless_left_out():
    assert "can't say" not in set(repair.pairs(REPLIES, 0.0).chosen_text)
    found = repair.preferred(REPLIES, "answers", 0.9, 0)
    assert who(found) == PUBLISHED - {("sure", "can't say")}


def test_rivals_turn_the_same_pairs():
    same = {frozenset(pair) for pair in PUBLISHED}
    seen = set()
    for seed in range(5):
        shuffled = who(repair.preferred(REPLIES, "shuffled", 0.9, seed))
        assert {frozenset(pair) for pair in shuffled} == same
        seen.add(frozenset(shuffled))
    assert len(seen) > 1
    assert who(repair.preferred(REPLIES, "shorter", 0.9, 0)) == {
        ("less sure", "sure"),
        ("can't say", "sure"),
        ("sure and wrong", "right"),
        ("as sure", "right"),
    }


def test_the_quality_of_pairs_by_hand():
    found = measures.quality(repair.pairs(REPLIES, 0.9))
    assert {name: share.estimate for name, share in found.items()} == {
        "helps": 0.5,
        "harms": 0.25,
        "against_declines": 0.25,
    }
    assert {share.n for share in found.values()} == {2}  # questions, not pairs
    assert math.isnan(measures.quality(repair.pairs(REPLIES, 1.0))["helps"].estimate)
    other = REPLIES[REPLIES.item == 0].assign(base=1)  # only question 0 has pairs in both bases
    both = measures.quality(repair.pairs(pd.concat([REPLIES, other]), 0.9))["helps"]
    assert both.n == 1 and both.by_base == {0: 1.0, 1: 1.0}


def test_a_threshold_that_is_no_confidence_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        repair.pairs(REPLIES, 1.5)


def test_traces_hold_k_branches_with_confidence_in_range(tiny_lm):
    asked = pocket_stories(2, 0) + pocket_items(1, 0)[:1]
    raw = repair.written(tiny_lm, asked, 4, 12)
    assert set(raw) == set(repair.WRITTEN)
    assert raw.groupby("item", sort=False).size().tolist() == [4, 4, 4]
    assert (raw.ids.map(len) == raw.n_tokens).all()
    found = repair.traced(tiny_lm, asked, raw)
    assert set(found) == set(repair.TRACED)
    assert found.confidence.between(0, 1).all() and found.probability.between(0, 1).all()
    assert (found.confidence[found.answer == ""] == 0).all()
    assert (found.answer[found.abstained] == "").all()
    assert (found.answered == (found.answer != "")).all()


def test_each_question_is_learned_as_often_as_any_other():
    asked = [replace(item, id=k) for k, item in enumerate(pocket_stories(3, 0))]
    data = repair.examples(repair.pairs(REPLIES, 0.9), asked, 0)
    questions = [example.chat[0]["content"] for example in data]
    assert len(data) == 2 * repair.PER_QUESTION
    assert all(questions.count(asked[k].question) == repair.PER_QUESTION for k in (0, 1))
    assert data == repair.examples(repair.pairs(REPLIES, 0.9), asked, 0)


def answers_of(sure, accuracy=0.6, declines=0.8, bases=BASES, words=""):
    """An arm that is right `accuracy` of the time and says it is as sure as `sure`, in other words
    than an arm that is not.
    """
    rows = []
    for base in bases:
        for i in range(60):
            right = (0.618 * i + 0.05 * base) % 1 < accuracy
            declined = i < 60 * declines
            for hidden in (False, True):
                sureness = min(sure + 0.01 * (i % 3), 1.0)
                answered = not (hidden and declined)
                rows.append(
                    {
                        "item": f"{'ah'[hidden]}{i}",
                        "scenario": "plain",
                        "should_abstain": hidden,
                        "correct": declined if hidden else right,
                        "abstained": not answered,
                        "answered": answered,
                        "confidence": sureness * answered,
                        "probability": sureness * answered,
                        "reasoned": False,
                        "text": f"{words or sure}",
                        "base": base,
                        "seed": 0,
                    }
                )
    return pd.DataFrame(rows)


BEFORE = answers_of(0.61)


def said_of_pairs(agreed, bases=BASES):
    """A reward model that agrees with that share of the pairs of ten of twelve questions."""
    rows = [(f"h{i}", base, 0) for base in bases for i in range(12)]
    frame = pd.DataFrame(rows, columns=["item", "base", "seed"])
    paired = frame.item.isin([f"h{i}" for i in range(10)]).astype(float)
    return frame.assign(paired=paired, agreed=agreed * paired, gap=5.0 * paired, room=0.25)


def laboratory(bases=BASES, rater=0.8, **arms):
    """An experiment whose arms said what `answers_of` made; all others as the damaged model, but
    for the oracle, which is calibrated. rater: held-out accuracy of every reward model.
    """
    lab = finding.RlsfRepair(finding.Params(**SETTINGS | {"bases": bases}))
    planted = {"before": BEFORE, ORACLE: answers_of(0.65), **arms}
    damaged = answers_of(0.95)
    for arm in lab.every_arm:
        frame = planted.get(arm.name, damaged)
        for dose in lab.doses(arm.name):
            lab.graded.plant(arm.name, frame[frame.base.isin(bases)], dose=dose)
    for dose in lab.doses(REPAIRED):
        lab.rated.plant(REPAIRED, said_of_pairs(rater, bases), dose=dose)
    many = pd.concat([REPLIES.assign(item=REPLIES.item + 3 * i) for i in range(40)])
    traced = pd.concat([many.assign(base=base) for base in bases])
    for arm in ("before", DAMAGED):
        lab.repair.traces.plant(arm, traced)
    return lab


def test_a_planted_repair_replicates():
    lab = laboratory(repair_grpo=answers_of(0.7, accuracy=0.7))
    record = lab.record(0.0, 1.0)
    assert record.verdict.label == "replicates", record.verdict.reason
    assert record.primary.estimate == pytest.approx(-0.35, abs=0.02)
    assert "lowers the calibration error" in finding.what_happened(record)
    sharper = record.get("wrong_confidence", REPAIRED, minus=DAMAGED, where="wrong in both")
    assert sharper.estimate == pytest.approx(-0.25, abs=0.01)
    assert record.get("ece", DAMAGED).dose == 160
    assert record.get("rater_accuracy", REPAIRED).estimate == pytest.approx(0.8)
    assert record.get("reward_gap", REPAIRED).estimate == pytest.approx(5.0)
    assert "damaged model's replies 0.250" in finding.what_happened(record)
    assert {c.name for c in record.contrasts} == set(lab.claim.contrasts)
    assert {c.name for c in record.attribution} == set(lab.claim.attribution)


def test_a_repair_that_only_answers_worse_is_explained_by_that():
    lab = laboratory(repair_grpo=answers_of(0.4, accuracy=0.4))
    verdict = lab.judge()
    assert lab.change("ece", DAMAGED, REPAIRED).high < 0
    assert verdict.label == "explained otherwise" and verdict.rival == "accuracy"


@pytest.mark.parametrize("rival", ["repair_shuffled", "repair_shorter"])
def test_a_repair_that_a_rival_does_as_well_is_explained_by_it(rival):
    mended = answers_of(0.63)
    verdict = laboratory(**{"repair_grpo": mended, rival: mended}).judge()
    assert verdict.label == "explained otherwise" and verdict.rival == rival


def test_a_planted_null_does_not_replicate():
    record = laboratory(repair_grpo=answers_of(0.95, words="other")).record(0.0, 1.0)
    assert record.verdict.label == "does not replicate", record.verdict.reason
    assert "No repair" in finding.what_happened(record)


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"rater": 0.5}, "reward model"),
        ({"repair_grpo": answers_of(0.95)}, "replies that RLSF changes"),
        ({"repair_shorter": answers_of(0.95, accuracy=0.45)}, "change of accuracy"),
        ({"before": answers_of(0.95)}, "damage"),
        ({ORACLE: answers_of(0.95)}, "oracle"),
        ({DAMAGED: answers_of(0.95, accuracy=0.45)}, "change of accuracy"),
        ({"before": answers_of(0.21, accuracy=0.2)}, "accuracy"),
    ],
)
def test_without_what_a_repair_needs_there_is_no_verdict(changes, gate):
    verdict = laboratory(**{"repair_grpo": answers_of(0.61), **changes}).judge()
    assert verdict.label == "inconclusive"
    assert verdict.reason.startswith("a gate failed") and gate in verdict.reason


def test_one_base_is_judged_by_its_estimates_and_gets_no_verdict():
    record = laboratory([0], repair_grpo=answers_of(0.61)).record(0.0, 1.0)
    assert all(gate.passed for gate in record.gates)
    assert record.verdict.label == "inconclusive" and "one base" in record.verdict.reason
    assert "One base says nothing" in finding.what_happened(record)


def test_a_base_that_the_repair_breaks_is_named():
    whole = answers_of(0.95, words="other")
    worse = answers_of(0.95, accuracy=0.4, words="other")
    mixed = pd.concat([worse[worse.base == BASES[0]], whole[whole.base != BASES[0]]])
    said = finding.what_happened(laboratory(repair_grpo=mixed).record(0.0, 1.0))
    (told,) = re.findall(r"more than 0.05 of accuracy on (.*?)\*\*", said)
    assert told.startswith(f"base {BASES[0]} (-0.") and "," not in told
    assert "of accuracy on" not in finding.what_happened(
        laboratory(repair_grpo=whole).record(0.0, 1.0)
    )


@pytest.mark.parametrize("without", [0.2, 0.8])
def test_lost_abstention_is_said_and_whether_the_lost_pairs_did_it(without):
    shy, bold = answers_of(0.61, declines=without), answers_of(0.61, declines=0.2)
    said = finding.what_happened(laboratory(repair_grpo=bold, repair_answers=shy).record(0.0, 1.0))
    assert "repeats the damage" in said
    assert ("not the only reason" in said) == (without == 0.2)


def test_what_a_reward_model_says_of_questions_held_out_by_hand(monkeypatch):
    lab = laboratory().repair
    asked = [item.id for item in lab.held_out]
    assert asked == [item.id for item in lab.items[4::5]]
    ids = [asked[0], lab.items[0].id, asked[1]]  # the middle one was learned from
    named = REPLIES.assign(item=[ids[i] for i in REPLIES.item])
    monkeypatch.setattr(type(lab.traces), "of_cell", lambda self, cell: named)
    monkeypatch.setattr(repair, "rated", lambda _, questions, replies: replies.str.len().to_numpy())
    monkeypatch.setattr(repair, "reward_model", lambda *made: None)
    found = lab.judged(REPAIRED, 0, 0).set_index("item")
    assert list(found.index) == asked and found.paired.sum() == 1  # the third pairs nothing
    assert found.agreed[asked[0]] == 0.0  # both rejected replies are longer
    assert found.gap[asked[0]] == len("sure") - len("less sure") == len("sure") - len("can't say")
    assert found.room[asked[0]] == 5 and found.room[asked[1]] == 0  # the longest over the first
    learned = {example.chat[0]["content"] for example in lab.learned(REPAIRED, 0, 0)}
    assert learned == {lab.items[0].question}


def test_an_arm_that_is_not_taught_by_preferences_is_given_no_pairs():
    lab = laboratory().repair
    for arm, trainer in ((DAMAGED, "sft"), (ORACLE, "sft"), (repair.BRIER, "grpo")):
        assert lab.given(arm, 0, 0) is None and lab.recipe(arm).trainer == trainer


def test_who_declines_all_but_one_answer_is_not_calibrated_by_that():
    sure = answers_of(0.95, accuracy=0.0)
    answered = (sure.item == "a0") | sure.should_abstain
    shy = sure.assign(answered=answered, probability=sure.probability * answered)
    ece = next(one for one in measures.MEASURES if one.name == "ece")
    assert interval(shy, ece.statistic).estimate == pytest.approx(0.95)
    nobody = shy.assign(answered=False)
    assert math.isnan(interval(nobody, ece.statistic).estimate)


def test_confidence_of_wrong_answers_by_hand():
    frame = pd.DataFrame(
        {
            "item": ["a", "b", "c"],
            "should_abstain": False,
            "correct": [True, False, False],
            "answered": [True, True, False],
            "confidence": [0.9, 0.4, 0.0],
        }
    )
    assert interval(frame, measures.WHEN_WRONG).estimate == pytest.approx(0.4)


def test_sharpening_is_told_by_what_is_wrong_before_and_after():
    lab = laboratory(repair_grpo=answers_of(0.7, accuracy=0.7))
    moved = finding.sharpened(lab, DAMAGED, REPAIRED)
    assert moved.estimate == pytest.approx(-0.25, abs=0.01)


def test_figures_show_the_planted_replies():
    lab = laboratory()
    walked = finding.walk(lab, [REPAIRED], "ece")
    assert walked.dose.tolist() == [0, 20, 40] and walked.estimate.iloc[0] > 0.3
    curve = finding.risk(lab, ["before"])
    assert curve.coverage.max() == 1 and curve.risk.iloc[-1] == pytest.approx(0.4, abs=0.02)
    ids = [item.id for item in lab.repair.items]
    named = REPLIES.assign(item=[ids[i] for i in REPLIES.item])
    lab.repair.traces.plant(DAMAGED, pd.concat([named.assign(base=base) for base in BASES]))
    assert "3 replies is right; 2 pairs" in finding.ranked(lab, 0).get_suptitle().replace("\n", " ")
    assert "leaves 4 pairs a base" in finding.at_threshold(lab, 0.9).get_suptitle()


def test_the_runner_finds_the_finding_and_not_what_makes_its_arms():
    assert plan.finding_in("helpers.findings.rlsf_repair") is finding.RlsfRepair


def test_every_arm_is_made_by_a_recipe_of_its_name():
    lab = laboratory()
    for arm in ARMS:
        recipe, kin = lab.repair.recipe(arm.name), RECIPES.get(arm.name)
        assert recipe.name == arm.name and kin in (None, recipe)


def test_repairs_of_0_steps_are_the_damaged_model(monkeypatch):
    lab = finding.RlsfRepair(finding.Params(**SETTINGS | {"doses": [0]})).repair
    made = []
    monkeypatch.setattr(
        type(lab), "checkpoints", lambda *asked: made.append(asked[2].name) or {160: "damaged"}
    )
    assert lab.doses(REPAIRED) == [0] and lab.model(REPAIRED, 0, 0, 0) == "damaged"
    assert made == [DAMAGED]
