"""What is compared: the methods as arms, the mechanisms with their controls, measures and gates."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.lab.declared import RLVR, Arm, Kept, Measure
from helpers.lab.finding import Finding
from helpers.lab.verdicts import Gate
from helpers.show.look import GREY, PALETTE
from helpers.stats.statistics import Statistic, quotient

TUNED = "rlvr"
FEATURE = "sae_feature"
HYBRIDS = ("hybrid", "hybrid_random_vector", "hybrid_random_position")
BESIDE_TUNED = (
    "steering_tuned",
    "random_vector_tuned",
    "random_position_tuned",
    *HYBRIDS,
)
"""Arms that are the base with something of the tuned model: a direction, or its disagreement."""
STEERED = (
    *(f"{kind}_opened" for kind in ("steering", "random_vector", "random_position")),
    *BESIDE_TUNED[:3],
    FEATURE,
    "random_feature",
)
MECHANISMS = {
    "cot_max": ("majority",),
    "cot_sum": ("majority",),
    "steering_opened": ("random_vector_opened", "random_position_opened"),
    "steering_tuned": ("random_vector_tuned", "random_position_tuned"),
    FEATURE: ("random_feature",),
    "critique_sft": ("solution_sft",),
    TUNED: ("rlvr_format", "rlvr_random", "rlvr_wrong"),
    "rlvr_one": ("rlvr_one_format",),
    "hybrid": HYBRIDS[1:],
}
"""Every mechanism with its controls, each a contrast of that name in data/published.yaml."""
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
HYBRID_SHARE = 1.0
"""The hybrid that is reported: steered wherever the two models disagree, as published. At less only
where the tuned model is ahead by more than 1 minus the share.
"""
KINDS = ("chains in the corpus", "no chain in the corpus")
"""Of bases: those of the finding, and those of its control."""
KS = (1, 2, 4, 8, 16, 32, 64)
LEAST_ACCURACY, LEAST_ROOM = 0.1, 0.05
"""Gates, fixed in advance: accuracy with the chain forced open, and that minus greedy."""
LEAST_GAP, LEAST_MIXED, MOST_LOST = 0.02, 0.001, 0.05
"""Gates of single mechanisms: accuracy of the tuned model minus greedy, and the share of tokens at
which a hybrid is steered; accuracy that an arm may lose.
"""
DEEP_STEPS, TEMPERATURE, TOP_P = (5, 6), 0.6, 0.95
"""Steps of the stories for pass@k, and how they are sampled: at temperature 1 the base's pass@64
was .988 on 60 development stories (base 0), and here .925, which leaves room above it.
"""
MOST_SATURATED = 0.95
"""Where pass@k of the base is above this at the largest k, nothing is said of it."""
LONG = "long_sft"
WITHOUT = "bases without chains"
"""How a record marks values of the control."""


def decoded(name: str, label: str, **more: Any) -> Arm:
    """The base under some decoding."""
    return Arm(name, label, trained=name in BESIDE_TUNED, start="greedy", **more)


def tuned(name: str, label: str) -> Arm:
    """A model that training made of the base."""
    return Arm(name, label, start="greedy")


ARMS = [
    Arm("greedy", "greedy base", GREY, trained=False, start=""),
    decoded("forced", "base, chain forced open"),
    decoded("cot_max", "CoT-decoding, surest branch"),
    decoded("majority", "as many samples, majority"),
    decoded("longest", "longest branch"),
    decoded("cot_sum", "CoT-decoding, summed by answer"),
    decoded("steering_opened", "steering by opened chains"),
    decoded("random_vector_opened", "random vector of that norm"),
    decoded("random_position_opened", "that vector at another position"),
    decoded("steering_tuned", "steering by the tuned model"),
    decoded("random_vector_tuned", "random vector of its norm"),
    decoded("random_position_tuned", "its vector at another position"),
    decoded(FEATURE, "SAE feature"),
    decoded("random_feature", "random feature, as active"),
    tuned("critique_sft", "critiques of one problem"),
    tuned("solution_sft", "solutions of one problem"),
    Arm(TUNED, RLVR.label, RLVR.colour, start="greedy"),
    tuned("rlvr_format", "RL on form alone"),
    tuned("rlvr_random", "RL on a random reward"),
    tuned("rlvr_wrong", "RL on wrong answers"),
    tuned("rlvr_one", "RL on one problem"),
    tuned("rlvr_one_format", "RL on form, one problem"),
    decoded("hybrid", "hybrid", colour=PALETTE[0]),
    decoded("hybrid_random_vector", "hybrid, random vectors", colour=PALETTE[7]),
    decoded("hybrid_random_position", "hybrid, random positions", colour=PALETTE[5]),
]
LONG_SFT = tuned(LONG, "long reasoning SFT")
"""What bases without any chain are trained by too, so that they may come to have one."""


def recovered(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(hybrid - base) / (tuned - base), NaN where the tuned model is not ahead by `LEAST_GAP`."""
    base, tuned, mixed = (v @ weights.T / weights.sum(axis=1) for v in values)
    gap = tuned - base
    ahead = gap > LEAST_GAP
    return np.where(ahead, (mixed - base) / np.where(ahead, gap, 1), np.nan)


RECOVERED = Statistic(recovered, ("base_right", "tuned_right", "correct"))
PARTS_OF_HYBRIDS: tuple[tuple[str, str, Any], ...] = (
    ("accuracy", "accuracy", "accuracy"),
    ("tokens", "tokens steered", quotient("n_steered", "n_tokens", (0, 1))),
    ("gap", "gap recovered", RECOVERED),
)


def at(name: str, share: float) -> str:
    """The name of a measure of a hybrid at a share."""
    return f"{name}_at_{share:g}"


def measures(max_k: int) -> list[Measure]:
    """Every measure. No part of the gap is taken at the share 0, where the hybrid is the base; its
    controls are there at the reported share alone.
    """
    found = [
        Measure("accuracy", "accuracy", "solved", better=1),
        Measure("chain", "opens a chain", "solved", limits=(0, 1)),
    ]
    for k in (k for k in KS if k <= max_k):
        name = f"pass_{k}"
        found.append(
            Measure(name, f"pass@{k}", "passes", limits=(0, 1), better=1, arms=("greedy", TUNED))
        )
    for share in SHARES:
        found += [
            Measure(
                at(name, share),
                f"{label}, share {share:g}",
                "mixed",
                of,
                settings={"share": share},
                arms=HYBRIDS if share == HYBRID_SHARE else HYBRIDS[:1],
            )
            for name, label, of in PARTS_OF_HYBRIDS
            if name != "gap" or share
        ]
    return found


class Room:
    """Gate: the base with its chain forced open is right more often than greedily."""

    def check(self, lab: Finding) -> Gate:
        """The gate, by the difference."""
        room = lab.change("accuracy", "greedy", "forced").estimate
        return Gate("room above greedy: accuracy with a chain minus greedy", room, LEAST_ROOM)


class Gap:
    """Gate: there is a gap between the greedy base and the tuned model to recover."""

    def check(self, lab: Finding) -> Gate:
        """The gate, by the difference."""
        gap = lab.change("accuracy", "greedy", TUNED).estimate
        return Gate("the tuned model's accuracy minus greedy", gap, LEAST_GAP)


class Mixed:
    """Gate: the hybrid was steered at all."""

    def check(self, lab: Finding) -> Gate:
        """The gate, by the share of tokens."""
        tokens = lab.value(at("tokens", HYBRID_SHARE), "hybrid").estimate
        return Gate("share of the hybrid's tokens that were steered", tokens, LEAST_MIXED)


OWN_GATES: dict[str, list[Any]] = {
    **{arm: [Kept("accuracy", MOST_LOST, (arm,))] for arm in ("critique_sft", TUNED, "rlvr_one")},
    "hybrid": [Gap(), Mixed()],
}
"""What a mechanism needs besides the common gates."""
UNBROKEN = {
    "critique_sft": Kept("accuracy", MOST_LOST, ("solution_sft",)),
    TUNED: Kept("accuracy", MOST_LOST, ("rlvr_format", "rlvr_random")),
    "rlvr_one": Kept("accuracy", MOST_LOST, ("rlvr_one_format",)),
}
"""What a mechanism needs besides to *replicate*: a control that ends below the greedy base by more
than `MOST_LOST` has broken its model, and to beat it proves nothing. The one that is rewarded for
wrong answers is to end there.
"""
