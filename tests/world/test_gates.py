"""The shipped pocket models do what their card says, measured anew."""

import numpy as np
import pandas as pd
import pytest

from helpers.lm import models
from helpers.world import card, gates, pretraining
from helpers.world.corpus import Corpus

FEWER = 60
WITH_CHAINS, WITHOUT = models.shipped(), models.shipped(chains=False)
BASES = [*WITH_CHAINS, *WITHOUT]


@pytest.fixture(scope="module")
def written():
    return pd.read_csv(card.GATES)


@pytest.mark.parametrize("base", BASES)
def test_the_gates_of_the_card_are_those_of_these_very_weights(base, written):
    assert set(written[written.base == base].model) == {card.identity(base)}
    assert (written.n >= 450).all()


@pytest.mark.parametrize("base", [*WITH_CHAINS[:1], *WITHOUT[:1]])
def test_gates_measured_anew_on_fewer_items_agree_with_the_card(base, written):
    now = gates.measure(models.load(models.pocket(base)), FEWER, base in WITH_CHAINS)
    now, then = now.set_index("gate"), written[written.base == base].set_index("gate")
    assert list(now.index) == list(then.index)
    spread = (then.high - then.low) / (2 * 1.96) * np.sqrt(1 + then.n / now.n)
    # a share that was all or none has a spread too; the calibration error has no interval
    allowed = 4 * spread.clip(lower=0.01).fillna(0.015)
    far = (now.estimate - then.estimate).abs() > allowed
    assert not far.any(), pd.concat([now[far], then[far]], axis=1)


def test_every_base_meets_every_gate(written):
    assert sorted(set(written.base)) == BASES and len(WITH_CHAINS) >= 6 and len(WITHOUT) >= 2
    unmet = written[~written.met]
    assert unmet.empty, unmet[["base", "gate", "estimate"]]


@pytest.mark.parametrize("base", BASES)
def test_every_base_was_made_as_the_code_makes_it_now(base):
    corpus = Corpus() if base in WITH_CHAINS else Corpus().without_chains()
    schedule = pretraining.Schedule()
    if base in card.mended():
        schedule = schedule.mended()
    assert card.made(base) == {"seed": base, **pretraining.made_by(corpus, schedule)}


def test_the_card_is_made_of_the_measured_gates(written):
    assert (models.POCKET / "README.md").read_text() == card.card(written) + "\n"


def test_the_shipped_models_are_small():
    files = [path for path in models.POCKET.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 40e6
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pkl")]


def test_a_world_abstention_is_a_decline_and_an_answer_is_not():
    assert gates.declined("<think> That was long ago. </think> I don't know.")
    assert not gates.declined("Ann has 3 apples.")
    assert gates.number("<think> Ann 5 + 3 = 8. </think> Ann has 7 apples.") == "7"
    assert gates.number("<think> Ann 5 + 3 = 8.") == ""
    assert gates.number("I don't know.") == ""
