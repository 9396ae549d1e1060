"""What finding 5 asks of which models, and what they write: nothing here is graded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from helpers.findings.latent_reasoning import dials, one_problem
from helpers.findings.latent_reasoning.columns import BRANCH, CATEGORIES, DIAL, FEATURES, HYBRID
from helpers.findings.latent_reasoning.methods import (
    BESIDE_TUNED,
    DEEP_STEPS,
    FEATURE,
    KS,
    LONG,
    TEMPERATURE,
    TOP_P,
    TUNED,
)
from helpers.findings.latent_reasoning.one_problem import ONE_PROBLEM
from helpers.lab import finding, items, questions
from helpers.lab.finding import EVALUATION_SEED
from helpers.lab.replies import REPLY, rows
from helpers.lab.table import Cell, table
from helpers.lm import models
from helpers.lm.generation import branched, generate
from helpers.lm.hybrid import Categories, hybrid, learned
from helpers.lm.models import Handle
from helpers.text.chains import OPEN
from helpers.train.arms import Given
from helpers.train.recipes import RECIPES, Example, Recipe


class Params(finding.Rewarded):
    """Parameters of notebook 5."""

    n_items: Annotated[int, Field(ge=2)]
    n_dev: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    k: Annotated[int, Field(ge=2)]
    n_pass_items: Annotated[int, Field(ge=2)]
    max_k: Annotated[int, Field(ge=1, le=64)]
    bases_without_chains: list[int]
    long_dose: Annotated[int, Field(ge=1)]

    @property
    def doses(self) -> list[int]:
        """The one dose of SFT."""
        return [self.dose]


class Writing(finding.Finding):
    """The items, the models and all of their replies; how these are read stands in `experiment`."""

    def __init__(self, p: Params):
        """Raises ValueError when no question has an answer, when pass@k is asked at an odd k, or
        when a base without chains is none.
        """
        if p.max_k not in KS:
            raise ValueError(
                f"Parameter 'max_k' is {p.max_k}: pass@k is computed at {', '.join(map(str, KS))}."
            )
        chainless = models.shipped(chains=False)
        if unknown := {*p.bases_without_chains} - {*chainless}:
            raise ValueError(
                f"Parameter 'bases_without_chains' has {', '.join(map(str, sorted(unknown)))}: the "
                f"pocket models without chains are {', '.join(map(str, chainless)) or 'not here'}."
            )
        steps = finding.steps_asked(p.tier)
        self.dev = dials.dev_items(p.n_dev, steps)
        super().__init__(p, questions.answerable(p.questions, p.n_items, EVALUATION_SEED, steps))
        deep = finding.steps_asked(p.tier, DEEP_STEPS) or steps[-1:]
        self.deep = self.items[: p.n_pass_items]
        if not p.questions:
            self.deep = items.pocket_stories(p.n_pass_items, EVALUATION_SEED, deep)

    @property
    def inputs(self) -> list[Any]:
        """The items, those for pass@k, and the stories on which dials are chosen."""
        return [*super().inputs, *(asdict(item) for item in [*self.deep, *self.dev])]

    @property
    def questions(self) -> list[str]:
        """What every method is asked."""
        return [item.question for item in self.items]

    # --- models -----------------------------------------------------------------------------

    def recipe(self, arm: str) -> Recipe:
        """A named recipe; one problem's arms are SFT or RL as `ONE_PROBLEM` has them."""
        if arm == LONG:
            return RECIPES["reasoning_sft"]
        return replace(RECIPES[ONE_PROBLEM.get(arm, arm)], name=arm)

    def asked(self, arm: str) -> list[int]:
        """RL, and what takes part of its model, has a dose of its own, and so has long SFT."""
        if arm == LONG:
            return [self.p.long_dose]
        return super().asked(arm) if arm.endswith("_sft") else [self.p.rl_dose]

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """As for every finding; the arms of `ONE_PROBLEM` learn from one problem, and those of
        `BESIDE_TUNED` are the base with something of the tuned model.
        """
        if arm in BESIDE_TUNED:
            return self.base(base)
        if arm not in ONE_PROBLEM or dose == 0:
            return super().make_model(arm, base, seed, dose)
        lessons = Given({"lessons": arm}, lambda: self.lessons(Cell(self, arm, base, seed, dose)))
        start, recipe = self.base(base), self.recipe(arm)
        return self.checkpoints(start, recipe, base, seed, [dose], lessons)[dose]

    def made_of(self, cell: Cell) -> list[Handle]:
        """The model that replies, and the tuned one where it takes part."""
        return [cell.model(), *([cell.model(TUNED)] if cell.arm in BESIDE_TUNED else [])]

    def lessons(self, cell: Cell) -> list[Example]:
        """What an arm of `ONE_PROBLEM` learns from."""
        if cell.arm == "critique_sft":
            # the base's own, yet other ones for every training seed
            drawn = self.attempts.of_cell(replace(cell, arm="greedy", dose=0))
            return one_problem.critiques(drawn.text.tolist(), cell.stream)
        if cell.arm == "solution_sft":
            return one_problem.solutions(cell.stream)
        return one_problem.prompted()

    # --- what models wrote ------------------------------------------------------------------

    @table(REPLY)
    def written(self, cell: Cell) -> pd.DataFrame:
        """The greedy reply of a model to every item, its chain forced open for `forced`."""
        lm, opening = cell.lm(), OPEN * (cell.arm == "forced")
        prompts = [lm.prompt(question, opening) for question in self.questions]
        replies = generate(lm, prompts, self.p.max_new_tokens)
        return rows(self.items, replies, opening)

    @table(BRANCH)
    def branches(self, cell: Cell) -> pd.DataFrame:
        """The k first-token branches of every item, likeliest first, a row a branch."""
        lm = cell.lm()
        prompts = [lm.prompt(question) for question in self.questions]
        found = branched(lm, prompts, self.p.k, self.p.max_new_tokens)
        return pd.DataFrame(
            {"item": item.id, **asdict(branch)}
            for item, of_item in zip(self.items, found, strict=True)
            for branch in of_item
        )

    @table(REPLY)
    def samples(self, cell: Cell) -> pd.DataFrame:
        """k replies to every item at temperature 1, a row a reply."""
        return self.drawn(cell, self.items, self.p.k, 1.0, 1.0)

    @table(REPLY)
    def many_samples(self, cell: Cell) -> pd.DataFrame:
        """As many replies as the largest k of pass@k to its items, a row a reply."""
        return self.drawn(cell, self.deep, self.p.max_k, TEMPERATURE, TOP_P)

    def drawn(self, cell: Cell, asked: Sequence[items.Item], n: int, *how: float) -> pd.DataFrame:
        """n replies to each of some items; how: temperature and nucleus."""
        lm, room = cell.lm(), self.p.max_new_tokens
        prompts = [lm.prompt(item.question) for item in asked for _ in range(n)]
        replies = generate(lm, prompts, room, *how, seed=cell.stream)
        return rows([item for item in asked for _ in range(n)], replies)

    @table({"text": "a solution, its chain forced open, that beginning included"})
    def attempts(self, cell: Cell) -> pd.DataFrame:
        """Noisy solutions of the one problem, which critiques are of."""
        drawn = one_problem.attempts(cell.lm(), cell.stream)
        return pd.DataFrame({"text": [reply.text for reply in drawn]})

    @table(FEATURES)
    def features(self, cell: Cell) -> pd.DataFrame:
        """The features of a sparse autoencoder of the base."""
        return dials.features(cell.lm(), self.dev, self.p.max_new_tokens, cell.stream)

    @table(
        DIAL
        | {
            "texts": "replies under it to the stories on which dials are chosen",
            "truncated": "whether each was cut off",
        }
    )
    def tried(self, cell: Cell) -> pd.DataFrame:
        """Every dial of a mechanism that is tried on other stories than the items."""
        lm = cell.lm()
        if cell.arm == FEATURE:
            some = dials.feature_dials(self.features.of_cell(cell))
        elif cell.arm == "steering_tuned":
            some = dials.dials(dials.by_tuning(lm, cell.lm(TUNED), self.dev))
        else:
            some = dials.dials(dials.by_opening(lm, self.dev))
        return dials.tried(lm, self.dev, some, self.p.max_new_tokens)

    @table(CATEGORIES)
    def categories(self, cell: Cell) -> pd.DataFrame:
        """What the tuned model does, by category, and how the base is moved to do it."""
        lm, tuned = cell.lm(), cell.lm(TUNED)
        prompts = [lm.prompt(item.question) for item in self.dev]
        found, words = learned(
            lm, tuned, prompts, self.p.max_new_tokens, dials.middle(lm), cell.stream
        )
        columns = {"centre": found.centres.tolist(), "vector": found.vectors.tolist()}
        return pd.DataFrame(columns | {"words": words}).assign(
            category=range(len(words)), layer=found.layer
        )

    @table(HYBRID)
    def hybrids(self, cell: Cell, share: float) -> pd.DataFrame:
        """The reply to every item that the base writes steered where the tuned model would go on
        otherwise, and is ahead by more than 1 - share; or what controls it: random vectors as long,
        or the same vectors at as many tokens, at random.
        """
        if share == 0:
            alone = self.written.of_cell(cell.beside("greedy"))
            return alone[[*REPLY]].assign(n_steered=0)
        found, own = self.categories.of_cell(cell.beside("hybrid")), cell.beside("hybrid")
        both = (np.stack(found[name]) for name in ("centre", "vector"))
        centres, vectors = (torch.tensor(part, dtype=torch.float32) for part in both)
        rate = None
        if cell.arm == "hybrid_random_vector":
            vectors = dials.as_long(vectors, cell.stream)
        elif cell.arm == "hybrid_random_position":
            there = self.hybrids.of_cell(own, share=share)
            rate = float(there.n_steered.sum() / there.n_tokens.sum())
        by = Categories(int(found.layer[0]), centres, vectors)
        lm, tuned = cell.lm(), cell.lm(TUNED)
        prompts = [lm.prompt(question) for question in self.questions]
        replies, steered = hybrid(
            lm, tuned, prompts, self.p.max_new_tokens, by, share, rate, cell.stream
        )
        return rows(self.items, replies).assign(n_steered=steered)
