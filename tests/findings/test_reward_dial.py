"""Finding 7 on planted policies: one that follows the dial, one that it does not move."""

import ast
import json
import math

import numpy as np
import pandas as pd
import papermill
import pytest

from helpers.findings import reward_dial as finding
from helpers.findings.reward_dial import arms, experiment, measures, reading, words
from helpers.findings.reward_dial.arms import DIALLED, HARDER, LADDER, REASONING, START, UNDIALLED
from helpers.lab.finding import answerable
from helpers.lab.items import pocket_items, pocket_stories
from helpers.lab.record import Value
from helpers.lab.repair import Learning
from helpers.lab.repair import Params as RepairParams
from helpers.lm import models
from helpers.run import plan
from helpers.train.recipes import RECIPES
from helpers.train.rewards import earned

STOPS = [0.0, 0.3, 0.6, 0.9]
BASES = list(range(6))
SETTINGS = dict(
    model="pocket",
    tier="pocket",
    bases=BASES,
    seeds=[0],
    n_items=60,
    n_pairs=10,
    questions="",
    stops=STOPS,
    dose=40,
    rl_dose=40,
    doses=[80],
    harder_rate=3e-3,
    restore=0.75,
    n_learned=20,
    k=3,
    threshold=0.9,
    pair_margin=1.0,
    repair_doses=[0, 20],
    repair_tokens=64,
    max_new_tokens=96,
    forecast=0.5,
    scorer="",
)


def params(**changes):
    return finding.Params(**SETTINGS | changes)


def policy(arm, starts_at, hidden=0.9, bases=BASES, n=100):
    """Declines below a confidence; calibrated: as often right as it is confident."""
    rows = []
    for base in bases:
        about = {"base": base, "seed": 0, "arm": arm, "dose": 40, "scenario": "plain", "steps": 3}
        for i, c in enumerate((np.arange(n) + 0.5) / n):
            right = (0.618 * i + 0.05 * base) % 1 < c
            known = {"item": f"i{i}", "should_abstain": False, "confidence": c, "correct": right}
            rows.append(about | known | {"decline": float(c < starts_at)})
        for i in range(60):
            unknown = {"item": f"h{i}", "should_abstain": True, "confidence": math.nan}
            rows.append(about | unknown | {"correct": False, "decline": hidden + 0.001 * (i % 3)})
    return pd.DataFrame(rows)


def replies(arm, recall):
    rows = [
        {
            "item": f"{kind}{i}",
            "should_abstain": kind == "h",
            "arm": arm,
            "base": base,
            "seed": 0,
            "scenario": "plain",
            "abstained": kind == "h" and i < 60 * recall,
            "correct": kind == "i",
            "reasoned": kind == "i",
        }
        for base in BASES
        for kind in "ih"
        for i in range(60)
    ]
    return pd.DataFrame(rows)


def laboratory(starts_at, hidden=(0.8, 0.85, 0.9, 0.95), undialled=0.4):
    lab = finding.RewardDial(params())
    for arm in (START, *LADDER, UNDIALLED):
        lab.reading.plant(arm, policy(arm, 0.1))
    for t, x, h in zip(STOPS, starts_at, hidden, strict=True):
        lab.reading.plant(finding.dial(t), policy(finding.dial(t), x, h))
    other = finding.bonus(STOPS[1])
    lab.reading.plant(other, policy(other, starts_at[1]))
    recalls = dict(zip(finding.RESTORED, (0.9, 0.85, 0.4, undialled, 0.8), strict=True))
    probed = pd.DataFrame([{"item": i, "base": b, "seed": 0} for i in "ab" for b in BASES])
    first = probed.item == "a"
    for arm in (*LADDER, UNDIALLED):
        lab.graded.plant(arm, replies(arm, recalls.get(arm, 0.7)))
        lab.pushed.plant(arm, probed.assign(yields=np.where(first, 0.2, 0.4)))
        values = {"aoc": np.where(first, 0.1, 0.5), "infogain": np.where(first, -0.2, 0.4)}
        lab.cut.plant(arm, probed.assign(**values))
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
        found = measures.threshold(confidence, (confidence < x).astype(float), ones)
        assert found == pytest.approx([x], abs=0.011)
    assert measures.threshold(confidence, np.zeros(99), ones) == pytest.approx([0.005])
    assert measures.threshold(confidence, np.ones(99), ones) == pytest.approx([0.995])
    shuffled = np.random.default_rng(0).permutation(99)
    soft = 1 / (1 + np.exp(20 * (confidence - 0.4)))
    assert measures.threshold(confidence[shuffled], soft[shuffled], ones) == pytest.approx(
        [0.4], abs=0.02
    )


def test_policies_on_the_line_have_slope_one_and_replicate():
    lab = laboratory(STOPS)
    record = lab.record(0.5, 1.0)
    assert record.primary.estimate == pytest.approx(1, abs=0.02)
    assert record.verdict.label == "replicates", record.verdict.reason
    assert [c.name for c in record.contrasts] == list(lab.claim.contrasts)
    assert [c.name for c in record.attribution] == list(lab.claim.attribution)
    said = finding.what_happened(record)
    assert "higher confidence" in said and "comes back" in said and "switch" not in said
    for t in STOPS:  # the policy is the rule of its own confidence
        assert record.get("regret", finding.dial(t)).estimate == pytest.approx(0, abs=0.005)
    assert record.get("recall", DIALLED, minus=HARDER).estimate == pytest.approx(0.4)
    for arm in LADDER:
        assert record.get("aoc", arm).estimate == pytest.approx(0.3)
        assert record.get("infogain", arm).estimate == pytest.approx(0.1)
    assert "at a learning rate of 0.003 by" in said
    record.parameters["harder_rate"] = RECIPES[REASONING].learning_rate
    assert "at a learning rate" not in finding.what_happened(record)


def test_one_step_from_answering_all_to_declining_all_is_a_switch_and_no_dial():
    record = laboratory([0.0, 1.0, 1.0, 1.0]).record(0.5, 1.0)
    assert record.primary.low > 0.8
    assert record.verdict.label == "explained otherwise" and record.verdict.rival == "above"
    assert "more a switch than a dial" in finding.what_happened(record)


def test_a_slope_by_sharpened_confidence_alone_is_explained_by_the_start():
    lab = laboratory(STOPS)
    for t in STOPS:  # at every stop the same questions are declined, whose confidence has moved
        frame = policy(finding.dial(t), 0.4)
        low = frame.confidence < 0.4
        moved = np.where(low, frame.confidence * t / 0.4, t + (frame.confidence - 0.4) * (1 - t))
        lab.reading.plant(finding.dial(t), frame.assign(confidence=moved))
    verdict = lab.judge()
    assert verdict.label == "explained otherwise" and verdict.rival == "start"


def test_a_policy_that_the_dial_does_not_move_has_slope_zero_and_does_not_replicate():
    lab = laboratory([0.4] * 4)
    assert measures.slope_of(lab).estimate == pytest.approx(0)
    record = lab.record(0.5, 1.0)
    assert record.verdict.label == "does not replicate"
    assert "no tie of the threshold" in finding.what_happened(record)


def test_a_dial_that_works_the_wrong_way_does_not_replicate():
    verdict = laboratory(STOPS[::-1]).judge()
    assert verdict.label == "does not replicate" and "reversed" in verdict.reason


def test_two_stops_a_start_that_never_declines_and_a_broken_policy_are_stopped_by_gates():
    lab = laboratory(STOPS)
    lab.reading.plant(START, policy(START, 0.0))
    broken = policy(finding.dial(0.9), 0.9)
    lab.reading.plant(finding.dial(0.9), broken.assign(correct=broken.item == "i99"))
    verdict = lab.judge()
    assert verdict.label == "inconclusive"
    assert "P(decline)" in verdict.reason and "dial at 0.9" in verdict.reason
    few = finding.RewardDial(params(stops=[0.0, 0.5]))
    assert not experiment.Stops().check(few).passed
    for t in (0.0, 0.5):
        few.reading.plant(finding.dial(t), policy(finding.dial(t), t))
    assert math.isnan(measures.slope_above(few).estimate)


def test_a_policy_that_declines_or_answers_whatever_its_confidence_starts_nowhere():
    lab = laboratory([0.0, 0.35, 0.6, 1.0])
    titles = [finding.at_stop(lab, t).get_suptitle() for t in (0.0, 0.3, 0.9)]
    assert "mostly answers" in titles[0] and "mostly declines" in titles[2]
    assert "starts to answer at 0.35" in titles[1].replace("\n", " ")


def known(confidence, decline, correct):
    frame = pd.DataFrame({"confidence": confidence, "decline": decline, "correct": correct})
    return frame.assign(item=range(len(frame)), base=0, seed=0, should_abstain=False)


def test_regret_by_hand_and_never_below_zero():
    frame = known([0.9, 0.9, 0.2, 0.2], [0.0, 1.0, 0.0, 1.0], [False, True, True, False])
    regret = measures.earnings(frame, 0.5).regret
    assert regret.tolist() == pytest.approx([0, 0.4, 0.3, 0])  # whatever turned out right
    rng = np.random.default_rng(0)
    many = known(rng.random(500), rng.random(500), rng.random(500) < 0.5)
    assert (measures.earnings(many, 0.7).regret >= 0).all()


def test_earnings_by_hand():
    found = measures.earnings(known([0.9, 0.6], [0.25, 0.0], [True, False]), 0.75)
    assert found.policy.tolist() == pytest.approx([0.75 * 0.25, -0.75])
    assert found.rule.tolist() == pytest.approx([0.25, 0])  # 0.6 is not enough at 0.75
    assert found["all"].tolist() == pytest.approx([0.25, -0.75])


def test_declines_by_lot_are_no_wisdom():
    low, high = policy("dial 0", 0.0), policy("dial 0.9", 0.9)
    assert measures.better_chosen(low, high).low > 0.2
    lot = high.assign(decline=0.8)  # as shy, but of anything
    assert measures.better_chosen(low, lot).estimate == pytest.approx(0)


def value(estimate, half=0.1):
    ends = {"estimate": estimate, "low": estimate - half, "high": estimate + half}
    return Value(measure="recall", arm=DIALLED, n=60, **ends)


def test_declining_everything_is_not_abstention_brought_back():
    before, after = value(0.8), value(0.9)
    said = [
        words.came_back(*map(value, (moved, false, own, lost)), before, after)
        for moved, false, own, lost in (
            (0.7, 0.02, 0.6, -0.6),
            (0.7, 0.7, 0.6, -0.6),
            (0.7, 0.02, 0.05, -0.6),
            (0.12, 0.05, 0.6, -0.6),
            (0.05, 0.0, 0.0, -0.6),
            (0.05, 0.0, 0.0, -0.05),
            (0.7, 0.02, 0.6, -0.05),
            (-0.7, 0.02, 0.6, -0.05),
        )
    ]
    assert "comes back by the dial alone, whole" in said[0]
    assert "of questions with an answer too" in said[1]
    assert "not shown to be the dial's work" in said[2]
    assert "by the dial alone" in said[3]  # that intervals overlap makes no two changes equal
    assert "did not bring abstention back" in said[4] and "no loss was shown" in said[5]
    assert said[6].startswith("Abstention rises, by the dial alone; that any was lost")
    assert "cost abstention" in said[7]
    one = value(0.7, math.nan)
    assert "one base can't tell" in words.came_back(one, one, one, one, before, after)


def test_what_comes_back_with_the_dial_at_0_is_not_laid_to_the_dial():
    record = laboratory(STOPS, undialled=0.8).record(0.5, 1.0)
    assert record.get("recall", DIALLED, minus=UNDIALLED).estimate == 0
    assert "not shown to be the dial's work" in finding.what_happened(record)


def test_what_loses_enough_at_notebook_1_s_rate_is_notebook_1_s_arm():
    rate = RECIPES[REASONING].learning_rate
    lab = finding.RewardDial(params(harder_rate=rate))
    assert lab.recipe(HARDER) == lab.recipe(REASONING) == RECIPES[REASONING]
    assert finding.RewardDial(params()).recipe(HARDER).name == HARDER


def test_an_arm_of_a_shared_name_is_made_by_the_shared_recipe():
    lab = finding.RewardDial(params())
    for arm in lab.every_arm:
        if arm.trained:
            made = (lab.repair if arm.name in ("damaged", "repair_grpo") else lab).recipe(arm.name)
            assert RECIPES.get(made.name, made) == made, arm.name


def test_the_lot_takes_its_share_and_does_not_see_how_hard_a_story_is():
    recipe = finding.RewardDial(params()).recipe(START)
    data = arms.hedged(recipe, 0, 15)
    with_answer = [e for e in data if e.story.answer]
    declined = [e.story.answer not in e.chat[-1]["content"] for e in with_answer]
    assert np.mean(declined) == pytest.approx(arms.HEDGE, abs=0.07)
    steps = np.array([e.story.steps for e in with_answer])
    assert abs(np.corrcoef(steps, declined)[0, 1]) < 0.15
    assert data == arms.hedged(recipe, 0, 15) != arms.hedged(recipe, 1, 15)


def test_what_is_read_off_a_model_are_probabilities(cache, tiny_path, monkeypatch):
    lab = finding.RewardDial(params(bases=[0], n_items=2, n_pairs=2))
    lab.items = pocket_items(1, 0)[:2] + pocket_stories(2, 0)
    tiny = models.find(str(tiny_path))
    monkeypatch.setattr(lab, "model", lambda *training: tiny)
    rows = lab.reading("before")
    assert rows.decline.between(0, 1).all()
    assert rows.confidence.isna().tolist() == rows.should_abstain.tolist()
    assert answerable(rows).confidence.between(1 / 41, 1).all()
    assert not rows.correct[rows.should_abstain].any()
    lm = models.load(tiny, dtype="float32")
    assert 0 <= reading.fallen(lm, lab.items[-1])["yields"] <= 1
    cut = lab.cut("before")
    assert len(cut) == 3 and cut.aoc.between(0, 1).all() and cut.infogain.notna().all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stops": [0.5, 0.0]}, "lowest first"),
        ({"stops": [0.5, 0.5]}, "lowest first"),
        ({"doses": [0]}, "above 0"),
        ({"repair_doses": [0]}, "repair_doses are"),
    ],
)
def test_bad_settings_are_refused_before_any_work(changes, said):
    with pytest.raises(ValueError, match=said):
        finding.RewardDial(params(**changes))


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
        finding.RewardDial(params(questions=str(path)))
    path.write_text(path.read_text().replace('"Paris"', '"1"'))
    with pytest.raises(ValueError, match="scorer.*does not know all words of question 'a'"):
        finding.RewardDial(params(questions=str(path)))


def test_without_a_scorer_or_whole_numbers_what_needs_them_is_left_out(tmp_path, monkeypatch):
    rows = [
        {"id": "a", "question": "Is 3 . 5 more than 2 ? By what ?", "answers": ["1.5"]},
        {"id": "b", "question": "2 and 0 . 5 ?", "answers": ["2.5"]},
        {"id": "c", "question": "How many ?", "answers": []},
    ]
    path = tmp_path / "mine.jsonl"
    for row in rows:
        row |= {"should_abstain": not row["answers"], "scenario": "plain"}
        row |= {} if row["answers"] else {"scenario": "stale"}
    path.write_text("\n".join(map(json.dumps, rows)))
    lab = finding.RewardDial(params(model="smollm2", bases=[0], questions=str(path)))
    names = {one.name for one in lab.measures}
    assert "aoc" in names and not {"infogain", "yields"} & names
    assert {"infogain", "yields"} < {one.name for one in finding.RewardDial(params()).measures}


def test_policies_are_named_by_t_and_share_all_but_the_penalty():
    lab = finding.RewardDial(params())
    assert lab.policies == ["dial 0", "dial 0.3", "dial 0.6", "dial 0.9", "bonus 0.3"]
    low, high = (lab.recipe(finding.dial(t)) for t in (0.0, 0.9))
    assert (low.penalty, high.penalty) == (0.0, pytest.approx(9.0))
    assert low == arms.replace(high, penalty=0.0, name=low.name)
    assert lab.recipe(DIALLED).max_new_tokens == RECIPES["dial"].max_new_tokens
    further = lab.arm(finding.dial(0.25))
    assert further.start == START and lab.dose(further.name) == lab.p.dose


@pytest.mark.parametrize(("n_parameters", "times"), [(2e6, 1), (135e6, 2)])
def test_the_start_of_a_real_model_takes_twice_the_steps(monkeypatch, n_parameters, times):
    monkeypatch.setattr(models.Handle, "n_parameters", n_parameters)
    lab = finding.RewardDial(params(model="pocket-2.1", scorer="pocket", bases=[0]))
    assert lab.dose(START) == times * arms.HEDGE_STEPS


def test_the_repaired_arms_are_notebook_6_s():
    """The same numbers in both notebooks, by default and in every tier: so arms are shared."""
    books = plan.find(["06", "07"])
    for tier in models.tiers():
        asked = []
        for book in books:
            cell = papermill.inspect_notebook(str(book))
            found = {name: ast.literal_eval(entry["default"]) for name, entry in cell.items()}
            asked.append(found | plan.usual(book.stem, tier))
        six, seven = asked
        names = [*set(Learning.model_fields) - {"questions", "max_new_tokens", "forecast"}]
        assert {n: six[n] for n in names} == {n: seven[n] for n in names}, tier
        made = six["doses"], six["max_new_tokens"]
        assert made == (seven["repair_doses"], seven["repair_tokens"]), tier


def test_findings_6_and_7_ask_for_the_very_same_repair():
    from helpers.findings.rlsf_repair import Params as SixParams
    from helpers.findings.rlsf_repair import RlsfRepair

    p = params()
    shared = RepairParams.shared(p, p.repair_doses, p.repair_tokens).model_dump()
    six = SixParams(**shared | {"n_items": 60, "n_pairs": 5})
    one, other = RlsfRepair(six).repair, finding.RewardDial(p).repair
    assert one.p == other.p and one.inputs_key == other.inputs_key


def test_a_high_stop_is_trained_from_the_start_by_its_own_penalty(monkeypatch):
    made = []

    def recorded(self, start, recipe, base, seed, doses, given=None):
        made.append((start, recipe.name, recipe.penalty, doses))
        return {doses[-1]: recipe.name}

    monkeypatch.setattr(finding.RewardDial, "checkpoints", recorded)
    lab = finding.RewardDial(params())
    assert lab.model(finding.dial(0.9), 0, 0, 40) == "dial_0.9"
    assert lab.model(DIALLED, 0, 0, 40) == DIALLED
    names = [name for _, name, *_ in made]
    assert names == [START, "dial_0.9", HARDER, DIALLED]
    assert made[1][0] == START and made[1][2] == pytest.approx(9) and made[1][3] == [40]
    assert made[3][0] == HARDER and made[3][2] == pytest.approx(3)
