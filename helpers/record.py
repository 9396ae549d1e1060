"""The result record of a run, the published claims, and the replication card."""

import dataclasses
import errno
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import yaml
from pandas.io.formats.style import Styler
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from helpers.statistics import Gate

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "data" / "published.yaml"
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
    model_config = ConfigDict(
        extra="forbid", ser_json_inf_nan="strings", protected_namespaces=()
    )


class Measure(Strict):
    """A number with its 95 % interval, the number of items and the training seeds behind it."""

    name: str
    arm: str
    scenario: str = "all"
    dose: int = 0
    estimate: float
    low: float
    high: float
    n: int
    seeds: list[int] = []

    def __str__(self) -> str:
        return f"{self.estimate:z.3f} [{self.low:z.3f}, {self.high:z.3f}]"


class Record(Strict):
    """All that a run found. The primary measure is the one named as the claim's `primary`.

    gates and controls: those given to `statistics.verdict`, kept as dicts.
    key, command and complete are set by `write`.
    """

    finding: str
    tier: str
    model: str
    seeds: list[int] = []
    parameters: Annotated[dict[str, Any], BeforeValidator(plain)] = {}
    measures: list[Measure] = []
    gates: Annotated[list[dict[str, Any]], BeforeValidator(plain)] = []
    controls: Annotated[list[dict[str, Any]], BeforeValidator(plain)] = []
    verdict: str = ""
    reason: str = ""
    forecast: float | None = None
    versions: dict[str, str] = Field(default_factory=versions)
    seconds: float = 0.0
    command: str = ""
    key: str = ""
    complete: bool = False

    def primary(self) -> Measure | None:
        """The measure that the verdict is about; None where the finding has no claim."""
        claim = claims().get(self.finding)
        found = [m for m in self.measures if claim and m.name == claim.primary]
        return found[0] if found else None

    def in_words(self, said: str) -> str:
        """A finding's own words on the result, between what casts doubt on it and the verdict."""
        failed = [gate["name"] for gate in self.gates if not gate["passed"]]
        doubt = f"**A gate failed ({'; '.join(failed)}): read nothing into the rest.** "
        return f"{doubt * bool(failed)}{said}\n\n**Verdict: {self.verdict}.** {self.reason}"


class Figure(Strict):
    """A published number (`value`) or a pair of them (`before`, `after`), as the source has it."""

    measure: str
    setting: str
    value: float | None = None
    before: float | None = None
    after: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    note: str = ""
    second_hand: bool = False  # read about, not read: shown with ~

    def __str__(self) -> str:
        ends = (self.before, self.after) if self.value is None else (self.value,)
        ends = (self.low, self.high) if ends[0] is None else ends
        text = " to ".join(f"{end:g}" for end in ends)
        note = f" ({self.note})" if self.note else ""
        return f"{'~' * self.second_hand}{text} {self.unit}".rstrip() + note


class Claim(Strict):
    """A published claim, what its source measured, and the rule of our verdict."""

    number: int
    title: str
    claim: str
    headline: str
    source: list[str]
    definition: str
    caveat: str
    measures: list[str]
    controls: list[str]
    rule: str
    primary: str
    primary_label: str
    margin: float | None = None  # of an equivalence test, fixed before any run
    direction: int | None = None  # None: no one sign decides (equivalence, several mechanisms)
    figures: list[Figure] = []

    def values(self, measure: str) -> list[Figure]:
        """The published figures of one measure."""
        return [figure for figure in self.figures if figure.measure == measure]

    def rows(self) -> list[dict[str, str]]:
        """Every published figure as text: measure, setting, figure."""
        return [
            {"measure": f.measure.replace("_", " "), "setting": f.setting, "figure": str(f)}
            for f in self.figures
        ]

    def as_published(self) -> str:
        """Claim, what was measured, where the two part, the rule of our verdict and its controls,
        and the source, as Markdown.
        """
        margin = f" The margin is {self.margin:g}." if self.margin else ""
        return (
            f"> {self.claim}\n\n**What was measured.** {self.definition}\n\n"
            f"**Where wording and evidence part.** {self.caveat}\n\n"
            f"**Rule of the verdict, fixed before any run.** {self.rule}{margin} "
            f"Controls: {'; '.join(self.controls)}.\n\n"
            f"**Source.** {'; '.join(self.source)}"
        )


@cache
def claims() -> dict[str, Claim]:
    """Every claim of data/published.yaml by the name of its finding, in order."""
    entries = yaml.safe_load(PUBLISHED.read_text("utf-8"))
    return {name: Claim.model_validate(entry) for name, entry in entries.items()}


def published(finding: str) -> Claim:
    """The published claim of a finding. Raises ValueError that lists the known ones."""
    if finding not in claims():
        raise ValueError(f"No published claim '{finding}'; known are: {', '.join(claims())}.")
    return claims()[finding]


def write(record: Record) -> Path:
    """Write the record, complete, into the run's folder; prints "complete" as its last act.

    In batch the runner names folder, file and key; live it is runs/interactive/FINDING.json.
    Raises OSError in one sentence when the disk is full; no half record is ever left.
    """
    folder = Path(os.environ.get("WORKBOOK_RUN_DIR") or ROOT / "runs" / "interactive")
    path = folder / f"{os.environ.get('WORKBOOK_NOTEBOOK') or record.finding}.json"
    record = record.model_copy(
        update={
            "key": os.environ.get("WORKBOOK_RUN_KEY", ""),
            "command": os.environ.get("WORKBOOK_COMMAND", ""),
            "complete": True,
        }
    )
    write_atomically(path, record.model_dump_json(indent=1))
    print("complete")
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all (temporary file, then rename)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno != errno.ENOSPC:
            raise
        free = shutil.disk_usage(path.parent).free / 1e9
        raise OSError(
            errno.ENOSPC, f"The disk is full ({free:.1f} GB free): {path} was not written"
        ) from None


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


def command_line() -> str:
    """The command that was typed, for the record; `workbook`, however it was called."""
    return shlex.join(["workbook", *sys.argv[1:]])


CARD = """<div style="border:1px solid #888;border-radius:6px;padding:12px;max-width:56em;\
font-family:sans-serif;break-inside:avoid">
<div style="font-size:1.15em"><b>{title}</b></div>
<div style="color:#555">model <b>{model}</b> · tier <b>{tier}</b> · seeds {seeds} · n = {n}</div>
<table style="border-collapse:collapse;margin:8px 0;width:100%;text-align:left">
<tr>{heads}</tr>
<tr>{cells}</tr>
</table>
<div>{reason}</div>
<div style="color:#555">{checks}</div>
</div>"""


def card(record: Record) -> str:
    """The replication card as HTML: published, forecast, measured, verdict."""
    claim, primary = published(record.finding), record.primary()
    cell = '<{0} style="border-bottom:1px solid #ccc;padding:4px 8px;vertical-align:top">{1}</{0}>'
    row = {
        "published": claim.headline,
        "forecast": "none" if record.forecast is None else f"{record.forecast:+.3f}",
        f"measured ({claim.primary_label})": str(primary) if primary else "not measured",
        "verdict": record.verdict or "none",
    }
    checks = [check_line(check) for check in record.gates + record.controls]
    return CARD.format(
        title=escape(f"{claim.number} · {claim.title}"),
        model=escape(record.model),
        tier=escape(record.tier),
        seeds=escape(", ".join(map(str, record.seeds)) or "none"),
        n=primary.n if primary else "none",
        heads="".join(cell.format("th", escape(head)) for head in row),
        cells="".join(cell.format("td", escape(value)) for value in row.values()),
        reason=escape(record.reason),
        checks="<br>".join(escape(line) for line in checks),
    )


def gates(found: Sequence[Gate]) -> Styler:
    """Every gate as a table that leaves names whole, however long."""
    rows = pd.DataFrame([vars(gate) for gate in found])
    return rows.style.format(precision=3).hide(axis="index")


def check_line(check: dict[str, Any]) -> str:
    """A control or a gate of statistics.py in a line."""
    if "interval" in check:
        estimate, low, high = (float(check["interval"][k]) for k in ("estimate", "low", "high"))
        threshold = "above" if check["direction"] > 0 else "below"
        return (
            f"Control, {check['name']}: {estimate:.3f} [{low:.3f}, {high:.3f}], "
            f"should lie {threshold} {float(check['threshold']):.3g}: {check['outcome']}"
        )
    outcome = "passed" if check["passed"] else "failed"
    value, minimum = float(check["value"]), float(check["minimum"])
    return f"Gate, {check['name']}: {value:.3f}, at least {minimum:.3g} asked: {outcome}"
