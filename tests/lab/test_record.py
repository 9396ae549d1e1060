"""The record: written whole or not at all, and read strictly."""

import errno
import json
import math
import os

import numpy as np
import pytest

from helpers.lab import record
from helpers.lab.record import Checked, Record, Ruled, Value
from helpers.lab.verdicts import Gate, Verdict
from helpers.stats.intervals import Interval
from tests.records import change, example


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("WORKBOOK_NOTEBOOK", "01_abstention_loss")
    monkeypatch.setenv("WORKBOOK_RUN_KEY", "abc")
    monkeypatch.setenv("WORKBOOK_COMMAND", "workbook run")
    return tmp_path


def test_write_then_read_gives_the_same_record_complete(folder, capsys):
    path = record.write(example())
    assert path == folder / "01_abstention_loss.json"
    assert capsys.readouterr().out == "complete\n"
    assert json.loads(path.read_text())["complete"] is True
    written = {"key": "abc", "command": "workbook run", "complete": True}
    assert record.read(path).model_dump_json() == example(**written).model_dump_json()
    assert [p.name for p in folder.iterdir()] == [path.name]
    assert [one.key for one in record.records(folder)] == ["abc"]


def test_a_record_of_no_batch_run_bears_the_name_of_its_finding(tmp_path, monkeypatch):
    for name in ("WORKBOOK_RUN_DIR", "WORKBOOK_NOTEBOOK", "WORKBOOK_RUN_KEY", "WORKBOOK_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(record, "ROOT", tmp_path)
    path = record.write(example())
    assert path == tmp_path / "runs" / "interactive" / "abstention_loss.json"
    assert record.read(path).key == ""


def test_numpy_dataclasses_and_undefined_numbers_survive(folder):
    gate = Gate("accuracy", np.float64(0.5), 0.4)
    undefined = change(estimate=math.nan, low=-math.inf, high=0.0, by_base={0: math.nan})
    ruled = Verdict("inconclusive", "one base", deviation=math.nan)
    written = example(
        values=[undefined], gates=[gate], parameters={"doses": np.array([0, 10])}, verdict=ruled
    )
    again = record.read(record.write(written))
    assert again.gates == [record.Gated(name="accuracy", value=0.5, minimum=0.4, passed=True)]
    broken = again.model_dump_json().replace('"name":"accuracy"', '"a":"accuracy"')
    (folder / "broken.json").write_text(broken)
    with pytest.raises(ValueError, match=r"broken.json can't be read \(at 'gates.0.name'"):
        record.read(folder / "broken.json")
    assert again.parameters == {"doses": [0, 10]}
    value = again.values[0]
    assert math.isnan(value.estimate) and value.low == -math.inf and math.isnan(value.by_base[0])
    assert again.verdict.reason == "one base" and math.isnan(again.verdict.deviation)
    json.loads((folder / "01_abstention_loss.json").read_text(), parse_constant=pytest.fail)


def test_a_value_is_an_interval_with_its_bases_again(folder):
    found = record.read(record.write(example())).primary
    assert found.interval == Interval(-0.25, -0.4, -0.1, 120, {0: -0.2, 1: -0.3}, 2, 0.03)
    assert str(found) == "-0.250 [-0.400, -0.100]"


@pytest.mark.parametrize(
    ("low", "high", "sign"),
    [(-0.4, -0.1, -1), (0.1, 0.4, 1), (-0.1, 0.1, 0), (0.0, 0.4, 0), (math.nan, math.nan, None)],
)
def test_the_sign_that_an_interval_shows(low, high, sign):
    assert change(low=low, high=high).shown == sign


def test_a_value_is_found_by_what_tells_it_from_others():
    values = [
        change(minus="", dose=10, estimate=0.9),
        change(minus="", dose=80, estimate=0.4),
        change(minus="before", dose=80),
        change(minus="before", dose=80, where="parsed", estimate=-0.2),
        change(minus="", scenario="stale", dose=80, estimate=0.1),
    ]
    found = example(values=values)
    assert found.get("recall", "reasoning_sft").estimate == 0.4  # at its last dose
    assert found.get("recall", "reasoning_sft", 10).estimate == 0.9
    assert found.get("recall", "reasoning_sft", minus="before").estimate == -0.25
    assert found.get("recall", "reasoning_sft", minus="before", where="parsed").estimate == -0.2
    assert found.get("recall", "reasoning_sft", scenario="stale").estimate == 0.1
    assert found.has("recall", "reasoning_sft") and not found.has("recall", "before")
    with pytest.raises(KeyError, match="abstention_loss has no accuracy of reasoning_sft"):
        found.get("accuracy", "reasoning_sft")


def test_a_full_disk_leaves_the_old_record_and_says_so(folder, monkeypatch):
    path = record.write(example())
    before = path.read_text()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"The disk is full \(.* GB free\)"):
        record.write(example(seconds=9.0))
    assert path.read_text() == before
    assert [p.name for p in folder.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[: len(text) // 2], "EOF"),
        (lambda text: text.replace("-0.25", '"much"', 1), "'values.0.estimate'"),
        (lambda text: text.replace('"complete": true', '"complete": false'), "is not complete"),
        (lambda text: text.replace('"reason"', '"raeson"'), "'verdict.reason'"),
        (lambda text: text.replace('"delta"', '"dleta"'), "'dleta'"),
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


def test_a_finding_that_counts_mechanisms_says_how_many_replicate():
    parts = {
        "steering": Verdict("replicates", "so"),
        "opening": Ruled(label="does not replicate", reason="not so"),
        "hybrid": Verdict("replicates", "so"),
    }
    assert example().label == "replicates"
    assert example(parts=parts).label == "2 of 3 replicate"
    parts["critique"] = Verdict("inconclusive", "a gate failed")
    assert example(parts=parts).label == "2 of 4 replicate, 1 undecided"
    assert example(verdict=None).label == ""


def test_words_on_a_result_say_first_which_gate_failed_and_last_the_verdict():
    gates = [Gate("items", 4, 50), Gate("accuracy", 0.9, 0.3)]
    doubted = example(gates=gates).in_words("It fell.")
    assert doubted.startswith("**A gate failed (items): read nothing into the rest.** It fell.")
    assert doubted.endswith("**Verdict: replicates.** All held.")
    assert example(gates=gates[1:]).in_words("It fell.").startswith("It fell.")
    still_open = Verdict("inconclusive", "it is open", "about 20 bases (now 2) would decide it")
    said = example(verdict=still_open).in_words("It fell.")
    assert said.endswith("It is open. About 20 bases (now 2) would decide it.")


@pytest.mark.parametrize(
    ("seeds", "words"), [([0], "bases 0, 1"), ([0, 3], "bases 0, 1, seeds 0, 3")]
)
def test_a_record_says_on_which_trainings_it_stands(seeds, words):
    assert example(bases=[0, 1], seeds=seeds).trainings == words


def test_a_contrast_keeps_what_it_tells(folder):
    kept = Checked(name="keep", told="the missing declines do it", value=change(minus="keep"))
    again = record.read(record.write(example(contrasts=[kept], attribution=[kept])))
    assert again.contrasts == again.attribution == [kept]


def test_values_are_plain_however_they_came():
    mixed = {1: np.float64(0.5), "b": (Gate("x", 1.0, 0.0), {"c"}), "v": change()}
    found = record.plain(mixed)
    assert found["1"] == 0.5 and found["b"][0]["passed"] is True and found["b"][1] == ["c"]
    assert found["v"]["measure"] == "recall"
    json.dumps(found["b"])


def test_what_is_no_field_of_a_record_is_refused():
    with pytest.raises(ValueError, match="controls"):
        Record(finding="x", tier="pocket", model="pocket", controls=[])
    with pytest.raises(ValueError, match="seed"):
        Value(measure="a", arm="b", estimate=0, low=0, high=0, n=1, seed=3)


def test_the_reference_of_a_finding_is_its_record_of_most_bases_on_our_own_questions(tmp_path):
    few, many = example(complete=True), example(complete=True, bases=[0, 1, 2], seeds=[0, 1])
    own = many.model_copy(update={"bases": [0, 1, 2, 3], "parameters": {"questions": "mine.jsonl"}})
    real = many.model_copy(update={"bases": [0, 1, 2, 3], "tier": "small"})
    for name, one in {"a": few, "b": many, "c": own, "d": real}.items():
        (tmp_path / f"{name}.json").write_text(one.model_dump_json())
    assert record.reference("abstention_loss", tmp_path) == many
    assert record.reference("sycophancy", tmp_path) is None
    assert record.larger(few, tmp_path) == many
    assert record.larger(many, tmp_path) is None
    other = few.model_copy(update={"parameters": {"dose": 7}})
    assert record.larger(other, tmp_path) is None, "another experiment is no reference"
    shown = few.model_copy(update={"parameters": {"forecast": -0.2, "bases": [0, 1]}})
    assert record.larger(shown, tmp_path) == many


def test_a_reference_of_more_items_is_larger_but_none_of_fewer(tmp_path):
    kept = example(complete=True, parameters={"n_pairs": 40, "dose": 8})
    (tmp_path / "a.json").write_text(kept.model_dump_json())
    assert record.larger(kept, tmp_path) is None, "of one size it is the same"
    few, many = (
        kept.model_copy(update={"parameters": {"n_pairs": n, "dose": 8}}) for n in (20, 60)
    )
    assert record.larger(few, tmp_path) == kept
    assert record.larger(many, tmp_path) is None
    alone = few.model_copy(update={"bases": [0], "seeds": [0]})
    assert record.larger(alone, tmp_path) == kept
    wider = few.model_copy(update={"bases": [0, 1, 2]})
    assert record.larger(wider, tmp_path) is None, "it has more trainings and fewer items"
