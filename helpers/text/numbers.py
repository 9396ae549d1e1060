"""Numbers in words and figures: "1,00,000", "2 1/2", "-$3.50", "3 million", "thirty-five"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_ONES = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_POWERS = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "quadrillion": 15}
_SCALES = {
    **{name: 10**power for name, power in _POWERS.items()},
    **{"hundred": 100, "lakh": 10**5, "crore": 10**7, "dozen": 12},
}
_SHORT = {"k": 10**3, "m": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9}
_PARTS = {
    **{"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4},
    **{"fourth": 4, "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6},
    **{"eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10},
}
_VALUES = {
    "zero": 0,
    **{word: n for n, word in enumerate(_ONES + _TEENS, start=1)},
    **{word: 10 * n for n, word in enumerate(_TENS, start=2)},
}
_VULGAR = {
    **{"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5)},
    **{"⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8)},
    **{"⅝": (5, 8), "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10)},
}
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
LARGEST_POWER = 60
"""Powers of ten beyond this are texts: nobody's answer, and slow to compare."""

_MINUS = "[-−–‒]"  # hyphen, minus, en dash, figure dash
_SPACE = "[ \u00a0\u2007\u2009\u202f]"
CURRENCY = r"(?:\b(?:US|CA|AU|NZ|HK|A|C|S))?[$€£¥₹₩]\s?|\b(?:USD|EUR|GBP|INR|CAD|AUD|Rs\.?)\s?"
"""What may stand before an amount of money."""
# A minus after a digit, a letter or before a space is an operator or a dash, not a sign.
_FIGURES = re.compile(
    rf"""(?P<sign> (?<![\w.)]){_MINUS} | \b(?:minus|negative)\s+ )?
        (?: (?P<money> (?<![\w.]) (?:{CURRENCY}) (?P<inner>{_MINUS})? ) | (?<![\w.]) )
        (?: (?P<time> \d{{1,2}}:\d\d(?::\d\d)?(?!\d)(?:\s?[ap]\.?\s?m\b\.?)?
              | \d{{1,3}}:\d{{1,2}}(?!\d) )
          | (?P<vulgar> [{"".join(_VULGAR)}] )
          | (?P<digits> \d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?
              | \d{{1,2}}(?:,\d\d)+,\d{{3}}(?:\.\d+)?
              | \d{{1,3}}(?:{_SPACE}\d{{3}})+(?![\d/])(?:\.\d+)?
              | \d{{1,3}}(?:['’]\d{{3}})+(?:\.\d+)?
              | (?P<dotted> \d{{1,3}}(?:\.\d{{3}}){{2,}}(?:,\d+)?
                | \d{{1,3}}(?:\.\d{{3}})+,\d{{1,2}} )
              | \d+(?:\.\d+)? | \.\d+ )
            (?: \s?/\s?(?P<below>[1-9]\d*) )?
            (?![\d]|[.,]\d) )""",
    re.VERBOSE | re.IGNORECASE,
)
_MIXED = re.compile(rf"(?:{_SPACE}|\s+and\s+)(\d+)/([1-9]\d*)(?![\d/])")
_VULGAR_TAIL = re.compile(rf"(?:{_SPACE}|\s+and\s+)?([{''.join(_VULGAR)}])")
_HALF_TAIL = re.compile(r"\s+and\s+(?:a|one)[-\s]+(half|quarter|third)\b", re.IGNORECASE)
_POWER = re.compile(
    r"[eE](?P<e>[+-]?\d{1,3})(?!\w)"
    r"|\s?(?:×|x|\*|·|\\times|\\cdot)\s?10\s?"
    r"(?:(?:\^|\*\*)\s?[({]?(?P<ten>[-−+]?\d{1,3})[)}]?|(?P<raised>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))"
    r"|(?:\^|\*\*)\s?[({]?(?P<power>\d{1,3})[)}]?|(?P<high>[⁰¹²³⁴⁵⁶⁷⁸⁹]+)"
)
_SCALE_TAIL = re.compile(rf"[\s-]?({'|'.join(_SCALES)})\b|(mn|bn|[kKMB])(?!\w)")
_MONEY_TAIL = re.compile(r"\s?([mb])(?!\w)")

_ANY_ONE = "|".join(_ONES)
_BELOW_100 = rf"(?:(?:{'|'.join(_TENS)})(?:[-\s]+(?:{_ANY_ONE})\b)?|{'|'.join(_TEENS)}|{_ANY_ONE})"
_BELOW_1000 = (
    rf"(?:(?:an?|{_BELOW_100})[-\s]+hundred\b(?:[-\s]+(?:and[-\s]+)?{_BELOW_100}\b)?"
    rf"|{_BELOW_100}\b)"
)
_BIG = rf"(?:an?|{_BELOW_1000})[-\s]+(?:{'|'.join(_POWERS)}|lakh|crore)\b"
_WORDS = re.compile(
    rf"""(?P<sign>\b(?:minus|negative)\s+)?\b(?:
        (?P<halfdozen>half\s+a\s+dozen\b)
      | (?:an?|(?P<dozens>{_BELOW_1000}))\s+(?P<dozen>dozen\b)
      | (?P<above>an?|{_ANY_ONE})[-\s]+(?P<part>{"|".join(_PARTS)})\b
      | (?P<whole>{_BIG}(?:,?\s+(?:and\s+)?{_BIG})*(?:,?\s+(?:and\s+)?{_BELOW_1000})?
          | {_BELOW_1000}
          | zero\b)
        (?:\s+and\s+(?:(?:an?|(?P<plus>{_ANY_ONE}))[-\s]+(?P<plus_part>{"|".join(_PARTS)})\b)
          (?:\s+(?P<plus_scale>{"|".join(_POWERS)})\b)?
        | \s+point(?P<point>(?:\s+(?:zero|{_ANY_ONE})\b)+) )?
      | (?P<half>half\b) )""",
    re.VERBOSE | re.IGNORECASE,
)
#: Words after which "one" is a pronoun, and words that make it one.
_NO_COUNT_BEFORE = re.compile(
    r"\b(?:this|that|the|these|those|which|each|every|any|no|some|another|other|last|first|second"
    r"|next|only one|right|wrong|good|better|best|hard|tricky|tough|easy|new|big|small|old|on|for"
    r"|same|my|your|a)[\s-]+\Z",
    re.IGNORECASE,
)
_NO_COUNT_AFTER = re.compile(
    r"[\s-]+(?:of|that|which|who|can|cannot|can't|could|might|may|would|should|must|thing|day|needs"
    r"|has|is|day|way|possible|another|or|by|at|the|as|an?|to|side|cannot)\b",
    re.IGNORECASE,
)
_COUNTS_BEFORE = re.compile(
    r"(?:\A|[:=(\"'*\n]|\b(?:is|are|was|were|be|has|have|had|gets?|got|gives?|leaves?|left|makes?"
    r"|made|takes?|equals?|only|just|exactly|about|around|roughly|approximately|than|answer|with"
    r"|need|needs|say|says|and|or|but|not|into))\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Number:
    """A number in a text; value: None where it is a time or a ratio; bare: how it is written bare,
    "1200.50" or "-3/4".
    """

    start: int
    end: int
    value: Fraction | None
    bare: str
    in_words: bool = False


def find(text: str) -> list[Number]:
    """The numbers of a text, in figures and in words, in their order."""
    figures = in_figures(text)
    taken = [(one.start, one.end) for one in figures]
    words = [
        one for one in in_words(text) if not any(a < one.end and one.start < b for a, b in taken)
    ]
    return sorted([*figures, *words], key=lambda one: one.start)


def in_figures(text: str) -> list[Number]:
    """The numbers of a text that are written in figures."""
    found, at = [], 0
    while match := _FIGURES.search(text, at):
        one = _figure(text, match)
        found.append(one)
        at = max(one.end, at + 1)
    return found


def in_words(text: str) -> list[Number]:
    """The numbers of a text that are written in words; not the pronoun "one"."""
    found = []
    for match in _WORDS.finditer(text):
        alone = match[0].lower() in ("one", "half")
        if alone and not _counts(text, match):
            continue
        value = _word_value(match)
        value = -value if match["sign"] else value
        found.append(Number(match.start(), match.end(), value, written(value), in_words=True))
    return found


def written(value: Fraction) -> str:
    """A value as a bare number: whole or with decimals where they end, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{value.numerator}/{value.denominator}"


def _counts(text: str, match: re.Match) -> bool:
    """Whether "one" or "half" is a count: "she has one", not "this one" or "one of them"."""
    before, after = text[max(0, match.start() - 20) : match.start()], text[match.end() :]
    if _NO_COUNT_BEFORE.search(before) or _NO_COUNT_AFTER.match(after):
        return False
    return bool(_COUNTS_BEFORE.search(before))


def _figure(text: str, match: re.Match) -> Number:
    """A number in figures, with what belongs to it behind: "1/2", "× 10^3", "million"."""
    if match["time"]:
        return Number(match.start(), match.end(), None, match["time"])
    sign = -1 if match["sign"] or match["inner"] else 1
    minus = "-" if sign < 0 else ""
    end = match.end()
    if match["vulgar"]:
        value = Fraction(*_VULGAR[match["vulgar"]])
        bare = written(value)
    else:
        bare = _digits(match)
        above, _, below = bare.partition("/")
        value = Fraction(above) / int(below or 1)
        if not below:
            for tail in (_mixed, _power):
                more, to = tail(text, end, value)
                if to > end:
                    value, end, bare = more, to, _decimal(more)
                    break
    scale = _SCALE_TAIL.match(text, end) or (match["money"] and _MONEY_TAIL.match(text, end))
    # "240/12 = 20 dozen": a result in dozens
    if scale and not (scale[0].endswith("dozen") and text[: match.start()].rstrip().endswith("=")):
        name = (scale[1] or scale[2]).lower()
        value *= _SCALES.get(name) or _SHORT[name]
        end, bare = scale.end(), _decimal(value)
    return Number(match.start(), end, sign * value, minus + bare)


def _digits(match: re.Match) -> str:
    """The digits of a match, without what groups them, and what they are over."""
    digits = match["digits"]
    if match["dotted"]:
        digits = digits.replace(".", "").replace(",", ".")
    below = f"/{match['below']}" if match["below"] else ""
    return re.sub(rf"[,'’]|{_SPACE}", "", digits) + below


def _mixed(text: str, end: int, value: Fraction) -> tuple[Fraction, int]:
    """A whole number with a proper fraction behind it, and where that ends."""
    if value.denominator == 1:
        if (tail := _MIXED.match(text, end)) and int(tail[1]) < int(tail[2]):
            return value + Fraction(int(tail[1]), int(tail[2])), tail.end()
        if tail := _VULGAR_TAIL.match(text, end):
            return value + Fraction(*_VULGAR[tail[1]]), tail.end()
        if tail := _HALF_TAIL.match(text, end):
            return value + Fraction(1, _PARTS[tail[1].lower()]), tail.end()
    return value, end


def _power(text: str, end: int, value: Fraction) -> tuple[Fraction, int]:
    """A number times a power of ten, or to a power, and where that ends."""
    if tail := _POWER.match(text, end):
        tens = tail["e"] or tail["ten"] or (tail["raised"] or "").translate(_RAISED)
        power = int((tens or tail["power"] or tail["high"].translate(_RAISED)).replace("−", "-"))
        if abs(power) <= LARGEST_POWER and value < 10**LARGEST_POWER:
            return value * Fraction(10) ** power if tens else value**power, tail.end()
    return value, end


def _decimal(value: Fraction) -> str:
    """A value as "2500000", "0.0015" where its decimals end, else as a fraction."""
    places = next((n for n in range(LARGEST_POWER) if (value * 10**n).denominator == 1), None)
    if not places or value.denominator in (2, 4, 8):
        return written(value)
    digits = str((value * 10**places).numerator).zfill(places + 1)
    return f"{digits[:-places]}.{digits[-places:]}"


def _word_value(match: re.Match) -> Fraction:
    """What number words say."""
    if match["halfdozen"]:
        return Fraction(6)
    if match["dozen"]:
        return Fraction(12 * (_counted(match["dozens"]) if match["dozens"] else 1))
    if match["half"]:
        return Fraction(1, 2)
    if match["part"]:
        above = _VALUES.get(match["above"].lower(), 1)
        return Fraction(above, _PARTS[match["part"].lower()])
    value = Fraction(_counted(match["whole"]))
    if match["plus_part"]:
        above = _VALUES.get((match["plus"] or "one").lower(), 1)
        value += Fraction(above, _PARTS[match["plus_part"].lower()])
        value *= _SCALES.get((match["plus_scale"] or "").lower(), 1)
    elif match["point"]:
        digits = "".join(str(_VALUES[word]) for word in match["point"].lower().split())
        value += Fraction(int(digits), 10 ** len(digits))
    return value


def _counted(words: str) -> int:
    """The value of number words: "two thousand one hundred and five" is 2105."""
    total = now = 0
    for word in re.findall(r"[a-z]+", words.lower()):
        if word == "hundred":
            now = (now or 1) * 100
        elif word in _SCALES:
            total, now = total + (now or 1) * _SCALES[word], 0
        else:
            now += _VALUES.get(word, 1 if word in ("a", "an") else 0)
    return total + now
