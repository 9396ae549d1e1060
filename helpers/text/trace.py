"""A reply taken apart: its chain of thought, its final part, and that part as plain text."""

from __future__ import annotations

import re

OPEN, CLOSE = "<think>", "</think>"

#: A turn that a reply makes up after its own: a control token, or the name of whoever asks.
_CONTROL_TURN = re.compile(
    r"<\|im_start\|>\s*user|<\|start_header_id\|>\s*user|<\|user\|>|<start_of_turn>\s*user|\[INST\]"
)
_TURN = re.compile(
    r"(?:^|(?<=[.!?\d}>])[ \t]+)[ \t]*(?:[#*_>-]+[ \t]*)?"
    r"(?:(?:new|next|another)[ \t]+)?"
    r"(?:question|q|problem|exercise|human|user|instruction)"
    r"[ \t]*\d*[ \t]*[*_]*[ \t]*[:.)](?![\d/])"
    r"|^\#+[ \t]*(?:(?:new|next|another)[ \t]+)?(?:question|problem|instruction)[ \t]*\d*[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
#: What only says a question again: "Let me restate the problem first."
_RESTATES = re.compile(
    r"\b(?:question|problem|restat\w+|rephras\w+|repeat\w*)\b[^\d]{0,60}\Z", re.IGNORECASE
)
_ESCAPED_SPACE = re.compile(r"\\[,;:! ]|~(?=\d)")
_FRACTION = re.compile(
    r"(?P<whole>\d+)?\s*\\[cdts]?frac\s*(?:\{\s*(?P<above>[-−]?\d+)\s*\}|(?P<a>\d))\s*"
    r"(?:\{\s*(?P<below>[1-9]\d*)\s*\}|(?P<b>[1-9]))"
)
_LATEX_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf|mathbf|mathit|textit|emph)\s*\{([^{}]*)\}")
_NO_APOSTROPHE = re.compile(
    r"\b(do|does|did|is|are|was|were|ca|could|would|should|has|have)nt\b", re.IGNORECASE
)
_QUOTES = str.maketrans("’‘´`", "''''")


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


def final_part(text: str) -> str:
    """What a reply says itself: after its chain, and up to a new question that it makes up.

    A reply that begins by saying its question again hasn't turned to a new one.
    """
    if turn := _CONTROL_TURN.search(text):
        text = text[: turn.start()]
    final = split_trace(text)[1]
    for turn in _TURN.finditer(final):
        before = final[: turn.start()].strip(" \n#*_>-")
        if before and not before.endswith(":") and not _RESTATES.search(before):
            return final[: turn.start()].rstrip()
    return final


def plain(text: str) -> str:
    r"""Text without LaTeX and markdown around numbers: "\$1{,}200", "2\frac{1}{2}", "**12**"."""
    if "\\" in text or "{,}" in text:
        text = _ESCAPED_SPACE.sub(_space, text.replace("{,}", ",")).replace("\\$", "$")
        text = text.replace("\\%", "%").replace("\\times", "×").replace("\\cdot", "·")
        text = text.replace("\\approx", "≈")
        text = re.sub(r"\\q?quad\b", " ", text)
        text = _LATEX_TEXT.sub(r" \1 ", _FRACTION.sub(_fraction, text))
    text = re.sub(r"(?<!\d)\*\*|\*\*(?!\d)", "", text).replace("__", "")
    return re.sub(r"(?<!\w)[`*_]([^\s`*_](?:[^`*_\n]*[^\s`*_])?)[`*_](?!\w)", r"\1", text)


def flat(text: str) -> str:
    """Plain text as its words are read: one kind of apostrophe, one space between words."""
    text = re.sub(r"[ \t\u00a0]+", " ", plain(text).translate(_QUOTES)).strip()
    return _NO_APOSTROPHE.sub(r"\1n't", text)


def _space(match: re.Match) -> str:
    """A thin space between digits groups them; another one parts words."""
    return "" if match[0] in ("\\,", "\\!") else " "


def _fraction(match: re.Match) -> str:
    whole, above = match["whole"], match["above"] or match["a"]
    return f"{whole + ' ' if whole else ''}{above}/{match['below'] or match['b']}"
