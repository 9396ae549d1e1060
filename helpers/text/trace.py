"""A reply taken apart: its chain of thought and its final part, and how its numbers are written."""

from __future__ import annotations

import re

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen twenty"
)
NUMBER_WORDS = {word: str(n) for n, word in enumerate(_WORDS.split())}
"""Number words up to twenty, with their digits."""


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


def plain(text: str) -> str:
    r"""Text without LaTeX and markdown around numbers: "\$1{,}200", "\frac{1}{2}", "**12**"."""
    text = re.sub(r"\\[dt]?frac\{(\d+)\}\{(\d+)\}", r"\1/\2", text)
    text = text.replace("{,}", ",").replace("\\$", "$")
    text = re.sub(r"\\[,;!: ]", "", text)
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r" \1", text)
    return text.replace("**", "").replace("__", "")
