"""The damage, the repairs, their rivals and the gates of finding 6."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated

import pandas as pd
from pydantic import Field

from helpers.findings.rlsf_repair.measures import MEASURES, sharpened
from helpers.lab import finding, questions
from helpers.lab.declared import BEFORE, AboveZero, AtLeast, Change, Items, Kept
from helpers.lab.finding import EVALUATION_SEED, WITHOUT_CHAIN
from helpers.lab.record import Value
from helpers.lab.repair import (
    ARMS,
    BRIER,
    DAMAGED,
    JUDGED,
    KEYS,
    ORACLE,
    REPAIRED,
    STEPS,
    TRACED,
    WRITTEN,
    Learning,
    Repair,
    pairs,
    traced,
    written,
)
from helpers.lab.repair import Params as RepairParams
from helpers.lab.table import Cell, table
from helpers.lab.verdicts import Gate
from helpers.lm.models import Handle
from helpers.show.look import PALETTE

SPARE = 0.03
"""Accuracy that a repair may cost."""
RIVALS = ("repair_shuffled", "repair_shorter")
LEAST_ACCURACY, LEAST_DAMAGE, FEWEST_PAIRED, MOST_LOST, LEAST_RATER = 0.3, 0.02, 20, 0.05, 0.6
"""Gates, fixed in advance; the damage's is for one base, others go by its interval."""
LEAST_CHANGED = 0.25
"""Gate, added once the first reference was known, where RLSF had changed one reply in fourteen: no
change of calibration by a training that changes next to nothing else says nothing of confidence.
"""


class Params(Learning):
    """Parameters of notebook 6."""

    n_items: Annotated[int, Field(ge=2)]
    n_pairs: Annotated[int, Field(ge=1)]
    doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Paired:
    """Gate: so many questions have a pair of the damaged model's replies."""

    def check(self, lab: RlsfRepair) -> Gate:
        """The gate, by the training with the fewest."""
        found = pairs(lab.repair.traces(DAMAGED), lab.p.threshold)
        paired = found.groupby(["base", "seed"]).item.nunique()
        trainings = len(lab.repair.cells(DAMAGED, lab.dose(DAMAGED)))
        fewest = paired.min() if len(paired) == trainings else 0
        return Gate("questions with a pair to repair with, fewest", float(fewest), FEWEST_PAIRED)


class Acts:
    """Gate: the repair changes replies at all."""

    def check(self, lab: RlsfRepair) -> Gate:
        """The gate, by the share of all greedy replies that differ from the damaged model's."""
        ends = [lab.graded(arm).set_index(KEYS).text for arm in (DAMAGED, REPAIRED)]
        changed = float(ends[0].ne(ends[1]).mean())
        return Gate("share of replies that RLSF changes", changed, LEAST_CHANGED)


class RlsfRepair(finding.Finding):
    """Asks the damaged model, its repairs and their rivals the same questions, greedily, and reads
    how probable their answers were to them.
    """

    name = "rlsf_repair"
    arms = [BEFORE, *ARMS]
    measures = MEASURES
    primary = Change("ece", DAMAGED, REPAIRED)
    contrasts = {
        "accuracy": Change("accuracy", DAMAGED, REPAIRED, plus=SPARE, direction=1),
        **{rival: Change("ece", rival, REPAIRED) for rival in RIVALS},
    }
    attribution = {
        "ece_disparity": Change("ece_disparity", DAMAGED, REPAIRED),
        "repair_sft": Change("ece", "repair_sft", REPAIRED),
        ORACLE: Change("ece", DAMAGED, ORACLE),
        BRIER: Change("ece", DAMAGED, BRIER),
    }
    gates = [
        AtLeast("accuracy", LEAST_ACCURACY, ("before",)),
        AboveZero(
            "damage: rise of the calibration error",
            lambda lab: lab.change("ece", "before", DAMAGED),
            LEAST_DAMAGE,
        ),
        Kept("accuracy", MOST_LOST, (DAMAGED, ORACLE, *RIVALS)),
        AboveZero(
            "oracle: fall of the calibration error by right answers",
            lambda lab: lab.change("ece", DAMAGED, ORACLE).oriented(-1),
        ),
        AtLeast("rater_accuracy", LEAST_RATER, (REPAIRED,)),
        Acts(),
        Paired(),
        Items(),
    ]
    labels = {
        "helps": "right over wrong",
        "harms": "wrong over right",
        "against_declines": "anything over declining",
    }
    colours = {
        "accuracy": PALETTE[0],
        "ece": PALETTE[3],
        "reasoned": PALETTE[1],
        "helps": PALETTE[2],
        "harms": PALETTE[3],
        "against_declines": PALETTE[0],
    }

    def __init__(self, p: Params):
        """Raises ValueError when a class of questions is missing."""
        steps = finding.steps_asked(p.tier, STEPS, WITHOUT_CHAIN)
        asked = questions.of_both_kinds(p.questions, p.n_pairs, EVALUATION_SEED, p.n_items, steps)
        super().__init__(p, asked)

    @cached_property
    def repair(self) -> Repair:
        """What makes the arms."""
        p = self.p
        return Repair(RepairParams.shared(p, p.doses, p.max_new_tokens))

    def doses(self, arm: str) -> list[int]:
        """As `Repair` has them."""
        return self.repair.doses(arm)

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """As `Repair` makes it."""
        return self.repair.model(arm, base, seed, dose)

    @table(WRITTEN)
    def replies(self, cell: Cell) -> pd.DataFrame:
        """The greedy reply of an arm to every item."""
        return written(cell.lm(), self.items, 1, self.p.max_new_tokens)

    @table(TRACED, of="replies")
    def graded(self, cell: Cell, replies: pd.DataFrame) -> pd.DataFrame:
        """These replies, graded, with the probability of their answers."""
        return traced(cell.lm(), self.items, replies)

    @table(JUDGED)
    def rated(self, cell: Cell) -> pd.DataFrame:
        """What an arm's reward model says of pairs that it was not trained on."""
        return self.repair.judged(cell.arm, cell.base, cell.seed)

    def recorded(self) -> Iterator[Value]:
        """Also the change of confidence in answers that are wrong before and after the repair."""
        yield from super().recorded()
        for arm in (REPAIRED, "repair_dpo"):
            moved = sharpened(self, DAMAGED, arm)
            more = {"minus": DAMAGED, "where": "wrong in both"}
            yield self.valued(moved, "wrong_confidence", arm, **more)
