import random
from dataclasses import replace

import pytest
import torch

from helpers.lm import models
from helpers.lm.generation import generate
from helpers.lm.hybrid import Categories, hybrid, learned
from helpers.text import answers
from helpers.train.arms import checkpoints
from helpers.train.recipes import RECIPES
from helpers.world import scene
from tests.planted import MODE, WORDS, planted

QUESTIONS = [f"Q{n}" for n in range(10)]


@pytest.fixture(scope="module")
def pair(tiny_path, tmp_path_factory):
    """The tiny model, and the same after a few steps of training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        recipe = replace(RECIPES["answer_sft"], batch_size=8, learning_rate=1e-2, steps=4)
        tuned = checkpoints(models.find(str(tiny_path)), recipe, 0, [4])[4]
        return tuple(models.load(one, "cpu", "float32") for one in (str(tiny_path), tuned))


@pytest.fixture(scope="module")
def prompts(pair):
    rng = random.Random(0)
    return [pair[0].prompt(scene.story(rng, 1 + i % 4).text) for i in range(7)]


@pytest.fixture(scope="module")
def by(pair, prompts):
    return learned(*pair, prompts, 12, 1)[0]


def silent(by):
    return replace(by, vectors=torch.zeros_like(by.vectors))


def moded():
    """One category, its vector the direction of the planted mode."""
    vector = torch.zeros(1, len(WORDS) + 1)
    vector[0, -1] = MODE
    return Categories(0, torch.zeros_like(vector), vector)


def test_the_base_alone_where_nothing_is_steered_or_vectors_are_zero(pair, prompts, by):
    alone = generate(pair[0], prompts, 12)
    assert hybrid(*pair, prompts, 12, by, 0.0, batch_size=3) == (alone, [0] * 7)
    replies, steered = hybrid(*pair, prompts, 12, silent(by), batch_size=3)
    assert replies == alone and sum(steered) > 0  # they disagree, and that does nothing
    assert hybrid(*pair, prompts, 12, silent(by), rate=1.0)[0] == alone


def test_steering_depends_on_no_neighbour_and_stays_in_what_the_base_reads_on(pair, prompts, by):
    lm, tuned = pair
    strong = replace(by, vectors=20 * torch.ones_like(by.vectors))
    alone, counts = hybrid(lm, tuned, prompts, 6, strong, batch_size=1)
    assert hybrid(lm, tuned, prompts, 6, strong, batch_size=4) == (alone, counts)
    most = counts.index(max(counts))
    ids = lm.tokenizer(prompts[most], add_special_tokens=False, return_tensors="pt")["input_ids"]
    start, at, written = ids.shape[1], [], []
    while len(written) < 6 and lm.tokenizer.eos_token_id not in written:
        other = pushed(tuned, ids, []).argmax()
        if pushed(lm, ids, at).argmax() != other:
            at.append(start + len(written) - 1)
        written.append(int(pushed(lm, ids, at).argmax()))
        ids = torch.cat([ids, torch.tensor([written[-1:]])], dim=1)
    assert alone[most].text == lm.tokenizer.decode(written, skip_special_tokens=True)
    assert counts[most] == len(at) > 0


def pushed(lm, ids, places):
    """Logits of the next token with 20 added after layer 1 at some tokens, all read at once."""

    def add(module, args, hidden):
        hidden = hidden.clone()
        hidden[:, places] += 20
        return hidden

    hook = lm.model.model.layers[1].register_forward_hook(add)
    try:
        with torch.no_grad():
            return lm.model(ids).logits[0, -1]
    finally:
        hook.remove()


def test_learned_vectors_make_what_the_tuned_model_wrote_likelier(pair, prompts, by):
    lm, tuned = pair
    wanted = generate(tuned, prompts, 12)

    def agreement(categories):
        replies, _ = hybrid(lm, tuned, prompts, 12, categories, rate=1.0)
        pairs = zip(replies, wanted, strict=True)
        return sum(a == b for r, w in pairs for a, b in zip(r.text, w.text, strict=False))

    assert agreement(by) > agreement(silent(by))
    assert by.vectors.shape == by.centres.shape and len(by.vectors) > 1


def test_one_steered_token_is_enough_for_a_planted_mode_and_the_base_writes_the_rest():
    base, tuned = planted(), planted(opens=True)
    replies, steered = hybrid(base, tuned, QUESTIONS, 4, moded())
    assert [answers.final_answer(r.text) for r in replies] == list(map(str, range(10)))
    assert steered == [1] * 10
    alone = generate(base, QUESTIONS, 4)
    nowhere, none = hybrid(base, tuned, QUESTIONS, 4, moded(), rate=0.0)
    assert sum(none) == 0 and nowhere == alone
    noise = Categories(0, moded().centres, torch.randn(1, len(WORDS) + 1) * 0.01)
    moved, there = hybrid(base, tuned, QUESTIONS, 4, noise)
    assert moved == alone and there == [1] * 10  # the tuned model decides when, not what
    half = hybrid(base, tuned, [q for q in QUESTIONS for _ in range(40)], 3, moded(), rate=0.5)[1]
    assert 0.4 < sum(half) / (400 * 3) < 0.6


def test_categories_of_a_planted_mode_are_learned_from_what_the_tuned_model_writes():
    base, tuned = planted(), planted(opens=True)
    by, words = learned(base, tuned, QUESTIONS, 4, 0)
    assert {word for row in words for word in row} >= {"<think> count. </think>", "3"}
    replies, _ = hybrid(base, tuned, QUESTIONS, 4, by)
    right = sum(answers.final_answer(r.text) == str(n) for n, r in enumerate(replies))
    assert right >= 8


def test_shares_beyond_one_are_refused(pair, prompts, by):
    with pytest.raises(ValueError, match="share <= 1, not 1.5"):
        hybrid(*pair, prompts, 4, by, 1.5)
