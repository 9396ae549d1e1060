import pytest
import torch

from helpers.train.rewards import REWARDS, earned, reward

RIGHT, WRONG = "<think> Ann 1 + 2 = 3. </think> Ann has 3 apples.", "Ann has 4 apples."
DECLINE, OPEN = "I don't know.", "<think> Ann 1 + 2 = 3."
REPLIES = (RIGHT, WRONG, DECLINE, OPEN)


@pytest.mark.parametrize(
    "kind, right, expected",
    [
        ("right", "3", [1, 0, 0, 0]),
        ("right", "", [0, 0, 1, 0]),
        ("format", "3", [1, 0, 0, 0]),
        ("format", "9", [1, 0, 0, 0]),
        ("wrong", "3", [0, 1, 0, 0]),
        ("dial", "3", [1 / 3, -2 / 3, 0.5 / 3, -2 / 3]),
        ("dial", "", [-2 / 3, -2 / 3, 0.5 / 3, -2 / 3]),
    ],
)
def test_what_each_reply_earns(kind, right, expected):
    assert [earned(kind, text, right, 2.0, 0.5) for text in REPLIES] == expected


def completions(*texts):
    return [[{"role": "assistant", "content": text}] for text in texts]


def test_the_reward_reads_completions_as_trl_gives_them():
    scores = reward("dial", 0, 2.0, 0.5)(completions=completions(*REPLIES), reference=["3"] * 4)
    assert scores == [1 / 3, -2 / 3, 0.5 / 3, -2 / 3]


def test_a_coin_knows_nothing_of_the_reply_and_falls_alike_for_one_seed():
    def tossed(seed, text):
        return reward("random", seed)(completions(*[text] * 400), ["3"] * 400)

    assert tossed(0, RIGHT) == tossed(0, WRONG) != tossed(1, WRONG)
    assert set(tossed(0, RIGHT)) == {0.0, 1.0} and 0.4 < sum(tossed(0, RIGHT)) / 400 < 0.6


def test_what_the_brier_reward_gives_by_hand():
    said, sure = completions(*REPLIES), [0.9, 0.8, 0.6, 0.1]
    found = reward("brier", 0)(completions=said, reference=["3"] * 4, sureness=sure)
    assert found == pytest.approx([0.1, -0.8, -0.6, -0.1])
    found = reward("brier", 0)(completions=said, reference=[""] * 4, sureness=sure)
    assert found == pytest.approx([-0.9, -0.8, 0.4, -0.1])


def test_the_brier_reward_has_the_gradient_of_the_brier_score():
    """Over three answers, of which each is right with a chance of its own."""
    logits = torch.tensor([0.3, -0.2, 0.9], requires_grad=True)
    right = torch.tensor([0.5, 0.1, 0.4])
    p = logits.softmax(0)
    (proper,) = torch.autograd.grad((2 * right * p).sum() - (p * p).sum(), logits)
    p = logits.softmax(0)
    earned_by = right - p.detach()  # in the mean over what is right
    (policy,) = torch.autograd.grad((p.detach() * earned_by * p.log()).sum(), logits)
    assert torch.allclose(2 * policy, proper, atol=1e-6)


def test_an_unknown_reward_is_refused():
    with pytest.raises(ValueError, match="'kind'.*random"):
        reward("kind", 0)
    assert "right" in REWARDS
