"""Can the verdicts say no, and yes? Every finding on planted nulls and on a planted effect.

A null: every arm is the model before training. What it replied and was read for is dealt anew to
every arm and base, each item getting that of an item of its kind, drawn with replacement, so that
arms differ by the chance of other stories and by nothing else. An effect: the arm of the claim is
given what a model said that does show it (see `EFFECTS`). Labels are those of the finding's rule,
and, as a gate that asks for a difference must fail on a null, those without gates too.

Reads the tables of a run, so that one must come first:

    .venv/bin/workbook run --jobs 2
    .venv/bin/python benchmarks/instrument.py --draws 20
"""

from collections import Counter
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pandas as pd
import typer

from helpers.findings.reward_dial import arms as dial_arms
from helpers.lab.finding import Finding
from helpers.run import plan
from helpers.train.arms import checkpoints
from helpers.train.recipes import RECIPES

ANSWERING = "answering"
"""Answer SFT for so many steps that nothing is declined any more."""
ANSWERING_STEPS = 300


def findings() -> list[Callable[[], Finding]]:
    """Every finding as its notebook runs it; each call makes a new object with an empty memo."""
    made = []
    for run in plan.plan(plan.find([])):
        kind = plan.finding_in(plan.module_of(run.notebook))
        if kind:
            params = plan.declared(run.notebook)[1].checked(plan.whole(run))
            made.append(lambda kind=kind, params=params: kind(params))
    return made


def dealt(frame: pd.DataFrame, kinds: dict[str, tuple], rng: np.random.Generator) -> pd.DataFrame:
    """The rows of a table with each item's replaced by those of one of its kind, base by base."""
    frame = frame.reset_index(drop=True)
    # what is the same in every base belongs to the item: whether it can be asked at all, and how
    flags = frame.select_dtypes("bool")
    fixed = [name for name in flags if frame.groupby("item")[name].nunique().max() == 1]
    first = frame.drop_duplicates("item")
    own_kind = {item: (*first.loc[row, fixed],) for row, item in first["item"].items()}
    places, names = [], []
    for _, own in frame.groupby("base", sort=False):
        of_item = {item: own.index[rows] for item, rows in own.groupby("item").indices.items()}
        alike: dict[tuple, list[str]] = {}
        for item in of_item:
            alike.setdefault((kinds.get(item), own_kind[item]), []).append(item)
        for some in alike.values():
            for item, donor in zip(some, rng.choice(some, len(some)), strict=True):
                places.append(of_item[donor])
                names += [item] * len(of_item[donor])
    return frame.loc[np.concatenate(places)].assign(item=names).reset_index(drop=True)


def nothing(lab: Finding, seed: int) -> None:
    """Plant the model before training in every arm of a finding, dealt anew."""
    rng = np.random.default_rng(seed)
    start = next(arm.name for arm in lab.every_arm if not arm.start)
    kinds = {item.id: (item.scenario, item.should_abstain, item.steps) for item in lab.items}
    needed = list(lab.needed())
    has_start = {(table, str(more)) for table, arm, _, more in needed if arm == start}
    for table, arm, dose, more in needed:
        if arm != start and (table, str(more)) in has_start:
            rows = getattr(lab, table)
            given = dealt(rows(start, **more), kinds, rng).assign(arm=arm, dose=dose)
            rows.plant(arm, given, dose, **more)


def swapped(slot: str, other: str) -> Callable[[Finding], None]:
    """An effect: one arm is given all that another said, in the tables that both have."""

    def plant(lab: Finding) -> None:
        needed = list(lab.needed())
        said = {(table, str(more)) for table, arm, _, more in needed if arm == other}
        for table, arm, dose, more in needed:
            if arm == slot and (not said or (table, str(more)) in said):
                rows = getattr(lab, table)
                rows.plant(slot, rows(other, **more), dose, **more)

    return plant


def answering(lab: Finding) -> None:
    """The arm of finding 1 is trained to answer everything."""
    for base in lab.p.bases:
        for seed in lab.p.seeds:
            made = checkpoints(lab.base(base), RECIPES["answer_sft"], base, [ANSWERING_STEPS])[
                ANSWERING_STEPS
            ]
            lab.models[ANSWERING, base, seed, lab.dose(ANSWERING)] = made
    swapped("reasoning_sft", ANSWERING)(lab)


def on_the_line(lab: Finding) -> None:
    """The dialled arms of finding 7 decline exactly where they are less sure than their stop."""
    rows = lab.reading
    for stop in lab.p.stops:
        arm = dial_arms.dial(stop)
        own = rows(arm)
        unsure = own.confidence.fillna(0.0) < stop
        rows.plant(arm, own.assign(decline=np.where(unsure, 1.0, 0.0)))


EFFECTS: dict[str, tuple[str, Callable[[Finding], None]]] = {
    "abstention_loss": ("trained to answer everything", answering),
    "faithfulness_decay": (
        "SFT on false chains with right answers",
        swapped("new_task_answers", "wrong_chain_sft"),
    ),
    "sft_accuracy_trap": (
        "SFT on false chains with right answers",
        swapped("verbose_sft", "wrong_chain_sft"),
    ),
    "sycophancy": ("trained to hold its answer", swapped("reasoning_sft", "hold_sft")),
    "latent_reasoning": ("the chain forced open", swapped("cot_max", "forced")),
    "rlsf_repair": ("SFT on right answers", swapped("repair_grpo", "repair_labels")),
    "reward_dial": ("policies on the line", on_the_line),
}


def labels(lab: Finding) -> tuple[str, str]:
    """The label of a finding's primary claim, by its rule and without its gates."""
    whole = lab.judge().label
    with patch.object(lab, "checked_gates", list):
        return whole, lab.judge().label


def parts(lab: Finding) -> Counter[str]:
    """How many of a finding's mechanisms have each label, without gates."""
    with patch.object(lab, "checked_gates", list):
        return Counter(one.label for one in lab.parts().values())


def main(draws: int = 20) -> None:
    """Print, for every finding, the labels of `draws` nulls and of the planted effect."""
    for new in findings():
        found, ungated, mechanisms = Counter(), Counter(), Counter()
        for seed in range(draws):
            lab = new()
            nothing(lab, seed)
            label, bare = labels(lab)
            found[label] += 1
            ungated[bare] += 1
            mechanisms += parts(lab)
        name = lab.name
        print(f"{name}, null: {dict(found)}; without gates: {dict(ungated)}", flush=True)
        if mechanisms:
            print(f"{name}, null, each mechanism without gates: {dict(mechanisms)}")
        if name in EFFECTS:
            about, plant = EFFECTS[name]
            lab = new()
            plant(lab)
            label, bare = labels(lab)
            print(f"{name}, {about}: {label}; without gates: {bare}", flush=True)


if __name__ == "__main__":
    typer.run(main)
