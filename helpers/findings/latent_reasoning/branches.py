"""Mechanism 1: which of a question's replies to take (Wang and Zhou, arXiv 2402.10200)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from helpers.lm.generation import Branch, Completion
from helpers.lm.models import LM
from helpers.lm.scoring import span_confidence
from helpers.text import abstention, answers


def confidence(lm: LM, branch: Branch) -> float:
    """Confidence of a branch in its answer; 0 when it declines or has none."""
    if branch.truncated or abstention.abstained(branch.text):
        return 0.0
    return span_confidence(lm, branch, answers.final_answer(branch.text))


def most_confident(branches: Sequence[Completion], sure: Sequence[float]) -> Completion:
    """The branch of the highest confidence; the likeliest first token among equals."""
    return branches[int(np.argmax(sure))]


def best_sum(branches: Sequence[Completion], sure: Sequence[float]) -> Completion:
    """The surest branch of the answer whose branches have the highest confidence in sum."""
    said = [answers.final_answer(branch.text) for branch in branches]
    total = {a: sum(c for b, c in zip(said, sure, strict=True) if b == a) for a in said}
    best = max(total, key=total.get)
    mine = [i for i, answer in enumerate(said) if answer == best]
    return branches[max(mine, key=lambda i: sure[i])]


def longest(branches: Sequence[Completion], sure: Sequence[float] = ()) -> Completion:
    """The longest of the branches that answer."""
    return max(answering(branches), key=lambda one: one.n_tokens)


def commonest(drawn: Sequence[Completion], sure: Sequence[float] = ()) -> Completion:
    """The first sample with the commonest answer, of those that answer."""
    drawn = answering(drawn)
    said = [answers.final_answer(one.text) for one in drawn]
    (best, _), *_ = Counter(said).most_common()
    return drawn[said.index(best)]


def answering(replies: Sequence[Completion]) -> list[Completion]:
    """The replies that end in an answer; all of them when none does."""
    found = [
        one
        for one in replies
        if not one.truncated
        and not abstention.abstained(one.text)
        and answers.final_answer(one.text)
    ]
    return found or list(replies)


CHOICES = {
    "cot_max": most_confident,
    "cot_sum": best_sum,
    "longest": longest,
    "majority": commonest,
}
"""The methods that draw several replies to a question, and how each takes one of them."""
