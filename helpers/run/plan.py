"""What a run will do: notebooks found and parameters checked, refused before anything starts."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from pydantic import create_model

from helpers import ROOT
from helpers.lab.finding import Finding
from helpers.lab.params import Params, unknown_names
from helpers.lab.questions import asked as lines_of
from helpers.lab.questions import is_whole, of_source, refuse_ignored_sizes
from helpers.lm import models
from helpers.lm.cache import digest
from helpers.lm.prompts import refuse_unless_it_chats, refuse_unless_it_reads

NOTEBOOKS = ROOT / "notebooks"
MODELS = ("model", "after", "judge", "scorer", "paraphraser", "persuader")
"""Parameters that name a model: refused early when unknown."""


@dataclass
class Run:
    """One notebook with its parameters; `key` tells its record from that of any other run."""

    notebook: Path
    parameters: dict[str, Any]
    key: str
    state: str = "not started"  # then running, and complete | failed | interrupted
    reason: str = ""
    started: float = 0.0

    @property
    def name(self) -> str:
        """The notebook's name, such as 01_abstention_loss."""
        return self.notebook.stem


def find(names: list[str], folder: Path | None = None) -> list[Path]:
    """Notebooks by number, name or path; all of the folder when no name is given.

    Raises ValueError that lists those that there are.
    """
    there = {p.stem: p for p in sorted((folder or NOTEBOOKS).glob("[0-9][0-9]_*.ipynb"))}
    by_number = {stem[:2]: path for stem, path in there.items()}
    found = []
    for name in names or there:
        path = there.get(name) or by_number.get(name.zfill(2)) or Path(name)
        if not path.is_file():
            raise ValueError(f"No notebook '{name}'; there are: {', '.join(there) or 'none'}.")
        try:
            nbformat.read(path, as_version=4)
        except Exception:  # whatever nbformat makes of what is no notebook
            raise ValueError(f"{path} is no notebook: give the path of a .ipynb file.") from None
        found.append(path.resolve())
    return list(dict.fromkeys(found))


def kind(name: str) -> Any:
    """The type that papermill read from a parameter's annotation."""
    outer, _, inner = name.removesuffix("]").partition("[")
    if outer == "Optional":
        return kind(inner) | None
    if outer.lower() == "list" and inner:
        return list[kind(inner)]
    return {"int": int, "float": float, "str": str, "bool": bool, "list": list}.get(outer, Any)


def declared(notebook: Path) -> tuple[dict[str, Any], type[Params]]:
    """A notebook's defaults from its parameters cell, and the class that checks them: the
    finding's own `Params` where there is one, else one built from the annotations.
    """
    found = papermill.inspect_notebook(str(notebook))
    defaults = {name: ast.literal_eval(entry["default"]) for name, entry in found.items()}
    if module := module_of(notebook):
        return defaults, importlib.import_module(module).Params
    fields = {name: (kind(entry["inferred_type_name"]), ...) for name, entry in found.items()}
    return defaults, create_model("Params", __base__=Params, **fields)


def module_of(notebook: Path) -> str:
    """The module of `helpers.findings` that a notebook is about; "" for one's own notebook."""
    name = f"helpers.findings.{notebook.stem[3:]}"
    return name if notebook.parent == NOTEBOOKS and importlib.util.find_spec(name) else ""


def finding_in(module: str) -> type[Finding] | None:
    """The finding that a module declares; None where it declares none, as that of notebook 0."""
    if not module:
        return None
    name = module.rpartition(".")[2]
    for one in vars(importlib.import_module(module)).values():
        if inspect.isclass(one) and issubclass(one, Finding) and vars(one).get("name") == name:
            return one
    return None


def experiment(module: str, parameters: dict[str, Any]) -> Finding:
    """The finding that a module declares, with its items. Raises ValueError for a parameter that
    does not fit, and for questions of which too few are of a kind.
    """
    checks = importlib.import_module(module).Params
    return finding_in(module)(checks.checked(parameters))


def literal(text: str, is_text: bool) -> Any:
    """The value of `-p name=text`: true, 3, 1e-4, [0, 1], or the text itself.

    Raises ValueError for a text that no file could hold, and for one that is nested too deeply.
    """
    if not is_whole(text):
        raise ValueError(f"The value {text!r} is no text: it holds half a character.")
    if not is_text:
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse(text)
            except (ValueError, SyntaxError):
                continue
            except (RecursionError, MemoryError):
                raise ValueError(
                    f"The value {text[:12]}... is nested too deeply: give a number, a text or a "
                    "list such as [0, 1]."
                ) from None
    return text


def plan(
    notebooks: list[Path],
    tier: str = "",
    model: str = "",
    questions: str = "",
    params: dict[str, str] | None = None,
    bases: list[int] | None = None,
    seeds: list[int] | None = None,
) -> list[Run]:
    """The runs with every name and value checked; nothing has started yet.

    A parameter goes to the notebooks that have it; what is asked comes before what the tier says of
    a notebook, and that before what it says of all. Raises ValueError, FileNotFoundError or
    ConnectionError in one sentence: unknown tier, model or parameter, a model that can't be asked,
    wrong type, bad questions.
    """
    tiers = models.tiers()
    tier = tier or (models.tier_of(model) if model else "pocket")
    if tier not in [*tiers, "custom"]:
        raise ValueError(f"Unknown tier '{tier}'; known are: {', '.join(tiers)}.")
    asked = {"model": model, "questions": questions, "bases": bases, "seeds": seeds}
    asked = {name: value for name, value in asked.items() if value not in ("", None)}
    asked |= params or {}
    cells = {notebook: declared(notebook) for notebook in notebooks}
    known = list(dict.fromkeys(name for defaults, _ in cells.values() for name in defaults))
    bad = [name for name in asked if name not in known or not name.isidentifier()]
    if bad:
        raise ValueError(unknown_names(bad, known))
    runs, named, read = [], set(), set()
    for notebook, (defaults, checks) in cells.items():
        given = {
            name: literal(value, isinstance(defaults[name], str))
            if params and name in params
            else value
            for name, value in (usual(notebook.stem, tier) | asked).items()
            if name in defaults
        }
        whole = defaults | given
        try:
            checks.checked(whole)
        except ValueError as error:
            raise ValueError(f"{notebook.stem}: {error}") from None
        if whole.get("questions"):
            own = [name for name in asked if name in given]
            refuse_ignored_sizes(whole["questions"], own, "n_pairs" in whole, notebook.stem)
        named |= {whole[name] for name in MODELS if whole.get(name)} - {"pocket"}
        read |= {(whole["questions"], whole.get("model", ""))} if whole.get("questions") else set()
        runs.append(Run(notebook, given, key(notebook, whole)))
    for name in sorted(named):
        refuse_unless_it_loads(name)
    for source, name in sorted(read):
        of_source(source, 1, 0)  # read for its refusals
        if name:
            refuse_unless_it_reads(name, models.find(name).folder, source, lines_of(source))
    for run in runs:
        if run.parameters.get("questions"):
            refuse_too_few(run)
    return runs


def refuse_too_few(run: Run) -> None:
    """Raises ValueError where a finding can do nothing with a file of one's own: it has too few
    questions of a kind.
    """
    module = module_of(run.notebook)
    if finding_in(module):
        try:
            experiment(module, whole(run))
        except ValueError as error:
            raise ValueError(f"{run.name}: {error}") from None


def refuse_unless_it_loads(name: str) -> None:
    """Raises as `models.find` does, and ValueError for a model that can't be asked or whose weights
    are none that are loaded.
    """
    found = models.find(name)
    folder = (found.base or found).folder
    refuse_unless_it_chats(name, folder)
    if not next(folder.glob("*.safetensors"), None):
        raise ValueError(
            f"Model '{name}' has no weights in safetensors, the only ones that are loaded: save it "
            "again with transformers' save_pretrained."
        )


def usual(notebook: str, tier: str) -> dict[str, Any]:
    """What a tier sets of a notebook's parameters: what it says of all, then what of this one."""
    entry = models.tiers().get(tier, {"parameters": {"bases": [0]}, "model": ""})
    own = entry.get("notebooks", {}).get(notebook, {})
    return {"tier": tier, "model": entry["model"], **entry["parameters"]} | own


def whole(run: Run) -> dict[str, Any]:
    """All parameters of a run, those that nobody asked for at their defaults."""
    defaults, _ = declared(run.notebook)
    return defaults | run.parameters


def minutes(run: Run) -> float:
    """Rough minutes that a run takes by itself: what its tier says of the trainings that it usually
    has, for as many as are asked; 1 where it says nothing.
    """
    name = run.parameters.get("tier", "")
    rough = models.tiers().get(name, {"minutes": {}})["minutes"].get(run.name)
    if rough is None:
        return 1
    defaults, _ = declared(run.notebook)
    usually = len(trainings(defaults | usual(run.name, name)))
    return rough * len(trainings(defaults | run.parameters)) / usually


def key(notebook: Path, parameters: dict[str, Any]) -> str:
    """Hash of a notebook's code cells and parameters."""
    cells = nbformat.read(notebook, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    parts = json.dumps([code, parameters], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:20]


def bases_of(parameters: dict[str, Any]) -> list[int]:
    """The pocket models of a run, those of its control included."""
    return [*parameters.get("bases", [0]), *parameters.get("bases_without_chains", [])]


def trainings(parameters: dict[str, Any]) -> list[tuple[int, int]]:
    """The base and the seed of every training of a run."""
    return list(itertools.product(bases_of(parameters), parameters.get("seeds", [0])))


def identities(parameters: dict[str, Any], bases: Sequence[int]) -> list[str]:
    """The models that parameters name, by their weights; pockets are those of `bases`."""
    named = [parameters[name] for name in MODELS if parameters.get(name)]
    pockets = [models.pocket(base) for base in bases]
    found = [one for name in named for one in (pockets if name == "pocket" else [name])]
    return [models.find(name).identity for name in found]


def content(but: set[str], data: Sequence[str]) -> str:
    """Hash of our code, without the rooms and modules named, and of the files in data/ of some
    glob patterns, whatever folder the project stands in.
    """
    code = [p for p in ROOT.glob("helpers/**/*.py") if not but & {*p.relative_to(ROOT).parts}]
    files = sorted([*code, *(path for kind in data for path in ROOT.glob(f"data/{kind}"))])
    parts = [f"{path.relative_to(ROOT)} {digest(path)}" for path in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
