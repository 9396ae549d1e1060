"""Where a step of a chain ends: sentences and lines of free text, with its lists and formulas.

Our own rules and no library: pysbd 0.3.4 splits displayed formulas, "5! = 120" and list numbers
that share a line, is a hundred times as slow, and its last release is of 2021.
"""

from __future__ import annotations

import re

#: Never the end of a sentence: what follows belongs to them.
_OPEN_ENDED = (
    "mr mrs ms mx dr prof rev hon st mt ft gen col capt lt sgt sen rep gov pres"
    " e.g i.e eg ie vs viz cf al approx ca no nos fig figs eq eqs vol ch sec pp ex resp"
).split()
#: The end of a sentence only before a new one, which begins with a capital.
_SHORT = (
    "etc jr sr inc ltd co corp dept est a.m p.m u.s u.k e.u ph.d b.c a.d oz lb lbs in yd hr hrs"
    " min mins max avg tsp tbsp jan feb mar apr jun jul aug sep sept oct nov dec"
    " mon tue tues wed thu thur thurs fri sat sun"
).split()
#: Words that begin a sentence after a single capital: "It is option B. So ..." but "J. Smith".
_STARTERS = (
    "a an and but each every finally first from he her his hence how i if in it its let next now or"
    " our she since so step that the then there therefore these they this thus to we what when"
    " which you"
).split()
_FORMULA = re.compile(
    r"\s*(\\\[.{,2000}?\\\]|\$\$.{,2000}?\$\$|\\begin\{(\w+\*?)\}.{,2000}?\\end\{\2\})(?P<after>\s*)",
    re.DOTALL,
)
_BARE = re.compile(r":[ \t]*\n\s*(?=[-+*/×÷=^().,\d\s$€£%]*=[-+*/×÷=^().,\d \t$€£%]*(?:\n|\Z))")
_NEAR = 60  # characters after a border that are looked at, and the longest mark of a list
_HELD = "\0"  # stands for a line break or space within a step
_CLOSERS = r"[\"'”’»)\]}*_`$」』”）】]|\\[)\]]"
_BORDER = re.compile(
    rf"(?P<end>[.!?।؟۔]+(?:{_CLOSERS})*)\s+|[。！？｡](?:{_CLOSERS})*\s*|\s*\n\s*"  # noqa: RUF001
)
_MARKER = re.compile(
    r"(?:[>#*_•‣▪◦·–—-]+\s*)*"  # noqa: RUF001
    r"(?:(?:step|part|case)\s+)?\(?(?:\d{1,3}|(?-i:[a-h]|[ivx]+))(?:[.)]|:(?!\d))[*_]*(?=\s|\Z)\s*",
    re.IGNORECASE,
)
_BULLET = re.compile(r"(?:[>*_•‣▪◦·–—-]+|#+)\s+")  # noqa: RUF001
_HEADING = re.compile(r"[#*_\s]*(?:step|part|case)\s+\d{1,3}[.:)]?[*_]*[:.]?[*_]*", re.IGNORECASE)


def steps_of(text: str) -> list[str]:
    """The sentences or lines of a chain; the same splitter for every arm.

    A list number or bullet, a heading such as "Step 1:" and a displayed formula belong to the step
    that they stand with, and the period of an abbreviation ends none.
    """
    steps: list[str] = []
    start, text = 0, _held(text)
    for border in [*_BORDER.finditer(text), None]:
        end = border.end() if border else len(text)
        step = text[start:end].strip()
        if border and not _ends(step, text[end : end + _NEAR], border, steps):
            continue
        start = end
        if not any(c.isalnum() for c in step) and steps:
            steps[-1] = f"{steps[-1]} {step}".strip()  # a rule or a lone mark is no step
        elif step:
            steps.append(step)
    return [re.sub(r" ?\0+ ?", " ", step).strip() for step in steps]


def unmarked(step: str) -> str:
    """A step without the list number or bullet that it begins with."""
    found = _MARKER.match(step) or _BULLET.match(step)
    return step[found.end() :] if found else step


def _held(text: str) -> str:
    """The text with every displayed formula held together, and to the sentence before it."""

    def one(match: re.Match) -> str:
        goes_on = re.match(r"[a-z,.;]|\\\[|\$\$|\\begin", text[match.end() :])
        border = "\n" if match["after"] else ""
        inside = re.sub(r"\s+", _HELD, match[1])
        return (_HELD if match.start() else "") + inside + (_HELD if goes_on else border)

    return _BARE.sub(f":{_HELD}", _FORMULA.sub(one, text))


def _ends(step: str, after: str, border: re.Match, before: list[str]) -> bool:
    """Whether a step ends here; before: the steps so far."""
    marker = len(step) < _NEAR and _MARKER.fullmatch(step)
    if marker and _counts_on(step, border, before):
        return False  # a list number alone
    if "\n" in border[0]:
        return len(step) > _NEAR or not _HEADING.fullmatch(step)
    if border["end"] is None:
        return True  # a full stop of Chinese or Japanese
    if not after or not re.match(r"[^\W_]|[\"'“‘«(\[{$*#_`•‣▪◦–—−-]|\\[(\[\w]", after):  # noqa: RUF001
        return not after  # no sentence begins with such a mark
    if re.match(r"[-–—−*]\s*\d|[-–—−]\s", after) and border["end"][:1] == "!":  # noqa: RUF001
        return False  # 5! - 3
    low = after[:1].islower()
    if low and border["end"][0] in "!?" or low and border["end"].startswith(".."):
        return False
    return border["end"][0] != "." or not _abbreviated(step, after)


def _counts_on(step: str, border: re.Match, before: list[str]) -> bool:
    """Whether a number alone is that of a list: it begins a line, or is the next one."""
    at = border.start() - len(step) + 1
    line = border.string[max(at - _NEAR, 0) : max(at, 0)].rstrip(" \t")
    if not line or line.endswith("\n"):
        return True
    numbers = [re.match(r"\W*(?:\w+\s+)?(\d{1,3})[.):]", one) for one in before[-20:]]
    own = re.search(r"\d+", step)
    return bool(own) and any(m and int(m[1]) + 1 == int(own[0]) for m in numbers)


def _abbreviated(step: str, after: str) -> bool:
    """Whether the period at the end of `step` is an abbreviation's, by the word after it."""
    found = re.search(r"(?<![\w.])((?:[^\W\d_]+\.)*[^\W\d_]+)\.[)\]]?\Z", step[-_NEAR:])
    if not found:
        return False
    word = found[1].lower()
    following = re.match(r"\W*(\w+)", after)
    first = following[1] if following else ""
    if word in _OPEN_ENDED:
        return word != "no" or first[:1].isdigit()  # "No. 5", but "Is it 5? No. It is 6."
    if word in _SHORT:
        return not first[:1].isupper() and word != "in" or word == "in" and first[:1].islower()
    initial = len(word) == 1 and found[1].isupper()
    return initial and first[:1].isupper() and first.lower() not in _STARTERS
