"""LaTeX that is more than a number in figures, read by math-verify."""

from __future__ import annotations

import logging
import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from helpers.text import numbers

LONGEST = 200
"""Longer texts are no answer, and slow to parse."""
#: A power of a power, or one as large: to work it out would take forever, and nothing stops it.
_ENDLESS = re.compile(r"\^\s*\{?[^{}]*\^|\^\s*\{?\s*-?\d{4,}|\d{4,}\s*!|!\s*!|\}\s*!")


def is_latex(text: str) -> bool:
    """Whether a text holds what only a parser of LaTeX reads."""
    return any(mark in text for mark in "\\^{")


@lru_cache(maxsize=4096)
def parsed(text: str) -> tuple[Any, ...]:
    """What math-verify reads in a text, () where that is nothing."""
    if len(text) > LONGEST or _ENDLESS.search(text):
        return ()
    # sympy takes a second to import, and most replies need none of it. math-verify's time-outs are
    # signals, which only a main thread can set; it logs each parse that it fails.
    from math_verify import LatexExtractionConfig, parse

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    read = parse(f"${text}$", [LatexExtractionConfig()], parsing_timeout=None)
    return tuple(read)


def rational(text: str) -> str:
    """The rational number that a LaTeX text is, as a bare number; "" when it is none."""
    for one in parsed(text):
        if getattr(one, "is_number", False):
            worked_out = one.doit()
            if worked_out.is_Float:
                return numbers.written(Fraction(str(worked_out)))
            if worked_out.is_Rational:
                return numbers.written(Fraction(int(worked_out.p), int(worked_out.q)))
    return ""


def same(a: str, b: str) -> bool:
    """Whether math-verify finds two LaTeX texts equal."""
    x, y = parsed(a), parsed(b)
    if not x or not y:
        return False
    from math_verify import verify

    return bool(verify(list(y), list(x), timeout_seconds=None))
