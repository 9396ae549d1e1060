"""Finding 7 on planted policies: one that follows the dial, one that is but a switch."""

import ast
import json
import math

import numpy as np
import pandas as pd
import papermill
import pytest
import statsmodels.api as sm

from helpers.findings import reward_dial as finding
from helpers.findings.reward_dial import arms, experiment, group, measures, reading, words
from helpers.findings.reward_dial.arms import DIALLED, LADDER, LOST, START, UNDIALLED
from helpers.lab.finding import answerable
from helpers.lab.items import pocket_items, pocket_stories
from helpers.lab.record import Value
from helpers.lab.repair import Learning
from helpers.lab.repair import Params as RepairParams
from helpers.lm import models
from helpers.run import plan
from helpers.stats import intervals
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
    restore=0.75,
    n_learned=20,
    k=3,
    threshold=0.9,
    pair_margin=1.0,
    damage_dose=160,
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


def laboratory(starts_at, undialled=0.4):
    lab = finding.RewardDial(params())
    for arm in (START, *LADDER):
        lab.reading.plant(arm, policy(arm, 0.1))
    for t, x in zip(STOPS, starts_at, strict=True):
        lab.reading.plant(finding.dial(t), policy(finding.dial(t), x))
    for t in STOPS[1:]:  # near one half at every stop
        lab.reading.plant(finding.default(t), policy(finding.default(t), 0.55))
    recalls = dict(zip(finding.RESTORED, (0.9, 0.4, undialled, 0.8), strict=True))
    probed = pd.DataFrame([{"item": i, "base": b, "seed": 0} for i in "ab" for b in BASES])
    first = probed.item == "a"
    for arm in LADDER:
        lab.graded.plant(arm, replies(arm, recalls.get(arm, 0.7)))
        lab.pushed.plant(arm, probed.assign(yields=np.where(first, 0.2, 0.4)))
        values = {"aoc": np.where(first, 0.1, 0.5), "log_infogain": np.where(first, -0.2, 0.4)}
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


GROUP = ["The answer is 3.", "The answer is 4.", "I don't know."] * 2


def advantages(t, bonus=0.0, divided=False, replies=GROUP):
    """What GRPO makes of these replies at a stop, which has a penalty or a bonus."""
    p = finding.penalty(t, bonus)
    rewards = np.array([earned("dial", reply, "3", p, bonus) for reply in replies])
    return group.advantages(rewards, divided)


def test_bonus_and_penalty_are_one_dial():
    for t, bonus in ((0.5, 0.5), (0.75, 0.75), (0.9, 0.9)):
        assert advantages(t, bonus) == pytest.approx(advantages(t))
        assert advantages(t, bonus, divided=True) == pytest.approx(advantages(t, divided=True))


def test_divided_by_the_deviation_a_group_of_two_kinds_does_not_know_its_stop():
    for two in (GROUP[1:3] * 3, [GROUP[0], GROUP[2]] * 3):
        divided = [advantages(t, divided=True, replies=two) for t in (0.5, 0.75, 0.9)]
        assert divided[0] == pytest.approx(divided[1], abs=0.01)
        assert divided[0] == pytest.approx(divided[2], abs=0.01)
        one, other = (advantages(t, replies=two) for t in (0.5, 0.9))
        assert abs(one - other).max() > 0.1  # and undivided it does
    assert abs(advantages(0.5, divided=True) - advantages(0.9, divided=True)).max() > 0.1


def test_undivided_answering_pays_from_t_and_divided_from_nearer_one_half():
    for t in (0.5, 0.75, 0.9):
        assert group.pays_from(t, 0.8, False) == pytest.approx(t, abs=1e-4)
    # seen in trained policies that declined much: .50, .58 and .62
    divided = [group.pays_from(t, 0.8, True) for t in (0.5, 0.75, 0.9)]
    assert divided == pytest.approx([0.5, 0.58, 0.62], abs=0.01)
    shyer = [group.pays_from(0.9, declines, True) for declines in (0.2, 0.5, 0.8)]
    assert shyer == sorted(shyer, reverse=True)
    table = group.pays_table([0.5, 0.9], [0.2, 0.8])
    assert table.undivided.tolist() == pytest.approx([0.5, 0.9], abs=1e-4)


def test_the_threshold_of_a_step_is_where_it_steps_and_of_none_an_end():
    confidence, ones = np.linspace(0.01, 0.99, 99), np.ones((1, 99))
    for x in (0.025, 0.105, 0.5, 0.905):
        found = measures.crossing(confidence, (confidence < x).astype(float), ones)
        assert found == pytest.approx([x], abs=0.006)
    for decline, end in ((0.0, 0), (1.0, 1), (0.2, 0), (0.8, 1)):
        always = np.full(99, decline)
        assert measures.crossing(confidence, always, ones) == pytest.approx([end])
    falls = 0.98 - 0.1 * confidence  # never below one half
    assert measures.crossing(confidence, falls, ones) == pytest.approx([1])
    rises = confidence  # crosses, the wrong way round
    assert measures.crossing(confidence, rises * 0.9, ones) == pytest.approx([0])


def test_the_threshold_is_that_of_a_logistic_regression():
    rng = np.random.default_rng(0)
    weights = rng.multinomial(150, np.ones(150) / 150, 5).astype(float)
    for tilt, at, noise in ((-4, 0.4, 1.0), (-12, 0.7, 0.5), (-8, 0.2, 2.0)):
        c = rng.random(150)
        decline = 1 / (1 + np.exp(-tilt * (c - at) + rng.normal(0, noise, 150)))
        found = measures.crossing(c, decline, weights)
        for x, weight in zip(found, weights, strict=True):
            family = sm.families.Binomial()
            model = sm.GLM(decline, sm.add_constant(c), family=family, freq_weights=weight)
            level, slope = model.fit().params
            assert x == pytest.approx(-level / slope, abs=0.002)


def known(confidence, decline, correct, arm="dial 0.5"):
    frame = pd.DataFrame({"confidence": confidence, "decline": decline, "correct": correct})
    about = {"base": 0, "seed": 0, "should_abstain": False, "arm": arm}
    return frame.assign(item=range(len(frame)), **about)


def test_the_share_by_hand():
    frame = known([0.9, 0.7, 0.4, 0.1], [0.0, 0.5, 0.5, 1.0], [True, False, True, False])
    # at one half: earned .4 + .1 - .05 + 0, always .1, best .4 + .2; over four questions
    assert measures.share([measures.own(frame)]).estimate == pytest.approx((0.45 - 0.1) / 0.5)
    stakes = measures.stakes(frame, 0.5)
    assert intervals.interval(stakes, measures.GAIN).estimate == pytest.approx(0.35 / 4)
    assert intervals.interval(stakes, measures.POSSIBLE).estimate == pytest.approx(0.5 / 4)
    # as it turned out: .5 - .25 + .25 + 0, always 0
    lucky = measures.share([measures.stakes(frame, 0.5, "correct")])
    assert lucky.estimate == pytest.approx(0.5 / 0.5)
    # of two stops gains are summed first; at .75: earned .15 - .025 - .175, never 0, best .15
    both = [measures.stakes(frame, t) for t in (0.5, 0.75)]
    assert measures.share(both).estimate == pytest.approx((0.35 - 0.05) / 0.65)
    assert measures.share(both, both).estimate == pytest.approx(0)


def test_the_best_rule_has_share_one_the_better_switch_none_and_nothing_more_than_one():
    rng = np.random.default_rng(0)
    c = rng.random(500)
    for t in (0.3, 0.7):
        best = measures.stakes(known(c, (c < t).astype(float), c > 0.5), t)
        switch = measures.stakes(known(c, np.full(500, float(t > 0.5)), c > 0.5), t)
        lot = measures.stakes(known(c, rng.random(500), c > 0.5), t)
        assert measures.share([best]).estimate == pytest.approx(1)
        assert measures.share([switch]).estimate == pytest.approx(0, abs=1e-9)
        assert measures.share([lot]).estimate < 0  # declines by lot are no wisdom
    assert math.isnan(measures.share([]).estimate)


def test_where_nothing_can_be_gained_there_is_no_share():
    frame = known([0.8, 0.9, 0.95], [0.0, 0.5, 1.0], [True] * 3)
    assert math.isnan(measures.share([measures.own(frame)]).estimate)
    lab = laboratory(STOPS)
    for t in STOPS[1:]:
        sure = policy(finding.dial(t), 0.0)
        lab.reading.plant(finding.dial(t), sure.assign(confidence=0.95 + 0.04 * sure.confidence))
    verdict = lab.judge()
    assert verdict.label == "inconclusive" and "over a switch" in verdict.reason
    assert "too little to gain" in finding.share_table(lab)["share, dial"].tolist()
    said = finding.what_happened(lab.record(0.5, 1.0))
    assert "Too little could be gained" in said and "By stop" not in said


def test_policies_on_the_line_earn_all_there_is_and_replicate():
    lab = laboratory(STOPS)
    record = lab.record(0.5, 1.0)
    assert record.primary.estimate == pytest.approx(1, abs=0.01)
    assert record.verdict.label == "replicates", record.verdict.reason
    assert [c.name for c in record.contrasts] == list(lab.claim.contrasts)
    assert [c.name for c in record.attribution] == list(lab.claim.attribution)
    trap, learned, luck = (one.value.estimate for one in record.attribution)
    assert trap < 1 < learned and luck == pytest.approx(1, abs=0.15)
    assert record.get("slope", "dial").estimate == pytest.approx(1, abs=0.02)
    said = finding.what_happened(record)
    assert "more than any switch" in said and "comes back" in said
    assert "0.90 (t = 0.9)" in said and "0.55 (t = 0.9)" in said
    assert record.get("recall", DIALLED, minus=LOST).estimate == pytest.approx(0.4)
    for arm in LADDER:
        assert record.get("aoc", arm).estimate == pytest.approx(0.3)
        assert record.get("log_infogain", arm).estimate == pytest.approx(0.1)


def test_every_policy_is_judged_at_every_stop():
    table = finding.exchanged(laboratory(STOPS))
    assert table.shape == (3, 3)
    assert (np.diag(table) == table.max()).all()
    assert table.loc["trained at 0.3", "judged at 0.9"] < 0


def test_gains_lie_between_the_better_switch_and_the_best_rule():
    table = finding.gain_table(laboratory(STOPS)).pivot(index="stop", columns="arm")["estimate"]
    assert table["dial"].tolist() == pytest.approx(table["best"].tolist())
    assert (table["default"] < table["best"]).all() and table["hedged"].min() < 0


def test_a_share_that_is_sure_and_next_to_nothing_is_called_so():
    record = laboratory(STOPS).record(0.5, 1.0)
    little = record.primary.model_copy(update={"estimate": 0.02, "low": 0.01, "high": 0.03})
    said = finding.what_happened(record.model_copy(update={"primary": little}))
    assert "next to nothing of what could be gained" in said and "more than any" not in said
    assert "By stop: " in said and "(t = 0.9)" in said


def test_a_switch_has_the_slope_of_a_dial_and_no_share():
    record = laboratory([0.0, 0.0, 1.0, 1.0]).record(0.5, 1.0)
    assert record.get("slope", "dial").estimate > 0.9
    assert record.primary.estimate == pytest.approx(0, abs=0.01)
    assert record.verdict.label == "does not replicate"
    assert "is not shown" in finding.what_happened(record)


def test_one_graded_policy_at_every_stop_is_explained_by_the_others():
    lab = laboratory([0.6] * 4)
    assert lab.primary.value(lab).low > 0.1
    verdict = lab.judge()
    assert verdict.label == "explained otherwise" and verdict.rival == "other_stops"


def test_a_share_by_sharpened_confidence_alone_is_explained_by_the_start():
    lab = laboratory(STOPS)
    for t in STOPS[1:]:  # what is declined has nothing to do with the confidence of the start
        frame = policy(finding.dial(t), t)
        number = frame.item.str[1:].astype(int)
        start = policy(START, 0.1).assign(confidence=(number * 37 % 100 + 0.5) / 100)
        lab.reading.plant(finding.dial(t), frame)
    lab.reading.plant(START, start.assign(confidence=start.confidence.where(~start.should_abstain)))
    verdict = lab.judge()
    assert lab.primary.value(lab).estimate == pytest.approx(1)
    assert verdict.label == "explained otherwise" and verdict.rival == "start"


def test_a_dial_that_works_the_wrong_way_does_not_replicate():
    verdict = laboratory([0.0, 0.9, 0.6, 0.3]).judge()
    assert verdict.label == "does not replicate" and "reversed" in verdict.reason


def test_one_stop_a_start_that_never_declines_and_a_broken_policy_are_stopped_by_gates():
    lab = laboratory(STOPS)
    lab.reading.plant(START, policy(START, 0.0))
    broken = policy(finding.dial(0.9), 0.9)
    lab.reading.plant(finding.dial(0.9), broken.assign(correct=broken.item == "i99"))
    verdict = lab.judge()
    assert verdict.label == "inconclusive"
    assert "P(decline)" in verdict.reason and "dial at 0.9" in verdict.reason
    few = finding.RewardDial(params(stops=[0.0, 0.5]))
    assert not experiment.Stops().check(few).passed
    few.reading.plant(finding.dial(0.5), policy(finding.dial(0.5), 0.5))
    assert math.isnan(measures.beyond_other_stops(few).estimate)


def test_a_policy_that_declines_or_answers_whatever_its_confidence_starts_nowhere():
    lab = laboratory([0.0, 0.35, 0.6, 1.0])
    titles = [finding.at_stop(lab, t).get_suptitle() for t in (0.0, 0.3, 0.9)]
    assert "mostly answers" in titles[0] and "mostly declines" in titles[2]
    assert "starts to answer at 0.35" in titles[1].replace("\n", " ")


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
    (fallen,) = reading.fallen(lm, lab.items[-1:])
    assert 0 <= fallen["yields"] <= 1
    cut = lab.cut("before")
    assert len(cut) == 3 and cut.aoc.between(0, 1).all() and cut.log_infogain.notna().all()


@pytest.mark.parametrize("stops", [[0.5, 0.0], [0.5, 0.5]])
def test_stops_out_of_order_or_twice_are_refused_before_any_work(stops):
    with pytest.raises(ValueError, match="lowest first"):
        finding.RewardDial(params(stops=stops))


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
    assert "aoc" in names and not {"log_infogain", "yields"} & names
    assert {"log_infogain", "yields"} < {one.name for one in finding.RewardDial(params()).measures}


def test_policies_are_named_by_t_and_share_all_but_the_penalty():
    lab = finding.RewardDial(params())
    assert lab.policies[:4] == ["dial 0", "dial 0.3", "dial 0.6", "dial 0.9"]
    assert lab.policies[4:] == ["default 0.3", "default 0.6", "default 0.9"]
    low, high = (lab.recipe(finding.dial(t)) for t in (0.0, 0.9))
    assert (low.penalty, high.penalty) == (0.0, pytest.approx(9.0))
    assert low == arms.replace(high, penalty=0.0, name=low.name)
    trap = lab.recipe(finding.default(0.9))
    assert (high.scale_rewards, trap.scale_rewards) == ("none", "group")
    assert high == arms.replace(trap, scale_rewards="none", name=high.name)
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
    assert names == [START, "dial_0.9", LOST, DIALLED]
    assert made[1][0] == START and made[1][2] == pytest.approx(9) and made[1][3] == [40]
    assert made[3][0] == LOST and made[3][2] == pytest.approx(3)
