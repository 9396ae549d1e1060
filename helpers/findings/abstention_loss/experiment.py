"""What is asked of every arm, how its replies are graded, and what a change of recall hangs on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf, nan
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from helpers.findings.abstention_loss import agreement
from helpers.lab import finding, items, questions
from helpers.lab.declared import (
    ANSWER_SFT,
    BEFORE,
    REASONING_SFT,
    RLVR,
    Arm,
    AtLeast,
    Change,
    Items,
    Kept,
    Measure,
)
from helpers.lab.finding import EVALUATION_SEED
from helpers.lab.record import Value
from helpers.lab.replies import GRADED, REPLY, SILENT, graded, rows
from helpers.lab.table import Cell, table
from helpers.lab.verdicts import Gate
from helpers.lm import judge, models
from helpers.lm.generation import generate
from helpers.lm.models import LM, Handle
from helpers.lm.scoring import decline_probability
from helpers.show.look import PALETTE
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.stats.statistics import Statistic, mean
from helpers.text import abstention
from helpers.text.chains import CLOSE
from helpers.train.recipes import RECIPES, Recipe

REASONING, KEEP, ANSWER, REWARD = "reasoning_sft", "reasoning_sft_keep", "answer_sft", "rlvr"
JUDGE = "judge"
CORPUS_SHARE = RECIPES[KEEP].abstention_share
MORE_SHARES = [0.02, 0.05, 0.1, 0.2]
PAIR = ("before", REASONING)
REPLYING = (*PAIR, KEEP, ANSWER, REWARD)
BY_SCENARIO = ("recall", "p_hidden", "auroc")
LEAST_ACCURACY, MOST_ACCURACY_LOST, LEAST_READABLE, LEAST_RECALL = 0.3, 0.05, 0.95, 0.2
"""Gates, fixed in advance; that of the ruler stands in `agreement`."""


class Params(finding.Rewarded):
    """Parameters of notebook 1."""

    n_pairs: Annotated[int, Field(ge=2)]
    doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    after: str
    prefix: Annotated[str, Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    judge: str


def of_replies(name: str, label: str, **more: Any) -> Measure:
    """A measure of graded replies, a share unless it has another unit."""
    return Measure(name, label, "graded", **{"arms": REPLYING} | more)


def p_decline(about: bool) -> Statistic:
    """Mean P(decline) over one class of items."""
    return replace(mean("p_decline", (0, 1)), about=about)


def of_declining(name: str, label: str, of: str | Statistic, better: int = 0) -> Measure:
    """A measure of P(decline)."""
    return Measure(name, label, "declining", of, (0.0, 1.0), better=better, arms=REPLYING)


OF_DECLINING = [
    of_declining("auroc", "area under the ROC curve of P(decline)", "auroc", 1),
    of_declining("p_hidden", "P(decline), unanswerable items", p_decline(True), 1),
    of_declining("p_answerable", "P(decline), answerable items", p_decline(False), -1),
]


@dataclass(frozen=True)
class FromRival(Change):
    """A change to or from an arm that we train beside the reasoning arm. A finished reasoning model
    comes without such an arm: the change is open then.
    """

    def value(self, lab: AbstentionLoss) -> Value:
        """The change, as a record has it; NaN where there is nothing to compare."""
        if not lab.p.after:
            return super().value(lab)
        return lab.valued(Interval(nan, nan, nan, 0), self.measure, self.after, minus=self.before)


@dataclass(frozen=True)
class Readable:
    """Gate: of each class of questions, nearly all replies hold an answer or a decline."""

    arms: tuple[str, ...]

    def check(self, lab: AbstentionLoss) -> Gate:
        """The gate, by the worst arm and class."""
        lost = {
            arm: lab.graded(arm).groupby("should_abstain").no_answer.mean().max()
            for arm in self.arms
        }
        worst = max(lost, key=lost.get)
        name = f"replies with an answer or a decline, in the worse class, {lab.look.label(worst)}"
        return Gate(name, 1 - float(lost[worst]), LEAST_READABLE)


class AbstentionLoss(finding.Finding):
    """Asks every arm the same questions, half of which have no answer, and grades the replies."""

    name = "abstention_loss"
    arms = [
        BEFORE,
        replace(REASONING_SFT, every_dose=True),
        Arm(KEEP, "reasoning SFT, abstentions kept", PALETTE[2], every_dose=True),
        replace(ANSWER_SFT, every_dose=True),
        RLVR,
    ]
    primary = Change("recall", *PAIR)
    contrasts = {KEEP: FromRival("recall", KEEP, REASONING)}
    attribution = {
        ANSWER: FromRival("recall", "before", ANSWER),
        REWARD: FromRival("recall", "before", REWARD),
        "opened": Change("recall_opened", *PAIR),
    }

    def __init__(self, p: Params):
        """Raises ValueError when a class of questions is missing, or `after` is `model` itself,
        without a switch for thinking.
        """
        if p.after == p.model and not models.loaded(models.find(p.model)).switched:
            raise ValueError(
                f"Parameter 'after' is the model itself, '{p.model}', which has no switch for "
                "thinking: name a model that was tuned to reason, or leave it empty."
            )
        super().__init__(p, questions.of_both_kinds(p.questions, p.n_pairs, EVALUATION_SEED))

    # --- what it is about -------------------------------------------------------------------

    @property
    def every_arm(self) -> list[Arm]:
        """The arms; a finished `after` model stands in for the trained ones. The judge is one."""
        judges = [Arm(JUDGE, f"judge {self.p.judge}", trained=False, start="")]
        found = list(self.arms)
        if self.p.after:
            found = [BEFORE, replace(REASONING_SFT, label=Path(self.p.after).name, trained=False)]
        return found + judges * bool(self.p.judge)

    @property
    def rivals(self) -> list[str]:
        """Arms by other ingredients: chains with abstentions kept, bare answers, a reward."""
        return [] if self.p.after else [KEEP, ANSWER, REWARD]

    @property
    def has_pairs(self) -> bool:
        """Whether there are scenarios to average over on both sides ("plain" items have none)."""
        kinds = {item.should_abstain for item in self.items if item.scenario != items.PLAIN}
        return len(kinds) == 2

    @property
    def measures(self) -> list[Measure]:
        """Of replies, of the probability of declining, and of replies that are made to open alike;
        means over scenarios where there are pairs.
        """
        macro, sd = self.has_pairs, {"unit": "standard deviations", "limits": (-inf, inf)}
        return [
            of_replies("recall", "abstention recall", better=1, macro=macro),
            of_replies(
                "recall_broad",
                "abstention recall, read broadly",
                of="recall",
                better=1,
                macro=macro,
                rows=lambda frame: frame.assign(abstained=frame.abstained_broadly),
            ),
            of_replies("precision", "precision of declining", better=1),
            of_replies("f1", "F1 of declining", better=1),
            of_replies("false_declines", "false declines", better=-1, macro=macro),
            of_replies("accuracy", "accuracy on answerable items", better=1),
            of_replies("no_answer", "neither answer nor decline", better=-1, limits=(0.0, 1.0)),
            of_replies("d_prime", "sensitivity d′", better=1, **sd),
            of_replies("criterion", "criterion c", **sd),
            *OF_DECLINING,
            *self.opened,
        ]

    @property
    def opened(self) -> list[Measure]:
        """The measures of replies that are made to open alike."""
        about = f"opened with {self.p.prefix}"
        same = {"settings": {"prefix": self.p.prefix}, "arms": PAIR}
        silent = {"of": mean("no_answer", (0, 1))} | same
        return [
            of_replies(
                "recall_opened",
                f"abstention recall, {about}",
                of="recall",
                better=1,
                macro=self.has_pairs,
                **same,
            ),
            of_replies(
                "no_answer_opened", f"neither answer nor decline, {about}", better=-1, **silent
            ),
        ]

    def measured(self, arm: str) -> list[Measure]:
        """The measures that an arm has at every dose; those of a forced opening it has at its end
        alone.
        """
        return [one for one in super().measured(arm) if not one.settings]

    @property
    def gates(self) -> list[Any]:
        """What must be so before a change of recall means anything."""
        reasoning = [REASONING, *({KEEP} & {*self.rivals})]
        return [
            AtLeast("accuracy", LEAST_ACCURACY, PAIR),
            Kept("accuracy", MOST_ACCURACY_LOST, reasoning),
            Readable(("before", *reasoning)),
            AtLeast("recall", LEAST_RECALL, ("before",)),
            Items(about=True),
            agreement.Agrees(),
        ]

    # --- arms and their models --------------------------------------------------------------

    def recipe(self, arm: str) -> Recipe:
        """A named recipe, or reasoning SFT with a share of abstentions kept ("kept 0.1")."""
        if arm in RECIPES:
            return RECIPES[arm]
        return replace(RECIPES[KEEP], abstention_share=float(arm.removeprefix("kept ")))

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """As for every finding; a finished `after` model and a judge are found, not trained."""
        if self.p.after and arm == REASONING:
            return models.find(self.p.after)
        if arm == JUDGE:
            return models.find(self.p.judge)
        return super().make_model(arm, base, seed, dose)

    def lm(self, cell: Cell) -> LM:
        """An arm, loaded; where `after` has the same weights, before does not think."""
        return cell.lm(thinking=not (cell.arm == "before" and self.p.after == self.p.model))

    @property
    def inputs(self) -> list[Any]:
        """The items, and the hand-labelled replies where a model judges them."""
        return super().inputs + (agreement.quoted().to_dict("records") if self.p.judge else [])

    # --- tables -----------------------------------------------------------------------------

    @table(REPLY)
    def replies(self, cell: Cell, prefix: str = "") -> pd.DataFrame:
        """What an arm replies to every item. prefix: a forced beginning of the reply."""
        lm = self.lm(cell)
        prompts = [lm.prompt(item.question, prefix) for item in self.items]
        decoding = (self.p.max_new_tokens, self.p.temperature, self.p.top_p, cell.stream)
        return rows(self.items, generate(lm, prompts, *decoding), prefix)

    @table(
        GRADED
        | {
            "abstained_broadly": "the reply declines as AbstentionBench's judge reads it",
            "no_answer": "neither an answer nor a decline",
        },
        of="replies",
    )
    def graded(self, cell: Cell, replies: pd.DataFrame, prefix: str = "") -> pd.DataFrame:
        """What the replies amount to."""
        found = graded(self.items, replies)
        broadly = [abstention.abstained(text, "abstentionbench") for text in found.text]
        return found.assign(abstained_broadly=broadly, no_answer=found.outcome.isin(SILENT))

    @table(
        {
            "item": "id",
            "scenario": "of the pair, or plain",
            "should_abstain": "the item has no answer",
            "p_decline": "probability that the answer opens like a declining one",
        },
        of="replies",
    )
    def declining(self, cell: Cell, replies: pd.DataFrame) -> pd.DataFrame:
        """How probable a decline is where the answer begins, after the arm's own chain if it wrote
        one.
        """
        lm = self.lm(cell)
        pairs = zip(self.items, replies.text, strict=True)
        prompts = [lm.prompt(item.question, chain_of(text), direct=True) for item, text in pairs]
        about = [(item.id, item.scenario, item.should_abstain) for item in self.items]
        frame = pd.DataFrame(about, columns=["item", "scenario", "should_abstain"])
        return frame.assign(p_decline=decline_probability(lm, prompts))

    @table({"item": "id of the hand-labelled reply", "declined": "the judge says that it declines"})
    def judged(self, cell: Cell) -> pd.DataFrame:
        """A model's verdicts on the hand-labelled replies; it sees no label."""
        lm, rows = cell.lm(dtype=None), agreement.quoted()
        pairs = zip(rows.question, rows.response, strict=True)
        return pd.DataFrame(
            {"item": rows.id, "declined": [judge.abstained(lm, q, r) for q, r in pairs]}
        )

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Also the replies that are made to open alike, and the judge's verdicts."""
        yield from super().needed()
        for arm in PAIR:
            yield "graded", arm, self.dose(arm), {"prefix": self.p.prefix}
        if self.p.judge:
            yield "judged", JUDGE, 0, {}

    # --- the record -------------------------------------------------------------------------

    def recorded(self) -> Iterator[Value]:
        """Also what a forced opening does, recall by scenario, and how good the ruler is."""
        yield from super().recorded()
        for one in self.opened:
            for arm in PAIR:
                yield self.valued(self.value(one.name, arm), one.name, arm)
            yield Change(one.name, *PAIR).value(self)
        for arm in ("before", REASONING, *self.rivals):
            for name in BY_SCENARIO:
                for scenario, number in self.by_scenario(name, arm).items():
                    yield self.valued(number, name, arm, scenario=scenario)
        for scenario, moved in self.changes_by_scenario().items():
            yield self.valued(moved, "recall", REASONING, minus="before", scenario=scenario)
        for row in agreement.ruler(self).itertuples():
            score = Interval(row.estimate, row.low, row.high, row.n)
            yield self.valued(score, f"{row.measure} of the ruler", row.ruler, dose=0)

    def by_scenario(self, measure: str, arm: str) -> dict[str, Interval]:
        """A measure of an arm at its end by scenario, of those with unanswerable items."""
        rows = self.rows(measure, arm)
        statistic = self.measure(measure).statistic
        return {
            scenario: intervals.interval(rows[rows.scenario == scenario], statistic)
            for scenario in sorted(set(hidden(rows).scenario))
        }

    def changes_by_scenario(self) -> dict[str, Interval]:
        """Change of recall of the reasoning arm at its end, scenario by scenario."""
        before, after = (hidden(self.graded(arm)) for arm in PAIR)
        return {
            scenario: intervals.difference(rows, after[after.scenario == scenario], "recall")
            for scenario, rows in before.groupby("scenario")
        }

    @property
    def settings(self) -> dict[str, list]:
        """Doses and shares of abstentions kept whose arms are trained anyway."""
        shares = [0.0] if self.p.after else [0.0, CORPUS_SHARE]
        return {"dose": [self.dose(REASONING)], "kept": shares}

    @property
    def slower_settings(self) -> dict[str, list]:
        """Settings whose replies, or whose training, take time when first asked for."""
        return {} if self.p.after else {"dose": self.doses(REASONING), "kept": MORE_SHARES}


def hidden(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of unanswerable items."""
    return frame[frame.should_abstain.astype(bool)]


def keeping(share: float) -> str:
    """The arm of reasoning SFT whose data keep a share of abstentions."""
    return {0.0: REASONING, CORPUS_SHARE: KEEP}.get(share, f"kept {share:g}")


def chain_of(text: str) -> str:
    """The chain that a reply opens with, to go on from; "" when there is none that closes."""
    chain, closed, after = text.rpartition(CLOSE)
    space = after[: len(after) - len(after.lstrip())] or " "  # as the model wrote it
    return f"{chain}{closed}{space}" if closed else ""
