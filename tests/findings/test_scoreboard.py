"""The scoreboard shows what notebook 7's records hold, and says what they don't."""

import pandas as pd
import pytest

from helpers.findings.reward_dial import scoreboard
from helpers.findings.reward_dial.arms import LADDER
from helpers.lab import claims, record
from helpers.lab.record import Record, Value


def put(folder, finding, values, tier="pocket", **parameters):
    one = Record(
        finding=finding,
        tier=tier,
        model=tier,
        bases=[0, 1, 2],
        seeds=[0],
        parameters=parameters,
        complete=True,
        values=[
            Value(
                measure=name,
                arm=arm,
                dose=dose,
                minus=minus,
                estimate=estimate,
                low=estimate - 0.1,
                high=estimate + 0.1,
                n=60,
                by_base={base: estimate + 0.05 * (base - 1) for base in range(3)},
            )
            for name, arm, dose, estimate, minus in values
        ],
    )
    (folder / f"{len(list(folder.glob('*.json')))}.json").write_text(one.model_dump_json())


@pytest.fixture
def results(tmp_path):
    put(
        tmp_path,
        "reward_dial",
        [
            ("recall", "before", 0, 0.9, ""),
            ("recall", "dialled", 80, 0.4, ""),
            ("recall", "dialled", 80, -0.5, "answer_sft"),
            ("aoc", "rlvr", 80, 0.5, ""),
            ("threshold", "before", 80, 0.3, ""),
            ("recall", "unheard of", 80, 0.3, ""),
        ],
    )
    put(tmp_path, "reward_dial", [("aoc", "rlvr", 20, 0.7, "")], tier="small")
    put(tmp_path, "abstention_loss", [("recall", "before", 0, 0.6, "")])  # of other items
    put(tmp_path, "reward_dial", [("recall", "before", 0, 0.1, "")], questions="my.jsonl")
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


def said(ax):
    """The cells of a panel: text by measure and arm."""
    names, arms = list(scoreboard.SHOWN), list(LADDER)
    return {
        (names[x], arms[y]): text.get_text() for text in ax.texts for x, y in [text.get_position()]
    }


def test_every_cell_has_its_number_and_what_no_record_holds_is_said_to_be_empty(results):
    table = scoreboard.frame(results)
    first, second = (said(ax) for ax in scoreboard.figure(table).axes)
    assert len(first) == len(second) == len(LADDER) * len(scoreboard.SHOWN)
    assert first["recall", "before"] == "0.90" and second["aoc", "rlvr"] == "0.70"
    assert first["recall", "dialled"].startswith("0.40")
    assert list(first.values()).count(scoreboard.EMPTY) == len(first) - 3
    (empty,) = scoreboard.figure(scoreboard.frame(results).iloc[:0]).axes  # and without any record
    assert set(said(empty).values()) == {scoreboard.EMPTY}


def moved(measure, values, bases=range(3)):
    """Rows of one measure: the model before, and an arm that differs from it base by base."""
    start = {base: 0.5 + 0.1 * base for base in bases}
    ends = {base: start[base] + by for base, by in zip(bases, values, strict=True)}
    rows = [{"arm": "before", "by_base": start}, {"arm": "dialled", "by_base": ends}]
    return pd.DataFrame(rows).assign(measure=measure)


@pytest.mark.parametrize(
    ("measure", "values", "sign"),
    [
        ("recall", [0.2, 0.21, 0.22], 1),
        ("recall", [-0.2, -0.21, -0.22], -1),
        ("ece", [0.2, 0.21, 0.22], -1),
        ("ece", [-0.2, -0.21, -0.22], 1),
        ("recall", [0.2, -0.1, 0.22], 0),
        ("recall", [0.01, 0.011, 0.012], 0),
    ],
)
def test_a_cell_is_coloured_by_what_its_bases_show_and_less_may_be_better(measure, values, sign):
    assert scoreboard.turned(moved(measure, values), "dialled") == sign
    assert scoreboard.turned(moved(measure, values), "before") == 0
    assert scoreboard.turned(moved(measure, values[:1], [0]), "dialled") == 0  # of one base, none


def test_the_title_says_which_arm_is_where(results):
    assert scoreboard.seen(scoreboard.frame(results)) == "Every arm by a measure of every finding"
    put(
        results,
        "reward_dial",
        [("accuracy", "before", 0, 0.4, ""), ("accuracy", "rlvr", 80, 0.6, "")],
    )
    title = scoreboard.seen(scoreboard.frame(results))
    assert "most often right, RL on right answers" in title
    assert title.endswith("lowest abstention recall, answer SFT, then the dial")


def test_every_finding_and_every_arm_has_its_place():
    numbers = [label.split()[0] for label in scoreboard.SHOWN.values()]
    others = len(claims.claims()) - 1  # notebook 7 is the ladder itself
    assert numbers == [str(i + 1) for i in range(others)]
    assert len({scoreboard.LABELS[arm] for arm in LADDER}) == len(LADDER)


def test_writing_it_leaves_picture_and_numbers(results):
    path = scoreboard.write(results)
    assert path.read_bytes().startswith(b"\x89PNG")
    text = (results / "scoreboard.csv").read_text()
    assert text == scoreboard.as_text(scoreboard.frame(results)) + "\n"
    assert len(record.records(results)) == 4  # they are no records


def test_the_shipped_scoreboard_shows_the_shipped_records():
    path = record.RESULTS / "scoreboard.csv"
    if not path.is_file():
        pytest.skip("no scoreboard is shipped yet; it comes with: workbook report --readme")
    renewed = scoreboard.as_text(scoreboard.frame(record.RESULTS)) + "\n"
    assert path.read_text() == renewed, "the scoreboard is old; run: workbook report --readme"
