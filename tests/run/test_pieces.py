"""Work in pieces: each training once, nothing lost by a kill, failures named, arms waited for."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures.process import BrokenProcessPool

import psutil
import pytest

from helpers.lm import cache as entries
from helpers.run import pieces, plan
from helpers.run.pieces import Piece
from tests.run import books

GIVEN = dict(
    tier="custom", seeds=[0], questions="", max_new_tokens=8, forecast=0.0, pause=0.0, bases=[0]
)


@pytest.fixture
def given(tiny_path, tmp_path, cache):
    """Parameters of the small finding on the tiny model, three bases."""
    return GIVEN | {"model": str(tiny_path), "notes": str(tmp_path), "bases": [0, 1, 2]}


def work(piece, patient):
    """As `pieces.work`, for the small finding."""
    return books.Books(books.Params(**piece.parameters)).prepare(
        piece.base, piece.seed, wait=patient
    )


def made(given):
    """How often each arm of each base was made."""
    from pathlib import Path

    path = Path(given["notes"]) / "made"
    lines = path.read_text().splitlines() if path.is_file() else []
    return Counter(tuple(line.split()[:2]) for line in lines)


def begun(given):
    """The arms and bases that were begun."""
    from pathlib import Path

    lines = (Path(given["notes"]) / "begun").read_text().splitlines()
    return Counter(tuple(line.split()[:2]) for line in lines)


def piece(given, base, minutes=1.0):
    """One piece of the small finding."""
    return Piece("01_books", "tests.run.books", given, base, 0, minutes)


def test_the_longest_pieces_begin_first_and_a_run_crosses_bases_and_seeds(cache):
    runs = plan.plan(plan.find(["01", "05", "00"]), bases=[0, 2], seeds=[0, 1])
    found = pieces.pieces_of(runs)
    control = plan.whole(runs[1])["bases_without_chains"]
    crossed = {
        name: {(p.base, p.seed) for p in found if p.notebook[:2] == name} for name in ("01", "05")
    }
    assert [p.notebook[:2] for p in found] == ["05"] * (4 + 2 * len(control)) + ["01"] * 4
    assert crossed["01"] == {(0, 0), (0, 1), (2, 0), (2, 1)}
    assert crossed["05"] == crossed["01"] | {(base, seed) for base in control for seed in (0, 1)}


def test_a_piece_that_is_marked_is_not_begun_until_a_parameter_or_the_code_changes(
    cache, monkeypatch
):
    def made_of(bases, **params):
        runs = plan.plan(plan.find(["02"]), bases=bases, params=params)
        return [one.is_made for one in pieces.pieces_of(runs)]

    (one,) = pieces.pieces_of(plan.plan(plan.find(["02"]), bases=[0]))
    entries.write_atomically(one.mark, "")
    assert made_of([0]) == [True] and made_of([0, 1]) == [True, False]
    assert made_of([0], n_items="7") == [False]
    monkeypatch.setattr(pieces, "whole_code", lambda: "other")
    assert made_of([0]) == [False]


def test_all_pieces_are_done_once_with_progress_and_what_is_there_is_not_made_again(
    given, tmp_path
):
    lines = []
    todo = [piece(given, base) for base in given["bases"]]
    assert pieces.prepare(todo, 2, tmp_path, lines.append, work) == []
    arms = {(arm, str(base)): 1 for arm in ("first", "second", "third") for base in range(3)}
    assert made(given) == arms
    assert len(lines) == 3 and "0 left, about 0 min" in lines[-1]
    pieces.prepare(todo, 1, tmp_path, lines.append, work)
    assert made(given) == arms


def test_after_a_kill_at_any_moment_at_most_one_piece_a_job_is_begun_again(given, tmp_path, cache):
    given |= {"pause": 0.4}
    code = f"""
from pathlib import Path
from helpers.run import pieces
from tests.run.test_pieces import piece, work
if __name__ == "__main__":
    todo = [piece({given!r}, base) for base in (0, 1, 2)]
    pieces.prepare(todo, 2, Path({str(tmp_path)!r}), print, work)
"""
    script = tmp_path / "go.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen([sys.executable, str(script)], env=environment)
    deadline = time.monotonic() + 120
    while sum(made(given).values()) < 3:  # so that one at least of two processes has kept its own
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive  # its processes end with it
    # an entry that the kill left half-made stands beside, as NAME.tmpXXXX, and is begun again
    whole = [path for path in cache.rglob("table.parquet") if ".tmp" not in path.parent.name]
    kept = {path: path.stat().st_mtime_ns for path in whole}
    assert kept
    todo = [piece(given, base) for base in given["bases"]]
    assert pieces.prepare(todo, 2, tmp_path, print, work) == []
    assert set(made(given)) == {(a, str(b)) for a in ("first", "second", "third") for b in range(3)}
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    again = [table for table, times in begun(given).items() if times > 1]
    assert len(again) <= 2  # jobs


def fails(piece, patient):
    """A piece that fails on one base."""
    if piece.base == 1:
        raise ValueError("no pair of replies to learn from.")
    return work(piece, patient)


def test_a_piece_that_fails_is_named_and_stops_no_other(given, tmp_path):
    lines = []
    todo = [piece(given, base) for base in given["bases"]]
    (failed,) = pieces.prepare(todo, 1, tmp_path, lines.append, fails)
    assert failed.base == 1 and failed.reason == "no pair of replies to learn from."
    assert [one.mark.is_file() for one in todo] == [True, False, True]
    assert len(made(given)) == 6
    assert any("base 1, seed 0: failed: no pair" in line for line in lines)
    log = (tmp_path / "pieces.log").read_text()
    assert "base 1, seed 0 failed:\nTraceback" in log and "in fails" in log


def dies(piece, patient):
    """A piece whose process is killed."""
    if piece.base == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(piece, patient)


def test_a_killed_process_is_tried_again_and_then_given_up(given, tmp_path):
    todo = [piece(given, base) for base in given["bases"]]
    (failed,) = pieces.prepare(todo, 1, tmp_path, print, dies)
    assert failed.base == 1 and "was killed" in failed.reason
    assert len(made(given)) == 6


def test_a_piece_that_waits_for_an_arm_lets_the_others_go_first(given, tmp_path):
    lab = books.Books(books.Params(**given | {"bases": [0]}))
    folder = lab.replies.folder(lab.cells("first", 0)[0])
    order = []

    def say(line):
        order.append(line.split(",")[1].strip())
        if len(order) == 2:
            held.__exit__(None, None, None)  # the other process is done

    held = entries.lock(folder)
    held.__enter__()
    todo = [piece(given, base) for base in given["bases"]]
    assert pieces.prepare(todo, 1, tmp_path, say, work) == []
    assert order == ["base 1", "base 2", "base 0"]
    assert made(given)["first", "0"] == 1


def test_a_pool_that_breaks_is_told_from_a_piece_that_raises():
    assert issubclass(BrokenProcessPool, Exception)
    again, failed = pieces.killed([Piece("01", "", {}, 0, 0, attempts=1)], [])
    assert not again and failed[0].reason.startswith("its process was killed")
