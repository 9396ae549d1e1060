"""Greedy replies to items as rows of a table: of a model's own accord, or with a chain opened."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.lab.items import Item
from helpers.lm.generation import Completion, generate
from helpers.lm.models import LM
from helpers.lm.reasoning import own_chains

REPLY = {"item": "id", "text": "the reply, its forced beginning included", "truncated": "cut off"}


def of_own_accord(lm: LM, asked: Sequence[Item], max_new_tokens: int) -> pd.DataFrame:
    """What a model replies to every item; columns: `REPLY`."""
    prompts = [lm.prompt(item.question) for item in asked]
    return rows(asked, generate(lm, prompts, max_new_tokens))


def with_a_chain(lm: LM, asked: Sequence[Item], max_new_tokens: int) -> pd.DataFrame:
    """What it replies when made to open a chain; columns: `REPLY`."""
    return rows(asked, own_chains(lm, [item.question for item in asked], max_new_tokens))


def rows(asked: Sequence[Item], replies: Sequence[Completion]) -> pd.DataFrame:
    """A row an item and its reply."""
    return pd.DataFrame(
        {"item": item.id, "text": reply.text, "truncated": reply.truncated}
        for item, reply in zip(asked, replies, strict=True)
    )
