"""What all findings share: the same items for every arm, and which model an arm is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO

from helpers import models, plots
from helpers.items import Item
from helpers.models import LM
from helpers.params import Params
from helpers.recipes import RECIPES, Recipe
from helpers.training import checkpoints

EVALUATION_SEED = 1_000_003
"""Seed of the items that are reported; nothing is tuned on them."""


class Experiment:
    """Arms asked the same items. p: parameters with at least model, tier, seeds and doses."""

    def __init__(self, p: Params, items: Sequence[Item]):
        self.p = p
        self.items = list(items)
        self.warm = bool(models.tiers().get(p.tier, {}).get("warmup"))

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
        if self.warm:
            recipe = RECIPES["warmup"]
            return checkpoints(self.p.model, recipe, 0, [recipe.steps])[recipe.steps]
        return self.p.model

    def model(self, arm: str, seed: int, dose: int) -> str:
        """Name, for `models.load`, of an arm after `dose` training steps; trains it if need be."""
        if arm == "before" or dose == 0:
            return self.base(seed)
        doses = sorted({*self.p.doses, dose})
        return checkpoints(self.base(seed), self.recipe(arm), seed, doses)[dose]

    def recipe(self, arm: str) -> Recipe:
        """The recipe that makes an arm."""
        return RECIPES[arm]


def quietly_load(name: str, dtype: str | None = None) -> LM:
    """`models.load`; the line that it prints would come once an arm, dose and seed."""
    with redirect_stdout(StringIO()):
        return models.load(name, dtype=dtype)
