"""Finding 6, RLSF repair: can a model's confidence in its own answers repair its calibration?

Claim and rule: data/published.yaml, `rlsf_repair` (van Niekerk et al., arXiv 2507.21931). Their
reinforcement learner, PPO, is gone from trl: GRPO against the same reward model stands for it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import exp
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field

from helpers import experiment, statistics
from helpers.experiment import EVALUATION_SEED, WITHOUT_CHAIN, known, quietly_load
from helpers.lab import items
from helpers.lab.items import Item
from helpers.lab.record import Measure, Record
from helpers.lm.generation import branched
from helpers.lm.models import LM
from helpers.lm.scoring import span_confidence, span_probability
from helpers.show import plots
from helpers.statistics import Control, Gate, Interval, Verdict, bootstrap, paired_bootstrap
from helpers.text import answers, chains
from helpers.train.arms import reward_model
from helpers.train.recipes import RECIPES, Example, Recipe
from helpers.world.corpus import turn

LEARNED_SEED = 4242
"""Seed of the questions whose replies are paired, which are never reported."""
STEPS = (1, 2, 3, 4, 5)
DAMAGED = "damaged"
REPAIRED = "repair_grpo"
"""The arm of the verdict: the one by reinforcement, which the published repair is. Its calibration
error is taken by the probability of the answer, for p(top 1) - p(top 2) is no probability.
"""


@dataclass(frozen=True)
class Arm:
    """What an arm starts from, its trainer (dpo or grpo), and whose preferences it learns."""

    start: str
    trainer: str
    preference: str


ARMS = {
    DAMAGED: Arm("before", "grpo", "raters"),
    "rlsf_dpo": Arm("before", "dpo", "confidence"),
    "rlsf_dpo_answers": Arm("before", "dpo", "answers"),
    "rlsf_grpo": Arm("before", "grpo", "confidence"),
    "repair_dpo": Arm(DAMAGED, "dpo", "confidence"),
    REPAIRED: Arm(DAMAGED, "grpo", "confidence"),
    "repair_shuffled": Arm(DAMAGED, "grpo", "shuffled"),
    "repair_shorter": Arm(DAMAGED, "grpo", "shorter"),
    "repair_labels": Arm(DAMAGED, "grpo", "labels"),
}
PAIRS = 16
"""Pairs of a training step, of DPO and of a reward model."""
LEAST_ACCURACY, LEAST_DAMAGE, FEWEST_PAIRED, FEWEST_ITEMS = 0.3, 0.02, 20, 50
"""Gates, fixed in advance."""
SPARE = 0.05
"""Accuracy that a repair may cost and still not count as a fall."""


class Params(experiment.Params):
    """Parameters of notebook 6."""

    n_items: Annotated[int, Field(ge=2)]
    n_pairs: Annotated[int, Field(ge=1)]
    n_learned: Annotated[int, Field(ge=2)]
    k: Annotated[int, Field(ge=2)]
    threshold: Annotated[float, Field(ge=0, le=1)]
    pair_margin: Annotated[float, Field(ge=0)]
    doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class Experiment(experiment.Experiment):
    """The damage, the repairs and their controls; what they said is kept for the session."""

    finding = "rlsf_repair"

    def __init__(self, p: Params):
        """Raises ValueError when nothing would be trained or a class of questions is missing."""
        if max(p.doses) == 0:
            raise ValueError(f"doses are {p.doses}: at least one must be above 0 training steps.")
        steps = experiment.steps_asked(p.tier, STEPS, WITHOUT_CHAIN)
        asked = items.of_both_kinds(p.questions, p.n_pairs, EVALUATION_SEED, p.n_items, steps)
        super().__init__(p, asked)
        self.learned = items.pocket_stories(p.n_learned, LEARNED_SEED, steps)
        self.learned += items.pocket_items(-(-p.n_learned // 20), LEARNED_SEED)
        self.traces = cache(self._traces)
        self._said = cache(self._asked)

    @property
    def dose(self) -> int:
        """Training steps of the damage and of every repair."""
        return max(self.p.doses)

    def recipe(self, arm: str) -> Recipe:
        """The recipe of an arm's trainer."""
        kin = DAMAGED if arm == DAMAGED else f"rlsf_{ARMS[arm].trainer}"
        recipe = replace(RECIPES[kin], name=arm)
        return replace(recipe, batch_size=PAIRS) if recipe.trainer == "dpo" else recipe

    def model(self, arm: str, seed: int, dose: int) -> str:
        """As for every experiment; repairs start from the damaged model."""
        if arm == "before":
            return self.base(seed)
        made, start = ARMS[arm], self.start(arm, seed)
        if not dose:
            return start
        data = learned_pairs(self, arm, seed)
        recipe = self.recipe(arm)
        if made.trainer == "dpo":
            return self.checkpoints(start, recipe, seed, self.p.doses, data=data)[dose]
        rater = replace(RECIPES["rater"], batch_size=PAIRS)
        judge = reward_model(self.rater(seed), rater, seed, data)
        return self.checkpoints(start, recipe, seed, self.p.doses, judge=judge)[dose]

    def rater(self, seed: int) -> str:
        """The model that learns preferences: the pocket where replies are in its words, else the
        model itself.
        """
        return f"pocket-{seed}" if self.p.model == "pocket" or self.warm else self.base(seed)

    def start(self, arm: str, seed: int) -> str:
        """The model that an arm is trained from."""
        return self.model(ARMS[arm].start, seed, self.dose)

    def _traces(self, arm: str, seed: int) -> pd.DataFrame:
        """The branches of the questions to learn from, by the model that arms start from."""
        lm = quietly_load(self.model(arm, seed, self.dose), dtype="float32")
        return traces(lm, self.learned, self.p.k, self.p.max_new_tokens)

    def replies(self, arm: str, dose: int = -1) -> pd.DataFrame:
        """Greedy replies of an arm (at its end unless a dose is given), a row a seed and item: the
        columns of `traces`, arm, seed, dose.
        """
        if arm == "before":
            return self._said(arm, 0)
        if dose == 0:
            return self.replies(ARMS[arm].start).assign(arm=arm, dose=0)
        return self._said(arm, self.dose if dose < 0 else dose)

    def _asked(self, arm: str, dose: int) -> pd.DataFrame:
        frames = []
        for seed in self.p.seeds:
            lm = quietly_load(self.model(arm, seed, dose), dtype="float32")
            frame = traces(lm, self.items, 1, self.p.max_new_tokens)
            frames.append(frame.assign(arm=arm, seed=seed, dose=dose))
        return pd.concat(frames, ignore_index=True)


def traces(lm: LM, asked: Sequence[Item], k: int, max_new_tokens: int) -> pd.DataFrame:
    """The k first-token branches of every question, a row each.

    Columns: item, scenario, should_abstain, branch, text, answer, confidence (mean of p(top 1) -
    p(top 2) over the answer's tokens), probability (of these tokens), n_tokens, abstained, correct
    (the right move: declining where there is no answer), reasoned (whether it opens a chain). A
    reply that declines has no answer, and so a confidence of 0 (van Niekerk et al., section 3).
    """
    prompts = [lm.prompt(item.question) for item in asked]
    rows = []
    found = branched(lm, prompts, k, max_new_tokens, batch_size=128)
    for item, branches in zip(asked, found, strict=True):
        for place, branch in enumerate(branches):
            grade = answers.grade(item, branch)
            answer = "" if grade["abstained"] else grade["answer"]
            read = [
                f(lm, branch, answer) if answer else 0.0
                for f in (span_confidence, span_probability)
            ]
            rows.append(
                {
                    "item": item.id,
                    "scenario": item.scenario,
                    "should_abstain": item.should_abstain,
                    "branch": place,
                    "text": branch.text,
                    "answer": answer,
                    "confidence": min(max(read[0], 0.0), 1.0),
                    "probability": min(read[1], 1.0),
                    "n_tokens": branch.n_tokens,
                    "abstained": grade["abstained"],
                    "correct": grade["correct"],
                    "reasoned": branch.text.startswith(chains.OPEN),
                }
            )
    return pd.DataFrame(rows)


def pairs(
    replies: pd.DataFrame, threshold: float, keep_declines: bool = True, margin: float = 1.0
) -> pd.DataFrame:
    """Every pair of an item's replies with c_i > c_j and c_i >= threshold, as published.

    replies: rows of `traces`. Returns a row a pair: item, margin (exp(c_i - c_j), the difference
    times `margin`), and of both sides (chosen_..., rejected_...) text, n_tokens, abstained and
    correct. Without `keep_declines` no declining reply is in a pair. Raises ValueError for a
    threshold outside 0..1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is a confidence between 0 and 1; got {threshold}.")
    kept = replies if keep_declines else replies[~replies.abstained.astype(bool)]
    found = matched(kept)
    better = found.chosen_confidence > found.rejected_confidence
    found = found[better & (found.chosen_confidence >= threshold)]
    gap = found.chosen_confidence - found.rejected_confidence
    return found.assign(margin=np.exp(margin * gap)).reset_index(drop=True)


def matched(replies: pd.DataFrame) -> pd.DataFrame:
    """Every reply beside every other one to the same question."""
    sides = ["branch", "text", "n_tokens", "abstained", "correct", "confidence"]
    ends = [
        replies[["item", *sides]].rename(columns={name: f"{side}_{name}" for name in sides})
        for side in ("chosen", "rejected")
    ]
    both = ends[0].merge(ends[1], on="item")
    return both[both.chosen_branch != both.rejected_branch]


def preferred(
    replies: pd.DataFrame, preference: str, threshold: float, seed: int, margin: float = 1.0
) -> pd.DataFrame:
    """Pairs as a preference (of `ARMS`) has them, with the columns of `pairs`.

    confidence: as published; answers: without declining replies. The same pairs and margins:
    shuffled, by the toss of a coin; shorter, the shorter reply preferred (equals left out). labels:
    a right move before another. raters: an answer before a decline (assured) or a reply without one
    (complete) and, of two answers, the shorter one (short); no margin.
    """
    if preference in ("confidence", "answers"):
        return pairs(replies, threshold, preference == "confidence", margin)
    if preference == "labels":
        found = matched(replies)
        right = found.chosen_correct.astype(bool) & ~found.rejected_correct.astype(bool)
        return found[right].assign(margin=exp(margin))
    if preference == "raters":
        found = matched(replies.assign(abstained=replies.answer == ""))
        answered = ~found.chosen_abstained & found.rejected_abstained
        both = ~found.chosen_abstained & ~found.rejected_abstained
        shorter = found.chosen_n_tokens < found.rejected_n_tokens
        return found[answered | (both & shorter)].assign(margin=0.0)
    found = pairs(replies, threshold, margin=margin)
    if preference == "shuffled":
        turned = np.random.default_rng(seed).random(len(found)) < 0.5
    else:
        found = found[found.chosen_n_tokens != found.rejected_n_tokens]
        turned = (found.chosen_n_tokens > found.rejected_n_tokens).to_numpy()
    return pd.concat([found[~turned], swapped(found[turned])]).sort_index()  # so drawn alike


def swapped(found: pd.DataFrame) -> pd.DataFrame:
    """The same pairs with the other reply preferred."""
    names = {
        f"{a}_{name}": f"{b}_{name}"
        for a, b in (("chosen", "rejected"), ("rejected", "chosen"))
        for name in ("branch", "text", "n_tokens", "abstained", "correct", "confidence")
    }
    return found.rename(columns=names)


def quality(found: pd.DataFrame) -> dict[str, Interval]:
    """What pairs teach: the shares whose preferred reply alone is right (`helps`), whose rejected
    reply alone is right (`harms`), and whose rejected reply declines (`against_declines`).

    Means over questions, which training draws alike often, with intervals over questions: pairs of
    one question share their replies. Of several seeds (column `seed`), the questions that have a
    pair in each. NaN without a pair.
    """
    chosen, rejected = found.chosen_correct.astype(bool), found.rejected_correct.astype(bool)
    flags = pd.DataFrame(
        {
            "item": found.item,
            "seed": found.get("seed", 0),
            "helps": chosen & ~rejected,
            "harms": ~chosen & rejected,
            "against_declines": found.rejected_abstained.astype(bool),
        }
    )
    shares = flags.groupby(["seed", "item"]).mean().reset_index()
    in_each = shares.groupby("item").seed.transform("size") == shares.seed.nunique()
    shares = shares[in_each]
    return {
        name: bootstrap(shares, name, limits=(0, 1))
        if len(shares)
        else Interval(np.nan, np.nan, np.nan, 0)
        for name in ("helps", "harms", "against_declines")
    }


def learned_pairs(lab: Experiment, arm: str, seed: int) -> list[Example]:
    """The pairs that an arm learns, as training examples, each question as often as any other.

    Raises ValueError when there is no pair.
    """
    made = ARMS[arm]
    drawn = lab.traces(made.start, seed)
    found = preferred(drawn, made.preference, lab.p.threshold, seed, lab.p.pair_margin)
    if found.empty:
        raise ValueError(
            f"{plots.named(arm)}: no pair of replies to learn from at threshold "
            f"{lab.p.threshold}; lower it, or raise n_learned."
        )
    questions = {item.id: item.question for item in lab.learned}
    rng = random.Random(f"pairs {seed}")
    by_item = [group.to_dict("records") for _, group in found.groupby("item")]
    rows = [rng.choice(group) for group in by_item for _ in range(8)]
    return [
        Example(
            [turn("user", questions[row["item"]]), turn("assistant", row["chosen_text"])],
            None,
            row["rejected_text"],
            row["margin"],
        )
        for row in rows
    ]


def wrong_confidence(frame: pd.DataFrame) -> Interval:
    """Mean confidence of the wrong answers to answerable questions."""
    rows = known(frame)
    return statistics.mean_where(rows.assign(wrong=errs(rows)), "confidence", "wrong", (0, 1))


def sharpened(lab: Experiment, before: str, after: str) -> Interval:
    """Change of confidence in wrong answers, on replies that are wrong in both arms: which answers
    are wrong changes too, and with it the mean over them.
    """
    ends = [known(lab.replies(arm)).set_index(["seed", "item"]) for arm in (before, after)]
    both = pd.DataFrame(
        {
            "wrong": errs(ends[0]) * errs(ends[1]),
            "moved": ends[1].confidence - ends[0].confidence,
        }
    )
    return statistics.mean_where(both.reset_index(), "moved", "wrong", (-1, 1))


def errs(frame: pd.DataFrame) -> pd.Series:
    """1 where a reply has a wrong answer, else 0."""
    return (~frame.correct.astype(bool) & (frame.answer != "")).astype(float)


MEASURES = {
    "accuracy": lambda f: bootstrap(f, "accuracy"),
    "ece": lambda f: bootstrap(by_probability(f), "ece"),
    "ece_disparity": lambda f: bootstrap(known(f), "ece"),
    "brier": lambda f: bootstrap(by_probability(f), "brier"),
    "confidence_auroc": lambda f: bootstrap(known(f), "confidence_auroc"),
    "wrong_confidence": wrong_confidence,
    "recall": lambda f: bootstrap(f, "recall"),
    "false_declines": lambda f: bootstrap(f, "false_declines"),
    "reasoned": lambda f: bootstrap(known(f), "reasoned"),
}


def by_probability(frame: pd.DataFrame) -> pd.DataFrame:
    """Answerable items, with the probability of the answer as confidence."""
    return known(frame).assign(confidence=known(frame).probability)


def table(lab: Experiment, arms: Sequence[str], names: Sequence[str] = ()) -> pd.DataFrame:
    """Measures of arms at their end: arm, measure, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"arm": arm, "measure": name, **vars(MEASURES[name](lab.replies(arm)))}
        for arm in arms
        for name in names or MEASURES
    )


def walk(lab: Experiment, arms: Sequence[str], name: str) -> pd.DataFrame:
    """A measure of arms at every dose: arm, dose, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"arm": arm, "dose": dose, **vars(MEASURES[name](lab.replies(arm, dose)))}
        for arm in arms
        for dose in sorted({0, *lab.p.doses})
    )


def risk(lab: Experiment, arms: Sequence[str]) -> pd.DataFrame:
    """Share of wrong answers at every coverage, the surest first: arm, coverage, risk
    (El-Yaniv and Wiener 2010); all seeds together, on answerable items.
    """
    rows = []
    for arm in arms:
        frame = known(lab.replies(arm)).sort_values("confidence", ascending=False)
        n = np.arange(1, len(frame) + 1)
        wrong = (~frame.correct.astype(bool)).cumsum() / n
        rows.append(pd.DataFrame({"arm": arm, "coverage": n / len(n), "risk": wrong}))
    found = pd.concat(rows, ignore_index=True)
    return found[found.coverage >= 0.05]


def changed(lab: Experiment, before: str, after: str, name: str) -> Interval:
    """Change of accuracy, recall, ... from one arm to another, on the same items."""
    ends = [lab.replies(arm) for arm in (before, after)]
    if name in ("ece", "brier"):
        ends = [by_probability(frame) for frame in ends]
    elif name == "ece_disparity":
        ends, name = [known(frame) for frame in ends], "ece"
    return paired_bootstrap(*ends, name)


def thresholds(lab: Experiment, start: str) -> pd.DataFrame:
    """`quality` of the pairs at every threshold: arm (of shares), threshold, estimate, low, high,
    n, seeds.
    """
    drawn = {seed: lab.traces(start, seed) for seed in lab.p.seeds}
    rows = []
    for threshold in (0.0, 0.25, 0.5, 0.75, 0.9, 0.99):
        found = pd.concat(pairs(f, threshold).assign(seed=seed) for seed, f in drawn.items())
        rows += [
            {"arm": name, "threshold": threshold, **vars(share)}
            for name, share in quality(found).items()
        ]
    return pd.DataFrame(rows)


def ranked(lab: Experiment, item: int, start: str = "before") -> Figure:
    """The k branches of a question to learn from, the surest first; the line is the threshold from
    which a reply is preferred to all less sure ones.
    """
    seed = lab.p.seeds[0]
    asked = lab.learned[item]
    drawn = lab.traces(start, seed)
    drawn = drawn[drawn.item == asked.id].sort_values("confidence", ascending=False)
    kinds = np.where(drawn.abstained, "abstained", np.where(drawn.correct, "right", "wrong"))
    rows = pd.DataFrame(
        {
            "label": [text[:70] for text in drawn.text],
            "estimate": drawn.confidence,
            "low": np.nan,
            "high": np.nan,
            "kind": kinds,
        }
    )
    n = len(pairs(drawn, lab.p.threshold))
    right = f"the answer is {asked.answers[0]}" if asked.answers else "nobody can answer"
    title = (
        f"Question {item} ({right}): the surest of {len(drawn)} replies is {kinds[0]}; {n} pairs"
    )
    stamp = plots.stamp(lab.label, lab.p.tier, [seed], 1)
    figure = plots.forest(rows, "confidence of the answer", title, stamp, signed=False)
    figure.axes[0].axvline(lab.p.threshold, color="0.3", ls="--", lw=2)
    return figure


def at_threshold(lab: Experiment, threshold: float, start: str = "before") -> Figure:
    """What the pairs at a threshold teach."""
    drawn = lab.traces(start, lab.p.seeds[0])
    found = pairs(drawn, threshold)
    rows = pd.DataFrame(
        {"label": plots.named(name), "kind": "measured", **vars(share)}
        for name, share in quality(found).items()
    )
    n = found.item.nunique()
    title = f"Threshold {threshold:g} leaves {len(found)} pairs, of {n} questions"
    stamp = plots.stamp(lab.label, lab.p.tier, lab.p.seeds[:1], n)
    return plots.forest(rows, "share of pairs, mean over questions", title, stamp, signed=False)


def gates(lab: Experiment) -> list[Gate]:
    """What must be so before a repair means anything."""
    paired = min(
        pairs(lab.traces(DAMAGED, seed), lab.p.threshold).item.nunique() for seed in lab.p.seeds
    )
    damage = changed(lab, "before", DAMAGED, "ece").estimate
    answerable = float(known(lab.replies("before")).item.nunique())
    return [
        Gate(
            "accuracy before", bootstrap(lab.replies("before"), "accuracy").estimate, LEAST_ACCURACY
        ),
        Gate(
            "damage: rise of the calibration error; without any there is nothing to repair",
            damage,
            LEAST_DAMAGE,
        ),
        Gate(
            "questions with a pair to repair with, in the seed with fewest",
            float(paired),
            FEWEST_PAIRED,
        ),
        Gate("answerable items", answerable, FEWEST_ITEMS),
    ]


def controls(lab: Experiment) -> list[Control]:
    """What could sink the finding."""
    kept = changed(lab, DAMAGED, REPAIRED, "accuracy")
    spared = replace(
        kept, estimate=kept.estimate + SPARE, low=kept.low + SPARE, high=kept.high + SPARE
    )
    found = [
        Control(
            f"accuracy after minus before the repair, plus the {SPARE:g} that it may cost",
            spared,
            1,
        ),
        Control(
            "change of the calibration error by disparity, which RLSF rewards",
            changed(lab, DAMAGED, REPAIRED, "ece_disparity"),
            -1,
        ),
    ]
    for other in ("repair_shuffled", "repair_shorter"):
        name = f"calibration error: by confidence minus {plots.named(other)}"
        found.append(Control(name, changed(lab, other, REPAIRED, "ece"), -1))
    return found


def verdict(lab: Experiment) -> Verdict:
    """From the damaged model: the calibration error falls and accuracy does not."""
    primary = changed(lab, DAMAGED, REPAIRED, "ece")
    return statistics.verdict(primary, -1, controls(lab), gates(lab))


def result(lab: Experiment, forecast: float, seconds: float) -> Record:
    """The record of the run: every measure, gate and control, and the verdict on them."""
    kept: list[Measure] = []

    def keep(interval: Any, name: str, arm: str, dose: int = lab.dose) -> None:
        kept.append(lab.measure(interval, name, arm, dose=0 if arm == "before" else dose))

    keep(changed(lab, DAMAGED, REPAIRED, "ece"), "ece_change", REPAIRED)
    for row in table(lab, ["before", *ARMS]).itertuples():
        keep(row, row.measure, row.arm)
    for arm, made in ARMS.items():
        for name in ("ece", "accuracy", "recall", "false_declines"):
            if (name, arm) != ("ece", REPAIRED):
                keep(changed(lab, made.start, arm, name), f"{name}_change", arm)
    for arm in (REPAIRED, "repair_dpo"):
        keep(sharpened(lab, DAMAGED, arm), "wrong_confidence_change", arm)
    keep(changed(lab, "before", DAMAGED, "brier"), "brier_change", DAMAGED)
    keep(changed(lab, DAMAGED, REPAIRED, "brier"), "brier_change", REPAIRED)
    for row in walk(lab, [DAMAGED, REPAIRED, "repair_dpo"], "wrong_confidence").itertuples():
        if row.dose < lab.dose:
            keep(row, "wrong_confidence", row.arm, row.dose)
    found = verdict(lab)
    return lab.record(kept, gates(lab), controls(lab), found, forecast, seconds)


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    last = max(record.parameters["doses"])
    found = {(m.name, m.arm): m for m in record.measures if m.dose == last}
    moved, kept = record.primary(), found["accuracy_change", REPAIRED]
    if moved.high < 0:
        said = "The repair lowers the calibration error of the damaged model."
    elif moved.low > 0:
        said = "The repair makes the damaged model's calibration *worse*."
    else:
        said = "No repair of calibration is shown: the interval holds zero."
    hurt, known_best = found["ece_change", DAMAGED], found["ece_change", "repair_labels"]
    harm = (
        "The damage itself"
        if hurt.low > 0
        else "That the raters harmed calibration is not shown: they"
    )
    lost = found["recall_change", "rlsf_dpo"]
    if lost.high < 0:
        again = "RLSF on the undamaged model **repeats the damage of notebook 1**: it declines less"
    elif lost.low > 0:
        again = "RLSF on the undamaged model declines *more*"
    else:
        again = "No loss of abstention by RLSF is shown"
    spared = found["recall_change", "rlsf_dpo_answers"]
    both = lost.high < 0 and spared.high < 0
    why = ", so that pairs lost by declining are not the only reason" if both else ""
    return record.in_words(
        f"**{said}** Calibration error {moved}, accuracy {kept} (n = {moved.n}, seeds "
        f"{', '.join(map(str, record.seeds))}, model {record.model}). {harm} changed "
        f"the calibration error by {hurt}; the same repair, taught by labels what is right, by "
        f"{known_best}. On few items that error is too high where a model is "
        f"calibrated, so beside it the Brier score: {found['brier_change', DAMAGED]} by the "
        f"damage, {found['brier_change', REPAIRED]} by the repair.\n\n{again}: recall {lost} by "
        f"DPO, {spared} where declining replies are left out of the pairs{why}. In answers wrong "
        f"before and after it, the repair changes confidence by "
        f"{found['wrong_confidence_change', REPAIRED]}."
    )
