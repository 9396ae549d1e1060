"""A hand-made model with a latent mode: asked "Q3" it says a wrong number of which it is unsure,
and yet one direction of its hidden state, or another first token, makes it reason and say 3.
"""

from types import SimpleNamespace

import torch
from torch import nn
from transformers import LlamaConfig

NUMBERS = range(10)
WORDS = ["pad", "end", *(f"{kind}{n}" for kind in "QTSN" for n in NUMBERS)]
AT = {word: i for i, word in enumerate(WORDS)}
NEVER, SURE, MODE = -30.0, 30.0, 3.0


def spoken(word: str) -> str:
    """What a word looks like in a reply."""
    if word in ("pad", "end"):
        return ""
    return {"T": "<think> count. </think>", "S": "It is", "N": word[1:], "Q": word}[word[0]]


class Tokenizer:
    """Words apart by spaces; numbers may be written bare."""

    pad_token_id, eos_token_id, unk_token_id = AT["pad"], AT["end"], None

    def _ids(self, text):
        return [AT[f"N{word}" if word.isdigit() else word] for word in text.split()]

    def __call__(self, text, add_special_tokens=False, return_tensors=None):
        ids = self._ids(text) if isinstance(text, str) else [self._ids(one) for one in text]
        return {"input_ids": torch.tensor([ids]) if return_tensors else ids}

    def decode(self, ids, skip_special_tokens=False):
        return " ".join(filter(None, (spoken(WORDS[i]) for i in ids)))

    def batch_decode(self, rows, skip_special_tokens=False):
        return [self.decode(row) for row in rows]


class Planted(nn.Module):
    """Hidden state: the current word, one-hot, and the mode. The next word depends on both."""

    def __init__(self, opens: bool):
        super().__init__()
        n = len(WORDS)
        self.config = LlamaConfig(num_hidden_layers=1)
        self.generation_config = SimpleNamespace(eos_token_id=AT["end"])
        self.device = torch.device("cpu")
        self.embed = torch.cat([torch.eye(n), torch.zeros(n, 1)], dim=1)
        self.head = torch.full((n, n + 1), NEVER)
        self.head[:, -1] = 0.0
        self.layers = nn.ModuleList([nn.Identity()])
        for k in NUMBERS:
            question, chain, plain, number = (AT[f"{kind}{k}"] for kind in "QTSN")
            self.embed[chain, -1] = MODE
            self.embed[question, -1] = MODE * opens
            self.head[chain, -1] = 10.0 / MODE  # the mode opens chains
            self.head[plain, question], self.head[chain, question] = 2.0, -5.5
            self.head[number, chain] = SURE
            self.head[AT[f"N{(k + 1) % 10}"], plain] = 1.0
            self.head[AT[f"N{(k + 2) % 10}"], plain] = 0.9
            self.head[AT["end"], number] = SURE

    def forward(self, input_ids, logits_to_keep=0, **kwargs):
        hidden = self.layers[0](self.embed[input_ids])
        logits = hidden @ self.head.T
        return SimpleNamespace(logits=logits[:, -logits_to_keep:] if logits_to_keep else logits)


def planted(opens: bool = False):
    """The base, or its tuned twin that opens chains by itself."""
    return SimpleNamespace(
        model=Planted(opens),
        tokenizer=Tokenizer(),
        name="planted",
        device="cpu",
        prompt=lambda question, prefix="", direct=False: question,
    )
