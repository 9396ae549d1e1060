"""A sweep: a grid of models, parameters, bases and seeds, worked in pieces, a record for each cell.

No notebook is executed: the pieces make the tables that a notebook would read, and the records come
from those. The cache is the only memory, so the same sweep again goes on where it stopped.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml
from matplotlib.figure import Figure
from pydantic import Field, TypeAdapter, ValidationError

from helpers.lab import record
from helpers.lab.claims import claims
from helpers.lab.record import Record, Strict
from helpers.lm.cache import cache_dir, write_atomically
from helpers.run import pieces, plan
from helpers.run.cluster import Cluster
from helpers.run.pieces import Piece
from helpers.run.plan import Run
from helpers.run.report import HEADS, table, verdict_row, write_page
from helpers.show import plots
from helpers.show.look import Look

STATUS, RECORDS = "status.json", "records"
COLUMNS = ["cell", "finding", "model", "measure", "arm", "minus", "scenario", "where", "dose"]
COLUMNS += ["base", "seeds", "estimate", "low", "high", "n"]
WHOLE = "all"
"""In the column `base`, the mean over bases with its interval."""


class Study(Strict):
    """What a sweep crosses, as a YAML file has it.

    notebooks: numbers or names, all if none; models: names, ids or folders; bases, seeds: lists of
    whole numbers; parameters: by name, the values that are crossed.
    """

    notebooks: list[str] = []
    tier: str = ""
    models: Annotated[list[str], Field(min_length=1)] = [""]
    questions: str = ""
    bases: list[Annotated[int, Field(ge=0)]] | None = None
    seeds: list[Annotated[int, Field(ge=0)]] | None = None
    parameters: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}


@dataclass
class Cell:
    """One combination of a sweep for one notebook: its run, what was chosen, and its pieces."""

    run: Run
    chosen: dict[str, Any]
    pieces: list[Piece]

    @property
    def name(self) -> str:
        """The notebook and what was chosen, fit for a file."""
        told = [f"{name}={value}" for name, value in self.chosen.items()]
        return re.sub(r"[^\w.=,-]+", "-", " ".join([self.run.name, *told])).strip("-")


def read(path: Path) -> list[Study]:
    """The study of a YAML file, or the studies where it lists several. Raises ValueError in one
    sentence for a file that holds none.
    """
    try:
        found = yaml.safe_load(path.read_text("utf-8")) or {}
        listed = found if isinstance(found, list) else [found]
        return TypeAdapter(list[Study]).validate_python(listed)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: {error.problem}" if mark else str(error).splitlines()[0]
        raise ValueError(f"{path} can't be read as YAML ({place}).") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = fault["loc"] if isinstance(found, list) else fault["loc"][1:]
        place = ".".join(map(str, where)) or "the whole"
        unknown = fault["type"] == "extra_forbidden"
        told = "there is no such field" if unknown else fault["msg"]
        fields = ", ".join(Study.model_fields)
        raise ValueError(f"{path}: {place}: {told}; the fields are {fields}.") from None


def studies_of(what: Sequence[str], **asked: Any) -> list[Study]:
    """The studies of a command: those of a YAML file, or one of notebooks and what was asked.
    Raises ValueError for a file beside anything else.
    """
    asked = {name: value for name, value in asked.items() if value}
    files = [name for name in what if name.endswith((".yaml", ".yml"))]
    if not files:
        return [Study(notebooks=list(what), **asked)]
    if len(what) > 1 or asked:
        raise ValueError(f"{files[0]} says all of its sweep: leave out everything beside it.")
    return read(Path(files[0]))


def outlook(cells: Sequence[Cell]) -> str:
    """What a sweep would do, in lines: every piece that is not made yet, with its minutes and disk
    by the pace of those of its notebook that are, the tier's rough minutes where none is.
    """
    lines, minutes, bytes_ = [], 0.0, 0.0
    for cell in cells:
        seconds, size = pace(cell)
        for piece in cell.pieces:
            if not piece.is_made:
                each = seconds / 60 if seconds else piece.minutes
                minutes, bytes_ = minutes + each, bytes_ + size
                place = f"base {piece.base}, seed {piece.seed}"
                lines.append(f"{cell.name}, {place}: about {each:.1f} min")
    made = sum(len(cell.pieces) for cell in cells) - len(lines)
    last = f"{len(cells)} records; {made} pieces are in the cache, {len(lines)} to make: about "
    last += f"{minutes:.0f} min of one core, {bytes_ / 1e6:.0f} MB"
    return "\n".join([*lines, last])


def pace(cell: Cell) -> tuple[float, float]:
    """Mean seconds of the pieces of a cell's notebook on its model that the cache has, and bytes of
    all tables of the notebook a piece; 0 for none.
    """
    marks = [*(cache_dir() / "pieces").glob(f"{cell.run.name}-*")]
    asked = plan.whole(cell.run)
    seconds = []
    for about in filter(None, map(pieces.told_by, marks)):
        given = about["made of"]["parameters"]
        if all(given[name] == asked[name] for name in ("model", "tier")):
            seconds.append(about["seconds"])
    if not seconds:
        return 0.0, 0.0
    name = plan.finding_in(plan.module_of(cell.run.notebook)).name
    files = (cache_dir() / "tables" / name).rglob("*")
    size = sum(file.stat().st_size for file in files if file.is_file())
    return sum(seconds) / len(seconds), size / len(marks)


def grid(studies: Sequence[Study]) -> list[Cell]:
    """Every cell of some studies, each once, planned and checked as `plan.plan` does, with its
    refusals.
    """
    found: dict[str, Cell] = {}
    for cell in itertools.chain.from_iterable(map(crossed, studies)):
        found.setdefault(cell.run.key, cell)
    return list(found.values())


def crossed(study: Study) -> Iterator[Cell]:
    """Every cell of one study; of a notebook that lacks a parameter the same one for each value."""
    notebooks = [
        path
        for path in plan.find(list(study.notebooks))
        if plan.finding_in(plan.module_of(path)) is not None
    ]
    if not notebooks:
        raise ValueError("A sweep needs a notebook of a finding, 01 to 07.")
    names = list(study.parameters)
    for model, *values in itertools.product(study.models, *study.parameters.values()):
        chosen = dict(zip(names, values, strict=True))
        runs = plan.plan(
            notebooks,
            tier=study.tier,
            model=model,
            questions=study.questions,
            params={name: written(value) for name, value in chosen.items()},
            bases=study.bases,
            seeds=study.seeds,
        )
        told = ({"model": model} if len(study.models) > 1 else {}) | chosen
        for run in runs:
            own = {name: value for name, value in told.items() if name in run.parameters}
            yield Cell(run, own, pieces.pieces_of([run]))


def written(value: Any) -> str:
    """A value of a parameter as `-p name=value` would have it."""
    return value if isinstance(value, str) else json.dumps(value)


def values(text: str) -> list[Any]:
    """The values of `-p name=v1,v2`: commas inside brackets part nothing."""
    parts, depth = [""], 0
    for sign in text:
        depth += {"[": 1, "]": -1}.get(sign, 0)
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def run(
    cells: Sequence[Cell],
    folder: Path,
    jobs: int,
    say: Callable[[str], None] = print,
    cluster: str | None = None,
) -> tuple[list[Record], list[Piece]]:
    """Work all pieces that are not made, each once, and write the records and what is made of them
    into a folder.

    jobs: processes of this machine at a time; cluster: the address of a Ray cluster to work on, ""
    for one of `jobs` CPUs here, which takes all pieces at once and orders them itself. Returns the
    records, and the pieces that failed, whose cells have none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = {piece.mark: piece for cell in cells for piece in cell.pieces}
    todo = [piece for piece in every.values() if not piece.is_made]
    todo.sort(key=lambda piece: -piece.minutes)
    say(f"{len(cells)} records; {len(every) - len(todo)} pieces are made, {len(todo)} to make")

    def watch(counts: dict[str, Any]) -> None:
        write_atomically(folder / STATUS, json.dumps(counts, indent=1))

    at_once, how = jobs, {}
    if cluster is not None:
        at_once, how = len(todo), {"pool_of": lambda _, log: Cluster(log, cluster, jobs)}
    failed = pieces.prepare(todo, at_once, folder, say, watch=watch, **how) if todo else []
    lost = {piece.mark for piece in failed}
    found = []
    for cell in cells:
        if lost & {piece.mark for piece in cell.pieces}:
            continue
        try:
            found.append(recorded(cell, folder / RECORDS / f"{cell.name}.json"))
        except ValueError as error:
            say(f"{cell.name}: no record: {error}")
            failed.append(replace(cell.pieces[0], reason=str(error)))
            continue
        say(f"{cell.name}: {found[-1].label}")
    results(folder, cells, found)
    return found, failed


def recorded(cell: Cell, path: Path) -> Record:
    """The record of a cell, from its tables; one that is there is kept where it can be read and is
    of the same run and code.
    """
    module = plan.module_of(cell.run.notebook)
    kind = plan.finding_in(module)
    with suppress(FileNotFoundError, ValueError):
        kept = record.read(path)
        if (kept.key, kept.code) == (cell.run.key, kind.code()):
            return kept
    began = time.monotonic()
    lab = plan.experiment(module, plan.whole(cell.run))
    made = lab.record(None, 0.0)
    made = made.model_copy(update={"seconds": time.monotonic() - began})
    return record.save(made, path, cell.run.key, record.command_line())


def tidy(named: dict[str, Record]) -> pd.DataFrame:
    """Every value of every record, a row a base and one for all of them; columns: `COLUMNS`."""
    rows = []
    for name, one in named.items():
        seeds = ",".join(map(str, one.seeds))
        about = {"cell": name, "finding": one.finding, "model": one.model, "seeds": seeds}
        for value in one.values:
            own = value.model_dump() | about
            rows.append(own | {"base": WHOLE})
            nothing = {"low": float("nan"), "high": float("nan")}
            for base, estimate in value.by_base.items():
                rows.append(own | nothing | {"base": str(base), "estimate": estimate})
    return pd.DataFrame(rows, columns=COLUMNS)


def results(folder: Path, cells: Sequence[Cell], found: Sequence[Record]) -> None:
    """Write results.csv, results.parquet, a forest of all primaries, and report.html."""
    keys = {cell.run.key: cell.name for cell in cells}
    named = {keys[one.key]: one for one in found}
    frame = tidy(named)
    write_atomically(folder / "results.csv", frame.to_csv(index=False).rstrip())
    frame.to_parquet(folder / "results.parquet")
    rows = [[name, *verdict_row(one)] for name, one in named.items()]
    parts = [f"<h1>Sweep {escape(folder.name)}</h1>", table(["cell", *HEADS], rows)]
    if named:
        forest(named).savefig(folder / "forest.png", dpi=100)
        parts.append('<figure><img alt="All effects" src="forest.png"></figure>')
    parts.append('<p class=small>All numbers: <a href="results.csv">results.csv</a></p>')
    write_page(folder, parts)


def forest(named: dict[str, Record]) -> Figure:
    """The effect of every record in smallest effects of interest, the published direction to the
    right, with its bases; none where a gate failed.
    """
    rows = []
    for name, one in named.items():
        if not one.passed:
            rows.append({"label": f"{name}: a gate failed", "estimate": float("nan")})
            continue
        effect = one.primary.interval.oriented(claims()[one.finding].direction or 1)
        rows.append(
            {
                "label": name,
                "estimate": effect.estimate / one.delta,
                "low": effect.low / one.delta,
                "high": effect.high / one.delta,
                "by_base": {base: v / one.delta for base, v in effect.by_base.items()},
            }
        )
    title = f"{sum(one.passed for one in named.values())} of {len(rows)} records pass their gates"
    stamp = "effect over the smallest effect of interest, published direction to the right"
    return plots.forest(pd.DataFrame(rows), "effect / δ", title, Look(stamp))
