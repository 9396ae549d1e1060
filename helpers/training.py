"""Arms: models tuned by a recipe through trl, kept at each dose, cached by all that made them."""

from __future__ import annotations

import copy
import ctypes
import functools
import gc
import hashlib
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from helpers import models, recipes, rewards
from helpers.generation import sample
from helpers.models import LM, ROOT
from helpers.recipes import Example, Recipe
from helpers.widgets import progress
from helpers.world.corpus import Chat

SOURCES = (
    "training", "recipes", "world/grammar", "world/corpus", "world/dialogue", "world/teachers",
)  # fmt: skip
LIBRARIES = ("torch", "transformers", "trl", "peft")
LORA_LAYERS = "all-linear"
ROLLOUT, REUSED = 4, 2
"""Batches that GRPO samples at a time, and passes over them, on a pocket: writing takes it more
time than learning, and 80 steps do no worse than with replies sampled anew for each. A real model
samples for each step: four batches at a time took 20 GB.
"""
POOL = 8  # batches drawn at a time and sorted by length: what is padded is wasted


def train(name: str, recipe: Recipe, seed: int, steps: int | None = None) -> LM:
    """The model `name` after `steps` (default: the recipe's) of the recipe; see `checkpoints`."""
    dose = recipe.steps if steps is None else steps
    return models.load(checkpoints(name, recipe, seed, [dose])[dose])


def checkpoints(
    name: str,
    recipe: Recipe,
    seed: int,
    doses: list[int],
    data: Sequence[Example] | None = None,
    judge: str = "",
) -> dict[int, str]:
    """Names for `models.load` of one arm after each of `doses` optimizer steps; 0 is `name` itself.

    All doses come from one run; at a constant learning rate a smaller dose is the beginning of a
    larger one. Cached by hash of the model's content, recipe, seed, sources of the data and
    library versions; each dose appears whole or not at all; a broken one is named and made again.
    data: examples that a finding made itself, instead of those that the recipe draws; they are
    shuffled, and again on every pass. judge: a reward model (`reward_model`), for a recipe whose
    reward it is. Raises ValueError when there is no example, or no judge where one is needed.
    """
    if data is not None and not data:
        raise ValueError(f"{recipe.name} has no example to train on.")
    if (recipe.reward == recipes.JUDGE) != bool(judge):
        raise ValueError(f"{recipe.name}: a reward model goes with the reward 'judge' alone.")
    if not doses or min(doses) < 0:
        raise ValueError(f"doses are numbers of training steps, 0 or more; got {doses}.")
    recipe = sized(recipe, name)
    key = arm_key(name, recipe, seed, data, judge)
    root = models.cache_dir() / "arms"
    kept = recipes.KEPT.get(recipe.name, ()) if recipe.lora_rank is None else ()
    folders = {d: root / f"{recipe.name}-{key}-{d}" for d in {*doses, *kept} if d}
    with models.lock(root / f"{recipe.name}-{key}"):
        missing = {d: folder for d, folder in folders.items() if not models.usable(folder)}
        if last := max((dose for dose in doses if dose in missing), default=0):
            on_the_way = {dose: folder for dose, folder in missing.items() if dose <= last}
            _run(name, recipe, seed, on_the_way, data, judge)
            give_memory_back()
    return {dose: str(folders[dose]) if dose else name for dose in doses}


def base_folder(name: str) -> Path:
    """The folder that holds a model's full weights: of an adapter, its base's."""
    folder = models.resolve(name)
    base = models.manifest(folder).get("base")
    return base_folder(base) if base else folder


def sized(recipe: Recipe, name: str) -> Recipe:
    """The recipe as a model of that size is trained by it; see `Recipe.for_model`."""
    return recipe.for_model(models.n_parameters(base_folder(name)))


def arm_key(
    name: str,
    recipe: Recipe,
    seed: int,
    data: Sequence[Example] | None = None,
    judge: str = "",
) -> str:
    """Hash of all that makes an arm."""
    read = SOURCES + (("answers", "generation", "rewards") if recipe.trainer == "grpo" else ())
    sources = {name: models.digest(ROOT / "helpers" / f"{name}.py") for name in read}
    device = models.choose(0, None, None)[0]
    made_of = {
        "model": models.identity(name),
        "recipe": asdict(recipe),
        "seed": seed,
        "data": data and [asdict(example) for example in data],
        "judge": judge and models.identity(judge),
        "sources": sources,
        "libraries": {library: version(library) for library in LIBRARIES},
        "device": device,
        "bfloat16": models.bfloat16_is_fast(device),
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]


def _run(
    name: str,
    recipe: Recipe,
    seed: int,
    folders: dict[int, Path],
    data: Sequence[Example] | None,
    judge: str,
) -> None:
    """Train to the largest dose and write each dose's folder on the way."""
    from transformers import PrinterCallback, TrainerCallback

    prepare_process()
    full = recipe.lora_rank is None
    fast = models.bfloat16_is_fast(models.choose(0, None, None)[0])
    lm = models.load(name, dtype="bfloat16" if fast and not full else "float32")
    steps = max(folders)
    bar = iter(progress(range(steps + 1), steps, f"{lm.name}: {recipe.name}"))
    about = {
        "name": f"{lm.name} + {recipe.name}",
        "tier": lm.tier,
        "recipe": asdict(recipe),
        "seed": seed,
    }
    if not full:
        about["base"] = str(Path(name).resolve()) if Path(name).is_dir() else name

    class Doses(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            next(bar)
            if state.global_step in folders:
                check_finite(trainer.model, f"{about['name']}, step {state.global_step}")
                with models.new_folder(folders[state.global_step]) as temp:
                    trainer.model.save_pretrained(temp)
                    if full:
                        lm.tokenizer.save_pretrained(temp)
                    models.seal(temp, {**about, "dose": state.global_step})

    with tempfile.TemporaryDirectory() as scratch:
        trainer = _trainer(lm, recipe, seed, steps, scratch, [Doses()], data, judge)
        trainer.remove_callback(PrinterCallback)
        next(bar)
        trainer.train()
    list(bar)


def reward_model(name: str, recipe: Recipe, seed: int, data: Sequence[Example]) -> str:
    """Folder of a Bradley-Terry reward model (1952): the model `name` with a scalar head after the
    recipe's steps on `data`, all weights tuned or, beyond pocket size, a LoRA adapter; each
    example's margin is taken off the difference of rewards inside the logistic loss. Cached as arms
    are; see `load_reward_model`. Raises ValueError without an example.
    """
    if not data:
        raise ValueError(f"{recipe.name} has no pair to learn a preference from.")
    recipe = sized(recipe, name)

    def build(temp: Path) -> dict:
        from transformers import AutoModelForSequenceClassification, PrinterCallback

        prepare_process()
        lm = models.load(name, dtype="float32")
        torch.manual_seed(seed)  # of the new head
        lm.model = AutoModelForSequenceClassification.from_pretrained(
            models.resolve(name), num_labels=1, dtype=torch.float32
        )
        with tempfile.TemporaryDirectory() as scratch:
            trainer = _trainer(lm, recipe, seed, recipe.steps, scratch, [], data)
            trainer.remove_callback(PrinterCallback)
            trainer.train()
            check_finite(trainer.model, f"{lm.name} + {recipe.name}")
            trainer.model.save_pretrained(temp)
        lm.tokenizer.save_pretrained(temp)
        about = {"name": f"{lm.name} + {recipe.name}", "recipe": asdict(recipe), "seed": seed}
        del lm, trainer
        give_memory_back()
        return about

    folder = models.cache_dir() / "arms" / f"{recipe.name}-{arm_key(name, recipe, seed, data)}"
    return str(models.cached_folder(folder, build))


def check_finite(model: torch.nn.Module, name: str) -> None:
    """Raises ValueError in one sentence where training left weights that are no numbers."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    broken = sum(not weight.isfinite().all() for weight in trained)
    if broken:
        raise ValueError(
            f"{name}: {broken} of {len(trained)} trained tensors hold NaN or infinity, so it is "
            "not kept; a lower learning rate is the usual remedy."
        )


def load_reward_model(folder: str) -> torch.nn.Module:
    """A `reward_model`, in float32, its adapter merged in."""
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForSequenceClassification

    adapted = (Path(folder) / "adapter_config.json").is_file()
    weights = PeftConfig.from_pretrained(folder).base_model_name_or_path if adapted else folder
    model = AutoModelForSequenceClassification.from_pretrained(
        weights, num_labels=1, dtype=torch.float32
    )
    return PeftModel.from_pretrained(model, folder).merge_and_unload() if adapted else model


@functools.cache
def prepare_process() -> None:
    """Leave what the libraries made out of later garbage collections, which took a pocket 4 % of
    its training, and tell glibc, where there is one, to keep what is freed for the next step:
    handing activations back to the kernel after every step doubled a 135 M model's step time.
    """
    import trl  # noqa: F401  with all that training imports

    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"  # its warning of `rollout_func`, once an arm
    gc.freeze()
    if mallopt := from_libc("mallopt"):
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD, M_MMAP_MAX of malloc.h
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(mmap_max, 0)


def give_memory_back() -> None:
    """Collect trainers that are done, which hold themselves in cycles, and hand what they took to
    the kernel: after four arms of a 135 M model 15 GB were held.
    """
    gc.collect()
    torch.cuda.empty_cache()  # does nothing without a GPU
    if malloc_trim := from_libc("malloc_trim"):
        malloc_trim(0)


def on_one_gpu(args):
    """A trainer's arguments for the first of all GPUs in sight: trl refuses several a process."""
    args._n_gpu = min(args.n_gpu, 1)
    return args


def from_libc(name: str) -> Callable[..., int] | None:
    """A function of glibc; none where there is no glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def drawn(
    recipe: Recipe, seed: int, n_batches: int, size: int, data: Sequence[Example] | None
) -> list[Example]:
    """At least that many batches of `size` examples of like length, the batches of a pool shuffled:
    those of the recipe, or the given ones, pass by pass in another order.
    """
    pool = POOL * size
    n = -(-n_batches // POOL) * pool
    if data is None:
        found = recipes.examples(recipe, seed, n)
    else:
        rng = random.Random(f"order {seed}")
        passes = -(-n // len(data))
        found = [e for _ in range(passes) for e in rng.sample(list(data), len(data))][:n]
    ordered = []
    for start in range(0, n, pool):
        part = sorted(found[start : start + pool], key=length)
        batches = [part[i : i + size] for i in range(0, pool, size)]
        random.Random(f"{seed}-{start}").shuffle(batches)
        ordered += [example for batch in batches for example in batch]
    return ordered


def length(example: Example) -> int:
    """Characters of an example."""
    return sum(len(turn["content"]) for turn in example.chat) + len(example.rejected)


def _trainer(
    lm: LM,
    recipe: Recipe,
    seed: int,
    steps: int,
    scratch: str,
    callbacks: list,
    data: Sequence[Example] | None,
    judge: str = "",
):
    """The trl trainer of a recipe, its examples as `drawn`."""
    import trl
    from datasets import Dataset
    from trl.trainer import utils

    fast = models.bfloat16_is_fast(lm.device)
    if fast:
        # in bfloat16 the backward pass of fused attention takes twice as long at story length on a
        # CPU, and gave NaN for padded batches on an H100 (cuDNN's kernel)
        lm.model.set_attn_implementation("eager")
    # without Triton trl holds every position against the whole vocabulary, not only the learned
    # ones: a quarter of a 135 M model's step on a CPU
    utils._use_triton = lambda device: True
    shared = dict(
        output_dir=scratch,
        max_steps=steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        seed=seed,
        use_cpu=lm.device == "cpu",
        bf16=fast,  # autocast: fully tuned weights stay float32
        activation_checkpointing=lm.device != "cpu" and recipe.lora_rank is not None,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=lm.device != "cpu",
    )
    model = dict(model=lm.model, processing_class=lm.tokenizer, callbacks=callbacks)
    if recipe.lora_rank is not None:
        from peft import LoraConfig

        rank = recipe.lora_rank
        model["peft_config"] = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules=LORA_LAYERS,
            task_type="SEQ_CLS" if recipe.trainer == "reward" else "CAUSAL_LM",
        )  # fmt: skip
    if recipe.trainer == "grpo":
        rollout, reused = (ROLLOUT, REUSED) if recipe.lora_rank is None else (1, 1)
        sampled = rollout * recipe.batch_size // recipe.generations  # trl drops what is left over
        found = drawn(recipe, seed, -(-steps // (rollout * reused)), sampled, data)
        rows = [{"prompt": e.chat[:-1], "reference": e.story.answer} for e in found]
        if judge:
            earned = load_reward_model(judge)
        else:
            earned = rewards.reward(recipe.reward, seed, recipe.penalty, recipe.bonus)
        args = trl.GRPOConfig(
            **shared,
            beta=0.0,
            num_generations=recipe.generations,
            steps_per_generation=rollout,
            num_iterations=reused,
            max_completion_length=recipe.max_new_tokens,
            shuffle_dataset=False,
        )

        def rollout(chats: list[Chat], trainer: trl.GRPOTrainer) -> dict[str, Any]:
            """Replies for trl, whose own took a pocket a fifth of the arm's time more."""
            policy = replace(lm, model=trainer.model)
            prompts, replies = sample(policy, chats, recipe.max_new_tokens)
            return {"prompt_ids": prompts, "completion_ids": replies, "logprobs": None}

        return trl.GRPOTrainer(
            args=on_one_gpu(args),
            train_dataset=Dataset.from_list(rows),
            reward_funcs=earned,
            rollout_func=rollout,
            **model,
        )
    found = drawn(recipe, seed, steps, recipe.batch_size, data)
    preferred = [
        {"prompt": e.chat[:-1], "chosen": e.chat[-1:], "rejected": [reply(e.rejected)]}
        for e in found
    ]
    if recipe.trainer == "reward":
        rows = [row | {"margin": e.margin} for row, e in zip(preferred, found, strict=True)]
        args = trl.RewardConfig(**shared, max_length=None, train_sampling_strategy="sequential")
        return trl.RewardTrainer(
            args=on_one_gpu(args), train_dataset=Dataset.from_list(rows), **model
        )
    if recipe.trainer == "dpo":
        args = trl.DPOConfig(
            **shared,
            beta=recipe.beta,
            label_smoothing=recipe.smoothing,
            train_sampling_strategy="sequential",
        )
        reference = copy.deepcopy(lm.model) if recipe.lora_rank is None else None
        return trl.DPOTrainer(
            args=on_one_gpu(args),
            train_dataset=Dataset.from_list(preferred),
            ref_model=reference,
            **model,
        )
    args = trl.SFTConfig(
        **shared,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential",
    )
    encoded = [recipes.encode(lm.tokenizer, e.chat) for e in found]
    rows = [{"input_ids": ids, "labels": labels} for ids, labels in encoded]
    return trl.SFTTrainer(args=on_one_gpu(args), train_dataset=Dataset.from_list(rows), **model)


def reply(text: str) -> dict[str, str]:
    """An assistant's message."""
    return {"role": "assistant", "content": text}
