"""What all findings share: the same items for every arm, which model an arm is, and the record."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from helpers import statistics
from helpers.lab import params
from helpers.lab.items import STEPS, Item
from helpers.lab.record import Measure, Record
from helpers.lm import models
from helpers.lm.models import LM
from helpers.show import plots
from helpers.statistics import Control, Gate, Interval, Verdict
from helpers.train.arms import checkpoints
from helpers.train.recipes import RECIPES, SHORT, Recipe
from helpers.train.warmup import warmed

EVALUATION_SEED = 1_000_003
"""Seed of the items that are reported; nothing is tuned on them."""
WITHOUT_CHAIN = 1
"""Steps that a warmed-up model can do without a chain: of 60 other stories (seed 999) smollm2
answers .48 of those with one step, .15 of those with two.
"""


class Params(params.Params):
    """Parameters that every finding has."""

    model: str
    tier: str
    seeds: Annotated[list[int], Field(min_length=1)]
    questions: str
    max_new_tokens: Annotated[int, Field(ge=8)]
    forecast: Annotated[float, Field(ge=-1, le=1)]


class Experiment:
    """Arms asked the same items. p: parameters of the finding, its doses among them."""

    finding: str
    """The name of the finding, as in data/published.yaml."""

    def __init__(self, p: Params, items: Sequence[Item]):
        self.p = p
        self.items = list(items)
        self.warm = is_warm(p.tier)

    @property
    def label(self) -> str:
        """The model as figures and record name it."""
        return f"{self.p.model} after a warm-up on the stories" if self.warm else self.p.model

    @property
    def stamp(self) -> str:
        """What every figure carries."""
        n_hidden = sum(item.should_abstain for item in self.items)
        return plots.stamp(self.label, self.p.tier, self.p.seeds, len(self.items), n_hidden)

    def base(self, seed: int) -> str:
        """The model that arms start from: the pocket of that seed, or the real (warm) model."""
        if self.p.model == "pocket":
            return f"pocket-{seed}"
        return warmed(self.p.model) if self.warm else self.p.model

    def model(self, arm: str, seed: int, dose: int) -> str:
        """Name, for `models.load`, of an arm after `dose` training steps; trains it if need be."""
        if arm == "before" or dose == 0:
            return self.base(seed)
        doses = sorted({*self.shown(arm), dose})
        return self.checkpoints(self.base(seed), self.recipe(arm), seed, doses)[dose]

    def shown(self, arm: str) -> list[int]:
        """The doses at which an arm is looked at: one run gives them all."""
        return self.p.doses

    def checkpoints(
        self, start: str, recipe: Recipe, seed: int, doses: list[int], **given: Any
    ) -> dict[int, str]:
        """`training.checkpoints`; a recipe that asks for no room of its own gets the tier's, for
        who never learned the stories takes more words.
        """
        room = models.tiers().get(self.p.tier, {}).get("reply_tokens")
        if room and recipe.max_new_tokens == Recipe.max_new_tokens:
            recipe = replace(recipe, max_new_tokens=room)
        return checkpoints(start, recipe, seed, doses, **given)

    def recipe(self, arm: str) -> Recipe:
        """The recipe that makes an arm."""
        return RECIPES[arm]

    def measure(
        self, interval: Any, name: str, arm: str, scenario: str = "all", dose: int = 0
    ) -> Measure:
        """An interval (or a row of a table of them) as a measure of the record."""
        return Measure(
            name=name,
            arm=arm,
            scenario=scenario,
            dose=dose,
            estimate=interval.estimate,
            low=interval.low,
            high=interval.high,
            n=interval.n,
            seeds=self.p.seeds[: interval.seeds],
        )

    def record(
        self,
        measures: list[Measure],
        gates: list[Gate],
        controls: list[Control],
        found: Verdict,
        forecast: float,
        seconds: float,
    ) -> Record:
        """The record of the run."""
        return Record(
            finding=self.finding,
            tier=self.p.tier,
            model=self.label,
            seeds=self.p.seeds,
            parameters=self.p.model_dump(),
            measures=measures,
            gates=gates,
            controls=controls,
            verdict=found.label,
            reason=found.reason,
            forecast=forecast,
            seconds=seconds,
        )


def is_warm(tier: str) -> bool:
    """Whether the models of a tier are warmed up on the stories."""
    return bool(models.tiers().get(tier, {}).get("warmup"))


def steps_asked(
    tier: str, steps: tuple[int, ...] = STEPS, most: int = len(SHORT)
) -> tuple[int, ...]:
    """Steps of the stories that are asked; a warmed-up model gets none longer than `most`, which
    is what its warm-up had.
    """
    return tuple(n for n in steps if not is_warm(tier) or n <= most)


def quietly_load(name: str, dtype: str | None = None, thinking: bool = True) -> LM:
    """`models.load`; the line that it prints would come once an arm, dose and seed. thinking: the
    switch of a chat template that has one.
    """
    with redirect_stdout(StringIO()):
        return replace(models.load(name, dtype=dtype), thinking=thinking)


def known(frame: pd.DataFrame) -> pd.DataFrame:
    """The answerable items."""
    return frame[~frame.should_abstain.astype(bool)]


def both(before: pd.DataFrame, after: pd.DataFrame, flag: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two arms on the items where `flag` holds in both, in every seed."""
    good = [frame.groupby("item")[flag].all() for frame in (before, after)]
    common = good[0] & good[1].reindex(good[0].index, fill_value=False)
    chosen = set(common.index[common])
    return tuple(frame[frame.item.isin(chosen)] for frame in (before, after))


def change(
    before: pd.DataFrame,
    after: pd.DataFrame,
    name: str,
    flag: str = "",
    limits: tuple[float, float] | None = None,
) -> Interval:
    """Change of a measure on the same items, after minus before; with a flag, on the items where
    it holds in both arms (NaN when there is none). limits: the measure's range.
    """
    pair = both(before, after, flag) if flag else (before, after)
    if pair[0].empty:
        return Interval(np.nan, np.nan, np.nan, 0, before.seed.nunique())
    return statistics.paired_bootstrap(*pair, name, limits=limits)
