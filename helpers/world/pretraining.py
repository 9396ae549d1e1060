"""Pretraining of the pocket model: a small Llama on the corpus of the pocket world."""

import itertools
import json
import math
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from helpers.lm.models import bfloat16_is_fast
from helpers.world import grammar
from helpers.world.corpus import Corpus, example, mending
from helpers.world.tokenizer import build_tokenizer

POOL = 32
"""Batches drawn at a time, then sorted by length: what is padded is wasted."""


@dataclass(frozen=True)
class Schedule:
    """Size of the model and course of its training.

    The first `lessons` steps are taken on `Corpus.lessons()`: without them the model is slow to
    find out that a number belongs to the name before it. The last `temptation` steps are taken on
    `Corpus.temptation()`, and the `review` steps before them on `Corpus.review()`, which has more
    of what was learned last. A base that misses a gate has `mending` steps after all these, on the
    corpus of mending. Numbers, "none" and a reply's first token weigh `emphasis` times as much in
    the loss as other words, whose choice among wordings is mostly noise. A round is a number of
    steps and its peak learning rates, as a share of those below; it starts with fresh optimizers,
    from weights rounded to bf16 as they will be written.
    """

    width: int = 192
    layers: int = 4
    heads: int = 4
    intermediate: int = 512
    rounds: tuple[tuple[int, float], ...] = (
        (5500, 1.0),
        (1600, 0.5),
        (1600, 0.5),
        (1200, 0.4),
        (1000, 0.5),
    )
    lessons: int = 1000
    review: int = 1200
    temptation: int = 1000
    mending: int = 0
    batch_size: int = 64
    emphasis: float = 3.0
    learning_rate: float = 1.5e-3
    muon_learning_rate: float = 0.004
    warmup_steps: int = 100
    checkpoint_every: int = 250

    def mended(self) -> "Schedule":
        """This schedule with a round more, of mending. A round goes on from weights as they were
        written, so what this one trains is the base that the other does, gone on with.
        """
        steps, peak = self.rounds[-1]
        return replace(self, rounds=(*self.rounds, (steps, peak)), mending=steps)

    @property
    def steps(self) -> int:
        """Steps of all rounds."""
        return self.ends[-1]

    @property
    def ends(self) -> list[int]:
        """The step at which each round ends."""
        return list(itertools.accumulate(steps for steps, _ in self.rounds))


def build_model(tokenizer: PreTrainedTokenizerFast, schedule: Schedule) -> LlamaForCausalLM:
    """A Llama of the schedule's size with random weights."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=schedule.width,
        num_hidden_layers=schedule.layers,
        num_attention_heads=schedule.heads,
        num_key_value_heads=schedule.heads,
        intermediate_size=schedule.intermediate,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # Eager attention: at 70 tokens its two products run twice as fast on a CPU as the fused
    # kernel's backward pass.
    return LlamaForCausalLM._from_config(config, attn_implementation="eager")


def batches(
    seed: int, corpus: Corpus, tokenizer: PreTrainedTokenizerFast, schedule: Schedule, skip: int = 0
) -> Iterator[dict]:
    """Endless batches of the corpus, the same for the same seed; the first `skip` are passed over.

    Yields tensors of shape [batch, length]: ids, padded on the right, and the loss weight of
    predicting each.
    """
    size = schedule.batch_size
    found = [*map(str, range(100)), grammar.NONE]
    found = torch.tensor(tokenizer.convert_tokens_to_ids(found))
    reply = tokenizer.convert_tokens_to_ids("<|assistant|>")
    for pool in range(skip // POOL, 10**9):
        rng = random.Random(f"{seed}-{pool}")
        stage = stage_at(pool * POOL, corpus, schedule)
        examples = [example(rng, stage) for _ in range(POOL * size)]
        texts = [tokenizer.apply_chat_template(e.chat, tokenize=False) for e in examples]
        encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
        starts = list(range(0, len(order), size))
        rng.shuffle(starts)
        for start in starts[skip % POOL if pool == skip // POOL else 0 :]:
            rows = [(encoded[i], examples[i].first_weight) for i in order[start : start + size]]
            length = max(len(ids) for ids, _ in rows)
            ids = torch.full((size, length), tokenizer.pad_token_id)
            weight = torch.zeros(size, length)
            for row, (tokens, first_weight) in enumerate(rows):
                ids[row, : len(tokens)] = torch.tensor(tokens)
                first = len(tokens) - tokens[::-1].index(reply)
                weight[row, first : len(tokens)] = 1.0
                weight[row, first] = first_weight * schedule.emphasis
            weight[torch.isin(ids, found)] *= schedule.emphasis
            yield {"ids": ids, "weight": weight}


def stage_at(step: int, corpus: Corpus, schedule: Schedule) -> Corpus:
    """The corpus of the pool that begins at `step`: lessons first, review, temptation and mending
    last.
    """
    mended = schedule.steps - schedule.mending
    tempted = mended - schedule.temptation
    if step < schedule.lessons:
        return corpus.lessons()
    if step >= mended:
        return mending(corpus)
    if step >= tempted:
        return corpus.temptation()
    return corpus.review() if step >= tempted - schedule.review else corpus


def loss_of(model: LlamaForCausalLM, batch: dict) -> torch.Tensor:
    """Weighted cross-entropy on the replies; the head runs only where something is learned."""
    embedded = model.model.embed_tokens(batch["ids"])
    if torch.is_autocast_enabled("cpu"):
        embedded = embedded.bfloat16()
    hidden = model.model(inputs_embeds=embedded, use_cache=False).last_hidden_state[:, :-1]
    weight = batch["weight"][:, 1:]
    learned = weight > 0
    logits = model.lm_head(hidden[learned]).float()
    losses = F.cross_entropy(logits, batch["ids"][:, 1:][learned], reduction="none")
    return (losses * weight[learned]).sum() / learned.sum()


def optimizers(model: LlamaForCausalLM, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon (Jordan et al., 2024) for the matrices of the layers, AdamW for embeddings and norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    return [
        torch.optim.Muon(matrices, lr=schedule.muon_learning_rate, weight_decay=0.01),
        torch.optim.AdamW(others, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rate(step: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at `step`: in each round linear warm-up, then cosine to zero.

    After Loshchilov and Hutter, 2017 (warm restarts).
    """
    number = sum(step >= end for end in schedule.ends)
    steps, peak = schedule.rounds[number]
    step -= schedule.ends[number] - steps
    if step < schedule.warmup_steps:
        return peak * (step + 1) / schedule.warmup_steps
    done = (step - schedule.warmup_steps) / max(1, steps - schedule.warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def pretrain(
    seed: int, out: Path, corpus: Corpus | None = None, schedule: Schedule | None = None
) -> Path:
    """Pretrain the pocket model and write it to `out` as bf16 safetensors with its tokenizer.

    A checkpoint beside `out` lets a killed run go on where it stopped; the same seed gives the same
    batches.
    """
    corpus, schedule = corpus or Corpus(), schedule or Schedule()
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer, schedule)
    if shutil.which("g++"):
        model.model.compile(dynamic=True)
    opts = optimizers(model, schedule)
    peaks = [group["lr"] for opt in opts for group in opt.param_groups]
    out.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    step = resume(checkpoint, model, opts, corpus, schedule)
    stream = batches(seed, corpus, tokenizer, schedule, skip=step)
    started, first_step = time.time(), step
    while step < schedule.steps:
        for group, peak in zip((g for opt in opts for g in opt.param_groups), peaks, strict=True):
            group["lr"] = peak * rate(step, schedule)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_fast("cpu")):
            loss = loss_of(model, next(stream))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        step += 1
        if step in schedule.ends:
            with torch.no_grad():
                for weights in model.parameters():
                    weights.copy_(weights.bfloat16())
            opts = optimizers(model, schedule)
        if step % 50 == 0:
            pace = (time.time() - started) / (step - first_step)
            print(
                f"step {step}/{schedule.steps}  loss {loss.item():.3f}  {pace:.2f} s a step  "
                f"{pace * (schedule.steps - step) / 60:.0f} min left",
                flush=True,
            )
        if step % schedule.checkpoint_every == 0:
            save_atomically(
                {
                    "step": step,
                    "model": model.state_dict(),
                    "optimizers": [opt.state_dict() for opt in opts],
                    "made_by": made_by(corpus, schedule),
                },
                checkpoint,
            )
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "pretraining.json").write_text(
        json.dumps({"seed": seed, **made_by(corpus, schedule)}, indent=1) + "\n"
    )
    checkpoint.unlink(missing_ok=True)
    return out


def made_by(corpus: Corpus, schedule: Schedule) -> dict:
    """What a checkpoint was made with, so that no run goes on from another's; without the stages
    that the schedule does not have.
    """
    stages = {name: value for name, value in asdict(schedule).items() if value}
    return json.loads(json.dumps({"corpus": asdict(corpus), "schedule": stages}))


def resume(
    checkpoint: Path, model: LlamaForCausalLM, opts: list, corpus: Corpus, schedule: Schedule
) -> int:
    """Load `checkpoint` if there is one made with the same corpus and schedule; the step to go on
    from, else 0.
    """
    if not checkpoint.exists():
        return 0
    saved = torch.load(checkpoint, weights_only=True)
    if saved["made_by"] != made_by(corpus, schedule):
        print(f"{checkpoint} was made with another corpus or schedule: starting afresh.")
        return 0
    model.load_state_dict(saved["model"])
    for opt, state in zip(opts, saved["optimizers"], strict=True):
        opt.load_state_dict(state)
    print(f"going on from step {saved['step']}")
    return saved["step"]


def save_atomically(state: dict, path: Path) -> None:
    """Write `state` so that a kill never leaves half a file."""
    part = path.with_name(f"{path.name}.part")
    torch.save(state, part)
    os.replace(part, path)
