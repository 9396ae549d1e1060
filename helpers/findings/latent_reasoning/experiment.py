"""Finding 5, latent reasoning: can the base already, and what does training decide?

Claim and rule: data/published.yaml, `latent_reasoning` (CoT-decoding: Wang and Zhou, arXiv
2402.10200; hybrid: Venhoff et al., arXiv 2510.07364; pass@k: Yue et al., arXiv 2504.13837).
"""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Annotated

import pandas as pd
import torch
from pydantic import Field

from helpers import experiment, statistics
from helpers.experiment import EVALUATION_SEED, quietly_load
from helpers.findings.latent_reasoning.branches import (
    answering,
    best_sum,
    commonest,
    confidence,
    most_confident,
)
from helpers.findings.latent_reasoning.dials import (
    DIRECTIONS,
    N_RANDOM,
    STRENGTHS,
    Dial,
    best_dial,
    contrast,
    dev_items,
    elsewhere,
    scrambled,
    some_layers,
)
from helpers.findings.latent_reasoning.one_problem import ONE_PROBLEM
from helpers.lab import items
from helpers.lm import steering
from helpers.lm.generation import Branch, Completion, branched, generate
from helpers.lm.hybrid import hybrid
from helpers.lm.models import LM
from helpers.text import answers
from helpers.text.chains import OPEN
from helpers.train.recipes import RECIPES, Recipe

TUNED = "rlvr"
MECHANISMS = {
    "cot_max": ("majority", "longest"),
    "cot_sum": ("majority", "longest"),
    "steering_opened": ("random_vector_opened", "random_position_opened"),
    "steering_tuned": ("random_vector_tuned", "random_position_tuned"),
    "sae_feature": ("random_feature",),
    "critique_sft": ("solution_sft",),
    "rlvr": ("rlvr_format", "rlvr_random", "rlvr_wrong"),
    "rlvr_one": ("rlvr_one_format",),
    "hybrid": ("hybrid_random",),
}
"""Every mechanism with the controls that it must beat."""
METHODS = ("greedy", "forced", *dict.fromkeys(m for k, v in MECHANISMS.items() for m in (k, *v)))
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
KS = (1, 2, 4, 8, 16, 32, 64)
N_FEATURES = 3  # the highest by ReasonScore, of which the best on other stories is taken
HYBRID_SHARE = 0.5
"""The hybrid that is reported: the tuned model chooses where it is ahead by more than .5. Near 1 it
would be the tuned model, and so would its control.
"""


class Params(experiment.Params):
    """Parameters of notebook 5."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    k: Annotated[int, Field(ge=2)]
    n_pass_items: Annotated[int, Field(ge=2)]
    max_k: Annotated[int, Field(ge=1, le=64)]

    @property
    def doses(self) -> list[int]:
        """The one dose of every arm."""
        return [self.dose]


class Experiment(experiment.Experiment):
    """Every mechanism answers the same items; what it said is kept for the session."""

    finding = "latent_reasoning"

    def __init__(self, p: Params):
        """Raises ValueError when no question has an answer or pass@k is asked at an odd k."""
        if p.max_k not in KS:
            raise ValueError(
                f"Parameter 'max_k' is {p.max_k}: pass@k is computed at {', '.join(map(str, KS))}."
            )
        self.steps = experiment.steps_asked(p.tier)
        super().__init__(p, items.answerable(p.questions, p.n_items, EVALUATION_SEED, self.steps))
        self.questions = [item.question for item in self.items]
        self._solved: dict[str, pd.DataFrame] = {}
        self.replies = cache(self._replies)
        self.branches = cache(self._branches)
        self.steering_dial = cache(self._steering_dial)
        self.features = cache(self._features)
        self.feature_dials = cache(self._feature_dials)
        self.mixed = cache(self._mixed)
        self.routed = cache(self._routed)
        self.passes = cache(self._passes)

    @property
    def n_pass(self) -> int:
        """Items that are sampled for pass@k."""
        return min(self.p.n_pass_items, len(self.items))

    def recipe(self, arm: str) -> Recipe:
        """A named recipe; one problem's arms are SFT or RL as named."""
        kin, _ = ONE_PROBLEM.get(arm, (arm, None))
        return replace(RECIPES[kin], name=arm)

    def model(self, arm: str, seed: int, dose: int) -> str:
        """As for every experiment; the arms of `ONE_PROBLEM` learn from one problem."""
        if arm not in ONE_PROBLEM:
            return super().model(arm, seed, dose)
        _, examples = ONE_PROBLEM[arm]
        data = examples(quietly_load(self.base(seed)), seed)
        recipe = self.recipe(arm)
        return self.checkpoints(self.base(seed), recipe, seed, [dose], data=data)[dose]

    def lm(self, arm: str, seed: int) -> LM:
        """An arm at its end, in exact arithmetic."""
        return quietly_load(self.model(arm, seed, self.p.dose), dtype="float32")

    def solved(self, method: str) -> pd.DataFrame:
        """A method's replies, a row a seed and item: item, scenario, should_abstain, arm (the
        method), seed, text, correct, chain (whether it opens with one).
        """
        if method not in self._solved:
            frames = []
            for seed in self.p.seeds:
                replies = self.replies(method, seed)
                rows = [
                    {
                        "item": item.id,
                        "scenario": item.scenario,
                        "should_abstain": False,
                        "text": reply.text,
                        "correct": right,
                        "chain": reply.text.startswith(OPEN),
                    }
                    for item, reply, right in zip(
                        self.items, replies, self.right(replies), strict=True
                    )
                ]
                frames.append(pd.DataFrame(rows).assign(arm=method, seed=seed))
            self._solved[method] = pd.concat(frames, ignore_index=True)
        return self._solved[method]

    def right(self, replies: list[Completion]) -> list[bool]:
        """Whether each item's reply is right."""
        pairs = zip(self.items, replies, strict=True)
        return [bool(answers.grade(item, reply)["correct"]) for item, reply in pairs]

    def _replies(self, method: str, seed: int) -> list[Completion]:
        """What a method answers to every item."""
        kind, _, direction = method.rpartition("_")
        if direction in DIRECTIONS:
            return self.steered(kind, direction, seed)
        special: dict[str, Callable[[], list[Completion]]] = {
            "greedy": lambda: self.greedy(self.lm("before", seed)),
            "forced": lambda: self.greedy(self.lm("before", seed), OPEN),
            "cot_max": lambda: [most_confident(b, c) for b, c in self.branches(seed)],
            "cot_sum": lambda: [best_sum(b, c) for b, c in self.branches(seed)],
            "longest": lambda: [
                max(answering(b), key=lambda one: one.n_tokens) for b, _ in self.branches(seed)
            ],
            "majority": lambda: self.majority(seed),
            "sae_feature": lambda: self.with_dials([self.feature_dials(seed)[0]], seed),
            "random_feature": lambda: self.with_dials(self.feature_dials(seed)[1], seed),
            "hybrid": lambda: self.routed("hybrid", HYBRID_SHARE, seed)[0],
            "hybrid_random": lambda: self.routed("hybrid_random", HYBRID_SHARE, seed)[0],
        }
        return special[method]() if method in special else self.greedy(self.lm(method, seed))

    def greedy(self, lm: LM, opening: str = "") -> list[Completion]:
        """Greedy replies to every item, their forced beginning included."""
        prompts = [lm.prompt(q, opening) for q in self.questions]
        found = generate(lm, prompts, self.p.max_new_tokens)
        return [replace(r, text=f"{opening} {r.text}".strip()) for r in found]

    def _branches(self, seed: int) -> list[tuple[list[Branch], list[float]]]:
        """The k first-token branches of every item with the confidence of each one's answer."""
        lm = self.lm("before", seed)
        prompts = [lm.prompt(q) for q in self.questions]
        found = branched(lm, prompts, self.p.k, self.p.max_new_tokens)
        return [(b, [confidence(lm, one) for one in b]) for b in found]

    def majority(self, seed: int) -> list[Completion]:
        """The commonest answer of k samples."""
        lm = self.lm("before", seed)
        prompts = [lm.prompt(q) for q in self.questions for _ in range(self.p.k)]
        drawn = generate(lm, prompts, self.p.max_new_tokens, temperature=1.0, seed=seed)
        groups = [drawn[i : i + self.p.k] for i in range(0, len(drawn), self.p.k)]
        return [commonest(group) for group in groups]

    def with_dials(self, dials: list[Dial], seed: int) -> list[Completion]:
        """Greedy replies of the base, the items dealt to the dials in turn."""
        lm = self.lm("before", seed)
        prompts = [lm.prompt(q) for q in self.questions]
        replies: dict[int, Completion] = {}
        for first, dial in enumerate(dials[: len(prompts)]):
            mine = range(first, len(prompts), len(dials))
            with steering.steered(lm, dial.layer, dial.push, dial.back):
                found = generate(lm, [prompts[i] for i in mine], self.p.max_new_tokens)
            replies |= zip(mine, found, strict=True)
        return [replies[i] for i in range(len(prompts))]

    def steered(self, kind: str, direction: str, seed: int) -> list[Completion]:
        """Replies under the best dial of a direction, or under one of its controls."""
        dial, _ = self.steering_dial(direction, seed)
        dials = {
            "steering": [dial],
            "random_vector": scrambled(dial, seed),
            "random_position": elsewhere(dial, seed),
        }
        return self.with_dials(dials[kind], seed)

    def _steering_dial(self, direction: str, seed: int) -> tuple[Dial, float]:
        """The layer and strength that do best in one of `DIRECTIONS`, on other items, and the share
        of these that is then right.
        """
        lm = self.lm("before", seed)
        dials = [
            Dial(layer, strength, vector)
            for layer in some_layers(lm)
            for vector in [self.steering_vector(direction, layer, seed)]
            for strength in STRENGTHS
        ]
        return best_dial(lm, dials, dev_items(self.steps), self.p.max_new_tokens)

    def steering_vector(self, direction: str, layer: int, seed: int) -> torch.Tensor:
        """One of `DIRECTIONS` after any layer; [width]."""
        lm, asked = self.lm("before", seed), dev_items(self.steps)
        if direction == "opened":
            firsts = [[x[:1] for x in side] for side in contrast(lm, layer, asked, 1)]
            return steering.difference(*firsts)
        ends = [(lm.prompt(item.question), "") for item in asked]
        states = [steering.activations(one, ends, layer) for one in (self.lm(TUNED, seed), lm)]
        return steering.difference(*states)

    def _features(self, seed: int) -> tuple[steering.SparseAutoencoder, list, list]:
        """A sparse autoencoder of the base's middle layer, and the activations on its own chains
        and direct replies that it was trained on.
        """
        lm = self.lm("before", seed)
        layer = len(steering.layers(lm)) // 2
        with_chain, without = contrast(lm, layer, dev_items(self.steps), self.p.max_new_tokens)
        sae = steering.train_sae(torch.cat(with_chain + without), seed=seed)
        return sae, with_chain, without

    def _feature_dials(self, seed: int) -> tuple[Dial, list[Dial]]:
        """The best of the features that a sparse autoencoder finds for chains, and some at random
        among those as active on them; all as directions before the reply.
        """
        lm = self.lm("before", seed)
        layer = len(steering.layers(lm)) // 2
        sae, with_chain, without = self.features(seed)
        scores = steering.reason_scores(sae, with_chain, without)
        mean = sae.encode(torch.cat(with_chain)).mean(0)
        size = float(torch.cat(without).norm(dim=1).mean())

        def dials(feature: int) -> list[Dial]:
            direction = sae.decoder.weight[:, feature] * size
            return [Dial(layer, strength, direction) for strength in STRENGTHS]

        top = scores.topk(min(N_FEATURES, len(scores))).indices.tolist()
        tried = {id(d): (f, d) for f in top for d in dials(f)}
        asked = dev_items(self.steps)
        found, _ = best_dial(lm, [d for _, d in tried.values()], asked, self.p.max_new_tokens)
        nearest = (mean - mean[tried[id(found)][0]]).abs()
        nearest[top] = float("inf")
        alike = nearest.topk(10, largest=False).indices.tolist()
        others = random.Random(f"feature {seed}").sample(alike, N_RANDOM)
        return found, [replace(found, vector=sae.decoder.weight[:, f] * size) for f in others]

    def reason_scores(self, seed: int) -> pd.DataFrame:
        """The highest ReasonScores of the base's features: feature, score."""
        top = steering.reason_scores(*self.features(seed)).topk(8)
        return pd.DataFrame({"feature": top.indices.tolist(), "ReasonScore": top.values.tolist()})

    def _mixed(self, seed: int, **settings: float) -> tuple[list[Completion], list[int], list[int]]:
        """Base and tuned model in one reply to every item; share or rate, as `hybrid` has them."""
        lm, tuned = self.lm("before", seed), self.lm(TUNED, seed)
        prompts = [lm.prompt(q) for q in self.questions]
        return hybrid(lm, tuned, prompts, self.p.max_new_tokens, seed=seed, **settings)

    def _routed(self, arm: str, share: float, seed: int) -> tuple[list[Completion], list[int]]:
        """The hybrid at a share, and how many tokens of each reply are the tuned model's; its
        control gives the tuned model as large a part of the disagreements, at random.
        """
        if share == 0:
            return self.replies("greedy", seed), [0] * len(self.questions)
        replies, routed, differ = self.mixed(seed, share=share)
        rate = sum(routed) / max(sum(differ), 1)
        if arm == "hybrid" or rate == 1:
            return replies, routed
        return self.mixed(seed, rate=rate)[:2]

    def tokens(self, arm: str, share: float, seed: int) -> float:
        """Share of all tokens that the tuned model chooses."""
        replies, taken = self.routed(arm, share, seed)
        return sum(taken) / max(sum(r.n_tokens for r in replies), 1)

    def _passes(self, arm: str) -> pd.DataFrame:
        """pass@k of an arm by item, n = 2 max_k samples each: arm, seed, item, k, pass."""
        asked, n, rows = self.items[: self.n_pass], 2 * self.p.max_k, []
        for seed in self.p.seeds:
            lm = self.lm(arm, seed)
            prompts = [lm.prompt(item.question) for item in asked for _ in range(n)]
            drawn = generate(lm, prompts, self.p.max_new_tokens, 1.0, seed=seed, batch_size=256)
            for i, item in enumerate(asked):
                right = [answers.grade(item, r)["correct"] for r in drawn[i * n : (i + 1) * n]]
                rows += [
                    {
                        "arm": arm,
                        "seed": seed,
                        "item": item.id,
                        "k": k,
                        "pass": float(statistics.pass_at_k(sum(right), n, k)),
                    }
                    for k in KS
                    if k <= self.p.max_k
                ]
        return pd.DataFrame(rows)
