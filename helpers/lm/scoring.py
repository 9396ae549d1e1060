"""Log-probabilities of given replies: after every cut of a chain, and of declining."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from transformers import DynamicCache

from helpers.lm.generation import Branch, fitting, left_padded, positions
from helpers.lm.models import LM
from helpers.lm.prompts import ids_after, ids_of, spoken, tail
from helpers.show.widgets import progress
from helpers.text.chains import CLOSE

ROWS = 32  # continuations scored in one pass
#: Beginnings of a declining reply, none the beginning of another. The first three are the pocket
#: world's own.
DECLINES = (
    "I don't know",
    "I can't",
    "There is no way",
    "I cannot",
    "I do not know",
    "I'm not sure",
    "I am not sure",
    "It is not possible",
    "It's not possible",
    "It is impossible",
    "It is unclear",
    "There is not enough",
    "There isn't enough",
    "Not enough information",
    "Sorry",
    "I'm sorry",
    "Unfortunately",
)


@torch.inference_mode()
def answer_logprobs(
    lm: LM, prompt: str, cuts: list[str], suffix: str, answers: list[str]
) -> np.ndarray:
    """log p(answer | prompt + cut + suffix) in nats, summed over the answer's tokens.

    Returns [len(cuts), len(answers)]. White space at the border of context and answer goes to the
    answer, as when the model writes on from the context; see `prompts.ids_after`. What the contexts
    share is computed once: a pass over the longest, then one over all that differs; answers that
    differ in their last token only share a line. Exact in float32 (load the model with
    dtype="float32" for numbers to report).
    """
    texts = [prompt + cut + suffix for cut in cuts]
    contexts = [_encode(lm, text) for text in texts]
    tails = [tail(text) for text in texts]
    spans_after = {t: [ids_after(lm.tokenizer, t, a) for a in answers] for t in set(tails)}
    spans = [spans_after[t] for t in tails]
    if not all(contexts) or not all(ids for row in spans for ids in row):
        raise ValueError("Every context and every answer needs at least one token.")
    trunk = max(contexts, key=len)[:-1]
    rows = []
    for i, (context, row) in enumerate(zip(contexts, spans, strict=True)):
        # the context's last token is always run anew: its logits give the answer's first token
        shared = min(_common(context, trunk), len(context) - 1)
        for stem in dict.fromkeys(tuple(ids[:-1]) for ids in row):
            ends = {j: ids[-1] for j, ids in enumerate(row) if tuple(ids[:-1]) == stem}
            rows.append(Row(i, shared, [*context[shared:], *stem], len(stem), ends))
    cache = DynamicCache(config=lm.model.config)
    longest = len(trunk) + max(len(row.tokens) for row in rows)
    _check_window(lm, longest + 1)
    if trunk:
        ids = torch.tensor([trunk], device=lm.model.device)
        lm.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    rows.sort(key=lambda row: len(row.tokens))
    scores = np.empty((len(cuts), len(answers)))
    for batch in _pieces(rows, fitting(lm, longest, ROWS)):
        for row, values in zip(batch, _branches(lm, cache, len(trunk), batch), strict=True):
            scores[row.cut, list(row.ends)] = values
    return scores


def answer_span(lm: LM, ids: Sequence[int], answer: str) -> slice:
    """Where a reply's tokens say its answer: the longest block of tokens that they share with the
    answer after the chain, the last one of that length (van Niekerk et al., arXiv 2507.21931).

    A block inside a word or a longer number does not count. Empty when there is none, as in a
    reply that declines.
    """
    ids = list(ids)
    ends = range(len(ids) + 1)
    closed = bisect_left(ends, True, key=lambda n: CLOSE in lm.tokenizer.decode(ids[:n]))
    start = 0 if closed > len(ids) else closed
    said = [ids_after(lm.tokenizer, before, answer) for before in ("", f"{answer}\n", f"{answer} ")]
    blocks = {tuple(t[i:j]) for t in said for j in range(len(t) + 1) for i in range(j)}
    for n in range(max(map(len, said)), 0, -1):
        for i in range(len(ids) - n, start - 1, -1):
            if tuple(ids[i : i + n]) in blocks and _stands_alone(lm, ids, i, i + n):
                return slice(i, i + n)
    return slice(0, 0)


def _stands_alone(lm: LM, ids: list[int], first: int, end: int) -> bool:
    """Whether no letter or digit adjoins the tokens first .. end - 1, which are not all space."""
    said = lm.tokenizer.decode(ids[first:end]).strip()
    before = lm.tokenizer.decode(ids[max(first - 1, 0) : end]).rstrip().removesuffix(said)
    after = lm.tokenizer.decode(ids[first : end + 1]).lstrip().removeprefix(said)
    return bool(said) and not before[-1:].isalnum() and not after[:1].isalnum()


def span_confidence(lm: LM, branch: Branch, answer: str) -> float:
    """Mean of p(top 1) - p(top 2) over the answer's tokens (Wang and Zhou, arXiv 2402.10200,
    section 2.2); 0 when the reply holds no such tokens.
    """
    span = branch.disparity[answer_span(lm, branch.ids, answer)]
    return float(np.mean(span)) if len(span) else 0.0


def span_probability(lm: LM, branch: Branch, answer: str) -> float:
    """Probability of the answer's tokens, given what is before them; 0 where there are none."""
    span = branch.probability[answer_span(lm, branch.ids, answer)]
    return float(np.prod(span)) if len(span) else 0.0


@torch.inference_mode()
def reply_probabilities(
    lm: LM, prompts: Sequence[list[int]], replies: Sequence[list[int]]
) -> list[tuple[float, ...]]:
    """Probability of every token of each reply, given what is before it; one batch of token ids."""
    rows = [[*prompt, *reply] for prompt, reply in zip(prompts, replies, strict=True)]
    ids, mask = left_padded(lm, rows)
    longest = max(map(len, replies)) + 1
    logits = lm.model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions(mask),
        use_cache=False,
        logits_to_keep=longest,
    ).logits
    said = ids[:, -longest + 1 :, None]
    p = logits[:, :-1].float().softmax(-1).gather(2, said)[..., 0].tolist()
    return [tuple(row[len(row) - len(reply) :]) for row, reply in zip(p, replies, strict=True)]


def choice_probabilities(lm: LM, logp: np.ndarray, options: list[str]) -> np.ndarray:
    """Probability of each option among the options, from log p of each, both [..., options].

    Where one option's tokens begin another's, as "1" begins "12" when digits are tokens, what
    the longer one has is taken from the shorter: an answer counts only as a whole.
    """
    p = np.exp(logp - logp.max(axis=-1, keepdims=True))
    tokens = spoken(lm.tokenizer, options)
    whole = p.copy()
    for j, longer in enumerate(tokens):
        begun = [i for i, t in enumerate(tokens) if len(t) < len(longer) and longer[: len(t)] == t]
        if begun:
            whole[..., max(begun, key=lambda i: len(tokens[i]))] -= p[..., j]
    whole = whole.clip(min=0.0)
    return whole / whole.sum(axis=-1, keepdims=True)


@torch.inference_mode()
def token_logprobs(lm: LM, text: str) -> np.ndarray:
    """log p of every token of a text after its first, in nats; [tokens - 1]."""
    ids = torch.tensor([_encode(lm, text)], device=lm.model.device)
    logp = lm.model(input_ids=ids).logits[0, :-1].float().log_softmax(-1)
    return logp.gather(1, ids[0, 1:, None])[:, 0].cpu().numpy()


@dataclass(frozen=True)
class Row:
    """Answers to one cut that differ in their last token only: one line of a batch.

    shared: tokens of the trunk that it sees; tokens: those after them, of which the last `n_stem`
    begin the answers; ends: the last token of each answer by its column.
    """

    cut: int
    shared: int
    tokens: list[int]
    n_stem: int
    ends: dict[int, int]


def _encode(lm: LM, text: str) -> list[int]:
    return ids_of(lm.tokenizer, text.rstrip(" "))


def _common(a: list[int], b: list[int]) -> int:
    """Length of the beginning that two lists share."""
    shorter = min(len(a), len(b))
    return next((i for i in range(shorter) if a[i] != b[i]), shorter)


def _check_window(lm: LM, length: int) -> None:
    kinds = getattr(lm.model.config, "layer_types", None) or []
    window = getattr(lm.model.config, "sliding_window", None)
    if "sliding_attention" in kinds and length > window:
        raise ValueError(
            f"{lm.name} attends over {window} tokens only; the chain with its answers takes "
            f"{length}: score shorter chains."
        )


def _branches(lm: LM, cache: DynamicCache, n_trunk: int, rows: list[Row]) -> list[list[float]]:
    """Log-probabilities of each row's answers, all rows in one pass over copies of the trunk's
    cache.

    A row sees the first `shared` tokens of the trunk and its own: attention is masked between, and
    positions go on from `shared`, so that the model sees the row as if it were whole.
    """
    device = lm.model.device
    longest = max(len(row.tokens) for row in rows)
    ids = torch.full((len(rows), longest), lm.tokenizer.pad_token_id)
    mask = torch.zeros((len(rows), n_trunk + longest), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row.tokens)] = torch.tensor(row.tokens)
        mask[i, : row.shared] = 1
        mask[i, n_trunk : n_trunk + len(row.tokens)] = 1
    at = torch.tensor([[row.shared] for row in rows]) + torch.arange(longest)
    most = max(row.n_stem for row in rows) + 1  # only these logits count: a vocabulary is wide
    last = torch.tensor([[len(row.tokens)] for row in rows]) + torch.arange(-most, 0)
    logits = lm.model(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        position_ids=at.to(device),
        past_key_values=_copies(lm, cache, len(rows)) if n_trunk else None,
        use_cache=bool(n_trunk),
        logits_to_keep=last.clamp(min=0).to(device),
    ).logits
    scores = []
    for i, row in enumerate(rows):
        p = logits[i, most - row.n_stem - 1 :].float().log_softmax(-1)
        stem = torch.tensor(row.tokens[len(row.tokens) - row.n_stem :], device=device)
        begun = p[:-1].gather(1, stem[:, None].long()).sum()
        scores.append((begun + p[-1, list(row.ends.values())]).tolist())
    return scores


def _copies(lm: LM, cache: DynamicCache, n: int) -> DynamicCache:
    """`cache` of one row as one of n rows; the original stays as it is."""
    many = DynamicCache(config=lm.model.config)
    for i, layer in enumerate(cache.layers):
        many.update(layer.keys.expand(n, -1, -1, -1), layer.values.expand(n, -1, -1, -1), i)
    return many


@torch.inference_mode()
def decline_probability(lm: LM, prompts: list[str], batch_size: int = 64) -> np.ndarray:
    """Probability that the reply begins like a declining one, summed over `DECLINES`; [prompts].

    It is what the reply *opens* with: after a prompt that leaves a chain to be opened, declining
    after the chain is not in it.
    """
    if not all(prompts):
        raise ValueError(f"Prompt {prompts.index('')} is empty: it needs at least one token.")
    encoded = [_encode(lm, prompt) for prompt in prompts]
    tails = [tail(prompt) for prompt in prompts]
    batch_size = fitting(lm, max(map(len, encoded), default=0), batch_size)
    order = sorted(range(len(prompts)), key=lambda i: (tails[i], len(encoded[i])))
    batches = [
        batch
        for _, same in groupby(order, key=lambda i: tails[i])
        for batch in _pieces(list(same), batch_size)
    ]
    total = np.zeros(len(prompts))
    for batch in progress(batches, len(batches), f"{lm.name}: P(decline)"):
        openings = [ids_after(lm.tokenizer, tails[batch[0]], text) for text in DECLINES]
        unknown = lm.tokenizer.unk_token_id
        openings = [ids for ids in openings if unknown not in ids]
        total[batch] = _opening_probability(lm, [encoded[i] for i in batch], openings)
    return total


def _pieces(items: list, size: int) -> list[list]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _opening_probability(lm: LM, rows: list[list[int]], openings: list[list[int]]) -> np.ndarray:
    """Summed probability of the openings after each row; the rows are run once."""
    ids, mask = left_padded(lm, rows)
    at = positions(mask)
    cache = DynamicCache(config=lm.model.config)
    state = dict(past_key_values=cache, use_cache=True)
    out = lm.model(input_ids=ids, attention_mask=mask, position_ids=at, logits_to_keep=1, **state)
    first = out.logits[:, -1].float().log_softmax(-1)
    total = torch.zeros(len(rows), device=first.device)
    for opening in openings:
        logp = first[:, opening[0]]
        n = len(opening) - 1
        if n:
            tokens = torch.tensor([opening], device=first.device).expand(len(rows), -1)
            out = lm.model(
                input_ids=tokens[:, :-1],
                attention_mask=torch.cat([mask, mask.new_ones(len(rows), n)], dim=1),
                position_ids=at[:, -1:] + 1 + torch.arange(n, device=at.device),
                **state,
            )
            cache.crop(-n)  # the tokens to drop
            rest = out.logits.float().log_softmax(-1).gather(2, tokens[:, 1:, None])
            logp = logp + rest.sum((1, 2))
        total += logp.exp()
    return total.cpu().numpy()
