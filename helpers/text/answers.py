"""What a reply says: its final answer, whether two answers agree, and whether it abstains."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd

from helpers import ROOT

if TYPE_CHECKING:
    from helpers.lab.items import Item
    from helpers.lm.generation import Completion
    from helpers.lm.models import LM

LABELLED = ROOT / "data" / "questions" / "abstention_responses.jsonl"

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
    r"\banswer[*_]*\s*(?:is\b|would\s+be\b|must\s+be\b|should\s+be\b|comes\s+to\b|[:=])[\s:*_]*"
    r"|^\s*\#{4}\s*",
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)
_BOXED = re.compile(r"\\boxed\s*\{")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)*]*\s+|\n+")


def split_trace(text: str) -> tuple[str, str]:
    """Chain of thought and final part of a reply; there is none after a chain that never closes.

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

    Read after </think>: the last \boxed{...}; else what follows the last "####" or "answer is";
    else, in the last sentence with a number, the result of its sum or its last number; else a
    number word; else a last line of at most eight words. "" when there is none, as when the chain
    was cut off before it closed.
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
    """The last sum's result or last number, a number word or a short last line, or ""."""
    final = _plain(split_trace(text)[1])
    for sentence in reversed(_SENTENCE_END.split(final)):
        *_, result = sentence.rpartition("=")
        first = _NUMBER.search(result) if result != sentence else None
        numbers = [first] if first else list(_NUMBER.finditer(sentence))
        if numbers:
            return _digits(numbers[-1])
    words = [word for word in re.findall(r"[a-z]+", final.lower()) if word in _NUMBER_WORD]
    if words:
        return _NUMBER_WORD[words[-1]]
    lines = final.splitlines()
    return lines[-1].strip(" .*") if lines and len(lines[-1].split()) <= 8 else ""


def _plain(text: str) -> str:
    r"""Text without LaTeX and markdown around numbers: "\$1{,}200", "\frac{1}{2}", "**12**"."""
    text = re.sub(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = text.replace("{,}", ",").replace("\\$", "$")
    text = re.sub(r"\\[,;!: ]", "", text)
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1", text)
    return text.replace("**", "").replace("__", "")


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


def number(text: str) -> Fraction | None:
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


#: Ways to leave a question unanswered. Not "I didn't know": what was unknown at first may be known.
_DECLINES = (
    # not knowing, not telling
    r"\b(?:I|we|you|one)(?: \w+)? (?:don't|do not|can't|cannot|can not|couldn't|could not|(?:am|are"
    r"|is) unable to"
    r"|(?:am|are|is) not able to|'m not able to|'m unable to)(?: \w+){0,2}? (?:know|tell|say"
    r"|determine|answer|compute"
    r"|calculate|work|figure|find|conclude|solve|decide|give|put|predict|infer|verify|provide|learn"
    r"|look up|be sure)\b",
    r"\bI'm (?:not able|unable) to\b",
    r"(?:^|[.!?:;,]\s+)(?:can't|cannot|can not|couldn't) (?:\w+ )?(?:tell|say|know|determine"
    r"|answer)\b",
    r"\bno (?:way|means) (?:to|of|that)\b|\bno telling\b|\bno (?:\w+ ){0,2}(?:answer|number|figure"
    r"|basis)\b",
    r"\b(?:have|has|with) no (?:\w+ )?(?:idea|clue|information|data|record|knowledge|way|access)\b",
    r"\b(?:nobody|no one|no-one) (?:can |could )?(?:\w+ )?(?:knows?|says?|tells?)\b(?! better)",
    r"\b(?:can't|cannot|can not|couldn't|could not) (?:\w+ )?be (?:\w+ )?(?:determined|answered"
    r"|known|calculated|computed"
    r"|solved|found|told|worked out|said|established|inferred|decided|settled|predicted)\b",
    r"\b(?:impossible|not possible|hard|difficult) to (?:say|tell|know|determine|answer|calculate"
    r"|compute|work|give|decide)\b",
    r"\b(?:is|are|remains?|stays?) (?:\w+ )?(?:unknown|undetermined|unclear|uncertain|unspecified"
    r"|undefined|open)\b",
    r"\b(?:isn't|is not|aren't|are not|wasn't|never|not) (?:\w+ )?(?:told|given|stated|mentioned"
    r"|specified|provided|said"
    r"|known|defined|clear|recorded|measured)\b",
    r"\bunanswerable\b|\banyone's guess\b|\blost to history\b|\brather not\b|\b(?:don't"
    r"|do not) want to (?:say|state|give|guess)\b",
    # what is missing
    r"(?:\bnot|n't) (?:enough|sufficient)\b|\b(?:insufficient|too little|lacks?|lacking|missing"
    r"|incomplete)\b",
    r"\b(?:doesn't|does not|don't|do not|didn't|did not|never) (?:\w+ )?(?:says?|tells?|mentions?"
    r"|states?|specify|specifies"
    r"|gives?|provides?|includes?|contains?|indicates?|appears?|settle)\b",
    r"\bsays nothing about\b|\b(?:there is|there's) nothing\b|\bnothing (?:\w+ ){0,3}(?:favours"
    r"|favors|settles|says|tells)\b",
    r"\b(?:need|needs|have|has) to know\b(?<!n't need to know)|\bneed (?:\w+ )?more (?:information"
    r"|context|details?)\b",
    r"\b(?:story|text|problem|question|passage) (?:has|contains) no\b",
    # several readings
    r"\bambiguous\b|\btwo (?:readings|meanings)\b|\b(?:could|might|may|can) (?:be|mean"
    r"|refer to) (?:either|both|\w+ or)\b",
    r"\bif\b[^.?!\n=]*\d[^.?!\n=]*\bif\b[^.?!\n=]*\d",
    r"\bdepends\b",
    r"\b(?:where|with|without) [b-hj-z]\b",
    # asking back
    r"\byou (?:\w+ )?(?:mean|meant|refer|referring|asking|talking|thinking"
    r"|have in mind)\b[^.]{0,100}\?",
    r"\b(?:could|can|would|will) you (?:please )?(?:clarify|specify|tell|provide|share|be more|give"
    r"|say|check)\b",
    r"\bplease (?:clarify|specify|provide|share|tell|give|let me know)\b",
    r"\?[\"')]*\s*\Z",
    r"\A[^.!?]*\?\s+if you\b",
    # taste
    r"\b(?:matter|question) of (?:\w+ )?(?:taste|opinion|preference|perspective|judge?ment)\b",
    r"(?:\bno|(?:\bnot|n't) (?:a|one)) (?:\w+ )?(?:right|correct|best|better|objectively|definitive"
    r"|universal|single"
    r"|true|magic|consensus)\b|\bno fact of the matter\b|\bneither is better\b",
    r"\b(?:is|are|it's|that's) (?:\w+ ){0,2}(?:subjective|personal)\b|\beye of the beholder\b",
    r"\b(?:up to|for) \w+ to (?:decide|say|judge)\b|\b(?:up to|as you|as (?:he|she|they)) (?:you"
    r"|likes?)\b",
    r"\b(?:no|don't have|do not have|none of) (?:\w+ ){0,2}(?:preferences?|opinions?|my own)\b"
    r"|\bpeople (?:\w+ )?differ\b",
    r"\bdisagree\b",
    # an untrue or impossible premise
    r"\bimpossible\b(?! to)|\bcontradict\w*|(?:\bmakes? no|\bnot make|n't make) sense\b"
    r"|\binconsistent\b",
    r"\bpremise\b|\bmisunderstanding\b|\bmisconception\b|\bmyth\b|\bassumes something\b",
    r"\b(?:can't|cannot|can not|couldn't|could not|isn't possible|is not possible)"
    r" (?:\w+ )?(?:have|happen|lose|lost|sell|sold|give|given|spend|spent|eat|eaten|be)\b",
    r"\b(?:there is|there's|there was|there were|there are) (?:no|never)\b"
    r"(?! (?:trick|need|doubt|problem|question|issue|change|difference|more)\b)",
    r"\bnever (?!mind\b|ending\b)\w+|\b(?:did not|didn't)(?! (?:know|matter|change|grow|count)\b)",
    r"\bonly (?:ever )?(?:received|won|got|had) (?:a single|one)\b|\bjust the one\b",
)
#: Ways to say that an answer may be old: they decline only when none stands before them.
_CAVEATS = (
    r"\breal[- ]time\b|\bup[- ]to[- ]date\b|\b(?:live|current) (?:\w+ )?(?:prices?|information|data"
    r"|access)\b",
    r"\b(?:knowledge|training)(?: data)? (?:cut-?off|stops|ends|ended|only goes)\b"
    r"|\bmy training ended\b",
    r"\b(?:may|might|could) (?:well )?(?:have changed|be (?:out of date|outdated|old))\b"
    r"|\bout of date\b",
)
_DECLINE = re.compile("|".join(_DECLINES), re.IGNORECASE)
_CAVEAT = re.compile("|".join(_CAVEATS), re.IGNORECASE)

_ONE_VALUE = rf"[$€£]?(?:-?\d[\d,.]*|\b(?:{'|'.join(_NUMBER_WORD)})\b)"
#: A turn back to an answer, anywhere after a decline: a word that announces a value, or a choice.
_TURNS = re.compile(
    r"\b(?:but|however|still|so|therefore|thus|hence|probably|likely|presumably|guess|guessing"
    r"|estimates?|estimated|say"
    r"|go with|think|believe|suppose|assume|assuming|about|around|roughly|approximately|somewhere"
    r"|answer)\b"
    rf"[^?]{{0,100}}{_ONE_VALUE}"
    r"|\b(?:I'd|I would|I'll|I will) (?:say|guess|recommend|choose|pick|go|take)\b|\bI (?:lean"
    r"|choose|pick|vote|believe)\b"
    r"|\bmy (?:vote|choice|pick|best guess|guess)\b|\bforce me\b|\bassuming\b|\b(?:most"
    r"|more) likely\b|\bI take it\b"
    rf"|= ?{_ONE_VALUE}|: {_ONE_VALUE}(?: [\w']+){{0,2}}\W*\Z",
    re.IGNORECASE,
)
#: A sentence of its own that states a value: short, or ending in one.
_STATES = re.compile(
    rf"\A\W*(?:[\w']+ ){{0,5}}(?:has|have|had|owns|makes|gets|is|are|with) (?:now "
    rf"|got )?{_ONE_VALUE}(?: [\w']+){{0,4}}\W*\Z"
    rf"|\b(?:is|are|gives|makes) {_ONE_VALUE}(?: [\w']+){{0,2}}\W*\Z"
    rf"|\A\W*{_ONE_VALUE}(?: [\w']+){{0,4}}\W*\Z",
    re.IGNORECASE,
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|whether|suppose|(?<!I )would|could|might|for example|e\.g|between)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[.!?][\"')*]*\s+|[;\n]\s*")
#: An answer has been given already when a caveat opens a new sentence or turns on one.
_ANSWER_BEFORE = re.compile(r"\w[.!]\s|\b(?:but|though|although)\b", re.IGNORECASE)


def abstained(text: str) -> bool:
    """Whether a reply leaves the question unanswered, by rules on its final part (after </think>).

    It declines, asks back or corrects a premise, and does not settle on an answer after that. The
    rules are for English; how often they agree with a person is measured on `labelled_responses()`.
    An empty final part is no abstention: it is no answer.
    """
    final = _plain(split_trace(text)[1]).replace("’", "'")
    declines = list(_DECLINE.finditer(final))
    if not declines:
        caveats = _CAVEAT.finditer(final)
        declines = [m for m in caveats if not _ANSWER_BEFORE.search(final[: m.start()])]
    if not declines:
        return False
    same, *later = _CLAUSE_END.split(final[declines[-1].end() :])
    settles = [same] if _TURNS.search(same) else []
    settles += [clause for clause in later if _TURNS.search(clause) or _STATES.search(clause)]
    return all(_HYPOTHETICAL.search(clause) for clause in settles)


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
    right = accepted(item, answer)
    if not right and not completion.truncated and not _stated_answer(text):
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
    from helpers.lm.generation import generate  # torch is loaded only where a model judges

    prompt = JUDGE_PROMPT.format(question=question, response=split_trace(response)[1] or "(empty)")
    text = generate(lm, [lm.prompt(prompt)], max_new_tokens)[0].text
    verdict = re.search(r"\b(yes|no)\b", split_trace(text)[1], re.IGNORECASE)
    if not verdict:
        raise ValueError(
            f"Judge {lm.name} said {text.strip()[:60]!r} where yes or no was asked:"
            " use a stronger model as judge."
        )
    return verdict[1].lower() == "yes"


def labelled_responses() -> pd.DataFrame:
    """The hand-labelled replies that measure the rules, one a row: see data/questions/README.md."""
    return pd.read_json(LABELLED, lines=True)
