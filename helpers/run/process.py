"""A run: first the work in pieces, then the notebooks, which read, through papermill."""

from __future__ import annotations

import base64
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import nbformat
import yaml

from helpers import ROOT
from helpers.lab import record
from helpers.lm.cache import cache_dir
from helpers.run import kept, plan
from helpers.run.pieces import Piece, pieces_of, prepare
from helpers.run.plan import Run

RUNS = Path(os.environ.get("WORKBOOK_RUNS") or ROOT / "runs").expanduser()
UNFINISHED = "unfinished"
"""Of a run's folder, what papermill is still writing."""
FULL = 1e6
"""Bytes: a disk with less room than this is full."""


def new_folder(runs: Path) -> Path:
    """runs/<time>/, and a second one for a second start within a second.

    Raises OSError in one sentence where it can't be made.
    """
    while True:
        folder = runs / time.strftime("%Y-%m-%d_%H-%M-%S")
        try:
            (folder / UNFINISHED).mkdir(parents=True)
            return folder
        except FileExistsError:
            time.sleep(0.2)
        except OSError as error:
            raise OSError(
                f"{runs} can't be written ({error.strerror}): set WORKBOOK_RUNS to a folder "
                "elsewhere"
            ) from None


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
    command += [str(folder / UNFINISHED / f"{run.name}.ipynb"), "-b", values, "-k", "python3"]
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
    """Where the output of a notebook goes."""
    return folder / f"{run.name}.log"


def take_over(run: Run, folder: Path) -> None:
    """Move what papermill wrote beside its record, where it is whole."""
    written = folder / UNFINISHED / f"{run.name}.ipynb"
    try:
        nbformat.read(written, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError):
        return
    written.replace(folder / written.name)


def full_disk(folder: Path) -> str:
    """Which disk is full, in words: that of the runs or that of the cache; "" for neither."""
    places = {"the runs": (folder, "WORKBOOK_RUNS"), "the cache": (cache_dir(), "WORKBOOK_CACHE")}
    for name, (place, variable) in places.items():
        if shutil.disk_usage(place).free < FULL:
            return (
                f"the disk of {name} is full ({place}): make room, or set {variable} to a folder "
                "on another disk"
            )
    return ""


def judge(run: Run, folder: Path, code: int) -> None:
    """Set state and reason of an ended notebook; only its record counts: exit codes lie."""
    take_over(run, folder)
    try:
        if record.read(folder / f"{run.name}.json").key == run.key:
            run.state = "complete"
            return
    except (FileNotFoundError, ValueError):
        pass
    log = log_path(run, folder).read_text("utf-8", errors="replace")
    log = re.sub(r"\x1b\[[0-9;]*m", "", log)
    run.state = "failed"
    if full := full_disk(folder):
        run.reason = full
    elif "No space left on device" in log or "disk is full" in log:
        run.reason = f"the disk is full: {last_line(log)}"
    elif "Kernel died" in log or "DeadKernel" in log or code in (137, 138) or code < 0:
        run.reason = "its kernel was killed (out of memory is the usual reason)"
    elif code == 0:
        run.reason = "it ended without a complete record"
    else:
        run.reason = last_line(log)


def last_line(log: str) -> str:
    """The last line of a log that says something."""
    return next((line for line in reversed(log.splitlines()) if line.strip()), "")[:400]


def run(
    notebooks: list[str],
    jobs: int = 1,
    runs: Path | None = None,
    say: Callable[[str], None] = print,
    **asked,
) -> tuple[Path, list[Run]]:
    """Run notebooks, `jobs` processes at a time; asked: as `plan.plan` has it, with its refusals.

    What is in the cache is not computed again. Returns the folder runs/<time>/ (a record, an
    executed notebook and a log for each) and the runs with their states. Ctrl-C and SIGTERM end
    what is running and return.
    """
    cache_dir()  # refused here, before any work, where it can't be made
    todo = plan.plan(plan.find(notebooks), **asked)
    folder = new_folder(runs or RUNS)
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        pieces = [piece for piece in pieces_of(todo) if not piece.is_made]
        if pieces:
            say(f"{len(pieces)} pieces of work, {jobs} at a time; their output: {folder}")
        give_up(todo, prepare(pieces, jobs, folder, say))
        execute([one for one in todo if one.state != "failed"], folder, jobs, say)
    except KeyboardInterrupt:
        for one in todo:
            if one.state in ("not started", "running"):
                one.state, one.reason = "interrupted", "the same command again resumes"
    finally:
        signal.signal(signal.SIGTERM, previous)
        with suppress(OSError):  # what papermill was killed over stays there
            (folder / UNFINISHED).rmdir()
    return folder, todo


def give_up(todo: Sequence[Run], failed: Sequence[Piece]) -> None:
    """A notebook that lacks a piece is not begun: it would only fail again."""
    for piece in failed:
        for one in todo:
            if one.name == piece.notebook:
                one.state, one.reason = "failed", f"base {piece.base}: {piece.reason}"


def execute(
    todo: Sequence[Run], folder: Path, jobs: int, say: Callable[[str], None] = print
) -> None:
    """Execute notebooks, `jobs` at a time, but for those of which all but the prose was executed
    before; on an interrupt the running ones are ended.
    """
    waiting = []
    for one in sorted(todo, key=plan.minutes, reverse=True) if jobs > 1 else todo:
        if kept.take(one, folder):
            one.state = "complete"
            say(f"{one.name}: complete, as executed before")
        else:
            waiting.append(one)
    active: list[tuple[Run, subprocess.Popen]] = []
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                one = waiting.pop(0)
                active.append((one, start(one, folder, jobs)))
            time.sleep(0.1)
            for one, process in [pair for pair in active if pair[1].poll() is not None]:
                active.remove((one, process))
                judge(one, folder, process.returncode)
                if one.state == "complete":
                    kept.keep(one, folder)
                seconds = time.monotonic() - one.started
                say(f"{one.name}: {one.state} after {seconds:.0f} s {one.reason}".rstrip())
    finally:
        for _, process in active:
            process.terminate()
        for _, process in active:
            process.wait()
