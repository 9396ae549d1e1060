"""Strict parameters: one sentence says the field, the value and what is right."""

import pytest
from pydantic import Field

from helpers.lab.params import Params


class Own(Params):
    fast: bool = True
    n_pairs: int = Field(40, gt=0)
    seeds: list[int] = [0]
    forecast: float = -0.2
    questions: str = ""


def test_picks_declared_names_out_of_a_namespace():
    p = Own.checked({"n_pairs": 3, "forecast": 1, "np": object(), "In": ["", "import x"]})
    assert (p.n_pairs, p.forecast, p.seeds) == (3, 1.0, [0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fast": "false"}, ["'fast'", "'false'", "true or false"]),
        ({"n_pairs": 1.5}, ["'n_pairs'", "1.5", "whole number"]),
        ({"n_pairs": "7"}, ["'n_pairs'", "'7'", "whole number"]),
        ({"n_pairs": True}, ["'n_pairs'", "True", "whole number"]),
        ({"n_pairs": 0}, ["'n_pairs'", "0", "greater than 0"]),
        ({"seeds": [0, "1"]}, ["'seeds'", "position 1", "'1'", "whole number"]),
        ({"seeds": 3}, ["'seeds'", "3", "a list"]),
        ({"forecast": float("nan")}, ["'forecast'", "nan", "finite"]),
        ({"questions": 5}, ["'questions'", "5", "text"]),
    ],
)
def test_wrong_values_are_refused_in_one_sentence(given, words):
    with pytest.raises(ValueError) as caught:
        Own.checked(given)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message and message.endswith(".")


def test_a_misspelt_name_that_papermill_injected_is_refused():
    cells = ["", "seeds = [0]", "# Parameters\nsedes = [1]\nfast = False\n"]
    with pytest.raises(ValueError, match="Unknown parameter 'sedes'; known are: fast, n_pairs"):
        Own.checked({"In": cells, "sedes": [1], "fast": False})


def test_a_parameter_without_default_must_be_there():
    class Needy(Params):
        seed: int

    with pytest.raises(ValueError, match="'seed': it must be set in the parameters cell"):
        Needy.checked({})


def test_parameters_do_not_change_later():
    with pytest.raises(ValueError, match="frozen"):
        Own.checked({}).n_pairs = 5


class Run(Params):
    model: str
    tier: str
    bases: list[int]
    seeds: list[int]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tier": "small"}, "belongs to tier 'pocket'"),
        ({"tier": "huge"}, "Unknown tier 'huge'"),
        ({"model": "smollm2", "bases": [0]}, "belongs to tier 'small'"),
        ({"seeds": [0, 0]}, r"'seeds' is \[0, 0\]: each must stand there once"),
        ({"bases": [1, 0, 1]}, r"'bases' is \[1, 0, 1\]: each must stand there once"),
        ({"bases": [77]}, "pockets are shipped for"),
        ({"model": "smollm2", "tier": "small"}, "'smollm2' is one base, so give \\[0\\]"),
    ],
)
def test_model_tier_bases_and_seeds_must_agree(change, words):
    usual = dict(model="pocket", tier="pocket", bases=[0, 1], seeds=[0])
    assert Run.checked(usual).bases == [0, 1]
    with pytest.raises(ValueError, match=words) as caught:
        Run.checked(usual | change)
    assert "\n" not in str(caught.value)


def test_training_seeds_are_any_numbers_and_a_real_model_is_one_base():
    usual = dict(model="pocket", tier="pocket", bases=[1], seeds=[77, 0])
    assert Run.checked(usual).seeds == [77, 0]
    real = dict(model="smollm2", tier="small", bases=[0], seeds=[0, 1, 2])
    assert Run.checked(real).bases == [0]
