"""Finding 5 on a planted latent mode, on planted accuracies, on the null, and on a tiny model."""

from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.findings import latent_reasoning as finding
from helpers.findings.latent_reasoning import branches, dials, methods, one_problem
from helpers.lm import models, sources
from helpers.lm.generation import branched, generate
from helpers.stats import intervals
from helpers.text import answers
from tests.planted import planted

SETTINGS = dict(
    model="pocket",
    tier="pocket",
    bases=[0, 1, 2, 3, 4, 5],
    seeds=[0],
    n_items=60,
    questions="",
    n_dev=32,
    dose=2,
    rl_dose=2,
    k=3,
    n_pass_items=2,
    max_k=4,
    bases_without_chains=[],
    long_dose=4,
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
    assert right(map(branches.longest, found)) == 0
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


def laboratory(accuracy=None, n_deep=60, steered=3.0, base_passes=0.5, **settings):
    """Every method right at its own rate, by default .5, on items as hard for all."""
    lab = finding.LatentReasoning(finding.Params(**SETTINGS | settings))
    hard = np.random.default_rng(0).random((len(lab.p.bases), 60))
    ids = [item.id for item in lab.items]
    blank = pd.DataFrame({"item": ids * len(hard), "base": np.repeat(lab.p.bases, 60)})
    blank = blank.assign(scenario="plain", should_abstain=False, chain=False, seed=0)

    def rows(arm):
        return blank.assign(arm=arm, correct=(hard < (accuracy or {}).get(arm, 0.5)).ravel())

    for arm in lab.arms:
        lab.solved.plant(arm.name, rows(arm.name))
    for arm in methods.HYBRIDS:
        for share in finding.SHARES:
            like = arm if share else "greedy"
            lab.mixed.plant(
                arm,
                rows(like).assign(
                    base_right=rows("greedy").correct,
                    tuned_right=rows("rlvr").correct,
                    n_tokens=10.0,
                    n_steered=steered,
                ),
                share=share,
            )
    for arm, at_4 in (("greedy", base_passes), ("rlvr", 0.5)):
        passes = {
            "pass_1": at_4 / 4 if arm == "greedy" else 0.4,
            "pass_2": at_4 / 2,
            "pass_4": at_4,
        }
        deep = [{"item": i, "base": b, **passes} for b in lab.p.bases for i in range(n_deep)]
        lab.passes.plant(arm, pd.DataFrame(deep).assign(seed=0))
    return lab


def test_a_planted_gain_replicates_where_its_controls_have_none():
    lab = laboratory({"cot_max": 0.9, "forced": 0.95, "rlvr": 0.9, "rlvr_format": 0.9})
    record = lab.record(0.1, 1.0)
    found = record.parts
    assert found["cot_max"].label == "replicates", found["cot_max"].reason
    assert found["rlvr"].label == "explained otherwise" and found["rlvr"].rival == "rlvr_format"
    assert "a reward for the format alone" in found["rlvr"].reason
    assert found["steering_opened"].label == "does not replicate"
    assert record.verdict == found["cot_max"] and record.label == "1 of 9 replicate"
    words = finding.what_happened(record)
    assert "can more than it says" in words and "A reward for form alone does as well" in words
    assert "RL on right answers: explained otherwise" in words
    assert "at 4 samples no difference" in words


def test_two_items_carry_no_word_on_many_samples_nor_does_a_base_that_finds_every_answer():
    words = finding.what_happened(laboratory({"forced": 0.9}, n_deep=2).record(0.1, 1.0))
    assert "2 items are too few to set it against the base" in words and "No gain" in words
    words = finding.what_happened(laboratory({"forced": 0.9}, base_passes=0.97).record(0.1, 1.0))
    assert "the base finds 0.970 of the answers: too easy" in words


def test_the_curves_cross_where_the_base_overtakes_or_never():
    assert finding.crossing(laboratory()) == 2  # .25 each, after .125 against .4
    assert finding.crossing(laboratory(base_passes=0.4)) is None


def test_one_base_is_told_without_an_interval():
    lab = laboratory({"cot_max": 0.9, "forced": 0.95}, bases=[0])
    words = finding.what_happened(lab.record(0.1, 1.0))
    assert "One base says nothing of others" in words and "nan" not in words


def test_a_vote_that_gains_alone_explains_the_gain_otherwise():
    found = laboratory({"cot_max": 0.9, "majority": 0.9, "forced": 0.95}).judge()
    assert found.label == "explained otherwise" and found.rival == "majority"
    assert "more samples do it" in found.reason


def test_the_longest_branch_is_no_control():
    lab = laboratory({"cot_max": 0.9, "longest": 0.9, "forced": 0.95})
    assert lab.judge().label == "replicates"
    (only,) = lab.checked(lab.attribution)
    assert only.name == "longest" and only.value.estimate == 0


def test_an_arm_that_broke_its_model_is_no_control():
    better = {"rlvr": 0.9, "rlvr_one": 0.9, "forced": 0.95}
    found = laboratory(better).parts()
    assert {found[arm].label for arm in ("rlvr", "rlvr_one")} == {"replicates"}
    found = laboratory(better | {"rlvr_random": 0.1}).parts()
    assert found["rlvr"].label == "inconclusive" and "a random reward" in found["rlvr"].reason
    assert found["rlvr_one"].label == "replicates"
    found = laboratory(better | {"rlvr_wrong": 0.1}).parts()  # which is paid to end there
    assert found["rlvr"].label == "replicates"
    found = laboratory(better | {"rlvr_random": 0.1, "rlvr_format": 0.9}).parts()["rlvr"]
    assert found.label == "explained otherwise"  # for which no coin is needed


def test_a_hybrid_needs_a_gap_to_recover():
    found = laboratory({"forced": 0.9, "hybrid": 0.9, "rlvr": 0.5}).parts()["hybrid"]
    assert found.label == "inconclusive" and "tuned model" in found.reason
    better = {"forced": 0.9, "hybrid": 0.9, "rlvr": 0.9}
    assert laboratory(better).parts()["hybrid"].label == "replicates"
    found = laboratory(better, steered=0.0).parts()["hybrid"]
    assert found.label == "inconclusive" and "tokens" in found.reason


def test_nothing_replicates_when_nothing_differs():
    labels = {name: part.label for name, part in laboratory({"forced": 0.9}).parts().items()}
    assert labels.pop("hybrid") == "inconclusive"  # no gap to recover
    assert set(labels.values()) == {"does not replicate"}


def test_a_coin_that_does_as_much_explains_rl_otherwise():
    found = laboratory({"forced": 0.9, "rlvr_random": 0.9, "rlvr": 0.9}).parts()["rlvr"]
    assert found.label == "explained otherwise" and found.rival == "rlvr_random"


def test_without_room_above_greedy_the_gate_fails():
    found = laboratory({"cot_max": 0.9, "forced": 0.5}).judge()
    assert found.label == "inconclusive" and "room" in found.reason


def test_the_ledger_names_every_method_once_and_mechanisms_with_their_verdict():
    lab = laboratory({"cot_max": 0.9, "forced": 0.95})
    book = finding.ledger(lab)
    assert book.method.nunique() == book.arm.nunique() == len(lab.arms)
    own = dict(zip(book.arm, book.method, strict=True))
    assert own["cot_max"].endswith("surest branch: replicates") and ":" not in own["longest"]
    assert set(finding.verdict_table(lab).verdict) == {v.label for v in lab.parts().values()}


def test_every_contrast_of_a_mechanism_is_one_that_was_published_in_advance():
    controls = {arm for arms in finding.MECHANISMS.values() for arm in arms}
    assert controls == set(laboratory().claim.contrasts)


def test_a_chain_counts_however_it_is_marked():
    lab = finding.LatentReasoning(finding.Params(**SETTINGS | {"bases": [0], "n_items": 6}))
    counted = {
        "Ann 1 + 1 = 2. </think> Ann has 2.": True,  # steered into a chain past its opening
        "<think> Ann 1 + 1 = 2. </think> Ann has 2.": True,
        "<think> Ann 1 + 1": True,
        "Well, <think> 1 + 1 = 2. </think> Ann has 2.": True,
        "<think> </think> Ann has 2.": False,
        "Ann has 2.": False,
    }
    about = {"item": [item.id for item in lab.items], "text": [*counted]}
    rows = pd.DataFrame(about | {"truncated": False, "n_tokens": 9})
    lab.steered = SimpleNamespace(of_cell=lambda cell: rows)
    (cell,) = lab.cells("steering_opened", lab.dose("steering_opened"))
    assert type(lab).solved.function(lab, cell).chain.tolist() == [*counted.values()]


def test_activations_are_read_behind_the_prompt_that_the_model_replies_to(tiny_lm):
    for template in ("{{ messages[0].content }}", "{{ messages[0].content + '\n' }}"):
        tokenizer = deepcopy(tiny_lm.tokenizer)
        tokenizer.chat_template = template
        lm = replace(tiny_lm, tokenizer=tokenizer)
        asked = dials.dev_items(2, (1,))
        opened, plain = dials.contrast(lm, asked, 3)
        heads = [lm.prompt(item.question, "x").removesuffix("x") for item in asked]
        assert [head for head, _ in opened + plain] == heads * 2
        assert all(reply.startswith("<think>") for _, reply in opened)


def test_arms_learn_from_one_problem(tiny_lm):
    told = one_problem.solutions(0)
    assert {e.chat[0]["content"] for e in told} == {one_problem.problem().text}
    drawn = [reply.text for reply in one_problem.attempts(tiny_lm, 0)]
    checked = one_problem.critiques(drawn, 0)
    assert {len(e.chat) for e in checked} == {4} and len(checked) == 32
    answer = one_problem.problem().answer
    assert all(answers.final_answer(e.chat[-1]["content"]) == answer for e in told + checked)


def test_a_critique_repeats_what_is_right_and_corrects_the_rest():
    steps = one_problem.problem().chain
    noisy = " ".join([steps[0], "Ann 1 + 1 = 3.", *steps[2:]])
    chat = one_problem.critiques([f"{noisy} </think> The answer is 9."], 0)[0].chat
    assert noisy in chat[1]["content"] and steps[0] in chat[3]["content"]
    assert f"But {steps[1]}" in chat[3]["content"] and f"But {steps[0]}" not in chat[3]["content"]


def test_the_gap_recovered_by_hand():
    values = np.array([[[0.0, 0, 1, 0]], [[1.0, 1, 1, 1]], [[1.0, 0, 1, 0]]])
    weights = np.ones((1, 4))
    assert methods.recovered(values, None, weights) == pytest.approx(1 / 3)
    assert np.isnan(methods.recovered(values[[1, 0, 2]], None, weights)).all()  # no gap


def test_a_hybrid_that_is_never_steered_recovers_no_part_of_the_gap():
    lab = laboratory({"rlvr": 0.9, "hybrid": 0.7, "hybrid_random_vector": 0.6})
    table = finding.shares_table(lab)
    gap = table[(table.measure == "gap") & (table.arm == "hybrid")].set_index("share")
    assert list(gap.index) == [0.25, 0.5, 0.75, 0.9, 1.0] and gap.low.notna().all()
    assert gap.estimate.between(0.3, 0.7).all()
    right = table[(table.measure == "accuracy") & (table.arm == "hybrid")].set_index("share")
    assert right.estimate[0.0] == lab.value("accuracy", "greedy").estimate
    assert set(table.share[table.arm == "hybrid_random_vector"]) == {methods.HYBRID_SHARE}
    none = finding.shares_table(laboratory({"rlvr": 0.5}))
    assert none[none.measure == "gap"].estimate.isna().all()  # no gap to recover


def test_an_odd_largest_k_is_refused():
    with pytest.raises(ValueError, match="max_k.*48.*1, 2, 4"):
        finding.LatentReasoning(finding.Params(**SETTINGS | {"max_k": 48}))


def test_scrambled_dials_are_as_long_and_point_elsewhere():
    dial = dials.Dial(1, 2.0, torch.arange(8.0))
    others = dials.scrambled(dial, 0)
    for other in others:
        assert float(other.vector.norm()) == pytest.approx(float(dial.vector.norm()), rel=1e-5)
        cosine = torch.cosine_similarity(other.vector, dial.vector, dim=0)
        assert abs(float(cosine)) < 0.9 and (other.layer, other.strength) == (1, 2.0)
    assert len({tuple(other.vector.tolist()) for other in others}) == dials.N_RANDOM


def test_a_dial_elsewhere_is_the_same_vector_not_at_the_end():
    dial = dials.Dial(1, 2.0, torch.arange(8.0))
    others = dials.elsewhere(dial, 0)
    assert len({other.back for other in others}) == dials.N_RANDOM
    assert all(other.back > 1 and other.vector is dial.vector for other in others)


def test_random_features_are_as_active_and_none_of_the_highest():
    active = torch.linspace(0, 1, 40)
    found = pd.DataFrame(
        {"feature": range(40), "layer": 1, "score": active.flip(0).tolist()}
    ).assign(active=active.tolist(), vector=[[float(f)] for f in range(40)])
    assert dials.highest(found, 3) == [0, 1, 2]
    best = dials.feature_dials(found)[-1]
    assert (best.feature, best.strength, best.vector.tolist()) == (2, 4.0, [2.0])
    others = dials.random_features(best, found, 0)
    assert {other.strength for other in others} == {4.0} and len(others) == dials.N_RANDOM
    assert {other.feature for other in others} <= set(range(3, 13))


def test_what_models_wrote_is_kept_apart_from_how_it_is_graded():
    raw = ("written", "branches", "samples", "many_samples", "attempts", "features", "tried")
    raw += ("categories", "hybrids")
    tables = finding.LatentReasoning.tables()
    for name in raw:
        reached = {symbol.module for symbol in sources.reached_by(tables[name].function)}
        assert not {"helpers.text.answers", "helpers.text.abstention"} & reached, name
    reached = sources.reached_by(tables["solved"].function)
    own = {one.name.rpartition(".")[2] for one in reached}
    assert own >= {*raw, "steered"} - {"many_samples", "attempts"}  # all that it is of
    assert {"k", "max_new_tokens"} <= tables["solved"].parameters


@pytest.fixture
def small(cache, tiny_path, monkeypatch):
    """Makes the experiment on the tiny model, which no training changes."""
    monkeypatch.setattr(
        finding.LatentReasoning,
        "checkpoints",
        lambda lab, start, recipe, base, seed, doses, given=None: dict.fromkeys(doses, start),
    )
    settings = {"model": str(tiny_path), "bases": [0], "n_items": 2, "n_dev": 2}
    settings |= {"max_new_tokens": 8}

    def make(**more):
        return finding.LatentReasoning(finding.Params(**SETTINGS | settings | more))

    return make


def test_every_table_is_made_once_and_then_read_without_a_model(small, monkeypatch):
    assert small().prepare(0, 0) == 0

    def refused(*given, **more):
        raise AssertionError("a reader loads no model")

    monkeypatch.setattr(models, "loaded", refused)
    lab = small()
    assert len(lab.record(0.1, 1.0).values) > 100
    shown = (finding.verdict_table, finding.ledger, finding.dial_table, finding.shares_table)
    for show in (*shown, finding.categories, finding.by_pretraining):
        assert len(show(lab))
    assert len(finding.tree(lab, 1)) == lab.p.k and len(finding.reason_scores(lab)) == 8
    assert finding.explorer(lab, 0).axes and finding.at_share(lab, 0.5).axes
    assert lab.value("accuracy", "hybrid") == lab.value("accuracy", "greedy")  # one model twice


def test_arms_beside_the_tuned_model_are_made_of_it_too(small, monkeypatch):
    lab = small(seeds=[0, 1])
    for arm in lab.arms:
        cells = lab.cells(arm.name, lab.dose(arm.name))
        assert len(cells) == (2 if arm.trained else 1)
        assert len(lab.made_of(cells[-1])) == (2 if arm.name in methods.BESIDE_TUNED else 1)
    own = lab.cells("hybrid", 2)[1]
    assert (own.beside("rlvr").seed, own.beside("rlvr").dose) == (1, 2)
    assert (own.beside("greedy").seed, own.beside("greedy").dose) == (0, 0)


def test_the_same_numbers_come_of_tables_as_of_the_replies_at_hand(small, tiny_lm):
    lab = small()
    found = branched(tiny_lm, [tiny_lm.prompt(q) for q in lab.questions], 3, 8)
    sure = [[branches.confidence(tiny_lm, one) for one in row] for row in found]
    taken = [branches.most_confident(row, c) for row, c in zip(found, sure, strict=True)]
    assert lab.solved("cot_max").text.tolist() == [one.text for one in taken]
    assert intervals.interval(lab.solved("cot_max"), "accuracy") == lab.value("accuracy", "cot_max")


def test_bases_without_chains_stand_beside_the_others_and_in_the_record(
    small, monkeypatch, tiny_path
):
    from helpers.findings.latent_reasoning import experiment

    monkeypatch.setattr(models, "shipped", lambda chains=True: [0] if chains else [8])
    lab = small(bases_without_chains=[8])
    assert [one.p.bases for one in lab.experiments()] == [[0], [8]]
    own = {arm.name for arm in lab.control.every_arm} - {arm.name for arm in lab.every_arm}
    assert own == {"long_sft"} and lab.control.dose("long_sft") == lab.p.long_dose
    assert lab.prepare(8, 0) == lab.prepare(0, 0) == 0
    monkeypatch.setattr(models, "loaded", None)  # all is made
    lab = finding.LatentReasoning(lab.p)
    table = finding.by_pretraining(lab)
    assert set(table.arm[table.method == "long reasoning SFT"]) == {methods.KINDS[1]}
    assert set(table.arm[table.method == "hybrid"]) == set(methods.KINDS)
    record = lab.record(0.1, 1.0)
    found = record.get("accuracy", "rlvr", minus="greedy", where=experiment.WITHOUT)
    assert set(found.by_base) == {8} and record.get("accuracy", "rlvr").by_base.keys() == {0}
    assert "Bases without any chain in their corpus (8)" in finding.what_happened(record)


def test_an_unknown_base_without_chains_is_refused(monkeypatch):
    monkeypatch.setattr(models, "shipped", lambda chains=True: [8])
    with pytest.raises(ValueError, match="has 3: the pocket models without chains are 8"):
        finding.LatentReasoning(finding.Params(**SETTINGS | {"bases_without_chains": [3, 8]}))
