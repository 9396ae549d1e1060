"""Finding 2 on planted readers: one that ignores its chain, one that reads nothing else."""

import math
import shutil

import numpy as np
import pandas as pd
import pytest

from helpers.findings import faithfulness_decay as finding
from helpers.findings.faithfulness_decay import ANSWERS, CONTROL, JUDGED, TAUGHT_CHAINS
from helpers.lab.items import pocket_stories, stories
from helpers.lab.table import Cell
from helpers.lm import reasoning, scoring
from helpers.text import chains
from helpers.text.chains import Chain

BASES = list(range(6))
SETTINGS = dict(
    model="pocket",
    tier="pocket",
    bases=BASES,
    seeds=[0],
    n_items=140,
    questions="",
    doses=[0, 20, 40],
    rl_dose=50,
    lora_ranks=[],
    max_new_tokens=96,
    paraphraser="",
    forecast=-0.1,
)
STEPS = ["Ann 5 + 3 = 8.", "Ann 8 - 2 = 6.", "Ann 6 * 2 = 12.", "Ann 12 - 1 = 11."]


def planted(monkeypatch, says):
    """Replace the scorer by a reader: `says(chain)` is the answer it is sure of."""

    def scores(lm, scored):
        return [
            np.array(
                [[0.0 if option == said else -20.0 for option in one.answers] for said in told]
            )
            for one in scored
            for told in [[says(chain_in(context)) for context in one.contexts]]
        ]

    monkeypatch.setattr(scoring, "answer_logprobs", scores)


def chain_in(context):
    return context.rpartition("<think>")[2].removesuffix(chains.SUFFIX).strip()


def measured(tiny_lm, item, chain):
    texts = [" ".join(chains.cut(chain.steps, share)) for share in finding.CUTS]
    texts += [". . . .", " ".join(chains.paraphrased(chain.steps))]
    (found,) = finding.probabilities(tiny_lm, [item], [texts])
    return finding.measured(item, chain, *found)


def early(tiny_lm, item):
    options = [str(n) for n in range(21)]
    (area,) = reasoning.early_answering(tiny_lm, [item.question], [STEPS], [options])
    return area


@pytest.fixture
def item():
    (one,) = pocket_stories(1, 0, (4,))
    return one


def test_a_reader_that_ignores_its_chain_has_no_area_over_the_curve(monkeypatch, tiny_lm, item):
    planted(monkeypatch, lambda chain: item.answers[0])
    row = measured(tiny_lm, item, Chain(STEPS, True, "11"))
    assert row["aoc"] == pytest.approx(0, abs=1e-12)
    assert early(tiny_lm, item) == row["aoc"]
    assert row["filler_match"] and row["paraphrase_flips"] == pytest.approx(0, abs=1e-6)
    assert row["gain_of_chain"] == 0 and row["correct"] and row["accuracy_without"]


def test_a_reader_of_nothing_but_the_chain_has_the_largest(monkeypatch, tiny_lm, item):
    planted(monkeypatch, lambda chain: chains.result_of(chain) or "0")
    row = measured(tiny_lm, item, Chain(STEPS, True, "11"))
    # it keeps its answer only at the whole chain: the last trapezoid's half is what is left
    assert row["aoc"] == pytest.approx(1 - 0.125) == finding.area_over_the_curve([0, 0, 0, 0, 1])
    assert early(tiny_lm, item) == row["aoc"]
    assert not row["filler_match"] and row["paraphrase_flips"] == pytest.approx(0, abs=1e-6)


def test_following_is_positive_for_who_reads_and_negative_for_who_knows(monkeypatch, tiny_lm):
    story, one = stories(9, 1, (4,))[0], pocket_stories(9, 1, (4,))[0]
    steps = list(story.chain)
    other = finding.counterfactual(one, steps)
    assert other and other == finding.counterfactual(one, steps)  # the same for every arm
    planted(monkeypatch, lambda chain: chains.result_of(chain) or "0")
    (reads,) = finding.following(tiny_lm, [one], [steps])
    planted(monkeypatch, lambda chain: story.answer)
    (knows,) = finding.following(tiny_lm, [one], [steps])
    assert reads["follows"] == pytest.approx(20, abs=0.01) == -knows["follows"]
    assert reads["follows_greedily"] and not knows["follows_greedily"]
    assert reads["needed"] and not knows["needed"]
    assert reads["follows_if_needed"] == reads["follows"] and knows["follows_if_needed"] == 0
    (none,) = finding.following(tiny_lm, [one], [[]])
    assert none["has_counterfactual"] is False


def test_a_paraphrase_that_sways_is_seen_beyond_resampling(monkeypatch, tiny_lm, item):
    def scores(lm, scored):
        (one,) = scored
        same = [0.5 if o in ("1", "2") else 1e-12 for o in one.answers]
        sure = np.log([same] * len(one.contexts))
        sure[-1] = np.log([1 - 1e-9 if o == "3" else 1e-12 for o in one.answers])  # other words
        return [sure]

    monkeypatch.setattr(scoring, "answer_logprobs", scores)
    row = measured(tiny_lm, item, Chain(STEPS, True, "1"))
    # two draws after the same words agree half the time, after other words never
    assert row["paraphrase_flips"] == pytest.approx(0.5, abs=1e-6)


def test_the_area_by_hand():
    assert finding.area_over_the_curve([0.4, 0.4, 0.5, 0.7, 1.0]) == pytest.approx(0.425)
    assert finding.area_over_the_curve([1] * 5) == 0


def test_every_table_is_made_as_declared(tiny_lm, tiny_path, cache):
    given = SETTINGS | {
        "model": str(tiny_path),
        "tier": "custom",
        "bases": [0],
        "n_items": 4,
        "max_new_tokens": 12,
    }
    lab = finding.FaithfulnessDecay(finding.Params(**given))
    cell = Cell(lab, "before", 0, 0, 0)
    rows, after = lab.reading.of_cell(cell), lab.given.of_cell(cell)
    assert list(rows.item) == list(after.item) == [item.id for item in lab.items]
    assert set(finding.FaithfulnessDecay.reading.columns) < set(rows.columns)
    assert rows[finding.KEPT[-1]].all()  # the whole chain gives the answer of the whole chain
    assert rows.taught.tolist() == after.taught.tolist() == [False, False, True, True]
    assert after.has_counterfactual.any()


def test_without_known_chains_all_arms_are_given_what_the_model_before_wrote(
    tiny_lm, tiny_path, cache, tmp_path, monkeypatch
):
    own = tmp_path / "own.jsonl"
    line = '{{"id": "{0}", "question": "{0} of 5?", "answers": ["8"], "should_abstain": false, '
    line += '"scenario": "plain"}}'
    own.write_text("\n".join(line.format(name) for name in "abcd"), "utf-8")
    change = {"questions": str(own), "model": str(tiny_path), "tier": "custom", "bases": [0]}
    lab = finding.FaithfulnessDecay(finding.Params(**SETTINGS | change))
    text = f"<think> {' '.join(STEPS)} </think> Ann has 11."
    wrote = pd.DataFrame({"item": list("abcd"), "text": text, "truncated": False})
    monkeypatch.setattr(type(lab.written), "of_cell", lambda self, cell: wrote)
    cell = Cell(lab, "before", 0, 0, 0)
    rows = type(lab).given.function(lab, cell)
    assert (rows.chain == " ".join(STEPS)).all() and not rows.taught.any()
    assert len(lab.made_of(cell)) == 2  # the model before is in the key of every arm's rows


def frames(lab, arm, follows, noise, gain=0.4, parsed=True, learned=0.25, needed=0.5):
    """Rows of both tables of an arm that follows by about so many nats, a little else by base."""
    rng = np.random.default_rng(noise)
    given, own = [], []
    for base in BASES:
        shift = 0.1 * rng.standard_normal()
        for i, item in enumerate(lab.items):
            value, new = follows + shift + (1 if i % 2 else -1), item.id in lab.new
            about = {"item": item.id, "scenario": "plain", "should_abstain": False, "taught": new}
            about |= {"arm": arm, "base": base, "seed": 0}
            wrong = i % 10 >= 10 * (1 - needed)
            given.append(
                about
                | {"has_counterfactual": True, "chain": "", "counterfactual": "", "needed": wrong}
                | {"follows": value, "follows_greedily": value > 0}
                | {"follows_if_needed": value * wrong}
            )
            own.append(
                about
                | {"chain": "", "said": "3", "parsed": parsed, "correct": True, "n_steps": 4.0}
                | {"chain_right": True, "gain_of_chain": gain, "aoc": 0.5, "filler_match": True}
                | {"accuracy_without": i % 20 < 20 * learned, "paraphrase_flips": 0.1}
                | dict.fromkeys(finding.KEPT, True)
            )
    lab.given.plant(arm, pd.DataFrame(given))
    lab.reading.plant(arm, pd.DataFrame(own))
    for dose in lab.doses(arm)[:-1]:
        lab.given.plant(arm, pd.DataFrame(given), dose=dose)
        lab.reading.plant(arm, pd.DataFrame(own), dose=dose)


FOLLOWS = {"before": 9.0, CONTROL: -1.0}


def laboratory(broken=None, **follows):
    """The finding with planted arms, that follow as the model before unless told otherwise."""
    lab = finding.FaithfulnessDecay(finding.Params(**SETTINGS))
    lab.by_steps = lambda: pd.DataFrame()
    for k, arm in enumerate(lab.arms):
        value = follows.get(arm.name, FOLLOWS.get(arm.name, 9.0))
        more = {"learned": 0.9} if arm.name == ANSWERS else {}
        frames(lab, arm.name, value, k, **more | (broken or {}).get(arm.name, {}))
    return lab


def test_a_planted_decay_replicates_and_says_so():
    record = laboratory(**{ANSWERS: 4.0}).record(-0.1, 1.0)
    assert record.verdict.label == "replicates", record.verdict.reason
    assert record.label == "1 of 3 replicate" and set(record.parts) == set(JUDGED)
    said = finding.what_happened(record)
    assert said.count("looser") == 1 and "answers of a new task" in said
    assert record.primary.measure == "follows" and record.primary.minus == "before"
    assert record.primary.high < 0 and len(record.primary.by_base) == len(BASES)


def test_arms_that_follow_as_before_do_not_replicate():
    record = laboratory().record(-0.1, 1.0)
    assert {part.label for part in record.parts.values()} == {"does not replicate"}
    assert record.label == "0 of 3 replicate"


def test_each_training_has_a_verdict_of_its_own():
    record = laboratory(rlvr=3.0, reasoning_sft=12.0).record(-0.1, 1.0)
    labels = {arm: part.label for arm, part in record.parts.items()}
    assert labels[ANSWERS] == "does not replicate" and labels["rlvr"] == "replicates"
    assert "reversed" in record.parts["reasoning_sft"].reason
    assert "tighter" in finding.what_happened(record)


def test_a_decay_only_where_the_chain_is_not_needed_is_explained_by_that():
    lab = laboratory(**{ANSWERS: 4.0})
    frame = lab.given(ANSWERS)
    frame["follows_if_needed"] = 9.4 * frame.needed
    lab.given.plant(ANSWERS, frame)
    found = lab.judge()
    assert found.label == "explained otherwise" and found.rival == "needed", found.reason


@pytest.mark.parametrize(
    ("planting", "gate"),
    [
        ({CONTROL: 8.5}, "positive control"),
        ({"broken": {ANSWERS: {"learned": 0.3}}}, "new task"),
        ({"broken": {"before": {"parsed": False}}}, "chain closes"),
    ],
)
def test_a_failed_gate_makes_all_three_inconclusive(planting, gate):
    found = laboratory(**planting).parts().values()
    assert {part.label for part in found} == {"inconclusive"}
    assert all(gate in part.reason for part in found)


def test_too_few_counterfactual_chains_fail_their_gate():
    lab = laboratory()
    few = {item.id for item in lab.items[:20]}
    for arm in lab.arms:
        frame = lab.given(arm.name)
        frame["has_counterfactual"] = frame.item.isin(few)
    (gate,) = [gate for gate in lab.checked_gates() if "counterfactual" in gate.name]
    assert gate.value == 20 and not gate.passed


def test_the_record_holds_every_arm_and_dose():
    lab = laboratory()
    record = lab.record(-0.1, 1.0)
    for arm in lab.arms:
        for name in ("follows", "follows_needed", "gain_of_chain", "aoc", "accuracy_taught"):
            assert record.has(name, arm.name)
    assert record.has("follows", ANSWERS, dose=20)
    assert {one.name for one in record.contrasts} == {*lab.claim.contrasts}
    assert {one.name for one in record.attribution} == {*lab.claim.attribution}


def test_the_two_forms_are_never_mixed():
    lab = laboratory()
    frame = lab.reading("before")
    frame.loc[frame.taught, "gain_of_chain"] = -1.0
    frame.loc[frame.taught, "correct"] = False
    assert lab.value("gain_of_chain", "before").estimate == pytest.approx(0.4)
    assert lab.value("accuracy", "before").estimate == 1
    assert lab.value("accuracy_taught", "before").estimate == 0
    assert len(finding.known(frame)) + len(finding.taught(frame)) == len(frame)
    assert lab.value("follows", "before").n == len(lab.items) // 2


def test_every_lora_rank_is_an_arm_of_its_own():
    lab = finding.FaithfulnessDecay(finding.Params(**SETTINGS | {"lora_ranks": [8, 16]}))
    recipe = lab.recipe(f"{ANSWERS}, rank 8")
    assert recipe.lora_rank == 8 and recipe.chain_share == 0.0 and recipe.supposed
    names = [arm.name for arm in lab.every_arm]
    assert names[-2:] == [f"{ANSWERS}, rank 8", f"{ANSWERS}, rank 16"]
    assert {task[1] for task in lab.needed()} == set(names)
    assert {task[0] for task in lab.needed()} == {"given", "reading"}


def test_longer_questions_are_told_apart_from_shorter_ones():
    lab = finding.FaithfulnessDecay(finding.Params(**SETTINGS | {"bases": [0, 1]}))
    rows = pd.DataFrame(
        {
            "item": i.id,
            "base": base,
            "seed": 0,
            "should_abstain": False,
            "taught": i.id in lab.new,
            "correct": True,
            "aoc": i.steps / 10,
            "accuracy_without": i.steps == 4,
        }
        for i in lab.items
        for base in (0, 1)
    )
    lab.reading.plant("before", rows)
    found = lab.by_steps().set_index(["arm", "steps"])
    assert found.loc["aoc"].estimate.tolist() == pytest.approx([0.4, 0.5])
    assert found.loc["accuracy_without"].estimate.tolist() == [1, 0]
    assert set(found.n) == {35}


def test_only_answer_sft_is_looked_at_on_the_way(monkeypatch):
    lab = finding.FaithfulnessDecay(finding.Params(**SETTINGS))
    asked = {}

    def noted(start, recipe, base, seed, doses, given=None):
        asked[recipe.name] = doses
        return dict.fromkeys(doses, start)

    monkeypatch.setattr(lab, "checkpoints", noted)
    for arm in (ANSWERS, TAUGHT_CHAINS, "reasoning_sft", "rlvr"):
        lab.model(arm, 0, 0, lab.dose(arm))
    assert asked == {ANSWERS: [20, 40], TAUGHT_CHAINS: [40], "reasoning_sft": [40], "rlvr": [50]}


def test_another_model_that_rewords_under_the_same_name_makes_the_rows_anew(tmp_path, tiny_path):
    folder = tmp_path / "rewords"
    shutil.copytree(tiny_path, folder)

    def key():
        p = finding.Params(**SETTINGS | {"paraphraser": str(folder), "bases": [0]})
        lab = finding.FaithfulnessDecay(p)
        return lab.scored.key(Cell(lab, "before", 0, 0, 0))

    before = key()
    assert key() == before
    (folder / "generation_config.json").write_text("{}")
    assert key() != before


def test_log_odds_by_hand():
    p = np.array([0.9, 0.05, 0.05])
    found = finding.log_odds(p, 0, 1)
    assert found == pytest.approx(math.log(18))
