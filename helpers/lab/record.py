"""The record of a run: every number with its bases, gates, contrasts and the verdict on them."""

import dataclasses
import os
import platform
import shlex
import sys
from importlib import metadata
from math import isnan
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from helpers import ROOT
from helpers.lm.cache import write_atomically
from helpers.stats.intervals import Interval

RESULTS = ROOT / "data" / "results"
"""The records that the project keeps: of each finding the one of most bases is its reference."""
SIZES = ("n_items", "n_pairs", "n_pass_items")
TRAININGS = ("bases", "seeds", "bases_without_chains")
"""Parameters that say how much of an experiment was done, and change nothing else in it."""
PACKAGES = ("torch", "transformers", "trl", "peft", "numpy", "pandas", "scipy")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result."""
    return {"python": platform.python_version()} | {p: metadata.version(p) for p in PACKAGES}


def plain(value: Any) -> Any:
    """Dataclasses, numpy numbers and arrays, tuples and paths as plain Python values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    elif isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


class Strict(BaseModel):
    """Base of what a record is made of: unknown fields are refused, NaN and infinity kept."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings", protected_namespaces=())


class Value(Strict):
    """A number with its 95 % interval and the value of every base.

    measure: of an arm at a dose; minus: the arm whose value is subtracted, "" for none; scenario:
    the items that it is about; where: the flag that held for them in both arms. n: items; seeds:
    training seeds a base; noise: standard error of one base's value by its items.
    """

    measure: str
    arm: str
    minus: str = ""
    scenario: str = "all"
    where: str = ""
    dose: int = 0
    estimate: float
    low: float
    high: float
    n: int
    by_base: dict[int, float] = {}
    seeds: int = 1
    noise: float = float("nan")

    @property
    def interval(self) -> Interval:
        """The number as the statistics have it."""
        names = [field.name for field in dataclasses.fields(Interval)]
        return Interval(**{name: getattr(self, name) for name in names})

    @property
    def shown(self) -> int | None:
        """The sign that the interval shows: -1 or 1 where it lies on one side of zero, 0 where it
        holds zero; None without an interval, as of one base.
        """
        if isnan(self.low) or isnan(self.high):
            return None
        return (self.low > 0) - (self.high < 0)

    def __str__(self) -> str:
        return str(self.interval)


class Checked(Strict):
    """A contrast or an attribution: its value, oriented so that the published direction is
    positive, and what it tells.
    """

    name: str
    told: str
    value: Value


class Gated(Strict):
    """A gate as `verdicts.Gate` has it."""

    name: str
    value: float
    minimum: float
    passed: bool


class Ruled(Strict):
    """A verdict as `verdicts.Verdict` has it."""

    label: str
    reason: str
    remedy: str = ""
    rival: str = ""
    deviation: float = float("nan")


class Record(Strict):
    """All that a run found.

    primary: the value that the verdict is about, signed as measured; delta: the smallest effect of
    interest. parts: the verdicts of several mechanisms, where the finding counts them. code: hash
    of what computed it; arms: where the trained ones are from; cut_off: the arms of whose replies
    many were cut off, and the share; key, command and complete are set by `write`.
    """

    finding: str
    tier: str
    model: str
    bases: list[int] = []
    seeds: list[int] = []
    parameters: Annotated[dict[str, Any], BeforeValidator(plain)] = {}
    values: list[Value] = []
    primary: Value | None = None
    delta: float = float("nan")
    gates: Annotated[list[Gated], BeforeValidator(plain)] = []
    contrasts: list[Checked] = []
    attribution: list[Checked] = []
    verdict: Annotated[Ruled | None, BeforeValidator(plain)] = None
    parts: Annotated[dict[str, Ruled], BeforeValidator(plain)] = {}
    forecast: float | None = None
    versions: dict[str, str] = Field(default_factory=versions)
    code: str = ""
    arms: str = ""
    cut_off: dict[str, float] = {}
    seconds: float = 0.0
    command: str = ""
    key: str = ""
    complete: bool = False

    def get(
        self,
        measure: str,
        arm: str,
        dose: int | None = None,
        minus: str = "",
        scenario: str = "all",
        where: str = "",
    ) -> Value:
        """The value of a measure of an arm, by default at its last dose.

        Raises KeyError in one sentence where the record has none.
        """
        wanted = (measure, arm, minus, scenario, where)
        found = [
            v
            for v in self.values
            if (v.measure, v.arm, v.minus, v.scenario, v.where) == wanted and dose in (None, v.dose)
        ]
        if not found:
            raise KeyError(f"The record of {self.finding} has no {measure} of {arm} ({wanted}).")
        return max(found, key=lambda v: v.dose)

    def has(self, measure: str, arm: str, **where: Any) -> bool:
        """Whether `get` would find a value."""
        try:
            self.get(measure, arm, **where)
        except KeyError:
            return False
        return True

    @property
    def label(self) -> str:
        """The label of the verdict; of a finding that counts mechanisms, how many replicate."""
        if self.parts:
            labels = [part.label for part in self.parts.values()]
            counted, undecided = labels.count("replicates"), labels.count("inconclusive")
            ends = f", {undecided} undecided" if undecided else ""
            return f"{counted} of {len(self.parts)} replicate{ends}"
        return self.verdict.label if self.verdict else ""

    @property
    def trainings(self) -> str:
        """The bases, and the training seeds where there are several."""
        seeds = f", seeds {', '.join(map(str, self.seeds))}"
        return f"bases {', '.join(map(str, self.bases))}{seeds * (len(self.seeds) > 1)}"

    @property
    def passed(self) -> bool:
        """Whether every gate passed, so that there is something to read."""
        return all(gate.passed for gate in self.gates)

    def in_words(self, said: str) -> str:
        """A finding's own words on the result, between what casts doubt on it and the verdict."""
        failed = [gate.name for gate in self.gates if not gate.passed]
        doubt = f"**A gate failed ({'; '.join(failed)}): read nothing into the rest.** "
        remedy = f" {sentence(self.verdict.remedy)}" if self.verdict.remedy else ""
        verdict = f"**Verdict: {self.label}.** {sentence(self.verdict.reason)}{remedy}"
        return f"{doubt * (not self.passed)}{said}\n\n{verdict}"


def sentence(clause: str) -> str:
    """A clause as a sentence."""
    return f"{clause[:1].upper()}{clause[1:]}."


def write(record: Record) -> Path:
    """Write the record, complete, into the run's folder; prints "complete" as its last act.

    In batch the runner names folder, file and key; live it is runs/interactive/FINDING.json.
    Raises OSError in one sentence when the disk is full; no half record is ever left.
    """
    path = _place(record.finding, ".json")
    asked = os.environ.get
    save(record, path, asked("WORKBOOK_RUN_KEY", ""), asked("WORKBOOK_COMMAND", ""))
    print("complete")
    return path


def save(record: Record, path: Path, key: str, command: str) -> Record:
    """Write a record to a file, complete, with the key of its run and the command that made it."""
    whole = record.model_copy(update={"key": key, "command": command, "complete": True})
    write_atomically(path, whole.model_dump_json(indent=1))
    return whole


def write_replies(finding: str, replies: pd.DataFrame) -> Path:
    """Write every reply beside the record, as JSON Lines; see `Finding.every_reply`."""
    path = _place(finding, ".replies.jsonl")
    write_atomically(
        path, replies.to_json(orient="records", lines=True, force_ascii=False).rstrip()
    )
    return path


def _place(finding: str, suffix: str) -> Path:
    """A file of a run: the runner names folder and notebook; live, runs/interactive/FINDING."""
    folder = Path(os.environ.get("WORKBOOK_RUN_DIR") or ROOT / "runs" / "interactive")
    return folder / f"{os.environ.get('WORKBOOK_NOTEBOOK') or finding}{suffix}"


def read(path: Path) -> Record:
    """Read a record. Raises ValueError in one sentence when it is broken or not complete."""
    again = "delete it and run its notebook again"
    try:
        record = Record.model_validate_json(Path(path).read_bytes())
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        what = f"at '{place}': {fault['msg']}" if place else fault["msg"]
        raise ValueError(f"The record {path} can't be read ({what}); {again}.") from None
    if not record.complete:
        raise ValueError(f"The record {path} is not complete; {again}.")
    return record


def records(folder: Path) -> list[Record]:
    """The complete records of a folder, by name."""
    return [read(path) for path in sorted(folder.glob("*.json"))]


def reference(finding: str, folder: Path = RESULTS) -> Record | None:
    """The record of a finding on the pockets, with our own questions, that has the most bases, then
    seeds, then items; None where a folder has none.
    """
    found = [
        one
        for one in records(folder)
        if one.finding == finding and one.tier == "pocket" and not one.parameters.get("questions")
    ]
    return max(found, key=lambda one: (len(one.bases), len(one.seeds), items(one)), default=None)


def larger(one: Record, folder: Path = RESULTS) -> Record | None:
    """The reference of a record's finding, where that is the same experiment on more trainings, on
    more items, or on both, and on fewer of neither.
    """
    found = reference(one.finding, folder)
    if found is None:
        return None
    apart = {"forecast", *TRAININGS, *SIZES}
    asked = [{n: v for n, v in r.parameters.items() if n not in apart} for r in (one, found)]
    sizes = [[len(r.bases) * len(r.seeds), *items(r)] for r in (one, found)]
    more = sizes[0] != sizes[1] and all(a <= b for a, b in zip(*sizes, strict=True))
    return found if more and asked[0] == asked[1] else None


def items(one: Record) -> list[int]:
    """How many items of each kind a record asked."""
    return [one.parameters.get(name, 0) for name in SIZES]


def command_line() -> str:
    """The command that was typed, for the record; `workbook`, however it was called."""
    return shlex.join(["workbook", *sys.argv[1:]])
