"""Rows of the tables: what their columns hold, and how replies become rows and rows replies."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.lab.items import Item
from helpers.lm.generation import Completion
from helpers.text import answers
from helpers.text.chains import with_opening

REPLY = {
    "item": "id",
    "text": "the reply, its forced beginning included",
    "truncated": "cut off",
    "n_tokens": "tokens of the reply",
}
BRANCH = REPLY | {
    "ids": "token ids of the reply, the end token included",
    "probability": "of each of them",
    "disparity": "p(top 1) - p(top 2) where each of them was chosen",
}
SURE = REPLY | {
    "first": "the first token",
    "probability": "of the first token",
    "confidence": "mean of p(top 1) - p(top 2) over the answer's tokens",
    "answer": "what it answers",
}
HYBRID = REPLY | {"n_steered": "tokens at which the base was steered"}
CATEGORIES = {
    "category": "number of a cluster of the tuned model's activations",
    "layer": "after which they are taken, and the base is steered",
    "centre": "of the cluster",
    "vector": "by which the base is steered there",
    "words": "commonest tokens that the tuned model writes in it",
}
FEATURES = {
    "feature": "number of a latent of the sparse autoencoder",
    "layer": "whose activations it is of",
    "score": "ReasonScore",
    "active": "mean activation on chains",
    "vector": "its direction, as long as the mean activation",
}
DIAL = {
    "layer": "after which the direction is added",
    "strength": "times which it is added",
    "feature": "of the autoencoder; -1 for a steering vector",
    "vector": "the direction",
}
GRADED = {
    "item": "id",
    "scenario": "always that of the item",
    "should_abstain": "never",
    "correct": "the reply is right",
}
MIXED = GRADED | {
    "base_right": "the greedy base is right",
    "tuned_right": "the tuned model is right",
    "n_tokens": "tokens of the reply",
    "n_steered": "tokens at which the base was steered",
}


def replied(
    asked: Sequence[Item], replies: Sequence[Completion], opening: str = ""
) -> pd.DataFrame:
    """Replies with their forced beginning, a row a reply."""
    return pd.DataFrame(
        {
            "item": item.id,
            "text": with_opening(opening, reply.text),
            "truncated": reply.truncated,
            "n_tokens": reply.n_tokens,
        }
        for item, reply in zip(asked, replies, strict=True)
    )


def completions(rows: pd.DataFrame) -> list[Completion]:
    """Replies of a table as they were written."""
    return [
        Completion(row.text, int(row.n_tokens), bool(row.truncated)) for row in rows.itertuples()
    ]


def is_right(item: Item, reply: Completion) -> bool:
    """Whether a reply to an item is right."""
    return bool(answers.grade(item, reply)["correct"])


def graded(asked: Sequence[Item], replies: Sequence[Completion]) -> pd.DataFrame:
    """Whether each item's reply is right, a row an item."""
    return pd.DataFrame(
        {
            "item": item.id,
            "scenario": item.scenario,
            "should_abstain": item.should_abstain,
            "correct": is_right(item, reply),
        }
        for item, reply in zip(asked, replies, strict=True)
    )
