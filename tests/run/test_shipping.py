"""Arms are shipped with those that they were trained from, and found again."""

from dataclasses import replace

import pytest
import torch

from helpers.lm import models
from helpers.run import shipping
from helpers.train import arms
from helpers.train.arms import checkpoints
from helpers.train.recipes import RECIPES

SFT = replace(RECIPES["answer_sft"], batch_size=4, learning_rate=3e-3)


@pytest.fixture
def shop(tmp_path, monkeypatch, cache):
    """A folder of shipped arms, empty, and an empty cache."""
    folder = tmp_path / "shipped"
    for module in (arms, shipping):
        monkeypatch.setattr(module, "SHIPPED", folder)
    return folder


def weights(handle):
    lm = models.load(handle, "cpu", "float32")
    return torch.cat([p.flatten() for p in lm.model.parameters()])


def test_an_arm_is_shipped_with_its_start_and_taken_instead_of_trained(shop, cache, tiny_path):
    model = models.find(str(tiny_path))
    start = checkpoints(model, SFT, 0, [1])[1]
    arm = checkpoints(start, SFT, 1, [2])[2]
    expected = weights(arm)
    shipping.ship({shipping.name(one): one for one in shipping.descent(arm)}, shop)
    (cache / "arms").rename(cache / "gone")
    again = checkpoints(checkpoints(model, SFT, 0, [1])[1], SFT, 1, [2])[2]
    assert arms.is_shipped(again) and again.identity == arm.identity
    assert torch.equal(weights(again), expected)
    listed = shipping.listed()
    assert listed["where"].tolist() == ["shipped"] * 2
    assert sorted(zip(listed.seed, listed.dose, strict=True)) == [(0, 1), (1, 2)]


def test_what_the_run_no_longer_has_is_taken_away(shop, tiny_path):
    model = models.find(str(tiny_path))
    one, two = checkpoints(model, SFT, 0, [1, 2]).values()
    shipping.ship({shipping.name(arm): arm for arm in (one, two)}, shop)
    (left,) = shipping.ship({shipping.name(two): two}, shop)
    assert [folder.name for folder in shop.iterdir()] == [left.name]
