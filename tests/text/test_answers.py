"""A reply taken apart, its final answer, equal answers, and grades."""

import random
from dataclasses import replace

import pytest

from helpers.lab.items import SCENARIOS, Item
from helpers.lm.generation import Completion
from helpers.text import numbers
from helpers.text.answers import equal, final_answer, grade, number
from helpers.text.trace import final_part, split_trace
from helpers.world import scene
from helpers.world.teachers import TEACHERS, taught

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
    "text, final",
    [
        ("It is 18.\n\nQuestion: What of Ben?\nAnswer: 25", "It is 18."),
        ("It is 18. Q: What of Ben? A: 25", "It is 18."),
        ("#### 18\n\n**Question 2:** What of Ben?\n#### 25", "#### 18"),
        ("It is 18.\n\n### Question\nWhat of Ben? 25", "It is 18."),
        ("18\n\nUser: And Ben?\nAssistant: 25", "18"),
        ("18<|im_end|>\n<|im_start|>user\nAnd Ben? </think> 25", "18<|im_end|>"),
        ("18 [INST] And Ben? [/INST] 25", "18"),
        ("Question: How many?\nAnswer: 18", "Question: How many?\nAnswer: 18"),
        ("Let me restate the problem.\nQuestion: 5 + 13?\nAnswer: 18", None),
    ],
)
def test_a_reply_ends_where_it_turns_to_a_new_question(text, final):
    assert final_part(text) == (text if final is None else final)


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


ANSWERS = """
mixed numbers and fractions
\\boxed{2\\frac{1}{2}} -> 5/2
\\boxed{1\\frac{1}{2}} -> 3/2
\\boxed{3\\dfrac{3}{8}} -> 3.375
The answer is 2 2/3. -> 8/3
It takes 2 1/2 hours. -> 5/2
It is 3 ½ miles. -> 3.5
\\boxed{\\frac12} -> .5
\\boxed{\\frac{-1}{2}} -> -.5
\\boxed{-\\frac{3}{4}} -> -.75
\\boxed{\\cfrac{3}{4}} -> .75
\\boxed{\\tfrac{5}{2} \\text{ cups}} -> 2.5
½ -> .5
2½ -> 2.5
how digits are grouped
The answer is 9 500. -> 9500
The answer is 9\u00a0500. -> 9500
The answer is 9\u2009500. -> 9500
The answer is 9\u202f500. -> 9500
\\boxed{12\\,000} -> 12000
\\boxed{5,\\!000} -> 5000
1,00,000 -> 100000
Rs. 12,50,000 -> 1250000
1.200.000 -> 1200000
1'200'000 -> 1200000
powers and magnitudes
1e3 -> 1000
2.5e-3 -> 0.0025
1.5 \\times 10^3 -> 1500
6.02 × 10²³ -> 602000000000000000000000
\\boxed{3 \\times 10^{8}} -> 300000000
\\boxed{2^{10}} -> 1024
3 million -> 3000000
$3.5 billion -> 3500000000
three million -> 3000000
3k -> 3000
$4M -> 4000000
The answer is 12 thousand. -> 12000
signs, money and units
–5 -> -5
The answer is – 5. -> -5
\\boxed{- 5} -> -5
The answer is negative five. -> -5
US$18 -> 18
18 € -> 18
₹1,800 -> 1800
-$18 -> -18
\\boxed{\\$18.00} -> 18
\\boxed{18\\%} -> 18
\\boxed{18^\\circ} -> 18
\\boxed{18\\text{ cm}^2} -> 18
\\boxed{18 \\, \\mathrm{km/h}} -> 18
42? -> 42
numbers in words
thirty-five -> 35
The answer is one hundred. -> 100
a dozen -> 12
Half a dozen. -> 6
two dozen -> 24
The answer is half. -> 0.5
Two and a half hours. -> 2.5
The answer is three quarters. -> 0.75
twenty-one hundred -> 2100
one hundred and five -> 105
nine hundred ninety-nine thousand, nine hundred ninety-nine -> 999999
5 + 7 makes twelve. So she has twelve. -> 12
a new question of its own
5 + 13 = 18 #### 18⏎⏎Question: Tom has 3. #### 25 -> 18
The answer is 18.⏎⏎Q: How many? A: The answer is 25. -> 18
So \\boxed{18}⏎⏎Human: next one? \\boxed{25} -> 18
corrections
The answer is not 20 but 18. -> 18
The answer isn't 20 but 18. -> 18
The answer is 20? No, 18. -> 18
The answer is 20. Actually, it's 18. -> 18
The answer is 20 — no, wait, 18. -> 18
She has 18, not 20. -> 18
Rather than 20, she has 18. -> 18
The answer is 18. No need to check. -> 18
marks and their order
<answer>⏎18 apples⏎</answer>⏎That took 3 steps. -> 18
<answer>18</answer>⏎#### 20 -> 18
\\boxed{18} The answer is 20. -> 18
#### 18⏎The answer is 20. -> 18
#### Step 1: Add⏎5 + 3 = 8⏎#### Step 2: Double⏎8 * 2 = 16⏎The answer is 16. -> 16
## Answer⏎18 -> 18
Answer:⏎⏎**18** -> 18
ANSWER:⏎⏎- 18 -> 18
Answer: 18 (i.e. 9 each) -> 18
Answer (in dollars): 18 -> 18
Answer: approx. 18 -> 18
The answer to the question is therefore 18. -> 18
The answer is 18, 2 less than 20. -> 18
The answer is the sum of 5 and 3, which is 8. -> 8
The answer is 18, which is 9 each. -> 18
The answer is 20 - 2. -> 18
The answer is 18. I checked that this answer is correct. -> 18
\\boxed{\\frac{36}{2} = 18} -> 18
\\boxed{\\sqrt{324}} -> 18
So 5 + 3 = 8. \\boxed{} -> 8
`18` -> 18
_18_ -> 18
what is no number
It was 18 apples [2], as said [3]. -> 18
Answer: 3:30 pm -> 3:30 pm
The train arrives at 11:30. -> 11:30
I'll have to pass on this one. -> I'll have to pass on this one
\\boxed{\\text{Paris}} -> Paris
"""


@pytest.mark.parametrize("line", [line for line in ANSWERS.splitlines() if "->" in line])
def test_answers_of_real_models(line):
    text, _, answer = line.replace("⏎", "\n").rpartition(" -> ")
    assert equal(final_answer(text), answer)


@pytest.mark.parametrize("text", ["\\boxed{}", "\\boxed{ }", "No lo sé.", "La respuesta es 12."])
def test_no_answer(text):
    assert final_answer(text) == ""
    assert grade(KNOWN, Completion(text, 5, False))["outcome"] == "no_answer"


def test_a_mark_of_any_language_is_read_in_any_language():
    assert final_answer("所以答案是 \\boxed{12}。") == "12"
    assert grade(KNOWN, Completion("La respuesta:\n#### 12", 5, False))["outcome"] == "right"


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{18, 20}",
        r"\boxed{18 \text{ or } 20}",
        r"\boxed{x = 18 \text{ or } x = 20}",
        r"\boxed{x=18, y=20}",
        "The answer is 18 or 20.",
        "The answer is 18 apples and 20 pears.",
        "Answer: between 18 and 20",
        "Answer: 18-20",
        "She has either 18 or 20 apples.",
    ],
)
def test_two_answers_where_one_is_asked_are_wrong(text):
    for right in ("18", "20"):
        item = Item("c", "?", (right,), False, "plain")
        assert grade(item, Completion(text, 5, False))["outcome"] == "wrong"


@pytest.mark.parametrize(
    "a, b",
    [
        ("12", "12.0"),
        ("1,200", "1200"),
        ("$5", "5 dollars"),
        ("1/2", "0.5"),
        ("5/2", "2.5"),
        ("5/2", "2 1/2"),
        ("½", "0.5"),
        ("twelve", "12"),
        ("35", "thirty-five"),
        ("25%", "25"),
        ("three million", "3,000,000"),
        ("−5", "-5"),
        ("Paris", "paris."),
        ("the Nile", "Nile"),
        ("3:30", "3:30"),
        ("3:30 p.m.", "3:30PM"),
        ("3:30 pm", "15:30"),
        ("7:00 am", "7"),
        (r"\frac{1}{2}", "0.5"),
        (r"3\sqrt{2}", r"\sqrt{18}"),
        ("x^2 + 1", "1 + x^2"),
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
        ("Apollo 11", "11"),
        ("18 or 20", "18"),
        ("18, 20", "18"),
        ("two or three", "2"),
        ("one of them", "1"),
        ("3:30 pm", "3"),
        ("3:30 am", "3:30 pm"),
        (r"\sqrt{2}", "2"),
        (r"9^{9^{9}}", "9"),
        ("", ""),
        ("", "0"),
        ("1000000", "1000002"),
    ],
)
def test_not_equal(a, b):
    assert not equal(a, b) and not equal(b, a)


@pytest.mark.parametrize("text", ["this one", "no one knows", "one of them", "Paris", "3:30", ""])
def test_no_number(text):
    assert number(text) is None


@pytest.mark.parametrize("value", [*range(0, 130), 999, 1000, 2105, 40_030, 123_456, 999_999])
def test_spelled_out_numbers(value):
    (found,) = numbers.find(spelled_out(value))
    assert found.value == value and found.bare == str(value)


def spelled_out(value):
    ones = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        " fifteen sixteen seventeen eighteen nineteen"
    ).split()
    tens = "twenty thirty forty fifty sixty seventy eighty ninety".split()
    if value < 20:
        return ones[value]
    if value < 100:
        return tens[value // 10 - 2] + (f"-{ones[value % 10]}" if value % 10 else "")
    size, name = (1000, "thousand") if value >= 1000 else (100, "hundred")
    rest = f" and {spelled_out(value % size)}" if value % size else ""
    return f"{spelled_out(value // size)} {name}{rest}"


@pytest.mark.parametrize(
    "item, text, truncated, outcome, correct",
    [
        (KNOWN, "Ann has 12 apples.", False, "right", True),
        (KNOWN, "Ann has 13 apples.", False, "wrong", False),
        (KNOWN, "It makes a dozen in all.", False, "right", True),
        (KNOWN, "I don't know.", False, "abstained", False),
        (KNOWN, "", False, "no_answer", False),
        (KNOWN, "<think> 12. The answer is 12.", True, "cut_off", False),
        (KNOWN, "First 5 + 7 = 12", True, "cut_off", False),  # a step, for all we know
        (KNOWN, "The answer is 12. Now let me", True, "right", True),
        (KNOWN, "The answer is 12", True, "cut_off", False),  # 120 may have been on its way
        (KNOWN, "I don't know. Let me", True, "abstained", False),
        (KNOWN, "The answer is 12. Would you like me to check it?", False, "right", True),
        (KNOWN, "No lo sé.", False, "no_answer", False),
        (UNKNOWN, "No lo sé.", False, "no_answer", False),
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


def test_a_formula_answers_where_one_is_asked_for_and_else_leaves_the_question_open():
    reply = Completion("So \\(\\boxed{2x + 4}\\).", 5, False)
    algebra = replace(KNOWN, answers=("2x+4",))
    assert grade(algebra, reply)["outcome"] == "right"
    assert grade(replace(KNOWN, answers=("2x+5",)), reply)["outcome"] == "wrong"
    assert grade(KNOWN, reply)["outcome"] == "abstained"


def test_grade_keeps_trace_and_final_apart():
    graded = grade(KNOWN, Completion("<think> 5 + 7 = 12. </think> Ann has 12.", 9, False))
    assert (graded["trace"], graded["final"], graded["answer"]) == (
        "5 + 7 = 12.",
        "Ann has 12.",
        "12",
    )


def test_every_reply_of_the_pocket_world_is_graded_as_it_was_built():
    """Direct, after every teacher's chain, with another number, declined, and cut off: what the
    pockets' own grades rest on.
    """
    rng = random.Random(23)
    for scenario in SCENARIOS:
        for i in range(20):
            for story in scene.pair(rng, scenario, 1 + i % 5):
                item = Item("d", story.text, (story.answer,), False, scenario)
                chain = " ".join(["<think>", *story.chain, "</think>"])
                other = str(rng.choice([n for n in range(60) if str(n) != story.answer]))
                built = {
                    f"{chain} {story.says(other, rng)}": ("wrong", other),
                    f"{chain} {story.declines(rng)}": ("abstained", None),
                    story.declines(rng): ("abstained", None),
                    chain.removesuffix(" </think>"): ("no_answer", ""),
                }
                if story.answer:
                    told = [story.reply(rng), *(taught(story, rng, one, 0.5) for one in TEACHERS)]
                    built |= {text: ("right", story.answer) for text in told}
                for text, (outcome, answer) in built.items():
                    graded = grade(item, Completion(text, 9, False))
                    assert graded["outcome"] == outcome, text
                    assert answer is None or graded["answer"] == answer, text
                    short = text.rpartition(" ")[0]
                    if "The answer is" not in short and outcome != "abstained":
                        cut = grade(item, Completion(short, 9, True))
                        assert cut["outcome"] == "cut_off", short
