"""The command line: exit codes, last lines, refusals in one sentence."""

import os

import nbformat
import pytest
from typer.testing import CliRunner

from helpers import cli
from helpers.lab.record import Record, Ruled, Value
from helpers.run import process
from helpers.run.plan import Run

shell = CliRunner()


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """The width of the terminal, whatever started the tests."""
    monkeypatch.setattr(cli.console, "_width", 200)


def invoke(*arguments):
    result = shell.invoke(cli.app, list(arguments))
    return result.exit_code, result.output.strip().splitlines()


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """Make `workbook run` end with the given states, without running anything."""

    def end(**states):
        runs = [Run(tmp_path / f"{name}.ipynb", {}, "k", state) for name, state in states.items()]
        monkeypatch.setattr(process, "run", lambda *_, **__: (tmp_path, runs))
        return invoke("run")

    return end


def test_exit_code_and_last_line_say_what_happened(ended):
    code, lines = ended(a="complete", b="complete")
    assert code == 0 and lines[-1].startswith("complete: 2 of 2 notebooks")
    code, lines = ended(a="complete", b="failed")
    assert code == 1 and lines[-1].startswith("failed: 1 of 2 notebooks complete; b failed")
    code, lines = ended(a="complete", b="interrupted", c="not started")
    assert code == 130 and lines[-1].startswith("interrupted: 1 of 3 notebooks complete; b")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "n"], "'-p n' is not of the form -p name=value"),
        (["-p", "n;x=1"], "'-p n;x=1' is not of the form"),
        (["-p", "n=1", "-p", "n=2"], "'-p n' is given twice, as 1 and 2: give one"),
        (["--seeds", "0,one"], "'--seeds 0,one': give whole numbers such as 0,1,2"),
        (["--bases", "0-"], "'--bases 0-': give whole numbers such as 0,1,2 or 0-2"),
        (["--bases", ""], "'--bases ': give whole numbers"),
        (["--bases", "0,3-1"], "'--bases 0,3-1': give whole numbers"),
        (["99"], "No notebook '99'; there are: "),
    ],
)
def test_a_bad_command_is_refused_with_exit_code_2(arguments, words):
    code, lines = invoke("run", *arguments)
    assert code == 2 and len(lines) == 1 and lines[0].startswith("refused: ") and words in lines[0]


def test_a_full_disk_is_named(monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "/runs/:x:")

    monkeypatch.setattr(process, "run", full)
    assert invoke("run") == (1, ["failed: No space left on device: /runs/:x:"])


def test_the_lab_as_root_says_what_to_do_and_does_it_when_asked(monkeypatch):
    called = []
    monkeypatch.setattr(cli.subprocess, "call", lambda command, **_: called.append(command) or 0)
    monkeypatch.setattr(cli.os, "geteuid", lambda: 0)
    code, lines = invoke("lab")
    assert code == 2 and "make lab ALLOW_ROOT=1" in lines[-1] and not called
    assert invoke("lab", "--allow-root")[0] == 0 and called[-1][-1] == "--allow-root"
    monkeypatch.setattr(cli.os, "geteuid", lambda: 1000)
    assert invoke("lab")[0] == 0 and "--allow-root" not in called[-1]


def test_the_newest_run_is_told_by_its_time_and_not_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "RUNS", tmp_path)
    for name, when in (("2026-01-02_00-00-00", 1), ("2026-01-01_00-00-00", 2)):
        (tmp_path / name).mkdir()
        book = tmp_path / name / "01_small.ipynb"
        nbformat.write(nbformat.v4.new_notebook(), book)
        os.utime(book, (when, when))
    assert "2026-01-01_00-00-00" in invoke("report")[1][-1]


def test_report_without_a_run_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "RUNS", tmp_path)
    code, lines = invoke("report")
    assert code == 2 and "start with: workbook run" in lines[-1]


def test_numbers_may_be_listed_or_a_range():
    assert cli.numbers("bases", "0-2") == [0, 1, 2] and cli.numbers("bases", "3,0-1") == [3, 0, 1]
    assert cli.numbers("seeds", None) is None


def test_the_table_of_verdicts_shows_label_reason_and_measured(tmp_path):
    change = Value(
        measure="recall",
        arm="x",
        minus="before",
        estimate=-0.25,
        low=-0.4,
        high=-0.1,
        n=120,
        by_base={0: -0.3, 1: -0.2},
    )
    found = Record(
        finding="abstention_loss",
        tier="pocket",
        model="pocket",
        primary=change,
        delta=0.08,
        verdict=Ruled(label="explained otherwise", reason="the missing abstentions do it"),
        complete=True,
    )
    (tmp_path / "01.json").write_text(found.model_dump_json())
    with cli.console.capture() as shown:
        cli.show(tmp_path)
    text = " ".join(shown.get().split())
    assert "explained" in text and "-0.250" in text and "missing" in text


def test_pretrain_hands_on_seed_folder_and_corpus(tmp_path, monkeypatch):
    from helpers.world import pretraining
    from helpers.world.corpus import Corpus

    calls = []
    monkeypatch.setattr(pretraining, "pretrain", lambda *given: calls.append(given) or given[1])
    assert invoke("pretrain", "--seed", "2", "--out", str(tmp_path))[0] == 0
    assert invoke("pretrain", "--seed", "1")[0] == 0
    assert invoke("pretrain", "--seed", "1", "--without-chains")[0] == 0
    assert invoke("pretrain", "--seed", "1", "--mend")[0] == 0
    seeds, folders, corpora, schedules = zip(*calls, strict=True)
    assert seeds == (2, 1, 1, 1) and folders[0] == tmp_path
    assert [folder.name for folder in folders[1:]] == ["2.1"] * 3
    assert corpora == (Corpus(), Corpus(), Corpus().without_chains(), Corpus())
    usual = pretraining.Schedule()
    assert schedules == (usual, usual, usual, usual.mended())


def test_doctor_names_every_tier_and_refuses_a_gpu_tier_without_gpu(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    code, lines = invoke("doctor")
    assert code == 0
    assert any("bf16" in line and "four times as long" in line for line in lines)
    rows = {
        name: next(line for line in lines if f" {name} " in line)
        for name in ("pocket", "small", "gpu", "paper")
    }
    assert "GPU memory" in rows["gpu"] and "GPU memory" in rows["paper"]
    assert "01: " in rows["pocket"]
