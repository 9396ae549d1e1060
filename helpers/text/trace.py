"""A reply taken apart: its chain of thought and its final part, and how its numbers are written."""

from __future__ import annotations

import re

OPEN, CLOSE = "<think>", "</think>"

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
NUMBER_WORDS = {word: str(n) for n, word in enumerate(_WORDS.split())}
"""Number words up to twenty, with their digits."""


def split_trace(text: str, opened: bool = False) -> tuple[str, str]:
    """Chain of thought and final part of a reply; there is none after a chain that never closes.

    The chain begins with the first <think>, or with the reply where a </think> comes before any,
    and goes to the last </think>. opened: the prompt had opened it, as some templates do, and
    `text` is without that tag; `generation.generate` puts it back.
    """
    text = OPEN + text if opened else text
    body, _, final = (text, "", "") if left_open(text) else text.rpartition(CLOSE)
    head, tag, chain = body.partition(OPEN)
    if not tag or CLOSE in head:
        chain = body
    return chain.replace(OPEN, "").replace(CLOSE, "").strip(), final.strip()


def left_open(text: str) -> bool:
    """Whether a reply ends within a chain that it opened, a second one after an answer too."""
    return text.rfind(OPEN) > text.rfind(CLOSE)


def plain(text: str) -> str:
    r"""Text without LaTeX and markdown around numbers: "\$1{,}200", "\frac{1}{2}", "**12**"."""
    text = re.sub(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = text.replace("{,}", ",").replace("\\$", "$")
    text = re.sub(r"\\[,;!: ]", "", text)
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1", text)
    return text.replace("**", "").replace("__", "")
