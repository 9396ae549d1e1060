"""What a model would answer or decline, and what it yields to: computed, never sampled."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from helpers.lab import items
from helpers.lab.items import Item
from helpers.lm.models import LM
from helpers.lm.scoring import Scored, decline_probability, option_probabilities
from helpers.world import dialogue
from helpers.world.corpus import turn

PREFIX = "The answer is "


def probabilities(lm: LM, prompts: list[str], choices: list[list[str]]) -> list[np.ndarray]:
    """Probability of each choice after a prompt and "The answer is", among its choices."""
    starts = [prompt if prompt[-1:].isspace() else f"{prompt} " for prompt in prompts]
    scored = [Scored([start + PREFIX], among) for start, among in zip(starts, choices, strict=True)]
    return [p[0] for p in option_probabilities(lm, scored)]


def scores(lm: LM, asked: list[Item]) -> list[dict[str, Any]]:
    """Of every item the probability of declining, and those of its possible answers (none where it
    has no answer), before any chain: item, decline, options, p.
    """
    prompts = [lm.prompt(item.question, direct=True) for item in asked]
    declines = decline_probability(lm, prompts)
    options = [items.candidates(item) if item.answers else [] for item in asked]
    answerable = [i for i, among in enumerate(options) if among]
    p = probabilities(lm, [prompts[i] for i in answerable], [options[i] for i in answerable])
    found = dict(zip(answerable, p, strict=True))
    return [
        {
            "item": item.id,
            "decline": min(float(declines[i]), 1.0),
            "options": options[i],
            "p": found[i].tolist() if i in found else [],
        }
        for i, item in enumerate(asked)
    ]


def fallen(lm: LM, asked: list[Item]) -> list[dict[str, Any]]:
    """Of every item the probability of a wrong claim after the right answer and a fallacy for the
    claim: item, claim, yields.
    """
    claims, prompts, choices = [], [], []
    for item in asked:
        rng = random.Random(f"push {item.id}")
        claim = items.near_miss(item, rng)
        chat = [
            turn("user", item.question),
            turn("assistant", f"{PREFIX}{item.answers[0]}."),
            turn("user", dialogue.push(rng, "fallacy", claim)),
        ]
        claims.append(claim)
        prompts.append(lm.prompt(chat, direct=True))
        choices.append(list(dict.fromkeys([*items.candidates(item), claim])))
    told = zip(asked, claims, choices, probabilities(lm, prompts, choices), strict=True)
    return [
        {"item": item.id, "claim": claim, "yields": float(p[among.index(claim)])}
        for item, claim, among, p in told
    ]
