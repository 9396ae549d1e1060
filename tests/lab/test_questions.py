import json
import os
from pathlib import Path

import pytest

from helpers import ROOT
from helpers.lab import questions
from helpers.lab.items import SCENARIOS, Item, pocket_items
from helpers.lab.questions import (
    gsm8k_twins,
    last_question,
    of_source,
    read_jsonl,
)

EXAMPLE = ROOT / "data" / "questions" / "example.jsonl"
GSM8K = Path(os.environ.get("WORKBOOK_GSM8K") or ROOT.parent / "shared/data/gsm8k_test.jsonl")
needs_gsm8k = pytest.mark.skipif(
    not GSM8K.is_file(),
    reason=f"no GSM8K test file at {GSM8K}: set WORKBOOK_GSM8K to the path of one",
)
GOOD = {
    "id": "q1",
    "question": "How many?",
    "answers": ["12"],
    "should_abstain": False,
    "scenario": "plain",
}


def write(path, *lines):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), "utf-8")
    return path


def test_reads_every_field_and_the_defaults(tmp_path):
    lone = {**GOOD, "id": "a"}
    lacking = {**GOOD, "id": "b", "answers": [], "should_abstain": True, "scenario": "stale"}
    full = {**GOOD, "id": "c", "scenario": "stale", "twin": "b", "steps": 2}
    path = write(tmp_path / "q.jsonl", lone, "", lacking, full, "")
    assert read_jsonl(path) == [
        Item("a", "How many?", ("12",), False, "plain"),
        Item("b", "How many?", (), True, "stale"),
        Item("c", "How many?", ("12",), False, "stale", "b", 2),
    ]


def test_further_fields_are_kept_by_the_id_of_their_line(tmp_path):
    noted = {**GOOD, "source": "my class", "note": 3}
    path = write(tmp_path / "q.jsonl", noted, {**GOOD, "id": "q2"})
    assert [item.id for item in read_jsonl(path)] == ["q1", "q2"]
    assert questions.extras(path) == {"q1": {"source": "my class", "note": 3}, "q2": {}}


def test_a_size_that_a_file_takes_no_notice_of_is_refused(tmp_path):
    own = write(tmp_path / "own.jsonl", GOOD)
    for size in ("n_pairs", "n_items"):
        with pytest.raises(ValueError, match=f"01: {size} is asked for, .* it is taken whole"):
            questions.refuse_ignored_sizes(own, {size: 20}, True, "01")
    raw = write(tmp_path / "raw.jsonl", {"question": "How many?", "answer": "#### 3"})
    questions.refuse_ignored_sizes(raw, {"n_pairs": 20, "dose": 8}, True, "01")
    questions.refuse_ignored_sizes(raw, {"n_items": 20}, False, "02")
    with pytest.raises(ValueError, match="of it n_pairs alone counts here: leave n_items out"):
        questions.refuse_ignored_sizes(raw, {"n_pairs": 20, "n_items": 20}, True, "06")


def test_reads_a_byte_order_mark_and_other_scripts(tmp_path):
    path = tmp_path / "q.jsonl"
    line = json.dumps({**GOOD, "question": "Wie viele Äpfel hat 李?"}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + line.encode() + b"\r\n")
    assert read_jsonl(path)[0].question == "Wie viele Äpfel hat 李?"


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    "bad, complaint",
    [
        ("{'id': 'q2'}", "not JSON"),
        ('{"id": "q2"', "not JSON"),
        ("[1, 2]", "a list where a JSON object"),
        (without("scenario"), "scenario missing"),
        ({**GOOD, "id": "q2", "awnsers": []}, "field awnsers looks like answers"),
        ({**GOOD, "id": 2}, "id is a number: expected text"),
        ({**GOOD, "id": " "}, "id is empty"),
        ({**GOOD, "id": "q2", "question": None}, "question is null"),
        ({**GOOD, "id": "q2", "question": ""}, "question is empty"),
        ({**GOOD, "id": "q2", "answers": "12"}, "answers is text: expected a list"),
        ({**GOOD, "id": "q2", "answers": [12]}, "answers holds a number"),
        ({**GOOD, "id": "q2", "answers": [""]}, "answers holds an empty text"),
        ({**GOOD, "id": "q2", "should_abstain": "false"}, "should_abstain is text"),
        ({**GOOD, "id": "q2", "should_abstain": 0}, "should_abstain is a number"),
        ({**GOOD, "id": "q2", "should_abstain": True, "scenario": "stale"}, "yet answers are"),
        ({**GOOD, "id": "q2", "answers": []}, "answers is empty"),
        ({**GOOD, "id": "q2", "scenario": "unknown"}, "unknown scenario 'unknown'"),
        ({**GOOD, "id": "q2", "answers": [], "should_abstain": True}, "scenario is plain"),
        ({**GOOD, "id": "q2", "steps": 1.5}, "steps is 1.5"),
        ({**GOOD, "id": "q2", "steps": True}, "steps is true"),
        ({**GOOD, "id": "q2", "steps": -1}, "steps is -1"),
        ('{"id": "q2", "id": "q3"}', "the key 'id' comes twice"),
        ("[" * 100_000, "nested too deeply"),
        ({**GOOD, "id": "q2", "question": "\ud800?"}, "question holds half a character"),
        ({**GOOD, "id": "q2", "answers": ["\ud800"]}, "answers holds half a character"),
        ({**GOOD, "id": "q2", "claim": "²"}, "claim is '²': expected a wrong answer"),
        ({**GOOD, "id": "q2", "claim": "many"}, "claim is 'many': expected a wrong answer"),
        ({**GOOD, "id": "q2", "claim": GOOD["answers"][0]}, "expected a wrong answer"),
        (GOOD, "id 'q1' was used in line 1"),
        ({**GOOD, "id": "q2", "twin": "q9"}, "twin 'q9' is no id"),
        ({**GOOD, "id": "q2", "twin": "q1"}, "both have should_abstain false"),
    ],
)
def test_a_bad_line_is_named_with_what_is_wrong(tmp_path, bad, complaint):
    path = write(tmp_path / "q.jsonl", GOOD, "", bad)
    with pytest.raises(ValueError) as error:
        read_jsonl(path)
    message = str(error.value)
    assert f"{path}, line 3: " in message
    assert complaint in message
    assert "\n" not in message and message.endswith(".")


def test_files_that_are_no_question_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.jsonl"):
        read_jsonl(tmp_path / "nowhere.jsonl")
    with pytest.raises(ValueError, match="is a folder"):
        read_jsonl(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a pipe or a device"):
        read_jsonl(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is empty"):
        read_jsonl(write(tmp_path / "empty.jsonl", "", " "))
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(json.dumps(GOOD).encode() + b'\n{"id": "\xe4"}')
    with pytest.raises(ValueError, match="line 2: not UTF-8"):
        read_jsonl(latin)


def test_the_example_is_six_pairs_one_a_scenario():
    items = read_jsonl(EXAMPLE)
    assert [item.scenario for item in items if item.should_abstain] == list(SCENARIOS)
    by_id = {item.id: item for item in items}
    assert all(by_id[item.twin].twin == item.id for item in items)


@pytest.mark.parametrize(
    "problem, question",
    [
        ("Tom has 3 cats. Each eats 2 tins. How many tins?", "How many tins?"),
        ("Pens cost $0.50. How many does $2.50 buy?", "How many does $2.50 buy?"),
        ("Bo has 2 jobs. How much does Mr. Fox pay?", "How much does Mr. Fox pay?"),
        ("Bo starts at 7. When is it 9 a.m. for Bo?", "When is it 9 a.m. for Bo?"),
        ('Eva said, "I have 5." How many has she?', "How many has she?"),
        # one sentence; no question; no quantity in the context; a question that may do without it
        ("If Al has 3 cats and Bo 4, how many cats are there?", ""),
        ("Al has 3 cats. Calculate the tins.", ""),
        ("Al likes cats. How many does he have if he buys 3?", ""),
        ("Al has 3 cats. If 6 pens cost $3, what do 10 cost?", ""),
    ],
)
def test_last_question(problem, question):
    assert last_question(problem) == question


def gsm8k_file(path, n):
    lines = [
        {
            "question": f"Ann has {i + 2} boxes of 600. One box is sold. How many pens are left?",
            "answer": f"{i + 1}*600=<<{i + 1}*600={600 * (i + 1)}>>\n#### {600 * (i + 1):,}",
        }
        for i in range(n)
    ]
    return write(path, *lines)


def test_gsm8k_twins_of_a_small_file(tmp_path):
    path = gsm8k_file(tmp_path / "g.jsonl", 5)
    items = gsm8k_twins(path, 3, seed=0)
    assert gsm8k_twins(path, 3, seed=0) == items
    assert {item.scenario for item in items} == {"underspecified_context"}
    for twin, whole in zip(items[::2], items[1::2], strict=True):
        assert (twin.should_abstain, whole.should_abstain) == (True, False)
        assert (twin.twin, whole.twin) == (whole.id, twin.id)
        assert twin.question == "How many pens are left?"
        assert whole.question.endswith("One box is sold. " + twin.question)
        assert whole.steps == 1
    everything = gsm8k_twins(path, 5, seed=1)
    assert [item.answers for item in everything[1::2]] == [
        (str(600 * (i + 1)),) for i in range(5)
    ]  # the comma of "3,000" is gone


def test_gsm8k_twins_refuse_what_they_can_not_give(tmp_path):
    path = gsm8k_file(tmp_path / "g.jsonl", 2)
    with pytest.raises(ValueError, match="has 2 problems .* at most 2"):
        gsm8k_twins(path, 3, seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        gsm8k_twins(path, 0, seed=0)
    with pytest.raises(ValueError, match="line 1: not a GSM8K problem"):
        gsm8k_twins(write(tmp_path / "q.jsonl", GOOD), 1, seed=0)


def test_questions_tells_the_sources_apart(tmp_path):
    assert of_source("", 2, seed=5) == pocket_items(2, seed=5)
    assert of_source(str(EXAMPLE), 1, seed=5) == read_jsonl(EXAMPLE)
    path = gsm8k_file(tmp_path / "g.jsonl", 4)
    assert of_source(str(path), 2, seed=5) == gsm8k_twins(path, 2, seed=5)
    with pytest.raises(ValueError, match="id, question, answers"):
        of_source(str(write(tmp_path / "bad.jsonl", {"question": "a", "answer": "b"})), 2, seed=5)


@needs_gsm8k
def test_gsm8k_test_set():
    """AbstentionBench's own expression matches 1,213 of the 1,319 problems."""
    problems = [json.loads(line)["question"] for line in GSM8K.open(encoding="utf-8")]
    cut = [last_question(problem) for problem in problems]
    assert len(problems) == 1319
    assert sum(map(bool, cut)) == 1032
    for problem, question in zip(problems, cut, strict=True):
        assert problem.strip().endswith(question) and question.count("?") <= 1
    items = gsm8k_twins(GSM8K, 30, seed=0)
    assert len({item.id for item in items}) == 60
    assert all(item.answers[0].lstrip("-").isdigit() for item in items if not item.should_abstain)


def test_answerable_items_are_stories_of_two_to_five_steps(tmp_path):
    found = questions.answerable("", 12, 5)
    assert [item.steps for item in found] == [2, 3, 4, 5] * 3
    assert len({item.question for item in found}) == len({item.id for item in found}) == 12
    assert all(item.answers and not item.should_abstain for item in found)
    assert found == questions.answerable("", 12, 5) != questions.answerable("", 12, 6)


def test_answerable_items_of_a_file_leave_the_others_out(tmp_path):
    line = {
        "id": "a",
        "question": "1 + 1?",
        "answers": ["2"],
        "should_abstain": False,
        "scenario": "plain",
    }
    other = line | {"id": "b", "answers": [], "should_abstain": True, "scenario": "stale"}
    path = tmp_path / "mine.jsonl"
    lines = [json.dumps(one) for one in (line, other, line | {"id": "c"})]
    path.write_text("\n".join(lines))
    assert [item.id for item in questions.answerable(str(path), 5, 0)] == ["a", "c"]
    path.write_text("\n".join(lines[:2]))
    with pytest.raises(ValueError, match="mine.jsonl has too few .* answer, 1: give at least 2"):
        questions.answerable(str(path), 5, 0)
    with pytest.raises(ValueError, match="give at least 2"):
        questions.of_both_kinds(str(path), 5, 0)
    path.write_text(lines[1])
    with pytest.raises(ValueError, match="too few questions with an answer, 0"):
        questions.answerable(str(path), 5, 0)


def test_both_kinds_are_needed_where_declining_is_measured(tmp_path):
    found = questions.of_both_kinds("", 1, 0, 3, (2, 4))
    assert [item.steps for item in found[-3:]] == [2, 4, 2] and len(found) == 15
    short = questions.of_both_kinds("", 2, 0, 1, (1,))
    assert len(short) == 25 and {item.steps for item in short} == {1}
    line = {
        "id": "a",
        "question": "1 + 1?",
        "answers": ["2"],
        "should_abstain": False,
        "scenario": "plain",
    }
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(ValueError, match="mine.jsonl has questions of one kind only"):
        questions.of_both_kinds(str(path), 1, 0, 3, (2, 4))
