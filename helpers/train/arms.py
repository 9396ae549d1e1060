"""Arms: models tuned by a recipe through trl, kept at each dose, cached by all that made them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers import ROOT
from helpers.lm import cache, models
from helpers.lm.models import Handle
from helpers.lm.prompts import control, tame
from helpers.lm.sources import code_of
from helpers.show.widgets import progress
from helpers.train import recipes, trainers
from helpers.train.recipes import Example, Recipe
from helpers.train.trainers import Job
from helpers.world.corpus import turn

SHIPPED = ROOT / "data" / "arms"
BATCH = 64  # replies that a reward model rates at a time
LIBRARIES = ("torch", "transformers", "trl", "peft")


@dataclass(frozen=True)
class Given:
    """What a finding gives a training of its own: examples instead of those that the recipe draws,
    or the reward model of a recipe whose reward is one.

    about: what tells it from any other, fit for JSON; make: makes it, which nobody asks for a
    shipped arm.
    """

    about: dict[str, Any]
    make: Callable[[], Sequence[Example] | Handle]


def checkpoints(
    start: Handle, recipe: Recipe, seed: int, doses: list[int], given: Given | None = None
) -> dict[int, Handle]:
    """One arm after each of `doses` optimizer steps; 0 is the model that it starts from.

    A shipped arm is taken as it is (see `shipped`), the others are trained: all doses in one run;
    at a constant learning rate a smaller dose is the beginning of a larger one. Raises ValueError
    when there is no example, no reward model where one is needed, or more than one dose of a
    training whose rate falls to zero at its end.
    """
    if (recipe.reward == recipes.JUDGE) > (given is not None):
        raise ValueError(f"{recipe.name}: the reward 'judge' needs a reward model.")
    if not doses or min(doses) < 0:
        raise ValueError(f"doses are numbers of training steps, 0 or more; got {doses}.")
    if recipe.schedule != "constant" and len({*doses} - {0}) > 1:
        raise ValueError(
            f"{recipe.name}: its rate falls to zero, so each dose is a training of its own; ask for"
            f" one of {doses}."
        )
    recipe = sized(recipe, start)
    found = {0: start} | shipped(start, recipe, seed, doses, given)
    if lacking := [dose for dose in doses if dose not in found]:
        found |= trained(start, recipe, seed, lacking, given)
    return {dose: found[dose] for dose in doses}


def shipped(
    start: Handle, recipe: Recipe, seed: int, doses: list[int], given: Given | None
) -> dict[int, Handle]:
    """The arms of these doses that data/arms/ holds, none where WORKBOOK_FRESH is set.

    Raises ValueError when one of them is not what its manifest says: it can't be made again to the
    last digit elsewhere.
    """
    if fresh():
        return {}
    key = address(start, recipe, seed, given)
    folders = {dose: SHIPPED / f"{recipe.name}-{key}-{dose}" for dose in doses if dose}
    there = {dose: folder for dose, folder in folders.items() if folder.is_dir()}
    for folder in there.values():
        if fault := cache.broken(folder):
            raise ValueError(f"The shipped arm {folder} is broken: {fault}; get data/arms/ anew.")
    return {dose: models.find(str(folder)) for dose, folder in there.items()}


def fresh() -> bool:
    """Whether all arms are to be trained here, by the environment's WORKBOOK_FRESH."""
    return bool(os.environ.get("WORKBOOK_FRESH"))


def is_shipped(handle: Handle) -> bool:
    """Whether a model is one of the shipped arms."""
    return handle.folder.parent == SHIPPED


def address(start: Handle, recipe: Recipe, seed: int, given: Given | None) -> str:
    """Hash of what an arm is, on whatever machine it was trained: its start, recipe and seed, and
    what it was given.
    """
    what = [start.identity, asdict(recipe), seed, given.about if given else None]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


def trained(
    start: Handle,
    recipe: Recipe,
    seed: int,
    doses: list[int],
    given: Given | None,
) -> dict[int, Handle]:
    """Arms that are trained here, or were: cached by hash of the model's content, recipe, seed,
    examples or reward model, sources of the data and library versions. Each dose appears whole or
    not at all; a broken one is named and made again. Examples that are given are shuffled, and
    again on every pass.
    """
    made = given.make() if given else None
    data, judge = (None, made) if recipe.reward == recipes.JUDGE else (made, None)
    if data is not None and not data:
        raise ValueError(f"{recipe.name} has no example to train on.")
    key = arm_key(start, recipe, seed, data, judge)
    root = cache.cache_dir() / "arms"
    kept = recipes.KEPT.get(recipe.name, ()) if start.is_small else ()
    folders = {d: root / f"{recipe.name}-{key}-{d}" for d in {*doses, *kept} if d}
    with cache.lock(root / f"{recipe.name}-{key}"):
        missing = {d: folder for d, folder in folders.items() if not cache.usable(folder)}
        if last := max((dose for dose in doses if dose in missing), default=0):
            on_the_way = {dose: folder for dose, folder in missing.items() if dose <= last}
            at = address(start, recipe, seed, given)
            _run(start, recipe, seed, on_the_way, data, judge, at)
            trainers.give_memory_back()
    return {dose: models.find(str(folders[dose])) for dose in doses}


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
        "code": [code_of(one) for one in code_behind(recipe)],
        "libraries": {library: version(library) for library in LIBRARIES},
        "device": device,
        "bfloat16": models.bfloat16_is_fast(device),
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def code_behind(recipe: Recipe) -> list[Callable]:
    """What draws a recipe's examples and trains on them: no other trainer counts."""
    return [recipes.examples, trainers.prepare, trainers.KINDS[recipe.trainer]]


def _run(
    start: Handle,
    recipe: Recipe,
    seed: int,
    folders: dict[int, Path],
    data: Sequence[Example] | None,
    judge: Handle | None,
    at: str,
) -> None:
    """Train to the largest dose and write each dose's folder on the way; at: the arm's address."""
    from transformers import PrinterCallback, TrainerCallback

    trainers.prepare_process()
    fast = models.bfloat16_is_fast(models.choose(0, None, None)[0])
    lm = models.load(start, dtype="bfloat16" if fast and not start.is_small else "float32")
    steps = max(folders)
    bar = iter(progress(range(steps + 1), steps, f"{lm.name}: {recipe.name}"))
    about = {
        "name": f"{lm.name} + {recipe.name}",
        "tier": lm.tier,
        "recipe": asdict(recipe),
        "seed": seed,
        "address": at,
        "base": named(start, next(iter(folders.values())).parent),
    }

    class Doses(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            next(bar)
            if state.global_step in folders:
                trainers.check_finite(trainer.model, f"{about['name']}, step {state.global_step}")
                with cache.new_folder(folders[state.global_step]) as temp:
                    save_adapter(trainer.model, start, temp)
                    cache.seal(temp, {**about, "dose": state.global_step})

    with tempfile.TemporaryDirectory() as scratch:
        job = Job(lm, recipe, seed, steps, scratch, [Doses()], data, judge)
        trainer = trainers.trainer(job)
        trainer.remove_callback(PrinterCallback)
        next(bar)
        trainer.train()
    list(bar)


def named(start: Handle, beside: Path) -> str:
    """How an arm in the folder `beside` names the model it belongs to, so that a folder of arms can
    be moved.
    """
    if start.folder.parent == beside:
        return start.folder.name
    return str(start.folder.resolve()) if Path(start.name).is_dir() else start.name


def save_adapter(model: Any, start: Handle, folder: Path) -> None:
    """Write an adapter in bfloat16, half as large as in training, and nothing that depends on the
    machine.
    """
    whole = model.state_dict()
    halves = {name: weight.bfloat16() for name, weight in whole.items() if "lora_" in name}
    model.save_pretrained(folder, state_dict=halves)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text("utf-8")) | {"base_model_name_or_path": start.identity}
    path.write_text(json.dumps(config, indent=1), "utf-8")


def reward_model(start: Handle, recipe: Recipe, seed: int, data: Sequence[Example]) -> Handle:
    """A Bradley-Terry reward model (1952): an adapter of the model `start` with a scalar head after
    the recipe's steps on `data`, but no more than one pass: a second one learns the pairs by heart.
    Each example's margin is taken off the difference of rewards inside the logistic loss. Cached as
    arms are; see `load_reward_model`. Raises ValueError without an example.
    """
    if not data:
        raise ValueError(f"{recipe.name} has no pair to learn a preference from.")
    recipe = sized(recipe, start)
    whole_pass = max(1, len(data) // recipe.batch_size)
    recipe = replace(recipe, steps=min(recipe.steps, whole_pass))

    def build(temp: Path) -> dict:
        from transformers import AutoModelForSequenceClassification, PrinterCallback

        trainers.prepare_process()
        lm = models.load(start, dtype="float32")
        torch.manual_seed(seed)  # of the new head
        lm.model = AutoModelForSequenceClassification.from_pretrained(
            start.folder, num_labels=1, dtype=torch.float32, use_safetensors=True
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


@torch.inference_mode()
def rated(judge: Handle, questions: Sequence[str], replies: Sequence[str]) -> np.ndarray:
    """What a `reward_model` gives each reply to its question, read as trl reads it; [replies]."""
    from transformers import AutoTokenizer

    model = trainers.load_reward_model(judge).eval()
    tokenizer = AutoTokenizer.from_pretrained(judge.folder, trust_remote_code=False)
    marks, encoded = control(tokenizer), {}
    for said in dict.fromkeys(zip(questions, replies, strict=True)):
        chat = [turn(role, text) for role, text in zip(("user", "assistant"), said, strict=True)]
        text = tokenizer.apply_chat_template([tame(one, marks) for one in chat], tokenize=False)
        encoded[said] = tokenizer(text, add_special_tokens=False)["input_ids"]
    found = {}
    # together goes what has as many tokens: a head that reads the last one needs no padding
    by_length = sorted(encoded, key=lambda said: len(encoded[said]))
    for _, alike in groupby(by_length, lambda said: len(encoded[said])):
        some = list(alike)
        for chunk in (some[i : i + BATCH] for i in range(0, len(some), BATCH)):
            logits = model(input_ids=torch.tensor([encoded[said] for said in chunk])).logits
            found |= dict(zip(chunk, logits[:, 0].tolist(), strict=True))
    return np.array([found[said] for said in zip(questions, replies, strict=True)])
