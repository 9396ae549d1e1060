"""The memo of tables: made once, kept on disk by all that makes it, and never half."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pandas as pd
import pytest

from helpers import ROOT
from helpers.lab import table as tables
from helpers.lab.table import STREAMS, Cell, stream
from helpers.lm import cache as caches
from helpers.lm import sources
from helpers.lm.cache import Busy, without_waiting
from tests.toy import CALLS, Spoilt, Toy, params

ABOUT = ["arm", "base", "seed", "dose"]


@pytest.fixture(autouse=True)
def on_the_tiny_model(cache, tiny_path, monkeypatch):
    monkeypatch.setenv("TOY_MODEL", str(tiny_path))
    CALLS.clear()


def made(lab, *tasks):
    """What is computed for (table, arm) pairs, or for both tables of the arm before."""
    CALLS.clear()
    for name, arm in tasks or (("written", "before"), ("counted", "before")):
        getattr(lab, name)(arm)
    return [name for name, *_ in CALLS]


def test_a_table_is_made_once_then_remembered_then_read_from_disk():
    lab = Toy(params())
    frame = lab.counted("before")
    assert CALLS == [("written", "before", 0), ("counted", "before", 0)]
    assert sorted(frame.columns) == sorted(["item", "n_words", *ABOUT]) and len(frame) == 3
    assert lab.counted("before") is frame and made(lab) == []
    again = Toy(params())
    assert made(again) == []
    pd.testing.assert_frame_equal(again.counted("before"), frame)
    assert lab.value("n_words", "before").estimate == frame.n_words.mean()


def test_every_arm_base_and_setting_has_rows_of_its_own():
    lab = Toy(params(bases=[0, 1], seeds=[0, 1]))
    frame = lab.written("before")
    assert CALLS == [("written", "before", 0), ("written", "before", 1)]  # no seed trains it
    assert frame.groupby("base").size().to_dict() == {0: 3, 1: 3} and set(frame.seed) == {0}
    assert made(lab, ("written", "other")) == ["written", "written"]
    CALLS.clear()
    opened = lab.written("before", prefix="<think>")
    assert len(CALLS) == 2 and not opened.text.equals(frame.text)
    lab.written("before", prefix="<think>")
    assert len(CALLS) == 2


def test_trained_arms_have_a_cell_for_every_base_and_seed():
    lab = Toy(params(bases=[0, 2], seeds=[0, 1]))
    cells = lab.cells("tuned", 4)
    assert [(c.base, c.seed) for c in cells] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert len({c.stream for c in cells}) == 4 and cells[1].stream == STREAMS
    assert stream(2, 1) == Cell(lab, "tuned", 2, 1, 4).stream == 2 + STREAMS


def test_a_change_of_the_reader_reads_anew_and_generates_nothing(monkeypatch):
    made(Toy(params()))
    code_of = sources.code_of
    monkeypatch.setattr(
        sources, "code_of", lambda f: "another" if f.__name__ == "counted" else code_of(f)
    )
    assert made(Toy(params())) == ["counted"]
    assert made(Toy(params())) == []


def test_a_change_of_what_writes_makes_both_anew(monkeypatch):
    made(Toy(params()))
    code_of = sources.code_of
    monkeypatch.setattr(
        sources, "code_of", lambda f: "another" if f.__name__ == "written" else code_of(f)
    )
    assert made(Toy(params())) == ["written", "counted"]


def test_other_items_and_used_parameters_make_it_anew_and_others_do_not():
    assert made(Toy(params())) == ["written", "counted"]
    assert made(Toy(params(n_items=2))) == ["written", "counted"]
    assert made(Toy(params(max_new_tokens=9))) == ["written", "counted"]
    assert made(Toy(params(forecast=-0.5))) == []
    assert Toy.written.parameters == {"max_new_tokens"}
    assert "forecast" not in Toy.counted.parameters


def test_another_model_makes_it_anew_and_the_same_one_elsewhere_does_not(
    tiny_path, tmp_path, monkeypatch
):
    made(Toy(params()))
    copy = shutil.copytree(tiny_path, tmp_path / "copy")
    monkeypatch.setenv("TOY_MODEL", str(copy))
    assert made(Toy(params())) == []
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert made(Toy(params())) == ["written", "counted"]


def test_other_versions_make_it_anew(monkeypatch):
    assert {"python", "torch", "device"} <= tables.versions().keys()
    made(Toy(params()))
    monkeypatch.setattr(tables, "versions", lambda: {"torch": "0"})
    assert made(Toy(params())) == ["written", "counted"]


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: p.write_bytes(b"PAR1")])
def test_a_broken_file_is_named_and_made_again(capsys, harm):
    lab = Toy(params())
    whole = lab.counted("before")
    cell = lab.cells("before", 0)[0]
    harm(lab.written.folder(cell) / tables.FILE)
    assert made(Toy(params()), ("counted", "before")) == []  # it needs the other no more
    again = Toy(params())
    assert made(again) == ["written"]
    said = capsys.readouterr().out
    assert f"{lab.written.folder(cell)} is broken ({tables.FILE} is" in said
    pd.testing.assert_frame_equal(again.counted("before"), whole)


def test_columns_that_are_not_declared_are_refused(cache):
    with pytest.raises(ValueError) as caught:
        Spoilt(params()).written("before")
    said = str(caught.value)
    assert "'written' of abstention_loss: the columns ['text', 'words'] are declared and" in said
    assert "\n" not in said and [path.suffix for path in kept(cache)] == [".lock"]


def kept(cache):
    """What lies beside the tables of the toy."""
    return sorted((cache / "tables" / Toy.name).iterdir())


def test_planted_rows_stand_for_those_of_an_arm():
    lab = Toy(params())
    frame = pd.DataFrame({"item": range(4), "base": 0, "seed": 0, "n_tokens": [1.0, 2, 3, 4]})
    lab.written.plant("before", frame)
    lab.written.plant("other", frame.assign(n_tokens=frame.n_tokens + 1))
    lab.written.plant("tuned", frame, dose=2)
    lab.written.plant("before", frame.head(1), prefix="<think>")
    assert lab.value("n_tokens", "before").estimate == 2.5
    assert lab.primary.value(lab).estimate == 1.0
    assert lab.written("tuned", 2) is frame and len(lab.written("before", prefix="<think>")) == 1
    assert CALLS == [] and Toy(params()).written.folder(lab.cells("before", 0)[0]).exists() is False


def test_a_full_disk_is_one_sentence_and_leaves_nothing(cache, monkeypatch):
    lab = Toy(params())
    with monkeypatch.context() as patch:
        patch.setattr(tables, "FILE", "/dev/full")
        with pytest.raises(OSError, match="The disk is full: .*WORKBOOK_CACHE") as caught:
            lab.written("before")
    assert caught.value.errno == errno.ENOSPC and "\n" not in str(caught.value)
    assert [path.suffix for path in kept(cache)] == [".lock"]
    assert made(lab) == ["written", "counted"]


def test_a_killed_process_leaves_its_whole_tables_and_the_next_makes_the_rest(cache):
    code = "from tests.toy import Toy, params; Toy(params()).prepare(0, 0)"
    environment = os.environ | {"TOY_DIES_IN": "other", "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment)
    assert killed.returncode == -signal.SIGKILL
    whole = [p for p in kept(cache) if p.is_dir() and ".tmp" not in p.name]
    assert [p.name.split("-")[:2] for p in whole] == [["counted", "before"], ["written", "before"]]
    assert not any(caches.broken(folder) for folder in whole)
    assert [p for p in kept(cache) if ".tmp" in p.name]
    Toy(params()).prepare(0, 0)
    assert CALLS == [("written", "other", 0), ("counted", "other", 0)]
    assert not [p for p in kept(cache) if ".tmp" in p.name]


HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder):
    """Another process holds the lock of a cache entry, until what is given is called."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(folder.name + ".lock")
    command = [sys.executable, "-c", HOLDER, str(lock)]
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with subprocess.Popen(command, text=True, **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        yield holder.stdin.close
        if not holder.stdin.closed:
            holder.stdin.close()


def test_of_two_processes_one_makes_a_table_and_the_other_need_not_wait():
    lab = Toy(params())
    with held_elsewhere(lab.written.folder(lab.cells("other", 0)[0])):
        with pytest.raises(Busy, match="written-other-.* is being made by another process"):
            with without_waiting():
                lab.counted("other")
        assert lab.prepare(0, 0, wait=False) == 2  # both tables of the other arm
        assert [arm for _, arm, _ in CALLS] == ["before", "before"]
    assert lab.prepare(0, 0, wait=False) == 0


def test_who_waits_finishes_all_work():
    lab = Toy(params())
    with held_elsewhere(lab.written.folder(lab.cells("other", 0)[0])) as release:
        threading.Timer(0.5, release).start()
        assert lab.prepare(0, 0) == 0
    assert CALLS == [
        ("written", "before", 0),
        ("counted", "before", 0),
        ("written", "other", 0),
        ("counted", "other", 0),
    ]
    assert made(Toy(params()), ("counted", "other"), ("written", "before")) == []


def test_one_training_is_prepared_alone():
    lab = Toy(params(bases=[0, 1], seeds=[0, 1]))
    lab.prepare(1, 1)
    assert {base for *_, base in CALLS} == {1} and len(CALLS) == 4
    assert made(lab, ("counted", "before")) == ["written", "counted"]  # of base 0
