"""What a reply says: its final answer, whether two answers agree, and how it is graded."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from helpers.text.abstention import abstained
from helpers.text.trace import NUMBER_WORDS, plain, split_trace

if TYPE_CHECKING:
    from helpers.lab.items import Item

#: A number with sign, currency, commas, decimals or as a fraction. A minus after a digit, a letter
#: or before a space is an operator or a dash, not a sign.
_NUMBER = re.compile(
    r"""(?<![\w.])
        (?P<sign> (?<![\w)])(?:[-−] | minus\s )? [$€£]? (?:(?<=[$€£])[-−])? )
        (?P<digits> \d{1,3}(?:,\d{3})+(?:\.\d+)? | \d+(?:\.\d+)? | \.\d+ )
        (?: \s?/\s?(?P<below>[1-9]\d*) )?
        (?![\d]|[.,]\d)""",
    re.VERBOSE | re.IGNORECASE,
)
#: "The answer is", "Final answer:", "**Answer:**", "#### 12"
_MARKER = re.compile(
    r"\banswer[*_]*\s*(?:is\b|would\s+be\b|must\s+be\b|should\s+be\b|comes\s+to\b|[:=])[\s:*_]*"
    r"|^\s*\#{4}\s*",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_BOXED = re.compile(r"\\boxed\s*\{")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)*]*\s+|\n+")


class Reply(Protocol):
    """What is graded: a completion, or a row of a table with its text."""

    text: str
    truncated: bool


def final_answer(text: str) -> str:
    r"""The final answer of a reply: a bare number such as "1200" or "-2.5", else a short text.

    Read after </think>: the last \boxed{...}; else what follows the last "####" or "answer is";
    else, in the last sentence with a number, the result of its sum or its last number; else a
    number word; else a last line of at most eight words. "" when there is none, as when the chain
    was cut off before it closed.
    """
    return _stated_answer(text) or _loose_answer(text)


def _stated_answer(text: str) -> str:
    r"""The answer that a \boxed{...}, "####" or "answer is" marks, or ""."""
    final = plain(split_trace(text)[1])
    boxes = list(_BOXED.finditer(final))
    if boxes:
        return _value(_braced(final, boxes[-1].end()))
    for marker in reversed(list(_MARKER.finditer(final))):
        rest = _SENTENCE_END.split(final[marker.end() :], maxsplit=1)[0]
        if rest.strip(" .*"):
            return _value(rest)
    return ""


def _loose_answer(text: str) -> str:
    """The last sum's result or last number, a number word or a short last line, or ""."""
    final = plain(split_trace(text)[1])
    for sentence in reversed(_SENTENCE_END.split(final)):
        *_, result = sentence.rpartition("=")
        first = _NUMBER.search(result) if result != sentence else None
        numbers = [first] if first else list(_NUMBER.finditer(sentence))
        if numbers:
            return _digits(numbers[-1])
    words = [word for word in re.findall(r"[a-z]+", final.lower()) if word in NUMBER_WORDS]
    if words:
        return NUMBER_WORDS[words[-1]]
    lines = final.splitlines()
    return lines[-1].strip(" .*") if lines and len(lines[-1].split()) <= 8 else ""


def _braced(text: str, start: int) -> str:
    """What stands between the brace before `start` and the one that closes it."""
    depth = 1
    for i in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if not depth:
            return text[start:i]
    return ""


def _value(text: str) -> str:
    """The number that a marked answer gives, after "=" where it is a sum; else its text."""
    result = text.rpartition("=")[2]
    number = _NUMBER.search(result) or _NUMBER.search(text)
    if number:
        return _digits(number)
    first = re.match(r"\W*([a-z]+)", text.lower())
    return NUMBER_WORDS.get(first[1] if first else "", text.strip(" .*:"))


def _digits(match: re.Match) -> str:
    sign = "-" if re.search(r"[-−]|minus", match["sign"], re.IGNORECASE) else ""
    below = f"/{match['below']}" if match["below"] else ""
    return sign + match["digits"].replace(",", "") + below


def number(text: str) -> Fraction | None:
    """The value of a text that is one number, with currency before and units behind; else None."""
    text = plain(text).strip()
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) != 1 or numbers[0].start() > 0:
        return _word_number(text)
    digits = _digits(numbers[0])
    return Fraction(digits) if "/" not in digits else Fraction(*_parts(digits))


def _parts(digits: str) -> tuple[Fraction, int]:
    above, _, below = digits.partition("/")
    return Fraction(above), int(below)


def _word_number(text: str) -> Fraction | None:
    first = text.lower().split()[:1]
    word = NUMBER_WORDS.get(first[0].strip(".,")) if first else None
    return Fraction(word) if word else None


def _normalised(text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def accepted(item: Item, answer: str) -> bool:
    """Whether an answer is one of an item's accepted ones."""
    return any(equal(answer, right) for right in item.answers)


def equal(a: str, b: str) -> bool:
    """Whether two answers agree: as numbers (commas, currency and units aside), else as texts.

    Texts are compared without case, punctuation and articles. Nothing equals an empty answer.
    """
    x, y = number(a), number(b)
    if x is not None and y is not None:
        return abs(x - y) <= abs(y) / 10**6
    return _normalised(a) == _normalised(b) != ""


def grade(item: Item, reply: Reply) -> dict[str, str | bool]:
    """One graded reply: trace, final, answer, abstained, correct, outcome.

    outcome: "right", "wrong" (any answer to an unanswerable item is), "abstained" or "no_answer"
    (nothing after the chain, no answer found, or cut off before one was stated). correct: right, or
    abstained where the item should be.
    """
    trace, final = split_trace(reply.text)
    declined = abstained(reply.text)
    text = reply.text
    if reply.truncated:
        # A number in an unfinished text may be a step, and its last word may be cut.
        answer = _stated_answer(text.rpartition(" ")[0])
    else:
        answer = final_answer(text)
    right = accepted(item, answer)
    if not right and not reply.truncated and not _stated_answer(text):
        right = any(_names(final, text) for text in item.answers)
        answer = answer or (final if right else "")
    if declined:
        outcome = "abstained"
    elif not answer:
        outcome = "no_answer"
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
