"""Runs through papermill: refused early, believed only by their record, resumed, reported."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.lab import record
from helpers.lab.record import Measure, Record
from helpers.lm import models
from helpers.run import runner

PARAMETERS = """n: int = 2  # how many
rate: float = 0.5  # how fast
fast: bool = True  # skip what is slow
seeds: list[int] = [0]  # training seeds
questions: str = ""  # your own file
tier: str = "pocket"  # stamped
"""
WRITE = """from helpers import record
p = record.Record(finding="{finding}", tier=tier, model="none", seeds=seeds,
                  parameters={{"n": n, "fast": fast}},
                  measures=[record.Measure(name="recall_change", arm="x", estimate=-n / 10,
                                           low=-1.0, high=0.0, n=n)], verdict="inconclusive")
record.write(p)
"""
DRAW = """import matplotlib.pyplot as plt
plt.plot([0, n]); plt.show()"""


def notebook(folder, name, *cells, finding="start_here", write=True):
    """A small notebook with the parameters above, the given code cells and a record at its end."""
    book = new_notebook(
        cells=[
            new_markdown_cell(f"# {name} <i>"),
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            *[new_code_cell(cell) for cell in cells],
            *([new_code_cell(WRITE.format(finding=finding))] if write else []),
        ],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}
        },
    )
    path = folder / f"{name}.ipynb"
    nbformat.write(book, path)
    return str(path)


def run(books, tmp_path, **options):
    return runner.run(books, runs=tmp_path / "runs", say=lambda _: None, **options)


def test_a_tier_may_say_something_of_one_notebook_and_whoever_asks_comes_first(
    tmp_path, monkeypatch
):
    said = {"parameters": {"n": 5}, "notebooks": {"02_other": {"n": 6}}}
    tiers = {"pocket": models.tiers()["pocket"] | said}
    monkeypatch.setattr(models, "tiers", lambda: tiers)
    books = runner.find([notebook(tmp_path, name) for name in ("01_small", "02_other")])
    assert [run.parameters["n"] for run in runner.plan(books)] == [5, 6]
    assert [run.parameters["n"] for run in runner.plan(books, params={"n": "7"})] == [7, 7]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"params": {"m": "3"}}, ["Unknown parameter 'm'", "known are: n, rate, fast, seeds"]),
        ({"params": {"n": "1.5"}}, ["01_small", "'n'", "1.5", "a whole number"]),
        ({"params": {"n": "many"}}, ["'n'", "'many'", "a whole number"]),
        ({"params": {"fast": "no"}}, ["'fast'", "'no'", "true or false"]),
        ({"params": {"seeds": "[0, true]"}}, ["'seeds'", "position 1", "True"]),
        ({"params": {"n=1;import os": "1"}}, ["Unknown parameter"]),
        ({"model": "pocket"}, ["Unknown parameter 'model'"]),
        ({"tier": "huge"}, ["Unknown tier 'huge'", "pocket", "small"]),
        ({"questions": "nowhere.jsonl"}, ["nowhere.jsonl"]),
    ],
)
def test_what_is_wrong_is_refused_before_a_kernel_starts(tmp_path, monkeypatch, options, words):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        run([notebook(tmp_path, "01_small")], tmp_path, **options)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not (tmp_path / "runs").exists()


def test_a_bad_line_of_questions_is_refused_with_its_number(tmp_path):
    good = dict(id="a", question="How many?", answers=["3"], should_abstain=False, scenario="plain")
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(good) + "\n" + json.dumps(good | {"id": "b", "answers": 3}) + "\n")
    with pytest.raises(ValueError, match="line 2"):
        run([notebook(tmp_path, "01_small")], tmp_path, questions=str(file))


def test_values_on_the_command_line_take_the_type_of_their_parameter(tmp_path):
    given = {"n": "3", "rate": "1e-4", "fast": "false", "seeds": "[1, 2]", "questions": ""}
    (one,) = runner.plan(runner.find([notebook(tmp_path, "01_small")]), params=given)
    expected = {"tier": "pocket", "n": 3, "rate": 1e-4, "fast": False, "seeds": [1, 2]}
    assert one.parameters == expected


def test_the_key_changes_with_code_parameters_and_questions_but_not_with_prose(tmp_path):
    def key(*cells, **params):
        path = notebook(tmp_path, "01_small", *cells)
        return runner.plan(runner.find([path]), params=params)[0].key

    first = key("x = 1")
    assert key("x = 1") == first
    assert key("x = 2") != first
    assert key("x = 1", n="3") != first
    key("x = 1")
    path = tmp_path / "01_small.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells[0].source = "# Better words"
    nbformat.write(book, path)
    assert runner.plan(runner.find([str(path)]))[0].key == first


def test_the_key_knows_the_findings_that_a_notebook_stands_on():
    alone, dial = runner.find(["01", "07"])
    assert runner.used(alone) == {"__init__", "abstention_loss"}
    assert {"reward_dial", "rlsf_repair", "faithfulness_decay"} <= runner.used(dial)
    (latent,) = runner.find(["05"])
    parts = (runner.FINDINGS / "latent_reasoning").glob("*.py")
    assert {runner.named(path) for path in parts} == runner.used(latent) - {"__init__"}


def test_the_key_knows_the_defaults_that_a_notebook_borrows(monkeypatch):
    alone, repair, dial = runner.find(["01", "06", "07"])
    assert repair in runner.borrowed(dial) and not runner.borrowed(alone)
    keys, declared = runner.key(dial, {}), runner.declared

    def changed(book):
        defaults, checks = declared(book)
        return (defaults | {"doses": [0, 7]} if book == repair else defaults), checks

    monkeypatch.setattr(runner, "declared", changed)
    assert runner.key(dial, {}) != keys


def test_settings_are_what_a_run_of_the_notebook_would_have():
    about = dict(tier="small", model="smollm2", seeds=[0])
    (one,) = runner.plan(runner.find(["06"]), tier="small", seeds=[0])
    found = runner.settings("06", **about)
    assert found.items() >= one.parameters.items() and found["doses"] == [0, 6]
    assert runner.settings("06", **about | {"tier": "pocket"})["doses"] != found["doses"]


def test_the_key_changes_with_the_weights_of_the_model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"one")
    book = notebook(tmp_path, "01_small", write=False)
    found = nbformat.read(book, as_version=4)
    found.cells[1].source += 'model: str = "pocket"  # any name\n'
    nbformat.write(found, book)
    first = runner.plan(runner.find([book]), model=str(folder))[0].key
    (folder / "model.safetensors").write_bytes(b"other")
    assert runner.plan(runner.find([book]), model=str(folder))[0].key != first


def test_every_parameter_that_names_a_model_is_looked_up_before_anything_runs():
    for name in runner.MODELS:
        with pytest.raises(ValueError, match="nosuchmodel"):
            runner.plan(runner.find([]), params={name: "nosuchmodel"})


def test_notebooks_are_found_by_number_or_name_and_unknown_ones_listed(tmp_path):
    for name in ("00_start", "01_small"):
        notebook(tmp_path, name)
    assert [p.stem for p in runner.find([], tmp_path)] == ["00_start", "01_small"]
    assert [p.stem for p in runner.find(["1", "00_start", "01"], tmp_path)] == [
        "01_small",
        "00_start",
    ]
    with pytest.raises(ValueError, match="No notebook '07'; there are: 00_start, 01_small"):
        runner.find(["07"], tmp_path)


def test_a_run_is_complete_reported_and_not_repeated(tmp_path):
    book = notebook(tmp_path, "01_small", DRAW, finding="abstention_loss")
    folder, (one,) = run([book], tmp_path, params={"n": "4", "fast": "false"})
    assert one.state == "complete", one.reason
    found = record.read(folder / "01_small.json")
    assert found.parameters == {"n": 4, "fast": False} and found.key == one.key

    html = runner.report(folder).read_text()
    assert "data:image/png;base64," in html and 'src="http' not in html and "<link" not in html
    assert "-0.400 [-1.000, 0.000]" in html and "inconclusive" in html
    assert "01_small &lt;i&gt;" in html and "01_small <i>" not in html

    again, (kept,) = run([book], tmp_path, params={"n": "4", "fast": "false"})
    assert kept.state == "kept" and again != folder
    assert record.read(again / "01_small.json") == found
    assert runner.report(again).read_text().count("data:image/png") == 1

    (folder / "01_small.json").write_text("{")
    (again / "01_small.json").write_text("{")
    _, (redone,) = run([book], tmp_path, params={"n": "4", "fast": "false"})
    assert redone.state == "complete"


def test_only_the_record_is_believed(tmp_path):
    books = [
        notebook(tmp_path, "01_killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        notebook(tmp_path, "02_quits", "import sys; sys.exit(0)"),
        notebook(tmp_path, "03_full", "open('/dev/full', 'w').write('x' * 100_000)"),
        notebook(tmp_path, "04_raises", "raise ValueError('the sentence')"),
        notebook(tmp_path, "05_fine"),
    ]
    folder, runs = run(books, tmp_path, jobs=2)
    reasons = {one.name: (one.state, one.reason) for one in runs}
    assert reasons["01_killed"] == (
        "failed",
        "its kernel was killed (out of memory is the usual reason)",
    )
    assert reasons["02_quits"][0] == "failed"
    assert reasons["03_full"][1].startswith("the disk is full")
    assert reasons["04_raises"] == ("failed", "ValueError: the sentence")
    assert reasons["05_fine"][0] == "complete"
    assert "did not finish" in runner.report(folder).read_text()


def test_a_killed_runner_loses_only_the_running_notebook(tmp_path):
    books = [
        notebook(tmp_path, "01_quick"),
        notebook(
            tmp_path,
            "02_slow",
            f"import time, pathlib\n"
            f"time.sleep(0 if pathlib.Path({str(tmp_path / 'go')!r}).exists() else 120)",
        ),
    ]
    runs = str(tmp_path / "runs")
    code = "from helpers import runner; import pathlib\n"
    code += f"runner.run({books!r}, runs=pathlib.Path({runs!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "runs").glob("*/02_slow.log")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
    process.kill()
    process.wait()
    (tmp_path / "go").touch()
    _, states = run(books, tmp_path)
    assert [one.state for one in states] == ["kept", "complete"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_running_notebook_and_says_so(tmp_path, monkeypatch, number):
    book = notebook(tmp_path, "01_slow", "import time; time.sleep(120)")
    started, processes = runner.start, []

    def start(*arguments):
        processes.append(started(*arguments))
        return processes[0]

    monkeypatch.setattr(runner, "start", start)
    monkeypatch.setattr(time, "sleep", lambda _: os.kill(os.getpid(), number))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        _, (one,) = run([book], tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (one.state, one.reason) == ("interrupted", "the same command again resumes")
    assert processes[0].poll() is not None


def test_side_by_side_the_longest_begins_first_and_one_at_a_time_none_is_put_off(
    tmp_path, monkeypatch
):
    begun = []

    def start(one, folder, jobs):
        begun.append(one.name[:2])
        runner.log_path(one, folder).touch()
        return subprocess.Popen([sys.executable, "-c", ""])

    tier = models.tiers()["pocket"] | {"minutes": {"01_short": 1, "02_long": 9, "03_middle": 5}}
    monkeypatch.setattr(models, "tiers", lambda: {"pocket": tier})
    monkeypatch.setattr(runner, "start", start)
    books = [notebook(tmp_path, name) for name in tier["minutes"]]
    _, states = run(books, tmp_path, jobs=2)
    assert begun == ["02", "03", "01"] and [one.name[:2] for one in states] == ["01", "02", "03"]
    begun.clear()
    run(books, tmp_path)
    assert begun == ["01", "02", "03"]


def test_the_table_of_findings_says_what_is_not_yet_built(tmp_path):
    change = Measure(
        name="recall_change", arm="x", estimate=-0.25, low=-0.4, high=-0.1, n=120, seeds=[0, 1]
    )
    found = Record(
        finding="abstention_loss",
        tier="pocket",
        model="pocket",
        measures=[change],
        verdict="replicates",
        complete=True,
    )
    (tmp_path / "one.json").write_text(found.model_dump_json())
    other = found.model_copy(update={"tier": "small"})
    (tmp_path / "two.json").write_text(other.model_dump_json())
    lines = runner.findings_table(tmp_path).splitlines()
    assert len(lines) == 2 + 7 + 1
    measured = "recall -0.250 [-0.400, -0.100], n = 120, seeds 0, 1"
    for line, tier in zip(lines[2:], ("pocket", "small"), strict=False):
        assert f"| pocket, tier {tier} | change of abstention {measured} | replicates |" in line
    assert "1 Abstention loss" in lines[2] and lines[3].startswith("|  |  |")
    assert all(line.count("not yet built") == 2 for line in lines[4:])


def test_the_table_replaces_only_what_stands_between_its_marks():
    start, end = runner.README_MARKS
    text = f"before\n{start}\nold\n{end}\nafter\n"
    assert runner.with_table(text, "new") == f"before\n{start}\nnew\n{end}\nafter\n"
    with pytest.raises(ValueError, match="needs the two marks"):
        runner.with_table("no marks", "new")
