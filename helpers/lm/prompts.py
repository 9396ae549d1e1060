"""What is really sent: control tokens, and the border of prompt and reply in text and tokens."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from helpers.text.chains import CLOSE, OPEN

SWITCH = "enable_thinking"  # in the chat templates of models that think on request, as Qwen3's
NO_CHAIN = re.compile(rf"(?:{OPEN}\s*)?{CLOSE}\s*\Z")
"""How chat templates tell a model to answer without a chain."""
TAG = re.compile(r"<[|｜/]?\w+[|｜]?>|\[/?[A-Z_]+\]")  # noqa: RUF001
"""A mark of turns, as "<|user|>" and "[/INST]", that may be text to the tokenizer."""


def opens_chain(prompt: str) -> bool:
    """Whether a prompt ends by opening the chain of the reply, as some chat templates do."""
    return prompt.rstrip().endswith(OPEN)


def joined(prompt: str, reply: str, direct: bool = False) -> str:
    """A prompt with the beginning of its reply, apart by white space.

    Where the prompt opens a chain, a reply that opens one goes on in it, at the template's own
    border; before any other reply, and where `direct` asks for the answer, it is closed again.
    """
    opens = reply.startswith(OPEN)
    if opens:
        prompt = NO_CHAIN.sub("", prompt)
    if opens and opens_chain(prompt):
        reply = reply.removeprefix(OPEN).lstrip()
    elif opens_chain(prompt) and (reply or direct):
        prompt = f"{prompt.rstrip()}\n\n{CLOSE}\n\n"
    return prompt + (" " if reply and not prompt[-1:].isspace() else "") + reply


def control(tokenizer: Any) -> re.Pattern[str]:
    """What a model takes for control: its tokenizer's own tokens in angle or square brackets, the
    tags of its chat template, and those of a chain.
    """
    marks = {OPEN, CLOSE, *tokenizer.all_special_tokens}
    marks |= {str(token) for token in tokenizer.added_tokens_decoder.values()}
    marks |= set(TAG.findall(str(tokenizer.chat_template)))
    tags = sorted((m for m in marks if m[:1] in "<[" and len(m) > 2), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, tags)))


def tame(message: dict[str, str], marks: re.Pattern[str]) -> dict[str, str]:
    """A message in which no mark of control is left: each is broken by a space, so that no question
    can end its own turn. Replies keep theirs, which are the model's own.
    """
    if message["role"] == "assistant":
        return message
    content = message["content"]
    while (tamed := marks.sub(lambda m: f"{m[0][0]} {m[0][1:]}", content)) != content:
        content = tamed
    return message | {"content": content}


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """The tokens of a text alone, without any that begin or end a sequence."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def ids_behind(tokenizer: Any, head: str, text: str) -> list[int]:
    """The tokens of a text as they follow those of `head`: of both together wherever no token spans
    their border, since alone some tokenizers mark the text's beginning as a new word's.
    """
    own, whole = ids_of(tokenizer, head), ids_of(tokenizer, head + text)
    aligned = len(whole) > len(own) and whole[: len(own)] == own
    return whole[len(own) :] if aligned else ids_of(tokenizer, text)


@functools.lru_cache(maxsize=2**14)
def ids_after(tokenizer: Any, context: str, answer: str) -> tuple[int, ...]:
    """The tokens of an answer after a context, whose last spaces go to the answer. The numbers that
    every story can end in are asked for again and again.
    """
    head = context.rstrip(" ")
    return tuple(ids_behind(tokenizer, head, context[len(head) :] + answer))


def tail(text: str) -> str:
    """The last word of a context with the white space after it: no token that follows depends on
    more, and what contexts share in it is tokenized once.
    """
    return re.search(r"\S*\s*\Z", text)[0]


def spoken(tokenizer: Any, answers: Sequence[str]) -> list[tuple[int, ...]]:
    """The tokens of answers as they follow a word and a space; the word is the answer itself."""
    return [ids_after(tokenizer, f"{answer} ", answer) for answer in answers]


def refuse_unless_it_chats(name: str, folder: Path) -> None:
    """Raises ValueError, in one sentence with the remedy, for a model that can't be asked: one that
    is no causal language model, or whose tokenizer has no chat template.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as known

    found = [name for one in known.values() for name in ([one] if type(one) is str else one)]
    # of those that see or hear as well, Gemma's are asked in text like any other
    names = {name for name in found if "Conditional" not in name or name.startswith("Gemma")}
    kinds = json.loads((folder / "config.json").read_text("utf-8")).get("architectures") or []
    if kinds and not {*kinds} & names:
        raise ValueError(
            f"Model '{name}' is of another kind ({', '.join(kinds)}) than the causal language "
            "models that transformers loads here: give one that was tuned to chat, such as smollm2."
        )
    settings = folder / "tokenizer_config.json"
    about = json.loads(settings.read_text("utf-8")) if settings.is_file() else {}
    if not about.get("chat_template") and not (folder / "chat_template.jinja").is_file():
        raise ValueError(
            f"Model '{name}' has no chat template, so it can't be asked: give its instruct or chat "
            "version, or a folder with its files and a chat_template.jinja."
        )


def refuse_unless_it_reads(
    name: str, folder: Path, source: str, asked: Iterable[tuple[int, str]]
) -> None:
    """Raises ValueError, in one sentence with the remedy, for questions with words that a model's
    tokenizer has no token for, or longer than what it can read.

    asked: the questions of a source, with their line numbers.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    most = config.get("max_position_embeddings") or math.inf
    strange: dict[int, list[str]] = {}
    lines = list(asked)
    for line, text in lines:
        n = len(tokenizer(text, add_special_tokens=False)["input_ids"])
        if n > most:
            raise ValueError(
                f"{source}, line {line}: {n} tokens, and '{name}' reads at most {most}: shorten "
                "the question or give another model."
            )
        if words := unknown_words(tokenizer, text):
            strange[line] = words
    if strange:
        line, words = next(iter(strange.items()))
        raise ValueError(
            f"{source}, line {line}: '{name}' does not know {told(words)}; {len(strange)} of "
            f"{len(lines)} questions have such words, in whose place it reads a blank: give a "
            "model of the language at large, such as --model smollm2."
        )


def told(words: list[str], most: int = 5) -> str:
    """The first of some words, and how many more there are."""
    rest = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(map(repr, words[:most])) + rest


def unknown_words(tokenizer: Any, text: str) -> list[str]:
    """Words of a text that a tokenizer has no token for, each once."""
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return []
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = zip(read["input_ids"], read["offset_mapping"], strict=True)
    return list(dict.fromkeys(text[i:j] for token, (i, j) in spans if token == unknown))
