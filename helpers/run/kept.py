"""Executed notebooks that are kept in the cache: where the code, the parameters and all that they
reach are the same, a notebook is not executed again, and new prose is put around its outputs.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from pathlib import Path

import nbformat

from helpers.lab.table import versions
from helpers.lm import cache
from helpers.run import plan
from helpers.run.plan import Run
from helpers.train.arms import fresh

SUFFIXES = (".ipynb", ".json", ".replies.jsonl")
"""Of an executed notebook, its record, and the replies that its finding measured."""
READ = ("**/*.yaml", "**/*.json", "**/*.jsonl", "**/*.csv")
"""Data that an executed notebook may show; weights are told by the models' identity."""


@functools.cache
def content() -> str:
    """Hash of our code, but for what runs it, and of our data."""
    return plan.content({"run", "cli.py"}, READ)


def place(run: Run) -> Path:
    """Where an executed notebook is kept, by all that its outputs depend on."""
    given = plan.whole(run)
    questions = given.get("questions", "")
    parts = {
        "run": run.key,
        "models": plan.identities(given, plan.bases_of(given)),
        "questions": cache.digest(Path(questions).expanduser()) if questions else "",
        "content": content(),
        "versions": versions(),
        "fresh": fresh(),
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return cache.cache_dir() / "notebooks" / f"{run.name}-{key}"


def keep(run: Run, folder: Path) -> None:
    """Keep the notebook and the record of a complete run."""

    def build(temp: Path) -> dict[str, str]:
        copy(run, folder, temp)
        return {"notebook": run.name}

    cache.cached_folder(place(run), build)


def take(run: Run, folder: Path) -> bool:
    """Give a run the notebook and the record of an equal one, in its own prose; whether there was
    one.
    """
    there = place(run)
    if not cache.usable(there):
        return False
    old = nbformat.read(there / f"{run.name}.ipynb", as_version=4)
    new = reworded(old, nbformat.read(run.notebook, as_version=4))
    copy(run, there, folder)
    nbformat.write(new, folder / f"{run.name}.ipynb")
    return True


def copy(run: Run, source: Path, to: Path) -> None:
    """Copy what is kept of a run, its replies where it has some."""
    for file in (source / f"{run.name}{suffix}" for suffix in SUFFIXES):
        if file.is_file():
            shutil.copy(file, to)


def reworded(
    executed: nbformat.NotebookNode, source: nbformat.NotebookNode
) -> nbformat.NotebookNode:
    """An executed notebook with the prose of another one whose code is the same."""
    outputs = [cell for cell in executed.cells if cell.cell_type == "code"]
    cells = []
    for cell in source.cells:
        cells.append(outputs.pop(0) if cell.cell_type == "code" else cell)
        while outputs and "injected-parameters" in outputs[0].metadata.get("tags", []):
            cells.append(outputs.pop(0))
    executed.cells = cells
    return executed
