"""Work on a Ray cluster: each piece once, nothing lost with a worker, strangers refused."""

import os
import signal
import sys
from pathlib import Path

import pytest

from helpers.lm import models
from helpers.run import cluster, pieces, sweep
from helpers.run.cluster import Cluster
from helpers.run.pieces import Piece
from tests.run.test_pieces import given, made, piece, work  # noqa: F401
from tests.run.test_sweep import KEPT

ray = pytest.importorskip("ray")


def comes_to_grief(piece, patient):
    """A piece that fails on base 2, and on base 1 loses its worker the first time, its tables
    made.
    """
    lost = Path(piece.parameters["notes"]) / "lost"
    if piece.base == 2:
        raise ValueError("no pair of replies to learn from.")
    left = work(piece, patient)
    if piece.base == 1 and not lost.exists():
        lost.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return left


def test_a_lost_worker_s_piece_is_begun_again_nothing_is_made_twice_and_failures_are_named(
    given,  # noqa: F811
    tmp_path,
):
    todo = [piece(given, base) for base in given["bases"]]
    lines = []
    (failed,) = pieces.prepare(
        todo,
        len(todo),
        tmp_path,
        lines.append,
        comes_to_grief,
        pool_of=lambda _, log: Cluster(log, jobs=2),
    )
    assert failed.base == 2 and failed.reason == "no pair of replies to learn from."
    assert (tmp_path / "lost").exists()
    assert [one.is_made for one in todo] == [True, True, False]
    arms = {(arm, str(base)): 1 for arm in ("first", "second", "third") for base in range(2)}
    assert made(given) == arms and any("failed: no pair" in line for line in lines)
    assert (tmp_path / "pieces.log").is_file()
    assert not ray.is_initialized()


def test_a_cluster_whose_machines_have_other_code_is_refused_before_any_work(
    tmp_path, monkeypatch, cache
):
    monkeypatch.setattr(cluster, "whole_code", lambda: "of this machine alone")
    with pytest.raises(ValueError, match="has other code of the workbook"):
        Cluster(tmp_path, jobs=1)
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("name", "told"), [("torch", "has torch "), ("code", "has other code of the workbook")]
)
def test_a_worker_of_another_environment_is_refused(name, told, monkeypatch):
    here = cluster.environment()
    cluster.refuse_another(here)
    with pytest.raises(ValueError, match=told):
        cluster.refuse_another(here | {name: "0.1"})


def test_a_piece_asks_for_a_gpu_by_the_size_of_its_largest_model(monkeypatch):
    sizes = {"pocket": 2e6, "middling": 5e8, "large": 8e9}
    monkeypatch.setattr(
        models, "find", lambda name: type("Handle", (), {"n_parameters": sizes[name]})
    )

    def asked(device="cuda", **named):
        return cluster.resources(Piece("01", "", named, 0, 0), device)

    assert asked(model="pocket") == {"num_cpus": 1, "num_gpus": 0.125}
    assert asked(model="pocket", scorer="middling")["num_gpus"] == 0.25
    assert asked(model="large", scorer="pocket")["num_gpus"] == 1
    assert asked("cpu", model="large") == {"num_cpus": 1}


def test_without_ray_or_a_cluster_one_sentence_says_what_to_do(tmp_path, monkeypatch, cache):
    with pytest.raises(ConnectionError, match="No Ray cluster answers at 'auto'"):
        Cluster(tmp_path, "auto")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="pip install -e"):
        Cluster(tmp_path)


def test_a_sweep_that_is_made_starts_no_cluster(monkeypatch, tmp_path, cache):
    monkeypatch.setattr(sweep, "Cluster", lambda *asked: pytest.fail("a cluster was started"))
    monkeypatch.setattr(sweep, "recorded", lambda cell, path: KEPT)
    monkeypatch.setattr(sweep, "results", lambda folder, cells, found: None)
    (cell,) = sweep.grid([sweep.Study(notebooks=["02"], bases=[0])])
    with pytest.raises(pytest.fail.Exception):
        sweep.run([cell], tmp_path, 2, print, "auto")
    cell.pieces[0].mark_as_made()
    assert sweep.run([cell], tmp_path, 2, print, "auto") == ([KEPT], [])
