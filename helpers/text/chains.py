"""Chains of thought: the one reader of them, their steps, cuts, mistakes and other wordings."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from helpers.text import answers
from helpers.text.steps import steps_of, unmarked
from helpers.text.trace import CLOSE, left_open, split_trace
from helpers.text.trace import OPEN as OPEN

SUFFIX = f" {CLOSE} The answer is "
"""What closes a chain wherever it was left, so that every arm's answer is read alike."""
MOVES = (-4, -3, -2, -1, 1, 2, 3, 4)
_SUM = re.compile(r"(?P<who>\D*?) ?(?P<sum>\d+ [-+*/] .*\d+) = (?P<result>\d+)\.")
#: A sum that is no part of a longer one, and whose numbers are no times, decimals or exponents.
_CALCULATION = re.compile(
    r"(?<![\w.,:^])(?<!\^[-{(])(?<!\*\*)(?<![-+*/^] )"
    r"(?P<first>\d+) (?P<sign>[-+*/]) (?P<who>[^\d.]*)(?P<second>\d+) = (?P<result>\d+)"
    r"(?![\d%]|[.,:]\d| ?[-+*/^])"
)
_SWAP = re.compile(r"(?P<one>.* \d+), (?P<other>.* \d+), now (?P<end>.* \d+)\.")
#: A number, or what has digits and is none: a time, an exponent, an index.
_NUMBER = re.compile(
    r"\d{1,2}(?::\d\d)+(?:\s?[ap]\.?m\b)?|\b\d{1,2}\s?[ap]\.?m\b|(?:\^|\*\*|_)\s?[{(]?\s?[-−]?\d+"
    r"|(?P<number>(?<![\d.,])\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?)"
)


@dataclass(frozen=True)
class Chain:
    """A model's own chain: its steps, whether it was closed, and the answer it gave after it."""

    steps: list[str]
    closed: bool
    answer: str

    @property
    def text(self) -> str:
        return " ".join(self.steps)


def with_opening(opening: str, text: str) -> str:
    """A reply behind the beginning that was forced on it, unless it already stands there, as
    `generation.generate` puts a chain's.
    """
    return text if opening and text.startswith(opening) else f"{opening} {text}".strip()


def has_chain(reply: str) -> bool:
    """Whether a reply holds a written chain, however it is marked; an empty one is none."""
    return bool(split_trace(reply)[0])


def chain_of(reply: str) -> list[str]:
    """The steps of a reply's chain, closed or not; see `split_trace`."""
    return steps_of(split_trace(reply)[0])


def read_chain(text: str, truncated: bool) -> Chain:
    """The chain of a reply that has one; a reply that was cut off has no answer."""
    answer = "" if truncated else answers.final_answer(text)
    closed = CLOSE in text and not left_open(text) and not truncated
    return Chain(chain_of(text), closed, answer)


def prefixes(steps: list[str]) -> list[str]:
    """The chain after 0, 1, ... all of its steps."""
    return [" ".join(steps[:i]) for i in range(len(steps) + 1)]


def cut(steps: list[str], share: float) -> list[str]:
    """The first `share` of the steps, rounded down."""
    return steps[: int(share * len(steps) + 1e-9)]


def result_of(step: str) -> str:
    """The last number of a step, without commas: its result; "" when it has none. The number of a
    list, a time and an exponent are none.
    """
    found = [m["number"] for m in _NUMBER.finditer(unmarked(step)) if m["number"]]
    return found[-1].replace(",", "") if found else ""


def counterfactual(steps: list[str], rng: random.Random, most: int) -> list[str]:
    """The chain as it would be had one of its steps begun with another number, up to four away:
    that step and all after it calculated anew, so that it holds no mistake but that number.

    A wrong result alone is no such change: whoever reads "6 * 2 = 13" can calculate for himself.
    Numbers stay whole and within 0..`most`. [] where no such chain ends in another number, as
    where a step is no calculation that goes on from the result before it.
    """
    moves = [(at, by) for at in range(len(steps)) for by in MOVES]
    for at, by in rng.sample(moves, len(moves)):
        made = _recalculated(steps, at, by, most)
        if made and result_of(made[-1]) != result_of(steps[-1]):
            return made
    return []


def _recalculated(steps: list[str], at: int, by: int, most: int) -> list[str]:
    """The chain with the first number of step `at` moved; [] where that can't be carried on."""
    made, before, now = steps[:at], "", 0
    for step in steps[at:]:
        match = _CALCULATION.search(step)
        if not match or (before and match["first"] != before):
            return []
        first, second = now if before else int(match["first"]) + by, int(match["second"])
        results = {"+": first + second, "-": first - second, "*": first * second}
        if match["sign"] == "/":
            results["/"] = first // second if second and first % second == 0 else -1
        before, now = match["result"], results[match["sign"]]
        if not (0 <= first <= most and 0 <= now <= most):
            return []
        calculated = f"{first} {match['sign']} {match['who']}{second} = {now}"
        made.append(step[: match.start()] + calculated + step[match.end() :])
    return made


def paraphrased(steps: list[str]) -> list[str]:
    """The steps in the world's other wording, by rules that see neither question nor answer.

    "Ann 5 + 3 = 8." becomes "Ann 5 + 3, now Ann 8."; the two counts of a swap change places. A
    step of another form stays as it is.
    """
    return [_reworded(step) for step in steps]


def _reworded(step: str) -> str:
    if match := _SUM.fullmatch(step):
        return f"{match['who']} {match['sum']}, now {match['who']} {match['result']}."
    if match := _SWAP.fullmatch(step):
        return f"{match['other']}, {match['one']}, now {match['end']}."
    return step
