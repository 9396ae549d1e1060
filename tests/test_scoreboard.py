"""The scoreboard shows what the records hold, at the last dose, and says what they don't."""

import pytest

from helpers import plots, runner, scoreboard
from helpers.record import Measure, Record


def put(folder, finding, measures, tier="pocket", **parameters):
    one = Record(finding=finding, tier=tier, model=tier, parameters=parameters, complete=True,
                 measures=[Measure(name=n, arm=a, dose=d, estimate=e, low=e - 0.1, high=e + 0.1,
                                   n=60, seeds=[0, 1, 2], scenario=s)
                           for n, a, d, e, s in measures])  # fmt: skip
    (folder / f"{len(list(folder.glob('*.json')))}.json").write_text(one.model_dump_json())


@pytest.fixture
def results(tmp_path):
    put(tmp_path, "abstention_loss", [
        ("recall", "before", 0, 0.9, "all"), ("recall", "reasoning_sft", 20, 0.8, "all"),
        ("recall", "reasoning_sft", 80, 0.4, "all"), ("recall", "reasoning_sft", 90, 0.1, "stale"),
        ("f1", "answer_sft", 80, 0.3, "all"), ("recall", "unheard of", 80, 0.3, "all"),
    ])  # fmt: skip
    put(tmp_path, "faithfulness_decay", [("aoc", "rlvr", 80, 0.5, "all")], tier="small")
    put(tmp_path, "latent_reasoning", [("accuracy", "greedy", 0, 0.6, "all")])
    put(tmp_path, "abstention_loss", [("recall", "before", 0, 0.1, "all")], questions="my.jsonl")
    return tmp_path


def test_the_last_dose_of_the_measure_shown_and_nothing_else(results):
    table = scoreboard.frame(results)
    found = {(r.tier, r.finding, r.arm, r.dose): r.estimate for r in table.itertuples()}
    assert found == {
        ("pocket", "abstention_loss", "before", 0): 0.9,
        ("pocket", "abstention_loss", "reasoning_sft", 80): 0.4,
        ("small", "faithfulness_decay", "rlvr", 80): 0.5,
        ("pocket", "latent_reasoning", "before", 0): 0.6,  # "greedy" there
    }


def test_what_no_record_holds_is_said_to_be_empty(results):
    table = scoreboard.frame(results)
    figure = scoreboard.figure(table)
    for ax, finding in zip(figure.axes, scoreboard.SHOWN, strict=True):
        said = [text.get_text() for text in ax.texts].count(scoreboard.EMPTY)
        shown = len(table[table.finding == finding])
        assert said == len(scoreboard.ARMS) - shown and len(ax.lines) == 2 * shown
    assert scoreboard.figure(scoreboard.frame(results).iloc[:0])  # and without any record


def test_every_finding_has_its_place():
    from helpers.record import claims

    assert list(scoreboard.SHOWN) == list(claims())
    assert len({plots.named(arm) for arm in scoreboard.ARMS}) == len(scoreboard.ARMS)


def test_writing_it_leaves_picture_and_numbers(results):
    path = scoreboard.write(results)
    assert path.read_bytes().startswith(b"\x89PNG")
    text = (results / "scoreboard.csv").read_text()
    assert text == scoreboard.as_text(scoreboard.frame(results)) + "\n"
    assert len(runner.records(results)) == 4  # they are no records


def test_the_shipped_scoreboard_shows_the_shipped_records():
    path = runner.RESULTS / "scoreboard.csv"
    if not path.is_file():
        pytest.skip("no scoreboard is shipped yet; it comes with: workbook report --readme")
    renewed = scoreboard.as_text(scoreboard.frame()) + "\n"
    assert path.read_text() == renewed, "the scoreboard is old; run: workbook report --readme"
