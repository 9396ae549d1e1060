"""Finding 5, latent reasoning: can the base already, and what does training decide?

Claim and rule: data/published.yaml, `latent_reasoning` (CoT-decoding: Wang and Zhou, arXiv
2402.10200; hybrid: Venhoff et al., arXiv 2510.07364; pass@k: Yue et al., arXiv 2504.13837).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from helpers.findings.latent_reasoning import dials, one_problem
from helpers.findings.latent_reasoning.branches import CHOICES, confidence
from helpers.findings.latent_reasoning.dials import CONTROLS, DIRECTIONS, Dial
from helpers.findings.latent_reasoning.methods import (
    ARMS,
    BESIDE_TUNED,
    FEATURE,
    HYBRID_SHARE,
    HYBRIDS,
    KS,
    LEAST_ACCURACY,
    MECHANISMS,
    OWN_GATES,
    STEERED,
    TUNED,
    Room,
    measures,
)
from helpers.findings.latent_reasoning.one_problem import ONE_PROBLEM
from helpers.findings.latent_reasoning.replies import (
    BRANCH,
    DIAL,
    FEATURES,
    GRADED,
    MIXED,
    REPLY,
    ROUTED,
    SURE,
    completions,
    graded,
    is_right,
    replied,
)
from helpers.lab import finding, items, questions
from helpers.lab.declared import AtLeast, Change, Items, Measure
from helpers.lab.finding import EVALUATION_SEED
from helpers.lab.record import Value
from helpers.lab.table import Cell, table
from helpers.lab.verdicts import Contrast, Verdict, verdict
from helpers.lm.generation import Branch, Completion, branched, generate
from helpers.lm.hybrid import hybrid
from helpers.lm.models import Handle
from helpers.show.look import PALETTE
from helpers.stats.intervals import Interval
from helpers.stats.statistics import pass_at_k
from helpers.text import answers
from helpers.text.chains import OPEN
from helpers.train.arms import Given
from helpers.train.recipes import RECIPES, Example, Recipe


class Params(finding.Rewarded):
    """Parameters of notebook 5."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    k: Annotated[int, Field(ge=2)]
    n_pass_items: Annotated[int, Field(ge=2)]
    max_k: Annotated[int, Field(ge=1, le=64)]

    @property
    def doses(self) -> list[int]:
        """The one dose of SFT."""
        return [self.dose]


class LatentReasoning(finding.Finding):
    """Every method answers the same items: the base decoded or steered in several ways, models that
    training made of it, and the base with a tuned model's help.
    """

    name = "latent_reasoning"
    arms = ARMS
    primary = Change("accuracy", "greedy", "cot_max")
    contrasts = {"majority": Change("accuracy", "majority", "cot_max")}
    attribution = {"longest": Change("accuracy", "longest", "cot_max")}
    gates = [AtLeast("accuracy", LEAST_ACCURACY, ("forced",)), Room(), Items()]
    colours = {"accuracy": PALETTE[0], "chain": PALETTE[1]}

    def __init__(self, p: Params):
        """Raises ValueError when no question has an answer or pass@k is asked at an odd k."""
        if p.max_k not in KS:
            raise ValueError(
                f"Parameter 'max_k' is {p.max_k}: pass@k is computed at {', '.join(map(str, KS))}."
            )
        steps = finding.steps_asked(p.tier)
        self.dev = dials.dev_items(steps)
        super().__init__(p, questions.answerable(p.questions, p.n_items, EVALUATION_SEED, steps))

    # --- what it is about -------------------------------------------------------------------

    @property
    def measures(self) -> Sequence[Measure]:
        """Accuracy and chains of every method, those of hybrids at every share, and pass@k."""
        return measures(self.p.max_k)

    @property
    def inputs(self) -> list[Any]:
        """The items, and the stories on which dials are chosen."""
        return [*super().inputs, *(asdict(item) for item in self.dev)]

    @property
    def questions(self) -> list[str]:
        """What every method is asked."""
        return [item.question for item in self.items]

    @property
    def n_pass(self) -> int:
        """Items that are sampled for pass@k."""
        return min(self.p.n_pass_items, len(self.items))

    # --- models -----------------------------------------------------------------------------

    def recipe(self, arm: str) -> Recipe:
        """A named recipe; one problem's arms are SFT or RL as `ONE_PROBLEM` has them."""
        return replace(RECIPES[ONE_PROBLEM.get(arm, arm)], name=arm)

    def asked(self, arm: str) -> list[int]:
        """RL, and what takes part of its model, has a dose of its own."""
        return super().asked(arm) if arm.endswith("_sft") else [self.p.rl_dose]

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """As for every finding; the arms of `ONE_PROBLEM` learn from one problem, and those of
        `BESIDE_TUNED` are the base with something of the tuned model.
        """
        if arm in BESIDE_TUNED:
            return self.base(base)
        if arm not in ONE_PROBLEM or dose == 0:
            return super().make_model(arm, base, seed, dose)
        lessons = Given({"lessons": arm}, lambda: self.lessons(Cell(self, arm, base, seed, dose)))
        start, recipe = self.base(base), self.recipe(arm)
        return self.checkpoints(start, recipe, base, seed, [dose], lessons)[dose]

    def made_of(self, cell: Cell) -> list[Handle]:
        """The model that replies, and the tuned one where it takes part."""
        return [cell.model(), *([cell.model(TUNED)] if cell.arm in BESIDE_TUNED else [])]

    def lessons(self, cell: Cell) -> list[Example]:
        """What an arm of `ONE_PROBLEM` learns from."""
        if cell.arm == "critique_sft":
            # the base's own, yet other ones for every training seed
            drawn = self.attempts.of_cell(replace(cell, arm="greedy", dose=0))
            return one_problem.critiques(drawn.text.tolist(), cell.stream)
        if cell.arm == "solution_sft":
            return one_problem.solutions(cell.stream)
        return one_problem.prompted()

    # --- what models wrote ------------------------------------------------------------------

    @table(REPLY)
    def written(self, cell: Cell) -> pd.DataFrame:
        """The greedy reply of a model to every item, its chain forced open for `forced`."""
        lm, opening = cell.lm(), OPEN * (cell.arm == "forced")
        prompts = [lm.prompt(question, opening) for question in self.questions]
        replies = generate(lm, prompts, self.p.max_new_tokens)
        return replied(self.items, replies, opening)

    @table(BRANCH)
    def branches(self, cell: Cell) -> pd.DataFrame:
        """The k first-token branches of every item, likeliest first, a row a branch."""
        lm = cell.lm()
        prompts = [lm.prompt(question) for question in self.questions]
        found = branched(lm, prompts, self.p.k, self.p.max_new_tokens)
        return pd.DataFrame(
            {"item": item.id, **asdict(branch)}
            for item, of_item in zip(self.items, found, strict=True)
            for branch in of_item
        )

    @table(REPLY)
    def samples(self, cell: Cell) -> pd.DataFrame:
        """k replies to every item at temperature 1, a row a reply."""
        return self.drawn(cell, self.items, self.p.k, 64)

    @table(REPLY)
    def many_samples(self, cell: Cell) -> pd.DataFrame:
        """Twice as many replies as the largest k of pass@k to the first items, a row a reply."""
        return self.drawn(cell, self.items[: self.p.n_pass_items], 2 * self.p.max_k, 256)

    def drawn(
        self, cell: Cell, asked: Sequence[items.Item], n: int, batch_size: int
    ) -> pd.DataFrame:
        """n replies to each of some items at temperature 1."""
        lm = cell.lm()
        prompts = [lm.prompt(item.question) for item in asked for _ in range(n)]
        replies = generate(
            lm, prompts, self.p.max_new_tokens, 1.0, seed=cell.stream, batch_size=batch_size
        )
        return replied([item for item in asked for _ in range(n)], replies)

    @table({"text": "a solution, its chain forced open, without that beginning"})
    def attempts(self, cell: Cell) -> pd.DataFrame:
        """Noisy solutions of the one problem, which critiques are of."""
        drawn = one_problem.attempts(cell.lm(), cell.stream)
        return pd.DataFrame({"text": [reply.text for reply in drawn]})

    @table(FEATURES)
    def features(self, cell: Cell) -> pd.DataFrame:
        """The features of a sparse autoencoder of the base."""
        return dials.features(cell.lm(), self.dev, self.p.max_new_tokens, cell.stream)

    @table(
        DIAL
        | {
            "texts": "replies under it to the stories on which dials are chosen",
            "truncated": "whether each was cut off",
        }
    )
    def tried(self, cell: Cell) -> pd.DataFrame:
        """Every dial of a mechanism that is tried on other stories than the items."""
        lm = cell.lm()
        if cell.arm == FEATURE:
            some = dials.feature_dials(self.features.of_cell(cell))
        elif cell.arm == "steering_tuned":
            some = dials.dials(dials.by_tuning(lm, cell.lm(TUNED), self.dev))
        else:
            some = dials.dials(dials.by_opening(lm, self.dev))
        return dials.tried(lm, self.dev, some, self.p.max_new_tokens)

    @table(REPLY)
    def steered(self, cell: Cell) -> pd.DataFrame:
        """Replies under the best dial of a mechanism, or under what controls it."""
        lm = cell.lm()
        prompts = [lm.prompt(question) for question in self.questions]
        replies = dials.dealt(lm, prompts, self.pushes(cell), self.p.max_new_tokens)
        return replied(self.items, replies)

    def pushes(self, cell: Cell) -> list[Dial]:
        """The dials to which an arm deals the items."""
        kind, _, direction = cell.arm.rpartition("_")
        own = cell.beside(f"steering_{direction}" if direction in DIRECTIONS else FEATURE)
        best = dials.dial_of(self.dials.of_cell(own).iloc[0])
        if direction in DIRECTIONS:
            return CONTROLS[kind](best, cell.stream)
        found = self.features.of_cell(own)
        random = cell.arm == "random_feature"
        return dials.random_features(best, found, cell.stream) if random else [best]

    @table(ROUTED)
    def routed(self, cell: Cell, share: float) -> pd.DataFrame:
        """Base and tuned model in one reply to every item, the tuned one choosing where it is ahead
        by more than 1 - share; of `hybrid_random` in as large a part of the disagreements, at
        random.
        """
        if share == 0:
            alone = self.written.of_cell(cell.beside("greedy"))
            return replied(self.items, completions(alone)).assign(routed=0, differ=0)
        rate = None
        if cell.arm == "hybrid_random":
            own = self.routed.of_cell(cell.beside("hybrid"), share=share)
            rate = float(own.routed.sum() / max(own.differ.sum(), 1))
            if rate == 1:
                return own[["item", "text", "truncated", "n_tokens", "routed", "differ"]]
        lm, tuned = cell.lm(), cell.lm(TUNED)
        prompts = [lm.prompt(question) for question in self.questions]
        replies, chosen, differ = hybrid(
            lm, tuned, prompts, self.p.max_new_tokens, share, rate, cell.stream
        )
        return replied(self.items, replies).assign(routed=chosen, differ=differ)

    # --- how it is read ---------------------------------------------------------------------
    # Tables that other tables read name their own source in their code, and not by `of`: so the
    # keys of those that read them hold all of it.

    @table(SURE)
    def sure(self, cell: Cell) -> pd.DataFrame:
        """Every branch with the model's confidence in its answer."""
        branches = self.branches.of_cell(cell)
        lm, names = cell.lm(), list(Branch.__dataclass_fields__)
        found = [Branch(*row) for row in branches[names].itertuples(index=False)]
        return branches[["item", "text", "truncated", "n_tokens"]].assign(
            first=[lm.tokenizer.decode([int(one.ids[0])]) for one in found],
            probability=[one.probability[0] for one in found],
            confidence=[confidence(lm, one) for one in found],
            answer=[answers.final_answer(one.text) for one in found],
        )

    @table(DIAL | {"right": "share of the other stories that are right under it"})
    def dials(self, cell: Cell) -> pd.DataFrame:
        """The dial of a mechanism under which most of the other stories are right, of equals the
        gentlest; one row.
        """
        tried, rights = self.tried.of_cell(cell), []
        for row in tried.itertuples():
            cut = zip(row.texts, row.truncated, strict=True)
            replies = [Completion(text, 0, bool(truncated)) for text, truncated in cut]
            rights.append(graded(self.dev, replies).correct.mean())
        best = max(range(len(tried)), key=lambda i: (rights[i], -tried.strength.iloc[i]))
        row = tried.iloc[[best]].reset_index(drop=True).assign(right=rights[best])
        return row[["layer", "strength", "feature", "vector", "right"]]

    @table(GRADED | {"text": "the reply", "chain": "it opens with a chain"})
    def solved(self, cell: Cell) -> pd.DataFrame:
        """The one reply of a method to every item, graded."""
        if cell.arm in CHOICES:
            replies = self.taken(cell)
        elif cell.arm in HYBRIDS:
            replies = completions(self.routed.of_cell(cell, share=HYBRID_SHARE))
        elif cell.arm in STEERED:
            replies = completions(self.steered.of_cell(cell))
        else:
            replies = completions(self.written.of_cell(cell))
        return graded(self.items, replies).assign(
            text=[reply.text for reply in replies],
            chain=[reply.text.startswith(OPEN) for reply in replies],
        )

    def taken(self, cell: Cell) -> list[Completion]:
        """The one of several replies to each item that a method takes."""
        if cell.arm == "majority":
            rows = self.samples.of_cell(cell).assign(confidence=0.0)
        else:
            rows = self.sure.of_cell(cell.beside("greedy"))
        groups = [rows[rows["item"] == item.id] for item in self.items]
        return [CHOICES[cell.arm](completions(g), g.confidence.tolist()) for g in groups]

    @table(MIXED, of="routed")
    def mixed(self, cell: Cell, routed: pd.DataFrame, share: float) -> pd.DataFrame:
        """The replies of a hybrid, graded, beside its two models."""
        ends = [self.solved.of_cell(cell.beside(arm)) for arm in ("greedy", TUNED)]
        return graded(self.items, completions(routed)).assign(
            base_right=ends[0].correct.to_numpy(),
            tuned_right=ends[1].correct.to_numpy(),
            n_tokens=routed.n_tokens.to_numpy(),
            routed=routed.routed.to_numpy(),
        )

    @table(
        {"item": "id", **{f"pass_{k}": f"pass@{k}; NaN beyond the largest k asked" for k in KS}},
        of="many_samples",
    )
    def passes(self, cell: Cell, many_samples: pd.DataFrame) -> pd.DataFrame:
        """pass@k of every item that is sampled often."""
        rows, n = [], 2 * self.p.max_k
        for item in self.items[: self.p.n_pass_items]:
            replies = completions(many_samples[many_samples["item"] == item.id])
            right = sum(is_right(item, reply) for reply in replies)
            known = {k: float(pass_at_k(right, n, k)) for k in KS if k <= self.p.max_k}
            rows.append({"item": item.id, **{f"pass_{k}": known.get(k) for k in KS}})
        return pd.DataFrame(rows).astype({f"pass_{k}": float for k in KS})

    # --- verdicts and record ----------------------------------------------------------------

    def gain(self, method: str, over: str = "greedy") -> Interval:
        """Accuracy of a method minus that of another, on the same items."""
        return self.change("accuracy", over, method)

    def rivals(self, mechanism: str) -> list[Contrast]:
        """What is left of a mechanism's gain beyond each of its controls."""
        told = self.claim.contrasts
        return [
            Contrast(arm, told[arm].rival, self.gain(mechanism, arm))
            for arm in MECHANISMS[mechanism]
        ]

    def parts(self) -> dict[str, Verdict]:
        """The verdict on every mechanism: its gain over greedy, beyond each of its controls, where
        the common gates and its own are passed.
        """
        common, size = self.checked_gates(), self.claim.published_size
        return {
            name: verdict(
                self.gain(name),
                self.delta,
                self.rivals(name),
                [*common, *(gate.check(self) for gate in OWN_GATES.get(name, ()))],
                size if name == self.primary.after else None,
            )
            for name in MECHANISMS
        }

    def recorded(self) -> Iterator[Value]:
        """Also every mechanism minus each of its controls."""
        yield from super().recorded()
        for mechanism, arms in MECHANISMS.items():
            for arm in arms:
                yield Change("accuracy", arm, mechanism).value(self)

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Also what is shown of branches, dials and features."""
        yield from super().needed()
        yield "sure", "greedy", 0, {}
        yield "features", FEATURE, 0, {}
        for arm in ("steering_opened", "steering_tuned"):
            yield "tried", arm, self.dose(arm), {}
            yield "dials", arm, self.dose(arm), {}
