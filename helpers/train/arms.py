"""Arms: models tuned by a recipe through trl, kept at each dose, cached by all that made them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch

from helpers.lm import cache, models
from helpers.lm.models import Handle
from helpers.lm.sources import code_of
from helpers.show.widgets import progress
from helpers.train import recipes, trainers
from helpers.train.recipes import Example, Recipe
from helpers.train.trainers import Job

LIBRARIES = ("torch", "transformers", "trl", "peft")


def checkpoints(
    start: Handle,
    recipe: Recipe,
    seed: int,
    doses: list[int],
    data: Sequence[Example] | None = None,
    judge: Handle | None = None,
) -> dict[int, Handle]:
    """One arm after each of `doses` optimizer steps; 0 is the model that it starts from.

    All doses come from one run; at a constant learning rate a smaller dose is the beginning of a
    larger one. Cached by hash of the model's content, recipe, seed, sources of the data and
    library versions; each dose appears whole or not at all; a broken one is named and made again.
    data: examples that a finding made itself, instead of those that the recipe draws; they are
    shuffled, and again on every pass. judge: a reward model (`reward_model`), for a recipe whose
    reward it is. Raises ValueError when there is no example, or no judge where one is needed.
    """
    if data is not None and not data:
        raise ValueError(f"{recipe.name} has no example to train on.")
    if (recipe.reward == recipes.JUDGE) != (judge is not None):
        raise ValueError(f"{recipe.name}: a reward model goes with the reward 'judge' alone.")
    if not doses or min(doses) < 0:
        raise ValueError(f"doses are numbers of training steps, 0 or more; got {doses}.")
    recipe = sized(recipe, start)
    key = arm_key(start, recipe, seed, data, judge)
    root = cache.cache_dir() / "arms"
    kept = recipes.KEPT.get(recipe.name, ()) if recipe.lora_rank is None else ()
    folders = {d: root / f"{recipe.name}-{key}-{d}" for d in {*doses, *kept} if d}
    with cache.lock(root / f"{recipe.name}-{key}"):
        missing = {d: folder for d, folder in folders.items() if not cache.usable(folder)}
        if last := max((dose for dose in doses if dose in missing), default=0):
            on_the_way = {dose: folder for dose, folder in missing.items() if dose <= last}
            _run(start, recipe, seed, on_the_way, data, judge)
            trainers.give_memory_back()
    return {dose: models.find(str(folders[dose])) if dose else start for dose in doses}


def sized(recipe: Recipe, start: Handle) -> Recipe:
    """The recipe as a model of that size is trained by it; see `Recipe.for_model`."""
    return recipe.for_model(start.n_parameters)


def arm_key(
    start: Handle,
    recipe: Recipe,
    seed: int,
    data: Sequence[Example] | None = None,
    judge: Handle | None = None,
) -> str:
    """Hash of all that makes an arm."""
    device = models.choose(0, None, None)[0]
    made_of = {
        "model": start.identity,
        "recipe": asdict(recipe),
        "seed": seed,
        "data": data and [asdict(example) for example in data],
        "judge": judge.identity if judge else "",
        "code": [code_of(recipes.examples), code_of(trainers.trainer)],
        "libraries": {library: version(library) for library in LIBRARIES},
        "device": device,
        "bfloat16": models.bfloat16_is_fast(device),
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def _run(
    start: Handle,
    recipe: Recipe,
    seed: int,
    folders: dict[int, Path],
    data: Sequence[Example] | None,
    judge: Handle | None,
) -> None:
    """Train to the largest dose and write each dose's folder on the way."""
    from transformers import PrinterCallback, TrainerCallback

    trainers.prepare_process()
    full = recipe.lora_rank is None
    fast = models.bfloat16_is_fast(models.choose(0, None, None)[0])
    lm = models.load(start, dtype="bfloat16" if fast and not full else "float32")
    steps = max(folders)
    bar = iter(progress(range(steps + 1), steps, f"{lm.name}: {recipe.name}"))
    about = {
        "name": f"{lm.name} + {recipe.name}",
        "tier": lm.tier,
        "recipe": asdict(recipe),
        "seed": seed,
    }
    if not full:
        is_folder = Path(start.name).is_dir()
        about["base"] = str(start.folder.resolve()) if is_folder else start.name

    class Doses(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            next(bar)
            if state.global_step in folders:
                trainers.check_finite(trainer.model, f"{about['name']}, step {state.global_step}")
                with cache.new_folder(folders[state.global_step]) as temp:
                    trainer.model.save_pretrained(temp)
                    if full:
                        lm.tokenizer.save_pretrained(temp)
                    cache.seal(temp, {**about, "dose": state.global_step})

    with tempfile.TemporaryDirectory() as scratch:
        job = Job(lm, recipe, seed, steps, scratch, [Doses()], data, judge)
        trainer = trainers.trainer(job)
        trainer.remove_callback(PrinterCallback)
        next(bar)
        trainer.train()
    list(bar)


def reward_model(start: Handle, recipe: Recipe, seed: int, data: Sequence[Example]) -> Handle:
    """A Bradley-Terry reward model (1952): the model `start` with a scalar head after the
    recipe's steps on `data`, all weights tuned or, beyond pocket size, a LoRA adapter; each
    example's margin is taken off the difference of rewards inside the logistic loss. Cached as arms
    are; see `load_reward_model`. Raises ValueError without an example.
    """
    if not data:
        raise ValueError(f"{recipe.name} has no pair to learn a preference from.")
    recipe = sized(recipe, start)

    def build(temp: Path) -> dict:
        from transformers import AutoModelForSequenceClassification, PrinterCallback

        trainers.prepare_process()
        lm = models.load(start, dtype="float32")
        torch.manual_seed(seed)  # of the new head
        lm.model = AutoModelForSequenceClassification.from_pretrained(
            start.folder, num_labels=1, dtype=torch.float32
        )
        with tempfile.TemporaryDirectory() as scratch:
            trainer = trainers.trainer(Job(lm, recipe, seed, recipe.steps, scratch, data=data))
            trainer.remove_callback(PrinterCallback)
            trainer.train()
            trainers.check_finite(trainer.model, f"{lm.name} + {recipe.name}")
            trainer.model.save_pretrained(temp)
        lm.tokenizer.save_pretrained(temp)
        about = {"name": f"{lm.name} + {recipe.name}", "recipe": asdict(recipe), "seed": seed}
        del lm, trainer
        trainers.give_memory_back()
        return about

    folder = cache.cache_dir() / "arms" / f"{recipe.name}-{arm_key(start, recipe, seed, data)}"
    return models.find(str(cache.cached_folder(folder, build)))
