import random

import pytest

from helpers.lm import models
from helpers.lm.generation import generate
from helpers.lm.hybrid import hybrid
from helpers.text import answers
from helpers.train.arms import checkpoints
from helpers.train.recipes import RECIPES
from helpers.world import scene
from tests.planted import planted


@pytest.fixture(scope="module")
def pair(tiny_path, tmp_path_factory):
    """The tiny model, and the same after a few steps of training."""
    from dataclasses import replace

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        recipe = replace(RECIPES["answer_sft"], batch_size=8, learning_rate=1e-2, steps=4)
        tuned = checkpoints(models.find(str(tiny_path)), recipe, 0, [4])[4]
        return tuple(models.load(one, "cpu", "float32") for one in (str(tiny_path), tuned))


@pytest.fixture(scope="module")
def prompts(pair):
    rng = random.Random(0)
    return [pair[0].prompt(scene.story(rng, 1 + i % 4).text) for i in range(7)]


@pytest.mark.parametrize("share, which", [(0.0, 0), (1.0, 1)])
def test_at_its_ends_the_hybrid_is_one_of_the_two_token_for_token(pair, prompts, share, which):
    ours, routed, differ = hybrid(*pair, prompts, 12, share, batch_size=3)
    assert ours == generate(pair[which], prompts, 12)
    assert (sum(routed) == 0) == (share == 0) and sum(differ) > 0
    assert share == 0 or routed == differ


def test_between_its_ends_the_tuned_model_chooses_some_tokens(pair, prompts):
    shares = [sum(hybrid(*pair, prompts, 12, share)[1]) for share in (0.2, 0.6, 1.0)]
    assert 0 <= shares[0] <= shares[2] and shares[2] > 0


def test_one_token_is_enough_for_a_planted_mode_and_chance_does_not_hit_it():
    base, tuned = planted(), planted(opens=True)
    questions = [f"Q{n}" for n in range(10)]
    replies, routed, _ = hybrid(base, tuned, questions, 4, share=0.5)
    assert [answers.final_answer(r.text) for r in replies] == list(map(str, range(10)))
    assert routed == [1] * 10
    nowhere, none, differ = hybrid(base, tuned, questions, 4, rate=0.0)
    assert sum(none) == 0 and nowhere == generate(base, questions, 4) and sum(differ) > 0
    half = hybrid(base, tuned, [q for q in questions for _ in range(40)], 4, rate=0.5)[1]
    assert 0.4 < sum(half) / 400 < 0.6  # the one disagreement of each, half the time


def test_shares_beyond_one_are_refused(pair, prompts):
    with pytest.raises(ValueError, match="share <= 1, not 1.5"):
        hybrid(*pair, prompts, 4, 1.5)
