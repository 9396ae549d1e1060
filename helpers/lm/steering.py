"""Activations read and moved by forward hooks: difference vectors, a small sparse autoencoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from helpers.lm.generation import left_padded, positions
from helpers.lm.models import LM
from helpers.lm.prompts import ids_after, ids_of, tail

EVENNESS = 0.7
"""Exponent of the entropy in ReasonScore, as published."""


def layers(lm: LM) -> nn.ModuleList:
    """The decoder layers of a model, of its base where it is an adapter."""
    found = [
        module
        for name, module in lm.model.named_modules()
        if name.endswith("layers") and isinstance(module, nn.ModuleList)
    ]
    if not found:
        raise ValueError(f"{lm.name} has no list of decoder layers to steer.")
    return found[0]


@contextmanager
def hooked(lm: LM, layer: int, change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """While open, what decoder layer `layer` gives, [rows, tokens, width], is what `change` makes
    of it; the hook is gone afterwards, whatever happens. Raises ValueError for an unknown layer.
    """
    stack = layers(lm)
    if not 0 <= layer < len(stack):
        raise ValueError(f"{lm.name} has layers 0 to {len(stack) - 1}; there is no {layer}.")

    def hook(module, args, output):
        if isinstance(output, tuple):  # transformers < 5
            return (change(output[0]), *output[1:])
        return change(output)

    handle = stack[layer].register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def steered(lm: LM, layer: int, vector: torch.Tensor, back: int = 1) -> Iterator[None]:
    """While open, `vector` [width] is added, in every row, at one token of each prompt: the one
    `back` tokens from its end. Tokens written after the prompt are not touched.
    """

    def add(hidden: torch.Tensor) -> torch.Tensor:
        if hidden.shape[1] < 2:  # a token being written
            return hidden
        moved = hidden.clone()
        moved[:, -min(back, hidden.shape[1])] += vector.to(hidden)
        return moved

    with hooked(lm, layer, add):
        yield


@torch.inference_mode()
def activations(
    lm: LM, texts: Sequence[tuple[str, str]], layer: int, batch_size: int = 32
) -> list[torch.Tensor]:
    """What a layer gives at the tokens of each continuation, for (prompt, continuation) pairs: a
    list of [tokens, width], on the CPU. A continuation of no tokens gives the prompt's last token.
    """
    found: list[torch.Tensor] = []
    seen: list[torch.Tensor] = []

    def keep(hidden: torch.Tensor) -> torch.Tensor:
        seen.append(hidden)
        return hidden

    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        prompts = [ids_of(lm.tokenizer, p.rstrip(" ")) for p, _ in batch]
        replies = [[*ids_after(lm.tokenizer, tail(p), r)] if r else [] for p, r in batch]
        ids, mask = left_padded(lm, [p + r for p, r in zip(prompts, replies, strict=True)])
        seen.clear()
        with hooked(lm, layer, keep):
            lm.model(
                input_ids=ids, attention_mask=mask, position_ids=positions(mask), logits_to_keep=1
            )
        found += [seen[0][i, -max(len(r), 1) :].float().cpu() for i, r in enumerate(replies)]
    return found


def difference(with_chain: list[torch.Tensor], without: list[torch.Tensor]) -> torch.Tensor:
    """Mean activation over the tokens of the one minus that of the other; [width]."""
    return torch.cat(with_chain).mean(0) - torch.cat(without).mean(0)


class SparseAutoencoder(nn.Module):
    """A TopK sparse autoencoder (Gao et al., arXiv 2406.04093): x is rebuilt from its k largest
    latents.
    """

    def __init__(self, width: int, n_latents: int, k: int):
        super().__init__()
        self.k = k
        self.bias = nn.Parameter(torch.zeros(width))
        self.encoder = nn.Linear(width, n_latents)
        self.decoder = nn.Linear(n_latents, width, bias=False)
        with torch.no_grad():
            self.decoder.weight /= self.decoder.weight.norm(dim=0)
            self.encoder.weight.copy_(self.decoder.weight.T)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Latents [rows, n_latents], all but the k largest of a row zero."""
        latents = self.encoder(x - self.bias).relu()
        top = latents.topk(self.k, dim=-1)
        return torch.zeros_like(latents).scatter(-1, top.indices, top.values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x [rows, width], rebuilt."""
        return self.decoder(self.encode(x)) + self.bias


def train_sae(
    x: torch.Tensor, n_latents: int = 512, k: int = 8, steps: int = 400, seed: int = 0
) -> SparseAutoencoder:
    """A sparse autoencoder of the activations x [rows, width], by Adam on the squared error."""
    torch.manual_seed(seed)
    sae = SparseAutoencoder(x.shape[1], n_latents, k)
    with torch.no_grad():
        sae.bias.copy_(x.mean(0))
    optimizer = torch.optim.Adam(sae.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(seed)
    with torch.enable_grad():
        for _ in range(steps):
            batch = x[torch.randint(len(x), (256,), generator=generator)]
            loss = (sae(batch) - batch).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                sae.decoder.weight /= sae.decoder.weight.norm(dim=0, keepdim=True)
    return sae.requires_grad_(False)


@torch.no_grad()
def reason_scores(
    sae: SparseAutoencoder, with_chain: list[torch.Tensor], without: list[torch.Tensor]
) -> torch.Tensor:
    """How much each latent speaks for chains: ReasonScore (Galichin et al., arXiv 2503.18878,
    section 3), with chains in the place of its reasoning words; [n_latents].

    Its share of all activation on chains, times the entropy of its activation over the chains (in
    units of the largest, to the power .7: what one chain alone makes active counts for little),
    minus its share on other replies. with_chain, without: [tokens, width] of at least two replies.
    """
    chains, others = (
        torch.stack([sae.encode(x).mean(0) for x in part]) for part in (with_chain, without)
    )
    entropy = torch.special.entr(chains / chains.sum(0).clamp(min=1e-9)).sum(0)
    evenness = (entropy / math.log(len(chains))).pow(EVENNESS)
    shares = [part.mean(0) / part.mean(0).sum().clamp(min=1e-9) for part in (chains, others)]
    return shares[0] * evenness - shares[1]
