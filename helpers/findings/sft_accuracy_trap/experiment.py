"""The arms, tables, measures and gates of finding 3."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from typing import Annotated, Any, Self

import pandas as pd
from pydantic import Field, model_validator

from helpers.findings.sft_accuracy_trap.measures import (
    EQUAL_STEPS,
    NO_LEAK,
    PARTS,
    PER_STEP,
    at_equal_steps,
    decomposition,
    states_answer,
    text_paths,
    worth,
)
from helpers.lab import finding, items, questions
from helpers.lab.declared import (
    BEFORE,
    LEAST_SHOWN,
    POST_HOC_SFT,
    REASONING_SFT,
    WRONG_CHAIN_SFT,
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
from helpers.lab.replies import GRADED, REPLY, graded, of_own_accord, with_a_chain
from helpers.lab.scorer import legible, reader
from helpers.lab.table import Cell, table
from helpers.lab.verdicts import Gate
from helpers.lm import models
from helpers.lm.models import Handle
from helpers.lm.reasoning import GAINS, answer_paths
from helpers.show.look import PALETTE
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.text import answers, chains
from helpers.text.chains import read_chain
from helpers.train.recipes import RECIPES, Recipe
from helpers.world.teachers import taught

LEAST_ACCURACY, LEAST_PARSED, MOST_LOST, MOST_APART = 0.3, 0.95, 0.05, 0.1
"""Gates, fixed in advance; the last in nats a token."""
RIGHT = {"terse": ("terse", 0.0), "verbose": ("terse", 1.0), "post_hoc": ("post_hoc", 0.0)}
"""Teachers whose steps are right, each as teacher and verbosity of `teachers.taught`."""
TOLD_BY = {0.0: "reasoning_sft", 1.0: "verbose_sft"}
"""Arms by the share of steps that their teacher tells thrice."""
LABELS = {
    "infogain": ("InfoGain as published (per step)", "perplexity"),
    "total_gain": ("total gain", "perplexity"),
    "log_infogain": ("gain a step, in nats a token", "nats a token"),
    "log_total_gain": ("total gain, in nats a token", "nats a token"),
}
"""Label and unit of `GAINS`."""


class Params(finding.Params):
    """Parameters of notebook 3."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    verbose_dose: Annotated[int, Field(ge=1)]
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
        """The dose of every arm but those of verbose teachers."""
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


class Reads:
    """Gates: to the scorer every teacher's own right chains are worth something, and alike."""

    def __init__(self, alike: bool):
        self.alike = alike

    def check(self, lab: SftAccuracyTrap) -> Gate:
        """The gate, by the least gain in all of a teacher, or by how far the teachers lie apart."""
        frame = lab.wording("before")
        found = [float(frame[f"{name}_total"].mean()) for name in RIGHT]
        if not self.alike:
            return Gate("gain of a teacher's right chains, the least", min(found), LEAST_SHOWN)
        apart = max(found) - min(found)
        return Gate("right chains' gains by teacher, minus how far apart", -apart, -MOST_APART)


class AccuracyRises:
    """Gate: the accuracy of free replies does not fall under verbose SFT, as the other half of the
    claim says.
    """

    def check(self, lab: SftAccuracyTrap) -> Gate:
        """The gate, by the estimate of the change."""
        moved = lab.change("accuracy", "before", "verbose_sft")
        return Gate("change of accuracy, verbose SFT", moved.estimate, 0.0)


class SftAccuracyTrap(finding.Finding):
    """Asks every arm for its own chains on the same items; a third model, which learned to read the
    words of all teachers on other stories, scores them.
    """

    name = "sft_accuracy_trap"
    arms = [
        BEFORE,
        REASONING_SFT,
        Arm("verbose_sft", "verbose SFT", PALETTE[1]),
        POST_HOC_SFT,
        WRONG_CHAIN_SFT,
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
    primary = Change("log_infogain", "before", "verbose_sft")
    contrasts = {
        "length": Custom(
            f"log_infogain{EQUAL_STEPS}", "verbose_sft", lambda lab: lab.equal_steps("log_infogain")
        ),
        "teacher": Custom(
            "log_infogain_beyond_teacher", "verbose_sft", lambda lab: lab.beyond_teacher()
        ),
        "mistakes": Custom(
            f"log_infogain{EQUAL_STEPS}_right", "verbose_sft", lambda lab: lab.of_right_chains()
        ),
    }
    attribution = {
        "terse": Change("log_infogain", "before", "reasoning_sft"),
        "published": Change("infogain", "before", "verbose_sft"),
        "right": Change("log_infogain", "before", "verbose_sft", where="chain_accuracy"),
    }
    common = [
        AtLeast("chain_accuracy", LEAST_ACCURACY, ("before", "reasoning_sft", "verbose_sft")),
        AtLeast("parsed", LEAST_PARSED, [arm.name for arm in arms]),
        Items(),
        AccuracyRises(),
        Kept("accuracy", MOST_LOST, ["reasoning_sft"]),
    ]

    @property
    def gates(self) -> list[Any]:
        """What must be so before a change of the gain means anything; no teacher tells the
        questions of a file.
        """
        return [*self.common, *([] if self.p.questions else [Reads(False), Reads(True)])]

    def __init__(self, p: Params):
        """Raises ValueError when no question has an answer, or one that the scorer can't read."""
        self.steps = finding.steps_asked(p.tier)
        super().__init__(
            p, questions.answerable(p.questions, p.n_items, EVALUATION_SEED, self.steps)
        )
        if p.questions:
            legible(models.loaded(self.scorer(p.bases[0]), "float32"), self.items)

    def asked(self, arm: str) -> list[int]:
        """Verbose teachers have a dose of their own: their chains take longer to learn."""
        verbose = arm == "verbose_sft" or arm.startswith("verbosity ")
        return [self.p.verbose_dose] if verbose else super().asked(arm)

    def of_verbosity(self, verbosity: float) -> str:
        """The arm of the teacher that tells this share of its steps thrice."""
        return TOLD_BY.get(verbosity, f"verbosity {verbosity:g}")

    def recipe(self, arm: str) -> Recipe:
        """A named recipe, or that of a teacher of some verbosity ("verbosity 0.5")."""
        if arm in RECIPES:
            return RECIPES[arm]
        verbosity = float(arm.removeprefix("verbosity "))
        return replace(RECIPES["verbose_sft"], verbosity=verbosity)

    def scorer(self, base: int) -> Handle:
        """The third model that scores the chains of a base."""
        return reader(self, self.p.scorer, base)

    def made_of(self, cell: Cell) -> list[Handle]:
        """The arm's model and the scorer."""
        return [cell.model(), self.scorer(cell.base)]

    # --- tables -----------------------------------------------------------------------------

    @table(REPLY)
    def replies(self, cell: Cell) -> pd.DataFrame:
        """The greedy reply that an arm writes to every item of its own accord."""
        return of_own_accord(cell.lm(dtype=None), self.items, self.p.max_new_tokens)

    @table(GRADED, of="replies")
    def graded(self, cell: Cell, replies: pd.DataFrame) -> pd.DataFrame:
        """Whether the replies of an arm's own accord are right."""
        return graded(self.items, replies)

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
        scorer = models.loaded(self.scorer(cell.base), "float32")
        asked = [item.question for item in self.items]
        rights = [item.answers[0] for item in self.items]
        told = [chains.chain_of(text) for text in written.text]
        clean = [
            [step for step in steps if not states_answer(item, step)]
            for item, steps in zip(self.items, told, strict=True)
        ]
        logp, n_tokens = zip(*answer_paths(scorer, asked, rights, told), strict=True)
        clean_logp, _ = zip(*answer_paths(scorer, asked, rights, clean), strict=True)
        text_logp, text_tokens = zip(*text_paths(scorer, asked, told), strict=True)
        return written[["item", "text", "truncated"]].assign(
            logp=[one.tolist() for one in logp],
            clean_logp=[one.tolist() for one in clean_logp],
            n_tokens=n_tokens,
            text_logp=[one.tolist() for one in text_logp],
            text_tokens=text_tokens,
        )

    @table(
        {
            "item": "id",
            "scenario": "always plain",
            "should_abstain": "never",
            "chain": "the steps",
            "chain_accuracy": "the answer after the chain is right",
            "parsed": "the chain closes and has steps",
            "truncated": "cut off",
            "nats": "log-probability of the right answer a token, after steps 1..i; i = 0..t",
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
            about["truncated"] = row.truncated
            rows.append(about | worth(item, chain.steps, row))
        return pd.DataFrame(rows)

    @table(
        {
            "item": "id",
            **{name: f"gain a step of the {name} teacher's chain, nats a token" for name in RIGHT},
            **{f"{name}_total": "that in all" for name in RIGHT},
        }
    )
    def wording(self, cell: Cell) -> pd.DataFrame:
        """The gain of the teachers' own chains, right by construction, on the stories that arms are
        asked: what the words alone do to the scorer. A table of the arm before.
        """
        scorer = models.loaded(self.scorer(cell.base), "float32")
        stories = items.stories(self.p.n_items, EVALUATION_SEED, self.steps)
        asked = [item.question for item in self.items]
        rights = [item.answers[0] for item in self.items]
        found = pd.DataFrame({"item": [item.id for item in self.items]})
        for name, teacher in RIGHT.items():
            told = [
                chains.chain_of(taught(story, random.Random(item.id), *teacher))
                for item, story in zip(self.items, stories, strict=True)
            ]
            paths = answer_paths(scorer, asked, rights, told)
            found[f"{name}_total"] = [float(logp[-1] - logp[0]) / n for logp, n in paths]
            found[name] = found[f"{name}_total"] / [len(steps) for steps in told]
        return found

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Also the teachers' own chains, where there are any."""
        yield from super().needed()
        if not self.p.questions:
            yield "wording", "before", 0, {}

    # --- what is made of them ---------------------------------------------------------------

    def equal_steps(self, gain: str, arm: str = "verbose_sft") -> Interval:
        """Change of one of `PER_STEP`, were the gain told in as many steps as before."""
        pair = at_equal_steps(self.reading("before"), self.reading(arm))
        return intervals.difference(*pair, f"{gain}{EQUAL_STEPS}")

    def of_right_chains(self) -> Interval:
        """Change of the gain a step after verbose SFT, were it told in as many steps as before, on
        the chains that end right in both arms, training by training.
        """
        before, after = at_equal_steps(self.reading("before"), self.reading("verbose_sft"))
        name = f"log_infogain{EQUAL_STEPS}"
        moved = after.assign(
            moved=after[name] - before[name],
            right=(after.chain_accuracy & before.chain_accuracy).astype(float),
        )
        return intervals.mean_where(moved, "moved", "right", (-inf, inf))

    def beyond_teacher(self) -> Interval:
        """Change of the gain a step after verbose SFT, beyond the difference that the teachers' own
        chains make to the scorer on the same questions; NaN for questions of a file, which have
        none.
        """
        if self.p.questions:
            return Interval(nan, nan, nan, 0)
        words = self.wording("before")[["base", "item", *RIGHT]]
        after = self.reading("verbose_sft").merge(words, on=["base", "item"])
        after["log_infogain"] -= after.verbose - after.terse
        return intervals.difference(self.reading("before"), after, "log_infogain")

    def words(self, arm: str) -> pd.DataFrame | None:
        """What `decomposition` is told of a teacher's words; None for those without right chains of
        their own.
        """
        told = {"verbose_sft": "verbose", "post_hoc_sft": "post_hoc", "reasoning_sft": "terse"}
        if self.p.questions or arm not in told:
            return None
        frame = self.wording("before")
        found = frame.assign(plain=frame.terse_total, own=frame[f"{told[arm]}_total"])
        return found[["base", "item", "plain", "own"]]

    def split(self, arm: str) -> pd.DataFrame:
        """The change of the gain a step after an arm in `PARTS`: name, part (in words), and the
        fields of an interval.
        """
        frame = decomposition(self.reading("before"), self.reading(arm), self.words(arm))
        return pd.DataFrame(
            {"name": name, "part": words, **vars(intervals.interval(frame, name))}
            for name, words in PARTS.items()
        )

    def recorded(self) -> Iterator[Value]:
        """Also the changes at equally many steps and on items that both arms get right, the parts
        of the change, and what the teachers' own chains are worth.
        """
        yield from super().recorded()
        for arm in self.every_arm[1:]:
            for name in PER_STEP:
                moved = self.equal_steps(name, arm.name)
                yield self.valued(moved, f"{name}{EQUAL_STEPS}", arm.name, minus="before")
            yield Change("log_infogain", "before", arm.name, where="chain_accuracy").value(self)
            for row in self.split(arm.name).drop(columns="part").to_dict("records"):
                name = f"part_{row.pop('name')}"
                yield self.valued(Interval(**row), name, arm.name, minus="before")
        for name in [] if self.p.questions else RIGHT:
            for gain, column in (("log_infogain", name), ("log_total_gain", f"{name}_total")):
                told = intervals.interval(self.wording("before"), column)
                yield self.valued(told, gain, f"{name}_teacher", dose=0)
