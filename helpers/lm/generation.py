"""Batched continuation of prompts: greedy, sampled item by item, in two passes, and branched."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix

import numpy as np
import pandas as pd
import torch
from transformers import DynamicCache

from helpers.lm.ends import end_tokens
from helpers.lm.models import LM
from helpers.lm.prompts import opens_chain
from helpers.show.widgets import progress
from helpers.text.chains import CLOSE, OPEN, with_opening

WITHOUT_TAGS = re.compile(r"\Athink\n(.*?)(\nanswer\n|\Z)", re.DOTALL)
"""A reply of s1.1 (simplescaling): the special tokens before both words are not decoded."""
MARKS = {
    OPEN: OPEN,
    CLOSE: CLOSE,
    "[THINK]": OPEN,  # Magistral
    "[/THINK]": CLOSE,
    "<|channel|>analysis<|message|>": OPEN,  # gpt-oss
    "<|end|><|start|>assistant<|channel|>final<|message|>": CLOSE,
    "<|channel>thought": OPEN,  # Gemma 4
    "<channel|>": CLOSE,
    "<|START_THINKING|>": OPEN,  # Cohere
    "<|END_THINKING|>": CLOSE,
}
"""How models mark their chains by special tokens, and what that is in a reply."""
_MARK = re.compile("|".join(map(re.escape, MARKS)))


@dataclass(frozen=True)
class Completion:
    """What a model wrote after a prompt, and before it the <think> with which its prompt ends, if
    it does: so a chain is read alike, whoever opened it. truncated: it had not finished within its
    tokens.
    """

    text: str
    n_tokens: int
    truncated: bool


@torch.inference_mode()
def generate(
    lm: LM,
    prompts: list[str],
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    batch_size: int = 64,
) -> list[Completion]:
    """Continue every prompt (text as `lm.prompt` gives it) until its end token, in batches.

    temperature 0 is greedy and equals `model.generate(do_sample=False)`. Above 0 each item has its
    own generator, seeded by `seed`, its text and how often that text came before: its sample
    depends neither on its neighbours nor on the batch size, and arms share their random numbers.
    """
    if max_new_tokens < 1 or temperature < 0 or not 0 < top_p <= 1 or batch_size < 1:
        raise ValueError(
            "generate needs max_new_tokens >= 1, temperature >= 0, 0 < top_p <= 1 and "
            f"batch_size >= 1; got {max_new_tokens}, {temperature}, {top_p}, {batch_size}."
        )
    if not prompts:
        return []
    encoded = lm.tokenizer(prompts, add_special_tokens=False)["input_ids"]
    if not all(encoded):
        raise ValueError(f"Prompt {encoded.index([])} is empty: it needs at least one token.")
    draws = None
    if temperature > 0:
        draws = np.stack(list(uniform_draws(prompts, max_new_tokens, seed)))
    ends = end_tokens(lm)
    written: list[list[int]] = [[] for _ in prompts]
    kin = sorted(families(encoded), key=lambda f: max(len(encoded[i]) for i in f[0]), reverse=True)
    batch_size = fitting(lm, max(map(len, encoded)) + max_new_tokens, batch_size)
    order = [i for members, _ in kin for i in members]
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    for batch in progress(batches, len(batches), f"{lm.name}: generating"):
        tokens = _decode(
            lm,
            [encoded[i] for i in batch],
            max_new_tokens,
            ends,
            temperature,
            top_p,
            None if draws is None else torch.from_numpy(draws[batch]),
        )
        for i, ids in zip(batch, tokens, strict=True):
            written[i] = ids
    return [
        Completion(reply_text(lm, prompt, ids), len(ids), ids[-1] not in ends)
        for prompt, ids in zip(prompts, written, strict=True)
    ]


@torch.inference_mode()
def sample(
    lm: LM, chats: list[list[dict[str, str]]], max_new_tokens: int
) -> tuple[list[list[int]], list[list[int]]]:
    """The token ids of every chat as a prompt, and of a reply to it at temperature 1, its end token
    included; drawn from torch's own random numbers, in one batch. For a model in training, which
    it is again afterwards.
    """
    prompts = [lm.tokenizer(lm.prompt(c), add_special_tokens=False)["input_ids"] for c in chats]
    draws = torch.rand(len(chats), max_new_tokens, dtype=torch.double)
    lm.model.eval()  # as gradient checkpointing, which keeps no cache, is for training alone
    replies = _decode(lm, prompts, max_new_tokens, end_tokens(lm), 1.0, 1.0, draws)
    lm.model.train()
    return prompts, replies


def reply_text(lm: LM, prompt: str, ids: Sequence[int]) -> str:
    """The text of new tokens after a prompt; see `Completion`. A chain's marks stay where they are
    special tokens, which decoding leaves out.
    """
    text, whole = (lm.tokenizer.decode(ids, skip_special_tokens=skip) for skip in (True, False))
    if len(_MARK.findall(whole)) > len(_MARK.findall(text)):
        text = _MARK.sub(lambda m: MARKS[m[0]], whole)
        for token in {*lm.tokenizer.all_special_tokens} - {OPEN, CLOSE}:
            text = text.replace(token, "")
    text = tagged(text).strip()
    return with_opening(OPEN, text) if opens_chain(prompt) else text


def tagged(text: str) -> str:
    """A reply with its chain between <think> and </think>, where a model marks it otherwise too."""
    return WITHOUT_TAGS.sub(lambda m: f"{OPEN}\n{m[1]}" + (f"\n{CLOSE}\n" if m[2] else ""), text)


def fitting(lm: LM, n_tokens: int, most: int) -> int:
    """How many rows of `n_tokens` tokens go through a model at a time, `most` at most: they take no
    more than half of a GPU's free memory. A row of a token holds its keys and values, and four
    vectors as wide as the feed-forward layer while a prompt is read.
    """
    if not lm.device.startswith("cuda"):
        return most
    config = lm.model.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    wide = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    numbers = 2 * config.num_hidden_layers * heads * width + 4 * wide
    size = n_tokens * numbers * getattr(torch, lm.dtype).itemsize
    kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # free, but for torch alone
    return max(1, min(most, (torch.cuda.mem_get_info()[0] + kept) // 2 // size))


def uniform_draws(prompts: list[str], n: int, seed: int) -> Iterator[np.ndarray]:
    """For each prompt the n uniform numbers that its sample is drawn with; repeats differ."""
    seen: Counter[str] = Counter()
    for prompt in prompts:
        key = f"{seed}\0{seen[prompt]}\0{prompt}"
        seen[prompt] += 1
        entropy = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
        yield np.random.default_rng(entropy).random(n)


def families(rows: list[list[int]]) -> list[tuple[list[int], int]]:
    """Which rows share at least the first half of the longer, and how many tokens they share, their
    last never among them: the turns of one dialogue, the branches of one question.
    """
    found: list[tuple[list[int], int]] = []
    for i in sorted(range(len(rows)), key=rows.__getitem__):
        members, shared = found[-1] if found else ([], 0)
        first = rows[members[0]] if members else []
        common = len(commonprefix([first, rows[i]]))
        if members and 2 * common >= max(len(first), len(rows[i])):
            found[-1] = [*members, i], min(shared, common, len(rows[i]) - 1)
        else:
            found.append(([i], len(rows[i]) - 1))
    return found


def left_padded(lm: LM, rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask, both [rows, longest], padded on the left."""
    length = max(map(len, rows))
    ids = torch.full((len(rows), length), lm.tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, length - len(row) :] = torch.tensor(row)
        mask[i, length - len(row) :] = 1
    return ids.to(lm.model.device), mask.to(lm.model.device)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position of every token, counted from its row's first real one."""
    return (mask.cumsum(-1) - 1).clamp(min=0)


def read(
    lm: LM, ids: torch.Tensor, mask: torch.Tensor, at: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """Let a model read tokens at their positions, after those in the cache, which then holds them
    too; returns the logits of each row's next token, [rows, vocabulary].
    """
    return lm.model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=at,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]


def _begin(lm, rows) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
    """What is read once for all rows that share it, the tokens still to read of each row, left
    padded, and the mask over both. A hook wants prompts whole: then nothing is read yet.
    """
    hooked = any(module._forward_hooks for module in lm.model.modules())
    kin = [([i], 0) for i in range(len(rows))] if hooked else families(rows)
    family = {i: n for n, (members, _) in enumerate(kin) for i in members}
    which = torch.tensor([family[i] for i in range(len(rows))], device=lm.model.device)
    cache = DynamicCache(config=lm.model.config)
    heads, seen = left_padded(lm, [rows[members[0]][:shared] for members, shared in kin])
    if heads.shape[1]:
        read(lm, heads, seen, positions(seen), cache)
        cache.batch_select_indices(which.cpu())  # layers may lie on several GPUs
    ids, mask = left_padded(lm, [row[kin[family[i]][1] :] for i, row in enumerate(rows)])
    return cache, ids, torch.cat([seen[which], mask], dim=1)


def _decode(
    lm, rows, max_new_tokens, stops, temperature, top_p, draws, begun=None, written=None
) -> list[list[int]]:
    """New token ids of each row, the stop token included; finished rows leave the batch.

    begun: the first token of each row, when it is not the model's to choose. written: [rows,
    max_new_tokens, 2], filled with p(top 1) and p(top 1) - p(top 2) at every new token.
    """
    cache, ids, mask = _begin(lm, rows)
    at = positions(mask)[:, -ids.shape[1] :]
    device = ids.device
    stop = torch.tensor(sorted(stops), device=device)
    alive = torch.arange(len(rows), device=device)  # the row that each line of the batch is
    new = torch.zeros((len(rows), max_new_tokens), dtype=torch.long, device=device)
    length = torch.full((len(rows),), max_new_tokens, device=device)
    for step in range(max_new_tokens):
        logits = read(lm, ids, mask, at, cache)
        if begun is not None and not step:
            token = torch.tensor(begun, device=device)
        elif draws is None:
            token = logits.argmax(-1)
        else:
            u = draws[alive.cpu(), step].to(device)
            token = pick(logits, u, temperature, top_p)
        if written is not None:
            top = logits.float().softmax(-1).topk(2).values
            written[alive, step] = torch.stack([top[:, 0], top[:, 0] - top[:, 1]], dim=1)
        new[alive, step] = token
        done = torch.isin(token, stop)
        if done.any():
            length[alive[done]] = step + 1
            keep = (~done).nonzero().squeeze(1)
            if not len(keep):
                break
            alive, token, mask, at = alive[keep], token[keep], mask[keep], at[keep]
            cache.batch_select_indices(keep.cpu())
        ids, at = token[:, None], at[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return [row[:n] for row, n in zip(new.tolist(), length.tolist(), strict=True)]


def pick(logits: torch.Tensor, u: torch.Tensor, temperature: float, top_p: float) -> torch.Tensor:
    """The token at quantile `u` of each row's tempered distribution, cut to its nucleus.

    logits: [rows, vocabulary]; u: [rows] in [0, 1). Nucleus: the smallest set of most probable
    tokens that holds `top_p` (Holtzman et al., arXiv 1904.09751).
    """
    p = (logits.double() / temperature).softmax(-1)
    order = None
    if top_p < 1:
        p, order = p.sort(dim=-1, descending=True)
        p = p.where(p.cumsum(-1) - p < top_p, 0.0)
    mass = p.cumsum(-1)
    index = torch.searchsorted(mass, u[:, None] * mass[:, -1:], right=True)
    index = index.clamp(max=p.shape[-1] - 1)
    return (index if order is None else order.gather(1, index)).squeeze(1)


@dataclass(frozen=True)
class Branch(Completion):
    """A greedy reply after one of the likeliest first tokens.

    ids: all its tokens, the end token included; probability: that of each of them; disparity:
    p(top 1) - p(top 2) where each of them was chosen; on the first token it is p(it) minus that of
    its strongest rival, and so negative but in the first branch.
    """

    ids: tuple[int, ...]
    probability: tuple[float, ...]
    disparity: tuple[float, ...]


@torch.inference_mode()
def branched(
    lm: LM, prompts: list[str], k: int, max_new_tokens: int, batch_size: int = 64
) -> list[list[Branch]]:
    """For every prompt the greedy replies after each of its k likeliest first tokens, likeliest
    first (Wang and Zhou, arXiv 2402.10200, section 2.2). Raises ValueError unless k >= 1 and
    max_new_tokens >= 2.
    """
    if k < 1 or max_new_tokens < 2:
        raise ValueError(
            f"branched needs k >= 1 and max_new_tokens >= 2; got {k} and {max_new_tokens}."
        )
    encoded = lm.tokenizer(prompts, add_special_tokens=False)["input_ids"]
    ends = end_tokens(lm)
    batch_size = fitting(lm, max(map(len, encoded), default=0) + max_new_tokens, batch_size)
    # prompt, first token, its p, its disparity; a lone branch finds its own on the way
    rows: list[tuple[int, int | None, float, float]] = []
    if k == 1:
        rows = [(i, None, 0.0, 0.0) for i in range(len(prompts))]
    for start in range(0, len(prompts) if k > 1 else 0, batch_size):
        batch = encoded[start : start + batch_size]
        ids, mask = left_padded(lm, batch)
        at = positions(mask)
        logits = lm.model(
            input_ids=ids, attention_mask=mask, position_ids=at, logits_to_keep=1
        ).logits[:, -1]
        top = logits.double().softmax(-1).topk(k + 1)
        for i, (p, tokens) in enumerate(
            zip(top.values.tolist(), top.indices.tolist(), strict=True)
        ):
            rows += [(start + i, tokens[j], p[j], p[j] - p[0 if j else 1]) for j in range(k)]
    found: list[list[Branch]] = [[] for _ in prompts]
    batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    for batch in progress(batches, len(batches), f"{lm.name}: branching"):
        written = torch.zeros((len(batch), max_new_tokens, 2), device=lm.model.device)
        asked = [encoded[i] for i, *_ in batch]
        begun = [token for _, token, *_ in batch] if k > 1 else None
        new = _decode(lm, asked, max_new_tokens, ends, 0.0, 1.0, None, begun, written)
        for (i, _, *first), ids, each in zip(batch, new, written.tolist(), strict=True):
            text = reply_text(lm, prompts[i], ids)
            read = zip(*[first if k > 1 else each[0], *each[1 : len(ids)]], strict=True)
            found[i].append(Branch(text, len(ids), ids[-1] not in ends, tuple(ids), *read))
    return found


@torch.inference_mode()
def first_token_probabilities(lm: LM, prompt: str, k: int = 10) -> pd.DataFrame:
    """The k most probable first tokens of the reply, likeliest first: token, probability."""
    ids = lm.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    logits = lm.model(input_ids=ids.to(lm.model.device), logits_to_keep=1).logits[0, -1]
    top = logits.double().softmax(-1).topk(min(k, len(logits)))
    tokens = [lm.tokenizer.decode([i]) for i in top.indices.tolist()]
    return pd.DataFrame({"token": tokens, "probability": top.values.tolist()})
