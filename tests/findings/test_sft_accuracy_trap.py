"""Finding 3: the telescoping sum, a teacher that pads, rivals that explain a fall, and a null."""

import random
from math import isnan

import numpy as np
import pandas as pd
import pytest

from helpers.findings import sft_accuracy_trap as finding
from helpers.findings.sft_accuracy_trap import experiment, measures
from helpers.lab import card, scorer
from helpers.lab.claims import published
from helpers.lab.items import Item, pocket_stories
from helpers.lm import models
from helpers.lm.reasoning import answer_paths, infogain
from helpers.lm.scoring import Scored, answer_logprobs
from helpers.show import plots
from helpers.text import chains
from helpers.train.recipes import RECIPES, examples
from helpers.world import scene

SETTINGS = dict(
    model="pocket",
    tier="pocket",
    bases=[0, 1, 2, 3, 4, 5],
    seeds=[0],
    n_items=60,
    questions="",
    dose=40,
    verbose_dose=60,
    verbosities=[],
    scorer="",
    max_new_tokens=96,
    forecast=-0.2,
)


def test_the_sum_telescopes_on_random_chains():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ppl = np.exp(rng.uniform(0, 5, rng.integers(2, 12)))
        t = len(ppl) - 1
        assert abs(infogain(ppl) - (ppl[0] - ppl[-1]) / t) < 1e-5
    assert infogain(np.array([3.0])) == 0.0


@pytest.fixture
def small(tiny_path, cache):
    """A laboratory whose arm before and scorer are the tiny model, on three stories."""
    settings = {"model": str(tiny_path), "scorer": str(tiny_path), "tier": "custom", "bases": [0]}
    few = {"n_items": 3, "max_new_tokens": 24}
    return finding.SftAccuracyTrap(finding.Params(**SETTINGS | settings | few))


def test_a_model_s_own_perplexities_telescope_too(tiny_lm, small):
    item = small.items[0]
    steps = list(scene.story(random.Random(0), 4).chain)
    row = finding.told(small, item, " ".join(steps))
    assert row["steps"] == steps
    gain = (row["ppl"][0] - row["ppl"][-1]) / 4
    assert row["infogain"] == pytest.approx(gain, rel=1e-5, abs=1e-5)
    assert row["nats"].sum() == pytest.approx(np.log(row["ppl"][0] / row["ppl"][-1]), abs=1e-5)
    span = f"The answer is {item.answers[0]}"  # four tokens
    prompt = tiny_lm.prompt(item.question)
    (logp,) = answer_logprobs(tiny_lm, [Scored([f"{prompt} <think> </think> "], [span])])
    assert row["ppl"][0] == pytest.approx(np.exp(-logp[0, 0] / 4), rel=1e-4)


def test_the_tables_of_an_arm_agree_with_its_own_chains(tiny_lm, small):
    reading, scored = small.reading("before"), small.scored("before")
    assert reading.item.tolist() == [item.id for item in small.items]
    assert small.graded("before").correct.dtype == bool
    for item, row, source in zip(
        small.items, reading.itertuples(), scored.itertuples(), strict=True
    ):
        steps = chains.chain_of(source.text)
        ((logp, n),) = answer_paths(tiny_lm, [item.question], [item.answers[0]], [steps])
        assert row.infogain == pytest.approx(infogain(np.exp(-logp / n)), rel=1e-3, abs=1e-3)
        assert row.log_infogain == pytest.approx((logp[-1] - logp[0]) / n / len(steps), rel=1e-3)
        assert row.n_steps == len(steps) == len(row.nats) - 1 == len(row.leaks)
        stem = tiny_lm.prompt(item.question, chains.OPEN)
        tokens = len(tiny_lm.tokenizer(stem, add_special_tokens=False)["input_ids"])
        assert source.text_tokens[0] == tokens - 1


def test_what_is_needed_makes_every_table_that_the_record_reads(small):
    arms = {arm for _, arm, _, _ in small.needed()}
    tables = {table for table, arm, _, _ in small.needed() if arm == "before"}
    assert tables == {"graded", "reading", "wording"}
    assert arms == {arm.name for arm in small.arms}


def test_a_step_that_states_the_answer_is_known():
    item = Item("q", "?", ("8",), False, "plain")
    assert measures.states_answer(item, "Ann 5 + 3 = 8.")
    assert not measures.states_answer(item, "Ann 5 + 13 = 18.")
    large = Item("q", "?", ("1200", "twelve hundred"), False, "plain")
    assert measures.states_answer(large, "That is $1,200, and no more.")
    assert measures.states_answer(large, "So it is Twelve hundred.")
    other = Item("q", "?", ("200",), False, "plain")
    assert not measures.states_answer(other, "That is $1,200.")


def test_the_scorer_is_the_pocket_of_the_next_base_unless_one_is_named():
    names = [scorer.third("", base).name for base in models.shipped()]
    assert names == [models.pocket(n) for n in (*models.shipped()[1:], models.shipped()[0])]
    assert scorer.third("pocket-2.0", 0).name == "pocket-2.0"


def test_the_scorer_enters_the_key_of_the_tables(small, tiny_path):
    cell = small.cells("before", 0)[0]
    other = finding.SftAccuracyTrap(small.p.model_copy(update={"scorer": "pocket"}))
    same_cell = other.cells("before", 0)[0]
    assert small.scored.key(cell) != other.scored.key(same_cell)


def test_a_scorer_that_does_not_know_the_words_is_refused():
    item = Item("q7", "How many llamas?", ("8",), False, "plain")
    lm = models.loaded(scorer.third("", 0), "float32")
    with pytest.raises(ValueError, match="does not know all words of question 'q7'"):
        scorer.legible(lm, [item])
    scorer.legible(lm, pocket_stories(3, 0))


def rows(arm, base, ppl, leaks, n=60, right=0.9):
    """Rows of an arm whose chains all have perplexities like `ppl`."""
    rng = np.random.default_rng([base, *arm.encode()])
    made = []
    for i in range(n):
        path = -np.log(ppl) + 0.1 * rng.standard_normal()
        made.append(
            {
                "item": f"i{i}",
                "scenario": "plain",
                "should_abstain": False,
                "arm": arm,
                "base": base,
                "seed": 0,
                "chain": "",
                "nats": path.tolist(),
                "leaks": leaks,
                "infogain_released": 0.1,
                **measures.gains(path),
                **measures.gains(path, measures.NO_LEAK),
                "n_steps": float(len(path) - 1),
                "leaking_steps": float(sum(leaks)),
                "parsed": True,
                "chain_accuracy": i < right * n,
            }
        )
    return pd.DataFrame(made)


def rows_of(lab, ppl):
    """Rows of verbose SFT in every base whose chains all have perplexities like `ppl`."""
    made = [rows("verbose_sft", base, ppl, NEVER) for base in lab.p.bases]
    return pd.concat(made, ignore_index=True)


def laboratory(wording=0.0, apart=0.0, **arms):
    """A laboratory of planted arms: perplexities, leaks and accuracy; wording: gain a step that the
    verbose teacher's words alone add; apart: what they add to the gain in all.
    """
    lab = finding.SftAccuracyTrap(finding.Params(**SETTINGS))
    for arm, (ppl, leaks, accuracy) in arms.items():
        frame = pd.concat([rows(arm, base, ppl, leaks) for base in lab.p.bases], ignore_index=True)
        number = frame.item.str[1:].astype(int)
        lab.reading.plant(arm, frame)
        lab.graded.plant(arm, frame.assign(correct=(7 * number + frame.base) % 60 < 60 * accuracy))
    words = [
        {"base": base, "seed": 0, "item": f"i{i}", "post_hoc": 0.5, "post_hoc_total": 1.0}
        | {"terse": 0.5, "verbose": 0.5 + wording, "terse_total": 1.0, "verbose_total": 1.0 + apart}
        for base in lab.p.bases
        for i in range(60)
    ]
    lab.wording.plant("before", pd.DataFrame(words))
    return lab


SHORT, LONG = [9, 5, 1], [9, 9, 5, 5, 1, 1, 1]
PLAIN, NEVER = [False, True], [False] * 5 + [True]
TRAP = ([9, 7, 6, 5, 4, 3, 3], NEVER, 0.9)
START = {"before": (SHORT, PLAIN, 0.5), "reasoning_sft": ([9, 6, 3], PLAIN, 0.9)}
TRAPPED = START | dict.fromkeys(("verbose_sft", "post_hoc_sft", "wrong_chain_sft"), TRAP)


def test_a_teacher_that_pads_lowers_infogain_and_leaves_the_total():
    lab = laboratory(before=(SHORT, PLAIN, 0.5), verbose_sft=(LONG, NEVER, 0.5))
    assert lab.change("infogain", "before", "verbose_sft").high < 0
    total = lab.change("total_gain", "before", "verbose_sft")
    assert total.low <= 0 <= total.high and abs(total.estimate) < 0.2


def test_the_parts_add_up_exactly_and_padding_is_all_length():
    lab = laboratory(before=(SHORT, PLAIN, 0.5), verbose_sft=(LONG, [False] * 6, 0.5))
    frame = measures.decomposition(lab.reading("before"), lab.reading("verbose_sft"))
    assert np.allclose(frame.length + frame.wording + frame.leak + frame.rest, frame.whole)
    moved = lab.change("log_infogain", "before", "verbose_sft")
    assert frame.whole.mean() == pytest.approx(moved.estimate)
    assert frame.length.mean() == pytest.approx(moved.estimate, rel=0.1)
    words = pd.DataFrame(
        {"base": 0, "item": [f"i{i}" for i in range(60)], "plain": 1.0, "own": 0.4}
    )
    some = lab.reading("before").query("base == 0"), lab.reading("verbose_sft").query("base == 0")
    parts = measures.decomposition(*some, words)
    assert parts.wording.mean() == pytest.approx(-0.6 / 6)
    total = parts.length + parts.wording + parts.leak + parts.rest
    assert np.allclose(total, parts.whole)
    whole = lab.split("verbose_sft").iloc[-1]
    assert whole.estimate == pytest.approx(moved.estimate)
    assert whole.low == pytest.approx(moved.low)


def test_told_in_as_many_steps_as_before_padding_changes_nothing():
    lab = laboratory(before=(SHORT, PLAIN, 0.5), verbose_sft=(LONG, NEVER, 0.5))
    for gain in measures.PER_STEP:
        assert lab.change(gain, "before", "verbose_sft").high < -0.5
        assert lab.equal_steps(gain).estimate == pytest.approx(0, abs=0.2)
    table = finding.every_change(lab, "verbose_sft")
    assert table.shape == (2, 3)
    label = lab.look.label("log_infogain")
    moved = lab.change("log_infogain", "before", "verbose_sft")
    assert table.loc[label, "as it is"] == str(moved)


def test_every_training_seed_stands_beside_the_one_row_of_its_base():
    before = rows("before", 0, SHORT, PLAIN)
    after = pd.concat(rows("verbose_sft", 0, LONG, NEVER).assign(seed=seed) for seed in (0, 1))
    one, two = measures.at_equal_steps(before, after)
    assert len(one) == len(two) == 120 and set(one.seed) == {0, 1}
    assert len(measures.decomposition(before, after)) == 120


def test_the_four_gains_of_one_path_by_hand():
    found = measures.gains(-np.log([8.0, 4.0, 1.0]), "_x")
    assert found == pytest.approx(
        {
            "infogain_x": 3.5,
            "total_gain_x": 7,
            "log_infogain_x": 1.5 * np.log(2),
            "log_total_gain_x": 3 * np.log(2),
        }
    )


def test_a_real_model_without_a_third_one_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match="^Parameter 'scorer' is empty: name a third model"):
        finding.Params.checked(SETTINGS | {"model": "smollm2", "tier": "small", "bases": [0]})


def test_a_planted_trap_replicates():
    record = laboratory(**TRAPPED).record(-0.2, 1.0)
    assert record.label == "replicates", record.verdict.reason
    said = finding.what_happened(record)
    assert "Accuracy rose and information per step fell" in said and "Length alone" in said
    assert record.primary.high < 0
    assert record.delta == pytest.approx(0.13 * np.log(9) / 2, rel=0.05)
    assert {one.name: one.value.low > 0 for one in record.contrasts} == {
        "length": True,
        "teacher": True,
        "mistakes": True,
    }
    claim = published("sft_accuracy_trap")
    assert set(claim.contrasts) == {one.name for one in record.contrasts}
    assert set(claim.attribution) == {one.name for one in record.attribution}


def test_a_fall_that_the_wording_alone_makes_is_explained_otherwise():
    fall = np.log(3) / 6 - np.log(9) / 2
    lab = laboratory(wording=fall, **TRAPPED)
    assert lab.beyond_teacher().estimate == pytest.approx(0, abs=0.1)
    verdict = lab.judge()
    assert verdict.label == "explained otherwise" and verdict.rival == "teacher"
    assert "wording and their length together, explain it" in verdict.reason


def test_a_fall_that_wrong_chains_alone_make_is_explained_otherwise():
    lab = laboratory(**TRAPPED)
    wrong, right = rows_of(lab, TRAP[0]), rows_of(lab, LONG)
    some = right.chain_accuracy & (right.item.str[1:].astype(int) % 4 > 0)
    mixed = right.where(some, wrong).assign(chain_accuracy=some)
    lab.reading.plant("verbose_sft", mixed)
    assert lab.equal_steps("log_infogain").high < 0
    assert lab.of_right_chains().estimate == pytest.approx(0, abs=0.05)
    verdict = lab.judge()
    assert verdict.label == "explained otherwise" and verdict.rival == "mistakes"
    by_kind = finding.by_outcome(lab, ["verbose_sft"]).set_index("kind").estimate
    assert by_kind["right"] > by_kind["wrong"] + 0.5


def test_right_chains_are_paired_training_by_training():
    lab = laboratory(**TRAPPED)
    assert lab.of_right_chains().estimate == pytest.approx(
        lab.equal_steps("log_infogain").estimate, abs=0.05
    )
    ends = lab.reading("verbose_sft")
    ends.loc[ends.base == 0, "chain_accuracy"] = ends.item[ends.base == 0] == "i0"
    lab.reading.plant("verbose_sft", ends)
    found = lab.of_right_chains()
    assert np.isfinite(found.estimate) and found.n == 54


def test_a_fall_that_longer_chains_alone_make_is_explained_otherwise():
    padded = (LONG, NEVER, 0.9)
    lab = laboratory(**TRAPPED | {"verbose_sft": padded})
    ends = lab.reading("verbose_sft")
    # what is left on right chains is made up for on the others, so that of two contrasts that are
    # of length one alone is empty
    right = ends.item.str[1:].astype(int) < 30
    told = ends.log_total_gain + np.where(right, -0.5, 0.5)
    lab.reading.plant("verbose_sft", ends.assign(chain_accuracy=right, log_total_gain=told))
    assert lab.of_right_chains().high < 0
    verdict = lab.judge()
    assert verdict.label == "explained otherwise" and verdict.rival == "length"


def test_the_same_model_five_times_does_not_replicate():
    record = laboratory(**dict.fromkeys(TRAPPED, (SHORT, PLAIN, 0.7))).record(-0.2, 1.0)
    assert record.label == "does not replicate", record.verdict.reason
    assert "No change" in finding.what_happened(record)


def test_a_terse_teacher_without_a_fall_is_told_and_sinks_nothing():
    lab = laboratory(**TRAPPED | {"reasoning_sft": ([12, 4, 1], PLAIN, 0.9)})
    assert lab.oriented(lab.attribution["terse"]).high < 0  # positive is as published
    assert lab.judge().label == "replicates"


@pytest.mark.parametrize(("apart", "passed"), [(-0.05, True), (-0.3, False), (-1.2, False)])
def test_a_scorer_that_does_not_read_a_teacher_fails_its_gate(apart, passed):
    verdict = laboratory(apart=apart, **TRAPPED).judge()
    assert (verdict.label == "replicates") == passed
    assert passed or "right chains" in verdict.reason


def test_a_pocket_that_scores_learns_every_teacher_s_words_and_another_model_stays_as_it_is(
    monkeypatch, tiny_path
):
    lab, asked = finding.SftAccuracyTrap(finding.Params(**SETTINGS)), []

    def noted(start, recipe, base, seed, doses, given=None):
        asked.append((start.name, recipe.teacher, seed, doses))
        return dict.fromkeys(doses, start)

    monkeypatch.setattr(lab, "checkpoints", noted)
    lab.scorer(0), lab.scorer(0)
    assert asked == [("pocket-2.1", "every", scorer.TAUGHT_SEED, [200])]
    other = lab.p.model_copy(update={"scorer": str(tiny_path)})
    assert finding.SftAccuracyTrap(other).scorer(0).folder == tiny_path
    texts = [e.chat[1]["content"] for e in examples(RECIPES["scorer_sft"], 0, 60)]
    for words in ("<think> The answer is", " now has ", "<think> "):
        assert any(words in text for text in texts)
    assert any(not text.startswith("<think>") for text in texts)


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        ({"verbose_sft": (*TRAP[:2], 0.4)}, "change of accuracy, verbose SFT"),
        (
            {"reasoning_sft": ([9, 6, 3], PLAIN, 0.3)},
            "change of accuracy of free replies, reasoning SFT",
        ),
    ],
)
def test_an_arm_that_loses_accuracy_fails_its_gate(changed, gate):
    verdict = laboratory(**TRAPPED | changed).judge()
    assert verdict.label == "inconclusive" and gate in verdict.reason


def test_chains_that_do_not_close_fail_their_gate():
    lab = laboratory(**TRAPPED)
    lab.reading.plant("wrong_chain_sft", lab.reading("wrong_chain_sft").assign(parsed=False))
    verdict = lab.judge()
    assert verdict.label == "inconclusive"
    assert "chain closes and has steps, SFT on false chains" in verdict.reason


def test_without_the_teachers_own_chains_the_wording_stays_open():
    lab = laboratory(**TRAPPED)
    lab.p = lab.p.model_copy(update={"questions": "own.jsonl"})
    assert isnan(lab.beyond_teacher().estimate)
    assert not any(table == "wording" for table, *_ in lab.needed())
    record = lab.record(-0.2, 1.0)
    assert record.label == "inconclusive" and "teacher" in record.verdict.reason
    assert finding.wording_table(lab).kind.tolist() == ["arm"] * 3
    assert "<svg" in card.card(record)
    plots.contrasts(card.lines(record), record.delta, "fall", "An open one", lab.look)


@pytest.mark.parametrize(("tier", "model"), [("pocket", "pocket"), ("small", "smollm2")])
def test_the_teachers_own_chains_are_scored_on_the_same_questions(
    tier, model, tiny_path, cache, monkeypatch
):
    ends, paths = [], experiment.answer_paths

    def noted(scorer, asked, rights, told):
        ends.extend((chains.result_of(steps[-1]), a) for steps, a in zip(told, rights, strict=True))
        return paths(scorer, asked, rights, told)

    monkeypatch.setattr(experiment, "answer_paths", noted)
    monkeypatch.setattr(finding.SftAccuracyTrap, "base", lambda lab, base: lab.scorer(base))
    few = {"n_items": 6, "bases": [0], "scorer": str(tiny_path)}
    lab = finding.SftAccuracyTrap(finding.Params(**SETTINGS | {"tier": tier, "model": model} | few))
    words = lab.wording("before")
    assert words.item.tolist() == [item.id for item in lab.items]
    assert (words.terse != words.verbose).all()
    terse = ends[:6]  # a verbose chain ends in a check
    assert len(terse) == 6 and all(last == right for last, right in terse)


def test_a_teacher_of_some_verbosity_is_an_arm_that_is_trained_when_it_is_asked_for():
    settings = SETTINGS | {"verbosities": [0.0, 0.5, 1.0]}
    lab = finding.SftAccuracyTrap(finding.Params(**settings))
    assert "verbosity 0.5" not in {arm for _, arm, *_ in lab.needed()}
    assert lab.arm("verbosity 0.5").trained and lab.dose("verbosity 0.5") == 60
    assert lab.recipe("verbosity 0.5").verbosity == 0.5
    names = [lab.of_verbosity(verbosity) for verbosity in settings["verbosities"]]
    assert names == ["reasoning_sft", "verbosity 0.5", "verbose_sft"]


def test_all_teachers_tell_the_same_stories_with_the_same_training():
    arms = [RECIPES[arm.name] for arm in finding.SftAccuracyTrap.arms[1:]]
    assert len({(arm.batch_size, arm.trainer, arm.corpus) for arm in arms}) == 1
    told = [[e.chat[0]["content"] for e in examples(arm, 0, 20)] for arm in arms]
    assert all(one == told[0] for one in told)


def test_the_paper_s_two_figures_and_what_its_values_give():
    table = finding.published_arithmetic(published("sft_accuracy_trap"))
    assert (
        table["what it is"].tolist()
        == ["as printed"] * 2 + ["computed from the printed values"] * 3
    )
    assert table.value.tolist() == ["-38.9 %", "-37.1 %", "-43.6%", "-30.8%", "-37.2%"]
