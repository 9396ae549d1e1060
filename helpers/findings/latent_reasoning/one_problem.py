"""Mechanisms 4 and 5, where all there is to learn from is one problem."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from helpers.lm.generation import Completion, generate
from helpers.lm.models import LM
from helpers.text import chains
from helpers.text.chains import OPEN
from helpers.train.recipes import Example
from helpers.world import dialogue, grammar, scene
from helpers.world.corpus import turn

ONE_PROBLEM = {
    "critique_sft": "reasoning_sft",
    "solution_sft": "reasoning_sft",
    "rlvr_one": "rlvr",
    "rlvr_one_format": "rlvr_format",
}
"""Arms that learn from one problem, and the recipe of each."""
N_DRAWN, N_TOKENS, TEMPERATURE = 32, 96, 1.5
"""Solutions of the one problem that the base draws, to be criticized: tokens of each, and how
noisy they are.
"""


@cache
def problem() -> grammar.Story:
    """The one problem of critique tuning and of one-example RL."""
    return scene.story(random.Random("one problem"), 4)


def prompted() -> list[Example]:
    """The one problem, for a reward."""
    return [Example([turn("user", problem().text), turn("assistant", "")], problem())]


def solutions(seed: int) -> list[Example]:
    """Right solutions of the one problem, in the wordings there are."""
    rng = random.Random(f"solutions {seed}")
    replies = dict.fromkeys(problem().reasoned(rng) for _ in range(32))
    return [
        Example([turn("user", problem().text), turn("assistant", r)], problem()) for r in replies
    ]


def attempts(lm: LM, seed: int) -> list[Completion]:
    """A model's own noisy solutions of the one problem, their chains forced open."""
    prompts = [lm.prompt(problem().text, OPEN)] * N_DRAWN
    return generate(lm, prompts, N_TOKENS, temperature=TEMPERATURE, seed=seed)


def critiques(drawn: Sequence[str], seed: int) -> list[Example]:
    """Critiques of attempts at the one problem: asked to check a solution, the model repeats the
    steps that are right, corrects the others ("But ..."), and answers.
    """
    rng = random.Random(f"critiques {seed}")
    made = []
    for text in drawn:
        solution = chains.with_opening(OPEN, text)
        written = set(chains.chain_of(solution))
        checked = [s if s in written else f"But {s}" for s in problem().chain]
        chat = [
            turn("user", problem().text),
            turn("assistant", solution),
            turn("user", rng.choice(dialogue.NEUTRAL)),
            turn("assistant", problem().reasoned(rng, checked)),
        ]
        made.append(Example(chat, problem()))
    return made
