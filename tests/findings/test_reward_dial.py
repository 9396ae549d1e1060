"""Finding 7 on planted policies: one that follows the dial, one that it does not move."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers.findings import reward_dial as finding
from helpers.lab.items import pocket_items, pocket_stories
from helpers.lab.record import Measure
from helpers.lm import models
from helpers.lm.scoring import decline_probability
from helpers.train.arms import checkpoints
from helpers.train.recipes import RECIPES
from helpers.train.rewards import earned

STOPS = [0.0, 0.3, 0.6, 0.9]
SETTINGS = dict(
    model="pocket",
    tier="pocket",
    seeds=[0, 1, 2],
    n_items=60,
    n_pairs=10,
    questions="",
    stops=STOPS,
    dose=40,
    doses=[80],
    harder_rate=1e-3,
    restore=0.75,
    max_new_tokens=96,
    forecast=0.5,
    scorer="",
)


def params(**changes):
    return finding.Params(**SETTINGS | changes)


def policy(arm, starts_at, hidden=0.9, seeds=(0, 1, 2), n=100):
    """Declines below a confidence; calibrated: as often right as it is confident."""
    rows = []
    for seed in seeds:
        for i, c in enumerate((np.arange(n) + 0.5) / n):
            right = (0.618 * i + 0.1 * seed) % 1 < c
            rows.append(
                {
                    "item": f"i{i}",
                    "should_abstain": False,
                    "confidence": c,
                    "decline": float(c < starts_at),
                    "correct": right,
                }
            )
        rows += [
            {
                "item": f"h{i}",
                "should_abstain": True,
                "confidence": np.nan,
                "decline": hidden + 0.001 * (i % 3),
                "correct": False,
            }
            for i in range(60)
        ]
        for row in rows[-n - 60 :]:
            row |= {"seed": seed, "arm": arm, "dose": 40, "scenario": "plain", "steps": 3}
    return pd.DataFrame(rows)


def replies(arm, recall):
    rows = [
        {
            "item": f"{kind}{i}",
            "should_abstain": kind == "h",
            "arm": arm,
            "seed": seed,
            "dose": 40,
            "scenario": "plain",
            "abstained": kind == "h" and i < 60 * recall,
            "correct": kind == "i",
            "reasoned": kind == "i",
        }
        for seed in (0, 1, 2)
        for kind in "ih"
        for i in range(60)
    ]
    return pd.DataFrame(rows)


def laboratory(starts_at, hidden=(0.8, 0.85, 0.9, 0.95), undialled=0.4):
    lab = finding.Experiment(params())
    kept = {("reading", arm): policy(arm, 0.1) for arm in (finding.START, *finding.LADDER)}
    kept["reading", finding.UNDIALLED] = policy(finding.UNDIALLED, 0.1)
    kept |= {
        ("reading", finding.dial(t)): policy(finding.dial(t), x, h)
        for t, x, h in zip(STOPS, starts_at, hidden, strict=True)
    }
    kept["reading", finding.bonus(STOPS[1])] = policy(finding.bonus(STOPS[1]), starts_at[1])
    recalls = dict(zip(finding.RESTORED, (0.9, 0.85, 0.4, undialled, 0.8), strict=True))
    for arm in {*finding.LADDER, *finding.RESTORED}:
        kept["replies", arm] = replies(arm, recalls.get(arm, 0.7))
        probed = pd.DataFrame({"item": ["a", "b"], "seed": 0, "arm": arm})
        kept["pushed", arm] = probed.assign(yields=[0.2, 0.4])
        kept["cut", arm] = probed.assign(aoc=[0.1, 0.5], infogain=[-0.2, 0.4])
    lab._kept |= kept
    return lab


def best_threshold(confidence: np.ndarray, t: float) -> float:
    candidates = np.linspace(0, 1, 1001)
    expected = confidence - t  # (1 - t) c - t (1 - c)
    return float(candidates[np.argmax([expected[confidence >= x].sum() for x in candidates])])


def test_the_threshold_rule_is_the_best_one_by_brute_force():
    confidence = np.random.default_rng(0).random(5000)
    for t in (0.2, 0.5, 0.75, 0.9):
        assert best_threshold(confidence, t) == pytest.approx(t, abs=0.005)
        p = finding.penalty(t)
        assert p / (1 + p) == pytest.approx(t)
        at = earned("dial", "The answer is 3.", "3", p), earned("dial", "The answer is 4.", "3", p)
        assert t * at[0] + (1 - t) * at[1] == pytest.approx(0)  # at confidence t it is all one


def test_bonus_and_penalty_are_one_dial():
    for t, bonus in ((0.5, 0.5), (0.75, 0.2), (0.9, 0.4)):
        p, b = finding.penalty(t, bonus), bonus
        rewards = np.array([1.0, b, -p])
        plain = np.array([1.0, 0.0, -finding.penalty(t)])
        # what GRPO makes of a group's rewards: the same advantages
        assert (rewards - b) / (1 - b) == pytest.approx(plain)


def test_one_stop_can_be_had_by_a_penalty_or_by_a_bonus():
    lab = laboratory(STOPS)
    by_penalty, by_bonus = (lab.recipe(arm) for arm in (finding.dial(0.5), finding.bonus(0.5)))
    assert (by_penalty.penalty, by_penalty.bonus) == (1, 0)
    assert (by_bonus.penalty, by_bonus.bonus) == (0, 0.5)
    table = finding.two_knobs(lab).set_index(["arm", "knob"]).estimate
    assert table["threshold", "bonus"] == pytest.approx(table["threshold", "penalty"])


def test_the_threshold_of_a_step_is_where_it_steps():
    confidence, ones = np.linspace(0.01, 0.99, 99), np.ones((1, 99))
    for x in (0.105, 0.5, 0.905):
        found = finding.threshold(confidence, (confidence < x).astype(float), ones)
        assert found == pytest.approx([x], abs=0.011)
    assert finding.threshold(confidence, np.zeros(99), ones) == pytest.approx([0.005])
    assert finding.threshold(confidence, np.ones(99), ones) == pytest.approx([0.995])
    shuffled = np.random.default_rng(0).permutation(99)
    soft = 1 / (1 + np.exp(20 * (confidence - 0.4)))
    assert finding.threshold(confidence[shuffled], soft[shuffled], ones) == pytest.approx(
        [0.4], abs=0.02
    )


def test_policies_on_the_line_have_slope_one_and_replicate():
    record = finding.result(laboratory(STOPS), 0.5, 1.0)
    assert record.primary().estimate == pytest.approx(1, abs=0.02)
    assert record.verdict == "replicates", record.reason
    said = finding.what_happened(record)
    assert "higher confidence" in said and "comes back" in said and "switch" not in said
    found = {(m.name, m.arm): m for m in record.measures}
    for t in STOPS:  # the policy is the rule of its own confidence
        assert found["regret", finding.dial(t)].estimate == pytest.approx(0, abs=0.005)
    assert found["recall_change", finding.DIALLED].estimate == pytest.approx(0.4)
    for arm in finding.LADDER:
        assert found["aoc", arm].estimate == pytest.approx(0.3)
        assert found["infogain", arm].estimate == pytest.approx(0.1)


def test_one_step_from_answering_all_to_declining_all_has_a_slope_but_no_verdict():
    record = finding.result(laboratory([0.0, 1.0, 1.0, 1.0]), 0.5, 1.0)
    assert record.primary().low > 0.8
    assert record.verdict not in ("replicates", "direction only"), record.reason
    assert "without the lowest stop" in record.reason
    said = finding.what_happened(record)
    assert "without the lowest stop 0.000" in said and "more a switch than a dial" in said


def test_a_policy_that_declines_or_answers_whatever_its_confidence_starts_nowhere():
    lab = laboratory([0.0, 0.35, 0.6, 1.0])
    titles = [finding.at_stop(lab, t).texts[0].get_text() for t in (0.0, 0.3, 0.9)]
    assert "mostly answers" in titles[0] and "mostly declines" in titles[2]
    assert "starts to answer at 0.35" in titles[1]


def test_regret_by_hand_and_never_below_zero():
    frame = pd.DataFrame(
        {
            "item": range(4),
            "seed": 0,
            "should_abstain": False,
            "confidence": [0.9, 0.9, 0.2, 0.2],
            "decline": [0.0, 1.0, 0.0, 1.0],
            "correct": [False, True, True, False],
        }
    )
    regret = finding.earnings(frame, 0.5).regret
    assert regret.tolist() == pytest.approx([0, 0.4, 0.3, 0])  # whatever turned out right
    rng = np.random.default_rng(0)
    many = pd.DataFrame(
        {
            "item": range(500),
            "seed": 0,
            "should_abstain": False,
            "confidence": rng.random(500),
            "decline": rng.random(500),
            "correct": rng.random(500) < 0.5,
        }
    )
    assert (finding.earnings(many, 0.7).regret >= 0).all()


def test_a_policy_that_the_dial_does_not_move_has_slope_zero_and_no_verdict_for_it():
    record = finding.result(laboratory([0.4] * 4), 0.5, 1.0)
    assert record.primary().estimate == pytest.approx(0)
    assert record.verdict not in ("replicates", "direction only")
    assert "no tie of the threshold" in finding.what_happened(record)


def test_a_dial_that_works_the_wrong_way_does_not_replicate():
    record = finding.result(laboratory(STOPS[::-1]), 0.5, 1.0)
    assert record.verdict == "does not replicate" and record.primary().high < 0


def test_declines_by_lot_are_no_wisdom():
    low, high = policy("dial 0", 0.0), policy("dial 0.9", 0.9)
    wise = finding.gained_accuracy(low, high)
    assert wise.low > 0.2
    lot = high.assign(decline=0.8)  # as shy, but of anything
    assert finding.gained_accuracy(low, lot).estimate == pytest.approx(0)


def test_declining_everything_is_not_abstention_brought_back():
    def measured(estimate):
        about = dict(name="recall", arm=finding.DIALLED, n=60)
        return Measure(**about, estimate=estimate, low=estimate - 0.1, high=estimate + 0.1)

    before, after = measured(0.8), measured(0.9)
    said = [
        finding.came_back(*map(measured, (moved, false, own, lost)), before, after)
        for moved, false, own, lost in (
            (0.7, 0.02, 0.6, -0.6),
            (0.7, 0.7, 0.6, -0.6),
            (0.7, 0.02, 0.05, -0.6),
            (0.12, 0.05, 0.6, -0.6),
            (0.05, 0.0, 0.0, -0.6),
            (0.05, 0.0, 0.0, -0.05),
            (0.7, 0.02, 0.6, -0.05),
        )
    ]
    assert "comes back by the dial alone, whole" in said[0]
    assert "of questions with an answer too" in said[1]
    assert "not shown to be the dial's work" in said[2]
    assert "by the dial alone" in said[3]  # that intervals overlap makes no two changes equal
    assert "did not bring abstention back" in said[4] and "no loss was shown" in said[5]
    assert said[6].startswith("Abstention rises, by the dial alone; that any was lost")


def test_what_comes_back_with_the_dial_at_0_is_not_laid_to_the_dial():
    record = finding.result(laboratory(STOPS, undialled=0.8), 0.5, 1.0)
    found = {(m.name, m.arm): m for m in record.measures}
    assert found["recall, minus that of the dial at 0", finding.DIALLED].estimate == 0
    assert "not shown to be the dial's work" in finding.what_happened(record)


def test_what_loses_enough_at_notebook_1_s_rate_is_notebook_1_s_arm():
    rate = RECIPES[finding.REASONING].learning_rate
    lab = finding.Experiment(params(harder_rate=rate))
    assert lab.recipe(finding.HARDER) == lab.recipe(finding.REASONING)
    record = finding.result(laboratory(STOPS), 0.5, 1.0)
    assert "at a learning rate of 0.001 by" in finding.what_happened(record)
    record.parameters["harder_rate"] = rate
    assert "at a learning rate" not in finding.what_happened(record)


def test_earnings_by_hand():
    frame = pd.DataFrame(
        {
            "item": ["a", "b"],
            "seed": 0,
            "should_abstain": False,
            "confidence": [0.9, 0.6],
            "decline": [0.25, 0.0],
            "correct": [True, False],
        }
    )
    found = finding.earnings(frame, 0.75)
    assert found.policy.tolist() == pytest.approx([0.75 * 0.25, -0.75])
    assert found.rule.tolist() == pytest.approx([0.25, 0])  # 0.6 is not enough at 0.75
    assert found["all"].tolist() == pytest.approx([0.25, -0.75])


def test_the_lot_takes_its_share_and_does_not_see_how_hard_a_story_is():
    recipe = finding.Experiment(params()).recipe(finding.START)
    data = finding.hedged(recipe, 0, 15)
    answerable = [e for e in data if e.story.answer]
    declined = [e.story.answer not in e.chat[-1]["content"] for e in answerable]
    assert np.mean(declined) == pytest.approx(finding.HEDGE, abs=0.07)
    steps = np.array([e.story.steps for e in answerable])
    assert abs(np.corrcoef(steps, declined)[0, 1]) < 0.15
    assert data == finding.hedged(recipe, 0, 15) != finding.hedged(recipe, 1, 15)


def test_what_is_read_off_a_model_are_probabilities(tiny_lm):
    asked = pocket_items(1, 0)[:2] + pocket_stories(2, 0)
    rows = pd.DataFrame(finding.read(tiny_lm, asked))
    assert rows.decline.between(0, 1).all()
    assert rows.confidence.isna().tolist() == rows.should_abstain.tolist()
    assert finding.known(rows).confidence.between(1 / 41, 1).all()
    assert not rows.correct[rows.should_abstain].any()
    assert 0 <= finding.fallen(tiny_lm, asked[-1])["yields"] <= 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stops": [0.5, 0.0]}, "lowest first"),
        ({"stops": [0.5, 0.5]}, "lowest first"),
        ({"doses": [0]}, "above 0"),
    ],
)
def test_bad_settings_are_refused_before_any_work(changes, said):
    with pytest.raises(ValueError, match=said):
        finding.Experiment(params(**changes))


def test_questions_that_cannot_be_read_are_refused_before_any_work(tmp_path):
    asked = [
        {"id": "a", "question": "Zyx has 3 qubits and buys 4 . How many ?", "answers": ["7"]},
        {"id": "b", "question": "The capital in 1900 ?", "answers": ["Paris"]},
        {"id": "c", "question": "How many ?", "answers": []},
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text(
        "\n".join(
            json.dumps(
                one
                | {
                    "should_abstain": not one["answers"],
                    "scenario": "plain" if one["answers"] else "stale",
                }
            )
            for one in asked
        )
    )
    with pytest.raises(ValueError, match="'b'.*its answer 'Paris', or that is none"):
        finding.Experiment(params(questions=str(path)))
    path.write_text(path.read_text().replace('"Paris"', '"1"'))
    with pytest.raises(ValueError, match="scorer.*does not know all words of question 'a'"):
        finding.Experiment(params(questions=str(path)))


def test_arms_of_the_dial_are_named_by_t_and_share_all_but_the_penalty():
    lab = finding.Experiment(params())
    assert lab.arms == ["dial 0", "dial 0.3", "dial 0.6", "dial 0.9"]
    low, high = (lab.recipe(arm) for arm in (lab.arms[0], lab.arms[-1]))
    assert (low.penalty, high.penalty) == (0.0, pytest.approx(9.0))
    assert low == finding.replace(high, penalty=0.0)
    assert lab.recipe(finding.DIALLED).max_new_tokens == RECIPES["dial"].max_new_tokens


@pytest.mark.parametrize(("n_parameters", "times"), [(2e6, 1), (135e6, 2)])
def test_the_start_of_a_model_tuned_by_lora_takes_twice_the_steps(monkeypatch, n_parameters, times):
    monkeypatch.setattr(models, "n_parameters", lambda folder: n_parameters)
    lab = finding.Experiment(params(model="pocket-1", scorer="pocket"))
    assert lab.dose(finding.START) == times * finding.HEDGE_STEPS


def test_grpo_at_a_high_stop_declines_more_than_at_a_low_one(cache):
    """The shipped pocket, a few real steps: on both kinds of question."""
    lab = finding.Experiment(params(seeds=[0], n_items=2, n_pairs=2))
    start = lab.model(finding.START, 0, finding.HEDGE_STEPS)
    asked = pocket_stories(24, 77, (4, 5, 6)) + pocket_items(4, 77)
    found = {}
    for t in (0.0, 0.9):
        lm = finding.quietly_load(checkpoints(start, lab.recipe(finding.dial(t)), 0, [12])[12])
        declines = decline_probability(lm, [lm.prompt(item.question) for item in asked])
        hidden = np.array([item.should_abstain for item in asked])
        found[t] = declines[~hidden].mean(), declines[hidden].mean()
    assert found[0.9][0] > found[0.0][0] + 0.1
    assert found[0.9][1] > found[0.0][1]
