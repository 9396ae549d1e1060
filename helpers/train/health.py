"""Whether the arms that are shipped kept their model: measured, told in words, and their card."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.lm import models
from helpers.lm.cache import write_atomically
from helpers.lm.models import Handle
from helpers.train.arms import SHIPPED
from helpers.world import gates

ITEMS, SHORT_ITEMS = 40, 500
"""Unseen stories a cell: of the card's columns, and of the accuracy that a gate asks for."""
STEPS, SHORT = (1, 2, 3, 4, 5), (1, 2, 3)
LEAST_RIGHT, MOST_MOVED = 0.9, 0.05
"""Accuracy that RL on right answers must reach on stories of 1 to 3 steps, and what arms that
should keep theirs may move from their start. With 40 stories a step the second was known to .08.
"""
SHOWN = {
    **{f"accuracy without, {n} steps": f"own accord, {n}" for n in STEPS},
    **{f"accuracy with a chain, {n} steps": f"chain, {n}" for n in STEPS},
    "opens a chain": "opens a chain",
    "abstention recall, macro": "recall",
    "P(decline), unanswerable": "P(decline)",
    "AUROC of P(decline)": "AUROC",
    "calibration error of direct answers": "ECE",
}
"""The gates' measures that a card of arms has, and their columns there."""


def measured(model: Handle, n: int = ITEMS) -> dict[str, float]:
    """The columns of `SHOWN` of a model, on `n` unseen stories a cell."""
    lm = models.loaded(model, "float32")
    rows = [*gates.chains(lm, n, chained=False), *gates.abstentions(lm, n)]
    found = {gate: estimate for gate, estimate, *_ in rows}
    return {column: round(float(found[gate]), 4) for gate, column in SHOWN.items()}


def right_on_short(model: Handle, n: int = SHORT_ITEMS) -> float:
    """Share of right replies of a model's own accord to `n` unseen stories each of 1 to 3 steps."""
    lm = models.loaded(model, "float32")
    return float(np.mean([gates.accuracy_of_own_accord(lm, n, steps) for steps in SHORT]))


def keeps(recipe: dict) -> bool:
    """Whether an arm of a recipe, as its manifest has it, should keep its start's accuracy."""
    return recipe["trainer"] == "dpo" or recipe["reward"] == "random"


def gated(recipe: dict) -> bool:
    """Whether an arm of a recipe promises an accuracy: to keep it, or to reach one."""
    return recipe["name"] == "rlvr" or keeps(recipe)


def fault(recipe: dict, before: float, after: float) -> str:
    """What an arm's training broke, in words; empty where it kept its promise, or made none.

    before, after: `right_on_short` of its start and of the arm.
    """
    if recipe["name"] == "rlvr" and after < LEAST_RIGHT:
        return f"right on {after:.2f} of 1 to 3 steps, less than {LEAST_RIGHT}"
    if keeps(recipe) and abs(after - before) > MOST_MOVED:
        return f"right on {after:.2f} of 1 to 3 steps, from {before:.2f}"
    return ""


def write_card(folder: Path = SHIPPED, each: Callable[..., Iterable] = map) -> Path:
    """Measure every shipped arm that is not in health.csv yet, and write that and the card.

    each: what measures all of them, such as the `map` of a pool.
    """
    path = folder / "health.csv"
    known = read(path) if path.exists() else pd.DataFrame()
    rows = {row["folder"]: row for row in known.to_dict("records")}
    arms = {one.name: models.find(str(one)) for one in sorted(folder.glob("*/"))}
    new = [arm for name, arm in arms.items() if name not in rows]
    columns = each(measured, new)
    promising = [arm for arm in new if gated(arm.about["recipe"])]
    asked = {model.identity: model for arm in promising for model in (arm, arm.base)}
    right = dict(zip(asked, each(right_on_short, asked.values()), strict=True))
    for arm, shown in zip(new, columns, strict=True):
        about, promised = arm.about, {"1 to 3": math.nan, "fault": ""}
        said = {"arm": about["recipe"]["name"], "base": root(arm), "dose": about["dose"]}
        if gated(about["recipe"]):
            before, after = right[arm.base.identity], right[arm.identity]
            promised = {"1 to 3": round(after, 4), "fault": fault(about["recipe"], before, after)}
        rows[arm.folder.name] = {"folder": arm.folder.name, **said, **shown, **promised}
    here = [rows[name] for name in arms]
    frame = pd.DataFrame(here).sort_values(["arm", "base", "dose"])
    write_atomically(path, frame.to_csv(index=False).rstrip())
    write_atomically(folder / "README.md", card(frame))
    return folder / "README.md"


def faults(folder: Path = SHIPPED) -> dict[str, str]:
    """What is wrong with each arm that was measured, by its folder's name; "" for nothing."""
    path = folder / "health.csv"
    if not path.exists():
        return {}
    found = read(path)
    return dict(zip(found.folder, found.fault, strict=True))


def read(path: Path) -> pd.DataFrame:
    """The table of measured arms."""
    return pd.read_csv(path).fillna({"fault": ""})


def root(arm: Handle) -> str:
    """The name of the model that an arm and all its starts come from."""
    while arm.base:
        arm = arm.base
    return arm.name


def card(frame: pd.DataFrame) -> str:
    """The card of the arms as Markdown, a row an arm."""
    shown = frame.drop(columns="folder")
    lines = [f"| {' | '.join(shown.columns)} |", "|---" * len(shown.columns) + "|"]
    lines += [f"| {' | '.join(map(told, row))} |" for row in shown.itertuples(index=False)]
    unwell = frame[frame.fault != ""]
    sentence = (
        f"{len(unwell)} of these {frame['1 to 3'].notna().sum()} arms miss it."
        if len(unwell)
        else "No arm misses it."
    )
    table = "\n".join(lines)
    return CARD.format(
        sentence=sentence,
        n=ITEMS,
        more=SHORT_ITEMS,
        right=LEAST_RIGHT,
        moved=MOST_MOVED,
        table=table,
    )


def told(value: object) -> str:
    """A cell of the card."""
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.2f}"
    return str(value)


CARD = """# The shipped arms

LoRA adapters (rank 8, bfloat16) of the pocket models: the arms that the notebooks compare by
default, so that nobody has to train them. Named by recipe, address and dose; the address is a hash
of the model that training starts from, the recipe, the seed and what a notebook gave it. Made by
`workbook arms --ship`; `workbook run --fresh` trains all of them anew. Licence: Apache-2.0.

On {n} unseen stories a cell, greedy: accuracy of replies of the arm's own accord and with a chain
forced open, by steps of the story; how often a chain is opened; abstention recall, mean P(decline)
of unanswerable stories and its AUROC; expected calibration error of direct answers, – where there
is none. "1 to 3": accuracy of its own accord on {more} stories each of 1 to 3 steps, of arms that
promise one: RL on right answers at least {right}; RL on a random reward, and DPO, within {moved}
of the model that they start from.
{sentence}

{table}
"""
