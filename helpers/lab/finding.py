"""The shape of a finding: what it declares, and what every finding makes of that.

A finding declares its arms, measures, primary change, contrasts, attribution and gates, and has
tables (`helpers.lab.table`). From these come the record, the verdict and the pieces of work.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from math import nan
from typing import Annotated, Any, ClassVar

import pandas as pd
from pydantic import Field

from helpers.lab import params, questions, verdicts
from helpers.lab.claims import Claim, published
from helpers.lab.declared import RLVR, Arm, Change, Custom, Measure
from helpers.lab.items import STEPS, Item
from helpers.lab.record import Checked, Record, Ruled, Value
from helpers.lab.table import ABOUT_IT, Cell, Table, stream
from helpers.lab.verdicts import Contrast, Gate, Verdict
from helpers.lm import models
from helpers.lm.cache import Busy, without_waiting
from helpers.lm.models import Handle
from helpers.show.look import Colour, Look
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.text import abstention
from helpers.train.arms import Given, checkpoints, is_shipped
from helpers.train.recipes import RECIPES, SHORT, Recipe
from helpers.train.warmup import warmed

EVALUATION_SEED = 1_000_003
"""Seed of the items that are reported; nothing is tuned on them."""
MOST_CUT_OFF = 0.1
"""Share of replies that may be cut off before it is said."""
REPLY_COLUMNS = (*ABOUT_IT, "item", "kind", "text", "outcome")
"""Of a table with replies, what is handed on of each; kind: of a turn under pressure."""
WITHOUT_CHAIN = 1
"""Steps that a warmed-up model can do without a chain: of 60 other stories (seed 999) smollm2
answers .48 of those with one step, .15 of those with two.
"""


class Params(params.Params):
    """Parameters that every finding has."""

    model: Annotated[str, Field(min_length=1)]
    tier: str
    bases: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    questions: str
    max_new_tokens: Annotated[int, Field(ge=8)]
    forecast: Annotated[float, Field(ge=-1, le=1)]


class Rewarded(Params):
    """Parameters of a finding with an arm by RL on right answers. rl_dose: its training steps; 0 is
    none.
    """

    rl_dose: Annotated[int, Field(ge=0)]


class Finding:
    """One finding on one model, its bases and seeds.

    A subclass declares `name`, `arms`, `measures`, `primary`, and where it has them `contrasts`,
    `attribution` and `gates`; it makes its items in `__init__` and its tables by `@table`.
    """

    name: ClassVar[str]
    """As in data/published.yaml."""
    arms: ClassVar[Sequence[Arm]]
    measures: ClassVar[Sequence[Measure]]
    primary: ClassVar[Change | Custom]
    contrasts: ClassVar[dict[str, Change | Custom]] = {}
    """By the name of the rival in data/published.yaml."""
    attribution: ClassVar[dict[str, Change | Custom]] = {}
    gates: ClassVar[Sequence[Any]] = ()
    """What `check(lab)` makes a `Gate`."""
    labels: ClassVar[dict[str, str]] = {}
    """What people read for further names, such as columns of a figure."""
    colours: ClassVar[dict[str, Colour]] = {}

    def __init__(self, p: Params, items: Sequence[Item]):
        self.p = p
        self.items = list(items)
        self.numbers: dict[tuple, Interval] = {}
        self.models: dict[tuple, Handle] = {}

    # --- what it is about -------------------------------------------------------------------

    @property
    def claim(self) -> Claim:
        """The published claim."""
        return published(self.name)

    @property
    def warm(self) -> bool:
        """Whether the model is warmed up on the stories before anything else."""
        return is_warm(self.p.tier)

    @property
    def label(self) -> str:
        """The model as figures and record name it."""
        return f"{self.p.model} after a warm-up on the stories" if self.warm else self.p.model

    @property
    def look(self) -> Look:
        """Stamp, labels and colours of every figure."""
        named = {one.name: one.label for one in (*self.measures, *self.every_arm)}
        shades = {arm.name: arm.colour for arm in self.every_arm}
        ranges = {one.name: one.statistic.limits for one in self.measures}
        return Look(self.stamp(), named | self.labels, shades | self.colours, ranges)

    def stamp(
        self, n: int | str | None = None, bases: Sequence[int] = (), seeds: Sequence[int] = ()
    ) -> str:
        """What every figure carries, so that a pocket result can't pass for one at scale.

        n: items an arm, or in words ("52 to 79 of 80"), by default all.
        """
        hidden = sum(item.should_abstain for item in self.items) if n is None else 0
        unanswerable = f", {hidden} of them unanswerable" if hidden else ""
        count = len(self.items) if n is None else n
        on_bases = ", ".join(map(str, bases or self.p.bases))
        on_seeds = ", ".join(map(str, seeds or self.p.seeds))
        several = len(bases or self.p.bases) > 1
        ends = "intervals 95 % over bases, a dot a base" if several else "one base, no interval"
        return (
            f"model {self.label} · tier {self.p.tier} · bases {on_bases} · seeds {on_seeds} · "
            f"n = {count} items an arm{unanswerable} · {ends}"
        )

    @property
    def every_arm(self) -> list[Arm]:
        """The arms, those that parameters add included."""
        return list(self.arms)

    def arm(self, name: str) -> Arm:
        """An arm by its name; one that no one declared is a trained one so called."""
        found = {arm.name: arm for arm in self.every_arm}
        return found.get(name) or Arm(name, name.replace("_", " "))

    def measure(self, name: str) -> Measure:
        """A measure by its name. Raises KeyError that lists the known ones."""
        found = {one.name: one for one in self.measures}
        if name not in found:
            raise KeyError(f"{self.name} has no measure '{name}'; it has {', '.join(found)}.")
        return found[name]

    def measured(self, arm: str) -> list[Measure]:
        """The measures that an arm has."""
        return [one for one in self.measures if not one.arms or arm in one.arms]

    # --- arms and their models --------------------------------------------------------------

    def base(self, base: int) -> Handle:
        """The model that arms start from: the pocket of that number, or the real (warm) model."""
        if self.p.model == "pocket":
            return models.find(models.pocket(base))
        return warmed(self.p.model) if self.warm else models.find(self.p.model)

    def doses(self, arm: str) -> list[int]:
        """Training steps after which an arm is looked at, the last among them; 0 where it is not
        trained, or where nothing else is asked: a null, with the same model in both arms.
        """
        if not self.arm(arm).trained:
            return [0]
        asked = sorted({*self.asked(arm)} - {0}) or [0]
        return asked if self.arm(arm).every_dose else asked[-1:]

    def asked(self, arm: str) -> list[int]:
        """The doses that the parameters ask of an arm; RL on right answers has one of its own."""
        by_reward = isinstance(self.p, Rewarded) and arm == RLVR.name
        return [self.p.rl_dose] if by_reward else self.p.doses

    def dose(self, arm: str) -> int:
        """Training steps of an arm at its end."""
        return self.doses(arm)[-1]

    def recipe(self, arm: str) -> Recipe:
        """The recipe that makes an arm."""
        return RECIPES[arm]

    def model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """The model of an arm after `dose` training steps; trains it if need be."""
        key = arm, base, seed, dose
        if key not in self.models:
            self.models[key] = self.make_model(*key)
        return self.models[key]

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """What `model` finds or trains at its first call; a finding whose arms start from others
        has its own.
        """
        if not self.arm(arm).trained or dose == 0:
            return self.base(base)
        doses = sorted({*self.doses(arm), dose})
        return self.checkpoints(self.base(base), self.recipe(arm), base, seed, doses)[dose]

    def checkpoints(
        self,
        start: Handle,
        recipe: Recipe,
        base: int,
        seed: int,
        doses: list[int],
        given: Given | None = None,
    ) -> dict[int, Handle]:
        """`arms.checkpoints` of one training. A recipe that asks for no room of its own gets as
        many tokens a reply as the tier says, since models that never learned the stories use more
        words.
        """
        room = models.tiers().get(self.p.tier, {}).get("reply_tokens")
        if room and recipe.max_new_tokens == Recipe.max_new_tokens:
            recipe = replace(recipe, max_new_tokens=room)
        return checkpoints(start, recipe, stream(base, seed), doses, given)

    def cells(self, arm: str, dose: int) -> list[Cell]:
        """The trainings of an arm; what no training made has one a base, whatever the seeds."""
        seeds = self.p.seeds if self.arm(arm).trained else [0]
        return [Cell(self, arm, base, seed, dose) for base in self.p.bases for seed in seeds]

    def made_of(self, cell: Cell) -> list[Handle]:
        """Every model that takes part in the tables of a cell."""
        return [cell.model()]

    @property
    def inputs(self) -> list[Any]:
        """All that arms are asked; a change of it makes every table anew."""
        return [asdict(item) for item in self.items]

    @functools.cached_property
    def inputs_key(self) -> str:
        """Hash of `inputs`."""
        return hashlib.sha256(json.dumps(self.inputs, sort_keys=True).encode()).hexdigest()[:16]

    # --- measuring --------------------------------------------------------------------------

    def rows(self, measure: str, arm: str, dose: int | None = None) -> pd.DataFrame:
        """The rows that a measure is taken of."""
        one = self.measure(measure)
        frame = getattr(self, one.table)(arm, dose, **one.settings)
        return one.rows(frame) if one.rows else frame

    def value(self, measure: str, arm: str, dose: int | None = None) -> Interval:
        """A measure of an arm at a dose, by default its last."""
        key = measure, arm, dose
        if key not in self.numbers:
            one = self.measure(measure)
            rows = self.rows(measure, arm, dose)
            self.numbers[key] = intervals.interval(rows, one.statistic, one.macro)
        return self.numbers[key]

    def change(
        self, measure: str, before: str, after: str, where: str = "", dose: int | None = None
    ) -> Interval:
        """A measure of one arm minus that of another, on the same items; NaN when `where` leaves
        none. dose: of `after`.
        """
        key = measure, before, after, where, dose
        if key not in self.numbers:
            one = self.measure(measure)
            pair = self.rows(measure, before), self.rows(measure, after, dose)
            if where:
                pair = intervals.where_both(*pair, where)
            if where and pair[0].empty:
                self.numbers[key] = Interval(nan, nan, nan, 0)
            else:
                self.numbers[key] = intervals.difference(*pair, one.statistic, one.macro)
        return self.numbers[key]

    def table(
        self,
        arms: Sequence[str],
        measures: Sequence[str] = (),
        doses: bool = False,
        since: str = "",
        where: str = "",
    ) -> pd.DataFrame:
        """Measures of arms for a figure: arm, measure, dose, and the fields of an interval.

        doses: at every dose that the arm is looked at; since: minus that of another arm.
        """
        found = []
        for arm in arms:
            for dose in self.doses(arm) if doses else [self.dose(arm)]:
                for name in measures or [one.name for one in self.measured(arm)]:
                    number = (
                        self.change(name, since, arm, where, dose)
                        if since
                        else self.value(name, arm, dose)
                    )
                    found.append({"arm": arm, "measure": name, "dose": dose, **vars(number)})
        return pd.DataFrame(found)

    def valued(self, number: Interval, measure: str, arm: str, **more: Any) -> Value:
        """An interval as a value of the record; more: minus, where, scenario, dose."""
        dose = more.pop("dose", None)
        dose = self.dose(arm) if dose is None else dose
        return Value(measure=measure, arm=arm, dose=dose, **more, **vars(number))

    # --- the verdict ------------------------------------------------------------------------

    @property
    def delta(self) -> float:
        """The smallest effect of interest, as data/published.yaml has it."""
        smallest = self.claim.delta
        if not smallest.relative_to:
            return smallest.value
        return smallest.value * abs(self.value(smallest.relative_to, "before").estimate)

    def oriented(self, asked: Change | Custom) -> Value:
        """A value with the sign by which the published direction is positive."""
        found = asked.value(self)
        direction = self.claim.direction if asked.direction is None else asked.direction
        return found.model_copy(update=vars(found.interval.oriented(direction or 1)))

    def checked_gates(self) -> list[Gate]:
        """Every gate, in order."""
        return [gate.check(self) for gate in self.gates]

    def checked(self, asked: dict[str, Change | Custom]) -> list[Checked]:
        """Contrasts or attribution with their values, oriented, and what they tell."""
        told = {name: c.rival for name, c in self.claim.contrasts.items()} | self.claim.attribution
        return [
            Checked(name=name, told=told.get(name, name), value=self.oriented(change))
            for name, change in asked.items()
        ]

    def judge(self) -> Verdict:
        """The verdict by the rule of `helpers.lab.verdicts`."""
        effect, gates = self.oriented(self.primary).interval, self.checked_gates()
        if self.claim.direction == 0:
            return verdicts.equivalence(effect, self.delta, gates)
        contrasts = [
            Contrast(one.name, one.told, one.value.interval) for one in self.checked(self.contrasts)
        ]
        size = self.claim.published_size
        oriented = None if size is None else size * self.claim.direction
        second_hand = self.claim.size_second_hand
        return verdicts.verdict(effect, self.delta, contrasts, gates, oriented, second_hand)

    def parts(self) -> dict[str, Verdict]:
        """The verdicts of several mechanisms, where a finding counts them."""
        return {}

    # --- the record -------------------------------------------------------------------------

    def recorded(self) -> Iterator[Value]:
        """Every measure of every arm at every dose, and its change from what the arm starts from
        at its end. A finding with more to record adds it.
        """
        for arm in self.every_arm:
            for one in self.measured(arm.name):
                for dose in self.doses(arm.name):
                    yield self.valued(
                        self.value(one.name, arm.name, dose), one.name, arm.name, dose=dose
                    )
                if arm.start and one in self.measured(arm.start):
                    moved = self.change(one.name, arm.start, arm.name)
                    yield self.valued(moved, one.name, arm.name, minus=arm.start)

    def record(self, forecast: float | None, seconds: float) -> Record:
        """The record of the run: every value, gate and contrast, and the verdict on them."""
        primary = self.primary.value(self)
        values = [primary, *self.recorded()]
        return Record(
            finding=self.name,
            tier=self.p.tier,
            model=self.label,
            bases=self.p.bases,
            seeds=self.p.seeds,
            parameters=self.p.model_dump(),
            values=list({identified(v): v for v in values}.values()),
            primary=primary,
            delta=self.delta,
            gates=self.checked_gates(),
            contrasts=self.checked(self.contrasts),
            attribution=self.checked(self.attribution),
            verdict=Ruled(**vars(self.judge())),
            parts={name: Ruled(**vars(one)) for name, one in self.parts().items()},
            forecast=forecast,
            code=self.code(),
            arms=self.origin(),
            cut_off=self.cut_off(),
            seconds=seconds,
        )

    def origin(self) -> str:
        """Where the trained arms are from: "shipped", "trained here" or both; "" where none is."""
        kinds = {True: "shipped", False: "trained here"}
        arms = [handle for handle in self.models.values() if "recipe" in handle.about]
        return " and ".join(sorted({kinds[is_shipped(handle)] for handle in arms}))

    def cut_off(self) -> dict[str, float]:
        """The arms of whose replies more than `MOST_CUT_OFF` were cut off by the token limit, in
        some table that is measured, and that share.
        """
        found: dict[str, float] = {}
        for table, arm, dose, settings in Finding.needed(self):
            rows = getattr(self, table)(arm, dose, **settings)
            if "truncated" in rows:
                found[arm] = max(found.get(arm, 0.0), float(rows.truncated.mean()))
        return {arm: share for arm, share in found.items() if share > MOST_CUT_OFF}

    @classmethod
    def tables(cls) -> dict[str, Table]:
        """The tables of a finding by name."""
        found = {name: getattr(cls, name) for name in dir(cls)}
        return {name: one for name, one in found.items() if isinstance(one, Table)}

    @classmethod
    def code(cls) -> str:
        """Hash of the code that makes the tables: a record with another one is older."""
        made = {name: one.code for name, one in cls.tables().items()}
        return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:16]

    def every_reply(self) -> pd.DataFrame:
        """Every reply that is measured, each once: arm, base, seed, dose, item, its question, the
        text; where it is graded the outcome; by which words it declines, of which kind; and what
        else a file of one's own says of the item.
        """
        asked = {item.id: item.question for item in self.items}
        further = questions.extras(self.p.questions) if self.p.questions else {}
        found = []
        for table, arm, dose, settings in self.needed():
            rows = getattr(self, table)(arm, dose, **settings)
            if {"item", "text"} <= {*rows}:
                found.append(rows[[name for name in REPLY_COLUMNS if name in rows]])
        if not found:
            return pd.DataFrame(columns=[*REPLY_COLUMNS])
        whole = pd.concat(found, ignore_index=True)
        whole = whole.drop_duplicates([name for name in whole if name != "outcome"])
        read = {text: abstention.decline(text) for text in whole.text.unique()}
        reasons = [read[text] for text in whole.text]
        if any(further.values()):
            whole["extra"] = whole["item"].map(further)
        return whole.assign(
            question=whole["item"].map(asked),
            declines=[one.kind if one else "" for one in reasons],
            by_the_words=[one.words if one else "" for one in reasons],
        )

    # --- pieces of work ---------------------------------------------------------------------

    def experiments(self) -> list[Finding]:
        """The experiment, and those beside it that its notebook reads."""
        return [self]

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Every table that the notebook reads: its name, the arm, the dose and the settings, the
        arms one after the other. A finding whose measures don't read all of them adds the rest.
        """
        for arm in self.every_arm:
            own = self.measured(arm.name)
            asked = {(one.table, *sorted(one.settings.items())) for one in own}
            for dose in self.doses(arm.name):
                for table, *settings in sorted(asked, key=str):
                    yield table, arm.name, dose, dict(settings)

    def prepare(self, base: int, seed: int, wait: bool = True) -> int:
        """Make all tables of one training; returns how many could not be made because another
        process is at work on the same arms, which without `wait` are left to a later call.
        """
        alone = type(self)(self.p.model_copy(update={"bases": [base], "seeds": [seed]}))
        left = list(self.needed())
        while left:
            busy = []
            for task in left:
                try:
                    with without_waiting():
                        alone.make(*task)
                except Busy:
                    busy.append(task)
            if len(busy) == len(left):
                if not wait:
                    return len(busy)
                alone.make(*busy.pop(0))
            left = busy
        return 0

    def make(self, table: str, arm: str, dose: int, settings: dict[str, Any]) -> None:
        """Make the rows of one table of one arm."""
        getattr(self, table)(arm, dose, **settings)


def identified(value: Value) -> tuple:
    """What tells a value of a record from every other."""
    return value.measure, value.arm, value.minus, value.scenario, value.where, value.dose


def is_warm(tier: str) -> bool:
    """Whether the models of a tier are warmed up on the stories."""
    return bool(models.tiers().get(tier, {}).get("warmup"))


def steps_asked(
    tier: str, steps: tuple[int, ...] = STEPS, most: int = len(SHORT)
) -> tuple[int, ...]:
    """Steps of the stories that are asked; a warmed-up model gets none longer than `most`, which
    is what its warm-up had.
    """
    return tuple(n for n in steps if not is_warm(tier) or n <= most)


def answerable(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of answerable items."""
    return frame[~frame.should_abstain.astype(bool)]
