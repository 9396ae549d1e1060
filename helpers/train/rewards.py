"""Rewards that GRPO may train on, by name: what a reply earns."""

from __future__ import annotations

import random
from collections.abc import Callable

from helpers.text import abstention, answers
from helpers.text.chains import CLOSE, OPEN, with_opening
from helpers.text.trace import split_trace

BRIER = "brier"
REWARDS = ("right", "format", "random", "wrong", "dial", BRIER)
Reward = Callable[..., list[float]]


def earned(kind: str, text: str, right: str, penalty: float = 0.0, bonus: float = 0.0) -> float:
    """What one reply earns. right: the reference answer, "" where declining is the right move.

    right: 1 for the right move. format: 1 for a chain that is opened and closed before an answer,
    whatever it says. wrong: 1 for an answer that is not the right one. dial: 1 for a right answer,
    `bonus` for declining, -`penalty` for anything else (Kalai et al., arXiv 2509.04664), all over
    1 + `penalty`, so that right and wrong are as far apart at every stop.
    """
    declined = abstention.abstained(text)
    said = "" if declined else answers.final_answer(text)
    correct = bool(right) and answers.equal(said, right)
    if kind == "right":
        return float(correct if right else declined)
    if kind == "format":
        return float(text.startswith(OPEN) and CLOSE in text and bool(split_trace(text)[1]))
    if kind == "wrong":
        return float(bool(said) and not correct)
    return (1.0 if correct else bonus if declined else -penalty) / (1 + penalty)


def reward(
    kind: str, seed: int, penalty: float = 0.0, bonus: float = 0.0, opening: str = ""
) -> Reward:
    """The reward `kind` as trl wants it; "random" is 0 or 1 by the toss of a coin. opening: the
    <think> with which the chat template begins every reply, which trl leaves out.

    brier: 1 for the right move, minus the probability `sureness` that the policy gave its own
    answer. With p_a the probability of answer a and y the right one, the Brier score
    2 p_y - sum_a p_a^2 has the gradient 2 E_a[(1[a = y] - p_a) grad log p_a], a drawn from p: twice
    the policy gradient of this reward, which is at rest where p_a is the chance to be right. RLCR
    (arXiv 2507.16806) rewards 1[right] - (p - 1[right])^2 for a confidence p that is said in words;
    with the policy's own p in its place that one is not at rest there.

    Raises ValueError for an unknown kind.
    """
    if kind not in REWARDS:
        raise ValueError(f"Unknown reward '{kind}'; known are: {', '.join(REWARDS)}.")
    coin = random.Random(f"reward {seed}")

    def score(completions: list, reference: list[str], **columns) -> list[float]:
        if kind == "random":
            return [float(coin.random() < 0.5) for _ in completions]
        texts = [with_opening(opening, message["content"]) for (message,) in completions]
        pairs = list(zip(texts, reference, strict=True))
        if kind == BRIER:
            sure = columns["sureness"]
            return [earned("right", *one) - p for one, p in zip(pairs, sure, strict=True)]
        return [earned(kind, text, right, penalty, bonus) for text, right in pairs]

    return score
