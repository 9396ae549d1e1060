import random
from collections import Counter

import pytest

from helpers.lab.items import SCENARIOS, Item, candidates, near_miss, pocket_items, pocket_stories


def test_pocket_items_are_pairs_of_each_scenario():
    items = pocket_items(4, seed=3)
    assert Counter(item.scenario for item in items) == dict.fromkeys(SCENARIOS, 8)
    by_id = {item.id: item for item in items}
    assert len(by_id) == len(items) == len({item.question for item in items})
    for item in items:
        twin = by_id[item.twin]
        assert twin.twin == item.id
        assert twin.should_abstain != item.should_abstain
        assert item.should_abstain == (not item.answers)
        assert item.steps == twin.steps


def test_pocket_items_cycle_through_the_steps():
    items = pocket_items(4, seed=0, steps=(2, 5))
    assert Counter(item.steps for item in items) == {2: 24, 5: 24}


def test_pocket_items_depend_on_the_seed_alone():
    assert pocket_items(3, seed=1) == pocket_items(3, seed=1)
    first = {item.question for item in pocket_items(3, seed=1)}
    assert not first & {item.question for item in pocket_items(3, seed=2)}
    # a longer set begins with the shorter one, scenario by scenario
    longer = {item.question for item in pocket_items(6, seed=1)}
    assert first < longer


@pytest.mark.parametrize("n_pairs, steps", [(0, (1,)), (2, ()), (2, (7,))])
def test_pocket_items_out_of_range(n_pairs, steps):
    with pytest.raises(ValueError, match="1"):
        pocket_items(n_pairs, 0, steps)


def test_candidates_are_the_world_s_numbers_or_those_in_sight():
    (item,) = pocket_stories(1, 0, (4,))
    assert candidates(item) == [str(n) for n in range(41)]
    other = Item("q1", "Ann buys 2 pens at $1,200.", ("7",), False, "plain")
    assert candidates(other, ["So 2.5 and 9."]) == ["7", "2", "1200", "2.5", "9"]
    priced = Item("q2", "4 pens at $300?", ("$1,200", "1200"), False, "plain")
    assert candidates(priced, ["So 4 * 300 = 1200."]) == ["$1,200", "4", "300"]
    bare = Item("q4", "Two and a dozen?", ("2",), False, "plain")
    assert candidates(bare) == ["2", "0", "1", "3", "4", "5"]
    with pytest.raises(ValueError, match="'q3' mentions no number but its answer 'Paris'"):
        candidates(Item("q3", "Which city?", ("Paris",), False, "plain"))
    with pytest.raises(ValueError, match="'q5'.*its answer 'Paris', or that is none"):
        candidates(Item("q5", "The capital in 1900?", ("Paris",), False, "plain"))
    half = Item("q6", "What is 1 over 2?", ("1/2",), False, "plain")
    assert candidates(half) == ["1/2", "1", "2"]


def test_a_near_miss_is_wrong_near_and_of_the_world():
    rng = random.Random(0)
    for item in pocket_stories(40, 0):
        right, missed = int(item.answers[0]), int(near_miss(item, rng))
        assert missed != right and abs(missed - right) <= 3 and 0 <= missed <= 40
