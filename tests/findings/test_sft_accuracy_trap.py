"""Finding 3: the telescoping sum, a teacher that pads, and a null."""

import random

import numpy as np
import pandas as pd
import pytest

from helpers.findings import sft_accuracy_trap as finding
from helpers.findings.sft_accuracy_trap import POST_HOC, TERSE, VERBOSE, WRONG
from helpers.lab.items import Item, pocket_stories
from helpers.lab.record import published
from helpers.lm.scoring import answer_logprobs
from helpers.text import chains
from helpers.world import grammar

SETTINGS = dict(
    model="pocket",
    tier="pocket",
    seeds=[0, 1, 2],
    n_items=60,
    questions="",
    dose=40,
    learning_rate=3e-4,
    verbosities=[0.5],
    scorer="",
    max_new_tokens=96,
    forecast=-0.2,
)


def test_the_sum_telescopes_on_random_chains():
    rng = np.random.default_rng(0)
    for _ in range(200):
        ppl = np.exp(rng.uniform(0, 5, rng.integers(2, 12)))
        t = len(ppl) - 1
        assert abs(finding.infogain(ppl) - (ppl[0] - ppl[-1]) / t) < 1e-5
    assert finding.infogain(np.array([3.0])) == 0.0


def test_a_model_s_own_perplexities_telescope_too(tiny_lm):
    (item,) = pocket_stories(1, 0, (4,))
    steps = list(grammar.story(random.Random(0), 4).chain)
    row = finding.worth(tiny_lm, item, steps)
    gain = (row["ppl"][0] - row["ppl"][-1]) / 4
    assert row["infogain"] == pytest.approx(gain, rel=1e-5, abs=1e-5)
    assert row["total_gain"] == pytest.approx(4 * row["infogain"], rel=1e-5, abs=1e-5)
    span = f"The answer is {item.answers[0]}"  # four tokens
    prompt = tiny_lm.prompt(item.question)
    logp = answer_logprobs(tiny_lm, prompt, [" <think>"], " </think> ", [span])
    assert row["ppl"][0] == pytest.approx(np.exp(-logp[0, 0] / 4), rel=1e-4)


def test_a_step_that_states_the_answer_is_known():
    item = Item("q", "?", ("8",), False, "plain")
    assert finding.states_answer(item, "Ann 5 + 3 = 8.")
    assert not finding.states_answer(item, "Ann 5 + 13 = 18.")
    large = Item("q", "?", ("1200", "twelve hundred"), False, "plain")
    assert finding.states_answer(large, "That is $1,200, and no more.")
    assert finding.states_answer(large, "So it is Twelve hundred.")
    assert not finding.states_answer(Item("q", "?", ("200",), False, "plain"), "That is $1,200.")


def test_a_scorer_that_does_not_know_the_words_is_refused():
    item = Item("q7", "How many llamas?", ("8",), False, "plain")
    with pytest.raises(ValueError, match="does not know all words of question 'q7'"):
        finding.legible(finding.third("", 0), [item])
    finding.legible(finding.third("", 0), pocket_stories(3, 0))


def rows(arm, seed, ppl, leaks, accuracy, n=60):
    """Frames of an arm whose chains all have perplexities like `ppl`."""
    rng = np.random.default_rng([seed, *arm.encode()])
    made = []
    for i in range(n):
        path = np.array(ppl) * np.exp(0.1 * rng.standard_normal())
        t = len(path) - 1
        made.append(
            {
                "item": f"i{i}",
                "scenario": "plain",
                "arm": arm,
                "seed": seed,
                "chain": "",
                "ppl": path.tolist(),
                "leaks": leaks,
                "infogain_released": 0.1,
                **finding.gains(path),
                **finding.gains(path, finding.NO_LEAK),
                "n_steps": float(t),
                "leaking_steps": float(sum(leaks)),
                "parsed": True,
                "should_abstain": False,
                "correct": rng.random() < accuracy,
                "chain_accuracy": rng.random() < accuracy,
            }
        )
    return pd.DataFrame(made)


def laboratory(wording=0.0, **arms):
    lab = finding.Experiment(finding.Params(**SETTINGS))
    for arm, (ppl, leaks, accuracy) in arms.items():
        frames = [rows(arm, seed, ppl, leaks, accuracy) for seed in lab.p.seeds]
        lab._read[arm] = pd.concat(frames, ignore_index=True)
    lab._words = pd.DataFrame(
        {"seed": seed, "item": f"i{i}", "terse": 0.5, "verbose": 0.5 + wording}
        for seed in lab.p.seeds
        for i in range(60)
    )
    return lab


SHORT, LONG = [9, 5, 1], [9, 9, 5, 5, 1, 1, 1]
PLAIN, NEVER = [False, True], [False] * 5 + [True]


def test_a_teacher_that_pads_lowers_infogain_and_leaves_the_total():
    lab = laboratory(before=(SHORT, PLAIN, 0.5), verbose_sft=(LONG, NEVER, 0.5))
    before, after = lab.reading("before"), lab.reading(VERBOSE)
    assert finding.change(before, after, "infogain").high < 0
    total = finding.change(before, after, "total_gain")
    assert total.low <= 0 <= total.high and abs(total.estimate) < 0.2


def test_the_parts_add_up_exactly_and_padding_is_all_length():
    lab = laboratory(before=(SHORT, PLAIN, 0.5), verbose_sft=(LONG, [False] * 6, 0.5))
    before, after = lab.reading("before"), lab.reading(VERBOSE)
    frame = finding.decomposition(before, after)
    assert np.allclose(frame.length + frame.leak + frame.rest, frame.whole)
    moved = finding.change(before, after, "infogain").estimate
    assert frame.whole.mean() == pytest.approx(moved)
    assert frame.length.mean() == pytest.approx(moved, rel=0.1)
    assert finding.parts(before, after).estimate.iloc[-1] == pytest.approx(moved)


def test_matched_lengths_compare_the_same_number_of_steps():
    lab = laboratory(before=(SHORT, PLAIN, 0.5), verbose_sft=([9, 5, 1, 1, 1, 1, 1], NEVER, 0.5))
    before, after = lab.reading("before"), lab.reading(VERBOSE)
    for gain in finding.GAINS:
        moved = finding.change(before, after, f"{gain}_matched")
        assert moved.estimate == pytest.approx(0, abs=0.2)
    assert finding.every_change(lab, VERBOSE).shape == (4, 3)


def test_the_four_gains_of_one_path_by_hand():
    found = finding.gains(np.array([8.0, 4.0, 1.0]), "_x")
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
        finding.Params.checked(SETTINGS | {"model": "smollm2", "tier": "small"})


def test_a_planted_trap_replicates():
    trap = ([9, 7, 6, 5, 4, 3, 3], NEVER, 0.9)
    lab = laboratory(
        before=(SHORT, PLAIN, 0.5),
        reasoning_sft=([9, 6, 3], PLAIN, 0.9),
        verbose_sft=trap,
        post_hoc_sft=trap,
        wrong_chain_sft=trap,
    )
    record = finding.result(lab, -0.2, 1.0)
    assert record.verdict == "replicates", record.reason
    assert "fell" in finding.what_happened(record)


def test_a_fall_that_the_wording_alone_explains_does_not_count():
    trap = ([9, 7, 6, 5, 4, 3, 3], NEVER, 0.9)
    lab = laboratory(
        wording=-5.0,
        before=(SHORT, PLAIN, 0.5),
        reasoning_sft=([9, 6, 3], PLAIN, 0.9),
        verbose_sft=trap,
        post_hoc_sft=trap,
        wrong_chain_sft=trap,
    )
    assert finding.beyond_wording(lab).low > 0
    assert finding.result(lab, -0.2, 1.0).verdict == "inconclusive"


@pytest.mark.parametrize(("tier", "model"), [("pocket", "pocket"), ("small", "smollm2")])
def test_the_teachers_own_chains_are_scored_on_the_same_questions(
    tier, model, tiny_path, monkeypatch
):
    ends, path = [], finding.answer_path

    def noted(scorer, item, steps):
        ends.append((chains.result_of(steps[-1]), item.answers[0]))
        return path(scorer, item, steps)

    monkeypatch.setattr(finding, "answer_path", noted)
    lab = finding.Experiment(
        finding.Params(
            **SETTINGS
            | {
                "tier": tier,
                "model": model,
                "n_items": 6,
                "seeds": [0],
                "scorer": str(tiny_path),
            }
        )
    )
    words = lab.wording()
    assert words.item.tolist() == [item.id for item in lab.items]
    assert (words.terse != words.verbose).all()
    terse = ends[::2]  # a verbose chain ends in a check
    assert len(terse) == 6 and all(last == right for last, right in terse)


def test_the_same_model_five_times_does_not_replicate():
    same = (SHORT, PLAIN, 0.7)
    arms = dict.fromkeys(("before", TERSE, VERBOSE, POST_HOC, WRONG), same)
    record = finding.result(laboratory(**arms), -0.2, 1.0)
    assert record.verdict != "replicates"
    assert "No change" in finding.what_happened(record)


def test_padding_alone_is_no_trap_when_a_terse_teacher_has_none():
    lab = laboratory(
        before=(SHORT, PLAIN, 0.5),
        reasoning_sft=([9, 4, 0.5], PLAIN, 0.9),
        verbose_sft=(LONG, NEVER, 0.9),
        post_hoc_sft=(SHORT, PLAIN, 0.9),
        wrong_chain_sft=(SHORT, PLAIN, 0.9),
    )
    assert finding.result(lab, -0.2, 1.0).verdict == "inconclusive"


def test_the_paper_s_three_figures_and_what_its_values_give():
    table = finding.published_arithmetic(published("sft_accuracy_trap"))
    assert (
        table["what it is"].tolist()
        == ["as printed"] * 2 + ["computed from the printed values"] * 4
    )
    assert table.value.tolist() == ["-38.9 %", "-37.1 %", "-37.2 %", "-43.6%", "-30.8%", "-37.2%"]


def test_a_real_model_needs_a_named_scorer():
    settings = SETTINGS | {"model": "smollm2", "tier": "small", "seeds": [0]}
    with pytest.raises(ValueError, match="scorer.*third model"):
        finding.Experiment(finding.Params(**settings))
