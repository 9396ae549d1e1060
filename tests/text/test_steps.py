"""Where steps end: the kinds of lists, formulas, abbreviations and full stops of real chains."""

import pytest

from helpers.text.steps import steps_of, unmarked

# a text, and its number of steps
TEXTS = [
    ("1. Ann has 5 apples.\n2. She buys 3.\n3. So 5 + 3 = 8.", 3),
    ("Mr. Smith has 5 apples. Mrs. Lee has 3, e.g. red ones.", 2),
    ("5 + 3 = 8。所以答案是8。", 2),
    ("So the total is\n\\[\n5 + 3 = 8.\n\\]\nThe answer is 8.", 2),
    ("We get \\[5 + 3 = 8. \\] so Ann has 8. Done.", 2),
    ("We get\n\n$$\n5 + 3 = 8\n$$\n\nwhich is 8.\nThen 3.", 2),
    ("Ann has 5.\n\\begin{align}\nx &= 5 \\\\\n y &= 3.\n\\end{align}\nSo 8.", 2),
    ("It is 5 p.m. She has 8. So 3.", 3),
    ("1. Ann has 5. 2. She buys 3. 3. So 8.", 3),
    ("Step 1. Add 5 and 3. Step 2. Take 2.", 2),
    ("Step 1: Add 5.\nStep 2: Take 2.", 2),
    ("Step 1:\nAdd 5 and 3.\nStep 2:\nTake 2.", 2),
    ('He said "Stop!" and left. 5! = 120. It costs $2.50. Then 3.', 4),
    ("- Ann has 5.\n- Ben has 3.\n* So 8.", 3),
    ("• Ann has 5 apples\n• Ben has 3", 2),
    ("J. K. Rowling has 5 books. She sells 2.", 2),
    ("The answer is B. So we stop.", 2),
    ("He weighs 5 lbs. and 3 oz. in all. She weighs 4.", 2),
    ("It costs approx. 5 dollars. Then 3.", 2),
    ("Is it 5? No. It is 6.", 3),
    ("See No. 5. Then stop.", 2),
    ("1) Ann has 5.\n2) Ben has 3.", 2),
    ("(1) Ann has 5.\n(2) Ben has 3.", 2),
    ("**1.** Ann has 5.\n**2.** Ben has 3.", 2),
    ("1.\nAnn has 5.\n2.\nBen has 3.", 2),
    ("a. Ann has 5.\nb. Ben 3.", 2),
    ("アンは5個。ベンは3個！全部で8個ですか？はい。", 4),
    ("**Ann has 5.** So **8.** End.", 3),
    ("She has $5 + 3 = 8.$ So 8.", 2),
    ("Hmm... so 5. Then 3.", 2),
    ("So we have:\n5 + 3 = 8\nThe answer is 8.", 2),
    ("Ann has 5.\n\n---\n\nBen has 3.", 2),
    ("The U.S. has 50 states. So 50.", 2),
    ("Dr. Lee, Ph.D. has 5. OK.", 2),
    ("How many? 8. So Ann has 8.", 3),
    ("First, 5 + 3 = 8. 8 * 2 = 16. The end.", 3),
    ("At 3.30 p.m. he left. He had 5.0 km to go.", 2),
    ("He has 5 in. of rope. In all 6.", 2),
    ("### Step 1: Add\nAnn has 5.\n### Step 2: Take\nBen has 3.", 4),
    ("5 + 3 = 8. so 8. ok", 3),
    ("उत्तर 8 है। इसलिए 8।", 2),
    ("Let x = 5. Then x^2 = 25. \\(y = 3\\). Hence 28.", 4),
    ("1. **Ann**: 5 apples. She eats 2.\n2. **Ben**: 3.", 3),
    ("First: 3.5 - 1.5 = 2.0. Next: vs. Bob it is 3.", 2),
    ("Wait! That is wrong. Wait... Ann has 6.", 4),
    ("It is 8 (i.e. 5 + 3). Done.", 2),
    ("It is 8 (5 + 3 = 8.) Done.", 2),
    ("\\[ 5 + 3 = 8 \\]\nSo 8.", 2),
    ("Mr. and Mrs. Lee vs. Dr. St. John, Sr. have 5, 6, etc. in all. Right.", 2),
    ("We add:\n\\[\n5 + 3 = 8\n\\]\n\\[\n8 * 2 = 16\n\\]\nSo 16.", 2),
    ("The price is $3. The tax is $1. Total $4.", 3),
    ("“Ann has 5.” “Ben has 3.” So 8.", 3),
    ("Ann has 5 apples.Ben has 3.", 1),
    ("1. 5 + 3 = 8\n2. 8 - 2 = 6", 2),
    ("5 + 3 = 8!\nSo 8!", 2),
    ("i. Ann 5.\nii. Ben 3.", 2),
    ("Jan. 5 is a Monday. On Feb. 6 she pays.", 2),
    ("Add 5, 6, etc. Then stop.", 2),
]


@pytest.mark.parametrize("text, n", TEXTS)
def test_steps_are_those_that_a_reader_counts(text, n):
    found = steps_of(text)
    assert len(found) == n, found
    assert "".join("".join(found).split()) == "".join(text.split())  # and nothing is lost


def test_a_formula_stands_in_its_sentence():
    text = "The total is\n\\[\n5 + 3 = 8.\n\\]\nThe answer is 8."
    assert steps_of(text) == ["The total is \\[ 5 + 3 = 8. \\]", "The answer is 8."]


def test_list_numbers_and_bullets_come_off():
    for step in (
        "2. So 5.",
        "2) So 5.",
        "(2) So 5.",
        "**2.** So 5.",
        "- So 5.",
        "• So 5.",
        "a. So 5.",
    ):
        assert unmarked(step) == "So 5."
    for step in ("Step 2: So 5.", "## Step 2. So 5."):
        assert unmarked(step) == "So 5."
    for step in ("2.5 of 5.", "5 + 3 = 8.", "I. Newton is 5.", "3:30 is the time."):
        assert unmarked(step) == step


def test_long_texts_are_read_in_time():
    for piece in ("Ann has 5. ", "1. ", "\n", "$$", "\\[ ", "a.b.c. ", "**", "So: ", "- "):
        steps_of(piece * 3000)
