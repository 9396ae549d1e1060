"""A sweep: what it crosses, what it refuses, and that nothing is lost by a failure or a stop."""

import json
import time
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from helpers import ROOT
from helpers.cli import app
from helpers.lab import record
from helpers.run import pieces, plan, sweep
from helpers.run.sweep import Study, grid, tidy, values

KEPT = record.read(ROOT / "data" / "results" / "02_faithfulness_decay-pocket.json")


def test_values_part_at_commas_but_not_inside_a_list():
    assert values("4,8") == ["4", "8"]
    assert values("[0, 1],[0]") == ["[0, 1]", "[0]"]
    assert values("") == [""]


def test_a_sweep_crosses_all_and_has_one_cell_where_a_notebook_lacks_a_parameter(cache):
    study = Study(
        notebooks=["01", "02"], bases=[0, 2], seeds=[0, 1], parameters={"n_items": [4, 8]}
    )
    cells = grid([study])
    assert [cell.name for cell in cells] == [
        "01_abstention_loss",
        "02_faithfulness_decay-n_items=4",
        "02_faithfulness_decay-n_items=8",
    ]
    assert [len(cell.pieces) for cell in cells] == [4, 4, 4]
    assert {(p.base, p.seed) for p in cells[0].pieces} == {(0, 0), (0, 1), (2, 0), (2, 1)}
    assert "3 records; 0 pieces are in the cache, 12 to make" in sweep.outlook(cells)


def test_two_hundred_pieces_are_planned_in_five_seconds_and_rough_minutes_grow_with_them(cache):
    began = time.monotonic()
    cells = grid([Study(notebooks=["01"], bases=[0, 1], seeds=[*range(100)])])
    told = sweep.outlook(cells).splitlines()
    assert time.monotonic() - began < 5
    usual = plan.minutes(grid([Study(notebooks=["01"])])[0].run)  # of three bases and a seed
    assert len(told) == 201 and f"about {200 * usual / 3:.0f} min of one core" in told[-1]


def test_the_outlook_goes_by_the_pace_of_what_is_made(cache):
    (cell,) = grid([Study(notebooks=["02"], bases=[0, 1, 2])])
    cell.pieces[0].seconds = 90.0
    cell.pieces[0].mark_as_made()
    older = cell.pieces[0].mark.with_name("02_faithfulness_decay-base0-seed0-0123")
    older.write_text("\n")  # of a time when a mark said nothing
    table = cache / "tables" / "faithfulness_decay" / "reading-before" / "table.parquet"
    table.parent.mkdir(parents=True)
    table.write_bytes(b"x" * 3_000_000)
    told = sweep.outlook([cell])
    assert "1 pieces are in the cache, 2 to make: about 3 min of one core, 3 MB" in told
    assert "base 1, seed 0: about 1.5 min" in told and "base 0" not in told


def test_the_reference_is_what_its_study_makes_by_the_notebooks_own_defaults_and_no_fewer_items():
    studies = sweep.read(ROOT / "data" / "reference.yaml")
    cells = {f"{cell.run.name}-pocket.json": cell.run for cell in grid(studies)}
    assert sorted(cells) == sorted(path.name for path in record.RESULTS.glob("*-pocket.json"))
    assert [name[:2] for name in cells] == ["01", "02", "03", "04", "05", "06", "07"]
    for name, run in cells.items():
        kept = record.read(record.RESULTS / name)
        assert kept.parameters == plan.whole(run), name
        usual = plan.declared(run.notebook)[0] | plan.usual(run.name, "pocket")
        own = {key for key, value in kept.parameters.items() if value != usual[key]}
        assert own <= {*record.TRAININGS, *record.SIZES}, name
        assert all(kept.parameters[key] >= usual[key] for key in record.SIZES if key in usual)


def test_a_file_may_list_studies_whose_common_cells_count_once(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        '- {notebooks: ["02"], parameters: {n_items: [8]}}\n'
        '- {notebooks: ["02"], parameters: {n_items: [8, 16]}, bases: [0, 1, 2]}\n'
    )
    assert [cell.chosen for cell in grid(sweep.read(path))] == [{"n_items": 8}, {"n_items": 16}]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("basis: [0]", "basis: there is no such field; the fields are notebooks, tier"),
        ("bases: [-1]", "bases.0: Input should be greater than or equal to 0"),
        ("parameters: {n_items: []}", "parameters.n_items: List should have at least 1 item"),
        ("1", "the whole: "),
        ("- 1", "0: Input should be a valid dictionary"),
        ("- {bases: [0]}\n- {basis: [0]}", "1.basis: there is no such field; the fields"),
        ("tier: pocket\nbases: [", "can't be read as YAML (line 2: expected the node content"),
    ],
)
def test_a_file_that_is_no_study_is_refused_with_the_place(tmp_path, text, complaint):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as refused:
        sweep.read(path)
    assert complaint in str(refused.value) and str(path) in str(refused.value)


def test_everything_is_checked_before_anything_starts(cache):
    with pytest.raises(ValueError, match="Unknown parameter 'items'"):
        grid([Study(notebooks=["02"], parameters={"items": [4]})])
    with pytest.raises(ValueError, match="02_faithfulness_decay: "):
        grid([Study(notebooks=["02"], parameters={"n_items": [4, "many"]})])
    with pytest.raises(ValueError, match="needs a notebook of a finding"):
        grid([Study(notebooks=["00"])])
    with pytest.raises(ValueError, match="leave out everything beside it"):
        sweep.studies_of(["a.yaml"], bases=[0])


@pytest.fixture
def prepared(monkeypatch):
    """A sweep whose pieces are not worked but counted; those of base 2 fail."""
    asked = []

    def prepare(todo, jobs, folder, say, watch):
        asked.append(len(todo))
        failed = [piece for piece in todo if piece.base == 2]
        for piece in failed:
            piece.reason = "no disk"
        watch({"done": len(todo) - len(failed), "failed": len(failed)})
        return failed

    class Lab:
        def __init__(self, p):
            self.p = p

        @staticmethod
        def code():
            return KEPT.code

        def record(self, forecast, seconds):
            return KEPT.model_copy(update={"parameters": self.p.model_dump()})

    monkeypatch.setattr(pieces, "prepare", prepare)
    finding_in = sweep.plan.finding_in
    monkeypatch.setattr(
        sweep.plan, "finding_in", lambda module: finding_in(module) and Lab if module else None
    )
    return asked


def test_a_failed_piece_costs_its_cell_alone_and_is_named(cache, prepared, tmp_path):
    both = Study(notebooks=["02"], bases=[0, 2])
    whole = Study(notebooks=["02"], bases=[0, 1], parameters={"n_items": [4, 8]})
    found, failed = sweep.run(grid([both, whole]), tmp_path / "out", 2, lambda text: None)
    assert [piece.reason for piece in failed] == ["no disk"] and len(found) == 2
    assert json.loads((tmp_path / "out" / "status.json").read_text())["failed"] == 1
    assert sorted(path.name for path in (tmp_path / "out" / "records").iterdir()) == [
        "02_faithfulness_decay-n_items=4.json",
        "02_faithfulness_decay-n_items=8.json",
    ]
    frame = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert frame.cell.nunique() == 2 and list(frame.columns) == sweep.COLUMNS
    assert len(pd.read_csv(tmp_path / "out" / "results.csv")) == len(frame)
    report = (tmp_path / "out" / "report.html").read_text()
    assert "02_faithfulness_decay-n_items=4" in report and (tmp_path / "out/forest.png").exists()


def test_a_record_that_is_there_is_kept_and_another_key_makes_it_anew(cache, prepared, tmp_path):
    (cell,) = grid([Study(notebooks=["02"], bases=[0])])
    sweep.run([cell], tmp_path, 1, lambda text: None)
    path = tmp_path / "records" / "02_faithfulness_decay.json"
    before = path.stat().st_mtime_ns
    sweep.run([cell], tmp_path, 1, lambda text: None)
    assert path.stat().st_mtime_ns == before
    for text in ("{", record.read(path).model_copy(update={"code": "older"}).model_dump_json()):
        path.write_text(text)
        sweep.run([cell], tmp_path, 1, lambda text: None)
        assert record.read(path).code == KEPT.code, "broken or of older code: made anew"
    before = path.stat().st_mtime_ns
    cell.run.key = "another"
    sweep.run([cell], tmp_path, 1, lambda text: None)
    assert path.stat().st_mtime_ns != before


def test_the_forest_draws_effects_in_smallest_ones_and_nothing_where_a_gate_failed():
    failed = KEPT.model_copy(
        update={"gates": [KEPT.gates[0].model_copy(update={"passed": False}), *KEPT.gates[1:]]}
    )
    (ax,) = sweep.forest({"whole": KEPT, "lame": failed}).axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["whole", "lame: a gate failed"]
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 1]
    direction = sweep.claims()[KEPT.finding].direction
    (effect,) = [line.get_xdata()[0] for line in drawn]
    assert effect == pytest.approx(direction * KEPT.primary.estimate / KEPT.delta)


def test_the_table_has_a_row_a_base_and_one_for_all():
    frame = tidy({"a cell": KEPT})
    effect = frame[(frame.measure == KEPT.primary.measure) & (frame.arm == KEPT.primary.arm)]
    effect = effect[effect.minus == KEPT.primary.minus].set_index("base")
    whole = effect.loc["all"]
    assert whole.estimate == KEPT.primary.estimate and whole.low == KEPT.primary.low
    for base, value in KEPT.primary.by_base.items():
        assert effect.loc[str(base)].estimate == value and pd.isna(effect.loc[str(base)].low)
    assert set(frame.seeds) == {"0"} and set(frame.finding) == {"faithfulness_decay"}


def test_the_command_says_what_it_would_do_and_refuses_with_exit_code_2(cache):
    asked = ["sweep", "02", "--bases", "0", "-p", "n_items=4,8", "--dry-run"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0 and "0 pieces are in the cache, 2 to make" in done.output
    refused = CliRunner().invoke(app, ["sweep", "nowhere.yaml"])
    assert refused.exit_code == 2 and "nowhere.yaml can't be read as YAML" in refused.output


def test_the_command_ends_with_1_where_a_piece_failed(cache, monkeypatch, tmp_path):
    lost = SimpleNamespace(name="02, base 0, seed 0", reason="no disk")
    monkeypatch.setattr(sweep, "run", lambda *rest: ([], [lost]))
    done = CliRunner().invoke(app, ["sweep", "02", "--bases", "0", "--out", str(tmp_path)])
    assert done.exit_code == 1 and "failed: 02, base 0, seed 0: no disk" in done.output


@pytest.mark.parametrize(
    "more", [["--engine", "slurm"], ["--address", "auto"], ["--cache", "nowhere://x"]]
)
def test_an_engine_or_a_cache_that_is_none_is_refused_before_anything_starts(
    cache, monkeypatch, more
):
    monkeypatch.setattr(sweep, "run", lambda *rest: pytest.fail("it was begun"))
    done = CliRunner().invoke(app, ["sweep", "02", "--bases", "0", "--dry-run", *more])
    assert done.exit_code == 2 and done.output.startswith("refused: ")
    assert more[1] in done.output
