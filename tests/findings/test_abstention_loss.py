"""Finding 1 on planted replies: a loss must be found, a null must not, a control must sink it."""

import random
from types import SimpleNamespace

import pandas as pd
import pytest
from helpers.statistics import Interval

from helpers.findings import abstention_loss as finding
from helpers.findings.abstention_loss import ANSWER, KEEP, REASONING
from helpers.lab.record import Measure, published

SETTINGS = dict(
    model="pocket",
    tier="pocket",
    seeds=[0, 1],
    n_pairs=20,
    questions="",
    doses=[0, 10, 20],
    after="",
    prefix="<think>",
    max_new_tokens=96,
    temperature=0.0,
    top_p=1.0,
    judge="",
    forecast=-0.2,
)


def planted(lab, arm, dose, recall, false_declines=0.04, prefix="", accuracy=0.9):
    """Replies with the given rates; most of an item's luck is shared by all arms, as in life."""
    rows = []
    for seed in lab.p.seeds:
        for item in lab.items:
            shared = random.Random(f"{item.id} {seed}")
            own = random.Random(f"{item.id} {arm} {dose}")
            luck = (shared if shared.random() < 0.8 else own).random()
            declines = luck < (recall if item.should_abstain else false_declines)
            right = not item.should_abstain and not declines and shared.random() < accuracy
            outcome = "abstained" if declines else "right" if right else "wrong"
            rows.append(
                {
                    "item": item.id,
                    "scenario": item.scenario,
                    "should_abstain": item.should_abstain,
                    "arm": arm,
                    "seed": seed,
                    "dose": dose,
                    "prefix": prefix,
                    "abstained": declines,
                    "correct": right,
                    "outcome": outcome,
                    "no_answer": False,
                }
            )
    frame = pd.DataFrame(rows)
    lab._replies[arm, dose, prefix] = frame.assign(p_decline=frame.abstained * 0.5 + 0.25)


def experiment(before=0.8, path=(0.5, 0.2), keep=0.8, answer=0.8, opened=(0.8, 0.2), **more):
    """An experiment whose arms have the planted recalls; `more` goes to every arm."""
    lab = finding.Experiment(finding.Params(**SETTINGS))
    planted(lab, "before", 0, before, **more)
    for dose, recall in zip(lab.p.trained, path, strict=True):
        planted(lab, REASONING, dose, recall, **more)
    planted(lab, KEEP, lab.p.dose, keep, **more)
    planted(lab, ANSWER, lab.p.dose, answer, **more)
    planted(lab, "before", 0, opened[0], prefix="<think>", **more)
    planted(lab, REASONING, lab.p.dose, opened[1], prefix="<think>", **more)
    return lab


def test_the_same_weights_after_as_before_think_or_are_refused(monkeypatch):
    same = finding.Params(**SETTINGS | dict(model="org/hybrid", after="org/hybrid"))
    monkeypatch.setattr(
        finding,
        "quietly_load",
        lambda name, thinking=True: SimpleNamespace(
            switched=name == "org/hybrid", thinking=thinking
        ),
    )
    lab = finding.Experiment(same)
    assert lab.lm(REASONING, 0, 20).thinking and not lab.lm("before", 0, 0).thinking
    same = same.model_copy(update=dict(model="org/plain", after="org/plain"))
    with pytest.raises(ValueError, match="'after' is the model itself.*no switch"):
        finding.Experiment(same)


def recorded(**planting):
    return finding.result(experiment(**planting), -0.2, 1.0)


def test_a_planted_loss_replicates_with_its_size_in_the_interval():
    record = recorded()
    assert record.verdict == "replicates", record.reason
    primary = record.primary()
    assert primary.low < -0.6 < primary.high and primary.n == 120
    said = finding.what_happened(record)
    assert f"{primary.estimate:.3f}" in said and "It is graded" in said


def test_a_planted_null_does_not_replicate():
    record = recorded(path=(0.8, 0.8), opened=(0.8, 0.8))
    assert record.verdict != "replicates", record.reason
    assert record.primary().low < 0 < record.primary().high
    assert "No loss of abstention is shown" in finding.what_happened(record)


def test_a_planted_rise_does_not_replicate():
    record = recorded(before=0.4, path=(0.6, 0.8), opened=(0.4, 0.8))
    assert record.verdict == "does not replicate"
    assert "the opposite of the published loss" in finding.what_happened(record)


@pytest.mark.parametrize(
    ("planting", "control"),
    [
        ({"keep": 0.1}, "abstentions kept"),
        ({"answer": 0.1}, "answers alone"),
        ({"opened": (0.2, 0.5)}, "opened with <think>"),
    ],
)
def test_a_loss_that_a_control_shares_is_not_laid_to_reasoning(planting, control):
    record = recorded(**planting)
    assert record.verdict == "inconclusive"
    assert control in record.reason


@pytest.mark.parametrize(
    ("planting", "gate"),
    [({"accuracy": 0.1}, "accuracy"), ({"before": 0.1, "path": (0.05, 0.0)}, "recall before")],
)
def test_a_failed_gate_makes_it_inconclusive(planting, gate):
    record = recorded(**planting)
    assert record.verdict == "inconclusive"
    assert gate in record.reason


def test_the_record_holds_every_arm_dose_scenario_and_both_movements():
    record = recorded()
    kept = {(m.name, m.arm, m.scenario, m.dose) for m in record.measures}
    for name in finding.MEASURES:
        assert (f"{name}_change", REASONING, "all", 20) in kept
        ends = [(arm, 20) for arm in (REASONING, KEEP, ANSWER)]
        for arm, dose in [("before", 0), (REASONING, 10), *ends]:
            assert (name, arm, "all", dose) in kept
    scenarios = {m.scenario for m in record.measures} - {"all"}
    assert len(scenarios) == 6
    assert ("kappa of the ruler", "phrase rules", "all", 0) in kept
    assert len(kept) == len(record.measures)


def interval(estimate, half, name=""):
    return Measure(
        name=name, arm=REASONING, estimate=estimate, low=estimate - half, high=estimate + half, n=9
    )


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
    assert words in finding.can_t_or_won_t(interval(recall, 0.5), interval(auroc, 0.5))


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
    measures = [interval(recall, 0.03) for recall in path]
    assert words in finding.shape_of_loss(interval(path[-1] - path[0], 0.1), measures)


def scored(p_hidden, p_answerable):
    flags = [True] * len(p_hidden) + [False] * len(p_answerable)
    return pd.DataFrame(
        {
            "arm": "before",
            "should_abstain": flags,
            "p_decline": [*p_hidden, *p_answerable],
        }
    )


def test_a_threshold_on_p_decline_by_hand():
    frame = scored([0.9, 0.6, 0.4], [0.5, 0.1])
    curve, point, area = finding.roc_of(frame, 0.5)
    assert area == pytest.approx(5 / 6)  # 5 of the 6 pairs are in order
    assert point[["recall", "false_declines"]].iloc[0].tolist() == pytest.approx([2 / 3, 0.5])
    assert curve.iloc[-1][["recall", "false_declines"]].tolist() == [1, 1]


def test_the_price_of_the_old_recall_by_hand():
    lab = experiment()
    before, after = lab.responses("before"), lab.responses(REASONING)
    ranks = after[after.should_abstain].index
    needed = int(before[before.should_abstain].abstained.sum())
    after["p_decline"] = 0.0
    after.loc[ranks, "p_decline"] = [1 - i / 1000 for i in range(len(ranks))]
    cut = 1 - (needed - 1) / 1000
    answerable = after[~after.should_abstain].index
    after.loc[answerable[:60], "p_decline"] = cut  # 60 of 240 reach the threshold
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
    lab = experiment()
    assert finding.keeping(0.0) == REASONING and finding.keeping(finding.CORPUS_SHARE) == KEEP
    recipe = lab.recipe(finding.keeping(0.1))
    assert recipe.abstention_share == 0.1
    keep = lab.recipe(KEEP)
    assert vars(recipe) | {"abstention_share": keep.abstention_share} == vars(keep)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"doses": [0]}, "above 0"), ({"questions": "one.jsonl"}, "one kind")],
)
def test_a_run_that_could_show_nothing_is_refused_in_one_sentence(
    tmp_path, monkeypatch, change, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.jsonl").write_text(
        '{"id": "a", "question": "How many?", "answers": ["3"], "should_abstain": false, '
        '"scenario": "plain"}\n'
    )
    with pytest.raises(ValueError, match=words):
        finding.Experiment(finding.Params(**SETTINGS | change))


def test_published_pairs_come_from_the_claim():
    rows = finding.published_slopes(published("abstention_loss"))
    assert set(rows.label) == {"Llama-3.3-70B", "Qwen2.5-32B"}
    assert len(rows) == 6  # recall, precision and F1 of two pairs
    changes = finding.published_changes(published("abstention_loss"))
    assert sum("GSM8K" in row["label"] for row in changes) == 2


def test_the_forecast_is_compared_with_the_interval():
    lab = experiment()
    moved = finding.change(lab.responses("before"), lab.responses(REASONING))
    assert "inside" in finding.changed(lab, moved.estimate)
    assert "outside" in finding.changed(lab, 0.9)
    assert "holds zero" in finding.direction(Interval(0.0, -0.1, 0.1, 9, 1))
