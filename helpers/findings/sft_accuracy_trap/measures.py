"""What a chain is worth to a scorer, by the paper's formula and its variants, and why it moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.lab.items import Item
from helpers.lm.models import LM
from helpers.lm.reasoning import gains
from helpers.lm.scoring import token_logprobs
from helpers.text import answers, chains
from helpers.text.chains import OPEN

PER_STEP = {"infogain": "total_gain", "log_infogain": "log_total_gain"}
"""Gains a step, with the gain in all that each is a share of."""
NO_LEAK, EQUAL_STEPS = "_no_leak", "_equal_steps"
"""Marks of a gain without the steps that state the answer; as if told in as many steps as before.
"""
PARTS = {
    "length": "more steps for the same gain",
    "wording": "the teacher's words, on its own right chains",
    "leak": "steps that state the answer",
    "rest": "what is left",
    "whole": "change of the gain a step",
}
"""Parts of a change of the gain a step in nats and their sum, and what people read for them."""


def states_answer(item: Item, step: str) -> bool:
    """Whether a step already says the right answer."""
    words = [word.strip(".,;:!?()") for word in chains.unmarked(step).split()]
    phrases = [a for a in item.answers if " " in a and a.lower() in step.lower()]
    return bool(phrases) or any(answers.accepted(item, word) for word in words if word)


def text_paths(
    scorer: LM, questions: Sequence[str], told: Sequence[list[str]]
) -> list[tuple[np.ndarray, list[int]]]:
    """log p(question, steps 1..i) in nats for i = 0..t, and how many tokens that is the sum of, for
    a chain to each question.
    """
    begun = [
        [
            scorer.prompt(question, f"{OPEN} {text}".rstrip()).rstrip()
            for text in chains.prefixes(steps)
        ]
        for question, steps in zip(questions, told, strict=True)
    ]
    found = []
    for tokens, texts in zip(token_logprobs(scorer, [b[-1] for b in begun]), begun, strict=True):
        n = [len(ids) - 1 for ids in scorer.tokenizer(texts, add_special_tokens=False)["input_ids"]]
        found.append((np.array([tokens[:k].sum() for k in n]), n))
    return found


def worth(item: Item, steps: list[str], row: Any) -> dict[str, Any]:
    """What a chain is worth, by the paper's formula and its variants; row: of the table `scored`.

    infogain_released: as the released code has it, from the perplexity of question, steps and
    answer together, divided by t + 1.
    """
    n = row.n_tokens
    nats, clean = np.asarray(row.logp) / n, np.asarray(row.clean_logp) / n
    text = np.asarray(row.text_logp) + np.asarray(row.logp)
    whole = np.exp(-text / (np.asarray(row.text_tokens) + n))
    leaks = [states_answer(item, step) for step in steps]
    return {
        "chain": " ".join(steps),
        "nats": nats.tolist(),
        "leaks": leaks,
        **gains(nats),
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


def at_equal_steps(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both arms with `PER_STEP` as if the gain in all were told in as many steps as before, and
    with what their own chains end in, `chain_accuracy`.

    Cutting the longer chain to as many steps would cut it in mid-story, and find padding again.
    """
    pair = side_by_side(before, after)
    steps = pair.n_steps_before.clip(lower=1)
    return tuple(
        pair[["base", "seed", "item"]].assign(
            chain_accuracy=pair[f"chain_accuracy_{end}"],
            **{
                f"{name}{EQUAL_STEPS}": pair[f"{whole}_{end}"] / steps
                for name, whole in PER_STEP.items()
            },
        )
        for end in ("before", "after")
    )


def decomposition(
    before: pd.DataFrame, after: pd.DataFrame, words: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The change of the gain a step, in nats, as a sum, item by item: more steps for the same gain;
    what the teacher's words do to the scorer on the teacher's own right chains; gain from steps
    that state the answer; and what is left.

    words: columns base, item, and the gain in all of the right chain in other words and in this
    teacher's, `plain` and `own`; None where there is none. Columns: base, seed, item, and `PARTS`;
    the first four add up to the last, exactly.
    """
    pair = side_by_side(before, after)
    if words is None:
        pair = pair.assign(plain=0.0, own=0.0)
    else:
        pair = pair.merge(words, on=["base", "item"])
    rows = []
    for row in pair.to_dict("records"):
        gain, steps = {}, {}
        for end in ("before", "after"):
            rises = np.diff(row[f"nats_{end}"])
            leaks = np.array(row[f"leaks_{end}"], dtype=bool)
            gain[end] = np.array([rises[leaks].sum(), rises[~leaks].sum()])
            steps[end] = max(len(rises), 1)
        leak, rest = (gain["after"] - gain["before"]) / steps["after"]
        length = gain["before"].sum() * (1 / steps["after"] - 1 / steps["before"])
        wording = (row["own"] - row["plain"]) / steps["after"]
        found = {"length": length, "wording": wording, "leak": leak, "rest": rest - wording}
        about = {name: row[name] for name in ("base", "seed", "item")}
        rows.append(about | found | {"whole": length + leak + rest})
    return pd.DataFrame(rows)
