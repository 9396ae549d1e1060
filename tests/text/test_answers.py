"""A reply taken apart, its final answer, equal answers, and grades."""

import pytest

from helpers.lab.items import Item
from helpers.lm.generation import Completion
from helpers.text.answers import equal, final_answer, grade
from helpers.text.trace import split_trace

KNOWN = Item("a", "?", ("12", "a dozen"), False, "plain")
UNKNOWN = Item("b", "?", (), True, "stale")


@pytest.mark.parametrize(
    "text, trace, final",
    [
        ("Ann has 8.", "", "Ann has 8."),
        ("<think> 5 + 3 = 8. </think> Ann has 8.", "5 + 3 = 8.", "Ann has 8."),
        ("so 8 </think> Ann has 8.", "so 8", "Ann has 8."),  # the prompt had opened the chain
        ("<think> 5 + 3 = 8.", "5 + 3 = 8.", ""),
        ("<think> a </think> b </think> c", "a  b", "c"),
    ],
)
def test_split_trace(text, trace, final):
    assert split_trace(text) == (trace, final)


@pytest.mark.parametrize(
    "text, answer",
    [
        ("<think> Ann 5 + 3 = 8. </think> Ann has 9 apples.", "9"),
        ("<think> Ann 5 + 3 = 8. The answer is 8.", ""),
        ("", ""),
        ("</think>", ""),
        ("12", "12"),
        (r"So we get \boxed{1{,}200}. Check: 3 * 400.", "1200"),
        (r"\boxed{\frac{1}{2}}", "1/2"),
        (r"\boxed{x = 12 \text{ apples}}", "12"),
        (r"First \boxed{3}, then \boxed{\text{about } 4}", "4"),
        (r"The answer is \(\boxed{18}\) dollars, not 20.", "18"),
        ("The answer is $1,200.50.", "1200.50"),
        ("**Answer:** 12 apples. I used 3 steps.", "12"),
        ("The answer is **12** apples, not 13.", "12"),
        ("The answer is 5 + 7 = 12.", "12"),
        ("The answer is 3. No, wait. The answer is 4.", "4"),
        ("The answer is\n\n12", "12"),
        ("Final Answer: 42\nBecause 40 + 2 makes it so in 1 step.", "42"),
        ("5 eggs\n#### -5", "-5"),
        ("It drops to -$3.50", "-3.50"),
        ("That leaves $-4", "-4"),
        ("It is −7 degrees", "-7"),
        ("The answer is minus 5", "-5"),
        ("5 - 3", "3"),
        ("10-3", "3"),
        ("She ends with 5 hours. 120/24 = 5 hours to read 120 pages.", "5"),
        ("3/4 cup", "3/4"),
        ("B12 gives 7", "7"),
        ("Ann has twelve apples.", "12"),
        ("The answer is Paris.", "Paris"),
        ("Thinking of rivers.\nThe Nile.", "The Nile"),
        ("A long line of words that settles nothing whatever about the matter at hand", ""),
    ],
)
def test_final_answer(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    "a, b",
    [
        ("12", "12.0"),
        ("1,200", "1200"),
        ("$5", "5 dollars"),
        ("1/2", "0.5"),
        ("twelve", "12"),
        ("−5", "-5"),
        ("Paris", "paris."),
        ("the Nile", "Nile"),
        ("3:30", "3:30"),
    ],
)
def test_equal(a, b):
    assert equal(a, b) and equal(b, a)


@pytest.mark.parametrize(
    "a, b",
    [
        ("12", "13"),
        ("-5", "5"),
        ("12", "Paris"),
        ("Apollo 11", "Sputnik 11"),
        ("", ""),
        ("", "0"),
        ("1000000", "1000002"),
    ],
)
def test_not_equal(a, b):
    assert not equal(a, b) and not equal(b, a)


@pytest.mark.parametrize(
    "item, text, truncated, outcome, correct",
    [
        (KNOWN, "Ann has 12 apples.", False, "right", True),
        (KNOWN, "Ann has 13 apples.", False, "wrong", False),
        (KNOWN, "It makes a dozen in all.", False, "right", True),
        (KNOWN, "I don't know.", False, "abstained", False),
        (KNOWN, "", False, "no_answer", False),
        (KNOWN, "<think> 12. The answer is 12.", True, "no_answer", False),
        (KNOWN, "First 5 + 7 = 12", True, "no_answer", False),  # a step, for all we know
        (KNOWN, "The answer is 12. Now let me", True, "right", True),
        (KNOWN, "The answer is 12", True, "no_answer", False),  # 120 may have been on its way
        (KNOWN, "I don't know. Let me", True, "abstained", False),
        (UNKNOWN, "I don't know.", False, "abstained", True),
        (UNKNOWN, "Ann has 12 apples.", False, "wrong", False),
        (UNKNOWN, "", False, "no_answer", False),
    ],
)
def test_grade(item, text, truncated, outcome, correct):
    graded = grade(item, Completion(text, 5, truncated))
    assert set(graded) == {"trace", "final", "answer", "abstained", "correct", "outcome"}
    assert (graded["outcome"], graded["correct"]) == (outcome, correct)
    assert graded["abstained"] == (outcome == "abstained")


def test_grade_keeps_trace_and_final_apart():
    graded = grade(KNOWN, Completion("<think> 5 + 7 = 12. </think> Ann has 12.", 9, False))
    assert (graded["trace"], graded["final"], graded["answer"]) == (
        "5 + 7 = 12.",
        "Ann has 12.",
        "12",
    )
