"""The arms, tables, primary change and gates of finding 4."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import nan
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from helpers.findings.sycophancy.grading import READING, REPLY, by_item, graded, moderator
from helpers.findings.sycophancy.measures import (
    LEAST_ACCURACY,
    LEAST_READABLE,
    MOST_LOST,
    RATIO,
    WHERE,
    AboveZero,
    BothRight,
    Moderated,
    measures,
)
from helpers.findings.sycophancy.scripts import Scripts, persuaded, scripts_of
from helpers.findings.sycophancy.talk import talk
from helpers.lab import finding, items, questions
from helpers.lab.declared import BEFORE, REASONING_SFT, RLVR, Arm, AtLeast, Change, Kept, Measure
from helpers.lab.finding import EVALUATION_SEED, WITHOUT_CHAIN
from helpers.lab.record import Value
from helpers.lab.table import Cell, table
from helpers.lm import models
from helpers.lm.models import LM
from helpers.show.look import GREY, PALETTE, Look
from helpers.stats.intervals import Interval
from helpers.text.chains import OPEN
from helpers.world.grammar import Story

STEPS = (1, 2, 3)
REASONING, THINKING, HOLD = "reasoning_sft", "thinking", "hold_sft"
ENDS = ("before", REASONING)


class Params(finding.Rewarded):
    """Parameters of notebook 4."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    n_turns: Annotated[int, Field(ge=1, le=5)]
    repetitions: Annotated[int, Field(ge=1)]
    persuader: str

    @property
    def doses(self) -> list[int]:
        """The one dose of SFT."""
        return [self.dose]


class Sycophancy(finding.Finding):
    """Every arm answers the same items and then hears the same turns."""

    name = "sycophancy"
    arms = [
        BEFORE,
        Arm(THINKING, "before, chain forced open", PALETTE[4], trained=False),
        REASONING_SFT,
        RLVR,
        Arm(HOLD, "SFT on dialogues that hold", PALETTE[2]),
    ]
    primary = Change("net_flip", "before", REASONING, where="started")
    attribution = {
        "hold_sft": Change("net_flip", "before", HOLD, where="started"),
        "matched": Change("beyond_form", "before", REASONING, where="started"),
    }
    gates = [
        AtLeast("first_right", LEAST_ACCURACY, ENDS),
        AtLeast("read", LEAST_READABLE, ENDS),
        BothRight(),
        Kept("first_right", MOST_LOST, (REASONING, "rlvr")),
        AboveZero(
            "net flip rate before: a fallacy does more than asking again",
            lambda lab: lab.value("net_flip", "before"),
        ),
        AboveZero(
            "fall of the net flip rate after training to hold",
            lambda lab: lab.attribution["hold_sft"].value(lab).interval.oriented(-1),
        ),
        Moderated(),
    ]
    labels = {
        "matched": "a fallacy framed as an argument",
        "argument_wrong": "a wrong argument",
        "argument_right": "a right argument",
        "logicom_gpt-4": "GPT-4 (LOGICOM)",
        "logicom_gpt-3.5": "GPT-3.5 (LOGICOM)",
    }
    colours = {
        "no helper": GREY,
        "logical helper": PALETTE[0],
        "fallacious helper": PALETTE[3],
        "logicom_gpt-4": PALETTE[0],
        "logicom_gpt-3.5": PALETTE[9],
    }

    def __init__(self, p: Params):
        """Raises ValueError when a question has no number as its answer to argue against."""
        self.stories: list[Story | None] = []
        if p.questions:
            asked = questions.answerable(p.questions, p.n_items, EVALUATION_SEED)
            self.stories = [None] * len(asked)
        else:
            steps = finding.steps_asked(p.tier, STEPS, WITHOUT_CHAIN)
            asked = items.pocket_stories(p.n_items, EVALUATION_SEED, steps)
            self.stories = list(items.stories(p.n_items, EVALUATION_SEED, steps))
        for item in asked:
            if not item.answers[0].isdigit():
                raise ValueError(
                    f"Question '{item.id}': its answer is '{item.answers[0]}', but persuasion "
                    "needs a whole number to argue against: leave it out or give such an answer."
                )
        super().__init__(p, asked)

    @cached_property
    def measures(self) -> list[Measure]:
        """The measures, whose ranges depend on the number of turns."""
        return measures(self.p.n_turns, self.p.repetitions)

    @cached_property
    def scripts(self) -> Scripts:
        """What the user says, turn by turn, by item, kind and repetition; the same to all arms."""
        made = scripts_of(self.items, self.stories, self.p.repetitions, self.p.n_turns)
        if not self.p.persuader:
            return made
        return persuaded(models.find(self.p.persuader), self.items, made)

    @property
    def inputs(self) -> list[Any]:
        """The questions, and what the user says after the first answer."""
        return [*super().inputs, [[*key, turns] for key, turns in self.scripts.items()]]

    def speaker(self, cell: Cell, dtype: str | None = None) -> LM:
        """The model of an arm; a switch for thinking is off before and on after."""
        return cell.lm(dtype=dtype, thinking=cell.arm != "before")

    @table(
        {
            "item": "id",
            "kind": "what the user does",
            "repetition": "which of the dialogues of this kind, from 0",
            "turn": "0 is the first answer, greedy; the others are sampled",
            "text": "the reply, a forced beginning included",
            "truncated": "cut off",
        }
    )
    def said(self, cell: Cell) -> pd.DataFrame:
        """Everything that an arm says in all of its dialogues."""
        opening = OPEN if cell.arm == THINKING else ""
        lm, room = self.speaker(cell), self.p.max_new_tokens
        return talk(lm, self.items, self.scripts, room, cell.stream, opening)

    @table(REPLY, of="said")
    def replies(self, cell: Cell, said: pd.DataFrame) -> pd.DataFrame:
        """Every reply, graded."""
        known = {item.id: item for item in self.items}
        return pd.DataFrame(graded(known[reply.item], reply) for reply in said.itertuples())

    @table(READING, of="replies")
    def reading(self, cell: Cell, replies: pd.DataFrame) -> pd.DataFrame:
        """What an arm does under pressure, a row an item. Raises ValueError when the model before
        answers no item right, before any arm is trained.
        """
        found = by_item(replies, self.p.n_turns)
        if cell.arm == "before" and not found.started.any():
            raise ValueError(
                f"{self.label} (base {cell.base}) first answers none of the {len(self.items)} "
                "questions right, so there is no right answer to give up: ask easier questions, "
                "or another model."
            )
        return found

    def value(self, measure: str, arm: str, dose: int | None = None) -> Interval:
        """As for every finding; NaN where an arm has none of the items that it is about."""
        if self.rows(measure, arm, dose).empty:
            return Interval(nan, nan, nan, 0)
        return super().value(measure, arm, dose)

    def about(self, table: pd.DataFrame) -> Look:
        """The look of a figure of a table whose items are those first answered right (or wrong)."""
        counts = sorted({int(n) for n in table.get("n", ())}) or [0]
        ends = dict.fromkeys((counts[0], counts[-1]))
        n = f"{' to '.join(map(str, ends))} of {len(self.items)}"
        return self.look.stamped(self.stamp(n))

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Also the graded replies, which the notebook shows."""
        yield from super().needed()
        for arm in self.every_arm:
            yield "replies", arm.name, self.dose(arm.name), {}

    def recorded(self) -> Iterator[Value]:
        """Every measure of every arm, its change on the items that it is about in both arms, and
        the moderator's agreement with hand labels. Relative increases have no change.
        """
        for arm in self.every_arm:
            for one in self.measured(arm.name):
                yield self.valued(self.value(one.name, arm.name), one.name, arm.name)
                if arm.start and one.unit != RATIO:
                    where = WHERE[one.rows]
                    yield Change(one.name, arm.start, arm.name, where=where).value(self)
        for name, score in moderator().items():
            yield Value(measure=f"moderator_{name}", arm="rule", **vars(score))
