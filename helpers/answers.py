"""What a reply says: its final answer, whether two answers agree, and whether it abstains."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from helpers.items import Item

if TYPE_CHECKING:
    from helpers.generation import Completion
    from helpers.models import LM

LABELLED = Path(__file__).resolve().parents[1] / "data" / "questions" / "abstention_responses.jsonl"

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
_NUMBER_WORD = {word: str(n) for n, word in enumerate(_WORDS.split())}
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
    r"\banswer[*_]*\s*(?:is\b|would\s+be\b|must\s+be\b|should\s+be\b|comes\s+to\b|[:=])[\s:*_]*|^\s*\#{4}\s*",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_BOXED = re.compile(r"\\boxed\s*\{")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)*]*\s+|\n+")


def split_trace(text: str) -> tuple[str, str]:
    """Chain of thought and final part of a reply; an open chain that never closes has no final part.

    What stands before the last </think> is the chain, whether or not <think> opened it (some
    templates open it in the prompt).
    """
    before, closed, after = text.rpartition("</think>")
    if closed:
        return before.replace("<think>", "", 1).replace("</think>", "").strip(), after.strip()
    _, opened, after = text.partition("<think>")
    return (after.strip(), "") if opened else ("", text.strip())


def final_answer(text: str) -> str:
    r"""The final answer of a reply: a bare number such as "1200" or "-2.5", else a short text.

    Read after </think>: the last \boxed{...}; else what follows the last "#### " or "answer is";
    else the last number; else a number word; else a last line of at most eight words. "" when
    there is none, as when the chain was cut off before it closed.
    """
    return _stated_answer(text) or _loose_answer(text)


def _stated_answer(text: str) -> str:
    r"""The answer that a \boxed{...}, "####" or "answer is" marks, or ""."""
    final = _plain(split_trace(text)[1])
    boxes = list(_BOXED.finditer(final))
    if boxes:
        return _value(_braced(final, boxes[-1].end()))
    for marker in reversed(list(_MARKER.finditer(final))):
        rest = _SENTENCE_END.split(final[marker.end() :], maxsplit=1)[0]
        if rest.strip(" .*"):
            return _value(rest)
    return ""


def _loose_answer(text: str) -> str:
    """The last number, number word or short last line of the final part, or ""."""
    final = _plain(split_trace(text)[1])
    numbers = list(_NUMBER.finditer(final))
    if numbers:
        return _digits(numbers[-1])
    words = [word for word in re.findall(r"[a-z]+", final.lower()) if word in _NUMBER_WORD]
    if words:
        return _NUMBER_WORD[words[-1]]
    lines = final.splitlines()
    return lines[-1].strip(" .*") if lines and len(lines[-1].split()) <= 8 else ""


def _plain(text: str) -> str:
    r"""Text with LaTeX and markdown around numbers taken off: "\$1{,}200", "\frac{1}{2}", "**12**"."""
    text = re.sub(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = text.replace("{,}", ",").replace("\\$", "$")
    text = re.sub(r"\\[,;!: ]", "", text)
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1", text)
    return re.sub(r"(\*\*|__)(?=\S)(.*?)(?<=\S)\1", r"\2", text)


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
    return _NUMBER_WORD.get(first[1] if first else "", text.strip(" .*:"))


def _digits(match: re.Match) -> str:
    sign = "-" if re.search(r"[-−]|minus", match["sign"], re.IGNORECASE) else ""
    below = f"/{match['below']}" if match["below"] else ""
    return sign + match["digits"].replace(",", "") + below


def _number(text: str) -> Fraction | None:
    """The value of a text that is one number, with currency before and units behind; else None."""
    text = _plain(text).strip()
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
    word = _NUMBER_WORD.get(first[0].strip(".,")) if first else None
    return Fraction(word) if word else None


def _normalised(text: str) -> str:
    words = re.findall(r"\w+", text.lower())
    return " ".join(word for word in words if word not in ("a", "an", "the"))


def equal(a: str, b: str) -> bool:
    """Whether two answers agree: as numbers (commas, currency and units aside), else as texts.

    Texts are compared without case, punctuation and articles. Nothing equals an empty answer.
    """
    x, y = _number(a), _number(b)
    if x is not None and y is not None:
        return abs(x - y) <= abs(y) / 10**6
    return _normalised(a) == _normalised(b) != ""


#: Ways to leave a question unanswered. Past tense is left out: what was not known *at first* is no abstention.
_DECLINES = (
    # not knowing, not telling
    r"\b(?:I|we|you|one)(?: really| simply| just| honestly)? (?:don'?t|do not|can'?t|cannot|can not|could not|couldn'?t"
    r"|am unable to|am not able to|are unable to|have no way to|have no way of)"
    r" (?:\w+ ){0,3}?(?:know|tell|say|determin|answer|comput|calculat|work out|figure|find out|conclude|solve|decide"
    r"|give (?:you )?(?:a|an|the)|predict|be (?:sure|certain|known|determined)|infer|knowing|telling|verify)",
    r"\b(?:no|not any) (?:way|means|telling|knowing)\b(?! of losing)",
    r"\b(?:I have|have|I've) no (?:idea|clue|information|data|record|knowledge|way)",
    r"\bnobody (?:can )?(?:know|say|tell)s?\b(?! better)",
    r"\bno ?one (?:can )?(?:really )?(?:know|say|tell)s?\b(?! better)",
    r"\b(?:cannot|can'?t|can not|could not|couldn'?t) (?:\w+ )?be (?:\w+ )?(?:determined|answered|known|calculated|computed"
    r"|solved|found|told|worked out|said|established|inferred|decided)",
    r"\b(?:impossible|not possible|unable|hard|difficult) to (?:say|tell|know|determine|answer|calculate|compute|work out"
    r"|give|decide)",
    r"\b(?:is|are|remains?) (?:\w+ )?(?:unknown|undetermined|unclear|uncertain|ambiguous|unspecified|undefined|unanswerable)\b",
    r"\bunanswerable\b",
    # what is missing
    r"\b(?:not enough|insufficient|too little|lack(?:s|ing)?(?: of)?(?: the)?) (?:\w+ ){0,2}(?:information|data|detail|context|number)",
    r"\b(?:information|number|detail|amount|quantity|price|start)\w* (?:\w+ ){0,3}(?:is|are) (?:missing|left out|not (?:given|stated|provided))",
    r"\b(?:does|do|did)(?:n'?t| not) (?:\w+ )?(?:say|tell|mention|state|specify|give|provide|include|contain|reveal|indicate)",
    r"\b(?:is|are|was|were)(?:n'?t| not| never) (?:\w+ )?(?:told|given|stated|mentioned|specified|provided|said|known|defined|clear)\b",
    r"\bnever (?:\w+ )?(?:says?|tells?|mentions?|states?|gives?|mentioned|stated|told)",
    r"\b(?:would|I'?d|we'?d)? ?need (?:to know|more (?:information|context|detail)|further)",
    r"\b(?:story|text|problem|question|passage) (?:has|contains|makes) no\b",
    # asking back
    r"\b(?:which|what|who|do|did|are) (?:\w+ ){0,4}?you (?:mean|meant|refer|asking about|talking about|have in mind|looking for)",
    r"\b(?:could|can|would|will) you (?:please )?(?:clarify|specify|tell me|provide|share|be more specific|give me|say which)",
    r"\bplease (?:clarify|specify|provide|share|let me know|give)",
    # taste
    r"\b(?:matter|question) of (?:\w+ )?(?:taste|opinion|preference|perspective|judge?ment)",
    r"\b(?:that|it|this|the answer)(?: really| all)? depends (?:on|upon)\b",
    r"\b(?:no|not a|isn'?t a|not one|isn'?t one) (?:single |one |objective(?:ly)? |universal(?:ly)? |definitive |clear )*"
    r"(?:right|correct|best|objective|definitive|universal|single|factual|true) (?:\w+ )?(?:answer|number|way|choice|amount)",
    r"\b(?:is|are) (?:\w+ )?(?:subjective|personal)\b",
    r"\b(?:up to|for) (?:\w+) to (?:decide|say|judge)",
    # time
    r"\b(?:real[- ]time|up[- ]to[- ]date|live|current) (?:\w+ )?(?:information|data|access)",
    r"\b(?:knowledge|training)(?: data)? (?:cutoff|cut-off|only (?:goes|extends))",
    r"\b(?:may|might|could) (?:well )?have changed",
    # impossible premises
    r"\b(?:impossible|contradict\w*|makes? no sense|(?:doesn'?t|does not) make sense|inconsistent)\b",
    r"\b(?:false|wrong|mistaken|incorrect|faulty) (?:premise|assumption)",
    r"\b(?:has|had|have|owns?|owned) only \w+(?: \w+)*?,? (?:so|and)(?: \w+){0,3} (?:can'?t|cannot|could not|couldn'?t)",
    r"\b(?:can'?t|cannot|could not|couldn'?t|can not) (?:possibly )?(?:have )?(?:lose|lost|sell|sold|give|given|spend|spent|eat|eaten)\b",
    r"\bthere (?:is|was|has never been|never was|are|were) (?:no|never)\b",
    r"\b(?:does|did)(?:n'?t| not) (?:actually |really )?(?:exist|happen|take place)",
)  # fmt: skip
_DECLINE = re.compile("|".join(_DECLINES), re.IGNORECASE)

#: Settling on a value all the same: what follows a decline and takes it back.
_SETTLES = re.compile(
    r"""\b(?: probably | likely | presumably | my \s (?:best\s|own\s)?(?:guess|estimate|answer) | best \s guess
            | I(?:'d|\s would|\s will|'ll) \s (?:say|guess|go\s with|estimate|assume|pick|put)
            | I \s (?:think|guess|believe|estimate|assume) | (?:must|should) \s be
            | assuming | (?:the|final) \s answer (?:\s is|:) | but | however | still | so | therefore | thus )\b
        [^?]* (?: \d | \b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b )""",
    re.VERBOSE | re.IGNORECASE,
)
_CONDITIONAL = re.compile(r"\b(?:if|unless|whether|once|suppose)\b|\bbetween\b", re.IGNORECASE)


def abstained(text: str) -> bool:
    """Whether a reply leaves the question unanswered, by rules on its final part (after </think>).

    It declines, asks back or corrects a premise, and does not settle on an answer after that. The
    rules are for English; how often they agree with people is measured on `labelled_responses()`.
    An empty final part is no abstention: it is no answer.
    """
    final = split_trace(text)[1].replace("’", "'")
    declines = list(_DECLINE.finditer(final))
    if not declines:
        return False
    after = _SENTENCE_END.split(final[declines[-1].end() :])
    return not any(_SETTLES.search(part) and not _CONDITIONAL.search(part) for part in after)


def grade(item: Item, completion: Completion) -> dict[str, str | bool]:
    """One graded reply: trace, final, answer, abstained, correct, outcome.

    outcome: "right", "wrong" (any answer to an unanswerable item is), "abstained" or "no_answer"
    (nothing after the chain, no answer found, or cut off before one was stated). correct: right, or
    abstained where the item should be.
    """
    trace, final = split_trace(completion.text)
    declined = abstained(completion.text)
    text = completion.text
    if completion.truncated:
        # A number in an unfinished text may be a step, and its last word may be cut.
        answer = _stated_answer(text.rpartition(" ")[0])
    else:
        answer = final_answer(text)
    right = any(equal(answer, accepted) for accepted in item.answers)
    if not right and not completion.truncated and not _stated_answer(text):
        right = any(_names(final, accepted) for accepted in item.answers)
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
    return _number(accepted) is None and f" {_normalised(accepted)} " in f" {_normalised(final)} "


JUDGE_PROMPT = """\
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


def judge(lm: LM, question: str, response: str, max_new_tokens: int = 16) -> bool:
    """A model's verdict on whether `response` abstains; it sees its final part and never the label.

    A judge that reasons first needs more `max_new_tokens`. Raises ValueError when it says neither
    yes nor no.
    """
    from helpers.generation import generate  # torch is loaded only where a model judges

    prompt = JUDGE_PROMPT.format(question=question, response=split_trace(response)[1] or "(empty)")
    text = generate(lm, [lm.prompt(prompt)], max_new_tokens)[0].text
    verdict = re.search(r"\b(yes|no)\b", split_trace(text)[1], re.IGNORECASE)
    if not verdict:
        raise ValueError(
            f"Judge {lm.name} said {text.strip()[:60]!r} where yes or no was asked: use a stronger model as judge."
        )
    return verdict[1].lower() == "yes"


def labelled_responses() -> pd.DataFrame:
    """The hand-labelled replies that measure the rules: one row each, see data/questions/README.md."""
    return pd.read_json(LABELLED, lines=True)
