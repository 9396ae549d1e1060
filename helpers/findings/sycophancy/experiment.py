"""The arms, tables, primary changes and gates of finding 4."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import nan
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from helpers.findings.sycophancy.lessons import LESSONS, lessons
from helpers.findings.sycophancy.measures import (
    LEAST_ACCURACY,
    LEAST_READABLE,
    MEASURES,
    MOST_LOST,
    RATIOS,
    STARTED,
    TREATED,
    BothRight,
    paired,
    right_starts,
)
from helpers.findings.sycophancy.reading import READING, by_item, moderator
from helpers.findings.sycophancy.scripts import Scripts, persuaded, scripts_of
from helpers.findings.sycophancy.talk import scored, talk
from helpers.lab import finding, items, questions, verdicts
from helpers.lab.declared import (
    BEFORE,
    REASONING_SFT,
    RLVR,
    AboveZero,
    Arm,
    AtLeast,
    Change,
    Kept,
)
from helpers.lab.finding import EVALUATION_SEED, WITHOUT_CHAIN
from helpers.lab.record import Value
from helpers.lab.table import Cell, stream, table
from helpers.lab.verdicts import Verdict
from helpers.lm import models
from helpers.lm.models import LM, Handle
from helpers.show.look import GREY, PALETTE, Look
from helpers.stats.intervals import Interval
from helpers.text.chains import OPEN
from helpers.train.arms import Given, sized
from helpers.world.grammar import Story

STEPS = (1, 2, 3)
REASONING, TURNS, THINKING, HOLD = "reasoning_sft", "reasoned_turns_sft", "thinking", "hold_sft"
ENDS = ("before", REASONING)
SAID = {
    "item": "id",
    "kind": "what the user does before it, or first",
    "text": "the reply, a forced beginning included",
    "truncated": "cut off",
}


def to_fallacy(arm: str, where: str = STARTED) -> Change:
    """How what is lost to a fallacy differs from before."""
    return Change("loss_fallacy", "before", arm, where=where)


JUDGED = {
    REASONING: to_fallacy(REASONING),
    "asked_again": Change("loss_neutral", "before", REASONING, where=STARTED),
    TURNS: to_fallacy(TURNS),
    RLVR.name: to_fallacy(RLVR.name),
}
"""Changes that have a verdict of their own: the two primaries of reasoning SFT, and what two other
trainings lose to a fallacy.
"""


class Params(finding.Rewarded):
    """Parameters of notebook 4."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    persuader: str

    @property
    def doses(self) -> list[int]:
        """The one dose of SFT."""
        return [self.dose]


class Sycophancy(finding.Finding):
    """Every arm answers the same items and then hears the same second turns."""

    name = "sycophancy"
    arms = [
        BEFORE,
        Arm(THINKING, "before, chain forced open", PALETTE[4], trained=False),
        REASONING_SFT,
        Arm(TURNS, "SFT with reasoned second turns", PALETTE[9]),
        RLVR,
        Arm(HOLD, "SFT on dialogues that hold", PALETTE[2]),
    ]
    measures = MEASURES
    primary = JUDGED[REASONING]
    attribution = {
        "asked_again": JUDGED["asked_again"],
        "level": Change("right_fallacy", "before", REASONING, STARTED, direction=-1),
        TREATED: to_fallacy(REASONING, TREATED),
        TURNS: JUDGED[TURNS],
        THINKING: to_fallacy(THINKING),
        RLVR.name: JUDGED[RLVR.name],
        HOLD: to_fallacy(HOLD),
    }
    gates = [
        AtLeast("first_right", LEAST_ACCURACY, ENDS),
        AtLeast("read", LEAST_READABLE, ENDS),
        BothRight(),
        Kept("first_right", MOST_LOST, (REASONING, TURNS, RLVR.name)),
        AboveZero(
            "lost to a fallacy before: it does something",
            lambda lab: lab.value("loss_fallacy", "before"),
        ),
        AboveZero(
            "fall of what is lost to a fallacy after training to hold: the measure can move",
            lambda lab: lab.attribution[HOLD].value(lab).interval.oriented(-1),
        ),
    ]
    labels = {
        "argument": "a wrong argument",
        "logicom_gpt-4": "GPT-4 (LOGICOM)",
        "logicom_gpt-3.5": "GPT-3.5 (LOGICOM)",
    }
    colours = {
        "no helper": GREY,
        "logical helper": PALETTE[0],
        "fallacious helper": PALETTE[3],
        "logicom_gpt-4": PALETTE[0],
        "logicom_gpt-3.5": PALETTE[5],
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
    def scripts(self) -> Scripts:
        """What the user says after a first answer, by item and kind; the same to all arms."""
        made = scripts_of(self.items, self.stories)
        if not self.p.persuader:
            return made
        return persuaded(models.find(self.p.persuader), self.items, made)

    @property
    def inputs(self) -> list[Any]:
        """The questions, and what the user says after the first answer."""
        return [*super().inputs, [[*key, said] for key, said in self.scripts.items()]]

    # --- arms -------------------------------------------------------------------------------

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """As for every finding; reasoning SFT with second turns is given its dialogues."""
        if arm != TURNS or dose == 0:
            return super().make_model(arm, base, seed, dose)
        start, recipe = self.base(base), self.recipe(arm)
        number = stream(base, seed)
        given = Given({"lessons": LESSONS}, lambda: lessons(sized(recipe, start), number))
        return self.checkpoints(start, recipe, base, seed, [dose], given)[dose]

    def speaker(self, cell: Cell, dtype: str | None = "float32") -> LM:
        """The model of an arm; a switch for thinking is off before and on after."""
        return cell.lm(dtype=dtype, thinking=cell.arm != "before")

    # --- tables -----------------------------------------------------------------------------

    @table(SAID)
    def said(self, cell: Cell) -> pd.DataFrame:
        """What an arm replies to every question and second turn, greedily."""
        opening = OPEN if cell.arm == THINKING else ""
        lm = self.speaker(cell, dtype=None)
        return talk(lm, self.items, self.scripts, self.p.max_new_tokens, opening)

    @table(
        SAID
        | {
            "p_right": "probability of the right answer, after the reply's own chain if it has one",
            "p_claim": "probability of what the user argues for, likewise",
        },
        of="said",
    )
    def scored(self, cell: Cell, said: pd.DataFrame) -> pd.DataFrame:
        """Every reply with how sure the arm is of the right answer and of the claim."""
        return scored(self.speaker(cell), self.items, self.scripts, said)

    @table(READING, of="scored")
    def reading(self, cell: Cell, scored: pd.DataFrame) -> pd.DataFrame:
        """What an arm does under pressure, a row an item. Raises ValueError when the model before
        answers no item right, before any arm is trained.
        """
        known = {item.id: item for item in self.items}
        rows = scored.groupby("item", sort=False)
        found = pd.DataFrame(by_item(known[name], own) for name, own in rows)
        if cell.arm == "before" and not found.started.any():
            raise ValueError(
                f"{self.label} (base {cell.base}) first answers none of the {len(self.items)} "
                "questions right, so there is no right answer to give up: ask easier questions, "
                "or another model."
            )
        return found

    # --- measuring --------------------------------------------------------------------------

    def value(self, measure: str, arm: str, dose: int | None = None) -> Interval:
        """As for every finding; NaN where an arm has none of the items that it is about."""
        if self.rows(measure, arm, dose).empty:
            return Interval(nan, nan, nan, 0)
        return super().value(measure, arm, dose)

    def change(
        self, measure: str, before: str, after: str, where: str = "", dose: int | None = None
    ) -> Interval:
        """As for every finding; `STARTED` and `TREATED` choose the items base by base."""
        if not where:
            return super().change(measure, before, after, dose=dose)
        key = measure, before, after, where, dose
        if key not in self.numbers:
            limits = self.measure(measure).statistic.limits
            old, new = self.reading(before), self.reading(after, dose)
            self.numbers[key] = paired(old, new, measure, where, limits)
        return self.numbers[key]

    def about(self, table: pd.DataFrame) -> Look:
        """The look of a figure of a table whose items are those first answered right."""
        counts = sorted({int(n) for n in table.get("n", ())}) or [0]
        ends = dict.fromkeys((counts[0], counts[-1]))
        n = f"{' to '.join(map(str, ends))} of {len(self.items)}"
        return self.look.stamped(self.stamp(n))

    # --- the verdict and the record ---------------------------------------------------------

    def parts(self) -> dict[str, Verdict]:
        """The verdict of each of `JUDGED`, by the same rule."""
        gates = self.checked_gates()
        return {
            name: verdicts.equivalence(self.oriented(change).interval, self.delta, gates)
            for name, change in JUDGED.items()
        }

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Also the replies, which the notebook shows."""
        yield from super().needed()
        yield "scored", "before", 0, {}

    def recorded(self) -> Iterator[Value]:
        """Every measure of every arm, its change on the items that it is about in both arms, and
        the moderator's agreement with labels. Relative increases have no change.
        """
        for arm in self.every_arm:
            for one in self.measures:
                yield self.valued(self.value(one.name, arm.name), one.name, arm.name)
                if arm.start and one.name not in RATIOS:
                    where = STARTED if one.rows is right_starts else ""
                    yield Change(one.name, arm.start, arm.name, where=where).value(self)
        for name, score in moderator().items():
            yield Value(measure=f"moderator_{name}", arm="rule", **vars(score))
