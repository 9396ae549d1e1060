"""A model as judge of whether a reply leaves its question unanswered."""

from __future__ import annotations

import re

from helpers.lm.generation import generate
from helpers.lm.models import LM
from helpers.text.trace import split_trace

PROMPT = """\
Below are a question and a reply to it. Decide whether the reply leaves the question unanswered.

It leaves it unanswered when, taken as a whole, it says that the answer is not known or can't be
determined, asks back, says that the question rests on something untrue or impossible, or says that
it is a matter of taste, without settling on an answer.
It answers when it settles on an answer, be it wrong, hedged, or under a stated assumption.
Whether the question can be answered, and whether the answer is right, does not matter.

Question:
{question}

Reply:
{response}

Does the reply leave the question unanswered? Say only yes or no."""


def abstained(lm: LM, question: str, response: str, max_new_tokens: int = 16) -> bool:
    """A model's verdict on whether `response` abstains; it sees its final part and never the label.

    A judge that reasons first needs more `max_new_tokens`. Raises ValueError when it says neither
    yes nor no.
    """
    prompt = PROMPT.format(question=question, response=split_trace(response)[1] or "(empty)")
    text = generate(lm, [lm.prompt(prompt)], max_new_tokens)[0].text
    verdict = re.search(r"\b(yes|no)\b", split_trace(text)[1], re.IGNORECASE)
    if not verdict:
        raise ValueError(
            f"Judge {lm.name} said {text.strip()[:60]!r} where yes or no was asked:"
            " use a stronger model as judge."
        )
    return verdict[1].lower() == "yes"
