"""Training by preferences moves a model where it should."""

import math
from dataclasses import replace

import pytest
import torch
from transformers import AutoTokenizer

from helpers.lab.items import pocket_stories
from helpers.lm import models
from helpers.train import recipes, trainers
from helpers.train.arms import Given, checkpoints, rated, reward_model
from helpers.train.recipes import RECIPES, Example
from helpers.world.corpus import turn


def planted_pairs(n=96):
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


@pytest.fixture
def tiny(tiny_path):
    return models.find(str(tiny_path))


def test_dpo_moves_the_planted_preference(cache, tiny):
    recipe = replace(RECIPES["rlsf_dpo"], batch_size=8, learning_rate=1e-2)
    data = planted_pairs()
    after = checkpoints(tiny, recipe, 0, [4], Given({}, lambda: data))[4]

    def margin(handle):
        lm = models.load(handle, dtype="float32")
        scores = []
        for answer in ("3", "4"):
            chat = [data[0].chat[0], turn("assistant", f"The answer is {answer} .")]
            ids, labels = recipes.encode(lm.tokenizer, chat)
            with torch.no_grad():
                logp = lm.model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
            kept = [(i, t) for i, t in enumerate(labels[1:]) if t >= 0]
            scores.append(sum(float(logp[i, t]) for i, t in kept))
        return scores[0] - scores[1]

    assert margin(after) > margin(tiny) + 0.05


def test_a_reward_model_learns_the_planted_preference_and_is_kept(cache, tiny):
    recipe = replace(RECIPES["rater"], batch_size=8, steps=12, learning_rate=1e-2)
    data = planted_pairs()
    judge = reward_model(tiny, recipe, 0, data)
    model = trainers.load_reward_model(judge).eval()
    tokenizer = AutoTokenizer.from_pretrained(judge.folder)
    scores = []
    for answer in ("3", "4"):
        chat = [turn("user", "Ann has 3 apples ."), turn("assistant", f"The answer is {answer} .")]
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        with torch.no_grad():
            ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
            scores.append(float(model(input_ids=ids).logits))
    assert scores[0] > scores[1] + 0.1
    assert reward_model(tiny, recipe, 0, data) == judge
    with pytest.raises(ValueError, match="no pair"):
        reward_model(tiny, recipe, 0, [])


def test_a_reward_model_rates_replies_as_trl_does(cache, tiny):
    recipe = replace(RECIPES["rater"], batch_size=8, steps=12, learning_rate=1e-2)
    judge = reward_model(tiny, recipe, 0, planted_pairs())
    replies = ["The answer is 3 .", "The answer is 4 .", "The answer is 3 ."]
    found = rated(judge, ["Ann has 3 apples ."] * 3, replies)
    assert found[0] > found[1] + 0.1 and found[0] == found[2]


def test_sureness_is_that_of_the_answer_or_of_a_reply_without_one(tiny):
    lm = models.load(tiny, dtype="float32")
    texts = ["Ann has 3 apples.", "I can't tell from the story."]
    prompt = lm.tokenizer(lm.prompt("Ann has 3 apples."), add_special_tokens=False).input_ids
    replies = [lm.tokenizer(f" {t}", add_special_tokens=False).input_ids for t in texts]
    found = trainers.sureness(lm, [prompt, prompt], replies)
    for ids, text, said in zip(replies, texts, found, strict=True):
        with torch.no_grad():
            p = lm.model(input_ids=torch.tensor([prompt + ids])).logits[0].softmax(-1)
        each = [float(p[len(prompt) - 1 + i, token]) for i, token in enumerate(ids)]
        whole = math.prod(each)
        three = lm.tokenizer(" 3", add_special_tokens=False).input_ids[-1]
        expected = each[ids.index(three)] if "3" in text else whole
        assert said == pytest.approx(expected, rel=1e-4)


def test_grpo_hands_sureness_to_the_reward(cache, tiny):
    recipe = replace(RECIPES["repair_brier"], batch_size=8, generations=4, max_new_tokens=8)
    assert models.load(checkpoints(tiny, recipe, 0, [1])[1]).name.endswith("repair_brier")


def test_grpo_takes_a_reward_model(cache, tiny):
    recipe = replace(RECIPES["rater"], batch_size=8, steps=12)
    made = reward_model(tiny, recipe, 0, planted_pairs(16))
    assert made.about["recipe"]["steps"] == 2, "one pass over its pairs, no more"
    judge = Given({}, lambda: made)
    tuned = replace(RECIPES["rlsf_grpo"], batch_size=8, generations=4, max_new_tokens=8)
    found = checkpoints(tiny, tuned, 0, [1], judge)
    assert models.load(found[1]).name.endswith("rlsf_grpo")
