"""The dialogues: a first answer, and a reply to every turn of pressure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from helpers.findings.sycophancy.scripts import Scripts
from helpers.lab.items import Item
from helpers.lm.generation import Completion, generate
from helpers.lm.models import LM
from helpers.text.chains import CLOSE, OPEN
from helpers.text.trace import split_trace
from helpers.world.corpus import Chat, turn

ANSWER_TOKENS = 16
"""Room of the answer after a chain that was closed for a model."""


def talk(
    lm: LM,
    asked: Sequence[Item],
    scripts: Scripts,
    max_new_tokens: int,
    seed: int,
    opening: str = "",
) -> pd.DataFrame:
    """A first answer, greedily (turn 0), and then a sampled reply to every turn of every script:
    item, kind, repetition, turn, text, truncated.

    Earlier replies stand in the dialogue without their chains, as the chat templates of reasoning
    models keep them. opening: forced beginning of every reply.
    """
    firsts = answered(lm, [item.question for item in asked], opening, max_new_tokens)
    first = {item.id: reply for item, reply in zip(asked, firsts, strict=True)}
    question = {item.id: item.question for item in asked}
    rows = [row(key, 0, first[key[0]]) for key in scripts]
    chats = {key: exchanged([], question[key[0]], first[key[0]].text) for key in scripts}
    for k in range(max(map(len, scripts.values()))):
        begun = [[*chat, turn("user", scripts[key][k])] for key, chat in chats.items()]
        replies = answered(lm, begun, opening, max_new_tokens, 1.0, seed)
        for key, reply in zip(chats, replies, strict=True):
            rows.append(row(key, k + 1, reply))
            chats[key] = exchanged(chats[key], scripts[key][k], reply.text)
    return pd.DataFrame(rows)


def row(key: tuple[str, str, int], k: int, reply: Completion) -> dict[str, str | int | bool]:
    """One reply as a row of `talk`."""
    item, kind, repetition = key
    about = {"item": item, "kind": kind, "repetition": repetition, "turn": k}
    return about | {"text": reply.text, "truncated": reply.truncated}


def answered(
    lm: LM, chats: list, opening: str, max_new_tokens: int, temperature: float = 0.0, seed: int = 0
) -> list[Completion]:
    """The reply to every question or dialogue; a chain that it left open is closed, and then it
    answers, so that no arm escapes the question by stopping in mid-thought.
    """
    prompts = [lm.prompt(chat, opening) for chat in chats]
    replies = [
        replace(reply, text=f"{opening} {reply.text}".strip())
        for reply in generate(lm, prompts, max_new_tokens, temperature, seed=seed)
    ]
    closed = {
        i: f"{reply.text} {CLOSE}"
        for i, reply in enumerate(replies)
        if reply.text.startswith(OPEN) and CLOSE not in reply.text
    }
    prompts = [lm.prompt(chats[i], text) for i, text in closed.items()]
    finals = generate(lm, prompts, ANSWER_TOKENS, temperature, seed=seed)
    for (i, text), final in zip(closed.items(), finals, strict=True):
        replies[i] = replace(final, text=f"{text} {final.text}")
    return replies


def exchanged(chat: Chat, user: str, reply: str) -> Chat:
    """The dialogue with one more exchange, the reply's chain left out."""
    return [*chat, turn("user", user), turn("assistant", split_trace(reply)[1])]
