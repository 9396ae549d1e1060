"""Mechanisms 2 and 3: directions added to activations, and the random ones they must beat."""

import random
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from helpers.lab import items
from helpers.lm import steering
from helpers.lm.generation import generate
from helpers.lm.models import LM
from helpers.show.widgets import progress
from helpers.text import answers, chains
from helpers.text.chains import OPEN

DEV_SEED, N_DEV = 77, 32
"""Layer, strength and feature are chosen on these stories, which are never reported."""
DIRECTIONS = ("opened", "tuned")
"""What a steering vector is the difference of: the base's first token of a chain that is forced
open and of a direct reply; or the tuned model and the base, just before they reply.
"""
STRENGTHS = (1.0, 2.0, 4.0)
MOST_LAYERS = 4
N_RANDOM = 3
"""Random vectors, positions or features of a control; each answers every third item."""


@dataclass(frozen=True)
class Dial:
    """A direction added after a layer, `back` tokens from the end of the prompt."""

    layer: int
    strength: float
    vector: torch.Tensor
    back: int = 1

    @property
    def push(self) -> torch.Tensor:
        """What is added; [width]."""
        return self.strength * self.vector


@cache
def dev_items(steps: tuple[int, ...]) -> list[items.Item]:
    """Stories on which layers, strengths and features are chosen, of `steps` steps in turn."""
    return items.pocket_stories(N_DEV, DEV_SEED, steps)


def scrambled(dial: Dial, seed: int) -> list[Dial]:
    """The same dial with random vectors of equal norm."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((N_RANDOM, *dial.vector.shape), generator=generator).to(dial.vector)
    size = dial.vector.norm()
    return [replace(dial, vector=direction / direction.norm() * size) for direction in noise]


def elsewhere(dial: Dial, seed: int) -> list[Dial]:
    """The same dial at random tokens of the prompt, 2 to 12 from its end."""
    places = random.Random(f"position {seed}").sample(range(2, 13), N_RANDOM)
    return [replace(dial, back=back) for back in places]


def some_layers(lm: LM) -> list[int]:
    """The layers that are tried: all of a small stack, `MOST_LAYERS` spread over a deep one."""
    n = len(steering.layers(lm))
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, MOST_LAYERS))})


def best_dial(
    lm: LM, dials: list[Dial], asked: list[items.Item], max_new_tokens: int
) -> tuple[Dial, float]:
    """The dial under which the model gets most of the items right, of equals the gentlest, and the
    share of items that this is.
    """
    prompts = [lm.prompt(item.question) for item in asked]

    def accuracy(dial: Dial) -> float:
        with steering.steered(lm, dial.layer, dial.push):
            replies = generate(lm, prompts, max_new_tokens)
        right = sum(answers.grade(i, r)["correct"] for i, r in zip(asked, replies, strict=True))
        return right / len(asked)

    bar = progress(dials, len(dials), f"{lm.name}: dials")
    tried = [(dial, accuracy(dial)) for dial in bar]
    return max(tried, key=lambda pair: (pair[1], -pair[0].strength))


def contrast(lm: LM, layer: int, asked: list[items.Item], max_new_tokens: int) -> tuple[list, list]:
    """Activations on the base's own chains, and on its direct replies, to the items."""
    questions = [item.question for item in asked]
    prompts = [lm.prompt(q) for q in questions]
    own = chains.own_chains(lm, questions, max_new_tokens)
    heads = [lm.prompt(q, OPEN).removesuffix(OPEN) for q in questions]  # white space and all
    opened = [(head, f"{OPEN} {c.text}") for head, c in zip(heads, own, strict=True)]
    direct = generate(lm, prompts, max_new_tokens)
    plain = [(head, r.text) for head, r in zip(heads, direct, strict=True)]
    return steering.activations(lm, opened, layer), steering.activations(lm, plain, layer)
