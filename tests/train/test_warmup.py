import json
from dataclasses import asdict

from helpers.findings import latent_reasoning
from helpers.lab import items
from helpers.lm import models
from helpers.lm.generation import generate
from helpers.run import runner
from helpers.text import answers
from helpers.text.chains import OPEN
from helpers.train.recipes import RECIPES


def test_the_shipped_warm_up_is_whole_and_of_the_recipe():
    about, recipe = models.manifest(models.WARMED), RECIPES["warmup"].for_model(135_000_000)
    assert not models.broken(models.WARMED)
    assert about["recipe"] == json.loads(json.dumps(asdict(recipe)))
    assert (about["base"], about["dose"]) == ("smollm2", recipe.steps)


def test_small_starts_from_it_and_is_asked_what_it_was_trained_on():
    settings = runner.settings("05", tier="small", model="smollm2", seeds=[0])
    lab = latent_reasoning.Experiment(latent_reasoning.Params(**settings))
    assert lab.base(0) == str(models.WARMED)
    assert {item.steps for item in lab.items} == {2, 3}


def test_with_a_chain_it_solves_stories():
    lm = models.load(str(models.WARMED), "cpu", "float32")
    asked = items.pocket_stories(8, 31, (1, 2))
    replies = generate(lm, [lm.prompt(item.question, OPEN) for item in asked], 64)
    right = [answers.grade(i, r)["correct"] for i, r in zip(asked, replies, strict=True)]
    assert sum(right) >= 4
