"""Whether a reply declines, by rules and by a judge, on all kinds of texts."""

import json
import os
import random
from pathlib import Path

import pytest

from helpers.lab.items import SCENARIOS
from helpers.lm import judge
from helpers.lm.generation import Completion
from helpers.stats.intervals import kappa
from helpers.text.abstention import abstained, labelled_responses
from helpers.text.answers import equal, final_answer
from helpers.world import scene

ROOT = Path(__file__).resolve().parents[2]
GSM8K = Path(os.environ.get("WORKBOOK_GSM8K") or ROOT.parent / "shared/data/gsm8k_test.jsonl")


@pytest.mark.parametrize(
    "text",
    [
        "I don't know.",
        "I don’t know.",
        "**I can't tell from the story.**",
        "There is no way to know.",
        "This cannot be determined.",
        "There is not enough information.",
        "The story does not say.",
        "It depends on the pack.",
        "Which Ann do you mean?",
        "That is a matter of taste.",
        "There is no fifth egg, so this is impossible.",
        "Final Answer: unknown, as the price isn't given.",
        "<think> 5 + 3 = 8. The answer is 8. </think> I don't know.",
        "Ann has 5 apples and finds some more. How many she finds isn't stated, so I can't tell.",
        "I can't tell. If she found 2, she would have 7.",
    ],
)
def test_abstained(text):
    assert abstained(text)


@pytest.mark.parametrize(
    "text",
    [
        "Ann has 12 apples.",
        "I didn't know at first, but the answer is 12.",
        "I am not sure, but probably 12.",
        "I don't know for certain, so I would guess 12.",
        "Nobody knows better than Ann: 7.",
        "We don't know what Ben has. Ann has 7 apples.",
        "Ben's count cannot be determined, but Ann's is 3 + 4 = 7.",
        "The story does not say. Assuming a pack of 10, the answer is 40.",
        "<think> I don't know. It cannot be determined. </think> Ann has 7 apples.",
        "<think> I don't know. It cannot be determined.",
        "",
    ],
)
def test_not_abstained(text):
    assert not abstained(text)


def test_every_reply_of_the_pocket_world_is_read_right():
    rng = random.Random(7)
    for scenario in SCENARIOS:
        for i in range(40):
            for story in scene.pair(rng, scenario, 1 + i % 5):
                for reply in (story.reply(rng), story.reasoned(rng)):
                    assert abstained(reply) == (not story.answer), reply
                    if story.answer:
                        assert final_answer(reply) == story.answer, reply


def test_long_and_repetitive_texts_are_read_in_time():
    for text in ("x " * 5000, "**a " * 5000, "so I guess " * 3000, "if 3 " * 3000, "= " * 5000):
        abstained(text)
        final_answer(text)


@pytest.mark.skipif(
    not GSM8K.is_file(), reason=f"no GSM8K test file at {GSM8K}: set WORKBOOK_GSM8K"
)
def test_worked_solutions_are_no_abstentions_and_parse():
    lines = GSM8K.read_text("utf-8").splitlines()[::4]
    worked = [json.loads(line)["answer"] for line in lines]
    golds = [text.rpartition("####")[2].strip() for text in worked]
    assert not any(map(abstained, worked))
    assert all(equal(final_answer(text), gold) for text, gold in zip(worked, golds, strict=True))
    # without the mark the answer has to be found in the last sentence
    bare = [text.rpartition("####")[0] for text in worked]
    found = [equal(final_answer(text), gold) for text, gold in zip(bare, golds, strict=True)]
    assert sum(found) / len(found) > 0.98
    assert sum(map(abstained, bare)) / len(bare) < 0.005


class Reader:
    """Stands in for a model: remembers the prompt."""

    name = "reader"

    def prompt(self, text):
        self.seen = text
        return text


@pytest.mark.parametrize(
    "said, verdict", [("Yes.", True), ("no", False), ("<think> yes? </think> No.", False)]
)
def test_judge_reads_the_verdict_and_sees_only_question_and_final_part(monkeypatch, said, verdict):
    reader = Reader()
    monkeypatch.setattr(judge, "generate", lambda lm, prompts, n: [Completion(said, 2, False)])
    assert (
        judge.abstained(reader, "How many {x}?", "<think> secret </think> I don't know.") is verdict
    )
    assert reader.seen == judge.PROMPT.format(question="How many {x}?", response="I don't know.")


def test_judge_that_says_neither_is_refused(monkeypatch):
    monkeypatch.setattr(judge, "generate", lambda *_: [Completion("Paris", 1, False)])
    with pytest.raises(ValueError, match="Judge reader said 'Paris'"):
        judge.abstained(Reader(), "?", "!")


def test_labelled_responses_cover_both_classes_and_all_scenarios():
    frame = labelled_responses()
    assert len(frame) >= 200 and frame["id"].is_unique
    assert not frame.duplicated(["question", "response"]).any()
    assert set(frame["scenario"]) == set(SCENARIOS)
    cells = frame.groupby(["scenario", "split", "abstains"]).size()
    assert len(cells) == 24 and cells.min() >= 9
    assert frame["abstains"].mean() == pytest.approx(0.5, abs=0.05)
    assert frame["kind"].nunique() >= 10


def test_rules_agree_with_the_labels_on_the_half_they_were_not_tuned_on():
    """Floors below what was measured (kappa .91 on 126 replies): a broken rule falls through."""
    test = labelled_responses().query("split == 'test'")
    said = test["response"].map(abstained)
    assert kappa(test["abstains"], said).estimate > 0.8
    assert said[test["abstains"]].mean() > 0.85  # recall
    assert test["abstains"][said].mean() > 0.85  # precision
