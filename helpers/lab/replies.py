"""Replies to items as rows of a table: as they were written, and graded; and the greedy ones, of a
model's own accord or with a chain opened.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from helpers.lab.items import Item
from helpers.lm.generation import Completion, generate
from helpers.lm.models import LM
from helpers.lm.reasoning import own_chains
from helpers.text import answers
from helpers.text.chains import with_opening

REPLY = {
    "item": "id",
    "text": "the reply, its forced beginning included",
    "truncated": "cut off",
    "n_tokens": "tokens of the reply",
}
GRADED = REPLY | {
    "scenario": "of the item",
    "should_abstain": "whether declining is the right move",
    "trace": "the chain of thought",
    "final": "what follows the chain",
    "answer": "the final answer",
    "abstained": "the reply declines",
    "correct": "the right answer, or a decline where that is right",
    "outcome": "right, wrong, abstained, no_answer or cut_off",
}

SILENT = ("no_answer", "cut_off")
"""The outcomes of replies that neither answer nor decline."""


def of_own_accord(lm: LM, asked: Sequence[Item], max_new_tokens: int) -> pd.DataFrame:
    """What a model replies to every item; columns: `REPLY`."""
    prompts = [lm.prompt(item.question) for item in asked]
    return rows(asked, generate(lm, prompts, max_new_tokens))


def with_a_chain(lm: LM, asked: Sequence[Item], max_new_tokens: int) -> pd.DataFrame:
    """What it replies when made to open a chain; columns: `REPLY`."""
    return rows(asked, own_chains(lm, [item.question for item in asked], max_new_tokens))


def rows(asked: Sequence[Item], replies: Sequence[Completion], opening: str = "") -> pd.DataFrame:
    """A row an item and its reply, with the beginning that was forced on it; columns: `REPLY`."""
    return pd.DataFrame(
        {
            "item": item.id,
            "text": with_opening(opening, reply.text),
            "truncated": reply.truncated,
            "n_tokens": reply.n_tokens,
        }
        for item, reply in zip(asked, replies, strict=True)
    )


def completions(replies: pd.DataFrame) -> list[Completion]:
    """Replies of a table as they were written."""
    return [
        Completion(row.text, int(row.n_tokens), bool(row.truncated)) for row in replies.itertuples()
    ]


def graded(asked: Sequence[Item], replies: pd.DataFrame) -> pd.DataFrame:
    """Rows of replies, one to each item, with what they amount to; columns: `GRADED`."""
    found = pd.DataFrame(
        {
            "scenario": item.scenario,
            "should_abstain": item.should_abstain,
            **answers.grade(item, reply),
        }
        for item, reply in zip(asked, replies.itertuples(), strict=True)
    )
    return pd.concat([replies[[*REPLY]].reset_index(drop=True), found], axis=1)
