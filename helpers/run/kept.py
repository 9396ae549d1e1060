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

from helpers import ROOT
from helpers.lab.table import versions
from helpers.lm import cache, models
from helpers.run import plan
from helpers.run.plan import Run

READ = ("*.py", "*.yaml", "*.json", "*.jsonl", "*.csv")
"""Files whose content an executed notebook may show; weights are told by the models' identity."""


@functools.cache
def content() -> str:
    """Hash of our code, but for what runs it, and of our data."""
    found = [p for pattern in READ for p in sorted(ROOT.glob(f"helpers/**/{pattern}"))]
    found = [p for p in found if not {"run", "cli.py"} & {*p.relative_to(ROOT / "helpers").parts}]
    found += [p for pattern in READ for p in sorted(ROOT.glob(f"data/**/{pattern}"))]
    parts = [f"{path.relative_to(ROOT)} {cache.digest(path)}" for path in found]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def place(run: Run) -> Path:
    """Where an executed notebook is kept, by all that its outputs depend on."""
    given = plan.whole(run)
    named = [given[name] for name in plan.MODELS if given.get(name)]
    pockets = [f"pocket-{base}" for base in given.get("bases", [0])] if "pocket" in named else []
    questions = given.get("questions", "")
    parts = {
        "run": run.key,
        "models": [models.find(one).identity for one in [*named, *pockets]],
        "questions": cache.digest(Path(questions).expanduser()) if questions else "",
        "content": content(),
        "versions": versions(),
    }
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    return cache.cache_dir() / "notebooks" / f"{run.name}-{key}"


def keep(run: Run, folder: Path) -> None:
    """Keep the notebook and the record of a complete run."""

    def build(temp: Path) -> dict[str, str]:
        for suffix in (".ipynb", ".json"):
            shutil.copy(folder / f"{run.name}{suffix}", temp)
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
    nbformat.write(new, folder / f"{run.name}.ipynb")
    shutil.copy(there / f"{run.name}.json", folder)
    return True


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
