"""Notebooks: short cells, twins that agree, every parameter explained, and they run."""

import contextlib
import os
import re
import shutil
import statistics
import subprocess

import jupytext
import nbformat
import papermill.cli
import pytest
from typer.testing import CliRunner

from helpers.cli import app
from helpers.lab import record
from helpers.lab.claims import claims
from helpers.lm import models
from helpers.run import plan, process
from helpers.show import widgets

BOOKS = plan.find([])
# RL on right answers and the long SFT are the shipped arms; all others are trained, 1 or 2 steps
SMALLEST = {
    "n_pairs": "2",
    "n_items": "4",
    "doses": "[0, 1, 2]",
    "dose": "2",
    "verbose_dose": "2",
    "bases": "[0]",
    "n_pass_items": "2",
    "n_dev": "4",
    "max_k": "4",
    "k": "3",
    "stops": "[0.0, 0.5]",
    "n_learned": "10",
    "damage_dose": "2",
    "repair_doses": "[0, 2]",
    "bases_without_chains": "[8]",
}


def each(function):
    return pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)(function)


def parameters(path):
    cells = nbformat.read(path, as_version=4).cells
    (index,) = [i for i, c in enumerate(cells) if "parameters" in c.metadata.get("tags", [])]
    return index, cells


def test_every_notebook_has_a_source_and_every_source_a_notebook():
    sources = {p.stem for p in (plan.NOTEBOOKS / "source").glob("*.py")}
    assert sources == {p.stem for p in BOOKS}


@each
def test_notebook_and_source_say_the_same(path):
    book = nbformat.read(path, as_version=4)
    source = jupytext.read(plan.NOTEBOOKS / "source" / f"{path.stem}.py")
    assert book.metadata.kernelspec.name == source.metadata.kernelspec.name == "python3"
    one, other = (
        [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in b.cells]
        for b in (book, source)
    )
    assert one == other, f"run: jupytext --sync {path}"


@each
def test_no_output_and_no_widget_state_is_kept(path):
    book = nbformat.read(path, as_version=4)
    assert "widgets" not in book.metadata
    for cell in book.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@each
def test_code_cells_are_short(path):
    code = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    lines = [source.count("\n") + 1 for source in code]
    assert statistics.median(lines) <= 8 and max(lines) <= 25
    assert max(len(line) for source in code for line in source.splitlines()) <= 88


@each
def test_parameters_are_literals_with_help_and_checked_in_the_next_cell(path):
    index, cells = parameters(path)
    declared = re.findall(r"^(\w+):", cells[index].source, re.M)
    found = papermill.inspect_notebook(str(path))
    assert list(found) == declared and declared
    for name, entry in found.items():
        assert entry["inferred_type_name"] not in ("", "None"), name
        assert entry["help"] and "=" not in entry["help"], f"{name} has no help papermill reads"
    following = next(c for c in cells[index + 1 :] if c.cell_type == "code")
    assert "Params.checked(globals())" in following.source


@each
def test_the_title_card_has_the_minutes_of_the_tiers(path):
    card = nbformat.read(path, as_version=4).cells[0].source
    for tier, entry in models.tiers().items():
        if row := re.search(rf"^\| {tier}\b.*\| (.*) \|$", card, re.M):
            said = re.search(r"(\d+) for three", row[1]) or re.match(r"(\d+)", row[1])
            assert entry["minutes"][path.stem] == int(said[1]), tier
        else:
            assert tier == "paper" or path.stem.startswith("00"), tier


@each
def test_papermill_help_lists_every_parameter(path, capsys):
    with pytest.raises(SystemExit, match="0"):
        papermill.cli.papermill(["--help-notebook", str(path)])
    said = capsys.readouterr().out
    for name in papermill.inspect_notebook(str(path)):
        assert re.search(rf"^ +{name}: ", said, re.M), name


def by_hand(path):
    """The code of a notebook's cells that write its idea out and show the helper's number."""
    cells = nbformat.read(path, as_version=4).cells
    return [c.source for c in cells if "by_hand" in c.metadata.get("tags", [])]


def begun(path, **asked):
    """A notebook's names after its imports and checks, and its code from the parameters on."""
    index, cells = parameters(path)
    code = [c.source for c in cells[index:] if c.cell_type == "code"]
    here = {}
    exec(code[0], here)
    here |= asked
    exec(code[1], here)
    return here, code


@pytest.mark.parametrize("number", [3, -2])
@pytest.mark.parametrize("path", [p for p in BOOKS if by_hand(p)], ids=lambda path: path.stem)
def test_what_is_written_out_by_hand_agrees_with_the_helper(path, number):
    here, code = begun(path, bases=[0])
    exec(next(line for c in code for line in c.splitlines() if line.startswith("lab = ")), here)
    here["one"] = here["lab"].items[number]
    exec("\n".join(by_hand(path)), here)
    assert max(len(code.splitlines()) for code in by_hand(path)) <= 15
    assert here["by_hand"] == pytest.approx(here["by_helper"], rel=1e-3, abs=1e-5)


NO_ANSWER = (ArithmeticError, AttributeError, KeyError, NameError, TypeError, ValueError)
PLANTS = [0, 1, 2, -1, 0.5, 1.0, True, "", "none", "before", "inconclusiv", [], {}, (0, 1)]


WITH_EXERCISES = [path for path in BOOKS if "widgets.check" in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXERCISES, ids=lambda path: path.stem)
def test_no_start_value_and_no_constant_passes_an_exercise(path, monkeypatch):
    checks = []
    monkeypatch.setattr(
        widgets, "check", lambda attempt, test, hint: checks.append((attempt, test))
    )
    here, code = begun(path)
    first = next(i for i, c in enumerate(code) if "widgets.check" in c)
    for cell in code[max(first - 3, 2) :]:
        with contextlib.suppress(NameError):  # what needs the models of the run
            exec(cell, here)
    assert checks and all(attempt is None for attempt, _ in checks), "an exercise starts undone"
    asked = 0
    for _, test in checks:
        for plant in PLANTS:
            with contextlib.suppress(*NO_ANSWER):
                passed = bool(test(plant))
                asked += 1
                assert not passed, f"{plant!r} passes"
    assert asked


@pytest.fixture(scope="module")
def smallest(tmp_path_factory):
    """The folder of a run of all notebooks, as small as they go, by the command line."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "RUNS", folder)
        patch.setenv("WORKBOOK_CACHE", str(folder / "cache"))
        options = [f"-p{name}={value}" for name, value in SMALLEST.items()]
        done = CliRunner().invoke(app, ["run", "--jobs", "2", *options])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].startswith("complete: ")
    (run,) = folder.glob("2*")
    return run


@each
def test_a_notebook_leaves_a_complete_record_of_its_finding(smallest, path):
    found = record.read(smallest / f"{path.stem}.json")
    assert found.complete and found.finding == path.stem[3:] and found.tier == "pocket"
    assert set(found.parameters) == set(papermill.inspect_notebook(str(path)))
    if found.finding in claims():
        assert found.primary.by_base.keys() == {0} and found.verdict.label and found.gates
        assert found.delta > 0 and found.code
        assert {one.name for one in found.contrasts} <= {*claims()[found.finding].contrasts}


@each
def test_an_executed_notebook_has_figures_and_no_widget(smallest, path):
    book = nbformat.read(smallest / f"{path.stem}.ipynb", as_version=4)
    kinds = [set(o.get("data", {})) for c in book.cells for o in c.get("outputs", [])]
    assert sum("image/png" in kind for kind in kinds) >= 2
    assert not any("application/vnd.jupyter.widget-view+json" in kind for kind in kinds)


@each
def test_the_report_shows_the_notebook(smallest, path):
    html = (smallest / "report.html").read_text()
    assert f"<h2>{path.stem}</h2>" in html
    assert "did not finish" not in html


@pytest.mark.skipif(
    not shutil.which("chromium") and os.environ.get("CI") != "true", reason="no chromium here"
)
def test_the_report_prints_on_two_pages_a_notebook_at_most(smallest, tmp_path):
    pdf = tmp_path / "report.pdf"
    command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={tmp_path}", "--no-pdf-header-footer", f"--print-to-pdf={pdf}"]
    page = (smallest / "report.html").as_uri()
    subprocess.run([*command, page], check=True, capture_output=True, timeout=120)
    pages = len(re.findall(rb"/Type */Page\b", pdf.read_bytes()))
    assert len(BOOKS) < pages <= 16


def test_the_verdict_on_four_questions_a_class_is_withheld(smallest):
    found = record.read(smallest / "01_abstention_loss.json")
    assert found.label == "inconclusive" and "unanswerable items" in found.verdict.reason
