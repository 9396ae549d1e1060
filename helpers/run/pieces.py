"""The work behind the notebooks in pieces of finding, base and seed, spread over processes.

Each piece makes all tables of one training; what is in the cache already costs nothing. A piece
that finds an arm in the making elsewhere gives its process back and is taken up again later.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from helpers.lab.table import versions
from helpers.lm.cache import cache_dir, digest, fetch, keep
from helpers.run import plan
from helpers.run.plan import Run
from helpers.train.arms import fresh

PRELOADED = ["helpers.lab.finding", "trl", "peft", "transformers.models.llama.modeling_llama"]
ATTEMPTS = 2
"""How often a piece is begun whose process was killed, since another may have been to blame."""


@dataclass
class Piece:
    """All tables of one finding for one base and one training seed.

    module: the finding's; minutes: rough, for the order and the time that is left; seconds: that it
    was worked on so far.
    """

    notebook: str
    module: str
    parameters: dict[str, Any] = field(repr=False)
    base: int
    seed: int
    minutes: float = 1.0
    attempts: int = 0
    reason: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What people read."""
        return f"{self.notebook}, base {self.base}, seed {self.seed}"

    @property
    def made_of(self) -> dict[str, Any]:
        """What its tables are made of, as far as it can be said with nothing loaded: parameters,
        the models and items that they name, our whole code and the versions.
        """
        left_out = ("bases", "seeds", "forecast")
        items = self.parameters.get("questions")
        return {
            "module": self.module,
            "training": [self.base, self.seed],
            "parameters": {n: v for n, v in self.parameters.items() if n not in left_out},
            "models": plan.identities(self.parameters, [self.base]),
            "items": digest(Path(items).expanduser()) if items else "",
            "code": whole_code(),
            "versions": versions(),
            "fresh": fresh(),
        }

    @property
    def mark(self) -> Path:
        """A file of the cache that says that all of it is made, what of, and in how many seconds.
        Its name tells what it is made of.
        """
        parts = json.dumps(self.made_of, sort_keys=True)
        key = hashlib.sha256(parts.encode()).hexdigest()[:16]
        return cache_dir() / "pieces" / f"{self.notebook}-base{self.base}-seed{self.seed}-{key}"

    @property
    def is_made(self) -> bool:
        """Whether the cache says that all of it is made."""
        mark = self.mark
        fetch(mark)
        return mark.is_file()

    def mark_as_made(self) -> None:
        """Say so in the cache."""
        about = {"seconds": round(self.seconds, 1), "made of": self.made_of}
        keep(self.mark, json.dumps(about))


def told_by(mark: Path) -> dict[str, Any]:
    """What a mark says of its piece; nothing where it can't be read, as one of older code."""
    with suppress(OSError, ValueError):
        found = json.loads(mark.read_text("utf-8"))
        if isinstance(found, dict) and {"seconds", "made of"} <= set(found):
            return found
    return {}


@functools.cache
def whole_code() -> str:
    """Hash of our code, but for what only shows and runs, and of the data that it reads."""
    return plan.content(
        {"show", "run", "cli.py"}, ["models.yaml", "published.yaml", "arms/*/*.json"]
    )


def pieces_of(runs: Sequence[Run]) -> list[Piece]:
    """The pieces of the notebooks that are about a finding, the longest first."""
    found = []
    for run in runs:
        module = plan.module_of(run.notebook)
        if plan.finding_in(module):
            given = plan.whole(run)
            trainings = plan.trainings(given)
            each = plan.minutes(run) / len(trainings)
            found += [Piece(run.name, module, given, b, s, each) for b, s in trainings]
    return sorted(found, key=lambda piece: -piece.minutes)


def work(piece: Piece, patient: bool) -> int:
    """Make a piece's tables, in a process of the pool; returns how many are left because other
    processes are at work on the same arms, none if `patient`.
    """
    lab = plan.experiment(piece.module, piece.parameters)
    return lab.prepare(piece.base, piece.seed, wait=patient)


def timed(do: Callable[[Piece, bool], int], piece: Piece, patient: bool) -> tuple[int, float]:
    """What `do` returns of a piece, and the seconds that it took, where it is done; what it raises
    stands in the log.
    """
    began = time.monotonic()
    try:
        return do(piece, patient), time.monotonic() - began
    except Exception:
        print(f"{piece.name} failed:\n{traceback.format_exc()}", file=sys.stderr)
        raise


def prepare(
    pieces: Sequence[Piece],
    jobs: int,
    folder: Path,
    say: Callable[[str], None] = print,
    do: Callable[[Piece, bool], int] = work,
    watch: Callable[[dict[str, Any]], None] = lambda counts: None,
    pool_of: Callable[[int, Path], Any] | None = None,
) -> list[Piece]:
    """Do all pieces, `jobs` at a time; returns those that failed, with their reasons.

    What the processes print goes to FOLDER/pieces.log. watch: is told how far all is, whenever that
    changes. pool_of: makes what the pieces are submitted to, `new_pool` if none. Raises
    KeyboardInterrupt after ending them.
    """
    pool_of = pool_of or new_pool
    waiting, done, failed = list(pieces), [], []
    began = time.monotonic()

    def minutes_left() -> float:
        rest = sum(one.minutes for one in [*waiting, *active.values()])
        made = sum(one.minutes for one in done)
        return rest * (time.monotonic() - began) / 60 / made if made else rest

    def status() -> None:
        counts = {"done": len(done), "failed": len(failed), "running": len(active)}
        counts |= {"waiting": len(waiting), "minutes left": round(minutes_left(), 1)}
        watch(counts | {"failures": {piece.name: piece.reason for piece in failed}})

    pool = pool_of(jobs, folder)
    active: dict[Future, Piece] = {}
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                piece = waiting.pop(0)
                patient = not waiting and not active
                active[pool.submit(timed, do, piece, patient)] = piece
            status()
            ended, _ = wait(active, return_when=FIRST_COMPLETED)
            for future in ended:
                piece = active.pop(future)
                try:
                    left, seconds = future.result()
                    piece.seconds += seconds
                    if not left:
                        piece.mark_as_made()
                except BrokenProcessPool:
                    waiting, broken = killed([piece, *active.values()], waiting)
                    failed += broken
                    active.clear()
                    pool = pool_of(jobs, folder)
                    break
                except Exception as failure:
                    error = getattr(failure, "cause", failure)  # Ray's hold a worker's in theirs
                    piece.reason = str(error) or type(error).__name__
                    failed.append(piece)
                    say(f"{piece.name}: failed: {piece.reason}")
                    continue
                if left:
                    waiting.append(piece)
                    if len(waiting) + len(active) <= jobs:
                        time.sleep(0.5)  # there is nothing to do but wait for that arm
                    continue
                done.append(piece)
                rest = f"{len(waiting) + len(active)} left, about {minutes_left():.0f} min"
                say(f"{piece.name}: done; {rest}")
    except KeyboardInterrupt:
        for child in psutil.Process().children(recursive=True):
            child.terminate()
        raise
    finally:
        # waited for where all is done: its own thread may be about to begin one more process
        pool.shutdown(wait=not active, cancel_futures=True)
    status()
    return failed


def killed(running: list[Piece], waiting: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """The pieces to go on with, and those given up, after a process of the pool was killed."""
    for piece in running:
        piece.attempts += 1
        piece.reason = "its process was killed (out of memory is the usual reason)"
    again = [piece for piece in running if piece.attempts < ATTEMPTS]
    return again + waiting, [piece for piece in running if piece.attempts >= ATTEMPTS]


def new_pool(jobs: int, folder: Path) -> ProcessPoolExecutor:
    """A process a piece, with its share of the cores, forked from one that has only imported the
    libraries, which is safe and costs the imports once. One process for many pieces grew to 3 GB,
    and training in it took up to twice as long: its memory was in shreds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return ProcessPoolExecutor(
        jobs,
        context,
        initializer=begin,
        initargs=(threads, folder, dict(os.environ)),
        max_tasks_per_child=1,
    )


def begin(threads: int, folder: Path, environment: dict[str, str]) -> None:
    """Set a process of the pool up: its environment, threads and log, and that it ends with the
    process that asked for it.
    """
    os.environ.update(environment)
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's affair
    log = (folder / "pieces.log").open("a", buffering=1)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)


def end_with_parent() -> None:
    """End this process as soon as the one that began it is gone, so that `kill -9` leaves none."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
