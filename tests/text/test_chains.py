"""Chains taken apart: steps, cuts, mistakes, other wordings."""

import random
import re

import pytest

from helpers.text import chains
from helpers.text.trace import split_trace
from helpers.world import grammar, scene

STEPS = ["Ann 5 + 3 = 8.", "Ann 8, Ben 2, now Ann 2.", "Ann 2 * 2 = 4."]


def test_steps_are_sentences_or_lines_and_decimals_stay_whole():
    assert chains.steps_of(" ".join(STEPS)) == STEPS
    assert chains.steps_of("It costs 2.5 each.\nSo 5 in all.\n\n") == [
        "It costs 2.5 each.",
        "So 5 in all.",
    ]
    assert chains.steps_of("  ") == []


def test_a_cut_keeps_whole_steps_rounded_down():
    kept = [len(chains.cut(STEPS, share)) for share in (0, 0.25, 0.5, 0.75, 1)]
    assert kept == [0, 0, 1, 2, 3]
    assert len(chains.cut(["x"] * 10, 0.3)) == 3  # 0.3 * 10 is 2.9999... in floats


def test_results_are_last_numbers():
    assert chains.result_of("So $1,200 of 18.50 is left, 1,200.") == "1200"
    assert chains.result_of("That makes 18.50.") == "18.50"
    assert chains.result_of("I can't tell.") == ""
    for none in ("3. So that is it.", "He left at 3:30.", "He left at 3 p.m.", "Step 2: Think."):
        assert chains.result_of(none) == ""
    for text in ("So 8, at 3:30 pm.", "It is 8 cm^2.", "8 x^{10}", "8 * x**2", "2) So 8."):
        assert chains.result_of(text) == "8"


def test_a_counterfactual_chain_moves_one_number_and_calculates_on():
    steps = ["Ann 5 + 3 = 8.", "Ann 8 - 2 = 6.", "Ann 6 * 2 = 12.", "Ann 12 + Bob 4 = 16."]
    for seed in range(40):
        made = chains.counterfactual(steps, random.Random(seed), 40)
        at = next(i for i, (a, b) in enumerate(zip(steps, made, strict=True)) if a != b)
        sums = [re.fullmatch(r"Ann (\d+) (.) (?:Bob )?(\d+) = (\d+)\.", step) for step in made]
        for match in sums:
            a, sign, b, c = int(match[1]), match[2], int(match[3]), int(match[4])
            assert {"+": a + b, "-": a - b, "*": a * b}[sign] == c
        firsts = [int(match[1]) for match in sums]
        results = [int(match[4]) for match in sums]
        assert firsts[at + 1 :] == results[at:-1] and firsts[at] != int(steps[at].split()[1])
        assert results[-1] != 16 and max(results) <= 40


def test_a_counterfactual_chain_is_carried_to_its_end_or_there_is_none():
    for seed in range(10):
        rng = random.Random(seed)
        assert chains.counterfactual([], rng, 40) == []
        assert chains.counterfactual(["Ann 3, Bob 5, now Ann 5."], rng, 40) == []
        made = chains.counterfactual(["Ann 5 + 3 = 8.", "Bob 4 - 2 = 2."], rng, 40)
        assert made[0] == "Ann 5 + 3 = 8." and chains.result_of(made[1]) != "2"
        (made,) = chains.counterfactual(["Ann 38 + 2 = 40."], rng, 40)
        assert int(chains.result_of(made)) < 40
        (made,) = chains.counterfactual(["Ann 8 / 2 = 4."], rng, 40)
        assert made in {f"Ann {n} / 2 = {n // 2}." for n in (4, 6, 10, 12)}


@pytest.mark.parametrize(
    "step, makes",
    [
        ("2. 5 + 3 = 8.", r"2\. (\d+) \+ 3 = (\d+)\."),
        ("Step 2: Ann 5 + 3 = 8, at 3:30.", r"Step 2: Ann (\d+) \+ 3 = (\d+), at 3:30\."),
        ("At 3:30 + 2 = 5 he left.", ""),
        ("2^3 + 1 = 9", ""),
        ("x^{2} + 1 = 9", ""),
        ("2**3 + 1 = 9", ""),
        ("1.5 + 2 = 3.5", ""),
        ("1 + 2 = 3:30", ""),
        ("2 + 3 + 4 = 9", ""),
        ("2 + 3 = 5^1", ""),
        ("1. Ann has 5 apples.", ""),
    ],
)
def test_another_number_stands_in_a_sum_and_never_for_a_list_a_time_or_a_power(step, makes):
    for seed in range(20):
        made = chains.counterfactual([step], random.Random(seed), 40)
        assert bool(made) == bool(makes)
        if made:
            first, result = re.fullmatch(makes, made[0]).groups()
            assert int(first) != 5 and int(result) == int(first) + 3


def test_other_words_say_the_same_numbers_in_the_world_s_vocabulary():
    assert chains.paraphrased(STEPS) == [
        "Ann 5 + 3, now Ann 8.",
        "Ben 2, Ann 8, now Ann 2.",
        "Ann 2 * 2, now Ann 4.",
    ]
    rng = random.Random(0)
    known = set(grammar.words()) | {str(n) for n in range(100)} | {"."}
    for _ in range(50):
        story = scene.story(rng, 4)
        other = chains.paraphrased(list(story.chain))
        for before, after in zip(story.chain, other, strict=True):
            assert before != after
            assert chains.result_of(before) == chains.result_of(after)
            assert set(re.findall(grammar.WORD, after)) <= known


def test_a_chain_is_read_off_the_reply_that_opens_with_it():
    reply = f"<think> {' '.join(STEPS)} </think> Ann has 4 apples."
    whole = chains.read_chain(reply, truncated=False)
    assert (whole.steps, whole.closed, whole.answer) == (STEPS, True, "4")
    assert whole.text == " ".join(STEPS) and chains.chain_of(reply) == STEPS
    cut_off = chains.read_chain(reply, truncated=True)
    assert (cut_off.steps, cut_off.closed, cut_off.answer) == (STEPS, False, "")
    unclosed = chains.read_chain("<think> Ann 5 + 3 = 8.", truncated=False)
    assert (unclosed.steps, unclosed.closed) == (STEPS[:1], False)


# a reply, its chain, what follows it, whether the chain is closed
REPLIES = [
    ("<think> a </think> 5", "a", "5", True),
    ("<think>\na\n</think>\n\n5", "a", "5", True),
    ("<think></think> 5", "", "5", True),
    ("<think> </think> <think> a </think> 5", "a", "5", True),
    ("<think> a </think> 4 <think> b </think> 5", "a  4  b", "5", True),
    ("a </think> 5", "a", "5", True),
    ("a </think> 4 </think> 5", "a  4", "5", True),
    ("a </think> 4 <think> b </think> 5", "a  4  b", "5", True),
    ("Sure! <think> a </think> 5", "a", "5", True),
    ("<think> a", "a", "", False),
    ("Sure! <think> 3", "3", "", False),
    ("<think> a </think> 4 <think> 3", "a  4  3", "", False),
    ("a </think> 4 <think> 3", "a  4  3", "", False),
    ("<think>", "", "", False),
    ("<think> a </think>", "a", "", True),
    ("5", "", "5", False),
    ("", "", "", False),
]


@pytest.mark.parametrize("reply, chain, final, closed", REPLIES)
def test_one_reader_finds_chains_however_they_are_marked(reply, chain, final, closed):
    assert split_trace(reply) == (chain, final)
    found = chains.read_chain(reply, truncated=False)
    assert found.closed == closed and found.steps == chains.steps_of(chain)
    assert chains.has_chain(reply) == bool(chain)
    if not final:
        assert found.answer == ""  # never a number in the middle of a chain


def test_a_reply_to_a_template_that_opens_the_chain_begins_within_it():
    assert split_trace("3 + 5 is", opened=True) == ("3 + 5 is", "")
    assert split_trace("a </think> 5", opened=True) == ("a", "5")
    assert chains.with_opening("<think>", "a </think> 5") == "<think> a </think> 5"
    assert chains.with_opening("<think>", "<think> a") == "<think> a"
    assert chains.with_opening("", "a") == "a"


def test_prefixes_are_the_chain_after_every_step():
    assert chains.prefixes(STEPS[:2]) == ["", STEPS[0], " ".join(STEPS[:2])]
    assert chains.prefixes([]) == [""]
