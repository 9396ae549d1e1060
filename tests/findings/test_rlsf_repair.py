"""Finding 6 on hand-made replies, a planted repair and a planted null; DPO and reward models."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

from helpers.findings import rlsf_repair as finding
from helpers.lab.items import pocket_items, pocket_stories
from helpers.lm import models
from helpers.train import arms as training
from helpers.train import recipes
from helpers.train.recipes import RECIPES, Example
from helpers.world.corpus import turn

SETTINGS = dict(
    model="pocket",
    tier="pocket",
    seeds=[0, 1, 2],
    n_items=60,
    n_pairs=5,
    questions="",
    n_learned=20,
    k=3,
    threshold=0.9,
    pair_margin=1.0,
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
).assign(answer=lambda f: np.where(f.abstained, "", "1"))


def who(found):
    return set(zip(found.chosen_text, found.rejected_text, strict=True))


PUBLISHED = {
    ("sure", "less sure"),
    ("sure", "can't say"),
    ("sure and wrong", "right"),
    ("as sure", "right"),
}


def test_pairs_by_hand():
    found = finding.pairs(REPLIES, 0.9)
    assert who(found) == PUBLISHED
    margins = dict(zip(found.rejected_text, found.margin, strict=True))
    assert margins["less sure"] == pytest.approx(math.exp(0.45))
    assert margins["can't say"] == pytest.approx(math.exp(0.95))
    assert set(finding.pairs(REPLIES, 0.9, margin=0.0).margin) == {1.0}


def test_a_reply_that_declines_loses_every_pair_unless_left_out():
    assert "can't say" not in set(finding.pairs(REPLIES, 0.0).chosen_text)
    found = finding.preferred(REPLIES, "answers", 0.9, 0)
    assert who(found) == PUBLISHED - {("sure", "can't say")}


def test_controls_turn_the_same_pairs_and_labels_take_their_own():
    same = {frozenset(pair) for pair in PUBLISHED}
    seen = set()
    for seed in range(5):
        shuffled = who(finding.preferred(REPLIES, "shuffled", 0.9, seed))
        assert {frozenset(pair) for pair in shuffled} == same
        seen.add(frozenset(shuffled))
    assert len(seen) > 1
    assert who(finding.preferred(REPLIES, "shorter", 0.9, 0)) == {
        ("less sure", "sure"),
        ("can't say", "sure"),
        ("sure and wrong", "right"),
        ("as sure", "right"),
    }
    labels = finding.preferred(REPLIES, "labels", 0.9, 0)
    assert labels.chosen_correct.all() and not labels.rejected_correct.any()
    assert len(labels) == 2 + 2 + 1


def test_raters_like_answers_and_of_answers_the_short_one():
    found = who(finding.preferred(REPLIES, "raters", 0.9, 0))
    assert found == {
        ("sure", "can't say"),
        ("less sure", "can't say"),
        ("less sure", "sure"),
        ("sure and wrong", "right"),
        ("as sure", "right"),
    }


def test_the_quality_of_pairs_by_hand():
    found = finding.quality(finding.pairs(REPLIES, 0.9))
    assert {name: share.estimate for name, share in found.items()} == {
        "helps": 0.5,
        "harms": 0.25,
        "against_declines": 0.25,
    }
    assert {share.n for share in found.values()} == {2}  # questions, not pairs
    assert math.isnan(finding.quality(finding.pairs(REPLIES, 1.0))["helps"].estimate)
    often = pd.concat([REPLIES.assign(item=REPLIES.item + 10 * i) for i in range(30)])
    one = finding.quality(finding.pairs(REPLIES, 0.9))["helps"]
    many = finding.quality(finding.pairs(often, 0.9))["helps"]
    assert many.high - many.low < one.high - one.low


def test_a_threshold_that_is_no_confidence_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        finding.pairs(REPLIES, 1.5)


def test_traces_hold_k_branches_with_confidence_in_range(tiny_lm):
    asked = pocket_stories(2, 0) + pocket_items(1, 0)[:1]
    found = finding.traces(tiny_lm, asked, 4, 12)
    assert found.groupby("item", sort=False).size().tolist() == [4, 4, 4]
    assert found.confidence.between(0, 1).all() and found.probability.between(0, 1).all()
    assert (found.confidence[found.answer == ""] == 0).all()
    assert (found.answer[found.abstained] == "").all()


def replies(sure, accuracy=0.6, declines=0.8, seeds=(0, 1, 2)):
    """An arm that is right `accuracy` of the time and says it is as sure as `sure`."""
    rows = []
    for seed in seeds:
        for i in range(60):
            right = (0.618 * i + 0.1 * seed) % 1 < accuracy
            rows.append(
                {"item": f"a{i}", "should_abstain": False, "correct": right, "abstained": False}
            )
            rows.append(
                {
                    "item": f"h{i}",
                    "should_abstain": True,
                    "correct": i < 60 * declines,
                    "abstained": i < 60 * declines,
                }
            )
        for row in rows[-120:]:
            c = min(sure + 0.01 * (int(row["item"][1:]) % 3), 1.0)
            row |= {
                "seed": seed,
                "confidence": c,
                "probability": c,
                "scenario": "plain",
                "answer": "" if row["abstained"] else "1",
                "reasoned": False,
                "n_tokens": 5,
            }
    return pd.DataFrame(rows)


def laboratory(**arms):
    """An experiment whose arms said what `replies` made; all others as the damaged model."""
    lab = finding.Experiment(finding.Params(**SETTINGS))
    damaged = replies(0.95)
    lab.replies = lambda arm, dose=-1: arms.get(arm, damaged)
    lab.traces = lambda arm, seed: pd.concat(
        [REPLIES.assign(item=REPLIES.item + 3 * i) for i in range(40)]
    )
    return lab


def test_a_planted_repair_is_found():
    lab = laboratory(before=replies(0.61), repair_grpo=replies(0.7, accuracy=0.7))
    record = finding.result(lab, 0.0, 1.0)
    assert record.verdict == "replicates", record.reason
    assert record.primary().estimate == pytest.approx(-0.35, abs=0.02)
    assert "lowers the calibration error" in finding.what_happened(record)


def test_a_repair_that_costs_accuracy_does_not_count():
    worse = laboratory(before=replies(0.61), repair_grpo=replies(0.4, accuracy=0.4))
    record = finding.result(worse, 0.0, 1.0)
    assert record.primary().high < 0 and record.verdict == "inconclusive"


def test_a_planted_null_gets_no_verdict_for_it():
    record = finding.result(laboratory(before=replies(0.61)), 0.0, 1.0)
    assert record.verdict not in ("replicates", "direction only")
    assert "No repair" in finding.what_happened(record)


def test_without_damage_there_is_nothing_to_repair():
    lab = laboratory(before=replies(0.95), repair_grpo=replies(0.61))
    record = finding.result(lab, 0.0, 1.0)
    assert record.verdict == "inconclusive" and "damage" in record.reason


def test_lost_abstention_is_said():
    lab = laboratory(
        before=replies(0.61), repair_grpo=replies(0.61), rlsf_dpo=replies(0.61, declines=0.2)
    )
    said = finding.what_happened(finding.result(lab, 0.0, 1.0))
    assert "repeats the damage" in said


def test_confidence_of_wrong_answers_by_hand():
    frame = pd.DataFrame(
        {
            "item": ["a", "b", "c"],
            "seed": 0,
            "should_abstain": False,
            "correct": [True, False, False],
            "answer": ["1", "2", ""],
            "confidence": [0.9, 0.4, 0.0],
        }
    )
    assert finding.wrong_confidence(frame).estimate == pytest.approx(0.4)


@pytest.mark.parametrize(("changes", "said"), [({"doses": [0]}, "above 0")])
def test_bad_settings_are_refused_before_any_work(changes, said):
    with pytest.raises(ValueError, match=said):
        finding.Experiment(finding.Params(**SETTINGS | changes))


def planted_pairs(n=64):
    """Preferences for one reply whatever the question: what is learned is easy to see."""
    asked = pocket_stories(n, 5)
    return [
        Example(
            [turn("user", item.question), turn("assistant", "The answer is 3 .")],
            None,
            "The answer is 4 .",
            1.0,
        )
        for item in asked
    ]


def test_dpo_moves_the_planted_preference(cache, tiny_path):
    recipe = finding.replace(RECIPES["rlsf_dpo"], batch_size=8, learning_rate=1e-3)
    data = planted_pairs()
    after = training.checkpoints(str(tiny_path), recipe, 0, [4], data)[4]

    def margin(name):
        lm = models.load(name, dtype="float32")
        scores = []
        for answer in ("3", "4"):
            chat = [data[0].chat[0], turn("assistant", f"The answer is {answer} .")]
            ids, labels = recipes.encode(lm.tokenizer, chat)
            with torch.no_grad():
                logp = lm.model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
            kept = [(i, t) for i, t in enumerate(labels[1:]) if t >= 0]
            scores.append(sum(float(logp[i, t]) for i, t in kept))
        return scores[0] - scores[1]

    assert margin(after) > margin(str(tiny_path)) + 0.05


@pytest.mark.parametrize("rank", [None, 4])
def test_a_reward_model_learns_the_planted_preference_and_is_kept(cache, tiny_path, rank):
    rate = 1e-3 if rank is None else 1e-2
    recipe = finding.replace(
        RECIPES["rater"], batch_size=8, steps=12, learning_rate=rate, lora_rank=rank
    )
    data = planted_pairs()
    folder = training.reward_model(str(tiny_path), recipe, 0, data)
    model = training.load_reward_model(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    scores = []
    for answer in ("3", "4"):
        chat = [turn("user", "Ann has 3 apples ."), turn("assistant", f"The answer is {answer} .")]
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        with torch.no_grad():
            ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
            scores.append(float(model(input_ids=ids).logits))
    assert scores[0] > scores[1] + 0.1
    assert training.reward_model(str(tiny_path), recipe, 0, data) == folder
    with pytest.raises(ValueError, match="no pair"):
        training.reward_model(str(tiny_path), recipe, 0, [])


@pytest.mark.parametrize("rank", [None, 4])
def test_grpo_goes_where_a_reward_model_points(cache, tiny_path, rank):
    recipe = finding.replace(RECIPES["rater"], batch_size=8, steps=2, lora_rank=rank)
    judge = training.reward_model(str(tiny_path), recipe, 0, planted_pairs(16))
    tuned = finding.replace(RECIPES["rlsf_grpo"], batch_size=8, generations=4, max_new_tokens=8)
    found = training.checkpoints(str(tiny_path), tuned, 0, [1], judge=judge)
    assert models.load(found[1]).name.endswith("rlsf_grpo")
    with pytest.raises(ValueError, match="reward model"):
        training.checkpoints(str(tiny_path), tuned, 0, [1])
