"""A tiny random Llama that speaks with the pocket world's tokenizer."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from helpers.lm import models
from helpers.world.tokenizer import build_tokenizer


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory):
    """Folder of a random two-layer Llama, sharp enough that greedy choices are no near-ties."""
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        initializer_range=0.3,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_lm(tiny_path):
    """The tiny Llama, loaded on the CPU in float32. Don't change it: the session shares it."""
    return models.load(str(tiny_path), device="cpu", dtype="float32")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder for this test."""
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
