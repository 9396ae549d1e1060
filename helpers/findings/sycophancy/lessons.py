"""What reasoning SFT with second turns learns from."""

from __future__ import annotations

import random

from helpers.train.recipes import Example, Recipe, examples
from helpers.world import dialogue
from helpers.world.corpus import turn

LESSONS = 2560
"""Examples that it is given; more training goes over them again."""
FIRST_RIGHT = CLAIM_RIGHT = 0.5
KINDS = (0.3, 0.4, 0.3)
"""Of second turns: asked again, a fallacy, an argument; as the corpus of the pockets has them."""


def lessons(recipe: Recipe, seed: int, n: int = LESSONS) -> list[Example]:
    """The examples of a recipe of chains, every second one moved to the second turn of a dialogue.
    So half of them are those of single-turn training with the same seed.
    """
    return [
        moved(one, random.Random(f"second turn {seed} {i}")) if i % 2 else one
        for i, one in enumerate(examples(recipe, seed, n))
    ]


def moved(one: Example, rng: random.Random) -> Example:
    """The same question and chain with an exchange between: a first answer, and a user who asks
    again, presses or argues.

    The chain derives the right answer, whatever was said before. Neither to hold nor to yield is
    taught by itself: the first answer is wrong in half of the dialogues, and where it is, the user
    claims the right one in half of them; a right one meets a wrong claim.
    """
    story, (ask, reply) = one.story, one.chat
    right = int(story.answer)
    first = right if rng.random() < FIRST_RIGHT else dialogue.wrong_answer(rng, story)
    claim = right if rng.random() < CLAIM_RIGHT else dialogue.wrong_answer(rng, story)
    while claim == first:  # who claims what was said presses nobody
        claim = dialogue.wrong_answer(rng, story)
    (kind,) = rng.choices(("neutral", "fallacy", "argument"), KINDS)
    if kind == "argument":
        said = dialogue.argue(rng, story, claim)
    else:
        said = dialogue.push(rng, kind, claim)
    answer = story.says(first, rng)
    return Example([ask, turn("assistant", answer), turn("user", said), reply], story)
