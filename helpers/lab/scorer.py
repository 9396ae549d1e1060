"""The third model that scores what others wrote: another one than theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from helpers.lab.items import Item
from helpers.lm import models
from helpers.lm.models import LM, Handle

if TYPE_CHECKING:
    from helpers.lab.finding import Finding

TAUGHT, TAUGHT_SEED = "scorer_sft", 999
"""The recipe by which a pocket learns to read all teachers' words, and the seed of its stories,
which no arm learns from.
"""


def third(name: str, base: int) -> Handle:
    """The scorer of the chains of a base: the model of that name or, without one, the pocket of the
    next base, the first one after the last.
    """
    if name:
        return models.find(name)
    shipped = models.shipped()
    following = [number for number in shipped if number > base]
    return models.find(models.pocket((following or shipped)[0]))


def reader(lab: Finding, name: str, base: int) -> Handle:
    """The same, where it is a pocket after it has learned to read the words of every teacher: to
    one that has not, chains in words that it does not know are worth less than nothing.
    """
    recipe = lab.recipe(TAUGHT)
    key = (TAUGHT, base, TAUGHT_SEED, recipe.steps)
    if key not in lab.models:
        found = third(name, base)
        if found.name in map(models.pocket, models.shipped()):
            found = lab.checkpoints(found, recipe, base, TAUGHT_SEED, [recipe.steps])[recipe.steps]
        lab.models[key] = found
    return lab.models[key]


def legible(lm: LM, asked: Sequence[Item]) -> None:
    """Raise ValueError at the first question that holds words unknown to the scorer."""
    unknown = lm.tokenizer.unk_token_id
    for item in asked if unknown is not None else []:
        text = f"{item.question} The answer is {item.answers[0]}"
        if unknown in lm.tokenizer(text, add_special_tokens=False)["input_ids"]:
            raise ValueError(
                f"Parameter 'scorer' is '{lm.name}', which does not know all words of question "
                f"'{item.id}': name a model that reads any text, such as 'smollm2'."
            )
