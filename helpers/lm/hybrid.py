"""Two models write one reply: the base, and at some tokens a tuned one in its place."""

from __future__ import annotations

import numpy as np
import torch
from transformers import DynamicCache

from helpers.lm.generation import Completion, left_padded, positions, uniform_draws
from helpers.lm.models import LM, end_tokens


@torch.inference_mode()
def hybrid(
    lm: LM,
    tuned: LM,
    prompts: list[str],
    max_new_tokens: int,
    share: float = 1.0,
    rate: float | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> tuple[list[Completion], list[int], list[int]]:
    """Greedy replies of `lm` in which `tuned` chooses some tokens; how many in each, and on how
    many of each the two disagree.

    Where the two disagree, the tuned model chooses if it puts its own token above the base's by
    more than 1 - share in probability: share 0 is the base, share 1 the tuned model, token for
    token. rate: instead, the tuned model is given this share of the disagreements, at random.
    Both models need one tokenizer. Raises ValueError unless share and rate lie in 0..1.
    """
    for name, value in (("share", share), ("rate", rate or 0.0)):
        if not 0 <= value <= 1:
            raise ValueError(f"hybrid needs 0 <= {name} <= 1, not {value}.")
    encoded = lm.tokenizer(prompts, add_special_tokens=False)["input_ids"]
    draws = np.stack(list(uniform_draws(prompts, max_new_tokens, seed)))
    ends = end_tokens(lm)
    written: list[list[int]] = []
    routed: list[int] = []
    differing: list[int] = []
    for start in range(0, len(prompts), batch_size):
        rows = encoded[start : start + batch_size]
        u = torch.from_numpy(draws[start : start + batch_size]).to(lm.device)
        found = _batch(lm, tuned, rows, max_new_tokens, share, rate, u)
        for ids, took, differ in zip(*(part.tolist() for part in found), strict=True):
            n = next((i + 1 for i, token in enumerate(ids) if token in ends), len(ids))
            written.append(ids[:n])
            routed.append(sum(took[:n]))
            differing.append(sum(differ[:n]))
    texts = lm.tokenizer.batch_decode(written, skip_special_tokens=True)
    replies = [
        Completion(text.strip(), len(ids), ids[-1] not in ends)
        for text, ids in zip(texts, written, strict=True)
    ]
    return replies, routed, differing


def _batch(lm, tuned, rows, max_new_tokens, share, rate, u) -> tuple[torch.Tensor, ...]:
    """Tokens, whether the tuned model chose them, and whether the two disagreed; each [rows,
    max_new_tokens]. Finished rows leave the batch; what stands after their end token is 0.
    """
    ids, mask = left_padded(lm, rows)
    at = positions(mask)
    ends = torch.tensor(sorted(end_tokens(lm)), device=ids.device)
    caches = [DynamicCache(config=one.model.config) for one in (lm, tuned)]
    tokens = torch.zeros((len(rows), max_new_tokens), dtype=torch.long, device=ids.device)
    taken, differing = (torch.zeros_like(tokens, dtype=torch.bool) for _ in range(2))
    alive = torch.arange(len(rows), device=ids.device)
    for step in range(max_new_tokens):
        base, other = (
            one.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=at,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            .logits[:, -1]
            .float()
            for one, cache in zip((lm, tuned), caches, strict=True)
        )
        ours, theirs = base.argmax(-1), other.argmax(-1)
        p = other.softmax(-1)
        ahead = (p.gather(1, theirs[:, None]) - p.gather(1, ours[:, None]))[:, 0]
        differ = theirs != ours
        take = differ & (ahead > 1 - share if rate is None else u[alive, step] < rate)
        if rate is None and share == 1:
            take = differ  # a tie that rounding hides
        token = torch.where(take, theirs, ours)
        tokens[alive, step], taken[alive, step], differing[alive, step] = token, take, differ
        keep = (~torch.isin(token, ends)).nonzero().squeeze(1)
        if not len(keep):
            break
        if len(keep) < len(alive):
            alive, token, mask, at = alive[keep], token[keep], mask[keep], at[keep]
            for cache in caches:
                cache.batch_select_indices(keep)
        ids, at = token[:, None], at[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return tokens, taken, differing
