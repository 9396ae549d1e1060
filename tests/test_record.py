"""The record: written whole or not at all, read strictly, shown escaped."""

import errno
import html
import json
import math
import os

import numpy as np
import pytest
from helpers.statistics import Control, Gate, Interval

from helpers.lab import record
from helpers.lab.record import Measure, Record


def example(**changes) -> Record:
    change = Measure(
        name="recall_change",
        arm="reasoning_sft",
        estimate=-0.25,
        low=-0.4,
        high=-0.1,
        n=120,
        seeds=[0, 1, 2],
    )
    values = dict(
        finding="abstention_loss",
        tier="pocket",
        model="pocket",
        seeds=[0, 1, 2],
        measures=[change],
        verdict="replicates",
        reason="all held",
        forecast=-0.2,
    )
    return Record(**(values | changes))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("WORKBOOK_NOTEBOOK", "01_abstention_loss")
    monkeypatch.setenv("WORKBOOK_RUN_KEY", "abc")
    return tmp_path


def test_write_then_read_gives_the_same_record_complete(folder, capsys):
    path = record.write(example())
    assert path == folder / "01_abstention_loss.json"
    assert capsys.readouterr().out == "complete\n"
    assert json.loads(path.read_text())["complete"] is True
    again = record.read(path)
    assert again == example().model_copy(update={"key": "abc", "complete": True})
    assert [p.name for p in folder.iterdir()] == [path.name]


def test_numpy_dataclasses_and_undefined_numbers_survive(folder):
    gate = Gate("accuracy", np.float64(0.5), 0.4)
    nan = Measure(name="d", arm="x", estimate=math.nan, low=-math.inf, high=0.0, n=0)
    written = example(measures=[nan], gates=[gate], parameters={"doses": np.array([0, 10])})
    again = record.read(record.write(written))
    assert again.gates == [{"name": "accuracy", "value": 0.5, "minimum": 0.4, "passed": True}]
    assert again.parameters == {"doses": [0, 10]}
    assert math.isnan(again.measures[0].estimate) and again.measures[0].low == -math.inf
    json.loads((folder / "01_abstention_loss.json").read_text(), parse_constant=pytest.fail)


def test_a_full_disk_leaves_the_old_record_and_says_so(folder, monkeypatch):
    path = record.write(example())
    before = path.read_text()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"The disk is full \(.* GB free\)"):
        record.write(example(verdict="inconclusive"))
    assert path.read_text() == before
    assert [p.name for p in folder.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[: len(text) // 2], "EOF"),
        (lambda text: text.replace("-0.25", '"much"'), "'measures.0.estimate'"),
        (lambda text: text.replace('"complete": true', '"complete": false'), "is not complete"),
        (lambda text: text.replace('"reason"', '"raeson"'), "'raeson'"),
    ],
)
def test_a_broken_record_gives_one_sentence(folder, spoil, words):
    path = record.write(example())
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError) as caught:
        record.read(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "run its notebook again" in message
    assert "\n" not in message


def test_the_card_sets_published_forecast_measured_and_verdict_side_by_side():
    html = record.card(example())
    for text in (
        "-24 points",
        "-0.200",
        "-0.250 [-0.400, -0.100]",
        "replicates",
        "all held",
        "pocket",
        "0, 1, 2",
        "120",
    ):
        assert text in html


def test_the_card_escapes_all_that_a_model_could_have_written():
    evil = "<script>alert(1)</script>"
    html = record.card(
        example(model=evil, reason=evil, verdict=evil, tier=evil, gates=[Gate(evil, 1, 0)])
    )
    assert "<script" not in html and html.count("&lt;script&gt;") == 5


def test_the_card_shows_what_each_gate_and_control_said(folder):
    kept = Control("answers only", Interval(0.3, 0.1, math.nan, 9), 1, 0.05)
    shown = record.card(
        record.read(record.write(example(gates=[Gate("accuracy", 0.3, 0.4)], controls=[kept])))
    )
    assert "Gate, accuracy: 0.300, at least 0.4 asked: failed" in shown
    assert "Control, answers only: 0.300 [0.100, nan], should lie above 0.05: holds" in shown


def test_a_table_of_gates_leaves_long_names_whole():
    name = "P(decline) of answerable items at the start: what is not sampled can't be reinforced"
    table = record.gates([Gate(name, 0.01, 0.02)]).to_html()
    assert html.unescape(table).count(name) == 1 and "0.010" in table and "False" in table


def test_every_claim_is_published_with_what_it_needs():
    claims = record.claims()
    assert [claim.number for claim in claims.values()] == [1, 2, 3, 4, 5, 6, 7]
    for claim in claims.values():
        assert claim.source and claim.definition and claim.caveat and claim.rule and claim.measures
        for figure in claim.figures:
            one, two, span = figure.value, figure.before, figure.low
            assert [one is not None, two is not None].count(True) == 1 or span is not None
            assert (figure.before is None) == (figure.after is None)


def test_the_mean_loss_is_what_the_two_published_pairs_give():
    claim = record.published("abstention_loss")
    pairs = [f for f in claim.values("recall") if not f.setting.startswith("GSM8K")]
    mean = sum(f.after - f.before for f in pairs) / len(pairs)
    assert round(100 * mean) == claim.values("recall_change")[0].value == -24
    assert all(f.after > f.before for f in claim.values("precision"))


def test_published_ratios_follow_from_the_published_counts():
    claim = record.published("sycophancy")
    for count, ratio in zip(
        claim.values("convinced_3_of_3"), claim.values("convinced_3_of_3_ratio"), strict=True
    ):
        assert abs(100 * (count.after / count.before - 1) - ratio.value) < 1
        assert ratio.low < ratio.value < ratio.high


def test_an_unknown_claim_lists_the_known_ones():
    with pytest.raises(ValueError, match="'abstention'; known are: abstention_loss, "):
        record.published("abstention")


def test_words_on_a_result_say_first_which_gate_failed_and_last_the_verdict():
    gates = [Gate("items", 4, 50), Gate("accuracy", 0.9, 0.3)]
    doubted = example(gates=gates).in_words("It fell.")
    assert doubted.startswith("**A gate failed (items): read nothing into the rest.** It fell.")
    assert doubted.endswith("**Verdict: replicates.** all held")
    assert example(gates=gates[1:]).in_words("It fell.").startswith("It fell.")


def test_a_claim_as_published_has_its_caveat_and_every_source():
    claim = record.published("faithfulness_decay")
    text = claim.as_published()
    assert claim.caveat in text and all(source in text for source in claim.source)
