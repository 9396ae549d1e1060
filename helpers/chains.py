"""Chains of thought taken apart: their steps, cuts, mistakes, other wordings, and filler."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import numpy as np

from helpers import answers
from helpers.generation import THINK_END as CLOSE
from helpers.generation import THINK_START as OPEN
from helpers.generation import generate
from helpers.models import LM
from helpers.scoring import answer_logprobs

SUFFIX = f" {CLOSE} The answer is "
"""What closes a chain wherever it was left, so that every arm's answer is read alike."""
FILLER = " ."
PARAPHRASE = "Say the same in other words, step by step, and nothing else:\n\n{chain}"
_STEP = re.compile(r"(?<=[.!?])\s+|\n+")
_SUM = re.compile(r"(?P<who>\D*?) ?(?P<sum>\d+ [-+*/] .*\d+) = (?P<result>\d+)\.")
_SWAP = re.compile(r"(?P<one>.* \d+), (?P<other>.* \d+), now (?P<end>.* \d+)\.")
_LAST_NUMBER = re.compile(r"(?<![\d.,])\d+(?:,\d{3})*(?P<part>\.\d+)?(?=\D*$)")


@dataclass(frozen=True)
class Chain:
    """A model's own chain: its steps, whether it was closed, and the answer it gave after it."""

    steps: list[str]
    closed: bool
    answer: str

    @property
    def text(self) -> str:
        return " ".join(self.steps)


def steps_of(text: str) -> list[str]:
    """The sentences or lines of a chain; the same splitter for every arm."""
    return [step.strip() for step in _STEP.split(text) if step.strip()]


def chain_of(reply: str) -> list[str]:
    """The steps of the chain that a reply opens with, closed or not."""
    return steps_of(reply.removeprefix(OPEN).partition(CLOSE)[0])


def prefixes(steps: list[str]) -> list[str]:
    """The chain after 0, 1, ... all of its steps."""
    return [" ".join(steps[:i]) for i in range(len(steps) + 1)]


def logprobs_after(
    lm: LM, question: str, texts: list[str], suffix: str, options: list[str]
) -> np.ndarray:
    """log p(option) in nats after each version of the chain, closed by `suffix`;
    [texts, options].
    """
    prompt = lm.prompt(question, OPEN).removesuffix(OPEN)
    cuts = [f"{OPEN} {text}".rstrip() for text in texts]
    return answer_logprobs(lm, prompt, cuts, suffix, options)


def own_chains(lm: LM, questions: list[str], max_new_tokens: int) -> list[Chain]:
    """The chain that a model writes, greedily, when made to open one."""
    return continued(lm, questions, [[] for _ in questions], max_new_tokens)


def continued(
    lm: LM, questions: list[str], begun: list[list[str]], max_new_tokens: int
) -> list[Chain]:
    """The chain that goes on, greedily, from the steps that each question is given."""
    starts = [" ".join([OPEN, *steps]) for steps in begun]
    prompts = [lm.prompt(q, start) for q, start in zip(questions, starts, strict=True)]
    chains = []
    for start, reply in zip(starts, generate(lm, prompts, max_new_tokens), strict=True):
        whole = f"{start} {reply.text}"
        answer = answers.final_answer(whole) if not reply.truncated else ""
        chains.append(Chain(chain_of(whole), CLOSE in whole and not reply.truncated, answer))
    return chains


def cut(steps: list[str], share: float) -> list[str]:
    """The first `share` of the steps, rounded down."""
    return steps[: int(share * len(steps) + 1e-9)]


def result_of(step: str) -> str:
    """The last number of a step, without commas: its result; "" when it has none."""
    found = _LAST_NUMBER.search(step)
    return found[0].replace(",", "") if found else ""


def mistaken(step: str, rng: random.Random) -> str:
    """The step with its result moved by 1 to 3; as it is when it has no number."""

    def other(match: re.Match) -> str:
        part = match["part"] or ""
        result = int(match[0].removesuffix(part).replace(",", ""))
        moved = result + rng.choice([d for d in (-3, -2, -1, 1, 2, 3) if result + d >= 0])
        return f"{moved}{part}"

    return _LAST_NUMBER.sub(other, step)


def paraphrased(steps: list[str]) -> list[str]:
    """The steps in the world's other wording, by rules that see neither question nor answer.

    "Ann 5 + 3 = 8." becomes "Ann 5 + 3, now Ann 8."; the two counts of a swap change places. A
    step of another form stays as it is.
    """
    return [_reworded(step) for step in steps]


def paraphrased_by(lm: LM, texts: list[str], max_new_tokens: int) -> list[list[str]]:
    """The steps of chains in a paraphraser's words; it sees the chain alone, not the question."""
    prompts = [lm.prompt(PARAPHRASE.format(chain=text)) for text in texts]
    return [steps_of(reply.text) for reply in generate(lm, prompts, max_new_tokens)]


def _reworded(step: str) -> str:
    if match := _SUM.fullmatch(step):
        return f"{match['who']} {match['sum']}, now {match['who']} {match['result']}."
    if match := _SWAP.fullmatch(step):
        return f"{match['other']}, {match['one']}, now {match['end']}."
    return step


def filler(lm: LM, text: str) -> str:
    """Dots that take as many tokens as `text`."""
    n = len(lm.tokenizer(text, add_special_tokens=False)["input_ids"])
    return (FILLER * n).strip()
