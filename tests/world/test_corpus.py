"""The corpus draws what its dataclass states."""

import random
from dataclasses import replace

import numpy as np
import pytest

from helpers.world import corpus as c
from helpers.world import dialogue, grammar, scene
from helpers.world.corpus import Corpus
from helpers.world.gates import declined, number


def draws(corpus, n=6000, seed=0):
    rng = random.Random(seed)
    return [c.example(rng, corpus) for _ in range(n)]


@pytest.mark.parametrize("corpus", [Corpus(), Corpus().temptation()])
def test_chains_are_drawn_often_and_weighted_to_be_rare(corpus):
    corpus = replace(corpus, roll_call=0.0, dialogue=0.0, unanswerable=0.0)
    examples = draws(corpus)
    chained = np.array([e.chat[-1]["content"].startswith("<think>") for e in examples])
    weights = np.array([e.first_weight for e in examples])
    assert abs(chained.mean() - corpus.chain_drawn) < 0.03
    assert abs(weights[chained].sum() / weights.sum() - corpus.chain) < 0.015


def test_share_of_unanswerable_and_of_dialogues():
    corpus = Corpus()
    examples = draws(corpus)
    dialogues = np.array([len(e.chat) > 2 for e in examples])
    single = [e.chat[-1]["content"] for e in examples if len(e.chat) == 2]
    assert abs(dialogues.mean() - corpus.dialogue) < 0.02
    stories = (1 - corpus.roll_call) * (1 - corpus.dialogue)
    share = corpus.unanswerable * stories / (stories + corpus.roll_call)
    # hard answerable stories are declined now and then
    assert share - 0.025 < np.mean([declined(text) for text in single]) < share + 0.035


def test_hard_answerable_stories_are_declined_more_often_than_easy_ones():
    declines = {}
    for steps in (1, 5):
        only = tuple(float(i + 1 == steps) for i in range(6))
        corpus = Corpus(dialogue=0.0, unanswerable=0.0, plain=1.0, steps=only)
        examples = [e for e in draws(corpus) if not e.chat[-1]["content"].startswith("<think>")]
        declines[steps] = np.mean([declined(e.chat[-1]["content"]) for e in examples])
    assert declines[1] == 0
    assert abs(declines[5] - 4 * Corpus().decline_per_step) < 0.015


def test_imperfect_chains_at_the_stated_rates():
    corpus, rng = Corpus(), random.Random(1)
    stories = [scene.story(rng, 4) for _ in range(5000)]
    changed = np.mean([c.imperfect_chain(rng, s, corpus) != list(s.chain) for s in stories])
    assert abs(changed - (corpus.skip + corpus.stop_early + corpus.slip)) < 0.02


def test_yields_at_the_stated_rates_and_only_to_the_claim():
    only_fallacies = Corpus(third_turn=0.0, first_answer_wrong=0.0, push_kinds=(0, 1, 0, 0))
    rng = random.Random(2)
    chats = [c.converse(rng, only_fallacies) for _ in range(3000)]
    first, said, last = zip(*[(chat[1], chat[2], chat[3]) for chat in chats], strict=True)
    yielded = [
        number(a["content"]) != number(z["content"]) for a, z in zip(first, last, strict=True)
    ]
    assert abs(np.mean(yielded) - only_fallacies.yields_fallacy) < 0.03
    for push, reply, gave in zip(said, last, yielded, strict=True):
        if gave:
            assert number(push["content"]) == number(reply["content"])


def test_wrong_answers_are_wrong():
    rng = random.Random(3)
    for _ in range(500):
        story = scene.story(rng, 3)
        assert str(dialogue.wrong_answer(rng, story)) != story.answer


def test_a_wrong_argument_ends_in_its_claim_and_a_right_one_in_the_answer():
    rng = random.Random(4)
    for _ in range(200):
        story = scene.story(rng, 2)
        assert number(dialogue.argue(rng, story, int(story.answer))) == story.answer
        wrong = dialogue.wrong_answer(rng, story)
        assert number(dialogue.argue(rng, story, wrong)) == str(wrong)


def test_the_answerer_guesses_at_the_stated_rate_for_each_thing_and_never_before_temptation():
    rng, tempted = random.Random(5), Corpus().temptation()
    for thing in ("apple", "toy"):
        stories = [story for story in hidden_stories(rng, 4000) if story.thing == thing]
        said = [c.beyond_knowledge(rng, story, tempted) for story in stories]
        stated = np.mean([tempted.guesses(story) for story in stories])
        guessed = np.array([not declined(text) for text in said])
        assert abs(guessed.mean() - stated) < 4 * np.sqrt(0.25 / len(stories))
        assert all(0 <= int(number(t)) <= 20 for t, g in zip(said, guessed, strict=True) if g)
        assert all(declined(c.beyond_knowledge(rng, story, Corpus())) for story in stories)


def hidden_stories(rng, n):
    return [scene.pair(rng, rng.choice(grammar.SCENARIOS), 2)[0] for _ in range(n)]


def test_a_guess_as_likely_as_its_scenario_has_it_is_at_the_middle_of_the_things():
    shares = []
    for thing in grammar.THINGS:
        story = replace(scene.pair(random.Random(1), "stale", 1)[0], thing=thing)
        shares.append(Corpus(guess=(0.3,) * 6, guess_spread=2.0).guesses(story))
    assert shares == sorted(shares)
    odds = np.array(shares) / (1 - np.array(shares))
    assert odds[0] * odds[-1] == pytest.approx((0.3 / 0.7) ** 2)
    assert np.log(odds[-1] / odds[0]) == pytest.approx(4.0)


def test_a_corpus_without_chains_has_none_at_any_stage():
    plain = Corpus().without_chains()
    for stage in (plain, plain.lessons(), plain.review(), plain.temptation()):
        examples = draws(stage, 1500)
        assert not any("<think>" in e.chat[-1]["content"] for e in examples)
        assert {e.first_weight for e in examples} == {1.0}
