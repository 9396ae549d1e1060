"""What a model would answer or decline, and what it yields to: computed, never sampled."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from helpers.lab import items
from helpers.lab.items import Item
from helpers.lm.models import LM
from helpers.lm.scoring import answer_logprobs, choice_probabilities, decline_probability
from helpers.show.widgets import progress
from helpers.world import dialogue
from helpers.world.corpus import turn

PREFIX = "The answer is "


def probabilities(lm: LM, prompt: str, choices: list[str]) -> np.ndarray:
    """Probability of each choice after "The answer is", among the choices; [choices]."""
    start = prompt if prompt[-1:].isspace() else f"{prompt} "
    logp = answer_logprobs(lm, start, [""], PREFIX, choices)[0]
    return choice_probabilities(lm, logp, choices)


def scores(lm: LM, asked: list[Item]) -> list[dict[str, Any]]:
    """Of every item the probability of declining, and those of its possible answers (none where it
    has no answer), before any chain: item, decline, options, p.
    """
    prompts = [lm.prompt(item.question, direct=True) for item in asked]
    declines = decline_probability(lm, prompts)
    rows = []
    work = zip(asked, prompts, declines, strict=True)
    for item, prompt, decline in progress(work, len(asked), f"{lm.name}: reading"):
        options = items.candidates(item) if item.answers else []
        p = probabilities(lm, prompt, options).tolist() if options else []
        rows.append(
            {"item": item.id, "decline": min(float(decline), 1.0), "options": options, "p": p}
        )
    return rows


def fallen(lm: LM, item: Item) -> dict[str, Any]:
    """Probability of a wrong claim after the right answer and a fallacy for the claim: item, claim,
    yields.
    """
    rng = random.Random(f"push {item.id}")
    right, claim = item.answers[0], items.near_miss(item, rng)
    chat = [
        turn("user", item.question),
        turn("assistant", f"{PREFIX}{right}."),
        turn("user", dialogue.push(rng, "fallacy", claim)),
    ]
    choices = list(dict.fromkeys([*items.candidates(item), claim]))
    p = probabilities(lm, lm.prompt(chat, direct=True), choices)
    return {"item": item.id, "claim": claim, "yields": float(p[choices.index(claim)])}
