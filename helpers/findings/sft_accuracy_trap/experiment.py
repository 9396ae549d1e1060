"""The arms, tables, measures and gates of finding 3."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from helpers.findings.sft_accuracy_trap.measures import (
    GAINS,
    MATCHED,
    NO_LEAK,
    PARTS,
    decomposition,
    length_matched,
    states_answer,
    text_path,
    worth,
)
from helpers.lab import finding, items, questions
from helpers.lab.declared import (
    BEFORE,
    REASONING_SFT,
    Arm,
    AtLeast,
    Change,
    Custom,
    Items,
    Kept,
    Measure,
)
from helpers.lab.finding import EVALUATION_SEED
from helpers.lab.record import Value
from helpers.lab.replies import REPLY, of_own_accord, with_a_chain
from helpers.lab.scorer import legible, third
from helpers.lab.table import Cell, table
from helpers.lab.verdicts import Gate
from helpers.lm import models
from helpers.lm.models import Handle
from helpers.lm.reasoning import answer_path, infogain
from helpers.show.look import PALETTE
from helpers.show.widgets import progress
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.text import answers, chains
from helpers.text.chains import read_chain
from helpers.train.recipes import RECIPES, Recipe
from helpers.world.teachers import taught

LEAST_ACCURACY, LEAST_PARSED, MOST_LOST = 0.3, 0.95, 0.05
"""Gates, fixed in advance."""
FIXED = {"terse": 0.0, "verbose": 1.0}
"""Teachers by the share of their steps that they tell thrice."""
TOLD_BY = {"terse": "reasoning_sft", "verbose": "verbose_sft"}
"""The arm of each of these teachers."""
LABELS = {
    "infogain": ("InfoGain (per step)", "perplexity"),
    "total_gain": ("total gain", "perplexity"),
    "log_infogain": ("per step, in nats a token", "nats a token"),
    "log_total_gain": ("total, in nats a token", "nats a token"),
}
"""Label and unit of `GAINS`."""


class Params(finding.Params):
    """Parameters of notebook 3."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    verbosities: list[Annotated[float, Field(ge=0, le=1)]]
    scorer: str

    @model_validator(mode="after")
    def somebody_scores(self) -> Self:
        """Raises ValueError where no third model would score the chains."""
        if not self.scorer and self.model != "pocket":
            raise ValueError(
                f"Parameter 'scorer' is empty: name a third model that scores the chains of "
                f"'{self.model}', such as 'pocket' for the pocket world's stories."
            )
        return self

    @property
    def doses(self) -> list[int]:
        """The one dose of every arm."""
        return [self.dose]


def share(name: str, label: str, where: str = "reading", better: int = 0) -> Measure:
    """A share of items."""
    return Measure(name, label, where, limits=(0.0, 1.0), better=better)


def gain(name: str, mark: str = "", words: str = "") -> Measure:
    """One of `GAINS`, or a variant of it that is marked and told by further words."""
    label, unit = LABELS[name]
    return Measure(f"{name}{mark}", f"{label}{words}", "reading", unit=unit)


def count(name: str, label: str) -> Measure:
    """A number of steps."""
    return Measure(name, label, "reading", limits=(0.0, inf), unit="steps")


class AccuracyRises:
    """Gate: the accuracy of free replies does not fall under verbose SFT, as the other half of the
    claim says.
    """

    def check(self, lab: SftAccuracyTrap) -> Gate:
        """The gate, by the estimate of the change."""
        moved = lab.change("accuracy", "before", "verbose_sft")
        return Gate("change of accuracy, verbose SFT", moved.estimate, 0.0)


class SftAccuracyTrap(finding.Finding):
    """Asks every arm for its own chains on the same items; a third, untrained model scores them."""

    name = "sft_accuracy_trap"
    arms = [
        BEFORE,
        REASONING_SFT,
        Arm("verbose_sft", "verbose SFT", PALETTE[1]),
        Arm("post_hoc_sft", "post-hoc SFT", PALETTE[0]),
        Arm("wrong_chain_sft", "wrong-chain SFT", PALETTE[4]),
    ]
    measures = [
        share("accuracy", "accuracy of free replies", "graded", better=1),
        share("chain_accuracy", "accuracy with a chain", better=1),
        share("parsed", "chain closes and has steps"),
        *(gain(name) for name in GAINS),
        *(gain(name, NO_LEAK, ", without steps that state the answer") for name in GAINS),
        Measure("infogain_released", "InfoGain by the released code", "reading", unit="perplexity"),
        count("n_steps", "steps of the chain"),
        count("leaking_steps", "steps that state the answer"),
    ]
    primary = Change("infogain", "before", "verbose_sft")
    contrasts = {
        "length": Custom("infogain_matched", "verbose_sft", lambda lab: lab.matched("infogain")),
        "wording": Custom("infogain_beyond", "verbose_sft", lambda lab: lab.beyond_wording()),
    }
    attribution = {
        "terse": Change("infogain", "before", "reasoning_sft"),
        "right": Change("infogain", "before", "verbose_sft", where="chain_accuracy"),
    }
    gates = [
        AtLeast("chain_accuracy", LEAST_ACCURACY, ("before", "reasoning_sft", "verbose_sft")),
        AtLeast("parsed", LEAST_PARSED, [arm.name for arm in arms]),
        Items(),
        AccuracyRises(),
        Kept("accuracy", MOST_LOST, ["reasoning_sft"]),
    ]

    def __init__(self, p: Params):
        """Raises ValueError when no question has an answer, or one that the scorer can't read."""
        self.steps = finding.steps_asked(p.tier)
        super().__init__(
            p, questions.answerable(p.questions, p.n_items, EVALUATION_SEED, self.steps)
        )
        if p.questions:
            legible(models.loaded(self.scorer(p.bases[0]), "float32"), self.items)

    def of_verbosity(self, verbosity: float) -> str:
        """The arm of the teacher that tells this share of its steps thrice."""
        named = {share: TOLD_BY[name] for name, share in FIXED.items()}
        return named.get(verbosity, f"verbosity {verbosity:g}")

    def recipe(self, arm: str) -> Recipe:
        """A named recipe, or that of a teacher of some verbosity ("verbosity 0.5")."""
        if arm in RECIPES:
            return RECIPES[arm]
        verbosity = float(arm.removeprefix("verbosity "))
        return replace(RECIPES["verbose_sft"], verbosity=verbosity)

    def scorer(self, base: int) -> Handle:
        """The third model that scores the chains of a base."""
        return third(self.p.scorer, base)

    def made_of(self, cell: Cell) -> list[Handle]:
        """The arm's model and the scorer."""
        return [cell.model(), self.scorer(cell.base)]

    # --- tables -----------------------------------------------------------------------------

    @table(REPLY)
    def replies(self, cell: Cell) -> pd.DataFrame:
        """The greedy reply that an arm writes to every item of its own accord."""
        return of_own_accord(cell.lm(dtype=None), self.items, self.p.max_new_tokens)

    @table(
        {
            "item": "id",
            "scenario": "always plain",
            "should_abstain": "never",
            "correct": "the answer is right",
        },
        of="replies",
    )
    def graded(self, cell: Cell, replies: pd.DataFrame) -> pd.DataFrame:
        """Whether the replies of an arm's own accord are right."""
        return pd.DataFrame(
            {
                "item": item.id,
                "scenario": item.scenario,
                "should_abstain": False,
                "correct": answers.grade(item, row)["correct"],
            }
            for item, row in zip(self.items, replies.itertuples(), strict=True)
        )

    @table(REPLY)
    def written(self, cell: Cell) -> pd.DataFrame:
        """The chain that an arm writes to every item when made to open one."""
        return with_a_chain(cell.lm(dtype=None), self.items, self.p.max_new_tokens)

    @table(
        {
            "item": "id",
            "text": "the reply, its chain forced open",
            "truncated": "cut off",
            "logp": "log-probability of the right answer after steps 1..i, in nats; i = 0..t",
            "clean_logp": "the same along the steps that do not state the answer",
            "n_tokens": "tokens of the answer",
            "text_logp": "log-probability of question and steps 1..i, in nats; i = 0..t",
            "text_tokens": "tokens of question and steps 1..i, without the first; i = 0..t",
        },
        of="written",
    )
    def scored(self, cell: Cell, written: pd.DataFrame) -> pd.DataFrame:
        """What the scorer makes of an arm's chains, step by step."""
        scorer, rows = models.loaded(self.scorer(cell.base), "float32"), []
        work = zip(self.items, written.itertuples(), strict=True)
        for item, row in progress(work, len(written), f"{cell.arm}: information"):
            steps = chains.chain_of(row.text)
            logp, n_tokens = answer_path(scorer, item.question, item.answers[0], steps)
            kept = [step for step in steps if not states_answer(item, step)]
            clean = logp
            if kept != steps:
                clean, _ = answer_path(scorer, item.question, item.answers[0], kept)
            text_logp, text_tokens = text_path(scorer, item.question, steps)
            rows.append(
                {
                    "logp": logp.tolist(),
                    "clean_logp": clean.tolist(),
                    "n_tokens": n_tokens,
                    "text_logp": text_logp.tolist(),
                    "text_tokens": text_tokens,
                }
            )
        asked = written[["item", "text", "truncated"]].reset_index(drop=True)
        return pd.concat([asked, pd.DataFrame(rows)], axis=1)

    @table(
        {
            "item": "id",
            "scenario": "always plain",
            "should_abstain": "never",
            "chain": "the steps",
            "chain_accuracy": "the answer after the chain is right",
            "parsed": "the chain closes and has steps",
            "ppl": "perplexity of the right answer after steps 1..i; i = 0..t",
            "leaks": "for every step, whether it states the answer",
            **{name: "a gain, in perplexity or (log_) in nats a token" for name in GAINS},
            **{f"{name}{NO_LEAK}": "the same without steps that state it" for name in GAINS},
            "infogain_released": "InfoGain by the released code, perplexity",
            "n_steps": "steps",
            "leaking_steps": "steps that state the answer",
        },
        of="scored",
    )
    def reading(self, cell: Cell, scored: pd.DataFrame) -> pd.DataFrame:
        """What an arm's chains are worth to the scorer."""
        rows = []
        for item, row in zip(self.items, scored.itertuples(), strict=True):
            chain = read_chain(row.text, row.truncated)
            about = {"item": item.id, "scenario": item.scenario, "should_abstain": False}
            about["chain_accuracy"] = answers.accepted(item, chain.answer)
            about["parsed"] = chain.closed and bool(chain.steps)
            rows.append(about | worth(item, chain.steps, row))
        return pd.DataFrame(rows)

    @table(
        {
            "item": "id",
            **{name: f"InfoGain of the {name} teacher's chain, perplexity" for name in FIXED},
        }
    )
    def wording(self, cell: Cell) -> pd.DataFrame:
        """InfoGain of the teachers' own chains, right by construction, on the stories that arms are
        asked: what the words alone do to the scorer. A table of the arm before.
        """
        scorer, rows = models.loaded(self.scorer(cell.base), "float32"), []
        told = items.stories(self.p.n_items, EVALUATION_SEED, self.steps)
        for item, story in zip(self.items, told, strict=True):
            row: dict[str, Any] = {"item": item.id}
            for name, verbosity in FIXED.items():
                steps = chains.chain_of(taught(story, random.Random(item.id), verbosity=verbosity))
                logp, n_tokens = answer_path(scorer, item.question, item.answers[0], steps)
                row[name] = infogain(np.exp(-logp / n_tokens))
            rows.append(row)
        return pd.DataFrame(rows)

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Also the teachers' own chains, where there are any."""
        yield from super().needed()
        if not self.p.questions:
            yield "wording", "before", 0, {}

    # --- what is made of them ---------------------------------------------------------------

    def matched(self, gain: str, arm: str = "verbose_sft") -> Interval:
        """Change of one of `GAINS` over as many first steps as both chains have."""
        pair = length_matched(self.reading("before"), self.reading(arm))
        return intervals.difference(*pair, f"{gain}{MATCHED}")

    def beyond_wording(self) -> Interval:
        """Change of InfoGain after verbose SFT, beyond the difference that the teachers' own chains
        make to the scorer on the same questions; NaN for questions of a file, which have none.
        """
        if self.p.questions:
            return Interval(nan, nan, nan, 0)
        words = self.wording("before")[["base", "item", *FIXED]]
        after = self.reading("verbose_sft").merge(words, on=["base", "item"])
        after["infogain"] -= after.verbose - after.terse
        return intervals.difference(self.reading("before"), after, "infogain")

    def split(self, arm: str) -> pd.DataFrame:
        """The change of InfoGain after an arm in `PARTS`: name, part (in words), and the fields of
        an interval.
        """
        frame = decomposition(self.reading("before"), self.reading(arm))
        return pd.DataFrame(
            {"name": name, "part": words, **vars(intervals.interval(frame, name))}
            for name, words in PARTS.items()
        )

    def recorded(self) -> Iterator[Value]:
        """Also the changes over equally many steps and on items that both arms get right, the parts
        of the change of InfoGain, and what the teachers' own chains are worth.
        """
        yield from super().recorded()
        for arm in self.every_arm[1:]:
            pair = length_matched(self.reading("before"), self.reading(arm.name))
            for name in (f"{gain}{MATCHED}" for gain in GAINS):
                moved = intervals.difference(*pair, name)
                yield self.valued(moved, name, arm.name, minus="before")
            yield Change("infogain", "before", arm.name, where="chain_accuracy").value(self)
            for row in self.split(arm.name).drop(columns="part").to_dict("records"):
                name = f"part_{row.pop('name')}"
                yield self.valued(Interval(**row), name, arm.name, minus="before")
        for name in [] if self.p.questions else FIXED:
            told = intervals.interval(self.wording("before"), name)
            yield self.valued(told, "infogain", f"{name}_teacher", dose=0)
