"""Teachers of chains: what they add is true, or meant to be false, and all give the answer."""

import random

import pytest

from helpers.text import chains
from helpers.world import grammar, scene, teachers


def example(seed=3):
    return scene.story(random.Random(seed), 4)


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
