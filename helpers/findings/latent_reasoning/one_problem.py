"""Mechanisms 4 and 5, where all there is to learn from is one problem."""

import random
from collections.abc import Callable
from functools import cache

from helpers.lm.generation import generate
from helpers.lm.models import LM
from helpers.text import chains
from helpers.text.chains import OPEN
from helpers.train.recipes import Example
from helpers.world import dialogue, grammar
from helpers.world.corpus import turn


@cache
def problem() -> grammar.Story:
    """The one problem of critique tuning and of one-example RL."""
    return grammar.story(random.Random("one problem"), 4)


def one_problem(lm: LM, seed: int) -> list[Example]:
    """The one problem, for a reward."""
    return [Example([turn("user", problem().text), turn("assistant", "")], problem())]


def solutions(lm: LM, seed: int) -> list[Example]:
    """Right solutions of the one problem, in the wordings there are."""
    rng = random.Random(f"solutions {seed}")
    replies = dict.fromkeys(problem().reasoned(rng) for _ in range(32))
    return [
        Example([turn("user", problem().text), turn("assistant", r)], problem()) for r in replies
    ]


def critiques(lm: LM, seed: int) -> list[Example]:
    """Critiques of the base's own noisy solutions of the one problem: asked to check a solution, it
    repeats the steps that are right, corrects the others ("But ..."), and answers.
    """
    rng = random.Random(f"critiques {seed}")
    prompts = [lm.prompt(problem().text, OPEN)] * 32
    drawn = generate(lm, prompts, 96, temperature=1.5, seed=seed)
    made = []
    for reply in drawn:
        solution = f"{OPEN} {reply.text}"
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


ONE_PROBLEM: dict[str, tuple[str, Callable[[LM, int], list[Example]]]] = {
    "critique_sft": ("reasoning_sft", critiques),
    "solution_sft": ("reasoning_sft", solutions),
    "rlvr_one": ("rlvr", one_problem),
    "rlvr_one_format": ("rlvr_format", one_problem),
}
"""Arms that learn from one problem: the recipe of each, and what makes its examples."""
