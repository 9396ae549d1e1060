"""One trl trainer for each kind of recipe, and what their processes need."""

from __future__ import annotations

import ctypes
import functools
import gc
import math
import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from helpers.lm import models, scoring
from helpers.lm.generation import Branch, reply_text, sample
from helpers.lm.models import LM, Handle
from helpers.lm.prompts import opens_chain
from helpers.text import abstention, answers
from helpers.text.chains import OPEN
from helpers.train import recipes, rewards
from helpers.train.recipes import Example, Recipe
from helpers.world.corpus import Chat

LORA_LAYERS = "all-linear"
POOL = 8  # batches drawn at a time and sorted by length: what is padded is wasted


@dataclass(frozen=True)
class Job:
    """One training: a loaded model, its recipe, and where trl may write.

    data: examples that a finding made itself, instead of those that the recipe draws; judge: a
    reward model, for a recipe whose reward it is.
    """

    lm: LM
    recipe: Recipe
    seed: int
    steps: int
    scratch: str
    callbacks: Sequence[Any] = ()
    data: Sequence[Example] | None = None
    judge: Handle | None = None


def trainer(job: Job) -> Any:
    """The trl trainer of a job, its examples as `drawn`."""
    prepare(job.lm)
    return KINDS[job.recipe.trainer](job)


def prepare(lm: LM) -> None:
    """Choose how a model attends, and how trl holds it against the vocabulary, in training."""
    from trl.trainer import utils

    if models.bfloat16_is_fast(lm.device):
        # in bfloat16 the backward pass of fused attention takes twice as long at story length on a
        # CPU, and gave NaN for padded batches on an H100 (cuDNN's kernel)
        lm.model.set_attn_implementation("eager")
    # without Triton trl holds every position against the whole vocabulary, not only the learned
    # ones: a quarter of a 135 M model's step on a CPU
    utils._use_triton = lambda device: True


def settings(job: Job) -> dict[str, Any]:
    """What the arguments of all trainers have in common."""
    recipe, device = job.recipe, job.lm.device
    return dict(
        output_dir=job.scratch,
        max_steps=job.steps,
        per_device_train_batch_size=recipe.batch_size,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        seed=job.seed,
        use_cpu=device == "cpu",
        bf16=models.bfloat16_is_fast(device),  # autocast: fully tuned weights stay float32
        activation_checkpointing=device != "cpu",
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=device != "cpu",
    )


def model(job: Job) -> dict[str, Any]:
    """The model of a trainer, with its tokenizer and its adapter."""
    from peft import LoraConfig

    rank = job.recipe.lora_rank
    adapter = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=LORA_LAYERS,
        task_type="SEQ_CLS" if job.recipe.trainer == "reward" else "CAUSAL_LM",
    )
    return dict(
        model=job.lm.model,
        processing_class=job.lm.tokenizer,
        callbacks=list(job.callbacks),
        peft_config=adapter,
    )


def sft(job: Job) -> Any:
    """Supervised fine-tuning on the reply alone."""
    import trl

    args = trl.SFTConfig(
        **settings(job),
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        train_sampling_strategy="sequential",
    )
    found = drawn(job, job.steps, job.recipe.batch_size)
    encoded = [recipes.encode(job.lm.tokenizer, e.chat) for e in found]
    rows = [{"input_ids": ids, "labels": labels} for ids, labels in encoded]
    return trl.SFTTrainer(args=on_one_gpu(args), train_dataset=dataset(rows), **model(job))


def dpo(job: Job) -> Any:
    """Direct preference optimisation."""
    import trl

    args = trl.DPOConfig(
        **settings(job),
        beta=job.recipe.beta,
        label_smoothing=job.recipe.smoothing,
        train_sampling_strategy="sequential",
    )
    rows = preferred(drawn(job, job.steps, job.recipe.batch_size))
    return trl.DPOTrainer(args=on_one_gpu(args), train_dataset=dataset(rows), **model(job))


def reward(job: Job) -> Any:
    """A Bradley-Terry model of preferences."""
    import trl

    found = drawn(job, job.steps, job.recipe.batch_size)
    rows = [row | {"margin": e.margin} for row, e in zip(preferred(found), found, strict=True)]
    args = trl.RewardConfig(**settings(job), max_length=None, train_sampling_strategy="sequential")
    return trl.RewardTrainer(args=on_one_gpu(args), train_dataset=dataset(rows), **model(job))


def grpo(job: Job) -> Any:
    """Group relative policy optimisation, new questions at every step, its replies by our own
    decoding.
    """
    import trl

    recipe = job.recipe
    found = drawn(job, job.steps, recipe.batch_size // recipe.generations)
    rows = [{"prompt": e.chat[:-1], "reference": e.story.answer} for e in found]
    if job.judge:
        earned = load_reward_model(job.judge)
    else:
        opening = OPEN if opens_chain(job.lm.prompt("?")) else ""
        earned = rewards.reward(recipe.reward, job.seed, recipe.penalty, recipe.bonus, opening)
    args = trl.GRPOConfig(
        **settings(job),
        beta=recipe.beta,
        scale_rewards=recipe.scale_rewards,
        num_generations=recipe.generations,
        steps_per_generation=1,
        max_completion_length=recipe.max_new_tokens,
        shuffle_dataset=False,
    )

    def replies(chats: list[Chat], tuning: trl.GRPOTrainer) -> dict[str, Any]:
        """Replies for trl, whose own took a pocket a fifth of the arm's time more."""
        policy = replace(job.lm, model=tuning.model)
        prompts, written = sample(policy, chats, recipe.max_new_tokens)
        found = {"prompt_ids": prompts, "completion_ids": written, "logprobs": None}
        sure = recipe.reward == rewards.BRIER
        return found | ({"sureness": sureness(policy, prompts, written)} if sure else {})

    class Once(ReadOnce, trl.GRPOTrainer):
        """GRPO where a cache can be kept."""

    kind = Once if job.lm.device == "cpu" else trl.GRPOTrainer
    return kind(
        args=on_one_gpu(args),
        train_dataset=dataset(rows),
        reward_funcs=earned,
        rollout_func=replies,
        **model(job),
    )


KINDS = {"sft": sft, "dpo": dpo, "grpo": grpo, "reward": reward}


class ReadOnce:
    """For a GRPO trainer: each prompt is read once for all replies to it, and each reply once
    however often it was drawn, which takes a pocket half of the time. It needs a model's cache,
    which there is none of where activations are checkpointed.
    """

    def _get_per_token_logps_and_entropies(
        self,
        model,
        input_ids,
        attention_mask,
        logits_to_keep,
        batch_size=None,
        compute_entropy=False,
        **of_images,
    ):
        chats = torch.stack([input_ids, attention_mask], dim=1)
        chats, which = chats.unique(dim=0, return_inverse=True)
        ids, mask = chats.unbind(dim=1)
        n = logits_to_keep + 1  # with the token of the prompt that a reply's first one follows
        prompts, prompt = chats[..., :-n].unique(dim=0, return_inverse=True)
        with self.accelerator.autocast():
            cache = model(
                input_ids=prompts[:, 0],
                attention_mask=prompts[:, 1],
                use_cache=True,
                logits_to_keep=1,
            ).past_key_values
            cache.batch_select_indices(prompt)
            found = model(
                input_ids=ids[:, -n:],
                attention_mask=mask,
                past_key_values=cache,
                labels=ids[:, -n:].masked_fill(mask[:, -n:] == 0, -100),
                fused_lm_head=True,
            )
        entropies = found.entropy[which] if compute_entropy else None
        return found.log_probs[which], entropies, None


def sureness(policy: LM, prompts: list[list[int]], replies: list[list[int]]) -> list[float]:
    """The probability of each reply's answer under the policy that wrote it, given what it wrote
    before; that of the whole reply where it declines or has no answer.
    """
    found = []
    probabilities = scoring.reply_probabilities(policy, prompts, replies)
    for prompt, ids, p in zip(prompts, replies, probabilities, strict=True):
        text = reply_text(policy, policy.tokenizer.decode(prompt), ids)
        said = "" if abstention.abstained(text) else answers.final_answer(text)
        branch = Branch(text, len(ids), False, tuple(ids), p, ())
        found.append(scoring.span_probability(policy, branch, said) if said else math.prod(p))
    return found


def dataset(rows: list[dict[str, Any]]) -> Any:
    """Rows as trl wants them."""
    from datasets import Dataset

    return Dataset.from_list(rows)


def preferred(found: Sequence[Example]) -> list[dict[str, Any]]:
    """Examples as pairs of a chosen and a rejected reply."""
    return [
        {
            "prompt": e.chat[:-1],
            "chosen": e.chat[-1:],
            "rejected": [{"role": "assistant", "content": e.rejected}],
        }
        for e in found
    ]


def drawn(job: Job, n_batches: int, size: int) -> list[Example]:
    """At least that many batches of `size` examples of like length, the batches of a pool shuffled:
    those of the recipe, or the given ones, pass by pass in another order.
    """
    seed, data = job.seed, job.data
    pool = POOL * size
    n = -(-n_batches // POOL) * pool
    if data is None:
        found = recipes.examples(job.recipe, seed, n)
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


def load_reward_model(judge: Handle) -> torch.nn.Module:
    """A `reward_model`, in float32, its adapter merged in."""
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForSequenceClassification

    base = PeftConfig.from_pretrained(judge.folder).base_model_name_or_path
    model = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=1, dtype=torch.float32, use_safetensors=True
    )
    return PeftModel.from_pretrained(model, judge.folder).merge_and_unload()


def check_finite(model: torch.nn.Module, name: str) -> None:
    """Raises ValueError in one sentence where training left weights that are no numbers."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    broken = sum(not weight.isfinite().all() for weight in trained)
    if broken:
        raise ValueError(
            f"{name}: {broken} of {len(trained)} trained tensors hold NaN or infinity, so it is "
            "not kept; a lower learning rate is the usual remedy."
        )


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
