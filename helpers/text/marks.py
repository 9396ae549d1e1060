r"""What a reply marks as its answer: a \boxed{...}, <answer>, "####" or "the answer is"."""

from __future__ import annotations

import re
from functools import lru_cache

from helpers.text import latex, numbers
from helpers.text.numbers import CURRENCY, Number
from helpers.text.trace import final_part, plain

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|(?=[\d$-]))")
EMPTY_BOX = re.compile(r"\\boxed\s*\{\s*\}")
_TAG = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.IGNORECASE | re.DOTALL)
#: "#### 12": not a heading, which goes on below or counts a step
_HASHES = re.compile(r"(?:^|(?<=[.!?\s]))\#{4}[ \t]*\n?[ \t]*(?P<rest>[^\n#]+)", re.MULTILINE)
_HEADING = re.compile(r"\W*(?:step\b|final\b|answer\b|\d+[.)]\s+\D|[^\n]*:\s*\Z)", re.IGNORECASE)
#: "The answer is", "Final answer:", "**Answer:**", "The answer to this is therefore"
_MARKER = re.compile(
    r"(?<!\bof )(?<!\bof the )\b(?:answer"
    r"|ans\.?(?=\s*[:=]))(?P<many>s)?[*_]*(?:\s*\([^()\n]{0,40}\)[*_]*)?"
    r"(?:\s+(?:to|for|of)\b[^.:?!\n]{1,80}?)?,?"
    r"(?:\s*(?:\b(?:then|thus|therefore|so|hence|should|would|must|will|could),?\s+)*"
    r"(?:'s\b|\b(?:isn't|is|are|be|comes\s+to|equals)\b)|[*_]*\s*[:=])[\s:*_]*"
    r"|\b(?:final|correct|right)\s+answer\s+was\b[\s:*_]*"
    r"|^[#*_\s]*(?:the\s+)?(?:final\s+)?answer[*_\s]*$\s*",
    re.IGNORECASE | re.MULTILINE,
)
#: What is said of an answer instead of the answer.
_ABOUT = re.compile(
    r"(?:(?:also|indeed|really|therefore)\s+)?(?:correct|right|wrong|incorrect|reasonable|valid"
    r"|based|given|shown|below|above|consistent|confirmed|verified|found|in\s+the|as\s+expected"
    r"|the\s+same)\b[^\d]*\Z",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)*]*\s+|\n+")
REFERENCE = re.compile(r"(?<=[\w.,)]) ?\[\d{1,2}\]")
"""A number in brackets behind a word, "[1]": no value."""
_SPACED_SIGN = re.compile(r"\A([-−–])\s+(?=\d)")
_ABBREVIATION = re.compile(r"\b(approx|ca|vs|mr|mrs|dr|st|rs)\.(?=\s)", re.IGNORECASE)
_CORRECTS = (
    r"(?:no\s*[,.;:!—–-]|no,?\s+wait\b|wait\b|sorry\b|oops\b|actually\b|i\s+mean\b|or\s+rather\b"
    r"|rather,|make\s+that\b|correction\b|scratch\s+that\b|let\s+me\s+correct)"
)
_CORRECTED = re.compile(rf"[,;:?.!—–-]\s*\(?{_CORRECTS}", re.IGNORECASE)
_OPENS_CORRECTION = re.compile(rf"\W*{_CORRECTS}", re.IGNORECASE)
_DENIED = re.compile(
    r"(?:\bnot|\b(?:is|was|are|were)n't|\brather\s+than|\binstead\s+of)\s+(?:be\s+)?(?:\$|\()?\Z",
    re.IGNORECASE,
)
_OPERATOR = re.compile(
    r"\W{0,3}(?:[\w']+\s+){0,3}?(?:[-+*/×·=≈<]|plus\b|minus\b|times\b|divided\b)\s*[\d$(]"
)
_RESULT = re.compile(r"=|≈|\bwhich\s+(?:is|equals|gives|makes|comes\s+to)\b|\bequals\b", re.I)
_ALTERNATIVES = re.compile(
    r"\s*(?:,(?!\d{3}(?!\d)|\d\d,\d{3})|;|&|/(?=\s)|\\pm)\s*(?:or\s+|and\s+)?"
    r"|(?<=\d)(?:-|\s*–\s*)(?=[$€£]?\d)"
    r"|[,(]?\s*\b(?:or|and|to)\b\s*",
    re.IGNORECASE,
)
#: An expression that nobody worked out
_EXPRESSION = re.compile(r"[\d.\s()]*\d\s*[-+*×·/][\d.\s()+*×·/-]*\d[)\s.]*")
_VARIABLE = re.compile(r"(?<![\w.])\\?[a-z]\w{0,5}\s*=\s*(?=[^=]*\Z|[^=]*\b\w+\s*=)", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:[\s\"'*_:(\[]|about\b|approximately\b|approx\b|around\b|roughly\b|exactly\b|only\b|just\b"
    r"|still\b|now\b|simply\b|equal\s+to\b|indeed\b|therefore\b|that\b|either\b|between\b|from\b"
    r"|both\b|ca\b|≈|~|\\approx)*",
    re.IGNORECASE,
)
_UNITS = re.compile(
    r"\s*(?:[%°¢][CF]?)?(?:[\s-]*[^\W\d]+[.²³]?(?:/[^\W\d]+)?){0,3}\s*[.)!\]]*\s*\Z"
)
#: "18 cm^2", "10^15": powers that need no parser
_MEASURED = re.compile(r"[-−$\d., /]*\d(?:\s*[a-z]{1,7})*(?:\s*\^\s*\{?\d+\}?)?", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Za-z]")
#: "n - 5"; words may hold a hyphen
_LESS = re.compile(
    r"(?<![A-Za-z])[A-Za-z] ?[-−] ?(?:\d|[A-Za-z](?![A-Za-z]))|\d ?[-−] ?[A-Za-z](?![A-Za-z])"
)
_OPEN_FRACTION = re.compile(r"\\[cdt]?frac\s*\{[^{}]*\}?.*(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_TIMES_LETTER = re.compile(r"[-\d.,/ ]*\d ?([A-Za-z])")
#: A marked answer that opens so is none.
DECLINES_AT_ONCE = re.compile(
    r"\W*(?:(?:that|simply|currently|still|just|probably|likely)\s+)*(?:unknown|unclear|uncertain"
    r"|undetermin\w+|indetermin\w+|undefined|unspecified|unsolvable|unanswerable|ambiguous"
    r"|impossible|inconclusive|insufficient|missing|n/a\b|idk\b|not\s+(?!\$?\d)\w+"
    r"|(?:can't|cannot|couldn't|can\s+not|isn't|hasn't)\b|depend\w*\b|there\s+(?:is|are)\s+(?:no"
    r"|not)\b"
    r"|there\s+isn't\b|no\s+(?:idea|clue|answer|solution)\b"
    r"|(?:i|we|you|one|it)\s+(?:\w+\s+)?(?:don't|do\s+not|can't|cannot|depends|couldn't|need)\b)",
    re.IGNORECASE,
)


def stated(text: str) -> str:
    r"""The answer that a reply marks, or "": a bare number such as "1200", else a text.

    The last \boxed{...}, else the last <answer>, else the last "####", else the last "answer is" or
    "Answer:". Two answers where one is asked are a text, so that neither counts.
    """
    return marked(final_part(text))[0]


@lru_cache(maxsize=4096)
def marked(final: str) -> tuple[str, bool, str]:
    """The answer that a final part marks; whether its mark is one of any language (a box, a tag,
    "####"); and what stands after it.
    """
    for match in reversed(list(_BOX.finditer(final))):
        inside, end = _boxed(final, match)
        if inside.strip(" .$"):
            rest = final[: match.start()] + final[end:]
            return boxed_value(inside, rest), True, final[end:]
    for match in reversed(list(_TAG.finditer(final))):
        if match[1].strip():
            return value(plain(match[1]).strip()), True, final[match.end() :]
    for match in reversed(list(_HASHES.finditer(final))):
        rest, after = match["rest"], final[match.end() :]
        told = value(plain(rest))
        if not _HEADING.match(rest) and (numbers.find(told) or not after.strip()):
            return told, True, after
    text = _ABBREVIATION.sub(r"\1", plain(final))
    for match in reversed(list(_MARKER.finditer(text))):
        rest = text[match.end() :]
        if "\n" in match[0]:
            rest = re.sub(r"\A[-•]\s+", "", rest)
        told, after = _told(rest, denied=match[0].rstrip().endswith("n't"))
        if told:
            return told, False, after
    return "", False, ""


def _boxed(text: str, match: re.Match) -> tuple[str, int]:
    """What stands in a box, and where it ends; "" when it is not closed."""
    if not match[0].endswith("{"):
        bare = re.compile(r"\$?-?[\d.,]*\d").match(text, match.end())
        return (bare[0], bare.end()) if bare else ("", match.end())
    depth = 1
    for i in range(match.end(), len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if not depth:
            return text[match.end() : i], i + 1
    return "", len(text)


def boxed_value(inside: str, beside: str = "") -> str:
    """The answer in a box, which may be LaTeX that only math-verify reads; beside: the reply around
    it. A formula that leaves a quantity open is a text.
    """
    text = plain(inside).strip().strip("$").strip()
    text = re.sub(r"^\\[(\[]|\\[)\]]$|\\(?:left|right|displaystyle)\b|\^\s*\{?\\circ\}?", "", text)
    text = _SPACED_SIGN.sub(r"\1", text)
    if is_open(text, beside):
        return text
    if latex.is_latex(text) and not _MEASURED.fullmatch(text):
        found = latex.rational(text.rpartition("=")[2])
        return found or (text if latex.parsed(text) else value(text))
    return value(text)


def is_open(formula: str, beside: str = "") -> bool:
    r"""Whether a formula leaves a quantity open: "x + 5", "N × V", "2 × her age", "\frac{24}{n}".

    So does "3v", where v is a symbol in the reply beside it and no unit.
    """
    formula = formula.rpartition("=")[2].strip(" .$")
    parts = re.split(r"[+×*·]", formula)
    lettered = [part.strip() for part in parts if _LETTERS.search(part)]
    nameless = any(not re.search(r"\d", part) for part in lettered)
    # "2x + 4", but not "5 m + 3 m"
    mixed = len(lettered) < len(parts) and any(map(_TIMES_LETTER.fullmatch, lettered))
    summed = len(parts) > 1 and (nameless or mixed)
    if summed or _LESS.search(formula) or _OPEN_FRACTION.match(formula):
        return True
    times = _TIMES_LETTER.fullmatch(formula)
    return bool(times and _is_symbol(times[1], beside))


def _is_symbol(letter: str, text: str) -> bool:
    """Whether a letter stands for a quantity in a text."""
    alone = rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])"
    quoted = rf"(?:\\\(|[$\"'“‘]) ?{letter} ?(?:\\\)|[$\"'”’])"
    return bool(re.search(rf"{quoted}|{alone} ?=|= ?[-\d.]* ?{alone}", text))


def _told(rest: str, denied: bool) -> tuple[str, str]:
    """What is said after "answer is", and what stands after that; "" for what is no answer."""
    sentence, *later = SENTENCE_END.split(rest, maxsplit=1)
    after = later[0] if later else ""
    if not sentence.strip(" .*"):
        return "", ""
    if _ABOUT.match(sentence):
        return "", ""
    correction = SENTENCE_END.split(after, maxsplit=1)[0] if after else ""
    if denied:
        sentence = f"not {sentence}"
    told = value(sentence)
    asked = sentence.rstrip().endswith("?") or denied or told.startswith("not ")
    if correction and (_OPENS_CORRECTION.match(correction) or asked):
        if any(numbers.find(correction)) and not after.lstrip().endswith("?"):
            return value(_OPENS_CORRECTION.sub("", correction)), after
    return told, after


def value(text: str) -> str:
    """The number that a marked answer gives, after "=" where it is a sum; else its text.

    "not 20 but 18" and "20, no, 18" give 18; "18 or 20" gives two answers, and is a text.
    """
    text = text.strip()
    if parts := _CORRECTED.split(text):
        text = next((part for part in reversed(parts) if numbers.find(part)), text)
    text = _SPACED_SIGN.sub(r"\1", text)
    if DECLINES_AT_ONCE.match(text.replace("’", "'")):
        return text.strip(" .*:")
    if several(text):
        return text.strip(" .*:()[]$")
    if _EXPRESSION.fullmatch(text) and len(numbers.find(text)) > 1:
        sum_ = text.strip(" .").replace("×", "*").replace("·", "*")
        return latex.rational(sum_.replace("*", r"\times ")) or text
    found = said(text, numbers.find(text))
    if not found:
        return text.strip(" .*:\"'()[]$`")
    opens = text[: found[0].start]
    if _LEAD.fullmatch(opens) and not _OPERATOR.match(text[found[0].end :]):
        return found[0].bare
    if re.fullmatch(r"[^=]*\d[^=]*", opens) is None and re.match(
        r"\s*=\s*[^=]*[-+*/×][^=]*\Z", text[found[0].end :]
    ):
        return found[0].bare
    results = [match.end() for match in _RESULT.finditer(text)]
    behind = [one for one in found if results and one.start >= results[-1]]
    return (behind or found)[0].bare


def said(text: str, found: list[Number]) -> list[Number]:
    """The numbers of a text without those that it denies: "not 20", "instead of 20"."""
    return [one for one in found if not _DENIED.search(text[max(0, one.start - 14) : one.start])]


def several(text: str) -> bool:
    """Whether a text is a list, a range or a choice of two or more values: "18 or 20"."""
    text = _VARIABLE.sub("", text.strip(" .()[]$"))
    parts = [part for part in _ALTERNATIVES.split(text) if part and part.strip()]
    if len(parts) < 2:
        return False
    return all(_is_value(part) for part in parts)


def _is_value(part: str) -> bool:
    """Whether a text is one number, with currency before and a unit behind."""
    part = part.strip(" $")
    lead = re.match(rf"(?:{_LEAD.pattern})(?:{CURRENCY})?", part, re.IGNORECASE)
    found = numbers.find(part)
    return (
        len(found) == 1
        and found[0].start <= lead.end()
        and bool(_UNITS.match(part[found[0].end :]))
    )
