"""Chains taken apart: steps, cuts, mistakes, other wordings, filler."""

import random
import re

import pytest

from helpers.text import chains
from helpers.world import grammar, teachers

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
        story = grammar.story(rng, 4)
        other = chains.paraphrased(list(story.chain))
        for before, after in zip(story.chain, other, strict=True):
            assert before != after
            assert chains.result_of(before) == chains.result_of(after)
            assert set(re.findall(grammar.WORD, after)) <= known


def test_filler_takes_as_many_tokens(tiny_lm):
    text = " ".join(STEPS)
    dots = chains.filler(tiny_lm, text)
    lengths = [len(tiny_lm.tokenizer(t, add_special_tokens=False).input_ids) for t in (text, dots)]
    assert lengths[0] == lengths[1] and set(dots) == {".", " "}


def test_a_chain_goes_on_from_the_steps_it_is_given(tiny_lm):
    questions = ["Ann has 3 apples. How many apples does Ann have now?"] * 2
    own, given = chains.continued(tiny_lm, questions, [[], STEPS[:1]], 12)
    assert given.steps[0].startswith(STEPS[0][:-1])
    assert not own.closed and own.answer == ""  # cut off: it never closed


def example(seed=3):
    return grammar.story(random.Random(seed), 4)


def test_teachers_differ_in_the_chain_and_agree_in_the_answer():
    story, rng = example(), random.Random(0)
    told = {name: teachers.taught(story, rng, name) for name in teachers.TEACHERS}
    told["verbose"] = teachers.taught(story, rng, verbosity=1.0)
    for text in told.values():
        final = text.partition("</think>")[2]
        assert story.answer in final.rstrip(".").split()
    assert told["terse"].partition("</think>")[0].split("<think>")[1].strip() == " ".join(
        story.chain
    )
    assert told["post_hoc"].startswith(f"<think> The answer is {story.answer}. {story.chain[0]}")
    assert story.chain[0] not in told["wrong"]


def test_what_the_verbose_teacher_adds_is_true():
    rng = random.Random(1)
    for seed in range(40):
        chain = teachers.taught(example(seed), rng, verbosity=1.0).partition("</think>")[0]
        for step in chains.steps_of(chain.removeprefix("<think>")):
            words = step.rstrip(".").split()
            if "=" in words and not set(words) & set(grammar.NAMES):
                left, right = " ".join(words).split(" = ")
                assert eval(left) == int(right)  # its own arithmetic, no names in it


def test_verbosity_is_the_share_of_steps_told_again():
    rng = random.Random(2)
    steps = [step for seed in range(200) for step in example(seed).trace]
    told = [len(teachers.told(step, rng, 0.3)) > 1 for step in steps]
    assert sum(told) / len(told) == pytest.approx(0.3, abs=0.06)
