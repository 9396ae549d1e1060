"""Mechanisms 2 and 3: directions added to activations, and the random ones they must beat."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from helpers.lab import items
from helpers.lab.items import Item
from helpers.lm import steering
from helpers.lm.generation import Completion, generate
from helpers.lm.models import LM
from helpers.lm.reasoning import own_chains
from helpers.show.widgets import progress
from helpers.text import chains
from helpers.text.chains import OPEN

DEV_SEED = 77
"""Of the stories on which layer, strength and feature are chosen, which are never reported."""
DIRECTIONS = ("opened", "tuned")
"""What a steering vector is the difference of: the base's first token of a chain that is forced
open and of a direct reply; or the tuned model and the base, just before they reply.
"""
STRENGTHS = (1.0, 2.0, 4.0)
MOST_LAYERS = 4
N_FEATURES = 3
"""Features of the highest ReasonScores, of which the best on the other stories is taken."""
N_RANDOM, N_ALIKE = 3, 10
"""Random vectors, positions or features of a control, of which each answers every third item; and
how many features count as about as active as another.
"""
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Dial:
    """A direction added after a layer, `back` tokens from the end of the prompt; feature: that of
    the autoencoder, where it is one.
    """

    layer: int
    strength: float
    vector: torch.Tensor
    back: int = 1
    feature: int = -1

    @property
    def push(self) -> torch.Tensor:
        """What is added; [width]."""
        return self.strength * self.vector


def dev_items(n: int, steps: tuple[int, ...]) -> list[Item]:
    """Stories on which layers, strengths and features are chosen, of `steps` steps in turn."""
    return items.pocket_stories(n, DEV_SEED, steps)


def scrambled(dial: Dial, seed: int) -> list[Dial]:
    """The same dial with random vectors of equal norm."""
    copies = dial.vector.expand(N_RANDOM, -1)
    return [replace(dial, vector=vector) for vector in as_long(copies, seed)]


def as_long(vectors: torch.Tensor, seed: int) -> torch.Tensor:
    """Random directions, each as long as the one in its place; [vectors, width]."""
    noise = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(seed))
    return noise * vectors.norm(dim=1, keepdim=True) / noise.norm(dim=1, keepdim=True)


def elsewhere(dial: Dial, seed: int) -> list[Dial]:
    """The same dial at random tokens of the prompt, 2 to 12 from its end."""
    places = random.Random(f"position {seed}").sample(range(2, 13), N_RANDOM)
    return [replace(dial, back=back) for back in places]


def some_layers(lm: LM) -> list[int]:
    """The layers that are tried: all of a small stack, `MOST_LAYERS` spread over a deep one."""
    n = len(steering.layers(lm))
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, MOST_LAYERS))})


def contrast(lm: LM, asked: Sequence[Item], max_new_tokens: int) -> tuple[Pairs, Pairs]:
    """The base's own chains and its direct replies to the items, each behind its prompt."""
    questions = [item.question for item in asked]
    own = own_chains(lm, questions, max_new_tokens)
    unopened = [lm.prompt(q, direct=True) for q in questions]
    direct = generate(lm, unopened, max_new_tokens)
    opened = []
    for question, reply in zip(questions, own, strict=True):
        head, opening, border = lm.prompt(question, OPEN).rpartition(OPEN)  # white space and all
        opened.append((head, f"{opening}{border or ' '}{' '.join(chains.chain_of(reply.text))}"))
    heads = [head if head[-1:].isspace() else f"{head} " for head in unopened]
    return opened, [(head, r.text) for head, r in zip(heads, direct, strict=True)]


def by_opening(lm: LM, asked: Sequence[Item]) -> dict[int, torch.Tensor]:
    """After every layer that is tried, the first token of a chain minus that of a direct reply."""

    def firsts(pairs: Pairs, layer: int) -> list[torch.Tensor]:
        return [states[:1] for states in steering.activations(lm, pairs, layer)]

    sides = contrast(lm, asked, 1)
    return {
        layer: steering.difference(*(firsts(pairs, layer) for pairs in sides))
        for layer in some_layers(lm)
    }


def by_tuning(lm: LM, tuned: LM, asked: Sequence[Item]) -> dict[int, torch.Tensor]:
    """After every layer that is tried, the tuned model minus the base at the end of the prompt."""
    ends = [(lm.prompt(item.question), "") for item in asked]
    return {
        layer: steering.difference(*(steering.activations(one, ends, layer) for one in (tuned, lm)))
        for layer in some_layers(lm)
    }


def dials(vectors: dict[int, torch.Tensor]) -> list[Dial]:
    """Every vector at every strength."""
    return [Dial(layer, s, vector) for layer, vector in vectors.items() for s in STRENGTHS]


def middle(lm: LM) -> int:
    """The layer whose features are looked for."""
    return len(steering.layers(lm)) // 2


def features(lm: LM, asked: Sequence[Item], max_new_tokens: int, seed: int) -> pd.DataFrame:
    """The features of a sparse autoencoder of the middle layer, trained on the base's own chains
    and direct replies: feature, layer, score (its ReasonScore), active (its mean on chains) and
    vector (its direction, as long as the mean activation).
    """
    layer = middle(lm)
    sides = contrast(lm, asked, max_new_tokens)
    with_chain, without = (steering.activations(lm, pairs, layer) for pairs in sides)
    sae = steering.train_sae(torch.cat(with_chain + without), seed=seed)
    scores = steering.reason_scores(sae, with_chain, without)
    active = sae.encode(torch.cat(with_chain)).mean(0)
    size = float(torch.cat(without).norm(dim=1).mean())
    directions = [sae.decoder.weight[:, f] * size for f in range(len(scores))]
    return pd.DataFrame(
        {
            "feature": range(len(scores)),
            "layer": layer,
            "score": scores.tolist(),
            "active": active.tolist(),
            "vector": [direction.tolist() for direction in directions],
        }
    )


def column(frame: pd.DataFrame, name: str) -> torch.Tensor:
    """A column of `features` as it was computed."""
    return torch.tensor(frame[name].to_numpy(), dtype=torch.float32)


def highest(found: pd.DataFrame, n: int) -> list[int]:
    """The features of the n highest ReasonScores."""
    return column(found, "score").topk(min(n, len(found))).indices.tolist()


def feature_dials(found: pd.DataFrame) -> list[Dial]:
    """The features of the highest ReasonScores as directions before the reply."""
    rows = [found.iloc[feature] for feature in highest(found, N_FEATURES)]
    return [replace(dial_of(row), strength=s) for row in rows for s in STRENGTHS]


def random_features(dial: Dial, found: pd.DataFrame, seed: int) -> list[Dial]:
    """The same dial with random features, of those about as active on chains as its own and of no
    high ReasonScore.
    """
    active = column(found, "active")
    distance = (active - active[dial.feature]).abs()
    distance[highest(found, N_FEATURES)] = float("inf")
    alike = distance.topk(min(N_ALIKE, len(found)), largest=False).indices.tolist()
    others = random.Random(f"feature {seed}").sample(alike, N_RANDOM)
    return [replace(dial_of(found.iloc[f]), strength=dial.strength) for f in others]


def dial_of(row: Any) -> Dial:
    """The dial of a row: layer and vector, and where it has them feature and strength."""
    vector = torch.tensor(np.asarray(row["vector"]), dtype=torch.float32)
    strength, feature = float(row.get("strength", 1.0)), int(row.get("feature", -1))
    return Dial(int(row["layer"]), strength, vector, feature=feature)


def tried(lm: LM, asked: Sequence[Item], some: list[Dial], max_new_tokens: int) -> pd.DataFrame:
    """What the model replies to the items under every dial: a row a dial."""
    prompts = [lm.prompt(item.question) for item in asked]
    rows = []
    for dial in progress(some, len(some), f"{lm.name}: dials"):
        replies = dealt(lm, prompts, [dial], max_new_tokens)
        rows.append(
            {
                "layer": dial.layer,
                "strength": dial.strength,
                "feature": dial.feature,
                "vector": dial.vector.tolist(),
                "texts": [reply.text for reply in replies],
                "truncated": [reply.truncated for reply in replies],
            }
        )
    return pd.DataFrame(rows)


def dealt(lm: LM, prompts: list[str], some: list[Dial], max_new_tokens: int) -> list[Completion]:
    """Greedy replies to the prompts, which are dealt to the dials in turn."""
    replies: dict[int, Completion] = {}
    for first, dial in enumerate(some[: len(prompts)]):
        mine = range(first, len(prompts), len(some))
        with steering.steered(lm, dial.layer, dial.push, dial.back):
            found = generate(lm, [prompts[i] for i in mine], max_new_tokens)
        replies |= zip(mine, found, strict=True)
    return [replies[i] for i in range(len(prompts))]


CONTROLS: dict[str, Callable[[Dial, int], list[Dial]]] = {
    "steering": lambda dial, seed: [dial],
    "random_vector": scrambled,
    "random_position": elsewhere,
}
"""What is added in place of the best dial of a direction, by the method's name before it."""
