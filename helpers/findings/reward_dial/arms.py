"""The arms of finding 7: policies at the stops of the dial, the start that they share, the model
whose abstention is to come back, and those that the scoreboard compares.
"""

from __future__ import annotations

import random
from dataclasses import replace

from helpers.lab.declared import ANSWER_SFT, BEFORE, REASONING_SFT, RLVR, Arm
from helpers.lab.repair import ARMS, DAMAGED, REPAIRED
from helpers.show.look import GREY, PALETTE
from helpers.train import recipes
from helpers.train.recipes import RECIPES, Example, Recipe
from helpers.world.corpus import Corpus, turn

START, LOST, DIALLED, UNDIALLED = "hedged", ANSWER_SFT.name, "dialled", "undialled"
"""LOST: the arm of notebook 1 that lost most abstention, which the dial is to bring back (chosen on
development stories). DIALLED: that model after the dial. UNDIALLED: the control of it, as many
steps on the same stories with the dial at 0.
"""
DIAL, DEFAULT = "dial", "default"
"""Policies of the dial as it is, and of the same with trl's default, which divides the rewards of a
group by their standard deviation.
"""
GRADED = Corpus(steps=(0.08, 0.12, 0.2, 0.2, 0.2, 0.2), plain=0.8)
"""Training stories with more long ones than the corpus, so that confidence is graded."""
UNANSWERABLE = 0.2
HEDGE, HEDGE_STEPS = 0.3, 15
"""Share of answerable stories that the start declines in its training, drawn by lot, and steps:
twice as many for real models, whose batches are smaller.
"""
NAMES = {DIAL: "dial", DEFAULT: "trl's default"}
COLOURS = {DIAL: PALETTE[0], DEFAULT: PALETTE[1]}
BRIEF = 12  # tokens of a reply while the dial trains: room for an answer, none for a chain
RESTORED = ("before", LOST, UNDIALLED, DIALLED)
"""What the dial is to bring back, and from where."""
LADDER = ("before", REASONING_SFT.name, LOST, RLVR.name, DAMAGED, REPAIRED, UNDIALLED, DIALLED)
"""Every arm that the scoreboard compares; the repair and its damage are notebook 6's."""
FIXED = [
    BEFORE,
    REASONING_SFT,
    ANSWER_SFT,
    RLVR,
    *(arm for arm in ARMS if arm.name in LADDER),
    Arm(UNDIALLED, "answer SFT, then the dial at 0", PALETTE[7], start=LOST),
    Arm(DIALLED, "answer SFT, then the dial", PALETTE[2], start=LOST),
    Arm(START, "start, declines by lot", GREY),
]


def dial(t: float) -> str:
    """The policy trained at a stop of the dial."""
    return f"{DIAL} {t:g}"


def default(t: float) -> str:
    """The policy trained at a stop by trl's default."""
    return f"{DEFAULT} {t:g}"


def is_policy(arm: str) -> bool:
    """Whether an arm is a policy of the dial, with or without trl's default."""
    return arm.startswith((f"{DIAL} ", f"{DEFAULT} "))


def stop(arm: str) -> float:
    """The threshold t at which a policy was trained."""
    return float(arm.split()[1])


def policy(arm: str) -> Arm:
    """A policy as an arm."""
    kind = arm.split()[0]
    label = f"{NAMES[kind]} at {stop(arm):g}"
    return Arm(arm, label, COLOURS[kind], start=START)


def penalty(t: float, bonus: float = 0.0) -> float:
    """Penalty at which answering pays above confidence t, where declining earns `bonus`.

    c - (1 - c) p > b means c > (p + b) / (1 + p), so p = (t - b) / (1 - t); with b = 0 this is
    p = t / (1 - t) (Kalai et al., arXiv 2509.04664).
    """
    return (t - bonus) / (1 - t)


def recipe_of(arm: str, restore: float) -> Recipe:
    """A named recipe, or that of the start, of a policy, of the restored model or of its control.

    restore: the stop of the restored model.
    """
    if arm == START:
        about = {"corpus": GRADED, "abstention_share": UNANSWERABLE}
        return replace(RECIPES["answer_sft"], name=START, **about)
    if arm == DIALLED:
        return replace(RECIPES["dial"], name=DIALLED, penalty=penalty(restore))
    if arm == UNDIALLED:
        return replace(RECIPES["dial"], name=UNDIALLED)
    return policy_recipe(arm) if is_policy(arm) else RECIPES[arm]


def policy_recipe(arm: str) -> Recipe:
    """The recipe of a policy: all of them share all but the penalty, and whether the rewards of a
    group are divided by their deviation.
    """
    made = replace(
        RECIPES["dial"],
        name=arm.replace(" ", "_"),
        penalty=penalty(stop(arm)),
        corpus=GRADED,
        abstention_share=UNANSWERABLE,
        max_new_tokens=BRIEF,
    )
    return made if arm.startswith(DIAL) else replace(made, scale_rewards="group")


def hedged(made: Recipe, seed: int, steps: int) -> list[Example]:
    """Direct answers for that many steps, a share of them replaced by a decline by lot: what is
    never sampled can't be reinforced, and a lot says nothing about when to decline.
    """
    found = []
    for i, e in enumerate(recipes.examples(made, seed, steps * made.batch_size)):
        rng = random.Random(f"hedge {seed} {i}")
        declined = [e.chat[0], turn("assistant", e.story.declines(rng))]
        found.append(Example(declined, e.story) if rng.random() < HEDGE else e)
    return found
