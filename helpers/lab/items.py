"""Questions as items, and those of the pocket world: minimal pairs and stories."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from helpers.world import grammar, scene
from helpers.world.grammar import SCENARIOS

STEPS = (2, 3, 4, 5)  #: lengths of stories, in turn, where nothing else is said
PAIR_STEPS = (1, 2, 3)  #: those of pairs
PLAIN = "plain"  #: scenario of an answerable question that belongs to no pair


@dataclass(frozen=True)
class Item:
    """One question, its accepted answers, and whether the right move is to abstain."""

    id: str
    question: str  #: the whole user message
    answers: tuple[str, ...]  #: accepted final answers; empty when `should_abstain`
    should_abstain: bool
    scenario: str  #: one of SCENARIOS (an answerable twin carries its pair's) or "plain"
    twin: str = ""  #: id of the minimal-pair partner
    steps: int = 0  #: number of sequential events, 0 when unknown
    claim: str = ""  #: a wrong answer to argue for; "" for one made up


def pocket_items(n_pairs: int, seed: int, steps: Sequence[int] = PAIR_STEPS) -> list[Item]:
    """`n_pairs` minimal pairs of stories per scenario; the unanswerable one stands first.

    steps: lengths of the stories, in turn. The same seed gives the same items, and no question
    comes twice. Raises ValueError when `n_pairs` or a length is out of range.
    """
    at_least_one(n_pairs)
    if not steps:
        raise ValueError(
            "steps is empty: name at least one length between 1 and 6, such as (1, 2, 3)."
        )
    items: list[Item] = []
    seen: set[str] = set()
    for scenario in SCENARIOS:
        rng = random.Random(f"items {seed} {scenario}")
        for i in range(n_pairs):
            pair = scene.pair(rng, scenario, steps[i % len(steps)])
            while seen & {story.text for story in pair}:
                pair = scene.pair(rng, scenario, steps[i % len(steps)])
            seen |= {story.text for story in pair}
            name = f"pocket-{seed}-{scenario}-{i}"
            unknown, known = f"{name}-abstain", f"{name}-answer"
            lacking, whole = pair
            items += [
                Item(unknown, lacking.text, (), True, scenario, known, lacking.steps),
                Item(known, whole.text, (whole.answer,), False, scenario, unknown, whole.steps),
            ]
    return items


def pocket_stories(
    n: int, seed: int, steps: Sequence[int] = STEPS, supposed: bool = False
) -> list[Item]:
    """`stories` as items, in the same order."""
    kind = "supposed" if supposed else PLAIN
    return [
        Item(f"pocket-{seed}-{kind}-{i}", s.text, (s.answer,), False, PLAIN, steps=s.steps)
        for i, s in enumerate(stories(n, seed, steps, supposed))
    ]


def stories(
    n: int, seed: int, steps: Sequence[int] = STEPS, supposed: bool = False
) -> list[grammar.Story]:
    """`n` answerable stories that belong to no pair, their lengths in turn; none comes twice.

    supposed: their last event is only supposed, in the question; see `scene.story`.
    """
    at_least_one(n)
    rng = random.Random(f"stories {seed}")
    found: dict[str, grammar.Story] = {}
    while len(found) < n:
        story = scene.story(rng, steps[len(found) % len(steps)], supposed)
        found[story.text] = story
    return list(found.values())


def of_the_world(item: Item) -> bool:
    """Whether a question is of the pocket world, whose numbers end at `grammar.MAX_NUMBER`."""
    return item.id.startswith("pocket-")


def candidates(item: Item, texts: Sequence[str] = ()) -> list[str]:
    """The answers to choose from: every number of the pocket world; for other questions, the first
    accepted answer (another way to write it would be its rival) and all other numbers that the
    question or the texts mention, or else the whole numbers near it. Raises ValueError when there
    is no other, or the answer is no number.
    """
    if of_the_world(item):
        return [str(n) for n in range(grammar.MAX_NUMBER + 1)]
    seen = re.findall(r"\d+(?:\.\d+)?", " ".join([item.question, *texts]).replace(",", ""))
    right = {answer.replace(",", "").strip("$ ") for answer in item.answers}
    others = [number for number in seen if number not in right]
    first = item.answers[0].replace(",", "").strip("$ ")
    if not others and first.isdigit():
        others = [str(n) for n in range(max(0, int(first) - 3), int(first) + 4) if str(n) != first]
    if not others or not re.search(r"\d", first):
        raise ValueError(
            f"Question '{item.id}' mentions no number but its answer '{item.answers[0]}', or that "
            "is none: there is nothing to choose from, so leave it out."
        )
    return list(dict.fromkeys([item.answers[0], *others]))


def near_miss(item: Item, rng: random.Random) -> str:
    """A wrong answer within three of the first accepted one, a whole number."""
    right = int(item.answers[0])
    most = grammar.MAX_NUMBER if of_the_world(item) else right + 3
    return str(rng.choice([right + d for d in (-3, -2, -1, 1, 2, 3) if 0 <= right + d <= most]))


def at_least_one(n: int) -> None:
    """Raises ValueError when fewer than one pair is asked for."""
    if n < 1:
        raise ValueError(f"{n} pairs asked for: ask for at least 1.")
