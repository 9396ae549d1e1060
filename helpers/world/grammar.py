"""Short plain-English stories about quantities, with an answer known by construction.

Every scenario of AbstentionBench (Kirichenko et al., arXiv 2506.09038) is a *minimal pair*: the
unanswerable story and its answerable twin hold the same words in another order
(`underspecified_intent`: two names change places), so that no word gives the scenario away.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

#: A word (with its contraction), a number or a mark.
WORD = r"\w+(?:'\w+)?|[^\w\s]"
MAX_NUMBER = 40
MAX_STEPS = 6

NAMES = (
    "Ann",
    "Ben",
    "Cara",
    "Dan",
    "Eva",
    "Finn",
    "Gus",
    "Hana",
    "Ivy",
    "Jack",
    "Kim",
    "Leo",
    "Mia",
    "Noah",
    "Olga",
    "Pia",
)
SURNAMES = ("Bell", "Cole", "Dean", "Ford", "Gray", "Hill")
OLD, NEW = ("last year", "last month", "long ago"), ("today", "this minute", "just now")
THINGS = {
    "apple": "apples",
    "book": "books",
    "coin": "coins",
    "card": "cards",
    "kite": "kites",
    "pen": "pens",
    "ring": "rings",
    "shell": "shells",
    "stamp": "stamps",
    "toy": "toys",
}

TEMPLATES = {
    "has": ("{a} has {n}.", "{a} owns {n}.", "{a} starts with {n}."),
    "gain": ("{a} finds {n}.", "{a} buys {n}.", "{a} wins {n}."),
    "lose": ("{a} loses {n}.", "{a} sells {n}.", "{a} gives away {n}."),
    "double": (
        "{a} doubles the number of {t}.",
        "{a} then has twice as many {t}.",
        "The {t} of {a} double in number.",
    ),
    "halve": (
        "{a} gives away half of the {t}.",
        "{a} loses half of the {t}.",
        "{a} sells one half of the {t}.",
    ),
    "give_all": (
        "{b} gives all the {t} to {a}.",
        "{a} gets all the {t} of {b}.",
        "{b} hands every one of the {t} to {a}.",
    ),
    "swap": (
        "{a} and {b} swap all their {t}.",
        "{b} and {a} trade all their {t}.",
        "{a} swaps all the {t} with {b}.",
    ),
    "question": (
        "How many {t} does {a} have now?",
        "How many {t} has {a} got now?",
        "How many {t} does {a} own in the end?",
    ),
    "supposition": (
        "How many {t} would {a} have if {e}?",
        "How many {t} would {a} own if {e}?",
        "If {e}, how many {t} would {a} have?",
    ),
    "opinion": (
        "How many {t} should {a} have?",
        "How many {t} would be best for {a}?",
        "How many {t} would make {a} happy?",
    ),
    "time": ("All this is from {d}.", "The story is from {d}.", "These numbers are from {d}."),
    "other_time": (
        "The song is from {d}.",
        "The picture is from {d}.",
        "The letter is from {d}.",
    ),
    "aside_person": ("{a} waves to {b}.", "{a} smiles at {b}.", "{a} sits next to {b}."),
    "aside_thing": ("{a} likes {t}.", "{a} talks about {t}.", "{a} often draws {t}."),
    "aside_question": ("{c} asks {b}, {q}", "{c} wonders, {q}", "{c} wants to know, {q}"),
    "roll_call": (
        "How many {t} do {who} have?",
        "List the {t} of {who}.",
        "How many {t} are there with {who}?",
    ),
    "reply": ("{a} has {n}.", "{a} now has {n}.", "The answer is {n}."),
    "decline": ("I don't know.", "I can't tell from the story.", "There is no way to know."),
}
#: What a reasoned abstention says after the steps that are still possible.
OBSTACLES = {
    "answer_unknown": "The story has no {q}.",
    "false_premise": "{a} has only {x}.",
    "stale": "That was {d}.",
    "subjective": "That is a matter of taste.",
    "underspecified_context": "{a} has some number.",
    "underspecified_intent": "{a} or {b}?",
}
SCENARIOS = tuple(OBSTACLES)
#: What a roll call says of those who have none.
NONE = "none"


@dataclass(frozen=True)
class Step:
    """One event that the answer depends on: who, what was done, the counts before and after."""

    kind: str
    person: str
    before: int
    operand: int
    after: int
    other: str = ""

    @property
    def text(self) -> str:
        """The step as the chain of thought writes it; its result is the last word."""
        if self.kind == "swap":
            counts = f"{self.person} {self.before}, {self.other} {self.after}"
            return f"{counts}, now {self.person} {self.after}."
        sign = {"gain": "+", "give_all": "+", "lose": "-", "double": "*", "halve": "/"}[self.kind]
        operand = f"{self.other} {self.operand}" if self.kind == "give_all" else self.operand
        return f"{self.person} {self.before} {sign} {operand} = {self.after}."

    def ending(self, result: int) -> str:
        """The step with another result, right or wrong."""
        return f"{self.text.removesuffix(f' {self.after}.')} {result}."


@dataclass(frozen=True)
class Story:
    """A story with its question; `answer` is empty when the right move is to abstain."""

    text: str
    answer: str
    scenario: str
    steps: int
    subject: str
    thing: str
    chain: tuple[str, ...]
    obstacle: str = ""
    trace: tuple[Step, ...] = field(default=(), repr=False)

    def says(self, answer: str | int, rng: random.Random) -> str:
        """A final reply that states `answer`."""
        return fill(rng, "reply", a=self.subject, n=amount(int(answer), self.thing))

    def declines(self, rng: random.Random) -> str:
        """A reply that abstains."""
        return fill(rng, "decline")

    def reply(self, rng: random.Random) -> str:
        """The right direct reply: the answer, or an abstention."""
        return self.says(self.answer, rng) if self.answer else self.declines(rng)

    def reasoned(self, rng: random.Random, chain: Sequence[str] | None = None) -> str:
        """The right reply after a chain of thought (by default the whole right one)."""
        steps = self.chain if chain is None else chain
        obstacle = [self.obstacle] if self.obstacle else []
        return " ".join(["<think>", *steps, *obstacle, "</think>", self.reply(rng)])


def fill(rng: random.Random, template: str, **slots: str) -> str:
    """One of the wordings of `template` with its slots filled."""
    return rng.choice(TEMPLATES[template]).format(**slots)


def amount(n: int | str, thing: str) -> str:
    """A quantity in words of the world: `1 apple`, `3 apples`, `some apples`."""
    return f"{n} {thing if n == 1 else THINGS[thing]}"


def roll_call(rng: random.Random) -> tuple[str, str]:
    """A reading exercise: what three to eight people have, and a reply that says it of three of
    them, or of others, who have none. Asked about all, a model learns to say the numbers not yet
    said instead of who has what.
    """
    names = rng.sample(NAMES, rng.randint(5, 10))
    if rng.random() < 0.3:
        names = [f"{name} {rng.choice(SURNAMES)}" for name in names]
    holders = names[:-2]
    thing, other = rng.sample(list(THINGS), 2)
    has = {name: (rng.randint(1, 12), thing if rng.random() < 0.7 else other) for name in holders}
    facts = [fill(rng, "has", a=name, n=amount(*owned)) for name, owned in has.items()]
    asked = rng.sample(holders, 3) if rng.random() < 0.6 else rng.sample(names, 3)
    question = fill(rng, "roll_call", t=THINGS[thing], who=f"{asked[0]}, {asked[1]} and {asked[2]}")
    counts = [has[name][0] if has.get(name, (0, ""))[1] == thing else NONE for name in asked]
    reply = " ".join(f"{name} {count}." for name, count in zip(asked, counts, strict=True))
    return " ".join([*facts, question]), reply


def uncapitalised(text: str) -> str:
    """`text` with a small first letter, to stand inside a sentence."""
    return text[0].lower() + text[1:]


def words() -> list[str]:
    """Every word and mark that the world can write, sorted; numbers apart."""
    texts = [
        *NAMES,
        *SURNAMES,
        *OLD,
        *NEW,
        *THINGS,
        *THINGS.values(),
        *OBSTACLES.values(),
        NONE,
        "some now + - * / = ,",
    ]
    texts += [wording for wordings in TEMPLATES.values() for wording in wordings]
    texts += [uncapitalised(text) for text in TEMPLATES["question"] + TEMPLATES["opinion"]]
    return sorted(set(re.findall(WORD, re.sub(r"\{\w+\}", " ", " ".join(texts)))))
