"""Finding 5 on a planted latent mode, on planted accuracies, and on the null."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.findings import latent_reasoning as finding
from helpers.findings.latent_reasoning import branches, dials, experiment, measures, one_problem
from helpers.lm.generation import Completion, branched, generate
from helpers.text import answers
from tests.planted import planted

SETTINGS = dict(
    model="pocket",
    tier="pocket",
    seeds=[0, 1, 2],
    n_items=60,
    questions="",
    dose=2,
    k=3,
    n_pass_items=2,
    max_k=4,
    max_new_tokens=24,
    forecast=0.1,
)
QUESTIONS = [f"Q{n}" for n in range(10)]


def right(replies):
    return sum(answers.final_answer(r.text) == str(n) for n, r in enumerate(replies)) / 10


def test_a_planted_mode_is_found_by_confidence_and_not_by_vote_or_length():
    lm = planted()
    found = branched(lm, QUESTIONS, 3, 4)
    sure = [[branches.confidence(lm, one) for one in row] for row in found]
    assert right([row[0] for row in found]) == 0
    assert right(map(branches.most_confident, found, sure)) == 1
    assert right(map(branches.best_sum, found, sure)) == 1
    longest = [max(row, key=lambda one: one.n_tokens) for row in found]
    assert right(longest) == 0
    prompts = [q for q in QUESTIONS for _ in range(30)]
    drawn = generate(lm, prompts, 4, temperature=1.0)
    voted = [branches.commonest(drawn[30 * n : 30 * n + 30]) for n in range(10)]
    assert right(voted) < 0.5


def test_the_sum_goes_by_answer_and_the_maximum_by_branch():
    branch = branched(planted(), ["Q3"], 1, 4)[0][0]
    three = [replace(branch, text=f"It is {n}") for n in (4, 5, 5)]
    sure = [0.6, 0.4, 0.5]
    assert branches.most_confident(three, sure) is three[0]
    assert branches.best_sum(three, sure) is three[2]


def test_a_reply_that_declines_has_no_confidence():
    lm = planted()
    branch = branched(lm, ["Q3"], 2, 4)[0][1]
    assert branches.confidence(lm, branch) > 0.99
    assert branches.confidence(lm, replace(branch, text="I don't know.")) == 0
    assert branches.confidence(lm, replace(branch, truncated=True)) == 0


def laboratory(accuracy, monkeypatch, n_deep=9, tokens=0.3):
    """Every method right at its own rate, by default .5, on items as hard for all."""
    lab = finding.Experiment(finding.Params(**SETTINGS))
    rng = np.random.default_rng(0)
    hard = rng.random((3, 60))
    for method in experiment.METHODS:
        frames = [
            pd.DataFrame(
                {
                    "item": [item.id for item in lab.items],
                    "scenario": "plain",
                    "seed": seed,
                    "should_abstain": False,
                    "arm": method,
                    "text": "",
                    "chain": False,
                    "correct": hard[seed] < accuracy.get(method, 0.5),
                    "n_tokens": 9.0,
                    "routed": 0.0,
                }
            )
            for seed in range(3)
        ]
        lab._solved[method] = pd.concat(frames, ignore_index=True)
    passes = pd.DataFrame(
        {"arm": arm, "seed": seed, "item": i, "k": k, "pass": k / 8}
        for arm in ("before", "rlvr")
        for seed in range(3)
        for i in range(n_deep)
        for k in (1, 4)
    )
    lab.passes = lambda arm: passes[passes.arm == arm]
    lab.tokens = lambda *routed: tokens
    monkeypatch.setattr(
        measures,
        "gap_recovered",
        lambda lab: pd.DataFrame(columns=["arm", "share", "tokens", "measure", "estimate"]),
    )
    return lab


def test_a_planted_gain_replicates_where_its_controls_have_none(monkeypatch):
    lab = laboratory({"cot_max": 0.9, "forced": 0.95, "rlvr": 0.9, "rlvr_format": 0.9}, monkeypatch)
    found = measures.verdicts(lab)
    assert found["cot_max"].label == "replicates", found["cot_max"].reason
    assert found["rlvr"].label == "inconclusive"  # form alone does as much
    assert found["steering_opened"].label != "replicates"
    record = finding.result(lab, 0.1, 1.0)
    assert record.verdict == "replicates" and "can more than it says" in (
        finding.what_happened(record)
    )


def test_a_hybrid_needs_a_gap_to_recover(monkeypatch):
    lab = laboratory({"forced": 0.9, "hybrid": 0.9, "rlvr": 0.5}, monkeypatch)
    found = measures.verdicts(lab)["hybrid"]
    assert found.label == "inconclusive" and "tuned model" in found.reason
    lab = laboratory({"forced": 0.9, "hybrid": 0.9, "rlvr": 0.9}, monkeypatch)
    assert measures.verdicts(lab)["hybrid"].label == "replicates"
    lab = laboratory({"forced": 0.9, "hybrid": 0.9, "rlvr": 0.9}, monkeypatch, tokens=0.0)
    found = measures.verdicts(lab)["hybrid"]
    assert found.label == "inconclusive" and "tokens" in found.reason


def test_nothing_replicates_when_nothing_differs(monkeypatch):
    lab = laboratory({"forced": 0.9}, monkeypatch)
    labels = {found.label for found in measures.verdicts(lab).values()}
    assert not labels & {"replicates", "direction only"}
    lab = laboratory({"forced": 0.9, "rlvr_random": 0.9, "rlvr": 0.9}, monkeypatch)
    assert measures.verdicts(lab)["rlvr"].label == "inconclusive"  # a coin does as much


def test_real_grpo_with_a_random_reward_gets_no_verdict_in_its_favour(cache, monkeypatch):
    """The shipped pocket, a few steps: a coin teaches nothing."""
    settings = SETTINGS | {"seeds": [0], "dose": 8, "max_new_tokens": 96}
    lab = finding.Experiment(finding.Params(**settings))
    monkeypatch.setattr(measures, "MECHANISMS", {"rlvr_random": ("greedy",)})
    monkeypatch.setattr(measures, "TUNED", "rlvr_random")
    lab.tokens = lambda *routed: 0.0
    (found,) = measures.verdicts(lab).values()
    assert found.label not in ("replicates", "direction only"), found.reason
    assert "gate" not in found.reason  # it was judged


def test_two_items_carry_no_word_on_many_samples(monkeypatch):
    record = finding.result(laboratory({}, monkeypatch, n_deep=2), 0.1, 1.0)
    assert "2 items are too few to set it against the base" in finding.what_happened(record)
    record = finding.result(laboratory({}, monkeypatch), 0.1, 1.0)
    assert "at 4 samples no difference" in finding.what_happened(record)


def test_without_room_above_greedy_the_gate_fails(monkeypatch):
    lab = laboratory({"cot_max": 0.9, "forced": 0.5}, monkeypatch)
    record = finding.result(lab, 0.1, 1.0)
    assert record.verdict == "inconclusive" and "room" in record.reason


def test_activations_are_read_behind_the_prompt_that_the_model_replies_to(tiny_lm, monkeypatch):
    seen = []
    monkeypatch.setattr(dials.steering, "activations", lambda lm, pairs, layer: seen.extend(pairs))
    for template in ("{{ messages[0].content }}", "{{ messages[0].content + '\n' }}"):
        tokenizer = deepcopy(tiny_lm.tokenizer)
        tokenizer.chat_template = template
        lm = replace(tiny_lm, tokenizer=tokenizer)
        asked = dials.dev_items((1,))[:2]
        dials.contrast(lm, 0, asked, 3)
        heads = [lm.prompt(item.question, "x").removesuffix("x") for item in asked]
        assert [head for head, _ in seen] == heads * 2
        assert all(reply.startswith("<think>") for _, reply in seen[:2])
        seen.clear()


def test_arms_learn_from_one_problem(tiny_lm):
    told = one_problem.solutions(tiny_lm, 0)
    assert {e.chat[0]["content"] for e in told} == {one_problem.problem().text}
    checked = one_problem.critiques(tiny_lm, 0)
    assert {len(e.chat) for e in checked} == {4} and len(checked) == 32
    answer = one_problem.problem().answer
    assert all(answers.final_answer(e.chat[-1]["content"]) == answer for e in told + checked)


def test_a_critique_repeats_what_is_right_and_corrects_the_rest(monkeypatch, tiny_lm):
    steps = one_problem.problem().chain
    noisy = " ".join([steps[0], "Ann 1 + 1 = 3.", *steps[2:]])
    reply = Completion(f"{noisy} </think> The answer is 9.", 20, False)
    monkeypatch.setattr(
        one_problem, "generate", lambda lm, prompts, *a, **k: [reply] * len(prompts)
    )
    chat = one_problem.critiques(tiny_lm, 0)[0].chat
    assert noisy in chat[1]["content"] and steps[0] in chat[3]["content"]
    assert f"But {steps[1]}" in chat[3]["content"] and f"But {steps[0]}" not in chat[3]["content"]


def test_the_gap_recovered_by_hand():
    values = np.array([[[0.0, 0, 1, 0]], [[1.0, 1, 1, 1]], [[1.0, 0, 1, 0]]])
    weights = np.ones((1, 4))
    assert measures.recovered(values, None, weights) == pytest.approx(1 / 3)
    assert np.isnan(measures.recovered(values[[1, 0, 2]], None, weights)).all()  # no gap


def test_a_hybrid_that_is_one_of_its_models_has_no_interval(monkeypatch):
    monkeypatch.setattr(finding.Experiment, "right", lambda lab, replies: replies)
    given = measures.gap_recovered
    lab = laboratory({"rlvr": 0.9, "forced": 0.7}, monkeypatch)
    ends = {share: {0.0: "greedy", 1.0: "rlvr"}.get(share, "forced") for share in finding.SHARES}
    lab.routed = lambda arm, share, seed: (
        measures.of_seed(lab.solved(ends[share]), seed).correct.tolist(),
        [],
    )
    table = given(lab)
    gap = table[(table.measure == "gap recovered") & (table.arm == "hybrid")].set_index("share")
    assert gap.estimate[[0.0, 1.0]].tolist() == [0, 1] and gap.low[[0.0, 1.0]].isna().all()
    assert gap.low.drop([0.0, 1.0]).notna().all()


def test_an_odd_largest_k_is_refused():
    with pytest.raises(ValueError, match="max_k.*48.*1, 2, 4"):
        finding.Experiment(finding.Params(**SETTINGS | {"max_k": 48}))


def test_scrambled_dials_are_as_long_and_point_elsewhere():
    import torch

    dial = dials.Dial(1, 2.0, torch.arange(8.0))
    others = dials.scrambled(dial, 0)
    for other in others:
        assert float(other.vector.norm()) == pytest.approx(float(dial.vector.norm()), rel=1e-5)
        cosine = torch.cosine_similarity(other.vector, dial.vector, dim=0)
        assert abs(float(cosine)) < 0.9 and (other.layer, other.strength) == (1, 2.0)
    assert len({tuple(other.vector.tolist()) for other in others}) == dials.N_RANDOM


def test_a_dial_elsewhere_is_the_same_vector_not_at_the_end():
    import torch

    dial = dials.Dial(1, 2.0, torch.arange(8.0))
    others = dials.elsewhere(dial, 0)
    assert len({other.back for other in others}) == dials.N_RANDOM
    assert all(other.back > 1 and other.vector is dial.vector for other in others)
