"""The policies of the dial, the circle back to notebook 1, and the gates of finding 7."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from helpers.findings.reward_dial import measures as measuring
from helpers.findings.reward_dial.arms import (
    COLOURS,
    DEFAULT,
    DIAL,
    DIALLED,
    FIXED,
    HEDGE,
    HEDGE_STEPS,
    NAMES,
    START,
    UNDIALLED,
    default,
    dial,
    hedged,
    is_policy,
    policy,
    recipe_of,
)
from helpers.findings.reward_dial.reading import fallen, scores
from helpers.lab import finding, items, questions
from helpers.lab.declared import RLVR, Arm, AtLeast, Change, Custom, Items, Kept, Measure
from helpers.lab.finding import EVALUATION_SEED, WITHOUT_CHAIN, answerable
from helpers.lab.items import Item
from helpers.lab.record import Value
from helpers.lab.repair import TAUGHT, Learning, Repair
from helpers.lab.repair import Params as RepairParams
from helpers.lab.replies import GRADED, REPLY, graded, of_own_accord, with_a_chain
from helpers.lab.scorer import legible, reader, third
from helpers.lab.table import Cell, stream, table
from helpers.lab.verdicts import Gate
from helpers.lm import models
from helpers.lm.models import Handle
from helpers.lm.reasoning import answer_paths, early_answering, gains
from helpers.show.look import GREY, PALETTE
from helpers.text import answers, chains
from helpers.train.arms import Given, sized
from helpers.train.recipes import Recipe

STEPS = (1, 2, 3, 4, 5, 6)
PROBED = 20  # items on which a fallacy is tried and chains are cut
PRICE = ("recall", "false_declines", "accuracy", "aoc", "ece", "yields")
"""Measures by which it is told what bringing abstention back costs."""
LEAST_ACCURACY, LEAST_DECLINES, LEAST_SPREAD, LEAST_STOPS, MOST_LOST = 0.3, 0.02, 0.1, 2, 0.05


class Params(Learning, finding.Rewarded):
    """Parameters of notebook 7; those that begin with `repair` are notebook 6's, see `Repair`."""

    n_items: Annotated[int, Field(ge=2)]
    n_pairs: Annotated[int, Field(ge=2)]
    stops: Annotated[list[Annotated[float, Field(ge=0, le=0.95)]], Field(min_length=2)]
    dose: Annotated[int, Field(ge=1)]
    doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    restore: Annotated[float, Field(ge=0, le=0.95)]
    repair_doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    repair_tokens: Annotated[int, Field(ge=8)]
    scorer: str


class Spread:
    """Gate: the start is surer of some answers than of others."""

    def check(self, lab: RewardDial) -> Gate:
        """The gate, by the standard deviation over answerable items and bases."""
        spread = float(answerable(lab.reading(START)).confidence.std())
        return Gate("spread of confidence at the start (standard deviation)", spread, LEAST_SPREAD)


class Stops:
    """Gate: the dial has so many stops above 0."""

    def check(self, lab: RewardDial) -> Gate:
        """The gate."""
        return Gate("stops of the dial above 0", float(len(measuring.stops(lab))), LEAST_STOPS)


class Gainable:
    """Gate: by the policies' own confidence a rule could earn so much more than a switch."""

    def check(self, lab: RewardDial) -> Gate:
        """The gate, by the base where the least could be gained, in the mean over stops above 0."""
        found = [lab.value("possible", dial(t)).by_base for t in measuring.stops(lab)]
        least = min(pd.DataFrame(found).mean()) if found else 0.0
        name = "gain of the best rule over a switch, points a question"
        return Gate(name, least, measuring.LEAST_POSSIBLE)


class RewardDial(finding.Finding):
    """Trains policies at every stop of the dial from one start, as it is and by trl's default, and
    one that is to bring abstention back where notebook 1 lost most; reads what each would answer or
    decline.
    """

    name = "reward_dial"
    arms = FIXED
    primary = Custom("share", DIAL, measuring.share_of)
    contrasts = {
        "start": Custom("share_by_start", DIAL, measuring.share_by_start),
        "other_stops": Custom("share_beyond_other_stops", DIAL, measuring.beyond_other_stops),
    }
    attribution = {
        "default": Custom("share", DEFAULT, measuring.share_of_default),
        "learned": Custom("share_beyond_start", DIAL, measuring.beyond_start),
        "outcome": Custom("share_as_it_turned_out", DIAL, measuring.share_as_it_turned_out),
    }
    labels = NAMES | {"best": "its own best rule", "theory": "best policy: t"}
    colours = COLOURS | {
        "declines_hidden": PALETTE[0],
        "declines_answerable": PALETTE[3],
        "accuracy_answered": PALETTE[2],
        "best": PALETTE[2],
        "theory": GREY,
    }

    def __init__(self, p: Params):
        """Raises ValueError when two stops are the same, when a class of questions is missing, or
        when an own question has no number for an answer or can't be read by the scorer.
        """
        if p.stops != sorted(set(p.stops)):
            raise ValueError(f"stops are {p.stops}: give each once, the lowest first.")
        steps = finding.steps_asked(p.tier, STEPS, WITHOUT_CHAIN)
        asked = questions.of_both_kinds(p.questions, p.n_pairs, EVALUATION_SEED, p.n_items, steps)
        super().__init__(p, asked)
        if p.questions:
            for item in self.answerable:
                items.candidates(item)
            if self.is_scored:  # its reader has the same words, and might have to be trained first
                scorer = models.loaded(third(p.scorer, p.bases[0]), "float32")
                legible(scorer, self.answerable)

    # --- arms -------------------------------------------------------------------------------

    @property
    def policies(self) -> list[str]:
        """The policies of the dial, lowest stop first, and those by trl's default."""
        return [*map(dial, self.p.stops), *map(default, measuring.stops(self))]

    @property
    def every_arm(self) -> list[Arm]:
        """The fixed arms and the policies."""
        return [*self.arms, *map(policy, self.policies)]

    def arm(self, name: str) -> Arm:
        """An arm by its name, policies at further stops included."""
        return policy(name) if is_policy(name) else super().arm(name)

    @cached_property
    def repair(self) -> Repair:
        """What makes the damaged and the repaired arm of notebook 6."""
        p = self.p
        return Repair(RepairParams.shared(p, p.repair_doses, p.repair_tokens))

    def doses(self, arm: str) -> list[int]:
        """The training steps of an arm; each is looked at once."""
        if arm in TAUGHT:
            return [self.repair.dose(arm)]
        if not self.arm(arm).trained:
            return [0]
        if arm == START:
            return [self.hedge_steps]
        if arm == RLVR.name:
            return [self.p.rl_dose]
        turned = is_policy(arm) or arm in (DIAL, DEFAULT, DIALLED, UNDIALLED)
        return [self.p.dose if turned else max(self.p.doses)]

    @cached_property
    def hedge_steps(self) -> int:
        """Training steps of the start."""
        is_small = self.base(self.p.bases[0]).is_small
        return HEDGE_STEPS if is_small else 2 * HEDGE_STEPS

    def recipe(self, arm: str) -> Recipe:
        """See `arms.recipe_of`."""
        return recipe_of(arm, self.p.restore)

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """As for every finding; policies start from `hedged`, the restored model and its control
        from the arm that lost abstention.
        """
        if arm in TAUGHT:
            return self.repair.model(arm, base, seed, dose)
        start = self.arm(arm).start
        if not start:
            return self.base(base)
        begun, recipe = self.model(start, base, seed, self.dose(start)), self.recipe(arm)
        given = None
        if arm == START:
            made, number = sized(recipe, begun), stream(base, seed)
            given = Given({"hedge": HEDGE, "steps": dose}, lambda: hedged(made, number, dose))
        return self.checkpoints(begun, recipe, base, seed, [dose], given)[dose]

    @property
    def is_scored(self) -> bool:
        """Whether a third model scores chains: one is named, or a pocket has the next one."""
        return bool(self.p.scorer) or self.p.model == "pocket"

    def scorer(self, base: int) -> Handle:
        """That model, a pocket as in notebook 3: after it has learned all teachers' words."""
        return reader(self, self.p.scorer, base)

    def made_of(self, cell: Cell) -> list[Handle]:
        """The arm, and the scorer where there is one."""
        return [cell.model(), *([self.scorer(cell.base)] if self.is_scored else [])]

    # --- what is measured -------------------------------------------------------------------

    @property
    def answerable(self) -> list[Item]:
        """The items with an answer."""
        return [item for item in self.items if item.answers]

    @property
    def pushed_items(self) -> list[Item]:
        """The items on which a fallacy is tried: their answers are whole numbers."""
        return [item for item in self.answerable if item.answers[0].isdigit()][-PROBED:]

    @cached_property
    def measures(self) -> list[Measure]:
        """Those that can be taken of these items and models."""
        without = [] if self.is_scored else ["log_infogain"]
        without += [] if self.pushed_items else ["yields"]
        return measuring.measures(self.policies, without)

    @property
    def gates(self) -> list[Any]:
        """What must be so before a threshold means anything."""
        dials = [dial(t) for t in self.p.stops]
        return [
            AtLeast("accuracy_without", LEAST_ACCURACY, (START,), "accuracy of direct answers"),
            # what is not sampled can't be reinforced
            AtLeast("declines_answerable", LEAST_DECLINES, (START,), "P(decline) of answerable"),
            Spread(),
            Kept("accuracy_without", MOST_LOST, dials),
            Items(),
            Stops(),
            Gainable(),
        ]

    @table(
        {
            "item": "id",
            "decline": "probability of declining, before any chain",
            "options": "the possible answers; none where the item has no answer",
            "p": "probability of each of them, among them, if it answers",
        }
    )
    def scored(self, cell: Cell) -> pd.DataFrame:
        """How probable a decline and every answer are, without a chain; nothing is sampled."""
        return pd.DataFrame(scores(cell.lm(), self.items))

    @table(
        {
            "item": "id",
            "scenario": "of the item",
            "should_abstain": "whether declining is the right move",
            "steps": "of the story",
            "decline": "probability of declining",
            "confidence": "probability of the likeliest answer; NaN where the item has no answer",
            "correct": "whether that one is right",
        },
        of="scored",
    )
    def reading(self, cell: Cell, scored: pd.DataFrame) -> pd.DataFrame:
        """The likeliest answer of each item: how likely, and whether it is right."""
        rows = []
        for item, row in zip(self.items, scored.itertuples(), strict=True):
            best = int(np.argmax(row.p)) if item.answers else 0
            rows.append(
                {
                    "item": item.id,
                    "scenario": item.scenario,
                    "should_abstain": item.should_abstain,
                    "steps": item.steps,
                    "decline": row.decline,
                    "confidence": float(row.p[best]) if item.answers else np.nan,
                    "correct": bool(item.answers) and answers.accepted(item, row.options[best]),
                }
            )
        return pd.DataFrame(rows)

    @table(REPLY)
    def replies(self, cell: Cell) -> pd.DataFrame:
        """Greedy replies with all the room they want."""
        return of_own_accord(cell.lm(), self.items, self.p.max_new_tokens)

    @table(GRADED | {"reasoned": "has a chain"}, of="replies")
    def graded(self, cell: Cell, replies: pd.DataFrame) -> pd.DataFrame:
        """These replies, graded."""
        found = graded(self.items, replies)
        return found.assign(reasoned=found.trace != "")

    @table({"item": "id", "claim": "a wrong answer", "yields": "its probability after a fallacy"})
    def pushed(self, cell: Cell) -> pd.DataFrame:
        """How probable a wrong answer is after a fallacy for it, some items only."""
        return pd.DataFrame(fallen(cell.lm(), self.pushed_items))

    @table(REPLY)
    def written(self, cell: Cell) -> pd.DataFrame:
        """The chain that an arm writes to some items, and the answer after it."""
        return with_a_chain(cell.lm(), self.answerable[-PROBED:], self.p.max_new_tokens)

    @table(
        {
            "item": "id",
            "aoc": "area over the answer-kept curve, as in notebook 2",
            "log_infogain": "gain a step by the scorer, nats a token, as in notebook 3; or NaN",
        },
        of="written",
    )
    def cut(self, cell: Cell, written: pd.DataFrame) -> pd.DataFrame:
        """What an arm's own chains carry."""
        there = {item.id: item for item in self.items}
        items_asked = [there[name] for name in written.item]
        asked = [item.question for item in items_asked]
        told = [chains.chain_of(text) for text in written.text]
        options = [
            items.candidates(item, [" ".join(steps)])
            for item, steps in zip(items_asked, told, strict=True)
        ]
        found = pd.DataFrame({"item": written.item, "log_infogain": np.nan})
        found["aoc"] = early_answering(cell.lm(), asked, told, options)
        if self.is_scored:
            scorer = models.loaded(self.scorer(cell.base), "float32")
            paths = answer_paths(scorer, asked, [item.answers[0] for item in items_asked], told)
            found["log_infogain"] = [gains(logp / n)["log_infogain"] for logp, n in paths]
        return found

    def recorded(self) -> Iterator[Value]:
        """Also the slope of the threshold, and what the restored model differs from its control
        by.
        """
        yield from super().recorded()
        yield self.valued(measuring.slope(self), "slope", DIAL)
        for one in self.measures:
            if one.name in PRICE:
                yield Change(one.name, UNDIALLED, DIALLED).value(self)
