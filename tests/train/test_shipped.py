"""The shipped arms are whole, healthy and small, and their recipes still make them."""

import math

import pytest

from helpers.findings.reward_dial.arms import dial, recipe_of
from helpers.lm import cache, models
from helpers.run import plan, shipping
from helpers.train import arms, health
from helpers.train.arms import SHIPPED, checkpoints

FOLDERS = sorted(SHIPPED.glob("*/"))
# the dose at which an arm is far from its start, by P(decline) or by accuracy; with RL on right
# answers chains take over at another step on another machine
ANEW = {"reasoning_sft": 32, dial(0.9): 48}
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no arm is shipped yet: workbook arms --ship")


def test_every_shipped_arm_is_whole_and_names_what_it_starts_from():
    for folder in FOLDERS:
        assert not cache.broken(folder), folder
        assert models.find(str(folder)).base.folder.is_dir()
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < 40e6


def test_the_card_is_made_of_what_was_measured_of_each():
    frame = health.read(SHIPPED / "health.csv")
    assert sorted(frame.folder) == [folder.name for folder in FOLDERS]
    assert (SHIPPED / "README.md").read_text() == health.card(frame) + "\n"


def test_the_default_run_asks_for_what_is_shipped_and_for_no_more(monkeypatch):
    monkeypatch.delenv("WORKBOOK_FRESH", raising=False)
    monkeypatch.setattr(arms, "trained", lambda *made_of: pytest.fail(f"not shipped: {made_of}"))
    assert sorted(shipping.arms_of(plan.plan(plan.find([])))) == [one.name for one in FOLDERS]


@pytest.mark.parametrize("name", ANEW)
def test_an_arm_trained_anew_measures_like_the_shipped_one(name, cache, monkeypatch):
    monkeypatch.setenv("WORKBOOK_FRESH", "1")
    recipe = recipe_of(name, restore=0.0)
    arms = [models.find(str(one)) for one in FOLDERS if one.name.startswith(f"{recipe.name}-")]
    own = [arm for arm in arms if health.root(arm) == models.pocket(0)]
    (shipped,) = (arm for arm in own if arm.about["dose"] == ANEW[name])
    again = checkpoints(shipped.base, recipe, shipped.about["seed"], [ANEW[name]])[ANEW[name]]
    assert again.folder.parent != SHIPPED
    card = health.read(SHIPPED / "health.csv").set_index("folder")
    one, other = card.loc[shipped.folder.name], health.measured(again)  # of the same stories
    n = 60  # the bounds of so many, though it are fewer
    for measure, items in {"own accord, 3": n, "recall": 6 * n, "P(decline)": 6 * n}.items():
        assert abs(one[measure] - other[measure]) < 4 * math.sqrt(2 * 0.25 / items), measure
