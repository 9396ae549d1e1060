"""Where a reply ends: the tokens that end it, and the one that pads, which never hides an end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.lm.models import LM


def end_tokens(lm: LM) -> set[int]:
    """Ids that end a reply: the tokenizer's, and those of the model's generation settings."""
    ends = lm.model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    return {i for i in [*ends, lm.tokenizer.eos_token_id] if i is not None}


def end_at_the_turn(lm: LM) -> None:
    """Let a model end its reply with the token by which its chat template closes a turn: the
    settings of base models, such as Qwen2.5-Math, leave it out.
    """
    tokenizer, ends = lm.tokenizer, end_tokens(lm)
    if not tokenizer.chat_template:
        return
    name_end(lm)  # which the template may write
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    closing = tokenizer.apply_chat_template(turns, tokenize=False).rpartition("!")[2].strip()
    (token,) = tokenizer(closing, add_special_tokens=False)["input_ids"][:1] or [None]
    if token in tokenizer.added_tokens_decoder and token not in ends:
        lm.model.generation_config.eos_token_id = sorted({*ends, token})


def name_end(lm: LM) -> None:
    """Let a tokenizer that names no end token have that of the model's settings."""
    ends = sorted(end_tokens(lm))
    if lm.tokenizer.eos_token_id is None and ends:
        lm.tokenizer.eos_token = lm.tokenizer.convert_ids_to_tokens(ends[0])


def pad(lm: LM) -> None:
    """Give a tokenizer the end and pad tokens that it lacks, or that its model has no row for.

    Padding is masked wherever it stands, so that an end token may pad. Raises ValueError for a
    model that nothing ends: each of its replies would run to the limit.
    """
    tokenizer = lm.tokenizer
    if not end_tokens(lm):
        raise ValueError(
            f"Model '{lm.name}' names no token that ends a reply: set eos_token in its "
            "tokenizer_config.json, or eos_token_id in its generation_config.json."
        )
    name_end(lm)
    rows = lm.model.get_input_embeddings().num_embeddings
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= rows:
        tokenizer.pad_token = tokenizer.eos_token
