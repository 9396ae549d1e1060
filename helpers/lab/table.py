"""The one memo of what an arm replies or is read for: in memory, and on disk by all that makes it.

A table of a finding is a method with `@table`; it makes the rows of one training (a base and a
seed) of one arm at one dose. Asked through the finding (`lab.replies("before")`), it gives the rows
of all bases and seeds. Every training's rows are a file of their own in the cache, so a killed run
goes on where it stopped, and a change of prose or of a figure computes nothing anew. A table made
`of` another one reads that one's rows, so a change of a reader generates nothing.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from helpers.lm import cache, models, sources
from helpers.lm.models import LM, Handle

FILE = "table.parquet"
STREAMS = 1000
"""Random streams of training seeds are this far apart, so that bases below it never share one."""
ABOUT_IT = ("arm", "base", "seed", "dose")
"""Columns that every table has besides its own."""


@dataclass(frozen=True)
class Cell:
    """One training of one arm: what a table is made for."""

    lab: Any
    arm: str
    base: int
    seed: int
    dose: int

    @property
    def stream(self) -> int:
        """Seed of the random numbers of this training: seeds are nested in their base, and no two
        trainings share their numbers.
        """
        return stream(self.base, self.seed)

    def beside(self, arm: str) -> Cell:
        """The training of another arm of the same base and seed at its end, for its tables."""
        seed = self.seed if self.lab.arm(arm).trained else 0
        return replace(self, arm=arm, seed=seed, dose=self.lab.dose(arm))

    def model(self, arm: str = "") -> Handle:
        """The model of this arm, or of another arm of the same base and seed at its end."""
        arm, dose = (arm, self.lab.dose(arm)) if arm else (self.arm, self.dose)
        return self.lab.model(arm, self.base, self.seed, dose)

    def lm(self, arm: str = "", dtype: str | None = "float32", thinking: bool = True) -> LM:
        """That model, loaded."""
        return models.loaded(self.model(arm), dtype, thinking)


def stream(base: int, seed: int) -> int:
    """See `Cell.stream`."""
    return base + STREAMS * seed


def table(columns: dict[str, str], of: str = "") -> Callable[[Callable], Table]:
    """Make a method of a finding its table.

    columns: what every column holds, with its unit; checked when rows are made. of: the table whose
    rows the method is given as well. The method takes a `Cell` (and those rows, and settings by
    name) and returns a frame.
    """
    return lambda function: Table(function, columns, of)


class Table:
    """What `@table` makes of a method; each finding object has its own memo of it."""

    def __init__(self, function: Callable[..., pd.DataFrame], columns: dict[str, str], of: str):
        self.function, self.columns, self.of = function, columns, of
        self.name, self.__doc__ = function.__name__, function.__doc__
        if clash := sorted({*columns} & {*ABOUT_IT}):
            raise ValueError(f"Table '{self.name}' declares {clash}, which every table has.")

    def __get__(self, lab: Any, owner: type) -> Any:
        if lab is None:
            return self
        return lab.__dict__.setdefault(f"{self.name} asked", Asked(self, lab))

    @property
    def code(self) -> str:
        """Hash of the code that makes the rows."""
        return sources.code_of(self.function)

    @property
    def parameters(self) -> set[str]:
        """Names of the finding's parameters that the rows depend on."""
        return sources.parameters_of(self.function)


class Asked:
    """A table of one finding object: `lab.replies(arm, dose)` gives all rows of an arm."""

    def __init__(self, made: Table, lab: Any):
        self.table, self.lab = made, lab
        self._whole: dict[tuple, pd.DataFrame] = {}
        self._cells: dict[tuple, pd.DataFrame] = {}

    def __call__(self, arm: str, dose: int | None = None, **settings: Any) -> pd.DataFrame:
        """The rows of an arm in all bases and seeds; dose: training steps, by default the last."""
        dose = self.lab.dose(arm) if dose is None else dose
        key = (arm, dose, *sorted(settings.items()))
        if key not in self._whole:
            cells = self.lab.cells(arm, dose)
            frames = [self.of_cell(cell, **settings) for cell in cells]
            self._whole[key] = pd.concat(frames, ignore_index=True)
        return self._whole[key]

    def plant(
        self, arm: str, frame: pd.DataFrame, dose: int | None = None, **settings: Any
    ) -> None:
        """Give the rows of an arm, as a test or a thought experiment has them."""
        dose = self.lab.dose(arm) if dose is None else dose
        self._whole[arm, dose, *sorted(settings.items())] = frame
        self.lab.numbers.clear()

    def of_cell(self, cell: Cell, **settings: Any) -> pd.DataFrame:
        """The rows of one training, from memory, from disk, or made now."""
        key = (cell.arm, cell.base, cell.seed, cell.dose, *sorted(settings.items()))
        if key not in self._cells:
            folder = cache.cached_folder(
                self.folder(cell, **settings), lambda temp: self._make(temp, cell, settings)
            )
            rows = pd.read_parquet(folder / FILE)
            about = {name: getattr(cell, name) for name in ABOUT_IT}
            self._cells[key] = rows.assign(**about)
        return self._cells[key]

    def folder(self, cell: Cell, **settings: Any) -> Path:
        """Where the rows of one training are kept."""
        arm = cell.arm.replace(" ", "_")
        where = f"base{cell.base}-seed{cell.seed}-dose{cell.dose}"
        name = f"{self.table.name}-{arm}-{where}-{self.key(cell, **settings)}"
        return cache.cache_dir() / "tables" / self.lab.name / name

    def key(self, cell: Cell, **settings: Any) -> str:
        """Hash of all that makes the rows: models, items, decoding, code, and versions."""
        if self.table.of:
            made_of: Any = getattr(self.lab, self.table.of).key(cell, **settings)
        else:
            made_of = [one.identity for one in self.lab.made_of(cell)]
        parts = {
            "made of": made_of,
            "cell": [cell.arm, cell.base, cell.seed, cell.dose, sorted(settings.items())],
            "inputs": self.lab.inputs_key,
            "parameters": {n: getattr(self.lab.p, n) for n in sorted(self.table.parameters)},
            "code": self.table.code,
            "versions": versions(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _make(self, temp: Path, cell: Cell, settings: dict[str, Any]) -> dict[str, Any]:
        source = getattr(self.lab, self.table.of) if self.table.of else None
        given = [source.of_cell(cell, **settings)] if source else []
        rows = self.table.function(self.lab, cell, *given, **settings)
        if set(rows.columns) != set(self.table.columns):
            odd = sorted(set(rows.columns) ^ set(self.table.columns))
            raise ValueError(
                f"Table '{self.table.name}' of {self.lab.name}: the columns {odd} are declared and "
                "not made, or made and not declared."
            )
        rows.to_parquet(temp / FILE, index=False)
        return {"table": self.table.name, "finding": self.lab.name, "arm": cell.arm}


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what can change a number, and the device that computes it."""
    from helpers.lab.record import versions as installed

    device = models.choose(0, None, None)[0]
    return {**installed(), "device": device, "kernels": torch.backends.cpu.get_cpu_capability()}
