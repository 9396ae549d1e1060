"""The base writes every token, steered where a tuned model would write another one."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.cluster.vq import kmeans2
from transformers import DynamicCache

from helpers.lm.ends import end_tokens
from helpers.lm.generation import (
    Completion,
    branched,
    left_padded,
    positions,
    read,
    reply_text,
    uniform_draws,
)
from helpers.lm.models import LM
from helpers.lm.steering import hooked

N_CATEGORIES, N_WORDS = 8, 6
STEPS, LEARNING_RATE = 50, 0.1
"""Of the vectors, by Adam. With 32 development stories to learn from, the hybrid was right on .95
of 60 others of 2 to 5 steps on bases 0 and 1, where the tuned model was on .97 and the base on .57
and .52; with 100 steps at .05 on 64 stories it was as good (base 0).
"""


@dataclass(frozen=True)
class Categories:
    """What a tuned model is at, told by its activations after a layer, and how the base is moved
    there: centre and vector of every category, [categories, width].
    """

    layer: int
    centres: torch.Tensor
    vectors: torch.Tensor

    def nearest(self, states: torch.Tensor) -> torch.Tensor:
        """The category of each activation of the tuned model; [rows, width] to [rows]."""
        return torch.cdist(states.float(), self.centres.to(states.device)).argmin(1)


def learned(
    lm: LM, tuned: LM, prompts: list[str], max_new_tokens: int, layer: int, seed: int = 0
) -> tuple[Categories, list[list[str]]]:
    """Categories of a tuned model's greedy replies to `prompts`, and the commonest tokens that it
    writes in each (Venhoff et al., arXiv 2510.07364).

    Categories are clusters of its activations after `layer` at the tokens before those it writes.
    The vectors are learned together: those that, added to the base's activations at these tokens,
    make what the tuned model wrote likeliest. Both models need one tokenizer.
    """
    asked = lm.tokenizer(prompts, add_special_tokens=False)["input_ids"]
    replies = [list(one.ids) for (one,) in branched(tuned, prompts, 1, max_new_tokens)]
    ids, mask = left_padded(lm, [a + b for a, b in zip(asked, replies, strict=True)])
    at = {"input_ids": ids, "attention_mask": mask, "position_ids": positions(mask)}
    said = torch.zeros_like(ids, dtype=torch.bool)
    for row, reply in zip(said, replies, strict=True):
        row[-len(reply) - 1 : -1] = True
    seen: list[torch.Tensor] = []
    with torch.no_grad(), hooked(tuned, layer, lambda hidden: seen.append(hidden) or hidden):
        tuned.model(**at, logits_to_keep=1)
    states = seen[0][said].float().cpu()
    n, rng = min(N_CATEGORIES, len(states)), np.random.default_rng(seed)
    centres, labels = kmeans2(states.numpy(), n, minit="++", rng=rng)
    kinds = torch.zeros_like(ids)  # 0 where nothing is written
    kinds[said] = torch.as_tensor(labels, device=ids.device).long() + 1
    told = ids.roll(-1, dims=1)
    vectors = _taught(lm, layer, at, kinds, told, torch.zeros(n, states.shape[1]))
    common = [Counter(told[kinds == c + 1].tolist()).most_common(N_WORDS) for c in range(n)]
    words = [[lm.tokenizer.decode([token]) for token, _ in found] for found in common]
    return Categories(layer, torch.as_tensor(centres).float(), vectors), words


def _taught(lm, layer, at, kinds, told, start) -> torch.Tensor:
    """The vector of every category, [categories, width], by gradient descent from `start`; the
    model stays as it is.
    """
    said = kinds > 0
    border = int(said.any(0).nonzero()[0])  # what stands before it in every row is read but once
    cache = DynamicCache(config=lm.model.config)
    if border:
        head = {name: part[:, :border] for name, part in at.items()}
        with torch.no_grad():
            lm.model(**head, past_key_values=cache, logits_to_keep=1)
    tail = {name: part[:, border:] for name, part in at.items()}
    tail["attention_mask"] = at["attention_mask"]
    said, kinds, told = (part[:, border:] for part in (said, kinds, told))
    vectors = start.to(kinds.device).requires_grad_()
    optimizer = torch.optim.Adam([vectors], lr=LEARNING_RATE)
    for _ in range(STEPS):
        pushes = F.pad(vectors, (0, 0, 1, 0))[kinds]
        with hooked(lm, layer, lambda hidden, pushes=pushes: hidden + pushes.to(hidden)):
            logits = lm.model(**tail, past_key_values=deepcopy(cache)).logits
        loss = F.cross_entropy(logits[said].float(), told[said])
        (vectors.grad,) = torch.autograd.grad(loss, [vectors])
        optimizer.step()
    return vectors.detach().cpu()


@torch.inference_mode()
def hybrid(
    lm: LM,
    tuned: LM,
    prompts: list[str],
    max_new_tokens: int,
    by: Categories,
    share: float = 1.0,
    rate: float | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> tuple[list[Completion], list[int]]:
    """Greedy replies of `lm`, every token its own, steered at some; and at how many of each.

    Both models read what stands there so far. Where they would go on differently, and the tuned
    model puts its own token above the base's by more than 1 - share in probability, the base reads
    the last token again with the vector of the tuned model's category added, and then writes. So
    share 0 is the base, and 1 steers at every disagreement, as published. rate: instead, at this
    share of all tokens, at random. Both models need one tokenizer. Raises ValueError unless share
    and rate lie in 0..1.
    """
    for name, value in (("share", share), ("rate", rate or 0.0)):
        if not 0 <= value <= 1:
            raise ValueError(f"hybrid needs 0 <= {name} <= 1, not {value}.")
    encoded = lm.tokenizer(prompts, add_special_tokens=False)["input_ids"]
    draws = np.stack(list(uniform_draws(prompts, max_new_tokens, seed)))
    ends = end_tokens(lm)
    written: list[list[int]] = []
    steered: list[int] = []
    for start in range(0, len(prompts), batch_size):
        rows = encoded[start : start + batch_size]
        u = torch.from_numpy(draws[start : start + batch_size]).to(lm.device)
        found = _batch(lm, tuned, rows, max_new_tokens, by, share, rate, u)
        for ids, moved in zip(*(part.tolist() for part in found), strict=True):
            n = next((i + 1 for i, token in enumerate(ids) if token in ends), len(ids))
            written.append(ids[:n])
            steered.append(sum(moved[:n]))
    replies = [
        Completion(reply_text(lm, prompt, ids), len(ids), ids[-1] not in ends)
        for prompt, ids in zip(prompts, written, strict=True)
    ]
    return replies, steered


def _batch(lm, tuned, rows, max_new_tokens, by, share, rate, u) -> tuple[torch.Tensor, ...]:
    """Tokens, and whether the base was steered to them; each [rows, max_new_tokens]. Finished rows
    leave the batch; what stands after their end token is 0.
    """
    ids, mask = left_padded(lm, rows)
    at = positions(mask)
    ends = torch.tensor(sorted(end_tokens(lm)), device=ids.device)
    caches = [DynamicCache(config=one.model.config) for one in (lm, tuned)]
    tokens = torch.zeros((len(rows), max_new_tokens), dtype=torch.long, device=ids.device)
    moved = torch.zeros_like(tokens, dtype=torch.bool)
    alive = torch.arange(len(rows), device=ids.device)
    states: list[torch.Tensor] = []
    vectors = by.vectors.to(ids.device)
    for step in range(max_new_tokens):
        states.clear()
        base = read(lm, ids, mask, at, caches[0])
        with hooked(tuned, by.layer, lambda hidden: states.append(hidden[:, -1]) or hidden):
            other = read(tuned, ids, mask, at, caches[1])
        steer = u[alive, step] < rate if rate is not None else _ahead(base, other, share)
        if steer.any():
            push = (vectors[by.nearest(states[0])] * steer[:, None])[:, None]
            caches[0].crop(-1)
            with hooked(lm, by.layer, lambda hidden, push=push: hidden + push.to(hidden)):
                base = read(lm, ids[:, -1:], mask, at[:, -1:], caches[0])
        token = base.argmax(-1)
        tokens[alive, step], moved[alive, step] = token, steer
        keep = (~torch.isin(token, ends)).nonzero().squeeze(1)
        if not len(keep):
            break
        if len(keep) < len(alive):
            alive, token, mask, at = alive[keep], token[keep], mask[keep], at[keep]
            for cache in caches:
                cache.batch_select_indices(keep)
        ids, at = token[:, None], at[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return tokens, moved


def _ahead(base: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
    """Where two models disagree, and the other is ahead by more than 1 - share; [rows]."""
    ours, theirs = base.argmax(-1), other.argmax(-1)
    if share == 1:
        return ours != theirs
    p = other.float().softmax(-1)
    ahead = (p.gather(1, theirs[:, None]) - p.gather(1, ours[:, None]))[:, 0]
    return (ours != theirs) & (ahead > 1 - share)
