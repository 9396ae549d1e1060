"""The shipped pocket models do what their card says, measured anew."""

import numpy as np
import pandas as pd
import pytest

from helpers.lm.models import POCKET, load
from helpers.world import card, gates

FEWER = 60
SEEDS = sorted(int(folder.name.removeprefix("seed")) for folder in POCKET.glob("seed*"))


@pytest.fixture(scope="module")
def written():
    return pd.read_csv(card.GATES)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gates_of_the_card_are_those_of_these_very_weights(seed, written):
    assert set(written[written.seed == seed].model) == {card.identity(seed)}
    assert (written.n >= 450).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_gates_measured_anew_on_fewer_items_agree_with_the_card(seed, written):
    now = gates.measure(load(f"pocket-{seed}"), FEWER).set_index("gate")
    then = written[written.seed == seed].set_index("gate")
    assert list(now.index) == list(then.index)
    spread = (then.high - then.low) / (2 * 1.96) * np.sqrt(1 + then.n / now.n)
    # a share that was all or none has a spread too; the calibration error has no interval
    allowed = 4 * spread.clip(lower=0.01).fillna(0.015)
    far = (now.estimate - then.estimate).abs() > allowed
    assert not far.any(), pd.concat([now[far], then[far]], axis=1)


def test_every_seed_meets_every_gate(written):
    assert sorted(set(written.seed)) == SEEDS and len(SEEDS) >= 3
    assert written.met.all(), written[~written.met][["seed", "gate", "estimate"]]


def test_the_card_is_made_of_the_measured_gates(written):
    assert (POCKET / "README.md").read_text() == card.card(written) + "\n"


def test_the_shipped_models_are_small():
    files = [path for path in POCKET.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl")]


def test_a_world_abstention_is_a_decline_and_an_answer_is_not():
    assert gates.declined("<think> That was long ago. </think> I don't know.")
    assert not gates.declined("Ann has 3 apples.")
    assert gates.number("<think> Ann 5 + 3 = 8. </think> Ann has 7 apples.") == "7"
    assert gates.number("<think> Ann 5 + 3 = 8.") == ""
    assert gates.number("I don't know.") == ""
