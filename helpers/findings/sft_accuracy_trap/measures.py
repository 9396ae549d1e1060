"""What a chain is worth to a scorer, by the paper's formula and its variants, and why it moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.items import Item
from helpers.lm.models import LM
from helpers.lm.reasoning import infogain
from helpers.lm.scoring import token_logprobs
from helpers.text import answers, chains
from helpers.text.chains import OPEN

GAINS = ("infogain", "total_gain", "log_infogain", "log_total_gain")
NO_LEAK, MATCHED = "_no_leak", "_matched"
"""Marks of a gain without the steps that state the answer; over as many first steps as both chains
have.
"""
PARTS = {
    "length": "more steps for the same gain",
    "leak": "steps that state the answer",
    "rest": "what is left",
    "whole": "change of InfoGain",
}
"""Parts of a change of InfoGain and their sum, and what people read for them."""


def gains(ppl: np.ndarray, mark: str = "") -> dict[str, float]:
    """`GAINS` of a path of perplexities [t + 1]: per step and in all, in perplexity and in nats a
    token of the answer; `mark` is put behind their names.
    """
    found = infogain(ppl), ppl[0] - ppl[-1], infogain(np.log(ppl)), np.log(ppl[0] / ppl[-1])
    return {f"{name}{mark}": float(value) for name, value in zip(GAINS, found, strict=True)}


def states_answer(item: Item, step: str) -> bool:
    """Whether a step already says the right answer."""
    words = [word.strip(".,;:!?()") for word in step.split()]
    phrases = [a for a in item.answers if " " in a and a.lower() in step.lower()]
    return bool(phrases) or any(answers.accepted(item, word) for word in words if word)


def text_path(scorer: LM, question: str, steps: list[str]) -> tuple[np.ndarray, list[int]]:
    """log p(question, steps 1..i) in nats for i = 0..t, and how many tokens that is the sum of."""
    prompt = scorer.prompt(question, OPEN)
    texts = [f"{prompt} {text}".rstrip() for text in chains.prefixes(steps)]
    tokens = token_logprobs(scorer, texts[-1])
    n = [len(scorer.tokenizer(text, add_special_tokens=False)["input_ids"]) - 1 for text in texts]
    return np.array([tokens[:k].sum() for k in n]), n


def worth(item: Item, steps: list[str], row: Any) -> dict[str, Any]:
    """What a chain is worth, by the paper's formula and its variants; row: of the table `scored`.

    infogain_released: as the released code has it, from the perplexity of question, steps and
    answer together, divided by t + 1.
    """
    n = row.n_tokens
    ppl, clean = np.exp(-np.asarray(row.logp) / n), np.exp(-np.asarray(row.clean_logp) / n)
    text = np.asarray(row.text_logp) + np.asarray(row.logp)
    whole = np.exp(-text / (np.asarray(row.text_tokens) + n))
    leaks = [states_answer(item, step) for step in steps]
    return {
        "chain": " ".join(steps),
        "ppl": ppl.tolist(),
        "leaks": leaks,
        **gains(ppl),
        **gains(clean, NO_LEAK),
        "infogain_released": float(whole[0] - whole[-1]) / (len(steps) + 1),
        "n_steps": float(len(steps)),
        "leaking_steps": float(sum(leaks)),
    }


def side_by_side(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Rows of two arms, item by item, with the columns of each marked. The untrained arm has one
    row a base, which stands beside that of every training seed.
    """
    start = before.drop(columns="seed")
    return start.merge(after, on=["base", "item"], suffixes=("_before", "_after"))


def length_matched(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both arms with `GAINS` over as many first steps as the shorter chain of the item has."""
    pair = side_by_side(before, after)
    shorter = np.minimum(pair.ppl_before.map(len), pair.ppl_after.map(len))
    frames = []
    for end in ("before", "after"):
        paths = zip(pair[f"ppl_{end}"], shorter, strict=True)
        values = [gains(np.asarray(path[:n]), MATCHED) for path, n in paths]
        frames.append(pd.concat([pair[["base", "seed", "item"]], pd.DataFrame(values)], axis=1))
    return frames[0], frames[1]


def decomposition(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The change of InfoGain as a sum of three, item by item: more steps for the same gain, gain
    from steps that state the answer, and what is left.

    Columns: base, seed, item, length, leak, rest, whole; the first three parts add up to the last,
    exactly.
    """
    rows = []
    for row in side_by_side(before, after).to_dict("records"):
        gain, steps = {}, {}
        for end in ("before", "after"):
            drops = -np.diff(row[f"ppl_{end}"])
            leaks = np.array(row[f"leaks_{end}"], dtype=bool)
            gain[end] = np.array([drops[leaks].sum(), drops[~leaks].sum()])
            steps[end] = max(len(drops), 1)
        leak, rest = (gain["after"] - gain["before"]) / steps["after"]
        length = gain["before"].sum() * (1 / steps["after"] - 1 / steps["before"])
        found = {"length": length, "leak": leak, "rest": rest, "whole": length + leak + rest}
        rows.append({name: row[name] for name in ("base", "seed", "item")} | found)
    return pd.DataFrame(rows)
