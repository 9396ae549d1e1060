"""The arms of a run that are shipped: found by what its notebooks read, copied to data/arms/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from helpers.lm import cache
from helpers.lm.models import Handle
from helpers.run import plan
from helpers.run.plan import Run
from helpers.train import health
from helpers.train.arms import SHIPPED


def arms_of(runs: Sequence[Run]) -> dict[str, Handle]:
    """Every trained model that takes part in some notebooks' tables, and those that it was trained
    from, by folder name in data/arms/. Trains what is not there.
    """
    found: dict[str, Handle] = {}
    for run in runs:
        module = plan.module_of(run.notebook)
        if plan.finding_in(module):
            for lab in plan.experiment(module, plan.whole(run)).experiments():
                for _, arm, dose, _ in lab.needed():
                    models = [m for cell in lab.cells(arm, dose) for m in lab.made_of(cell)]
                    found |= {name(one): one for model in models for one in descent(model)}
    return found


def descent(handle: Handle | None) -> Iterator[Handle]:
    """A model and those that it was trained from, as far as they are arms."""
    while handle and "recipe" in handle.about:
        yield handle
        handle = handle.base


def name(arm: Handle) -> str:
    """The folder of an arm in data/arms/."""
    about = arm.about
    return f"{about['recipe']['name']}-{about['address']}-{about['dose']}"


def ship(arms: dict[str, Handle], to: Path = SHIPPED) -> list[Path]:
    """Copy arms to data/arms/, and take away what is there and not among them."""
    for folder in to.glob("*/"):
        if folder.name not in arms:
            shutil.rmtree(folder)
    for folder, arm in arms.items():
        if not (to / folder).is_dir():
            start = arm.base
            about = {key: value for key, value in arm.about.items() if key != "files"}
            about["base"] = name(start) if "recipe" in start.about else start.name
            to.mkdir(parents=True, exist_ok=True)
            with cache.new_folder(to / folder) as temp:
                for file in arm.about["files"]:
                    shutil.copy(arm.folder / file, temp)
                cache.seal(temp, about)
    return sorted(to / folder for folder in arms)


def listed() -> pd.DataFrame:
    """The arms that are here, shipped or in the cache: arm, base, seed, dose, where, and what is
    wrong with a shipped one ("" for one that kept its model, "?" for one that was not measured).
    """
    rows, unwell = [], health.faults()
    for where, root in {"shipped": SHIPPED, "cache": cache.cache_dir() / "arms"}.items():
        for folder in sorted(root.glob("*/")):
            about = cache.manifest(folder)
            if "recipe" in about:
                base, _, arm = about["name"].partition(" + ")
                dose = about.get("dose", about["recipe"]["steps"])
                rows.append([arm, base, about["seed"], dose, where, unwell.get(folder.name, "?")])
    return pd.DataFrame(rows, columns=["arm", "base", "seed", "dose", "where", "fault"])
