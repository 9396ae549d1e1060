"""What a reply says: its final answer, whether two answers agree, and how it is graded."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from helpers.text import abstention, latex, numbers
from helpers.text.marks import (
    EMPTY_BOX,
    REFERENCE,
    SENTENCE_END,
    is_open,
    marked,
    said,
    several,
    stated,
)
from helpers.text.numbers import CURRENCY, Number
from helpers.text.trace import final_part, plain, split_trace

if TYPE_CHECKING:
    from helpers.lab.items import Item

_LEAD = re.compile(
    rf"[\s(\"']*(?:(?:about|approximately|around|roughly|exactly|only|just)\s+"
    rf"|[~≈]\s*)?(?:{CURRENCY})?",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"\W*(?:so|therefore|thus|hence|altogether|in\s+(?:total|all|the\s+end)|that\s+(?:is|leaves"
    r"|makes"
    r"|means|gives))\b",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"\s*(?:,\s*)?\bor\s+(?:[$€£]\s?)?\Z", re.IGNORECASE)
_TIME = re.compile(r"\W*(\d{1,2}):(\d\d)\s*(?:([ap])\.?\s?m\b\.?)?\W*", re.IGNORECASE)


class Reply(Protocol):
    """What is graded: a completion, or a row of a table with its text."""

    text: str
    truncated: bool


def final_answer(text: str) -> str:
    r"""The final answer of a reply: a bare number such as "1200" or "-2.5", else a short text.

    Read after </think>, up to a new question: the last \boxed{...}; else <answer>; else "####";
    else "answer is"; else, in the last sentence with a number, the result of its sum or its last
    number; else a number in words; else a last line of at most eight words. "" when there is none,
    as when the chain was cut off before it closed, or where the text is not English and nothing is
    marked.
    """
    final = final_part(text)
    told, in_any_language, _ = marked(final)
    if told and in_any_language:
        return told
    if abstention.is_unread(final):
        return ""
    return told or _loose_answer(final)


def _loose_answer(final: str) -> str:
    """The last sum's result or last number, a number in words or a short last line, or ""."""
    text = plain(final)
    sentences = [REFERENCE.sub("", one) for one in SENTENCE_END.split(text)]
    for sentence in reversed(sentences):
        if _CONCLUDES.match(sentence) and not numbers.in_figures(sentence):
            if words := said(sentence, numbers.in_words(sentence)):
                return words[-1].bare
        found = said(sentence, numbers.in_figures(sentence))
        if results := [one for one in found if one.start > sentence.rfind("=") >= 0]:
            return results[0].bare
        if found:
            return _chosen(sentence, found)
    if words := numbers.in_words(text):
        return words[-1].bare
    lines = EMPTY_BOX.sub("", text).splitlines()
    return lines[-1].strip(" .*") if lines and len(lines[-1].split()) <= 8 else ""


def _chosen(sentence: str, found: list[Number]) -> str:
    """The last number, with the one before where they are alternatives: "18 or 20"."""
    if (
        len(found) > 1
        and "=" not in sentence
        and _CHOICE.fullmatch(sentence[found[-2].end : found[-1].start])
    ):
        return sentence[found[-2].start : found[-1].end]
    return found[-1].bare


@lru_cache(maxsize=4096)
def number(text: str) -> Fraction | None:
    """The value of a text that is one number, with currency before and units behind; else None."""
    text = plain(text).strip()
    found = numbers.find(text)
    if latex.is_latex(text):
        bare = latex.rational(text)
        return Fraction(bare) if bare else None
    if several(text) or not found or found[0].start > _LEAD.match(text).end():
        return None
    figures = [one for one in found if not one.in_words]
    if len(figures) > 1 or (figures and found[0].in_words):
        return None
    return found[0].value


def accepted(item: Item, answer: str) -> bool:
    """Whether an answer is one of an item's accepted ones."""
    return any(equal(answer, right) for right in item.answers)


def equal(a: str, b: str) -> bool:
    """Whether two answers agree: as numbers (commas, currency and units aside), as times of day, as
    LaTeX, else as texts.

    Texts are compared without case, punctuation and articles. Nothing equals an empty answer.
    """
    x, y = number(a), number(b)
    if x is not None and y is not None:
        return abs(x - y) <= abs(y) / 10**6
    for time, value in ((a, y), (b, x)):
        if value is not None and (whole := _TIME.fullmatch(time)):
            return whole[2] == "00" and int(whole[1]) == value
    if (one := _TIME.fullmatch(a)) and (other := _TIME.fullmatch(b)):
        return _same_time(one, other)
    if _normalised(a) == _normalised(b) != "" and x is y:
        return True
    return (latex.is_latex(a) or latex.is_latex(b)) and latex.same(a, b)


def _same_time(one: re.Match, other: re.Match) -> bool:
    """Whether two times of day agree; one without am or pm is either."""
    minutes = [
        (int(t[1]) % (12 if t[3] else 24) + 12 * ((t[3] or "").lower() == "p")) * 60 + int(t[2])
        for t in (one, other)
    ]
    either = (
        not (one[3] and other[3]) and min(minutes) < 720 and max(int(one[1]), int(other[1])) < 13
    )
    return (minutes[0] - minutes[1]) % (720 if either else 1440) == 0


def _normalised(text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def grade(item: Item, reply: Reply) -> dict[str, str | bool]:
    """One graded reply: trace, final, answer, abstained, correct, outcome.

    outcome: "right", "wrong" (any answer to an unanswerable item is), "abstained", "cut_off" (by
    the token limit, before an answer was stated) or "no_answer" (nothing after the chain, no answer
    found, or not in English). correct: right, or abstained where the item should be.
    """
    text = reply.text
    trace, final = split_trace(text)
    own, told = final_part(text), stated(text)
    # a formula answers where one is asked for
    formula = told and any(map(is_open, item.answers)) and is_open(told, own)
    declined = not formula and abstention.abstained(text)
    if reply.truncated:
        # A number in an unfinished text may be a step, and its last word may be cut.
        answer = stated(text.rpartition(" ")[0])
    else:
        answer = final_answer(text)
    right = accepted(item, answer)
    if not right and not reply.truncated and not told:
        right = not abstention.is_unread(own) and any(_names(own, one) for one in item.answers)
        answer = answer or (final if right else "")
    if declined:
        outcome = "abstained"
    elif not answer:
        outcome = "cut_off" if reply.truncated else "no_answer"
    else:
        outcome = "right" if right else "wrong"
    return {
        "trace": trace,
        "final": final,
        "answer": answer,
        "abstained": declined,
        "correct": outcome == ("abstained" if item.should_abstain else "right"),
        "outcome": outcome,
    }


def _names(final: str, accepted: str) -> bool:
    """Whether a reply holds an accepted answer that is no number, as whole words."""
    return number(accepted) is None and f" {_normalised(accepted)} " in f" {_normalised(final)} "
