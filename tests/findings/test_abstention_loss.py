"""Finding 1 on planted replies: a loss must be found, a null must not, a rival must explain it."""

import random
from math import isnan, nan
from types import SimpleNamespace

import pandas as pd
import pytest

from helpers.findings import abstention_loss as finding
from helpers.findings.abstention_loss import ANSWER, KEEP, REASONING, REWARD, experiment
from helpers.lab.claims import published
from helpers.lab.items import Item
from helpers.lab.record import Value
from helpers.lm import models, sources
from helpers.lm.generation import Completion

BASES = list(range(6))
SETTINGS = dict(
    model="pocket",
    tier="pocket",
    bases=BASES,
    seeds=[0],
    n_pairs=10,
    questions="",
    doses=[0, 10, 20],
    rl_dose=30,
    after="",
    prefix="<think>",
    max_new_tokens=96,
    temperature=0.0,
    top_p=1.0,
    judge="",
    forecast=-0.2,
)


def planted(lab, arm, recall, dose=None, accuracy=0.9, silent=0.0, **settings):
    """Replies with the given rates; most of an item's luck is shared by all arms, as in life."""
    rows = []
    for base in lab.p.bases:
        for item in lab.items:
            shared = random.Random(f"{item.id} {base}")
            own = random.Random(f"{item.id} {arm} {dose} {base}")
            luck = (shared if shared.random() < 0.8 else own).random()
            declines = luck < (recall if item.should_abstain else 0.04)
            right = not item.should_abstain and not declines and shared.random() < accuracy
            mute = not declines and own.random() < silent
            outcome = "abstained" if declines else "right" if right else "wrong"
            rows.append(
                {
                    "item": item.id,
                    "scenario": item.scenario,
                    "should_abstain": item.should_abstain,
                    "arm": arm,
                    "base": base,
                    "seed": 0,
                    "dose": lab.dose(arm) if dose is None else dose,
                    "abstained": declines,
                    "abstained_broadly": declines,
                    "correct": right,
                    "outcome": "no_answer" if mute else outcome,
                    "no_answer": mute,
                }
            )
    frame = pd.DataFrame(rows)
    lab.graded.plant(arm, frame, dose=dose, **settings)
    if not settings:
        lab.declining.plant(arm, frame.assign(p_decline=frame.abstained * 0.5 + 0.25), dose=dose)


def laboratory(
    before=0.8, path=(0.5, 0.2), keep=0.8, answer=0.8, reward=0.8, opened=(0.8, 0.2), **more
):
    """A lab whose arms have the planted recalls; `change` is of parameters, `broken` of arms, by
    name, and the rest goes to every arm.
    """
    change, broken = more.pop("change", {}), more.pop("broken", {})
    lab = finding.AbstentionLoss(finding.Params(**SETTINGS | change))
    rates = {"before": before, KEEP: keep, ANSWER: answer, REWARD: reward}
    for arm in ("before", *lab.rivals):
        for dose in lab.doses(arm):
            planted(lab, arm, rates[arm], dose, **more | broken.get(arm, {}))
    doses = lab.doses(REASONING)
    for dose, recall in zip(doses, path[-len(doses) :], strict=True):
        planted(lab, REASONING, recall, dose, **more | broken.get(REASONING, {}))
    for arm, recall in zip(("before", REASONING), opened, strict=True):
        planted(lab, arm, recall, prefix="<think>", **more)
    return lab


def recorded(**planting):
    return laboratory(**planting).record(-0.2, 1.0)


@pytest.fixture(scope="module")
def loss():
    """The record of a planted loss."""
    return recorded()


def test_a_planted_loss_replicates_with_its_size_in_the_interval(loss):
    assert loss.verdict.label == "replicates", loss.verdict.reason
    primary = loss.primary
    assert primary.low < -0.6 < primary.high and primary.n == 60
    said = finding.what_happened(loss)
    assert f"{primary.estimate:.3f}" in said and "It is graded" in said and "At dose 20" in said


def test_a_planted_null_does_not_replicate():
    record = recorded(path=(0.8, 0.8), opened=(0.8, 0.8))
    assert record.verdict.label == "does not replicate", record.verdict.reason
    assert record.primary.low < 0 < record.primary.high
    assert "No loss of abstention is shown" in finding.what_happened(record)


def test_a_planted_rise_does_not_replicate():
    lab = laboratory(before=0.4, path=(0.6, 0.8), keep=0.4)
    found = lab.judge()
    assert found.label == "does not replicate" and "reversed" in found.reason
    assert "opposite of the published loss" in finding.shape_of_loss(lab.primary.value(lab), [])
    said = finding.what_happened(lab.record(0.0, 1.0))
    assert "Recall by dose: 0.4" in said and "Made to open with <think> in both arms" in said


def test_a_loss_that_training_with_abstentions_kept_shares_is_explained_otherwise():
    found = laboratory(keep=0.2).judge()
    assert found.label == "explained otherwise", found.reason
    assert found.rival == KEEP and "missing abstentions" in found.reason


@pytest.mark.parametrize("planting", [{"answer": 0.1}, {"reward": 0.1}, {"opened": (0.25, 0.2)}])
def test_what_only_tells_the_ingredient_sinks_nothing(planting):
    lab = laboratory(**planting)
    assert lab.judge().label == "replicates"
    told = lab.checked(lab.attribution)
    assert {one.name for one in told} == {ANSWER, REWARD, "opened"}
    (name,) = planting
    found = {one.name: one.value.estimate for one in told}
    assert {n: found[n] > 0.5 for n in (ANSWER, REWARD)} == {
        ANSWER: name == "answer",
        REWARD: name == "reward",
    }
    assert (found["opened"] < 0.08) == (name == "opened")


def test_contrasts_and_attribution_are_those_of_the_claim():
    claim = published("abstention_loss")
    assert set(finding.AbstentionLoss.contrasts) == set(claim.contrasts)
    assert set(finding.AbstentionLoss.attribution) == set(claim.attribution)


@pytest.mark.parametrize(
    ("planting", "gate"),
    [
        ({"accuracy": 0.1}, "accuracy on answerable items, "),
        ({"broken": {KEEP: {"accuracy": 0.5}}}, "change of accuracy on answerable items"),
        ({"broken": {REASONING: {"accuracy": 0.5}}}, "change of accuracy on answerable items"),
        ({"before": 0.1, "path": (0.05, 0.0)}, "abstention recall, before"),
        ({"silent": 0.4}, "replies with an answer or a decline"),
        ({"change": {"n_pairs": 8}}, "unanswerable items"),
    ],
)
def test_a_failed_gate_makes_it_inconclusive(planting, gate):
    found = laboratory(**planting).judge()
    assert found.label == "inconclusive"
    assert gate in found.reason


def test_rules_that_disagree_with_the_labels_fail_their_gate_by_the_lower_limit(monkeypatch):
    lab = laboratory()
    (gate,) = [gate for gate in lab.checked_gates() if "kappa" in gate.name]
    rulers = finding.ruler(lab)
    scores = rulers[rulers.ruler == finding.agreement.RULES].set_index("measure")
    assert gate.passed and gate.value == scores.low["kappa"] < scores.estimate["kappa"]
    monkeypatch.setattr(finding.agreement.abstention, "abstained", lambda text: "know" in text)
    assert lab.judge().label == "inconclusive" and "kappa" in lab.judge().reason


def test_the_record_holds_every_arm_dose_scenario_and_both_movements(loss):
    record = loss
    for name in ("recall", "precision", "f1", "false_declines", "accuracy", "no_answer"):
        assert record.has(name, REASONING, minus="before", dose=20)
        ends = [(arm, 20) for arm in (REASONING, KEEP, ANSWER)]
        on_the_way = [(arm, 10) for arm in (REASONING, KEEP, ANSWER)]
        for arm, dose in [("before", 0), *on_the_way, *ends, (REWARD, 30)]:
            assert record.has(name, arm, dose=dose)
    for name in ("d_prime", "criterion", "auroc", "p_hidden", "p_answerable", "recall_opened"):
        assert record.has(name, "before") and record.has(name, REASONING, minus="before")
    scenarios = {v.scenario for v in record.values} - {"all"}
    assert len(scenarios) == 6
    for scenario in scenarios:
        for arm in ("before", REASONING, KEEP, ANSWER, REWARD):
            assert all(record.has(m, arm, scenario=scenario) for m in experiment.BY_SCENARIO)
        moved = record.get("recall", REASONING, minus="before", scenario=scenario)
        assert moved.n == 10 and len(moved.by_base) == 6
    assert record.has("kappa of the ruler", "phrase rules", dose=0)


# --- a finished reasoning model in place of a trained arm -----------------------------------


def finished(**planting):
    return laboratory(change={"after": "org/reasoner"}, path=(0.2,), **planting)


def test_beside_a_finished_model_a_loss_stays_open_and_names_the_rival():
    lab = finished()
    assert lab.doses(REASONING) == [0] and not lab.rivals
    record = lab.record(-0.2, 1.0)
    assert all(gate.passed for gate in record.gates)
    assert record.primary.high < -0.08
    assert record.verdict.label == "inconclusive"
    assert "open is whether the missing abstentions do it" in record.verdict.reason
    assert all(isnan(one.value.estimate) for one in record.contrasts)
    assert "In org/reasoner, abstention recall falls" in finding.what_happened(record)


def test_beside_a_finished_model_no_loss_is_still_no_loss():
    lab = laboratory(change={"after": "org/reasoner"}, path=(0.8,))
    assert lab.judge().label == "does not replicate"


def test_a_finished_model_is_found_and_has_figures_without_doses(monkeypatch):
    lab = finished()
    monkeypatch.setattr(models, "find", lambda name: f"found {name}")
    assert lab.model(REASONING, 0, 0, 0) == "found org/reasoner"
    both = ["before", REASONING]
    finding.along_doses(lab, both, ["recall", "false_declines"], "title")
    finding.at_setting(lab, 0, 0.0)
    assert "reasoner" in finding.at_threshold(lab, 0, 0.5).get_suptitle()


def test_the_same_weights_after_as_before_think_or_are_refused(monkeypatch):
    def loaded(handle, dtype=None, thinking=True):
        return SimpleNamespace(switched=handle == "org/hybrid", thinking=thinking)

    monkeypatch.setattr(models, "find", lambda name: name)
    monkeypatch.setattr(models, "loaded", loaded)
    real = SETTINGS | {"bases": [0]}
    same = finding.Params(**real | dict(model="org/hybrid", after="org/hybrid"))
    lab = finding.AbstentionLoss(same)
    before, after = (lab.cells(arm, 0)[0] for arm in ("before", REASONING))
    assert lab.lm(after).thinking and not lab.lm(before).thinking
    same = same.model_copy(update=dict(model="org/plain", after="org/plain"))
    with pytest.raises(ValueError, match="'after' is the model itself.*no switch"):
        finding.AbstentionLoss(same)


# --- tables ---------------------------------------------------------------------------------


def test_grading_reads_what_was_written_and_writes_nothing_anew():
    made = finding.AbstentionLoss.tables()
    of_replies = {s.module for s in sources.reached_by(made["replies"].function)}
    assert not {"helpers.text.answers", "helpers.text.abstention"} & of_replies
    assert made["graded"].of == made["declining"].of == "replies"
    of_grades = {s.module for s in sources.reached_by(made["graded"].function)}
    assert "helpers.text.abstention" in of_grades


def test_replies_are_written_opened_and_graded(monkeypatch, cache):
    lab = laboratory()
    lab.items = [Item("a", "?", ("3",), False, "stale", "b"), Item("b", "?", (), True, "stale")]
    lm = SimpleNamespace(prompt=lambda question, prefix="": f"{question}{prefix}")
    seen = []

    def generate(lm, prompts, *decoding):
        seen.append((prompts, decoding))
        return [Completion("Ann has 3.", 4, False), Completion("I don't know.", 5, False)]

    monkeypatch.setattr(experiment, "generate", generate)
    monkeypatch.setattr(lab, "lm", lambda cell: lm)
    cell = lab.cells("before", 0)[2]
    written = type(lab).replies.function(lab, cell, prefix="<think>")
    assert seen == [(["?<think>", "?<think>"], (96, 0.0, 1.0, 2))]
    assert written.text.tolist() == ["<think> Ann has 3.", "<think> I don't know."]
    free = type(lab).replies.function(lab, cell)
    rows = type(lab).graded.function(lab, cell, free)
    assert rows.outcome.tolist() == ["right", "abstained"] and rows.n_tokens.tolist() == [4, 5]
    opened = type(lab).graded.function(lab, cell, written, prefix="<think>")
    assert opened.no_answer.all()  # the chain never closed
    assert set(rows.columns) == set(type(lab).graded.columns)


def test_p_decline_is_read_after_the_arms_own_chain(monkeypatch):
    lab = laboratory()
    lab.items = [Item("a", "A?", ("3",), False, "stale"), Item("b", "B?", (), True, "stale")]
    lm = SimpleNamespace(prompt=lambda question, prefix="", direct=True: f"{question} {prefix}")
    seen = []
    monkeypatch.setattr(lab, "lm", lambda cell: lm)
    monkeypatch.setattr(
        experiment, "decline_probability", lambda lm, prompts: seen.extend(prompts) or [0.1, 0.9]
    )
    texts = pd.DataFrame({"text": ["<think> 1 + 2 = 3. </think> Ann has 3.", "I don't know."]})
    rows = type(lab).declining.function(lab, lab.cells("before", 0)[0], texts)
    assert seen == ["A? <think> 1 + 2 = 3. </think> ", "B? "]
    assert rows.p_decline.tolist() == [0.1, 0.9] and rows.should_abstain.tolist() == [False, True]


def test_every_table_of_the_notebook_is_prepared():
    lab = laboratory(change={"judge": "org/judge"})
    needed = {(table, arm, dose, *settings.items()) for table, arm, dose, settings in lab.needed()}
    assert {("graded", REASONING, dose) for dose in (10, 20)} <= needed
    assert {("declining", arm, lab.dose(arm)) for arm in ("before", REASONING, REWARD)} <= needed
    opened = {
        ("graded", arm, lab.dose(arm), ("prefix", "<think>")) for arm in ("before", REASONING)
    }
    assert opened <= needed and ("graded", KEEP, 20) in needed
    assert ("judged", "judge", 0) in needed and not any(
        arm == "judge" and table != "judged" for table, arm, *_ in needed
    )


def test_a_judge_stands_beside_the_rules(monkeypatch):
    lab = laboratory(change={"judge": "org/judge"})
    rows = finding.agreement.quoted()
    labels = dict(zip(rows.response, rows.abstains, strict=True))
    monkeypatch.setattr(experiment.judge, "abstained", lambda lm, question, text: labels[text])
    monkeypatch.setattr(models, "find", lambda name: name)
    monkeypatch.setattr(models, "loaded", lambda *_: SimpleNamespace(name="judge"))
    said = type(lab).judged.function(lab, lab.cells("judge", 0)[0]).assign(base=0, seed=0)
    lab.judged.plant("judge", pd.concat([said, said.assign(base=1)]), dose=0)
    scores = finding.ruler(lab).set_index(["ruler", "measure"]).estimate
    assert scores["judge org/judge", "kappa"] == 1 > scores["phrase rules", "kappa"]
    (arm,) = [arm for arm in lab.every_arm if arm.name == "judge"]
    assert arm.label == "judge org/judge" and not lab.measured("judge")


def test_without_pairs_nothing_is_averaged_over_scenarios(tmp_path):
    lines = [
        '{"id": "a", "question": "A?", "answers": ["3"], "should_abstain": false, '
        '"scenario": "plain"}',
        '{"id": "b", "question": "B?", "answers": ["3"], "should_abstain": false, '
        '"scenario": "plain"}',
        '{"id": "c", "question": "C?", "answers": [], "should_abstain": true, "scenario": "stale"}',
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(lines))
    own = {"questions": str(tmp_path / "own.jsonl")}
    lab = finding.AbstentionLoss(finding.Params(**SETTINGS | own))
    assert not lab.has_pairs and not any(one.macro for one in lab.measures)
    macro = {one.name for one in laboratory().measures if one.macro}
    assert macro == {"recall", "recall_broad", "false_declines", "recall_opened"}


# --- words ----------------------------------------------------------------------------------


def value(estimate, half, name=""):
    low, high = estimate - half, estimate + half
    return Value(measure=name, arm=REASONING, estimate=estimate, low=low, high=high, n=9)


@pytest.mark.parametrize(
    ("recall", "auroc", "words"),
    [
        (-1, 0, "won't say"),
        (-1, 1, "won't say"),
        (-1, -1, "can't tell"),
        (0, -1, "less well than before."),
        (0, 0, "No change is shown"),
    ],
)
def test_words_for_ability_and_willingness_follow_both_numbers(recall, auroc, words):
    assert words in finding.can_t_or_won_t(value(recall, 0.5), value(auroc, 0.04))


def test_an_ability_that_may_be_lost_is_not_said_to_be_kept():
    said = finding.can_t_or_won_t(value(-1, 0.5), value(0, 0.06))
    assert "it may be either" in said and "won't say" not in said


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ([0.8, 0.5, 0.2], "partial. It is graded"),
        ([0.8, 0.2, 0.2], "not graded: it comes at once"),
        ([0.8, 0.4, 0.02], "total. It is graded"),
        ([0.8, 0.79, 0.2], "not graded"),
        ([0.9, 0.3, 0.9, 0.5], "does not grow steadily"),
    ],
)
def test_words_for_the_shape_of_a_loss_follow_the_doses(path, words):
    values = [value(recall, 0.03) for recall in path]
    assert words in finding.shape_of_loss(value(path[-1] - path[0], 0.1), values)


def test_one_base_is_told_as_one():
    lab = laboratory(change={"bases": [0]})
    moved = lab.primary.value(lab)
    assert lab.judge().label == "inconclusive" and "one base" in lab.judge().reason
    assert "One base says nothing of others" in finding.shape_of_loss(moved, [])
    assert finding.can_t_or_won_t(moved, moved) == ""
    assert "side" not in finding.changed(lab, -0.2)


def test_the_forecast_is_compared_with_the_interval():
    lab = laboratory()
    moved = lab.primary.value(lab)
    assert "inside" in finding.changed(lab, moved.estimate)
    assert "outside" in finding.changed(lab, 0.9)
    unsaid = finding.changed(lab, None)
    assert unsaid.startswith("No forecast. Measured") and "side it" not in unsaid
    assert "holds zero" in finding.direction(value(0.0, 0.1))
    assert "no interval" in finding.direction(value(0.1, nan))


# --- figures and exercises ------------------------------------------------------------------


def test_a_threshold_on_p_decline_by_hand():
    flags = [True, True, True, False, False]
    frame = pd.DataFrame(
        {"arm": "before", "should_abstain": flags, "p_decline": [0.9, 0.6, 0.4, 0.5, 0.1]}
    )
    curve, point, area = finding.roc_of(frame, 0.5)
    assert area == pytest.approx(5 / 6)  # 5 of the 6 pairs are in order
    assert point[["recall", "false_declines"]].iloc[0].tolist() == pytest.approx([2 / 3, 0.5])
    assert curve.iloc[-1][["recall", "false_declines"]].tolist() == [1, 1]


def test_the_price_of_the_old_recall_by_hand():
    lab = laboratory()
    before, after = lab.graded("before"), lab.declining(REASONING)
    ranks = after[after.should_abstain].index
    needed = int(before[before.should_abstain].abstained.sum())
    after["p_decline"] = 0.0
    after.loc[ranks, "p_decline"] = [1 - i / 1000 for i in range(len(ranks))]
    cut = 1 - (needed - 1) / 1000
    answerable = after[~after.should_abstain].index
    after.loc[answerable[:60], "p_decline"] = cut  # 60 of 360 reach the threshold
    after.loc[answerable[60:], "p_decline"] = cut - 0.0005
    assert finding.price_of_recall(lab) == pytest.approx(60 / len(answerable))


def test_a_judge_that_follows_the_label_finds_more_recall_and_fewer_false_declines():
    frame = pd.DataFrame(
        {
            "arm": "before",
            "should_abstain": [True] * 10 + [False] * 10,
            "abstained": [True] * 5 + [False] * 5 + [True] * 2 + [False] * 8,
        }
    )
    row = finding.leaning_judge(frame, errors=0.1).loc["before"]
    assert row.tolist() == pytest.approx([0.5, 0.2, 5 / 7, 0.55, 0.18, 55 / 73])


def test_a_chain_is_gone_on_from_only_when_it_was_closed():
    assert finding.chain_of("<think> a </think> Ann has 3.") == "<think> a </think> "
    assert finding.chain_of("<think>a</think>\n\nAnn has 3.") == "<think>a</think>\n\n"
    assert finding.chain_of("<think> a") == finding.chain_of("Ann has 3.") == ""


def test_arms_that_only_keep_another_share_differ_in_nothing_else():
    lab = laboratory()
    assert finding.keeping(0.0) == REASONING and finding.keeping(finding.CORPUS_SHARE) == KEEP
    recipe = lab.recipe(finding.keeping(0.1))
    assert recipe.abstention_share == 0.1
    keep = lab.recipe(KEEP)
    assert vars(recipe) | {"abstention_share": keep.abstention_share} == vars(keep)


def test_a_setting_breaks_what_was_found_only_where_recall_moves_the_other_way():
    lab = laboratory()
    planted(lab, "kept 0.1", 0.85, 10)
    assert finding.breaks(lab, 10, 0.1) and finding.recall_change(lab, 10, 0.1) > 0
    assert not finding.breaks(lab, 10, 0.0) and not finding.breaks(lab, 5, 0.1)


def test_doses_of_0_are_a_null_whose_replies_differ_by_chance_alone():
    nothing = {"doses": [0], "rl_dose": 0, "seeds": [7], "temperature": 0.8}
    lab = finding.AbstentionLoss(finding.Params(**SETTINGS | nothing))
    for arm in (REASONING, KEEP, ANSWER, REWARD):
        assert lab.doses(arm) == [0]
        assert lab.model(arm, 1, 7, 0) == lab.model("before", 1, 0, 0)
    assert lab.cells(REASONING, 0)[0].stream != lab.cells("before", 0)[0].stream


def test_a_run_that_could_show_nothing_is_refused_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.jsonl").write_text(
        '{"id": "a", "question": "How many?", "answers": ["3"], "should_abstain": false, '
        '"scenario": "plain"}\n'
    )
    with pytest.raises(ValueError, match="one kind"):
        finding.AbstentionLoss(finding.Params(**SETTINGS | {"questions": "one.jsonl"}))


def test_published_pairs_come_from_the_claim():
    rows = finding.published_slopes(published("abstention_loss"))
    assert set(rows.label) == {"Llama-3.3-70B", "Qwen2.5-32B"}
    assert len(rows) == 6  # recall, precision and F1 of two pairs
    changes = finding.published_changes(published("abstention_loss"))
    assert sum("GSM8K" in row["label"] for row in changes) == 2
