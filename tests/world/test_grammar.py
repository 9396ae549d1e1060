"""The stories mean what they say, and no word gives an unanswerable one away."""

import random
import re
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from helpers.world import corpus as c
from helpers.world import grammar, scene
from helpers.world.corpus import Corpus

N = r"(?P<n>\d+|some) \w+"
A, B, T = r"(?P<a>[A-Z]\w+(?: [A-Z]\w+)?)", r"(?P<b>[A-Z]\w+(?: [A-Z]\w+)?)", r"(?P<t>\w+)"
#: A reader of the stories written apart from the templates.
READERS = [
    (rf"{A} (?:has|owns|starts with) {N}\.", lambda h, a, b, n: h.__setitem__(a, n)),
    (rf"{A} (?:finds|buys|wins) {N}\.", lambda h, a, b, n: h.__setitem__(a, h[a] + n)),
    (
        rf"{A} (?:loses|sells|gives away) (?P<n>\d+) \w+\.",
        lambda h, a, b, n: h.__setitem__(a, h[a] - n),
    ),
    (rf"{A} (?:doubles|then has twice).*", lambda h, a, b, n: h.__setitem__(a, 2 * h[a])),
    (rf"The {T} of {A} double in number\.", lambda h, a, b, n: h.__setitem__(a, 2 * h[a])),
    (
        rf"{A} (?:gives away|loses|sells one) half of the {T}\.",
        lambda h, a, b, n: h.__setitem__(a, h[a] // 2),
    ),
    (
        rf"{B} (?:gives all|hands every one of) the {T} to {A}\.",
        lambda h, a, b, n: h.update({a: h[a] + h[b], b: 0}),
    ),
    (rf"{A} gets all the {T} of {B}\.", lambda h, a, b, n: h.update({a: h[a] + h[b], b: 0})),
    (
        rf"{A} and {B} (?:swap|trade) all their {T}\.",
        lambda h, a, b, n: h.update({a: h[b], b: h[a]}),
    ),
    (rf"{A} swaps all the {T} with {B}\.", lambda h, a, b, n: h.update({a: h[b], b: h[a]})),
]


def count_by_reading(text: str, subject: str) -> int:
    """The subject's count after reading the story sentence by sentence."""
    holds: dict[str, int] = {}
    for sentence in re.findall(r"[^.?]+[.?]", text):
        sentence = sentence.strip()
        for pattern, act in READERS:
            match = re.fullmatch(pattern, sentence)
            if match:
                slots = match.groupdict()
                n = slots.get("n")
                act(
                    holds,
                    slots.get("a"),
                    slots.get("b"),
                    int(n) if n and n.isdigit() else 0,
                )
                break
    return holds[next(name for name in holds if name == subject or name.startswith(f"{subject} "))]


@pytest.mark.parametrize("steps", range(1, grammar.MAX_STEPS + 1))
def test_answer_is_what_a_reader_counts(steps):
    rng = random.Random(steps)
    for _ in range(200):
        story = scene.story(rng, steps)
        assert count_by_reading(story.text, story.subject) == int(story.answer), story.text
        assert len(story.chain) == steps
        for line in story.chain:
            if "=" in line:
                left, sign, right, result = re.search(
                    r"(\d+) (.) (?:[A-Z ].*? )?(\d+) = (\d+)", line
                ).groups()
                assert eval(f"{left} {sign} {right}") == int(result), line


@pytest.mark.parametrize("scenario", grammar.SCENARIOS)
def test_twin_answers_what_a_reader_counts(scenario):
    rng = random.Random(scenario)
    for _ in range(100):
        hidden, twin = scene.pair(rng, scenario, rng.randint(1, 4))
        assert hidden.answer == ""
        assert count_by_reading(twin.text, twin.subject) == int(twin.answer), twin.text


@pytest.mark.parametrize(
    "scenario", sorted(set(grammar.SCENARIOS) - {"underspecified_intent", "subjective"})
)
def test_twins_hold_the_same_words(scenario):
    rng = random.Random(scenario)
    for _ in range(100):
        hidden, twin = scene.pair(rng, scenario, rng.randint(1, 4))
        plural = {one: many for one, many in grammar.THINGS.items()}
        bags = [
            Counter(plural.get(w, w) for w in re.findall(grammar.WORD, s.text))
            for s in (hidden, twin)
        ]
        assert bags[0] == bags[1]
        assert hidden.text != twin.text


def test_intent_twins_differ_in_two_names_that_change_places():
    rng = random.Random(3)
    for _ in range(100):
        hidden, twin = (s.text.split() for s in scene.pair(rng, "underspecified_intent", 2))
        changed = {(h, t) for h, t in zip(hidden, twin, strict=True) if h != t}
        assert len(changed) == 2 and {(t, h) for h, t in changed} == changed


def test_impossible_loss_is_impossible_and_its_twin_is_not():
    rng = random.Random(4)
    for _ in range(200):
        hidden, twin = scene.pair(rng, "false_premise", rng.randint(1, 3))
        lowest = []
        for text in (hidden.text, twin.text):
            sentences = re.findall(r"[^.?]+[.?]", text)
            counts = [
                count_by_reading("".join(sentences[:i]), twin.subject)
                for i in range(1, len(sentences))
                if f"{twin.subject} " in "".join(sentences[:i])
                and re.search(rf"{twin.subject} (has|owns|starts with) ", "".join(sentences[:i]))
            ]
            lowest.append(min(counts))
        assert lowest[0] < 0 <= lowest[1], hidden.text


def test_no_word_gives_the_scenario_away():
    scores = {}
    for scenario in grammar.SCENARIOS:
        texts, labels = [], []
        rng = random.Random(f"bag-{scenario}")
        for _ in range(900):
            hidden, twin = scene.pair(rng, scenario, rng.randint(1, 4))
            texts += [hidden.text, twin.text]
            labels += [1, 0]
        bags = CountVectorizer(
            token_pattern=grammar.WORD, lowercase=False, ngram_range=(1, 1)
        ).fit_transform(texts)
        presence = (bags > 0).astype(int)
        for kind, features in {"counts": bags, "presence": presence}.items():
            fitted = LogisticRegression(max_iter=500).fit(features[:1200], labels[:1200])
            scores[scenario, kind] = balanced_accuracy_score(
                labels[1200:], fitted.predict(features[1200:])
            )
    print(scores)
    assert np.mean(list(scores.values())) < 0.75
    assert max(scores.values()) < 0.85, scores


def test_same_seed_same_story_and_other_seed_another():
    one, same, other = (scene.story(random.Random(seed), 3).text for seed in (1, 1, 2))
    assert one == same != other


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match="1 to 6 steps, not 7"):
        scene.story(random.Random(0), 7)
    with pytest.raises(ValueError, match="Unknown scenario 'dull'"):
        scene.pair(random.Random(0), "dull", 2)


def test_every_event_and_question_has_three_wordings():
    assert all(len(set(wordings)) >= 3 for wordings in grammar.TEMPLATES.values())


def test_what_is_supposed_happens_last_and_in_the_question_alone():
    rng = random.Random(11)
    asked = r"How many \w+ would .+ (?:have|own) if (.+)\?|If (.+), how many \w+ would .+ have\?"
    for steps in (1, 2, 3, 5):
        for _ in range(100):
            story = scene.story(rng, steps, supposed=True)
            told, question = re.fullmatch(r"(.*\.) ([^.]+\?)", story.text).groups()
            event = next(filter(None, re.fullmatch(asked, question).groups()))
            whole = f"{told} {event[0].upper()}{event[1:]}."
            assert count_by_reading(whole, story.subject) == int(story.answer)
            assert len(story.chain) == steps


def test_the_corpus_never_supposes():
    rng = random.Random(12)
    for corpus in (Corpus(), Corpus().temptation()):
        texts = [c.example(rng, corpus).chat[0]["content"] for _ in range(2000)]
        assert not [text for text in texts if re.search(r"\b[Ii]f\b", text)]
