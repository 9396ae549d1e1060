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
HYBRIDS = ("hybrid", "hybrid_random")
BESIDE_TUNED = (
    "steering_tuned",
    "random_vector_tuned",
    "random_position_tuned",
    *HYBRIDS,
)
"""Arms that are the base with something of the tuned model: a direction, or some of its tokens."""
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
    "hybrid": ("hybrid_random",),
}
"""Every mechanism with its controls, each a contrast of that name in data/published.yaml."""
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
HYBRID_SHARE = 0.5
"""The hybrid that is reported: the tuned model chooses where it is ahead by more than .5. Near 1 it
would be the tuned model, and so would its control.
"""
KS = (1, 2, 4, 8, 16, 32, 64)
LEAST_ACCURACY, LEAST_ROOM = 0.1, 0.05
"""Gates, fixed in advance: accuracy with the chain forced open, and that minus greedy."""
LEAST_GAP, LEAST_MIXED, MOST_LOST = 0.02, 0.001, 0.05
"""Gates of single mechanisms: accuracy of the tuned model minus greedy, and the share of tokens
that it chooses in a hybrid; accuracy that an arm may lose.
"""


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
    decoded("hybrid_random", "hybrid at random places", colour=PALETTE[7]),
]


def recovered(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(hybrid - base) / (tuned - base), NaN where the tuned model is not ahead by `LEAST_GAP`."""
    base, tuned, mixed = (v @ weights.T / weights.sum(axis=1) for v in values)
    gap = tuned - base
    ahead = gap > LEAST_GAP
    return np.where(ahead, (mixed - base) / np.where(ahead, gap, 1), np.nan)


RECOVERED = Statistic(recovered, ("base_right", "tuned_right", "correct"))
PARTS_OF_HYBRIDS: tuple[tuple[str, str, Any], ...] = (
    ("accuracy", "accuracy", "accuracy"),
    ("tokens", "tokens that the tuned model chooses", quotient("routed", "n_tokens", (0, 1))),
    ("gap", "gap recovered", RECOVERED),
)


def at(name: str, share: float) -> str:
    """The name of a measure of a hybrid at a share."""
    return f"{name}_at_{share:g}"


def measures(max_k: int) -> list[Measure]:
    """Every measure. No share of the gap is taken at the shares 0 and 1, where the hybrid is one of
    its models by construction.
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
                arms=HYBRIDS,
            )
            for name, label, of in PARTS_OF_HYBRIDS
            if name != "gap" or 0 < share < 1
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
    """Gate: the tuned model had a say in the hybrid."""

    def check(self, lab: Finding) -> Gate:
        """The gate, by the share of tokens."""
        tokens = lab.value(at("tokens", HYBRID_SHARE), "hybrid").estimate
        return Gate("share of the hybrid's tokens that the tuned model chose", tokens, LEAST_MIXED)


OWN_GATES: dict[str, list[Any]] = {
    "critique_sft": [Kept("accuracy", MOST_LOST, MECHANISMS["critique_sft"])],
    TUNED: [Kept("accuracy", MOST_LOST, (TUNED, "rlvr_format", "rlvr_random"))],
    "rlvr_one": [Kept("accuracy", MOST_LOST, ("rlvr_one", *MECHANISMS["rlvr_one"]))],
    "hybrid": [Gap(), Mixed()],
}
"""What a mechanism needs besides the common gates. A control that ends below the greedy base by
more than `MOST_LOST` has broken its model, and to beat it proves nothing; but the one that is
rewarded for wrong answers is to end there.
"""
