"""Chains taken apart: steps, cuts, mistakes, other wordings."""

import random
import re

from helpers.text import chains
from helpers.world import grammar, scene

STEPS = ["Ann 5 + 3 = 8.", "Ann 8, Ben 2, now Ann 2.", "Ann 2 * 2 = 4."]


def test_steps_are_sentences_or_lines_and_decimals_stay_whole():
    assert chains.steps_of(" ".join(STEPS)) == STEPS
    assert chains.steps_of("It costs 2.5 each.\nSo 5 in all.\n\n") == [
        "It costs 2.5 each.",
        "So 5 in all.",
    ]
    assert chains.steps_of("  ") == []


def test_a_cut_keeps_whole_steps_rounded_down():
    kept = [len(chains.cut(STEPS, share)) for share in (0, 0.25, 0.5, 0.75, 1)]
    assert kept == [0, 0, 1, 2, 3]
    assert len(chains.cut(["x"] * 10, 0.3)) == 3  # 0.3 * 10 is 2.9999... in floats


def test_a_mistake_changes_the_last_number_only():
    for seed in range(30):
        wrong = chains.mistaken(STEPS[0], random.Random(seed))
        assert wrong.startswith("Ann 5 + 3 = ") and wrong != STEPS[0]
        assert 5 <= int(chains.result_of(wrong)) <= 11
    assert int(chains.result_of(chains.mistaken("Ann 2 - 2 = 0.", random.Random(1)))) > 0
    assert chains.result_of("So $1,200 of 18.50 is left, 1,200.") == "1200"
    assert chains.result_of("That makes 18.50.") == "18.50"
    wrong = chains.mistaken("It costs 18.50.", random.Random(0))
    assert wrong.endswith(".50.") and wrong != "It costs 18.50."
    assert chains.mistaken("I can't tell.", random.Random(0)) == "I can't tell."


def test_other_words_say_the_same_numbers_in_the_world_s_vocabulary():
    assert chains.paraphrased(STEPS) == [
        "Ann 5 + 3, now Ann 8.",
        "Ben 2, Ann 8, now Ann 2.",
        "Ann 2 * 2, now Ann 4.",
    ]
    rng = random.Random(0)
    known = set(grammar.words()) | {str(n) for n in range(100)} | {"."}
    for _ in range(50):
        story = scene.story(rng, 4)
        other = chains.paraphrased(list(story.chain))
        for before, after in zip(story.chain, other, strict=True):
            assert before != after
            assert chains.result_of(before) == chains.result_of(after)
            assert set(re.findall(grammar.WORD, after)) <= known


def test_a_chain_is_read_off_the_reply_that_opens_with_it():
    reply = f"<think> {' '.join(STEPS)} </think> Ann has 4 apples."
    whole = chains.read_chain(reply, truncated=False)
    assert (whole.steps, whole.closed, whole.answer) == (STEPS, True, "4")
    assert whole.text == " ".join(STEPS) and chains.chain_of(reply) == STEPS
    cut_off = chains.read_chain(reply, truncated=True)
    assert (cut_off.steps, cut_off.closed, cut_off.answer) == (STEPS, False, "")
    unclosed = chains.read_chain("<think> Ann 5 + 3 = 8.", truncated=False)
    assert (unclosed.steps, unclosed.closed) == (STEPS[:1], False)


def test_prefixes_are_the_chain_after_every_step():
    assert chains.prefixes(STEPS[:2]) == ["", STEPS[0], " ".join(STEPS[:2])]
    assert chains.prefixes([]) == [""]
