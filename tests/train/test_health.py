"""An arm that broke its model is told from one that did not."""

from math import nan
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers.lm import models
from helpers.train import health
from helpers.train.health import SHOWN, card, fault, gated, read
from helpers.train.recipes import RECIPES
from helpers.world import gates


def measures(accuracy):
    """A model right on that share of stories of any number of steps."""
    return {column: accuracy if column.startswith("own") else 0.5 for column in SHOWN.values()}


@pytest.mark.parametrize(
    ("recipe", "before", "after", "said"),
    [
        ("rlvr", 0.8, 0.95, ""),
        ("rlvr", 0.8, 0.85, "right on 0.85 of 1 to 3 steps, less than 0.9"),
        ("rlvr_random", 0.8, 0.77, ""),
        ("rlvr_random", 0.8, 0.2, "right on 0.20 of 1 to 3 steps, from 0.80"),
        ("rlvr_random", 0.8, 0.9, "from 0.80"),
        ("rlsf_dpo", 0.8, 0.7, "from 0.80"),
        ("rlvr_wrong", 0.8, 0.0, ""),
        ("answer_sft", 0.8, 0.5, ""),
    ],
)
def test_an_arm_keeps_what_it_should(recipe, before, after, said):
    found = fault(vars(RECIPES[recipe]), before, after)
    assert found.endswith(said) and bool(found) == bool(said)


def test_only_rl_on_right_answers_rl_on_a_coin_and_dpo_promise_an_accuracy():
    promise = {name for name, recipe in RECIPES.items() if gated(vars(recipe))}
    assert promise == {"rlvr", "rlvr_random", "rlsf_dpo"}


def test_the_promised_accuracy_is_that_on_stories_of_1_to_3_steps(monkeypatch):
    monkeypatch.setattr(models, "loaded", lambda handle, dtype: handle)
    share = {1: 1.0, 2: 0.8, 3: 0.6}
    monkeypatch.setattr(gates, "accuracy_of_own_accord", lambda lm, n, steps: share[steps])
    assert health.right_on_short("pocket-2.0") == pytest.approx(0.8)


def test_the_card_counts_the_arms_that_broke_their_promise():
    row = {"folder": "x", "arm": "rlvr", "base": "pocket-2.0", "dose": 150, **measures(0.5)}
    made = [(0.95, ""), (0.5, "right on 0.50"), (nan, "")]
    frame = pd.DataFrame([row | {"1 to 3": right, "fault": fault} for right, fault in made])
    assert "1 of these 2 arms miss it" in card(frame) and "right on 0.50 |" in card(frame)
    assert "No arm misses it" in card(frame[:1])


def test_an_arm_without_a_direct_answer_has_no_calibration_error(tmp_path):
    row = {"folder": "x", "arm": "reasoning_sft", "base": "pocket-2.0", "dose": 64, **measures(0.5)}
    frame = pd.DataFrame([row | {"ECE": ece, "fault": ""} for ece in (nan, 0.06)])
    frame.to_csv(tmp_path / "health.csv", index=False)
    kept = read(tmp_path / "health.csv")
    assert kept.fault.tolist() == ["", ""]
    told = [line.split(" | ") for line in card(kept).splitlines() if "reasoning_sft" in line]
    assert sorted(line[-2] for line in told) == ["0.06", "–"] and card(kept) == card(frame)


def test_only_arms_that_were_not_measured_are_and_each_start_once(tmp_path, monkeypatch):
    start = SimpleNamespace(identity="start", name="pocket-2.0", base=None)

    def find(path):
        about = {"recipe": {"name": "rlvr", "trainer": "grpo", "reward": "right"}, "dose": 9}
        folder = Path(path)
        return SimpleNamespace(identity=folder.name, folder=folder, base=start, about=about)

    asked = []

    def each(function, handles):
        asked.append([handle.identity for handle in handles])
        share = {"bad": 0.5}
        given = [share.get(name, 0.95) for name in asked[-1]]
        return given if function is health.right_on_short else [measures(one) for one in given]

    monkeypatch.setattr(models, "find", find)
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    health.write_card(tmp_path, each)
    (tmp_path / "later").mkdir()
    page = health.write_card(tmp_path, each)
    assert asked == [["bad", "good"], ["bad", "start", "good"], ["later"], ["later", "start"]]
    assert health.faults(tmp_path).keys() == {"good", "bad", "later"}
    assert "1 of these 3 arms miss it" in page.read_text()


def test_an_arm_shows_no_accuracy_that_it_did_not_promise_though_it_is_the_start_of_one(
    tmp_path, monkeypatch
):
    def handle(name, base, recipe):
        folder, about = tmp_path / name, {"recipe": vars(RECIPES[recipe]), "dose": 9}
        return SimpleNamespace(identity=name, folder=folder, base=base, about=about, name=name)

    damaged = handle("damaged", handle("pocket-2.0", None, "rlvr"), "damaged")
    there = {"damaged": damaged, "repaired": handle("repaired", damaged, "rlsf_dpo")}
    monkeypatch.setattr(models, "find", lambda path: there[Path(path).name])
    for name in there:
        (tmp_path / name).mkdir()

    def each(function, handles):
        one = 0.8 if function is health.right_on_short else measures(0.8)
        return [one for _ in handles]

    health.write_card(tmp_path, each)
    kept = read(tmp_path / "health.csv").set_index("folder")["1 to 3"]
    assert pd.isna(kept["damaged"]) and kept["repaired"] == 0.8
