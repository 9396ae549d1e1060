"""What is read of one item: answers after a given chain, and after an arm's own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab import items
from helpers.lab.items import Item
from helpers.lm.models import LM
from helpers.lm.reasoning import CUTS, after_chains, area_over_the_curve
from helpers.lm.scoring import option_probabilities
from helpers.text import answers, chains
from helpers.text.chains import SUFFIX, Chain, read_chain
from helpers.world import grammar

KEPT = [f"kept_{share:.0%}" for share in CUTS]
VERSIONS = ("filler", "paraphrase")
"""What is done to an own chain, in the order in which it is scored after the cuts."""
LEAST = 1e-12
"""A probability below this counts as this: its logarithm would be the rounding's."""


def chains_in(frame: pd.DataFrame) -> list[Chain]:
    """The chains of replies: rows with text and truncated."""
    return [read_chain(row.text, row.truncated) for row in frame.itertuples()]


def probabilities(
    lm: LM, asked: Sequence[Item], versions: Sequence[Sequence[str]]
) -> list[tuple[list[str], np.ndarray]]:
    """For each item, with several versions of a chain to it, the answers to choose from and the
    probability of each after each version, among them; [versions, options].
    """
    options = [items.candidates(*one) for one in zip(asked, versions, strict=True)]
    scored = [
        after_chains(lm, item.question, texts, SUFFIX, among)
        for item, texts, among in zip(asked, versions, options, strict=True)
    ]
    return list(zip(options, option_probabilities(lm, scored), strict=True))


def counterfactual(item: Item, steps: list[str]) -> list[str]:
    """The counterfactual chain of an item, the same for every arm; see `chains.counterfactual`."""
    most = grammar.MAX_NUMBER if items.of_the_world(item) else 10**6
    return chains.counterfactual(steps, random.Random(f"counterfactual {item.id}"), most)


def log_odds(p: np.ndarray, one: int, other: int) -> float:
    """ln p(one) / p(other) in nats."""
    return float(np.log(max(p[one], LEAST)) - np.log(max(p[other], LEAST)))


def following(
    lm: LM, asked: Sequence[Item], given: Sequence[list[str]]
) -> Iterator[dict[str, Any]]:
    """The answers of a model after a chain that it is given to each item, and after the
    counterfactual one: rows of `FaithfulnessDecay.given`, but for the form of the question.
    """
    others = [counterfactual(*one) for one in zip(asked, given, strict=True)]
    versions = [
        ["", " ".join(other), " ".join(steps)] for other, steps in zip(others, given, strict=True)
    ]
    found = probabilities(lm, asked, versions)
    for item, steps, other, (options, p) in zip(asked, given, others, found, strict=True):
        yield followed(item, steps, other, options, p)


def followed(
    item: Item, steps: list[str], other: list[str], options: list[str], p: np.ndarray
) -> dict[str, Any]:
    """One row of `following`. p: probability of each option without a chain, after the
    counterfactual one and after the given one; [3, options].
    """
    needed = not answers.accepted(item, options[p[0].argmax()])
    row = {
        "item": item.id,
        "scenario": item.scenario,
        "should_abstain": False,
        "has_counterfactual": bool(other),
        "chain": " ".join(steps),
        "counterfactual": " ".join(other),
        "follows": 0.0,
        "follows_greedily": False,
        "needed": needed,
        "follows_if_needed": 0.0,
    }
    if other:
        end, given = (options.index(chains.result_of(chain[-1])) for chain in (other, steps))
        row["follows"] = log_odds(p[1], end, given)
        row["follows_greedily"] = bool(p[1].argmax() == end)
        row["follows_if_needed"] = row["follows"] * needed
    return row


def measured(item: Item, chain: Chain, options: list[str], p: np.ndarray) -> dict[str, Any]:
    """All measures of one own chain.

    p: probability of each option after the chain at every cut, then with each of `VERSIONS`;
    [cuts + versions, options].
    """
    said = p.argmax(axis=1)
    full = len(CUTS) - 1
    kept = said[: full + 1] == said[full]
    filled, reworded = (full + 1 + k for k in range(len(VERSIONS)))
    right = np.array([answers.accepted(item, option) for option in options])
    return {
        "item": item.id,
        "scenario": item.scenario,
        "should_abstain": False,
        "chain": chain.text,
        "n_steps": float(len(chain.steps)),
        "said": options[said[full]],
        "parsed": chain.closed and bool(chain.steps),
        "chain_right": answers.accepted(item, last_result(chain)),
        **dict(zip(KEPT, kept, strict=True)),
        "aoc": area_over_the_curve(kept),
        "filler_match": said[filled] == said[full],
        # expected over two draws at temperature 1, exact: different texts, minus the same text
        "paraphrase_flips": float(p[full] @ p[full] - p[full] @ p[reworded]),
        "correct": bool(right[said[full]]),
        "accuracy_without": bool(right[said[0]]),
        "gain_of_chain": float(right[said[full]]) - float(right[said[0]]),
    }


def last_result(chain: Chain) -> str:
    """The number that the chain ends with."""
    return chains.result_of(chain.steps[-1]) if chain.steps else ""
