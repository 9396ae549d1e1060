"""The linear classifier learns declines from labels, and nothing from labels that mean nothing."""

import numpy as np
import pytest

from helpers.stats.intervals import kappa
from helpers.text import classifier
from helpers.text.abstention import labelled_responses


@pytest.fixture(scope="module")
def dev():
    return labelled_responses().query("split == 'dev'")


def test_plain_replies_are_read_right_and_a_chain_is_not_read():
    replies = ["I don't know.", "Ann has 12 apples.", "<think> I don't know. </think> It is 12."]
    assert classifier.abstained(replies).tolist() == [True, False, False]


def test_it_agrees_with_labels_of_questions_that_it_has_not_seen(dev):
    """A floor below what was measured (data/questions/README.md)."""
    assert kappa(dev.abstains, classifier.held_out(dev)).low > 0.6


def test_shuffled_labels_teach_it_nothing(dev):
    some = dev.sample(200, random_state=0)
    shuffled = some.assign(abstains=np.random.default_rng(0).permutation(some.abstains))
    found = kappa(shuffled.abstains, classifier.held_out(shuffled))
    assert found.low < 0 < found.high or abs(found.estimate) < 0.2
