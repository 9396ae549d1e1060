"""Runs through papermill: refused early, believed only by their record, resumed, reported."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import pytest

from helpers.lab import record
from helpers.lm import models
from helpers.run import kept, plan, process, report
from tests.run.books import DRAW, notebook, run


def test_a_tier_may_say_something_of_one_notebook_and_whoever_asks_comes_first(
    tmp_path, monkeypatch
):
    said = {"parameters": {"n": 5}, "notebooks": {"02_other": {"n": 6}}}
    tiers = {"pocket": models.tiers()["pocket"] | said}
    monkeypatch.setattr(models, "tiers", lambda: tiers)
    books = plan.find([notebook(tmp_path, name) for name in ("01_small", "02_other")])
    assert [run.parameters["n"] for run in plan.plan(books)] == [5, 6]
    assert [run.parameters["n"] for run in plan.plan(books, params={"n": "7"})] == [7, 7]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"params": {"m": "3"}}, ["Unknown parameter 'm'", "known are: n, rate, fast, seeds"]),
        ({"params": {"n": "1.5"}}, ["01_small", "'n'", "1.5", "a whole number"]),
        ({"params": {"n": "many"}}, ["'n'", "'many'", "a whole number"]),
        ({"params": {"n": ""}}, ["'n'", "''", "a whole number"]),
        ({"params": {"n": "1" + "0" * 20}}, ["'n'", "at most 100000", "not end"]),
        ({"params": {"seeds": "[" * 100_000}}, ["nested too deeply"]),
        ({"params": {"questions": "\ud800"}}, ["half a character"]),
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


@pytest.mark.parametrize("text", ["[1, 2]", "no notebook", ""])
def test_a_file_that_is_no_notebook_is_named(tmp_path, text):
    (tmp_path / "mine.ipynb").write_text(text)
    with pytest.raises(ValueError, match=r"mine.ipynb is no notebook: give the path of a .ipynb"):
        plan.find([str(tmp_path / "mine.ipynb")])


def test_a_place_that_cannot_hold_runs_or_cache_is_named_with_the_variable(tmp_path, monkeypatch):
    book = notebook(tmp_path, "01_small")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file can't be written \(.*\): set WORKBOOK_RUNS"):
        process.run([book], runs=tmp_path / "file")
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"the cache .*file can't be used .*: set WORKBOOK_CACHE"):
        process.run([book], runs=tmp_path / "runs")


def test_the_disk_that_is_full_is_named(tmp_path, monkeypatch, cache):
    room = {}
    usage = lambda place: type("Usage", (), {"free": room[str(place)]})  # noqa: E731
    monkeypatch.setattr(process.shutil, "disk_usage", usage)
    room.update({str(tmp_path): 0, str(cache): 10**9})
    assert f"disk of the runs is full ({tmp_path})" in process.full_disk(tmp_path)
    room.update({str(tmp_path): 10**9, str(cache): 0})
    assert f"disk of the cache is full ({cache})" in process.full_disk(tmp_path)
    room[str(cache)] = 10**9
    assert process.full_disk(tmp_path) == ""


def test_a_half_written_notebook_never_takes_its_place_and_a_broken_one_is_named(tmp_path, cache):
    folder, (one,) = run([notebook(tmp_path, "01_small", DRAW)], tmp_path)
    assert one.state == "complete" and not (folder / process.UNFINISHED).exists()
    whole = (folder / "01_small.ipynb").read_text()
    (folder / process.UNFINISHED).mkdir()
    (folder / process.UNFINISHED / "01_small.ipynb").write_text(whole[:500])
    process.take_over(one, folder)
    assert (folder / "01_small.ipynb").read_text() == whole
    (folder / "01_small.ipynb").write_text(whole[:500])
    (folder / "02_other.json").write_text("{")
    page = report.report(folder).read_text()
    assert "01_small.ipynb is not whole: run it again" in page and "Not read: The record" in page


def test_a_bad_line_of_questions_is_refused_with_its_number(tmp_path):
    good = dict(id="a", question="How many?", answers=["3"], should_abstain=False, scenario="plain")
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(good) + "\n" + json.dumps(good | {"id": "b", "answers": 3}) + "\n")
    with pytest.raises(ValueError, match="line 2"):
        run([notebook(tmp_path, "01_small")], tmp_path, questions=str(file))


def test_values_on_the_command_line_take_the_type_of_their_parameter(tmp_path):
    given = {"n": "3", "rate": "1e-4", "fast": "false", "seeds": "[1, 2]", "questions": ""}
    (one,) = plan.plan(plan.find([notebook(tmp_path, "01_small")]), params=given)
    expected = {"tier": "pocket", "n": 3, "rate": 1e-4, "fast": False, "seeds": [1, 2]}
    expected["questions"] = ""
    assert one.parameters == expected


def test_every_parameter_that_names_a_model_is_looked_up_before_anything_runs():
    for name in plan.MODELS:
        with pytest.raises(ValueError, match="nosuchmodel"):
            plan.plan(plan.find([]), params={name: "nosuchmodel"})


def test_notebooks_are_found_by_number_or_name_and_unknown_ones_listed(tmp_path):
    for name in ("00_start", "01_small"):
        notebook(tmp_path, name)
    assert [p.stem for p in plan.find([], tmp_path)] == ["00_start", "01_small"]
    assert [p.stem for p in plan.find(["1", "00_start", "01"], tmp_path)] == [
        "01_small",
        "00_start",
    ]
    with pytest.raises(ValueError, match="No notebook '07'; there are: 00_start, 01_small"):
        plan.find(["07"], tmp_path)


def test_only_the_record_is_believed(tmp_path, cache):
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
    assert "did not finish" in report.report(folder).read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_running_notebook_and_says_so(tmp_path, monkeypatch, number, cache):
    book = notebook(tmp_path, "01_slow", "import time; time.sleep(120)")
    started, processes = process.start, []

    def start(*arguments):
        processes.append(started(*arguments))
        return processes[0]

    monkeypatch.setattr(process, "start", start)
    monkeypatch.setattr(time, "sleep", lambda _: os.kill(os.getpid(), number))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        _, (one,) = run([book], tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (one.state, one.reason) == ("interrupted", "the same command again resumes")
    assert processes[0].poll() is not None


def test_side_by_side_the_longest_begins_first_and_one_at_a_time_none_is_put_off(
    tmp_path, monkeypatch, cache
):
    begun = []

    def start(one, folder, jobs):
        begun.append(one.name[:2])
        process.log_path(one, folder).touch()
        return subprocess.Popen([sys.executable, "-c", ""])

    tier = models.tiers()["pocket"] | {"minutes": {"01_short": 1, "02_long": 9, "03_middle": 5}}
    monkeypatch.setattr(models, "tiers", lambda: {"pocket": tier})
    monkeypatch.setattr(process, "start", start)
    books = [notebook(tmp_path, name) for name in tier["minutes"]]
    _, states = run(books, tmp_path, jobs=2)
    assert begun == ["02", "03", "01"] and [one.name[:2] for one in states] == ["01", "02", "03"]
    begun.clear()
    run(books, tmp_path)
    assert begun == ["01", "02", "03"]


def test_a_run_is_complete_and_reported(tmp_path, cache):
    book = notebook(tmp_path, "01_small", DRAW, finding="abstention_loss")
    folder, (one,) = run([book], tmp_path, params={"n": "4", "fast": "false"})
    assert one.state == "complete", one.reason
    found = record.read(folder / "01_small.json")
    assert found.parameters == {"n": 4, "fast": False} and found.key == one.key

    html = report.report(folder).read_text()
    values = pd.read_csv(folder / "01_small.csv")
    assert values.measure.tolist() == ["recall"] and values["base 0"].tolist() == [-0.3]
    assert 'href="01_small.csv"' in html and 'href="01_small.ipynb"' in html
    assert "data:image/png;base64," in html and 'src="http' not in html and "<link" not in html
    assert "-0.400 [-1.000, 0.000]" in html and "inconclusive" in html and "9 bases." in html
    assert "01_small &lt;i&gt;" in html and "01_small <i>" not in html


def test_the_report_shows_the_pictures_that_are_chosen_and_what_is_said_last():
    def cell(tags, **data):
        named = {kind.replace("_", "/"): value for kind, value in data.items()}
        output = nbformat.v4.new_output("display_data", data=named)
        return nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": tags})

    cells = [cell([], image_png="one"), cell(["picture"], image_png="two")]
    cells += [cell([], text_markdown="first"), cell([], text_markdown="**last** <b>")]
    book = nbformat.v4.new_notebook(cells=cells)
    (shown,) = report.figures(book)
    assert "base64,two" in shown
    assert "<strong>last</strong> &lt;b&gt;" in "".join(report.told(book))
    book.cells[1].metadata.tags = []
    assert len(report.figures(book)) == 2, "without a choice, all"


def test_the_key_tells_runs_of_other_code_or_parameters_apart_and_not_other_prose(tmp_path):
    def key(*cells, **params):
        path = notebook(tmp_path, "01_small", *cells)
        return plan.plan(plan.find([path]), params=params)[0].key

    first = key("x = 1")
    assert key("x = 1") == first
    assert key("x = 2") != first and key("x = 1", n="3") != first
    key("x = 1")
    path = tmp_path / "01_small.ipynb"
    book = nbformat.read(path, as_version=4)
    book.cells[0].source = "# Better words"
    nbformat.write(book, path)
    assert plan.plan(plan.find([str(path)]))[0].key == first


def test_code_is_told_by_its_content_even_in_a_folder_that_is_called_like_one_of_its_rooms(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(plan, "ROOT", tmp_path / "run")
    for place in ("lab/finding.py", "run/plan.py"):
        file = tmp_path / "run" / "helpers" / place
        file.parent.mkdir(parents=True)
        file.write_text("x = 1")
    first = plan.content({"run"}, [])
    (tmp_path / "run" / "helpers" / "run" / "plan.py").write_text("x = 2")
    assert plan.content({"run"}, []) == first
    (tmp_path / "run" / "helpers" / "lab" / "finding.py").write_text("x = 2")
    assert plan.content({"run"}, []) != first


def prose(path, words):
    book = nbformat.read(path, as_version=4)
    book.cells[0].source = words
    nbformat.write(book, path)


def test_new_prose_is_put_around_the_outputs_and_other_code_or_content_is_executed(
    tmp_path, monkeypatch, cache
):
    note = tmp_path / "executed"
    replies = "import pandas as pd; from helpers.lab import record; "
    replies += "record.write_replies('start_here', pd.DataFrame({'text': ['Ann has 5.', 'Ä']}))"
    cells = [f"print('once', file=open('{note}', 'a'))", f"print(n); {replies}"]
    path = notebook(tmp_path, "01_small", *cells)

    def go(**options):
        folder, (one,) = run([path], tmp_path, **options)
        assert one.state == "complete", one.reason
        said = pd.read_json(folder / "01_small.replies.jsonl", lines=True)
        assert said.text.tolist() == ["Ann has 5.", "Ä"]
        written = nbformat.read(folder / "01_small.ipynb", as_version=4)
        return len(note.read_text().splitlines()), written, (folder / "01_small.json").read_text()

    times, first, made = go(params={"n": "4"})
    prose(path, "# Better words")
    times_now, second, taken = go(params={"n": "4"})
    assert times == times_now == 1 and taken == made
    assert second.cells[0].source == "# Better words" != first.cells[0].source
    assert second.cells[1:] == first.cells[1:] and "4\\n" in str(second.cells[-2].outputs)
    assert go(params={"n": "5"})[0] == 2
    monkeypatch.setattr(kept, "content", lambda: "another figure")
    assert go(params={"n": "5"})[0] == 3
    (one,) = plan.plan(plan.find([path]), params={"n": "5"})
    (kept.place(one) / "01_small.ipynb").write_text("{")
    assert go(params={"n": "5"})[0] == 4  # a broken file is named and made again


def test_a_notebook_that_failed_is_not_kept(tmp_path, cache):
    book = notebook(tmp_path, "01_small", "raise ValueError('no')")
    _, (one,) = run([book], tmp_path)
    assert one.state == "failed" and not kept.place(one).exists()


def test_own_questions_that_a_pocket_cannot_read_are_refused_with_line_words_and_remedy(tmp_path):
    known = "Ann has 3 apples. Ann buys 2 apples. How many apples does Ann have now?"
    good = dict(answers=["5"], should_abstain=False, scenario="plain")

    def plan_on(*questions):
        lines = [json.dumps(good | {"id": f"q{i}", "question": q}) for i, q in enumerate(questions)]
        (tmp_path / "mine.jsonl").write_text("\n".join(lines))
        return plan.plan(plan.find(["05"]), questions=str(tmp_path / "mine.jsonl"))

    assert plan_on(known, known)
    with pytest.raises(ValueError, match="05_latent_reasoning: n_items is asked for, .* leave n_"):
        file = str(tmp_path / "mine.jsonl")
        plan.plan(plan.find(["05"]), questions=file, params={"n_items": "8"})
    with pytest.raises(ValueError, match="05_latent_reasoning: .* too few .* an answer, 1: give"):
        plan_on(known)
    strange = "Zoe bakes 3 muffins. Zoe bakes 2. How many muffins does Zoe have now?"
    with pytest.raises(ValueError, match=r"line 2: 'pocket' does not know 'Zoe', .*; 1 of 2 "):
        plan_on(known, strange)
    with pytest.raises(ValueError, match=r"line 1: \d+ tokens, and 'pocket' reads at most 512"):
        plan_on(f"{known} " * 40, known)


def test_a_real_model_is_one_base_whatever_its_tier(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with pytest.raises(ValueError, match="no weights in safetensors"):
        plan.plan(plan.find(["02"]), model=str(folder))
    (folder / "model.safetensors").touch()
    books = plan.find(["02"])
    assert plan.plan(books, model=str(folder))[0].parameters["bases"] == [0]
    assert plan.plan(books, tier="small")[0].parameters["bases"] == [0]
    with pytest.raises(ValueError, match=r"'bases' is \[0, 1\]: '.*' is one base, so give \[0\]"):
        plan.plan(books, model=str(folder), bases=[0, 1])
    with pytest.raises(ValueError, match="pockets are shipped for"):
        plan.plan(books, bases=[99])
