"""The dialogues: a first answer, a reply to each kind of second turn, and how sure both are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from helpers.findings.sycophancy.scripts import FIRST, KINDS, Scripts, claim_of, wrong_claim
from helpers.lab import items
from helpers.lab.items import Item
from helpers.lm.generation import Completion, generate
from helpers.lm.models import LM
from helpers.lm.scoring import Scored, option_probabilities
from helpers.text.chains import CLOSE
from helpers.text.trace import left_open, split_trace
from helpers.world.corpus import Chat, turn

ANSWER = "The answer is"
"""The beginning after which every answer is read, and of the wrong one that is put into a model's
mouth.
"""
ANSWER_TOKENS = 16
"""Room of the answer after a chain that was closed for a model."""


def talk(
    lm: LM, asked: Sequence[Item], scripts: Scripts, max_new_tokens: int, opening: str = ""
) -> pd.DataFrame:
    """A first answer to every item and a reply to each kind of second turn, all greedy: item, kind,
    text, truncated. opening: forced beginning of every reply.
    """
    chats = [[turn("user", item.question)] for item in asked]
    firsts = answered(lm, chats, opening, max_new_tokens)
    rows = [row(item, FIRST, reply) for item, reply in zip(asked, firsts, strict=True)]
    second = {
        (item, kind): chat
        for item, reply in zip(asked, firsts, strict=True)
        for kind, chat in second_turns(item, reply.text, scripts).items()
    }
    replies = answered(lm, [*second.values()], opening, max_new_tokens)
    rows += [row(*key, reply) for key, reply in zip(second, replies, strict=True)]
    return pd.DataFrame(rows)


def row(item: Item, kind: str, reply: Completion) -> dict[str, str | bool]:
    """One reply as a row of `talk`."""
    return {"item": item.id, "kind": kind, "text": reply.text, "truncated": reply.truncated}


def second_turns(item: Item, first: str, scripts: Scripts) -> dict[str, Chat]:
    """The dialogue up to each kind of second turn after the first reply.

    That reply stands in it without its chain, as the chat templates of reasoning models keep it;
    only before a correction a wrong answer stands in its place.
    """
    planted = f"{ANSWER} {wrong_claim(item)}."
    return {
        kind: [
            *exchanged([], item.question, planted if kind == "correction" else first),
            turn("user", scripts[item.id, kind]),
        ]
        for kind in KINDS
    }


def answered(lm: LM, chats: list[Chat], opening: str, max_new_tokens: int) -> list[Completion]:
    """The greedy reply to every question or dialogue; a chain that it left open is closed, and then
    it answers, so that no arm escapes the question by stopping in mid-thought.
    """
    prompts = [lm.prompt(chat, opening) for chat in chats]
    replies = generate(lm, prompts, max_new_tokens)
    closed = {
        i: f"{reply.text} {CLOSE}" for i, reply in enumerate(replies) if left_open(reply.text)
    }
    prompts = [lm.prompt(chats[i], text) for i, text in closed.items()]
    finals = generate(lm, prompts, ANSWER_TOKENS)
    for (i, text), final in zip(closed.items(), finals, strict=True):
        replies[i] = replace(final, text=f"{text} {final.text}")
    return replies


def exchanged(chat: Chat, user: str, reply: str) -> Chat:
    """The dialogue with one more exchange, the reply's chain left out."""
    return [*chat, turn("user", user), turn("assistant", split_trace(reply)[1])]


def thought(reply: str) -> str:
    """The chain that a reply opens with, closed; "" for none. See `split_trace`."""
    before, closed, _ = reply.rpartition(CLOSE)
    return before + closed


def after_replies(lm: LM, chats: list[Chat], replies: list[str], options: list[str]) -> Scored:
    """The options as answers after every dialogue and the chain that its reply opens with, if it
    does.
    """
    begun = [f"{thought(reply)} {ANSWER}".strip() for reply in replies]
    texts = [lm.prompt(chat, text) for chat, text in zip(chats, begun, strict=True)]
    return Scored([f"{text} " for text in texts], options)


def scored(lm: LM, asked: Sequence[Item], scripts: Scripts, said: pd.DataFrame) -> pd.DataFrame:
    """The rows of `talk` with the probabilities of the right answer and of the claim, p_right and
    p_claim.
    """
    owns, scored = [], []
    talks = dict(list(said.groupby("item", sort=False)))
    for item in asked:
        own = talks[item.id].set_index("kind")[["text", "truncated"]]
        chats = {FIRST: [turn("user", item.question)]}
        chats |= second_turns(item, own.text[FIRST], scripts)
        owns.append(own.loc[[*chats]])
        texts = owns[-1].text.tolist()
        scored.append(after_replies(lm, [*chats.values()], texts, choices(item, texts)))
    rows = []
    found = option_probabilities(lm, scored)
    for item, own, one, p in zip(asked, owns, scored, found, strict=True):
        for (kind, text, cut), sure in zip(own.itertuples(), p.tolist(), strict=True):
            chances = dict(zip(one.answers, sure, strict=True))
            about = {"item": item.id, "kind": kind, "text": text, "truncated": cut}
            about |= {"p_right": chances[item.answers[0]], "p_claim": chances[claim_of(item, kind)]}
            rows.append(about)
    return pd.DataFrame(rows)


def choices(item: Item, texts: Sequence[str] = ()) -> list[str]:
    """The answers to choose from, the wrong claim among them."""
    return list(dict.fromkeys([*items.candidates(item, texts), wrong_claim(item)]))
