"""Damaged and repaired models: how a model's own replies repair one that is too sure of them.

A little SFT on verbose chains does the damage: the model believes whatever it wrote. It replies to
questions that are never reported, k times each, opening with each of its k likeliest first tokens.
Pairs of these replies, by some preference, train it by DPO, by a reward model against which GRPO
trains it, or by SFT on the preferred reply alone. RLSF prefers the reply whose answer the model is
surer of (van Niekerk et al., arXiv 2507.21931); their reinforcement learner, PPO, is gone from trl,
and GRPO stands for it. Findings 6 and 7 share these arms.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Self

import numpy as np
import pandas as pd
from pydantic import Field

from helpers.lab import finding, items
from helpers.lab.declared import BEFORE, Arm
from helpers.lab.finding import WITHOUT_CHAIN
from helpers.lab.items import Item
from helpers.lab.table import Cell, stream, table
from helpers.lm import models
from helpers.lm.generation import Branch, branched
from helpers.lm.models import LM, Handle
from helpers.lm.scoring import span_confidence, span_probability
from helpers.show.look import PALETTE
from helpers.text import answers, chains
from helpers.train.arms import Given, rated, reward_model
from helpers.train.recipes import RECIPES, Example, Recipe
from helpers.world.corpus import turn

LEARNED_SEED = 4242
"""Seed of the questions whose replies are paired, which are never reported."""
STEPS = (1, 2, 3, 4, 5)
PER_QUESTION = 8
"""Pairs that training is given of a question, drawn with replacement: each counts alike."""
HELD_OUT = 5
"""Every so manieth question is kept from all that is trained, to see what a reward model learned.
"""
DAMAGED, REPAIRED, ORACLE, BRIER = "damaged", "repair_grpo", "repair_labels", "repair_brier"
ARMS = [
    Arm(DAMAGED, "damaged", PALETTE[3]),
    Arm("rlsf_dpo", "RLSF by DPO", PALETTE[0]),
    Arm("rlsf_grpo", "RLSF by GRPO", PALETTE[1]),
    Arm("repair_dpo", "damaged, RLSF by DPO", PALETTE[0], start=DAMAGED, every_dose=True),
    Arm(REPAIRED, "damaged, RLSF by GRPO", PALETTE[1], start=DAMAGED, every_dose=True),
    Arm("repair_answers", "damaged, RLSF, declines left out", PALETTE[2], start=DAMAGED),
    Arm("repair_sft", "damaged, SFT on confident replies", PALETTE[6], start=DAMAGED),
    Arm("repair_shuffled", "damaged, preferences shuffled", PALETTE[7], start=DAMAGED),
    Arm("repair_shorter", "damaged, shorter preferred", PALETTE[5], start=DAMAGED),
    Arm(ORACLE, "damaged, SFT on right answers", PALETTE[4], start=DAMAGED),
    Arm(BRIER, "damaged, Brier reward", PALETTE[9], start=DAMAGED),
]


@dataclass(frozen=True)
class Taught:
    """How an arm learns: its trainer (sft, dpo or grpo), and whose preferences (see `preferred`);
    none where the recipe's own examples or reward teach it.
    """

    trainer: str
    preference: str = ""


TAUGHT = {
    DAMAGED: Taught("sft"),
    "rlsf_dpo": Taught("dpo", "confidence"),
    "rlsf_grpo": Taught("grpo", "confidence"),
    "repair_dpo": Taught("dpo", "confidence"),
    REPAIRED: Taught("grpo", "confidence"),
    "repair_answers": Taught("grpo", "answers"),
    "repair_sft": Taught("sft", "confidence"),
    "repair_shuffled": Taught("grpo", "shuffled"),
    "repair_shorter": Taught("grpo", "shorter"),
    ORACLE: Taught("sft"),
    BRIER: Taught("grpo"),
}
WRITTEN = {
    "item": "id",
    "branch": "rank of the first token, the likeliest 0",
    "text": "the reply",
    "truncated": "cut off",
    "n_tokens": "tokens of the reply",
    "ids": "its token ids, the end token included",
    "probability": "probability of each token",
    "disparity": "p(top 1) - p(top 2) at each token, see `generation.Branch`",
}
TRACED = {
    "item": "id",
    "scenario": "of the item",
    "should_abstain": "whether declining is the right move",
    "branch": "rank of the first token, the likeliest 0",
    "text": "the reply",
    "truncated": "cut off",
    "n_tokens": "tokens of the reply",
    "answer": "the final answer; empty where the reply declines or has none",
    "answered": "whether it has an answer",
    "confidence": "mean disparity over the answer's tokens, 0..1; 0 without an answer",
    "probability": "probability of the answer's tokens, 0..1; 0 without an answer",
    "abstained": "declines",
    "correct": "the right move",
    "reasoned": "opens a chain",
}
JUDGED = {
    "item": "id of a question held out",
    "paired": "1 where its replies make a pair",
    "agreed": "share of its pairs whose preferred reply the reward model gives more; 0 without one",
    "gap": "mean of what it gives the preferred reply more, logits; 0 without a pair",
    "room": "what it gives the best of the k replies more than the likeliest one, logits",
}
KEYS = ["base", "seed", "item"]
SIDES = ["branch", "text", "n_tokens", "abstained", "correct", "confidence"]
"""Columns of both replies of a pair, as chosen_... and rejected_...."""


class Learning(finding.Params):
    """The parameters, besides doses, that make the damaged and the repaired arms."""

    damage_dose: Annotated[int, Field(ge=1)]
    n_learned: Annotated[int, Field(ge=2)]
    k: Annotated[int, Field(ge=2)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    pair_margin: Annotated[float, Field(ge=0)]


class Params(Learning):
    """Parameters of `Repair`."""

    doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]

    @classmethod
    def shared(cls, p: Learning, doses: list[int], max_new_tokens: int) -> Self:
        """Those of a finding; with equal ones, two findings share every arm."""
        own = {"doses": doses, "max_new_tokens": max_new_tokens, "questions": "", "forecast": 0.0}
        same = {name: getattr(p, name) for name in Learning.model_fields}
        return cls(**same | own)


class Repair(finding.Finding):
    """The damaged and the repaired arms. Its items are the questions whose replies they learn."""

    name = "rlsf_repair"
    arms = [BEFORE, *ARMS]
    measures = ()

    def __init__(self, p: Params):
        """Draws the questions."""
        steps = finding.steps_asked(p.tier, STEPS, WITHOUT_CHAIN)
        learned = items.pocket_stories(p.n_learned, LEARNED_SEED, steps)
        learned += items.pocket_items(-(-p.n_learned // 20), LEARNED_SEED)
        super().__init__(p, learned)

    @table(WRITTEN)
    def branches(self, cell: Cell) -> pd.DataFrame:
        """The k first-token branches of every question to learn from."""
        return written(cell.lm(), self.items, self.p.k, self.p.max_new_tokens)

    @table(TRACED, of="branches")
    def traces(self, cell: Cell, branches: pd.DataFrame) -> pd.DataFrame:
        """These branches, graded, with the confidence of their answers."""
        return traced(cell.lm(), self.items, branches)

    def doses(self, arm: str) -> list[int]:
        """As for every finding; the oracle takes as many steps as the damage."""
        as_damaged = arm in (DAMAGED, ORACLE)
        return [self.p.damage_dose] if as_damaged else super().doses(arm)

    def recipe(self, arm: str) -> Recipe:
        """The recipe so called, or that of the arm's trainer under the arm's name."""
        kin = arm if arm in RECIPES else f"rlsf_{TAUGHT[arm].trainer}"
        return replace(RECIPES[kin], name=arm)

    def make_model(self, arm: str, base: int, seed: int, dose: int) -> Handle:
        """As for every finding; repairs start from the damaged model."""
        start = self.arm(arm).start
        if not start:
            return self.base(base)
        begun = self.model(start, base, seed, self.dose(start))
        if not dose:
            return begun
        doses, given = sorted({*self.doses(arm), dose}), self.given(arm, base, seed)
        return self.checkpoints(begun, self.recipe(arm), base, seed, doses, given)[dose]

    def given(self, arm: str, base: int, seed: int) -> Given | None:
        """The pairs that an arm learns from, or the reward model that they make."""
        if not TAUGHT[arm].preference:
            return None
        own = {*Learning.model_fields} - {*finding.Params.model_fields, "damage_dose"}
        drawing = {name: getattr(self.p, name) for name in own}
        about = {"preference": TAUGHT[arm].preference, "questions": self.inputs_key, **drawing}
        if TAUGHT[arm].trainer != "grpo":
            return Given(about, lambda: self.learned(arm, base, seed))
        rater, recipe = self.rater(base), RECIPES["rater"]
        about |= {"rater": rater.identity, "recipe": asdict(recipe)}
        number = stream(base, seed)
        return Given(
            about, lambda: reward_model(rater, recipe, number, self.learned(arm, base, seed))
        )

    def rater(self, base: int) -> Handle:
        """The model that learns preferences: the pocket where replies are in its words, else the
        model itself.
        """
        in_its_words = self.p.model == "pocket" or self.warm
        return models.find(models.pocket(base)) if in_its_words else self.base(base)

    def learned(self, arm: str, base: int, seed: int) -> list[Example]:
        """The pairs that an arm learns. Raises ValueError when there is none."""
        found = self.preferences(arm, base, seed)
        found = found[~found.item.isin([item.id for item in self.held_out])]
        if found.empty:
            raise ValueError(
                f"{self.arm(arm).label}: no pair of replies to learn from at threshold "
                f"{self.p.threshold}; lower it, or raise n_learned."
            )
        return examples(found, self.items, stream(base, seed))

    def preferences(self, arm: str, base: int, seed: int) -> pd.DataFrame:
        """All pairs of an arm's preferences over the replies of what it starts from."""
        of = TAUGHT[arm].preference, self.p.threshold, stream(base, seed), self.p.pair_margin
        return preferred(self.drawn(arm, base, seed), *of)

    def drawn(self, arm: str, base: int, seed: int) -> pd.DataFrame:
        """The replies of what an arm starts from, rows of `traces`."""
        start = self.arm(arm).start
        by = seed if self.arm(start).trained else 0
        return self.traces.of_cell(Cell(self, start, base, by, self.dose(start)))

    @property
    def held_out(self) -> list[Item]:
        """The questions that nothing is trained on."""
        return self.items[HELD_OUT - 1 :: HELD_OUT]

    def judged(self, arm: str, base: int, seed: int) -> pd.DataFrame:
        """What an arm's reward model says of replies to the questions held out; see `JUDGED`."""
        questions = {item.id: item.question for item in self.held_out}
        replies, found = (
            frame[frame.item.isin(questions)]
            for frame in (self.drawn(arm, base, seed), self.preferences(arm, base, seed))
        )
        rater = self.given(arm, base, seed).make()
        said = rated(rater, [questions[i] for i in replies.item], replies.text)
        given = pd.Series(said, pd.MultiIndex.from_frame(replies[["item", "branch"]]))
        more = [
            given[row.item, row.chosen_branch] - given[row.item, row.rejected_branch]
            for row in found.itertuples()
        ]
        gaps = pd.DataFrame({"item": found.item, "gap": more})
        of_pairs = gaps.assign(agreed=gaps.gap > 0).groupby("item").mean().reindex(list(questions))
        room = given.groupby("item").max() - given.xs(0, level="branch")
        return pd.DataFrame(
            {
                "item": list(questions),
                "paired": of_pairs.gap.notna().astype(float).to_numpy(),
                "agreed": of_pairs.agreed.fillna(0.0).to_numpy(),
                "gap": of_pairs.gap.fillna(0.0).to_numpy(),
                "room": room.reindex(list(questions)).to_numpy(),
            }
        )


def written(lm: LM, asked: Sequence[Item], k: int, max_new_tokens: int) -> pd.DataFrame:
    """The replies after each of the k likeliest first tokens; columns: `WRITTEN`."""
    prompts = [lm.prompt(item.question) for item in asked]
    found = branched(lm, prompts, k, max_new_tokens)
    rows = [
        {
            "item": item.id,
            "branch": place,
            "text": branch.text,
            "truncated": branch.truncated,
            "n_tokens": branch.n_tokens,
            "ids": list(branch.ids),
            "probability": list(branch.probability),
            "disparity": list(branch.disparity),
        }
        for item, branches in zip(asked, found, strict=True)
        for place, branch in enumerate(branches)
    ]
    return pd.DataFrame(rows)


def traced(lm: LM, asked: Sequence[Item], replies: pd.DataFrame) -> pd.DataFrame:
    """Rows of `written`, graded, with the confidence of each answer; columns: `TRACED`.

    A reply that declines has no answer, and so a confidence of 0 (van Niekerk et al., section 3).
    """
    by_id = {item.id: item for item in asked}
    rows = []
    for row in replies.itertuples():
        item, tokens = by_id[row.item], [tuple(row.ids), tuple(row.probability)]
        branch = Branch(row.text, row.n_tokens, row.truncated, *tokens, tuple(row.disparity))
        grade = answers.grade(item, branch)
        answer = "" if grade["abstained"] else grade["answer"]
        sure = span_confidence(lm, branch, answer) if answer else 0.0
        probability = span_probability(lm, branch, answer) if answer else 0.0
        rows.append(
            {
                "item": item.id,
                "scenario": item.scenario,
                "should_abstain": item.should_abstain,
                "branch": row.branch,
                "text": row.text,
                "truncated": row.truncated,
                "n_tokens": row.n_tokens,
                "answer": answer,
                "answered": bool(answer),
                "confidence": min(max(sure, 0.0), 1.0),
                "probability": min(probability, 1.0),
                "abstained": grade["abstained"],
                "correct": grade["correct"],
                "reasoned": chains.has_chain(row.text),
            }
        )
    return pd.DataFrame(rows)


def matched(replies: pd.DataFrame) -> pd.DataFrame:
    """Every reply beside every other one to the same question in the same training."""
    ends = [
        replies[[*KEYS, *SIDES]].rename(columns={name: f"{side}_{name}" for name in SIDES})
        for side in ("chosen", "rejected")
    ]
    both = ends[0].merge(ends[1], on=KEYS)
    return both[both.chosen_branch != both.rejected_branch]


def pairs(
    replies: pd.DataFrame, threshold: float, keep_declines: bool = True, margin: float = 1.0
) -> pd.DataFrame:
    """Every pair of an item's replies with c_i > c_j and c_i >= threshold, as published.

    replies: rows of `traces`. Returns a row a pair: base, seed, item, margin (exp(c_i - c_j), the
    difference times `margin`), and the columns `SIDES` of both replies. Without `keep_declines` no
    declining reply is in a pair. Raises ValueError for a threshold outside 0..1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is a confidence between 0 and 1; got {threshold}.")
    kept = replies if keep_declines else replies[~replies.abstained.astype(bool)]
    found = matched(kept)
    better = found.chosen_confidence > found.rejected_confidence
    found = found[better & (found.chosen_confidence >= threshold)]
    gap = found.chosen_confidence - found.rejected_confidence
    return found.assign(margin=np.exp(margin * gap)).reset_index(drop=True)


def preferred(
    replies: pd.DataFrame, preference: str, threshold: float, seed: int, margin: float = 1.0
) -> pd.DataFrame:
    """Pairs as a preference (of `TAUGHT`) has them, with the columns of `pairs`.

    confidence: as published; answers: without declining replies. The same pairs and margins, but
    shuffled: the preferred reply drawn by lot; shorter: the shorter reply preferred, equals left
    out.
    """
    if preference in ("confidence", "answers"):
        return pairs(replies, threshold, preference == "confidence", margin)
    found = pairs(replies, threshold, margin=margin)
    if preference == "shuffled":
        turned = np.random.default_rng(seed).random(len(found)) < 0.5
    else:
        found = found[found.chosen_n_tokens != found.rejected_n_tokens]
        turned = (found.chosen_n_tokens > found.rejected_n_tokens).to_numpy()
    both = pd.concat([found[~turned], swapped(found[turned])])
    return both.sort_index()  # in the order of `pairs`, so that the same ones are drawn of them


def swapped(found: pd.DataFrame) -> pd.DataFrame:
    """The same pairs with the other reply preferred."""
    ends = (("chosen", "rejected"), ("rejected", "chosen"))
    names = {f"{a}_{name}": f"{b}_{name}" for a, b in ends for name in SIDES}
    return found.rename(columns=names)


def examples(found: pd.DataFrame, asked: Sequence[Item], seed: int) -> list[Example]:
    """Pairs of one training as training examples, each question as often as any other."""
    questions = {item.id: item.question for item in asked}
    rng = random.Random(f"pairs {seed}")
    by_item = [group.to_dict("records") for _, group in found.groupby("item")]
    rows = [rng.choice(group) for group in by_item for _ in range(PER_QUESTION)]
    return [
        Example(
            [turn("user", questions[row["item"]]), turn("assistant", row["chosen_text"])],
            None,
            row["rejected_text"],
            row["margin"],
        )
        for row in rows
    ]
