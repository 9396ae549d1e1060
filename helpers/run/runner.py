"""Runs of the notebooks through papermill, one process each, kept and resumable; their report."""

import ast
import base64
import ctypes
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import papermill
import yaml
from pydantic import create_model

from helpers.lab import record
from helpers.lab.params import Params, unknown_names
from helpers.lab.record import ROOT, Claim, Record

NOTEBOOKS = ROOT / "notebooks"
FINDINGS = ROOT / "helpers" / "findings"
RUNS = ROOT / "runs"
RESULTS = ROOT / "data" / "results"
MODELS = ("model", "after", "judge", "scorer", "paraphraser", "persuader")
"""Parameters that name a model: refused early when unknown, and part of a run's key."""
README_MARKS = ("<!-- findings: written by `workbook report --readme` -->", "<!-- end -->")


@dataclass
class Run:
    """One notebook with its parameters; `key` is the hash of all that makes its result."""

    notebook: Path
    parameters: dict[str, Any]
    key: str
    state: str = "not started"  # then running, and complete | kept | failed | interrupted
    reason: str = ""
    started: float = 0.0

    @property
    def name(self) -> str:
        return self.notebook.stem


def find(names: list[str], folder: Path | None = None) -> list[Path]:
    """Notebooks by number, name or path; all of the folder when no name is given."""
    there = {p.stem: p for p in sorted((folder or NOTEBOOKS).glob("[0-9][0-9]_*.ipynb"))}
    by_number = {stem[:2]: path for stem, path in there.items()}
    found = []
    for name in names or there:
        path = there.get(name) or by_number.get(name.zfill(2)) or Path(name)
        if not path.is_file():
            raise ValueError(f"No notebook '{name}'; there are: {', '.join(there) or 'none'}.")
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
    """A notebook's defaults from its parameters cell, and the class that checks them.

    The class is the finding's own `Params` where there is one, else built from the annotations.
    """
    found = papermill.inspect_notebook(str(notebook))
    defaults = {name: ast.literal_eval(entry["default"]) for name, entry in found.items()}
    if own := finding(notebook):
        return defaults, own.Params
    fields = {name: (kind(entry["inferred_type_name"]), ...) for name, entry in found.items()}
    return defaults, create_model("Params", __base__=Params, **fields)


def finding(notebook: Path) -> ModuleType | None:
    """The module of `helpers.findings` that a notebook is about; none for one's own notebook."""
    name = f"helpers.findings.{notebook.stem[3:]}"
    if notebook.parent == NOTEBOOKS and importlib.util.find_spec(name):
        return importlib.import_module(name)
    return None


def literal(text: str, is_text: bool) -> Any:
    """The value of `-p name=text`: true, 3, 1e-4, [0, 1], or the text itself."""
    if not is_text:
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse(text)
            except (ValueError, SyntaxError):
                continue
    return text


def plan(
    notebooks: list[Path],
    tier: str = "",
    model: str = "",
    questions: str = "",
    params: dict[str, str] | None = None,
    seeds: list[int] | None = None,
) -> list[Run]:
    """The runs with every name and value checked; nothing has started yet.

    A parameter goes to the notebooks that have it; what is asked comes before what the tier says of
    a notebook, and that before what it says of all. Raises ValueError, FileNotFoundError or
    ConnectionError in one sentence: unknown tier, model or parameter, wrong type, bad questions.
    """
    from helpers.lab import items
    from helpers.lm import models

    tiers = models.tiers()
    tier = tier or (models.tier_of(model) if model else "pocket")
    if tier not in [*tiers, "custom"]:
        raise ValueError(f"Unknown tier '{tier}'; known are: {', '.join(tiers)}.")
    asked = {"model": model, "questions": questions, "seeds": seeds, **(params or {})}
    asked = {name: value for name, value in asked.items() if value not in ("", None)}
    cells = {notebook: declared(notebook) for notebook in notebooks}
    known = list(dict.fromkeys(name for defaults, _ in cells.values() for name in defaults))
    bad = [name for name in asked if name not in known or not name.isidentifier()]
    if bad:
        raise ValueError(unknown_names(bad, known))
    if questions:
        items.questions(questions, 1, 0)  # read for its refusals
    runs = []
    for notebook, (defaults, checks) in cells.items():
        given = {
            name: literal(value, isinstance(defaults[name], str))
            if params and name in params
            else value
            for name, value in (usual(notebook.stem, tier) | asked).items()
            if name in defaults
        }
        try:
            checks.checked(defaults | given)
        except ValueError as error:
            raise ValueError(f"{notebook.stem}: {error}") from None
        runs.append(Run(notebook, given, key(notebook, defaults | given)))
    return runs


def usual(notebook: str, tier: str) -> dict[str, Any]:
    """What a tier sets of a notebook's parameters: what it says of all, then what of this one."""
    from helpers.lm import models

    entry = models.tiers().get(tier, {"parameters": {}, "model": ""})
    own = entry.get("notebooks", {}).get(notebook, {})
    return {"tier": tier, "model": entry["model"], **entry["parameters"]} | own


def minutes(run: Run) -> float:
    """Rough minutes that a run takes by itself, as its tier says; 0 where it says nothing."""
    from helpers.lm import models

    tier = models.tiers().get(run.parameters.get("tier", ""), {"minutes": {}})
    return tier["minutes"].get(run.name, 0)


def settings(number: str, **asked: Any) -> dict[str, Any]:
    """All parameters of a notebook as a run of it would have them; asked: tier, model, seeds."""
    (notebook,) = find([number])
    defaults, _ = declared(notebook)
    found = defaults | usual(notebook.stem, asked["tier"]) | asked
    return {name: found[name] for name in defaults}


def key(notebook: Path, parameters: dict[str, Any]) -> str:
    """Hash of all that makes a result: code, data, parameters, questions, model, versions."""
    cells = nbformat.read(notebook, as_version=4).cells
    files = [*ROOT.glob("helpers/**/*.py"), *ROOT.glob("data/*.yaml")]
    files += [p for p in ROOT.glob("data/questions/*") if p.is_file()]
    files = [
        p
        for p in sorted(files)
        if p.name not in ("runner.py", "cli.py")
        and (FINDINGS not in p.parents or named(p) in used(notebook))
    ]
    if parameters.get("questions"):
        files.append(Path(parameters["questions"]))
    parts = [
        [cell.source for cell in cells if cell.cell_type == "code"],
        [declared(other)[0] for other in borrowed(notebook)],
        [hashlib.sha256(path.read_bytes()).hexdigest() for path in files],
        parameters,
        [identities(parameters[name]) for name in MODELS if parameters.get(name)],
        record.versions(),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def used(notebook: Path) -> set[str]:
    """The modules of `helpers.findings` that a notebook stands on: its own, what that imports."""
    own = finding(notebook)
    modules = [own, *vars(own).values()] if own else []
    names = [module.__name__ for module in modules if isinstance(module, ModuleType)]
    return {"__init__", *(n.split(".")[2] for n in names if n.startswith("helpers.findings."))}


def named(path: Path) -> str:
    """The module of `helpers.findings`, or the package, that a source file is or belongs to."""
    return Path(path.relative_to(FINDINGS).parts[0]).stem


def borrowed(notebook: Path) -> list[Path]:
    """Other notebooks whose findings this one stands on, and whose defaults it may use."""
    others = used(notebook) - {notebook.stem[3:]}
    return [book for book in find([]) if book.stem[3:] in others]


def identities(model: str) -> list[str]:
    """Hash of the model's weights; of every shipped seed for the pocket."""
    from helpers.lm import models

    names = [model]
    if model == "pocket":
        names += [f"pocket-{p.name.removeprefix('seed')}" for p in models.POCKET.glob("seed*")]
    return [models.identity(name) for name in sorted(names)]


def earlier(run: Run, runs: Path) -> Path | None:
    """The complete record of the same run, from any earlier time."""
    for path in sorted(runs.glob(f"*/{run.name}.json"), reverse=True):
        try:
            same = record.read(path).key == run.key
        except ValueError as error:
            print(f"passed over: {error}")
            continue
        if same and path.with_suffix(".ipynb").is_file():
            return path
    return None


def new_folder(runs: Path) -> Path:
    """runs/<time>/, and a second one for a second start within a second."""
    while True:
        folder = runs / time.strftime("%Y-%m-%d_%H-%M-%S")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            time.sleep(0.2)


def start(run: Run, folder: Path, jobs: int) -> subprocess.Popen:
    """Papermill on one notebook, in its own process: it changes a process's working directory."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    environment = {
        "OMP_NUM_THREADS": str(threads),
        **os.environ,
        "WORKBOOK_RUN_DIR": str(folder),
        "WORKBOOK_NOTEBOOK": run.name,
        "WORKBOOK_RUN_KEY": run.key,
        "WORKBOOK_COMMAND": record.command_line(),
        "JUPYTER_PREFER_ENV_PATH": "1",  # this environment's kernel, not one of the user's
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    values = base64.b64encode(yaml.safe_dump(run.parameters).encode()).decode()
    command = [sys.executable, "-m", "papermill", str(run.notebook)]
    command += [str(folder / f"{run.name}.ipynb"), "-b", values, "-k", "python3"]
    command += ["--cwd", os.getcwd(), "--no-progress-bar", "--log-output"]
    run.state, run.started = "running", time.monotonic()
    with log_path(run, folder).open("w") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent if sys.platform == "linux" else None,
        )


def die_with_parent() -> None:
    """Ask Linux to end this process with its parent, so that `kill -9` leaves no orphan."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def log_path(run: Run, folder: Path) -> Path:
    """Where the output of a run goes."""
    return folder / f"{run.name}.log"


def judge(run: Run, folder: Path, code: int) -> None:
    """Set state and reason of an ended run. Only its record counts: exit codes and cells lie."""
    try:
        if record.read(folder / f"{run.name}.json").key == run.key:
            run.state = "complete"
            return
    except (FileNotFoundError, ValueError):
        pass
    log = log_path(run, folder).read_text("utf-8", errors="replace")
    log = re.sub(r"\x1b\[[0-9;]*m", "", log)
    run.state = "failed"
    if "No space left on device" in log or "disk is full" in log:
        free = shutil.disk_usage(folder).free / 1e9
        run.reason = f"the disk is full ({free:.1f} GB free where the runs are)"
    elif "Kernel died" in log or "DeadKernel" in log or code in (137, 138) or code < 0:
        run.reason = "its kernel was killed (out of memory is the usual reason)"
    elif code == 0:
        run.reason = "it ended without a complete record"
    else:
        run.reason = next((line for line in reversed(log.splitlines()) if line.strip()), "")[:400]


def run(
    notebooks: list[str],
    tier: str = "",
    model: str = "",
    questions: str = "",
    params: dict[str, str] | None = None,
    seeds: list[int] | None = None,
    jobs: int = 1,
    runs: Path | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Path, list[Run]]:
    """Run notebooks, `jobs` at a time, those already complete left out; see `plan` for refusals.

    Returns the folder runs/<time>/ (a record, an executed notebook and a log for each) and the
    runs with their states. Ctrl-C and SIGTERM end the running ones and return.
    """
    runs = runs or RUNS
    todo = plan(find(notebooks), tier, model, questions, params, seeds)
    folder = new_folder(runs)
    waiting = []
    for one in todo:
        path = earlier(one, runs)
        if path is None:
            waiting.append(one)
            continue
        shutil.copy2(path.with_suffix(".ipynb"), folder)
        record.write_atomically(folder / path.name, path.read_text("utf-8"))
        one.state, one.reason = "kept", f"finished earlier, in {path.parent.name}"
        say(f"{one.name}: {one.reason}")
    if jobs > 1:  # begun last, the longest would leave the other jobs idle
        waiting.sort(key=minutes, reverse=True)
    active: list[tuple[Run, subprocess.Popen]] = []
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                one = waiting.pop(0)
                active.append((one, start(one, folder, jobs)))
                say(f"{one.name}: running; its output: {log_path(one, folder)}")
            time.sleep(0.2)
            for one, process in [pair for pair in active if pair[1].poll() is not None]:
                active.remove((one, process))
                judge(one, folder, process.returncode)
                seconds = time.monotonic() - one.started
                say(f"{one.name}: {one.state} after {seconds:.0f} s {one.reason}".rstrip())
    except KeyboardInterrupt:
        for one, _ in active:
            one.state, one.reason = "interrupted", "the same command again resumes"
    finally:
        signal.signal(signal.SIGTERM, previous)
        for _, process in active:
            process.terminate()
        for _, process in active:
            process.wait()
    return folder, todo


def records(folder: Path) -> list[Record]:
    """The complete records of a folder, by name."""
    return [record.read(path) for path in sorted(folder.glob("*.json"))]


def verdict_row(one: Record) -> list[str]:
    """Finding, model, published, measured, verdict: a row of the table of verdicts."""
    claim, primary = record.claims().get(one.finding), one.primary()
    title = f"{claim.number} {claim.title}" if claim else one.finding
    measured = f"{claim.primary_label} {primary}, n = {primary.n}" if claim and primary else ""
    return [
        title,
        f"{one.model} ({one.tier})",
        claim.headline if claim else "",
        measured,
        one.verdict or "none asked",
    ]


STYLE = """
body{font-family:sans-serif;max-width:62em;margin:2em auto;padding:0 1em;line-height:1.45}
table{border-collapse:collapse}th,td{border-bottom:1px solid #ccc;padding:4px 8px;text-align:left;
vertical-align:top}img{max-width:100%;break-inside:avoid}figure{margin:1em 0;break-inside:avoid}
h2{margin-top:2em;break-after:avoid}.small{font-size:.85em;color:#555}"""


def report(folder: Path) -> Path:
    """Write FOLDER/report.html, self-contained: table of verdicts, cards, measures, figures."""
    notebooks = sorted(folder.glob("*.ipynb"))
    if not notebooks:
        raise ValueError(f"{folder} holds no executed notebook: nothing to report.")
    found = {path.stem: record.read(path) for path in sorted(folder.glob("*.json"))}
    heads = ["finding", "model (tier)", "published", "measured", "verdict"]
    parts = [
        f"<h1>Reasoning workbook: report of {escape(folder.name)}</h1>",
        table(heads, [verdict_row(one) for one in found.values()]),
        "<p class=small>Verdicts are about this model family at this scale, intervals 95 %.</p>",
    ]
    for path in notebooks:
        parts.append(f"<h2>{escape(path.stem)}</h2>")
        one = found.get(path.stem)
        if one is None:
            parts.append("<p><b>No complete record: this notebook did not finish.</b></p>")
        elif one.finding in record.claims():
            parts.append(record.card(one))
        parts += figures(path)
        if one and one.measures:
            rows = [
                [m.name, m.arm, m.scenario, str(m.dose), str(m), str(m.n)] for m in one.measures
            ]
            parts.append("<h3>Every measure</h3><div class=small>")
            parts.append(table(["measure", "arm", "scenario", "dose", "estimate", "n"], rows))
            parts.append(
                f"<p>{escape(json.dumps(one.parameters))}<br>"
                f"{escape(json.dumps(one.versions))}<br>{escape(one.command)}</p></div>"
            )
    html = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(folder.name)}"
        f"</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )
    record.write_atomically(folder / "report.html", html)
    return folder / "report.html"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """An HTML table, every cell escaped."""
    cells = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def figures(notebook: Path) -> list[str]:
    """The PNG figures of an executed notebook, each under the heading it stands under."""
    parts, heading, shown = [], "", ""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^#+ +(.*)$", cell.source, re.M) or [heading])[-1]
        for output in cell.get("outputs", []):
            png = output.get("data", {}).get("image/png")
            if png:
                title = f"<h3>{escape(heading)}</h3>" if heading != shown else ""
                image = "".join(png.split())
                parts.append(
                    f'<figure>{title}<img alt="{escape(heading)}" '
                    f'src="data:image/png;base64,{escape(image)}"></figure>'
                )
                shown = heading
    return parts


def findings_table(folder: Path | None = None) -> str:
    """The README's table: every claim, and below each other what the records of data/results/
    measured.
    """
    found = records(folder or RESULTS)
    rows = [["finding", "published", "here on", "measured", "verdict"], ["---"] * 5]
    for name, claim in record.claims().items():
        head = [f"{claim.number} {claim.title}", claim.headline]
        own = [measured_in(one, claim) for one in found if one.finding == name]
        for cells in own or [["", "not yet built", "not yet built"]]:
            rows.append(head + cells)
            head = ["", ""]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
    )


def measured_in(one: Record, claim: Claim) -> list[str]:
    """Where a record was made, its primary measure with n and seeds, and its verdict."""
    asked = one.parameters.get("questions")
    where = f"{one.model}, tier {one.tier}" + (f", {Path(asked).name}" if asked else "")
    if (found := one.primary()) is None:
        return [where, "not measured", one.verdict]
    seeds = ", ".join(map(str, found.seeds))
    return [where, f"{claim.primary_label} {found}, n = {found.n}, seeds {seeds}", one.verdict]


def with_table(readme: str, lines: str) -> str:
    """README text with the table of findings renewed between its marks."""
    start, end = README_MARKS
    if readme.count(start) != 1 or end not in readme.partition(start)[2]:
        raise ValueError(f"README.md needs the two marks '{start}' and '{end}', each once.")
    before, _, rest = readme.partition(start)
    return f"{before}{start}\n{lines}\n{end}{rest.partition(end)[2]}"
