"""Finding 5, latent reasoning: can the base already, and what does training decide?

Claim and rule: data/published.yaml, `latent_reasoning` (CoT-decoding: Wang and Zhou, arXiv
2402.10200; hybrid: Venhoff et al., arXiv 2510.07364; pass@k: Yue et al., arXiv 2504.13837).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import pandas as pd

from helpers.findings.latent_reasoning import dials
from helpers.findings.latent_reasoning.branches import CHOICES, confidence
from helpers.findings.latent_reasoning.columns import DIAL, MIXED, SURE
from helpers.findings.latent_reasoning.dials import CONTROLS, DIRECTIONS, Dial
from helpers.findings.latent_reasoning.methods import (
    ARMS,
    FEATURE,
    HYBRID_SHARE,
    HYBRIDS,
    KINDS,
    KS,
    LEAST_ACCURACY,
    LONG_SFT,
    MECHANISMS,
    OWN_GATES,
    STEERED,
    TUNED,
    UNBROKEN,
    WITHOUT,
    Room,
    measures,
)
from helpers.findings.latent_reasoning.writing import Writing
from helpers.lab import finding
from helpers.lab.declared import AtLeast, Change, Items, Measure
from helpers.lab.record import Value
from helpers.lab.replies import GRADED, REPLY, completions, graded, rows
from helpers.lab.table import Cell, table
from helpers.lab.verdicts import Contrast, Verdict, verdict
from helpers.lm.generation import Branch, Completion
from helpers.show.look import PALETTE
from helpers.stats.intervals import Interval
from helpers.stats.statistics import pass_at_k
from helpers.text import answers
from helpers.text.chains import has_chain

SIDE_BY_SIDE = ("accuracy", "chain")
"""The measures of bases with chains that are set beside those of bases without."""


class LatentReasoning(Writing):
    """Every method answers the same items: the base decoded or steered in several ways, models that
    training made of it, and the base with a tuned model's help.
    """

    name = "latent_reasoning"
    arms = ARMS
    primary = Change("accuracy", "greedy", "cot_max")
    contrasts = {"majority": Change("accuracy", "majority", "cot_max")}
    attribution = {"longest": Change("accuracy", "longest", "cot_max")}
    gates = [AtLeast("accuracy", LEAST_ACCURACY, ("forced",)), Room(), Items()]
    labels = {"gain": "accuracy, gain over greedy"}
    colours = {
        "accuracy": PALETTE[0],
        "chain": PALETTE[1],
        **dict(zip(KINDS, (PALETTE[0], PALETTE[3]), strict=True)),
    }

    @property
    def measures(self) -> Sequence[Measure]:
        """Accuracy and chains of every method, those of hybrids at every share, and pass@k."""
        return measures(self.p.max_k)

    @cached_property
    def control(self) -> WithoutChains | None:
        """The same experiment on the bases that never saw a chain; None where none is asked for."""
        own = {"bases": self.p.bases_without_chains, "bases_without_chains": []}
        return WithoutChains(self.p.model_copy(update=own)) if own["bases"] else None

    def prepare(self, base: int, seed: int, wait: bool = True) -> int:
        """As for every finding; a base without chains has its part in the control."""
        if base in self.p.bases_without_chains:
            return self.control.prepare(base, seed, wait)
        return super().prepare(base, seed, wait)

    def experiments(self) -> list[finding.Finding]:
        """Also the control."""
        return [self, *([self.control] if self.control else [])]

    # --- under a dial that was chosen by how other stories are read -------------------------

    @table(REPLY)
    def steered(self, cell: Cell) -> pd.DataFrame:
        """Replies under the best dial of a mechanism, or under what controls it."""
        lm = cell.lm()
        prompts = [lm.prompt(question) for question in self.questions]
        replies = dials.dealt(lm, prompts, self.pushes(cell), self.p.max_new_tokens)
        return rows(self.items, replies)

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
            rights.append(graded(self.dev, rows(self.dev, replies)).correct.mean())
        best = max(range(len(tried)), key=lambda i: (rights[i], -tried.strength.iloc[i]))
        row = tried.iloc[[best]].reset_index(drop=True).assign(right=rights[best])
        return row[["layer", "strength", "feature", "vector", "right"]]

    @table(GRADED | {"chain": "it holds a written chain, however marked"})
    def solved(self, cell: Cell) -> pd.DataFrame:
        """The one reply of a method to every item, graded."""
        if cell.arm in CHOICES:
            replies = rows(self.items, self.taken(cell))
        elif cell.arm in HYBRIDS:
            replies = self.hybrids.of_cell(cell, share=HYBRID_SHARE)
        elif cell.arm in STEERED:
            replies = self.steered.of_cell(cell)
        else:
            replies = self.written.of_cell(cell)
        return graded(self.items, replies).assign(chain=[*map(has_chain, replies.text)])

    def taken(self, cell: Cell) -> list[Completion]:
        """The one of several replies to each item that a method takes."""
        if cell.arm == "majority":
            found = self.samples.of_cell(cell).assign(confidence=0.0)
        else:
            found = self.sure.of_cell(cell.beside("greedy"))
        groups = [found[found["item"] == item.id] for item in self.items]
        return [CHOICES[cell.arm](completions(g), g.confidence.tolist()) for g in groups]

    @table(MIXED, of="hybrids")
    def mixed(self, cell: Cell, hybrids: pd.DataFrame, share: float) -> pd.DataFrame:
        """The replies of a hybrid, graded, beside its two models."""
        ends = [self.solved.of_cell(cell.beside(arm)) for arm in ("greedy", TUNED)]
        return graded(self.items, hybrids).assign(
            base_right=ends[0].correct.to_numpy(),
            tuned_right=ends[1].correct.to_numpy(),
            n_steered=hybrids.n_steered.to_numpy(),
        )

    @table(
        {"item": "id", **{f"pass_{k}": f"pass@{k}; NaN beyond the largest k asked" for k in KS}},
        of="many_samples",
    )
    def passes(self, cell: Cell, many_samples: pd.DataFrame) -> pd.DataFrame:
        """pass@k of every item that is sampled often."""
        found, n = [], self.p.max_k
        for item in self.deep:
            replies = completions(many_samples[many_samples["item"] == item.id])
            right = sum(answers.grade(item, reply)["correct"] for reply in replies)
            known = {k: float(pass_at_k(right, n, k)) for k in KS if k <= self.p.max_k}
            found.append({"item": item.id, **{f"pass_{k}": known.get(k) for k in KS}})
        return pd.DataFrame(found).astype({f"pass_{k}": float for k in KS})

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
        """The verdict on every mechanism: its gain over greedy, beyond each of its controls."""
        return {name: self.ruled(name) for name in MECHANISMS}

    def ruled(self, mechanism: str) -> Verdict:
        """The verdict on one mechanism, where the common gates and its own are passed. That it beat
        its controls needs controls that did not break their model as well.
        """
        size = self.claim.published_size if mechanism == self.primary.after else None
        gates = self.checked_gates()
        gates += [gate.check(self) for gate in OWN_GATES.get(mechanism, ())]
        asked = self.gain(mechanism), self.delta, self.rivals(mechanism)
        found = verdict(*asked, gates, size)
        if found.label == "replicates" and mechanism in UNBROKEN:
            return verdict(*asked, [*gates, UNBROKEN[mechanism].check(self)], size)
        return found

    def recorded(self) -> Iterator[Value]:
        """Also every mechanism minus each of its controls, and what became of each method on the
        bases without chains.
        """
        yield from super().recorded()
        for arm in self.control.every_arm if self.control else []:
            for name in SIDE_BY_SIDE:
                asked = Change(name, arm.start, arm.name) if arm.start else None
                found = self.control.valued(self.control.value(name, arm.name), name, arm.name)
                both = [found, *([asked.value(self.control)] if asked else [])]
                yield from (one.model_copy(update={"where": WITHOUT}) for one in both)
        for mechanism, arms in MECHANISMS.items():
            for arm in arms:
                yield Change("accuracy", arm, mechanism).value(self)

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """Also what is shown of branches, dials and features."""
        yield from super().needed()
        yield "sure", "greedy", 0, {}
        yield "features", FEATURE, 0, {}
        yield "categories", "hybrid", self.dose("hybrid"), {}
        for arm in ("steering_opened", "steering_tuned"):
            yield "tried", arm, self.dose(arm), {}
            yield "dials", arm, self.dose(arm), {}


class WithoutChains(LatentReasoning):
    """The same on bases whose corpus had no chain: there is nothing to elicit, so what brings
    chains there creates them. Pass@k and what only the record has are left out.
    """

    arms = [*ARMS, LONG_SFT]
    measures = property(lambda lab: [one for one in measures(1) if one.name in SIDE_BY_SIDE])

    def needed(self) -> Iterator[tuple[str, str, int, dict[str, Any]]]:
        """The tables of its measures."""
        yield from finding.Finding.needed(self)
