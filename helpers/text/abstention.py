"""Whether a reply leaves its question unanswered, in stages, and the replies that test this.

1. Closing courtesies and offers are set aside.
2. Where an answer is marked, the reply declines only if what it marks is a decline, or a formula
   that leaves a quantity open ("2x").
3. Else the last sentences decide: the last decline counts unless an answer follows it.
4. A final part that is not English is unread: neither an answer nor a decline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from helpers import ROOT
from helpers.text import numbers
from helpers.text.declines import (
    BY_KIND,
    COURTESIES,
    DATED,
    HYPOTHETICAL,
    KINDS,
    NAMES,
    OF_STORIES,
    OLD,
    PREMISE,
    SAYS_NOTHING,
    SEVERAL,
    STATES,
    TURNS,
    UNKNOWN,
    UNREAD,
)
from helpers.text.language import is_english
from helpers.text.marks import (
    DECLINES_AT_ONCE,
    EMPTY_BOX,
    REFERENCE,
    SENTENCE_END,
    is_open,
    marked,
)
from helpers.text.trace import final_part, flat

LABELLED = ROOT / "data" / "questions" / "abstention_responses.jsonl"
READINGS = ("strict", "abstentionbench")
"""strict: no answer is given. abstentionbench: also a corrected premise with an answer, a dated
disclaimer, and an answer for each reading, as Kirichenko et al. (arXiv 2506.09038) count.
"""

A_SENTENCE = 4
"""Words from which on what is marked without a number is read with the text around it."""
_CLAUSE_END = re.compile(r"[.!?][\"')*]*\s+|[;\n]\s*")
#: "To determine that, I would need a clock." is no answer before a caveat.
_NEEDED = re.compile(r"\bto (?:determine|answer|find|know|tell)\b[^.!?]*[.!?]\s", re.IGNORECASE)
#: An answer has been given already when a caveat opens a new sentence or turns on one.
_ANSWER_BEFORE = re.compile(r"\w[.!]\s|(?<!sorry, )\b(?:but|though|although)\b", re.IGNORECASE)
#: A sentence that opens by counting something: "This means that 40 guests did not get one."
_COUNTED = re.compile(
    r"\W*(?:(?:so|this|that|means|therefore|thus|then|hence|which|and|there|are|were|in|at|by"
    r"|the|end"
    r"|remaining|other|rest|only|still|also|finally|now|altogether|total|all|day|leaves|leaving"
    r"|[A-Z]\w+ (?:has|had)|(?:he|she|it|they) \w+)[, ]+)*"
    r"[$€£]?\d[\d,.]*(?! (?:is|was)\b)[^.,;:!?]*",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:because|since)\b", re.IGNORECASE)
#: "Is it 12?"
_GUESS = re.compile(
    r"\W*(?:(?:is|it|that|so|i|think|maybe|perhaps|be|about|the|answer) ?)*\W*", re.I
)
_NO_STORY = re.compile(r"\b(?:I|we|you|amount|price|number|quantity|information)\b", re.IGNORECASE)
_IS = re.compile(r"\b(?:is|are|was|makes|leaves) [$€£]?\d[\d,.]*\W*\Z", re.IGNORECASE)
_CALCULATES = re.compile(r"= ?[$€£]?-?\d|<<")
_ASKS_AT_END = re.compile(r"\?[\"')]*\s*\Z")
#: "It is 12, right?"
_TAG_QUESTION = re.compile(
    r",? (?:right|correct|yes|no|okay|ok|isn't (?:it|that)|doesn't (?:it|he|she))\?\W*\Z",
    re.IGNORECASE,
)
_FOR_CERTAIN = re.compile(r"\b(?:if|whether|that|about|helps?|anything)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Decline:
    """How a reply declines, one of `declines.KINDS` or "unread", and the words that say so."""

    kind: str
    words: str


def abstained(text: str, reading: str = "strict") -> bool:
    """Whether a reply leaves the question unanswered, by rules on its final part (after </think>).

    reading: one of `READINGS`. The rules are for English; how often they agree with a person is
    measured on `labelled_responses()`. What is unread is no abstention, nor is an empty final part:
    it is no answer.
    """
    found = decline(text, reading)
    return found is not None and found.kind != UNREAD


def decline(text: str, reading: str = "strict") -> Decline | None:
    """How a reply declines, by which words; None for an answer or an empty final part.

    Raises ValueError for an unknown reading.
    """
    if reading not in READINGS:
        raise ValueError(f"Unknown reading '{reading}'; known are: {', '.join(READINGS)}.")
    found = _strict(final_part(text))
    if found or reading == "strict":
        return found
    return _qualified(_own_words(final_part(text)))


def is_unread(final: str) -> bool:
    """Whether a final part is in another language than English."""
    return not is_english(final)


@lru_cache(maxsize=4096)
def _strict(final: str) -> Decline | None:
    """The strict reading of a final part."""
    told, in_any_language, after = marked(final)
    if not in_any_language and is_unread(final):
        return Decline(UNREAD, final[:60])
    if told:
        if in_any_language and is_open(told, final.replace(told, "")):
            return Decline(SEVERAL, told)
        if len(told.split()) >= A_SENTENCE and not numbers.find(told):
            return _of_marked(flat(told)) or _of_text(_own_words(final))
        return _of_marked(flat(told)) or _retracted(_own_words(after))
    return _of_text(_own_words(final))


def _own_words(final: str) -> str:
    """A final part as it is read, without references and closing courtesies."""
    text = EMPTY_BOX.sub("", REFERENCE.sub("", flat(final)))
    text = _TAG_QUESTION.sub(".", text)
    sentences = [*SENTENCE_END.finditer(text)]
    ends = [0, *(match.end() for match in sentences)]
    end = len(text)
    for start in reversed(ends):
        if start and not (text[start:end].strip() and not COURTESIES.fullmatch(text[start:end])):
            end = start
        else:
            break
    return text[:end].strip()


def _of_marked(told: str) -> Decline | None:
    """The decline that a marked answer is, if it is one."""
    at_once = DECLINES_AT_ONCE.match(told)
    if numbers.find(told) and not at_once:
        return None
    for kind in KINDS:
        if match := BY_KIND[kind].search(told):
            return Decline(kind, match[0].strip(" .,;:!"))
    return Decline(UNKNOWN, at_once[0].strip()) if at_once else None


def _retracted(after: str) -> Decline | None:
    """A short sentence behind a marked answer that takes it back: "I don't know."."""
    for sentence in SENTENCE_END.split(after):
        match = BY_KIND[UNKNOWN].search(sentence)
        if match and len(sentence.split()) < 10 and not _FOR_CERTAIN.search(sentence):
            return _of_text(after)
    return None


def _of_text(text: str) -> Decline | None:
    """The last decline of a text without a marked answer, unless an answer follows it."""
    found = []
    for kind in KINDS:
        matches = [] if kind == OLD else [*BY_KIND[kind].finditer(text)]
        last = next((match for match in reversed(matches) if _declines(text, match)), None)
        found += [(last, kind)] if last else []
    if not found:
        caveats = BY_KIND[OLD].finditer(text)
        found = [
            (m, OLD)
            for m in caveats
            if not _ANSWER_BEFORE.search(_NEEDED.sub("", text[: m.start()]))
        ]
    if not found:
        return _says_nothing(text)
    last, kind = max(found, key=lambda one: one[0].end())
    same, *later = _CLAUSE_END.split(text[last.end() :])
    settles = [same] if TURNS.search(same) or NAMES.match(same) else []
    settles += [clause for clause in later if TURNS.search(clause) or STATES.search(clause)]
    if all(HYPOTHETICAL.search(clause) for clause in settles):
        return Decline(kind, last[0].strip(" .,;:!"))
    return None


def _says_nothing(text: str) -> Decline | None:
    """A last sentence in which a speaker, or what is asked, is denied something, where the whole
    text holds no number.
    """
    last = text[max([0, *(end.end() for end in SENTENCE_END.finditer(text))]) :]
    if numbers.find(text) or TURNS.search(last) or DATED.search(text):
        return None
    for kind, phrase in SAYS_NOTHING.items():
        if match := phrase.search(last):
            return Decline(kind, match[0].strip(" .,;:!"))
    return None


def _declines(text: str, match: re.Match) -> bool:
    """Whether words decline where they stand: not a story's own words in a sentence that counts or
    calculates something, nor the question mark behind a bare value ("42?") or a calculation.
    """
    before, sentence, opens = _sentence(text, match)
    if _ASKS_AT_END.fullmatch(match[0]):
        worked_out = _CALCULATES.search(sentence) or _CALCULATES.search(before)
        guessed = [n for n in numbers.find(sentence) if _GUESS.fullmatch(sentence[: n.start])]
        return not (STATES.search(sentence) or guessed) and not (
            worked_out and not HYPOTHETICAL.search(before)
        )
    if _COUNTED.fullmatch(opens) and not _NO_STORY.search(match[0]):
        return False
    told = OF_STORIES.search(match[0])
    past = re.match(r"(?:could|never)\b", match[0], re.IGNORECASE) and re.search(r"\d", sentence)
    answers = past or _CALCULATES.search(sentence) or _REASON.search(opens) or _IS.search(sentence)
    return not (told and answers)


def _sentence(text: str, match: re.Match) -> tuple[str, str, str]:
    """The sentence before the one in which a match begins, that one, and how it opens."""
    borders = [border.end() for border in SENTENCE_END.finditer(text)]
    before = [0, *(border for border in borders if border <= match.start())]
    end = next((border for border in borders if border > match.start()), len(text))
    start = before[-1]
    return (
        text[before[-2] if len(before) > 1 else 0 : start],
        text[start:end],
        text[start : match.start()],
    )


def _qualified(text: str) -> Decline | None:
    """What AbstentionBench counts beside the strict reading, anywhere in a text."""
    for kind in (PREMISE, OLD, SEVERAL):
        for match in (DATED if kind == OLD else BY_KIND[kind]).finditer(text):
            values = len(numbers.find(text)) > 1 or kind != SEVERAL
            if values and _declines(text, match):
                return Decline(kind, match[0].strip(" .,;:!"))
    return None


def labelled_responses() -> pd.DataFrame:
    """The hand-labelled replies that measure the rules, one a row: see data/questions/README.md."""
    return pd.read_json(LABELLED, lines=True)
