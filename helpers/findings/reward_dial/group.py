"""What GRPO makes of a group of replies: from which confidence on answering becomes likelier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import multinomial

SIZE = 8
"""Replies to a question, as in every recipe."""


def advantages(rewards: np.ndarray, divided: bool) -> np.ndarray:
    """Rewards [replies] minus their mean, and over their standard deviation as trl has it."""
    ahead = rewards - rewards.mean()
    return ahead / (rewards.std(ddof=1) + 1e-4) if divided else ahead


def pull(confidence: float, t: float, declines: float, divided: bool) -> float:
    """The advantages of the answers in a group, summed, in expectation: above 0 a policy that is
    right with probability `confidence`, and declines with probability `declines`, learns to answer.
    Exact, over all groups of `SIZE`.
    """
    chances = [confidence * (1 - declines), declines, (1 - confidence) * (1 - declines)]
    found = 0.0
    for right in range(SIZE + 1):
        for declined in range(SIZE + 1 - right):
            counts = [right, declined, SIZE - right - declined]
            rewards = np.repeat([1 - t, 0.0, -t], counts)
            answered = np.repeat([1.0, 0.0, 1.0], counts)
            chance = float(multinomial.pmf(counts, SIZE, chances))
            found += chance * float(advantages(rewards, divided) @ answered)
    return found


def pays_from(t: float, declines: float, divided: bool) -> float:
    """The confidence from which on answering becomes likelier at the stop t, 0 < t < 1: t itself
    where nothing is divided.
    """
    return float(brentq(pull, 1e-6, 1 - 1e-6, args=(t, declines, divided)))


def pays_table(stops: Sequence[float], declining: Sequence[float]) -> pd.DataFrame:
    """`pays_from` at every stop, undivided and, by how often the policy declines, divided."""
    rows = []
    for t in stops:
        row = {"t": t, "undivided": pays_from(t, declining[0], False)}
        row |= {f"divided, declines {d:.0%}": pays_from(t, d, True) for d in declining}
        rows.append(row)
    return pd.DataFrame(rows)
