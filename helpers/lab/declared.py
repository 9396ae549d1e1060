"""What a finding declares: its arms, measures, changes and gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from helpers.lab.record import Value
from helpers.lab.verdicts import Gate
from helpers.show.look import GREY, PALETTE, Colour
from helpers.stats.intervals import Interval
from helpers.stats.statistics import NAMED, Statistic, mean

if TYPE_CHECKING:
    from helpers.lab.finding import Finding

FEWEST_ITEMS = 50
"""Items that a verdict asks for."""
LEAST_SHOWN = 0.001
"""A limit that is at least this is above zero in the digits that are shown."""


@dataclass(frozen=True)
class Arm:
    """One model under one decoding: its name in the code, what people read, and its colour.

    trained: whether training made it, so that it differs by training seed. start: the arm that it
    is compared with, and by default trained from. every_dose: whether it is looked at on the way.
    """

    name: str
    label: str
    colour: Colour = PALETTE[4]
    trained: bool = True
    start: str = "before"
    every_dose: bool = False


BEFORE = Arm("before", "before", GREY, trained=False, start="")
REASONING_SFT = Arm("reasoning_sft", "reasoning SFT", PALETTE[3])
ANSWER_SFT = Arm("answer_sft", "answer SFT", PALETTE[0])
RLVR = Arm("rlvr", "RL on right answers", PALETTE[1])
POST_HOC_SFT = Arm("post_hoc_sft", "SFT, answer before the chain", PALETTE[4])
WRONG_CHAIN_SFT = Arm("wrong_chain_sft", "SFT on false chains", PALETTE[7])


@dataclass(frozen=True)
class Measure:
    """What is measured of an arm: a statistic of the rows of one table.

    of: the statistic, by default the one so named or the mean of the column so named; rows: what is
    done to the table's rows first; settings: those of the table. limits: the range, by default the
    statistic's; better: 1 where more is better, -1 where less is, 0 where neither is. arms: those
    that have it, all if empty.
    """

    name: str
    label: str
    table: str
    of: str | Statistic = ""
    limits: tuple[float, float] | None = None
    unit: str = "share"
    better: int = 0
    macro: bool = False
    rows: Callable[[pd.DataFrame], pd.DataFrame] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    arms: Sequence[str] = ()

    @property
    def statistic(self) -> Statistic:
        """The statistic, in the measure's range."""
        name = self.of or self.name
        found = name if isinstance(name, Statistic) else NAMED.get(name, mean(name))
        return found if self.limits is None else replace(found, limits=self.limits)


@dataclass(frozen=True)
class Change:
    """How a measure differs between two arms on the same items: after minus before.

    where: a flag of the table that must hold for an item in both arms, in every base and seed.
    direction: the sign that the claim expects, where it is not that of the primary change; plus: a
    constant added after that.
    """

    measure: str
    before: str
    after: str
    where: str = ""
    direction: int | None = None
    plus: float = 0.0

    def value(self, lab: Finding) -> Value:
        """The change, as a record has it."""
        moved = lab.change(self.measure, self.before, self.after, where=self.where)
        return lab.valued(
            moved.shifted(self.plus), self.measure, self.after, minus=self.before, where=self.where
        )


@dataclass(frozen=True)
class Custom:
    """A value that is no change of one measure between two arms, by a function of the finding."""

    measure: str
    arm: str
    function: Callable[[Any], Interval]
    direction: int | None = None

    def value(self, lab: Finding) -> Value:
        """The value, as a record has it."""
        return lab.valued(self.function(lab), self.measure, self.arm)


@dataclass(frozen=True)
class AtLeast:
    """Gate: a measure is at least `minimum` in each of some arms."""

    measure: str
    minimum: float
    arms: Sequence[str]
    about: str = ""

    def check(self, lab: Finding) -> Gate:
        """The gate, by the lowest arm."""
        found = {arm: lab.value(self.measure, arm).estimate for arm in self.arms}
        lowest = min(found, key=found.get)
        name = self.about or lab.look.label(self.measure)
        return Gate(f"{name}, {lab.look.label(lowest)}", found[lowest], self.minimum)


@dataclass(frozen=True)
class AboveZero:
    """Gate: something is above zero by its lower limit; of one base, at least `alone` by its value.

    about: what it is, in words; function: its interval, by the finding.
    """

    about: str
    function: Callable[[Any], Interval]
    alone: float = LEAST_SHOWN

    def check(self, lab: Finding) -> Gate:
        """The gate."""
        found = self.function(lab)
        if len(found.by_base) < 2:
            return Gate(self.about, found.estimate, self.alone)
        return Gate(f"{self.about}, lower limit", found.low, LEAST_SHOWN)


@dataclass(frozen=True)
class Kept:
    """Gate: no arm loses more than `margin` of a measure from what it starts from."""

    measure: str
    margin: float
    arms: Sequence[str]

    def check(self, lab: Finding) -> Gate:
        """The gate, by the arm that loses most."""
        moved = {
            arm: lab.change(self.measure, lab.arm(arm).start, arm).estimate for arm in self.arms
        }
        lowest = min(moved, key=moved.get)
        name = f"change of {lab.look.label(self.measure)}, {lab.look.label(lowest)}"
        return Gate(name, moved[lowest], -self.margin)


@dataclass(frozen=True)
class Items:
    """Gate: so many items of a class."""

    about: bool = False
    minimum: int = FEWEST_ITEMS

    def check(self, lab: Finding) -> Gate:
        """The gate, by the finding's own items."""
        n = sum(item.should_abstain == self.about for item in lab.items)
        return Gate(f"{'un' * self.about}answerable items", float(n), self.minimum)
