"""Log-probabilities of given replies: after every cut of a chain, and of declining."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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
LOGITS = 10**8  # of a pass that needs those of every token: 400 MB in float32
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


@dataclass(frozen=True)
class Scored:
    """Answers that are scored after each of some contexts, which best begin alike."""

    contexts: Sequence[str]
    answers: Sequence[str]


@torch.inference_mode()
def answer_logprobs(lm: LM, scored: Sequence[Scored]) -> list[np.ndarray]:
    """log p(answer | context) in nats, summed over the answer's tokens.

    Returns an array [contexts, answers] for each of `scored`. White space at the border of context
    and answer goes to the answer, as when the model writes on from the context; see
    `prompts.ids_after`. What the contexts of one share is computed once: a pass over the longest,
    then one over all that differs; answers that differ in their last token only share a line. Exact
    in float32 (load the model with dtype="float32" for numbers to report). Raises ValueError for a
    context or an answer without a token.
    """
    trunks, lines = [], []
    for which, one in enumerate(scored):
        trunk, rows = _rows(lm, which, one)
        trunks.append(trunk)
        lines.append(rows)
    # a batch mixes them: the row of one may stand behind the longer trunk of another
    longest = max(map(len, trunks), default=0)
    longest += max((len(row.tokens) for rows in lines for row in rows), default=0)
    _check_window(lm, longest + 1)
    size = fitting(lm, longest, ROWS)
    found = [np.empty((len(one.contexts), len(one.answers))) for one in scored]
    order = sorted(range(len(scored)), key=lambda which: len(trunks[which]))
    batches = _pieces(order, size)
    for batch in progress(batches, len(batches), f"{lm.name}: reading"):
        cache = _read(lm, [trunks[which] for which in batch])
        rows = sorted((row for which in batch for row in lines[which]), key=lambda r: len(r.tokens))
        for piece in _pieces(rows, size):
            at = [batch.index(row.which) for row in piece]
            for row, values in zip(piece, _branches(lm, cache, at, piece), strict=True):
                found[row.which][row.context, list(row.ends)] = values
    return found


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


def choice_probabilities(lm: LM, logp: np.ndarray, options: Sequence[str]) -> np.ndarray:
    """Probability of each option among the options, from log p of each, both [..., options].

    Where one option's tokens begin another's, as "1" begins "12" when digits are tokens, what
    the longer one has is taken from the shorter: an answer counts only as a whole.
    """
    p = np.exp(logp - logp.max(axis=-1, keepdims=True))
    whole = p.copy()
    for begun, longer in _begun(tuple(spoken(lm.tokenizer, options))):
        whole[..., begun] -= p[..., longer]
    whole = whole.clip(min=0.0)
    return whole / whole.sum(axis=-1, keepdims=True)


@lru_cache
def _begun(options: tuple[tuple[int, ...], ...]) -> list[tuple[int, int]]:
    """Of options as tokens, those that another one begins: the longest such one, and it."""
    found = []
    for j, longer in enumerate(options):
        begun = [i for i, t in enumerate(options) if len(t) < len(longer) and longer[: len(t)] == t]
        if begun:
            found.append((max(begun, key=lambda i: len(options[i])), j))
    return found


def option_probabilities(lm: LM, scored: Sequence[Scored]) -> list[np.ndarray]:
    """Probability of each answer of a `Scored` among its answers, after each of its contexts; an
    array [contexts, answers] each.
    """
    found = zip(answer_logprobs(lm, scored), scored, strict=True)
    return [choice_probabilities(lm, logp, one.answers) for logp, one in found]


@torch.inference_mode()
def token_logprobs(lm: LM, texts: Sequence[str]) -> list[np.ndarray]:
    """log p of every token of each text after its first, in nats; [tokens - 1] each."""
    encoded = [_encode(lm, text) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    found: list[np.ndarray] = [np.empty(0)] * len(texts)
    longest = max(map(len, encoded), default=0)
    most = max(1, min(ROWS, LOGITS // max(1, longest * lm.model.config.vocab_size)))
    for batch in _pieces(order, fitting(lm, longest, most)):
        ids = _right_padded(lm, [encoded[i] for i in batch])
        logp = lm.model(input_ids=ids).logits[:, :-1].float().log_softmax(-1)
        said = logp.gather(2, ids[:, 1:, None])[..., 0].cpu().numpy()
        for i, row in zip(batch, said, strict=True):
            found[i] = row[: len(encoded[i]) - 1]
    return found


@dataclass(frozen=True)
class Row:
    """Answers after one context that differ in their last token only: one line of a batch.

    which: of the `Scored`; shared: tokens of its trunk that the line sees; tokens: those after
    them, of which the last `n_stem` begin the answers; ends: the last token of each answer by its
    column.
    """

    which: int
    context: int
    shared: int
    tokens: list[int]
    n_stem: int
    ends: dict[int, int]


def _rows(lm: LM, which: int, scored: Scored) -> tuple[list[int], list[Row]]:
    """The trunk of one `Scored`, which is its longest context but for the last token, and a row for
    every context and stem.
    """
    contexts = [_encode(lm, text) for text in scored.contexts]
    spans = [
        [ids_after(lm.tokenizer, tail(text), answer) for answer in scored.answers]
        for text in scored.contexts
    ]
    if not all(contexts) or not all(ids for row in spans for ids in row):
        raise ValueError("Every context and every answer needs at least one token.")
    trunk = max(contexts, key=len)[:-1]
    rows = []
    for i, (context, row) in enumerate(zip(contexts, spans, strict=True)):
        # the context's last token is always run anew: its logits give the answer's first token
        shared = min(_common(context, trunk), len(context) - 1)
        stems: dict[tuple[int, ...], dict[int, int]] = {}
        for j, ids in enumerate(row):
            stems.setdefault(tuple(ids[:-1]), {})[j] = ids[-1]
        rows += [
            Row(which, i, shared, [*context[shared:], *stem], len(stem), ends)
            for stem, ends in stems.items()
        ]
    return trunk, rows


def _encode(lm: LM, text: str) -> list[int]:
    return ids_of(lm.tokenizer, text.rstrip(" "))


def _right_padded(lm: LM, rows: list[list[int]]) -> torch.Tensor:
    """Rows of token ids as one batch. It needs no mask where no row is gone on with: what stands
    behind a row is seen by nothing in it.
    """
    ids = torch.full((len(rows), max(map(len, rows))), lm.tokenizer.pad_token_id)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids.to(lm.model.device)


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


def _read(lm: LM, trunks: list[list[int]]) -> DynamicCache:
    """The keys and values of trunks, a row each, padded on the right."""
    cache = DynamicCache(config=lm.model.config)
    if max(map(len, trunks)):
        ids = _right_padded(lm, trunks)
        lm.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _branches(lm: LM, cache: DynamicCache, at: list[int], rows: list[Row]) -> list[list[float]]:
    """Log-probabilities of each row's answers, all rows in one pass, each behind a copy of its
    trunk's keys and values, which are the row `at` of the cache.

    A row sees the first `shared` tokens of the trunk and its own: attention is masked between, and
    positions go on from `shared`, so that the model sees the row as if it were whole.
    """
    device, n_trunk = lm.model.device, cache.get_seq_length()
    longest = max(len(row.tokens) for row in rows)
    ids = _right_padded(lm, [row.tokens for row in rows])
    mask = torch.zeros((len(rows), n_trunk + longest), dtype=torch.long)
    for i, row in enumerate(rows):
        mask[i, : row.shared] = 1
        mask[i, n_trunk : n_trunk + len(row.tokens)] = 1
    places = torch.tensor([[row.shared] for row in rows]) + torch.arange(longest)
    most = max(row.n_stem for row in rows) + 1  # only these logits count: a vocabulary is wide
    last = torch.tensor([[len(row.tokens)] for row in rows]) + torch.arange(-most, 0)
    logits = lm.model(
        input_ids=ids,
        attention_mask=mask.to(device),
        position_ids=places.to(device),
        past_key_values=_copies(lm, cache, at) if n_trunk else None,
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


def _copies(lm: LM, cache: DynamicCache, at: list[int]) -> DynamicCache:
    """The rows `at` of a cache as a cache of their own; the original stays as it is."""
    many = DynamicCache(config=lm.model.config)
    for i, layer in enumerate(cache.layers):
        many.update(layer.keys[at], layer.values[at], i)
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
