"""What every finding makes of what it declares: measures, gates, the verdict and the record."""

import json
from dataclasses import replace
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest

from helpers.lab import finding
from helpers.lab.claims import published
from helpers.lab.declared import BEFORE, Arm, AtLeast, Change, Custom, Items, Kept, Measure
from helpers.lab.finding import WITHOUT_CHAIN, answerable, steps_asked
from helpers.lm import models, sources
from helpers.stats.intervals import Interval, over_bases
from helpers.train.recipes import RECIPES, Recipe
from tests.rows import replies
from tests.toy import Toy, params

LIKE_THE_TOY = [BEFORE, Arm("reasoning_sft", "reasoning"), Arm("reasoning_sft_keep", "kept")]


class Declared(Toy):
    """A finding whose rows are planted: recall falls, unless abstentions are kept."""

    arms = LIKE_THE_TOY
    measures = [
        Measure("recall", "recall of abstention", "written", better=1),
        Measure("accuracy", "accuracy", "written", better=1, rows=answerable),
        Measure("log_infogain", "InfoGain", "written", unit="nats"),
    ]
    primary = Change("recall", "before", "reasoning_sft")
    contrasts = {"reasoning_sft_keep": Change("recall", "reasoning_sft_keep", "reasoning_sft")}
    attribution = {
        "opened": Change("recall", "before", "reasoning_sft", where="parsed", direction=1),
        "answer_sft": Custom(
            "recall", "reasoning_sft", lambda lab: over_bases({0: 0.1, 1: 0.3}, 5)
        ),
    }
    gates = [
        AtLeast("accuracy", 0.4, ["before", "reasoning_sft"], "accuracy at all"),
        Kept("accuracy", 0.2, ["reasoning_sft"]),
        Items(minimum=2),
        Items(about=True, minimum=2),
    ]


class Relative(Declared):
    """One whose smallest effect of interest is a share of what a measure was."""

    name = "sft_accuracy_trap"
    contrasts: dict = {}
    attribution: dict = {}
    primary = Change("log_infogain", "before", "reasoning_sft")


class Equal(Relative):
    """One that claims that there is no difference."""

    name = "sycophancy"


SIGNAL = [True] * 4 + [False] * 4
RECALLS = {
    "before": [[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]],
    "reasoning_sft": [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]],
    "reasoning_sft_keep": [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]],
}


@pytest.fixture
def planted(cache):
    """A finding of the given kind with four bases whose rows are all there."""

    def make(kind=Declared):
        lab = kind(params(bases=[0, 1, 2, 3], n_items=12))
        for arm, recalls in RECALLS.items():
            frame = replies([row + [0, 0, 1, 0] for row in recalls], SIGNAL)
            frame["correct"] = 1.0 - frame.abstained
            frame["parsed"] = frame["item"] != 0
            frame["log_infogain"] = -2.0 + 1.5 * (arm != "before") * (1 + frame.base / 10)
            lab.written.plant(arm, frame)
        return lab

    return make


def test_a_measure_is_taken_of_the_rows_of_its_table(planted):
    lab = planted()
    assert lab.value("recall", "before").by_base == {0: 0.75, 1: 1, 2: 0.75, 3: 1}
    assert lab.value("accuracy", "before").estimate == 0.75
    assert set(lab.rows("accuracy", "before").should_abstain) == {False}
    assert (lab.value("recall", "before").low, lab.value("recall", "before").high) <= (1, 1)
    moved = lab.change("recall", "before", "reasoning_sft")
    assert moved.by_base == {0: -0.5, 1: -0.75, 2: -0.75, 3: -0.75}
    with pytest.raises(KeyError, match="no measure 'recal'; it has recall, accuracy, log_infogain"):
        lab.measure("recal")


def test_a_change_may_be_on_items_where_a_flag_holds_in_both(planted):
    lab = planted()
    moved = lab.change("recall", "before", "reasoning_sft", where="parsed")
    assert moved.n == 3 and moved.by_base[0] == pytest.approx(2 / 3 - 1 / 3 - 2 / 3)
    lab.written.plant("before", lab.written("before").assign(parsed=False))
    nothing = lab.change("recall", "before", "reasoning_sft", where="parsed")
    assert isnan(nothing.estimate) and nothing.n == 0


def test_what_is_declared_is_oriented_by_the_claim_unless_it_says_otherwise(planted):
    lab = planted()
    assert lab.claim.direction == -1
    assert lab.oriented(lab.primary).estimate == 0.6875 == -lab.primary.value(lab).estimate
    assert lab.oriented(lab.attribution["opened"]).estimate < 0  # expects a rise
    shifted = replace(lab.primary, plus=0.1)
    assert lab.oriented(shifted).estimate == pytest.approx(0.5875)
    value = lab.primary.value(lab)
    assert (value.measure, value.arm, value.minus) == ("recall", "reasoning_sft", "before")
    assert lab.oriented(lab.attribution["answer_sft"]).estimate == -0.2


def test_gates_are_checked_by_the_worst_arm(planted):
    accuracy, kept, answered, hidden = planted().checked_gates()
    assert (accuracy.name, accuracy.value, accuracy.passed) == (
        "accuracy at all, before",
        0.75,
        True,
    )
    assert kept.name == "change of accuracy, reasoning" and (kept.value, kept.minimum) == (0, -0.2)
    assert (answered.name, answered.value) == ("answerable items", 6.0)
    assert (hidden.name, hidden.value) == ("unanswerable items", 6.0)


def test_the_verdict_is_that_of_the_rule_on_what_is_declared(planted):
    lab = planted()
    found = lab.judge()
    assert found.label == "replicates"
    assert "the published size, 0.24, lies outside the interval" in found.reason
    lab.written.plant("reasoning_sft_keep", lab.written("reasoning_sft"))
    found = lab.judge()
    rival = published("abstention_loss").contrasts["reasoning_sft_keep"].rival
    assert (found.label, found.rival) == ("explained otherwise", "reasoning_sft_keep")
    assert found.reason.startswith(rival)
    lab.gates = [Items(minimum=50)]
    assert lab.judge().reason == "a gate failed: answerable items is 6, below 50"


def test_a_relative_smallest_effect_is_a_share_of_what_was_before(planted):
    lab = planted(Relative)
    assert lab.delta == pytest.approx(0.13 * 2.0)  # of the size of a mean that is below zero
    assert planted().delta == published("abstention_loss").delta.value
    assert lab.judge().label == "does not replicate"  # it rose


def test_a_claim_of_no_difference_is_judged_by_its_margin(planted):
    found = planted(Equal).judge()
    assert found.label == "does not replicate"
    assert found.reason == "the whole interval lies above the margin of 0.1"


def test_the_record_has_every_value_gate_and_contrast_and_the_verdict(planted):
    lab = planted()
    record = lab.record(forecast=-0.1, seconds=3.0)
    assert record.label == lab.judge().label and record.primary == lab.primary.value(lab)
    assert record.get("recall", "reasoning_sft", minus="before").by_base == {
        0: -0.5,
        1: -0.75,
        2: -0.75,
        3: -0.75,
    }
    for arm in lab.arms:
        for one in lab.measures:
            assert record.get(one.name, arm.name).estimate == lab.value(one.name, arm.name).estimate
    assert [one.name for one in record.contrasts] == ["reasoning_sft_keep"]
    assert record.contrasts[0].told == lab.claim.contrasts["reasoning_sft_keep"].rival
    assert record.attribution[0].told == lab.claim.attribution["opened"]
    assert [gate.passed for gate in record.gates] == [True] * 4
    assert (record.delta, record.forecast, record.seconds) == (0.08, -0.1, 3.0)
    assert (record.bases, record.seeds, record.code) == ([0, 1, 2, 3], [0], lab.code())
    keys = [(v.measure, v.arm, v.minus, v.scenario, v.where, v.dose) for v in record.values]
    assert len(keys) == len(set(keys)) == 9 + 6


def test_the_code_of_a_finding_is_that_of_all_its_tables(monkeypatch):
    assert Toy.tables().keys() == {"written", "counted"}
    at_first = Toy.code()
    assert Toy.code() == at_first == Declared.code()
    code_of = sources.code_of
    monkeypatch.setattr(
        sources, "code_of", lambda f: "another" if f.__name__ == "counted" else code_of(f)
    )
    assert Toy.code() != at_first


def test_arms_of_whose_replies_more_than_a_tenth_are_cut_off_are_named_with_the_share(planted):
    lab = planted()
    for arm, shares in (("before", 0.0), ("reasoning_sft", 0.5), ("reasoning_sft_keep", 0.09)):
        rows = lab.written(arm)
        cut = np.arange(len(rows)) < shares * len(rows)
        lab.written.plant(arm, rows.assign(truncated=cut))
    assert lab.cut_off() == {"reasoning_sft": 0.5}
    assert lab.record(None, 1.0).cut_off == {"reasoning_sft": 0.5}


def test_a_table_of_measures_for_figures(planted):
    lab = planted()
    table = lab.table(["before", "reasoning_sft"], ["recall"], since="before")
    assert table.arm.tolist() == ["before", "reasoning_sft"]
    assert table.estimate.tolist() == [0.0, -0.6875]
    assert {"low", "high", "n", "by_base", "dose"} <= set(table.columns)
    assert set(lab.table(["before"]).measure) == {"recall", "accuracy", "log_infogain"}


def test_figures_are_stamped_with_what_they_are_of(planted):
    lab = planted()
    assert lab.look.stamp == (
        "model pocket · tier pocket · bases 0, 1, 2, 3 · seeds 0 · n = 12 items an arm, 6 of them "
        "unanswerable · intervals 95 % over bases, a dot a base"
    )
    assert "52 to 79 of 80 items an arm · one base, no interval" in lab.stamp("52 to 79 of 80", [1])
    assert lab.look.label("reasoning_sft") == "reasoning"
    assert lab.look.label("recall") == "recall of abstention"
    assert lab.look.ranges["recall"] == (0, 1)


def test_doses_are_looked_at_on_the_way_where_an_arm_asks_for_it():
    lab = Toy(params(doses=[8, 0, 4]))
    lab.arms = [BEFORE, Arm("tuned", "tuned", every_dose=True), Arm("end", "at its end")]
    assert [lab.doses(arm) for arm in ("before", "tuned", "end")] == [[0], [4, 8], [8]]
    assert lab.dose("tuned") == 8 and lab.doses("never declared") == [8]


def test_the_pieces_of_work_are_every_table_that_a_measure_reads():
    lab = Toy(params(doses=[4]))
    lab.measures = [
        Measure("n_tokens", "tokens", "written"),
        Measure("n_words", "words", "counted", arms=["before"]),
        Measure("opened", "opened", "written", settings={"prefix": "<think>"}, arms=["before"]),
    ]
    assert list(lab.needed()) == [
        ("counted", "before", 0, {}),
        ("written", "before", 0, {"prefix": "<think>"}),
        ("written", "before", 0, {}),
        ("written", "other", 0, {}),
        ("written", "tuned", 4, {}),
    ]


def test_parameters_of_every_finding_have_their_limits():
    for wrong in ({"bases": []}, {"bases": [-1]}, {"seeds": []}, {"forecast": 2.0}):
        with pytest.raises(ValueError):
            params(**wrong)


def test_a_warmed_up_model_is_asked_no_story_longer_than_it_can_do():
    assert steps_asked("pocket", (1, 4, 6), WITHOUT_CHAIN) == (1, 4, 6)
    assert steps_asked("small", (1, 2, 3, 4)) == (1, 2, 3)
    assert steps_asked("small", (1, 2), WITHOUT_CHAIN) == (1,)
    assert (
        Toy(params(model="smollm2", tier="small")).label == "smollm2 after a warm-up on the stories"
    )


def test_who_never_learned_the_stories_gets_more_room_for_its_replies(monkeypatch, tiny_path):
    monkeypatch.setenv("TOY_MODEL", str(tiny_path))
    asked = []
    monkeypatch.setattr(
        finding,
        "checkpoints",
        lambda start, recipe, seed, doses, given: (
            asked.append((recipe.max_new_tokens, seed)) or dict.fromkeys(doses, start)
        ),
    )
    brief = replace(RECIPES["rlvr"], max_new_tokens=12)
    for tier in ("pocket", "gpu"):
        for recipe in (RECIPES["rlvr"], brief):
            lab = Toy(params(tier=tier))
            lab.recipe = lambda arm, recipe=recipe: recipe
            assert lab.model("tuned", 3, 2, 4) == models.find(str(tiny_path))
    usual, room = Recipe.max_new_tokens, models.tiers()["gpu"]["reply_tokens"]
    assert [tokens for tokens, _ in asked] == [usual, 12, room, 12] and room > usual
    assert {seed for _, seed in asked} == {2003}


def test_an_undefined_effect_is_not_judged(planted):
    lab = planted()
    lab.primary = Custom("recall", "reasoning_sft", lambda lab: Interval(nan, nan, nan, 0))
    assert lab.judge().label == "inconclusive"


def test_every_reply_is_told_once_with_its_question_and_the_words_by_which_it_declines(tmp_path):
    lab = Toy(params(n_items=2))
    one, two = lab.items
    for arm, texts in {
        "before": ("Ann has 5.", "I don't know."),
        "other": ("", "Ann has 5."),
    }.items():
        rows = pd.DataFrame({"item": [one.id, two.id], "text": texts, "n_tokens": 1.0})
        lab.written.plant(arm, rows.assign(arm=arm, base=0, seed=0, dose=0))
        lab.counted.plant(arm, rows[["item"]].assign(arm=arm, base=0, seed=0, dose=0, n_words=1.0))
    said = lab.every_reply()
    assert said.text.tolist() == ["Ann has 5.", "I don't know.", "", "Ann has 5."]
    assert said.question.tolist() == [one.question, two.question] * 2
    assert said.declines.astype(bool).tolist() == [False, True, False, False]
    assert "extra" not in said
    lab.p = lab.p.model_copy(update={"questions": str(tmp_path / "own.jsonl")})
    (tmp_path / "own.jsonl").write_text(json.dumps({"id": two.id, "source": "my class"}))
    assert lab.every_reply().extra.tolist()[1] == {"source": "my class"}
    turns = lab.written("before").assign(text="Ann has 5.", kind=["first", "again"], item=one.id)
    lab.written.plant("before", turns)
    assert lab.every_reply().kind.tolist()[:2] == ["first", "again"], "two turns, two replies"
    assert said.by_the_words[1] in "I don't know." and said.by_the_words[1]
