"""The scoreboard shows what notebook 7's records hold, and says what they don't."""

import pytest

from helpers import scoreboard
from helpers.findings.reward_dial import LADDER
from helpers.lab.record import Measure, Record
from helpers.run import runner
from helpers.show import plots


def put(folder, finding, measures, tier="pocket", **parameters):
    one = Record(
        finding=finding,
        tier=tier,
        model=tier,
        parameters=parameters,
        complete=True,
        measures=[
            Measure(
                name=n,
                arm=a,
                dose=d,
                estimate=e,
                low=e - 0.1,
                high=e + 0.1,
                n=60,
                seeds=[0, 1, 2],
                scenario=s,
            )
            for n, a, d, e, s in measures
        ],
    )
    (folder / f"{len(list(folder.glob('*.json')))}.json").write_text(one.model_dump_json())


@pytest.fixture
def results(tmp_path):
    put(
        tmp_path,
        "reward_dial",
        [
            ("recall", "before", 0, 0.9, "all"),
            ("recall", "dialled", 80, 0.4, "all"),
            ("aoc", "rlvr", 80, 0.5, "all"),
            ("threshold", "before", 80, 0.3, "all"),
            ("recall", "unheard of", 80, 0.3, "all"),
        ],
    )
    put(tmp_path, "reward_dial", [("aoc", "rlvr", 20, 0.7, "all")], tier="small")
    put(tmp_path, "abstention_loss", [("recall", "before", 0, 0.6, "all")])  # of other items
    put(tmp_path, "reward_dial", [("recall", "before", 0, 0.1, "all")], questions="my.jsonl")
    return tmp_path


def test_the_measures_shown_and_nothing_else(results):
    table = scoreboard.frame(results)
    found = {(r.tier, r.measure, r.arm, r.dose): r.estimate for r in table.itertuples()}
    assert found == {
        ("pocket", "recall", "before", 0): 0.9,
        ("pocket", "recall", "dialled", 80): 0.4,
        ("pocket", "aoc", "rlvr", 80): 0.5,
        ("small", "aoc", "rlvr", 20): 0.7,
    }


def test_what_no_record_holds_is_said_to_be_empty(results):
    table = scoreboard.frame(results)
    figure = scoreboard.figure(table)
    for ax, measure in zip(figure.axes, scoreboard.SHOWN, strict=True):
        said = [text.get_text() for text in ax.texts].count(scoreboard.EMPTY)
        cells = table[table.measure == measure]
        assert said == len(LADDER) - cells.arm.nunique() and len(ax.lines) == 2 * len(cells)
    assert scoreboard.figure(scoreboard.frame(results).iloc[:0])  # and without any record


def test_the_title_says_which_arm_is_where(results):
    assert scoreboard.seen(scoreboard.frame(results)) == "Every arm by a measure of every finding"
    put(
        results,
        "reward_dial",
        [("accuracy", "before", 0, 0.4, "all"), ("accuracy", "rlvr", 80, 0.6, "all")],
    )
    title = scoreboard.seen(scoreboard.frame(results))
    assert "most often right, RL on right answers" in title
    assert title.endswith("lowest abstention recall, harder SFT, then the dial")


def test_every_finding_and_every_arm_has_its_place():
    from helpers.lab.record import claims

    numbers = [label.split()[0] for label in scoreboard.SHOWN.values()]
    assert numbers == [str(i) for i in range(1, len(claims()))]  # notebook 7 is the ladder itself
    assert len({plots.named(arm) for arm in LADDER}) == len(LADDER)


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
