import json
from dataclasses import asdict

from helpers.lab import items
from helpers.lab.finding import Finding
from helpers.lm import cache, models
from helpers.lm.generation import generate
from helpers.text import answers
from helpers.text.chains import OPEN
from helpers.train.recipes import RECIPES
from helpers.train.warmup import warmed
from tests.toy import Toy, params


def test_the_shipped_warm_up_is_whole_and_of_the_recipe():
    about, recipe = cache.manifest(models.WARMED), RECIPES["warmup"].for_model(135_000_000)
    assert not cache.broken(models.WARMED)
    now = json.loads(json.dumps(asdict(recipe)))
    # it was made before the world had guesses and GRPO a choice of scales
    assert about["recipe"].pop("corpus").items() <= now["corpus"].items()
    assert about["recipe"].items() <= now.items()
    assert (about["base"], about["dose"]) == ("smollm2", recipe.steps)


def test_small_starts_from_it():
    assert warmed("smollm2") == models.find(str(models.WARMED))
    assert Finding.base(Toy(params(model="smollm2", tier="small")), 0).folder == models.WARMED


def test_with_a_chain_it_solves_stories():
    lm = models.load(str(models.WARMED), "cpu", "float32")
    asked = items.pocket_stories(8, 31, (1, 2))
    replies = generate(lm, [lm.prompt(item.question, OPEN) for item in asked], 64)
    right = [answers.grade(i, r)["correct"] for i, r in zip(asked, replies, strict=True)]
    assert sum(right) >= 4
