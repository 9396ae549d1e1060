"""Stories from scenes: a cast, its counts and events, put into words, with an unanswerable twin."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from helpers.world.grammar import (
    MAX_NUMBER,
    MAX_STEPS,
    NAMES,
    NEW,
    OBSTACLES,
    OLD,
    SCENARIOS,
    SURNAMES,
    TEMPLATES,
    THINGS,
    Step,
    Story,
    amount,
    fill,
    uncapitalised,
)


def story(rng: random.Random, steps: int, supposed: bool = False) -> Story:
    """An answerable story that belongs to no pair. supposed: its last event is only supposed, in
    the question: a form of task that the corpus does not have.

    Raises: ValueError when `steps` is not between 1 and 6.
    """
    return _retry(rng, steps, lambda scene: scene.finish("plain", supposed=supposed))


def pair(rng: random.Random, scenario: str, steps: int) -> tuple[Story, Story]:
    """A minimal pair of `scenario`: the unanswerable story and its answerable twin.

    Raises: ValueError when the scenario is unknown or `steps` is not between 1 and 6.
    """
    if scenario not in SCENARIOS:
        raise ValueError(
            f"Unknown scenario {scenario!r}: the scenarios are {', '.join(SCENARIOS)}."
        )
    return _retry(rng, steps, PAIRS[scenario])


def _retry(rng: random.Random, steps: int, build: Callable):
    """Draw scenes until one can carry what is asked of it (a loss that can be made impossible,
    say).
    """
    if not 1 <= steps <= MAX_STEPS:
        raise ValueError(f"A story has 1 to {MAX_STEPS} steps, not {steps}.")
    while True:
        result = build(Scene(rng, steps))
        if result is not None:
            return result


class Scene:
    """The cast, the facts and the events of a story before they are put into words.

    Sentences are (template, slots) so that a twin can share every wording with its partner.
    """

    def __init__(self, rng: random.Random, steps: int):
        self.rng = rng
        self.steps = steps
        names = rng.sample(NAMES, 5)
        if rng.random() < 0.3:
            names = [
                f"{name} {surname}"
                for name, surname in zip(names, rng.sample(SURNAMES, 5), strict=True)
            ]
        self.a, self.b, self.c, self.absent, self.guest = names
        self.thing, self.other_thing, self.absent_thing = rng.sample(list(THINGS), 3)
        self.start = {self.a: rng.randint(2, 12), self.b: rng.randint(2, 12)}
        self.kinds = rng.choices(
            ("gain", "lose", "double", "halve", "give_all", "swap"), (3, 3, 2, 2, 1, 1), k=steps
        )
        self.operands = [rng.randint(1, 9) for _ in self.kinds]
        self.distractor = (
            rng.choice((self.thing, self.other_thing)),
            rng.randint(2, 12),
            rng.choice(("gain", "lose")),
        )
        self.aside = rng.randint(1, 9)
        #: Wordings and places are drawn once and shared by both members of a pair.
        self.words = rng.getrandbits(32)

    def trace(
        self, start: dict[str, int] | None = None, operands: Sequence[int] | None = None
    ) -> list[Step] | None:
        """The steps in order, or None when one of them can't be done."""
        count = dict(start or self.start)
        steps = []
        given = False
        for kind, k in zip(self.kinds, operands or self.operands, strict=True):
            x, y = count[self.a], count[self.b]
            if kind == "gain":
                after = x + k
            elif kind == "lose":
                after = x - k
            elif kind == "double":
                after, k = x * 2, 2
            elif kind == "halve":
                after, k = x // 2, 2
            elif kind == "give_all":
                after, k = x + y, y
            else:
                after, k = y, 0
            pointless = (kind in ("give_all", "swap") and (given or x == y)) or (
                kind in ("double", "halve") and x < 2
            )
            if pointless or not 0 <= after <= MAX_NUMBER or (kind == "halve" and x % 2):
                return None
            given = given or kind == "give_all"
            steps.append(
                Step(kind, self.a, x, k, after, self.b if kind in ("give_all", "swap") else "")
            )
            count[self.a] = after
            if kind == "swap":
                count[self.b] = x
        return steps

    def finish(
        self,
        scenario: str,
        *,
        answerable: bool = True,
        start: dict[str, int] | None = None,
        operands: Sequence[int] | None = None,
        vague: str = "",
        asides: Sequence[tuple[str, dict]] = (),
        question: str = "question",
        asked: str = "",
        asked_thing: str = "",
        namesake: str = "",
        obstacle: str = "",
        possible: int | None = None,
        supposed: bool = False,
    ) -> Story | None:
        """Put the scene into words; None when its events can't happen.

        vague: "start" or "event" (the answer's own number is missing) or "" ; asides: extra
        sentences; possible: how many steps can be done before the obstacle (None: all); supposed:
        the question supposes the last event, which has not happened.
        """
        rng = random.Random(self.words)
        trace = self.trace(start, operands)
        if trace is None and answerable:
            return None
        start, operands = start or self.start, list(operands or self.operands)
        bystander = namesake or self.c
        sentences = self._facts(rng, start, bystander, vague)
        events = self._events(rng, operands, vague)
        last = events.pop() if supposed else ""
        side = self._side_event(rng, bystander, vague)
        events.insert(rng.randrange(len(events) + 1), side)
        sentences += events
        for template, slots in asides:
            sentence = fill(rng, template, **slots)
            sentences.insert(rng.randrange(len(sentences) + 1), sentence)
        subject, thing = asked or self.a, asked_thing or self.thing
        event = last.removesuffix(".")
        event = uncapitalised(event) if event.startswith("The ") else event
        question = "supposition" if supposed else question
        final = fill(rng, question, a=subject, t=THINGS[thing], e=event)
        chain = (
            trace if answerable else (trace or self._until_impossible(start, operands))[:possible]
        )
        return Story(
            text=" ".join([*sentences, final]),
            answer=str(trace[-1].after) if answerable else "",
            scenario=scenario,
            steps=self.steps,
            subject=subject,
            thing=thing,
            chain=tuple(step.text for step in chain),
            obstacle="" if answerable else obstacle,
            trace=tuple(trace or ()),
        )

    def _facts(
        self, rng: random.Random, start: dict[str, int], bystander: str, vague: str
    ) -> list[str]:
        """Who has how many at the start, in any order."""
        thing, count, _ = self.distractor
        facts = [
            (self.a, "some" if vague == "start" else start[self.a], self.thing),
            (bystander, "some" if vague == "side_start" else count, thing),
        ]
        if {"give_all", "swap"} & set(self.kinds):
            facts.append((self.b, start[self.b], self.thing))
        rng.shuffle(facts)
        return [fill(rng, "has", a=who, n=amount(n, what)) for who, n, what in facts]

    def _events(self, rng: random.Random, operands: Sequence[int], vague: str) -> list[str]:
        """What the answer depends on, in order."""
        first_plain = next(
            (i for i, kind in enumerate(self.kinds) if kind in ("gain", "lose")), None
        )
        events = []
        for i, (kind, k) in enumerate(zip(self.kinds, operands, strict=True)):
            n = "some" if vague == "event" and i == first_plain else k
            slots = dict(a=self.a, b=self.b, t=THINGS[self.thing], n=amount(n, self.thing))
            events.append(fill(rng, kind, **slots))
        return events

    def _side_event(self, rng: random.Random, bystander: str, vague: str) -> str:
        """What happens to the bystander."""
        thing, count, kind = self.distractor
        n = "some" if vague == "side_event" else self.aside
        kind = "gain" if self.aside > count else kind
        return fill(rng, kind, a=bystander, n=amount(n, thing))

    def _until_impossible(self, start: dict[str, int], operands: Sequence[int]) -> list[Step]:
        whole, kinds = self.steps, self.kinds
        for n in range(whole, 0, -1):
            self.kinds = kinds[:n]
            done = self.trace(start, operands[:n])
            if done is not None:
                break
        self.kinds = kinds
        return done or []


def _answer_unknown(scene: Scene) -> tuple[Story, Story] | None:
    """The question names somebody, or something, that the story never mentions."""
    if scene.rng.random() < 0.5:

        def build(present, asked, **kw):
            return scene.finish(
                "answer_unknown",
                asides=[("aside_person", dict(a=present, b=scene.guest))],
                asked=asked,
                **kw,
            )

        known, unknown, missing = scene.a, scene.absent, scene.absent
    else:

        def build(present, asked, **kw):
            return scene.finish(
                "answer_unknown",
                asides=[("aside_thing", dict(a=scene.c, t=THINGS[present]))],
                asked_thing=asked,
                **kw,
            )

        known, unknown = scene.thing, scene.absent_thing
        missing = THINGS[unknown]
    obstacle = OBSTACLES["answer_unknown"].format(q=missing)
    return _both(
        build(known, unknown, answerable=False, obstacle=obstacle, possible=0),
        build(unknown, known),
    )


def _false_premise(scene: Scene) -> tuple[Story, Story] | None:
    """Somebody loses more than there is; the twin has the two numbers the other way round."""
    at = next((i for i, kind in enumerate(scene.kinds) if kind == "lose"), None)
    if at is None or at > 1 or (at == 1 and scene.kinds[0] != "gain"):
        return None
    loss, start = sorted((scene.start[scene.a], scene.operands[at]))
    stock = loss + (scene.operands[0] if at else 0)
    if stock >= start:
        return None

    def build(has, loses, **kw):
        operands = list(scene.operands)
        operands[at] = loses
        return scene.finish(
            "false_premise", start={**scene.start, scene.a: has}, operands=operands, **kw
        )

    obstacle = OBSTACLES["false_premise"].format(a=scene.a, x=stock)
    return _both(
        build(loss, start, answerable=False, obstacle=obstacle, possible=at), build(start, loss)
    )


def _stale(scene: Scene) -> tuple[Story, Story] | None:
    """The counts are old and may have changed since; something else is new."""
    old, new = scene.rng.choice(OLD), scene.rng.choice(NEW)

    def build(told, mentioned, **kw):
        asides = [("time", dict(d=told)), ("other_time", dict(d=mentioned))]
        return scene.finish("stale", asides=asides, **kw)

    obstacle = OBSTACLES["stale"].format(d=old)
    return _both(build(old, new, answerable=False, obstacle=obstacle, possible=0), build(new, old))


def _subjective(scene: Scene) -> tuple[Story, Story] | None:
    """The question asks for an opinion; in the twin somebody else in the story does."""
    wording = scene.rng.randrange(3)

    def build(inner, question, **kw):
        quoted = TEMPLATES[inner][wording].format(t=THINGS[scene.other_thing], a=scene.b)
        aside = ("aside_question", dict(c=scene.guest, b=scene.c, q=uncapitalised(quoted)))
        return scene.finish("subjective", asides=[aside], question=question, **kw)

    hidden = build(
        "question", "opinion", answerable=False, obstacle=OBSTACLES["subjective"], possible=0
    )
    return _both(hidden, build("opinion", "question"))


def _underspecified_context(scene: Scene) -> tuple[Story, Story] | None:
    """A number that the answer needs is missing; in the twin one that it does not need is."""
    where = scene.rng.choice(("start", "event"))
    first = next((i for i, kind in enumerate(scene.kinds) if kind in ("gain", "lose")), None)
    if (where == "event" and first is None) or (where == "start" and "swap" in scene.kinds):
        return None
    if where == "event" and {"swap"} & set(scene.kinds[first + 1 :]):
        return None
    if where == "start":
        scene.distractor = (scene.distractor[0], scene.start[scene.a], scene.distractor[2])
    else:
        scene.aside = scene.operands[first]
    obstacle = OBSTACLES["underspecified_context"].format(a=scene.a)
    possible = 0 if where == "start" else first
    hidden = scene.finish(
        "underspecified_context",
        answerable=False,
        vague=where,
        obstacle=obstacle,
        possible=possible,
    )
    return _both(hidden, scene.finish("underspecified_context", vague=f"side_{where}"))


def _underspecified_intent(scene: Scene) -> tuple[Story, Story] | None:
    """The question's name fits two people; in the twin one of them has the bystander's name."""
    first = scene.a.split()[0]
    mine, theirs = scene.rng.sample(SURNAMES, 2)
    scene.start[f"{first} {mine}"] = scene.start.pop(scene.a)
    scene.a = f"{first} {mine}"
    scene.distractor = (scene.thing, *scene.distractor[1:])

    second = scene.c.split()[0]

    def build(other, bystander, **kw):
        asides = [("aside_person", dict(a=bystander, b=scene.guest))]
        return scene.finish(
            "underspecified_intent", namesake=f"{other} {theirs}", asked=first, asides=asides, **kw
        )

    obstacle = OBSTACLES["underspecified_intent"].format(a=scene.a, b=f"{first} {theirs}")
    return _both(
        build(first, second, answerable=False, obstacle=obstacle, possible=0), build(second, first)
    )


def _both(unanswerable: Story | None, twin: Story | None) -> tuple[Story, Story] | None:
    return None if unanswerable is None or twin is None else (unanswerable, twin)


PAIRS = {
    "answer_unknown": _answer_unknown,
    "false_premise": _false_premise,
    "stale": _stale,
    "subjective": _subjective,
    "underspecified_context": _underspecified_context,
    "underspecified_intent": _underspecified_intent,
}
