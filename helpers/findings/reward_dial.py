"""Finding 7, the refusal is the reward: a policy learns to answer from the confidence at which its
reward pays.

Claim and rule: data/published.yaml, `reward_dial` (the threshold: Kalai et al., arXiv 2509.04664).
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field

from helpers import experiment, statistics
from helpers.experiment import EVALUATION_SEED, WITHOUT_CHAIN, known, quietly_load
from helpers.findings import faithfulness_decay, rlsf_repair, sft_accuracy_trap
from helpers.lab import items
from helpers.lab.items import Item
from helpers.lab.record import Measure, Record
from helpers.lm.generation import generate
from helpers.lm.models import LM
from helpers.lm.scoring import answer_logprobs, choice_probabilities, decline_probability
from helpers.run import runner
from helpers.show import plots
from helpers.show.widgets import progress
from helpers.statistics import Control, Gate, Interval, bootstrap, paired_bootstrap
from helpers.text import answers, chains
from helpers.train import recipes
from helpers.train.arms import sized
from helpers.train.recipes import RECIPES, Example, Recipe
from helpers.world import dialogue
from helpers.world.corpus import Corpus, turn

TURNED = ("dial ", "bonus ")
"""Policies of the dial, by what declining spares and by what it earns: their names begin so."""
START, REASONING, HARDER, DIALLED = "hedged", "reasoning_sft", "harder_sft", "dialled"
UNDIALLED = "undialled"
"""The control of DIALLED: as many steps on the same stories with the dial at 0."""
DAMAGED, REPAIRED = rlsf_repair.DAMAGED, rlsf_repair.REPAIRED
STEPS = (1, 2, 3, 4, 5, 6)
GRADED = Corpus(steps=(0.08, 0.12, 0.2, 0.2, 0.2, 0.2), plain=0.8)
"""Training stories with more long ones than the corpus, so that confidence is graded."""
UNANSWERABLE = 0.2
HEDGE, HEDGE_STEPS = 0.3, 15
"""Share of answerable stories that the start declines in its training, drawn by lot, and steps:
twice as many by LoRA, whose batches are smaller.
"""
BRIEF = 12  # tokens of a reply while the dial trains: room for an answer, none for a chain
GROUP = 4  # replies to a question; with a start that hedges, four differ often enough
PREFIX = "The answer is "
RESTORED = ("before", REASONING, HARDER, UNDIALLED, DIALLED)
"""What the dial is to bring back, and from where. Reasoning SFT is notebook 1's (on small, half its
steps); the harder one has a higher rate where that loses little: only what was lost comes back.
"""
LADDER = ("before", REASONING, "answer_sft", "rlvr", DAMAGED, REPAIRED, HARDER, DIALLED)
"""Every arm that the scoreboard compares; a repair and its damage are notebook 6's."""
PROBED = 20  # items on which a fallacy is tried and chains are cut
LEAST_ACCURACY, LEAST_DECLINES, LEAST_SPREAD, FEWEST_ITEMS, LEAST_STOPS = 0.3, 0.02, 0.1, 50, 3
"""Gates, fixed in advance."""


class Params(experiment.Params):
    """Parameters of notebook 7."""

    n_items: Annotated[int, Field(ge=2)]
    n_pairs: Annotated[int, Field(ge=2)]
    stops: Annotated[list[Annotated[float, Field(ge=0, le=0.95)]], Field(min_length=2)]
    dose: Annotated[int, Field(ge=1)]
    doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    harder_rate: Annotated[float, Field(gt=0)]
    restore: Annotated[float, Field(ge=0, le=0.95)]
    scorer: str


class Experiment(experiment.Experiment):
    """Policies trained at every stop of the dial from one start, and one brought back from harder
    reasoning SFT; what they said is kept for the session.
    """

    finding = "reward_dial"

    def __init__(self, p: Params):
        """Raises ValueError when two stops are the same, when nothing would be lost before it is
        restored, when a class of questions is missing, or when an own question has no number for
        an answer or can't be read by the scorer.
        """
        if p.stops != sorted(set(p.stops)):
            raise ValueError(f"stops are {p.stops}: give each once, the lowest first.")
        if max(p.doses) == 0:
            raise ValueError(f"doses are {p.doses}: at least one must be above 0 training steps.")
        steps = experiment.steps_asked(p.tier, STEPS, WITHOUT_CHAIN)
        asked = items.of_both_kinds(p.questions, p.n_pairs, EVALUATION_SEED, p.n_items, steps)
        super().__init__(p, asked)
        if p.questions:
            answerable = [item for item in asked if item.answers]
            for item in answerable:
                items.candidates(item)
            if scorer := self.scorer(p.seeds[0]):
                sft_accuracy_trap.legible(scorer, answerable)
        self._kept: dict[tuple[str, str], pd.DataFrame] = {}

    def scorer(self, seed: int) -> LM | None:
        """The third model that scores chains: by parameter or, for a pocket, the next one."""
        if self.p.scorer or self.p.model == "pocket":
            return sft_accuracy_trap.third(self.p.scorer, seed)
        return None

    @property
    def arms(self) -> list[str]:
        """The policies of the dial, lowest stop first."""
        return [dial(t) for t in self.p.stops]

    @cached_property
    def repair(self) -> rlsf_repair.Experiment:
        """Notebook 6 at this tier, which makes the damaged and the repaired arm."""
        p = self.p
        asked = runner.settings("06", tier=p.tier, model=p.model, seeds=p.seeds)
        return rlsf_repair.Experiment(rlsf_repair.Params(**asked))

    def dose(self, arm: str) -> int:
        """Training steps of an arm."""
        if arm in rlsf_repair.ARMS:
            return self.repair.dose
        if arm == START:
            by_lora = sized(self.recipe(START), self.base(self.p.seeds[0])).lora_rank
            return 2 * HEDGE_STEPS if by_lora else HEDGE_STEPS
        steps = {"before": 0, DIALLED: self.p.dose, UNDIALLED: self.p.dose}
        return self.p.dose if arm.startswith(TURNED) else steps.get(arm, max(self.p.doses))

    def recipe(self, arm: str) -> Recipe:
        """A named recipe, the start, a stop of the dial by penalty ("dial 0.5") or by bonus ("bonus
        0.5"), or the restored model.
        """
        if arm == START:
            return replace(
                RECIPES["answer_sft"], name=START, corpus=GRADED, abstention_share=UNANSWERABLE
            )
        if arm == HARDER:
            return replace(RECIPES[REASONING], learning_rate=self.p.harder_rate)
        if arm == DIALLED:
            return replace(RECIPES["dial"], penalty=penalty(self.p.restore))
        if arm == UNDIALLED:
            return RECIPES["dial"]
        if arm.startswith(TURNED):
            knob, t = arm.split()
            earned = float(t) if knob == "bonus" else 0.0
            return replace(
                RECIPES["dial"],
                penalty=penalty(float(t), earned),
                bonus=earned,
                corpus=GRADED,
                abstention_share=UNANSWERABLE,
                max_new_tokens=BRIEF,
                generations=GROUP,
            )
        return RECIPES[arm]

    def model(self, arm: str, seed: int, dose: int) -> str:
        """As for every experiment; the dial starts from `hedged`, the restored model from
        harder reasoning SFT.
        """
        if arm in rlsf_repair.ARMS:
            return self.repair.model(arm, seed, dose)
        if arm == START:
            base, recipe = self.base(seed), self.recipe(START)
            data = hedged(sized(recipe, base), seed, dose)
            return self.checkpoints(base, recipe, seed, [dose], data=data)[dose]
        if arm in (DIALLED, UNDIALLED) or arm.startswith(TURNED):
            before = START if arm.startswith(TURNED) else HARDER
            base = self.model(before, seed, self.dose(before))
            return self.checkpoints(base, self.recipe(arm), seed, [dose])[dose]
        return super().model(arm, seed, dose)

    def _asked(self, what: str, arm: str, ask: Callable[[LM, int], list[dict]]) -> pd.DataFrame:
        """`ask(lm, seed)` for the models of an arm, a row a seed and item; kept under `what`."""
        if (what, arm) not in self._kept:
            dose, frames = self.dose(arm), []
            for seed in self.p.seeds:
                lm = quietly_load(self.model(arm, seed, dose), dtype="float32")
                frames.append(pd.DataFrame(ask(lm, seed)).assign(arm=arm, seed=seed, dose=dose))
            self._kept[what, arm] = pd.concat(frames, ignore_index=True)
        return self._kept[what, arm]

    def reading(self, arm: str) -> pd.DataFrame:
        """How probable a decline and every answer are, without a chain; nothing is sampled.

        Columns: item, scenario, should_abstain, steps, decline (probability of declining),
        confidence (of the likeliest answer, given that it answers), correct (that answer; False
        where there is none), arm, seed, dose. `confidence` is NaN where there is no answer.
        """
        return self._asked("reading", arm, lambda lm, _: read(lm, self.items))

    def replies(self, arm: str) -> pd.DataFrame:
        """Greedy replies with all the room they want, graded: item, scenario, should_abstain,
        text, abstained, correct, outcome, no_answer, reasoned, arm, seed, dose.
        """
        return self._asked("replies", arm, self._reply)

    def _reply(self, lm: LM, seed: int) -> list[dict[str, Any]]:
        prompts = [lm.prompt(item.question) for item in self.items]
        rows = []
        for item, reply in zip(
            self.items, generate(lm, prompts, self.p.max_new_tokens), strict=True
        ):
            found = answers.grade(item, reply)
            rows.append(
                {
                    "item": item.id,
                    "scenario": item.scenario,
                    "should_abstain": item.should_abstain,
                    "text": reply.text,
                    **found,
                    "no_answer": found["outcome"] == "no_answer",
                    "reasoned": bool(found["trace"]),
                }
            )
        return rows

    def pushed(self, arm: str) -> pd.DataFrame:
        """Probability of a wrong claim after a fallacy for it: item, yields, arm, seed, dose.

        Empty where no question has a whole number for an answer.
        """
        asked = [i for i in self.items if i.answers and i.answers[0].isdigit()][-PROBED:]
        return self._asked("pushed", arm, lambda lm, _: [fallen(lm, i) for i in asked])

    def cut(self, arm: str) -> pd.DataFrame:
        """What an arm's own chains carry, as notebooks 2 and 3 read it: item, aoc, infogain.

        Without a `scorer` there is no InfoGain.
        """
        asked = [item for item in self.items if item.answers][-PROBED:]
        return self._asked("cut", arm, lambda lm, seed: self._cut(lm, asked, seed))

    def _cut(self, lm: LM, asked: list[Item], seed: int) -> list[dict[str, Any]]:
        scorer = self.scorer(seed)
        own = chains.own_chains(lm, [item.question for item in asked], self.p.max_new_tokens)
        rows = []
        for item, chain in zip(asked, own, strict=True):
            row = {"item": item.id, "aoc": faithfulness_decay.early_answering(lm, item, chain)}
            if scorer:
                logp, n = sft_accuracy_trap.answer_path(scorer, item, chain.steps)
                row["infogain"] = sft_accuracy_trap.infogain(np.exp(-logp / n))
            rows.append(row)
        return rows


def dial(t: float) -> str:
    """The arm trained at a stop of the dial."""
    return f"dial {t:g}"


def bonus(t: float) -> str:
    """The arm that has the threshold t by a bonus for declining, and no penalty."""
    return f"bonus {t:g}"


def penalty(t: float, bonus: float = 0.0) -> float:
    """Penalty at which answering pays above confidence t, where declining earns `bonus`.

    c - (1 - c) p > b means c > (p + b) / (1 + p), so p = (t - b) / (1 - t); with b = 0 this is
    p = t / (1 - t) (Kalai et al., arXiv 2509.04664).
    """
    return (t - bonus) / (1 - t)


def hedged(recipe: Recipe, seed: int, steps: int) -> list[Example]:
    """Direct answers for that many steps, a share of them replaced by a decline by lot: what is
    never sampled can't be reinforced, and a lot says nothing about when to decline.
    """
    found = []
    for i, e in enumerate(recipes.examples(recipe, seed, steps * recipe.batch_size)):
        rng = random.Random(f"hedge {seed} {i}")
        declined = [e.chat[0], turn("assistant", e.story.declines(rng))]
        found.append(Example(declined, e.story) if rng.random() < HEDGE else e)
    return found


def probabilities(lm: LM, prompt: str, choices: list[str]) -> np.ndarray:
    """Probability of each choice after "The answer is", among the choices; [choices]."""
    start = prompt if prompt[-1:].isspace() else f"{prompt} "
    logp = answer_logprobs(lm, start, [""], PREFIX, choices)[0]
    return choice_probabilities(lm, logp, choices)


def read(lm: LM, asked: list[Item]) -> list[dict[str, Any]]:
    """A row an item of `Experiment.reading`."""
    prompts = [lm.prompt(item.question) for item in asked]
    declines = decline_probability(lm, prompts)
    rows = []
    work = zip(asked, prompts, declines, strict=True)
    for item, prompt, decline in progress(work, len(asked), f"{lm.name}: reading"):
        row = {
            "item": item.id,
            "scenario": item.scenario,
            "should_abstain": item.should_abstain,
            "steps": item.steps,
            "decline": min(decline, 1.0),
            "confidence": np.nan,
            "correct": False,
        }
        if item.answers:
            choices = items.candidates(item)
            p = probabilities(lm, prompt, choices)
            row |= {
                "confidence": float(p.max()),
                "correct": answers.accepted(item, choices[p.argmax()]),
            }
        rows.append(row)
    return rows


def fallen(lm: LM, item: Item) -> dict[str, Any]:
    """Probability of a wrong claim after the right answer and a fallacy for the claim."""
    rng = random.Random(f"push {item.id}")
    right, claim = item.answers[0], items.near_miss(item, rng)
    chat = [
        turn("user", item.question),
        turn("assistant", f"{PREFIX}{right}."),
        turn("user", dialogue.push(rng, "fallacy", claim)),
    ]
    choices = list(dict.fromkeys([*items.candidates(item), claim]))
    p = probabilities(lm, lm.prompt(chat), choices)
    return {"item": item.id, "yields": float(p[choices.index(claim)])}


def threshold(confidence: np.ndarray, decline: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The confidence at which a policy starts to answer; [draws].

    The step that fits it best: of all rules "answer from confidence x on" the one that most often
    does what the policy does, with P(decline) counted as it is. x lies midway between two items;
    0 and 1 stand for the ends. confidence, decline: [items]; weights: [draws, items].
    """
    order = np.argsort(confidence)
    gain = weights[:, order] * (1 - 2 * decline[order])  # cost of declining one item more
    cost = np.concatenate([np.zeros((len(weights), 1)), gain.cumsum(axis=1)], axis=1)
    ends = np.concatenate([[0.0], confidence[order], [1.0]])
    return ((ends[:-1] + ends[1:]) / 2)[cost.argmin(axis=1)]


def threshold_of(frame: pd.DataFrame, confidence: str = "confidence") -> Interval:
    """The threshold of one policy on answerable items, with its interval."""

    def statistic(values, signal, weights):
        return np.stack([threshold(c, d, weights) for c, d in zip(*values, strict=True)])

    return statistics.bootstrap_by(known(frame), statistic, (confidence, "decline"), (0, 1))


def slope(frames: dict[float, pd.DataFrame]) -> Interval:
    """Least-squares slope of the threshold on the stop t; frames: readings by stop.

    1 is the optimal policy, 0 a policy that the dial does not move.
    """
    stops = np.array(list(frames))
    wide = None
    for k, frame in enumerate(frames.values()):
        names = {"confidence": f"c{k}", "decline": f"d{k}"}
        part = known(frame)[["item", "seed", *names]].rename(columns=names)
        wide = part if wide is None else wide.merge(part, on=["item", "seed"])

    def statistic(values, signal, weights):
        pairs = zip(values[::2], values[1::2], strict=True)
        found = np.array(
            [[threshold(c, d, weights) for c, d in zip(*pair, strict=True)] for pair in pairs]
        )
        x = stops - stops.mean()
        return np.round(np.tensordot(x, found, 1) / (x @ x), 12)  # no slope is 0, not 1e-17

    columns = [f"{letter}{k}" for k in range(len(stops)) for letter in "cd"]
    return statistics.bootstrap_by(wide, statistic, columns)


def by_start(lab: Experiment, frame: pd.DataFrame) -> pd.DataFrame:
    """A reading with the confidence of the start, which no reward has sharpened yet."""
    old = lab.reading(START)[["item", "seed", "confidence"]]
    return frame.drop(columns="confidence").merge(old, on=["item", "seed"])


def dialled_readings(lab: Experiment, start: bool = False) -> dict[float, pd.DataFrame]:
    """The readings by stop; start: with the confidence of the start."""
    frames = {t: lab.reading(dial(t)) for t in lab.p.stops}
    return {t: by_start(lab, f) for t, f in frames.items()} if start else frames


def answered_accuracy(frame: pd.DataFrame) -> Interval:
    """Accuracy where it answers: every answerable item weighted by 1 - P(decline)."""

    def statistic(values, signal, weights):
        decline, correct = values
        return ((1 - decline) * correct) @ weights.T / ((1 - decline) @ weights.T)

    return statistics.bootstrap_by(known(frame), statistic, ("decline", "correct"), (0, 1))


def gained_accuracy(low: pd.DataFrame, high: pd.DataFrame) -> Interval:
    """How much better than answering at random the policy `high` chooses what it answers.

    Accuracy of `low`'s answers, weighted by 1 - P(decline) of `high`, minus weighted by that of
    `low`: the answers stay the same, only the choice changes.
    """
    columns = {"decline": "chooses", "item": "item", "seed": "seed"}
    both = known(low).merge(known(high)[list(columns)].rename(columns=columns), on=["item", "seed"])

    def statistic(values, signal, weights):
        correct, *declines = values
        shares = [((1 - d) * correct) @ weights.T / ((1 - d) @ weights.T) for d in declines]
        return shares[1] - shares[0]

    return statistics.bootstrap_by(both, statistic, ("correct", "decline", "chooses"), (-1, 1))


def earnings(frame: pd.DataFrame, t: float) -> pd.DataFrame:
    """What a policy earns on answerable items, beside rules that keep its answers.

    In units in which a right answer earns 1 - t, a wrong one -t, declining 0 (the reward times
    1 - t). Its answer is its likeliest one. rule: answers from its own confidence t on, the optimum
    if that confidence is calibrated; all: always answers. regret: what the policy forgoes of the
    optimum that its own confidence allows, both reckoned by that confidence and not by what turned
    out right: max(c - t, 0) - (1 - P(decline)) (c - t), exact and never below 0.
    """
    rows = known(frame)
    gain = np.where(rows.correct.astype(bool), 1 - t, -t)
    policy, rule = (1 - rows.decline) * gain, (rows.confidence >= t) * gain
    ahead = rows.confidence - t
    regret = np.maximum(ahead, 0) - (1 - rows.decline) * ahead
    return rows.assign(policy=policy, rule=rule, all=gain, regret=regret)


def dial_table(lab: Experiment) -> pd.DataFrame:
    """What every stop does: arm (of measures), t, estimate, low, high, n, seeds."""
    rows = []
    for t in lab.p.stops:
        frame = lab.reading(dial(t))
        hidden = frame[frame.should_abstain.astype(bool)]
        found = {
            "declines_hidden": bootstrap(hidden, "decline", limits=(0, 1)),
            "declines_answerable": bootstrap(known(frame), "decline", limits=(0, 1)),
            "accuracy_answered": answered_accuracy(frame),
        }
        rows += [{"arm": name, "t": t, **vars(value)} for name, value in found.items()]
    return pd.DataFrame(rows)


def threshold_table(lab: Experiment) -> pd.DataFrame:
    """The threshold of every stop by both confidences, and the line: arm, t, estimate, ..."""
    rows = []
    for t in lab.p.stops:
        frame = lab.reading(dial(t))
        found = {
            "threshold": threshold_of(frame),
            "threshold_start": threshold_of(by_start(lab, frame)),
            "theory": Interval(t, t, t, 0),
        }
        rows += [{"arm": name, "t": t, **vars(value)} for name, value in found.items()]
    return pd.DataFrame(rows)


def two_knobs(lab: Experiment) -> pd.DataFrame:
    """One threshold, the second stop, by a penalty for errors and by a bonus for declining: arm (of
    measures), knob, estimate, low, high, n, seeds.
    """
    t = lab.p.stops[1]
    rows = []
    for knob, arm in (("penalty", dial(t)), ("bonus", bonus(t))):
        frame = lab.reading(arm)
        found = {
            "threshold": threshold_of(frame),
            "declines_answerable": bootstrap(known(frame), "decline", limits=(0, 1)),
        }
        rows += [{"arm": name, "knob": knob, **vars(value)} for name, value in found.items()]
    return pd.DataFrame(rows)


def earnings_table(lab: Experiment) -> pd.DataFrame:
    """Earnings of the policy and of the rules at every stop: arm (of rules), stop, estimate, ..."""
    return pd.DataFrame(
        {"arm": name, "stop": f"t = {t:g}", **vars(bootstrap(rows, name))}
        for t in lab.p.stops
        for rows in [earnings(lab.reading(dial(t)), t)]
        for name in ("policy", "rule", "all")
    )


def regrets(lab: Experiment) -> pd.DataFrame:
    """What every stop's policy forgoes of its own optimum: t, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"t": t, **vars(bootstrap(earnings(lab.reading(dial(t)), t), "regret", limits=(0, 1)))}
        for t in lab.p.stops
    )


def at_stop(lab: Experiment, t: float) -> Figure:
    """P(decline) against confidence at one stop, and where it starts to answer."""
    frame = known(lab.reading(dial(t)))
    x: float | None = threshold_of(frame).estimate
    if frame.confidence.min() < x < frame.confidence.max():
        where = f"starts to answer at {x:.2f}"
    else:
        where = f"mostly {'answers' if frame.decline.mean() < 0.5 else 'declines'}, sure or not"
        x = None
    title = f"p = {penalty(t):.3g}: {where}"
    return plots.declining(frame, t, x, title, lab.stamp)


def coverage(lab: Experiment) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy at every coverage of the start, were it to answer by confidence; and the stops.

    For `plots.selective`; on answerable items.
    """
    start = known(lab.reading(START)).sort_values("confidence", ascending=False)
    n = np.arange(1, len(start) + 1)
    curve = pd.DataFrame({"coverage": n / len(n), "accuracy": start.correct.cumsum() / n})
    rows = []
    for t in lab.p.stops:
        frame = known(lab.reading(dial(t)))
        answers = frame.assign(answers=1 - frame.decline)
        found = {
            "coverage": bootstrap(answers, "answers", limits=(0, 1)),
            "accuracy": answered_accuracy(frame),
        }
        row = {"label": f"t = {t:g}"}
        for name, value in found.items():
            row |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        rows.append(row)
    return curve[curve.coverage >= 0.05], pd.DataFrame(rows)


def ladder(lab: Experiment, arms: Sequence[str] = LADDER) -> pd.DataFrame:
    """Every arm by measures of all findings, on the same items: arm, dose, measure, estimate, low,
    high, n, seeds.
    """
    rows = []
    for arm in arms:
        said, direct, pushed, cut = (
            read(arm) for read in (lab.replies, lab.reading, lab.pushed, lab.cut)
        )
        found = {name: bootstrap(said, name) for name in ("recall", "false_declines", "accuracy")}
        found["accuracy_without"] = bootstrap(direct, "accuracy")
        found["ece"] = bootstrap(known(direct), "ece")
        found["reasoned"] = bootstrap(known(said), "reasoned")
        found |= {name: bootstrap(cut, name) for name in ("aoc", "infogain") if name in cut}
        if len(pushed):
            found["yields"] = bootstrap(pushed, "yields", limits=(0, 1))
        rows += [
            {"arm": arm, "dose": lab.dose(arm), "measure": name, **vars(value)}
            for name, value in found.items()
        ]
    return pd.DataFrame(rows)


def price(lab: Experiment, start: str = HARDER) -> dict[str, Interval]:
    """Changes from harder SFT, or another start, to the restored model: recall, false declines,
    accuracy, and of findings 2, 6 and 4 aoc, ece and (where it was measured) yields.
    """

    def moved(ask: Callable[[str], pd.DataFrame], name: str) -> Interval:
        return paired_bootstrap(ask(start), ask(DIALLED), name)

    names = ("recall", "false_declines", "accuracy")
    found = {name: moved(lab.replies, name) for name in names}
    found["aoc"] = moved(lab.cut, "aoc")
    found["ece"] = moved(lambda arm: known(lab.reading(arm)), "ece")
    if len(lab.pushed(start)):
        found["yields"] = moved(lab.pushed, "yields")
    return found


def gates(lab: Experiment) -> list[Gate]:
    """What must be so before a threshold means anything."""
    start = known(lab.reading(START))
    return [
        Gate("accuracy of direct answers at the start", start.correct.mean(), LEAST_ACCURACY),
        Gate(
            "P(decline) of answerable items at the start: what is not sampled can't be reinforced",
            start.decline.mean(),
            LEAST_DECLINES,
        ),
        Gate("spread of confidence (standard deviation)", start.confidence.std(), LEAST_SPREAD),
        Gate("answerable items", float(start.item.nunique()), FEWEST_ITEMS),
        Gate("stops of the dial", float(len(lab.p.stops)), LEAST_STOPS),
    ]


def controls(lab: Experiment) -> list[Control]:
    """What could sink the finding."""
    low, high = (lab.reading(dial(t)) for t in (lab.p.stops[0], lab.p.stops[-1]))
    hidden = [frame[frame.should_abstain.astype(bool)] for frame in (low, high)]
    found = [
        Control(
            "slope by the confidence of the start, which no reward has sharpened",
            slope(dialled_readings(lab, start=True)),
            1,
        ),
        Control(
            "accuracy where the highest stop answers, minus where the lowest does, same answers",
            gained_accuracy(low, high),
            1,
        ),
        Control(
            "declines of the unanswerable, highest minus lowest stop",
            paired_bootstrap(*hidden, "decline", limits=(0, 1)),
            1,
        ),
    ]
    _, *above = dialled_readings(lab).items()
    if len(above) > 1:  # one step from answering all to declining all has no slope there
        name = "slope without the lowest stop, where always to answer is best"
        found.append(Control(name, slope(dict(above)), 1))
    return found


def result(lab: Experiment, forecast: float, seconds: float) -> Record:
    """The record of the run: every measure, gate and control, and the verdict on them."""
    kept: list[Measure] = []

    def keep(interval: Any, name: str, arm: str) -> None:
        kept.append(lab.measure(interval, name, arm, dose=lab.dose(arm)))

    primary = slope(dialled_readings(lab))
    keep(primary, "threshold_slope", dial(lab.p.stops[-1]))
    for table in (dial_table(lab), threshold_table(lab)):
        for row in table[table.arm != "theory"].itertuples():
            keep(row, row.arm, dial(row.t))
    for row in two_knobs(lab).query("knob == 'bonus'").itertuples():
        keep(row, f"{row.arm} with a bonus", bonus(lab.p.stops[1]))
    for row in regrets(lab).itertuples():
        keep(row, "regret", dial(row.t))
    for row in ladder(lab).itertuples():
        keep(row, row.measure, row.arm)
    for arm in (REASONING, HARDER):
        ends = [lab.replies(one) for one in ("before", arm)]
        keep(paired_bootstrap(*ends, "recall"), "recall_change", arm)
    for name, moved in price(lab).items():
        keep(moved, f"{name}_change", DIALLED)
    for name, moved in price(lab, UNDIALLED).items():
        keep(moved, f"{name}, minus that of the dial at 0", DIALLED)
    keep(bootstrap(lab.replies(UNDIALLED), "recall"), "recall", UNDIALLED)
    held, passed = controls(lab), gates(lab)
    found = statistics.verdict(primary, 1, held, passed)
    return lab.record(kept, passed, held, found, forecast, seconds)


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    found = {(m.name, m.arm): m for m in record.measures}
    moved = record.primary()
    if moved.low > 0:
        said = "Turn the dial up, and the policy starts to answer at a higher confidence."
    elif moved.high < 0:
        said = "Turn the dial up, and the policy starts to answer at a *lower* confidence."
    else:
        said = "By its own confidence no tie of the threshold to the dial is shown."
    if moved.low <= 1 <= moved.high:
        said += " The interval holds 1, the slope of the best policy."
    else:
        said += f" The best policy's slope of 1 lies {'above' if moved.high < 1 else 'below'} it."
    from_start, *above = (
        Interval(**c["interval"]) for c in record.controls if c["name"].startswith("slope ")
    )
    if moved.low > 0 and above and above[0].low <= 0:
        said += " Without the lowest stop none is shown: more a switch than a dial."
    stops = [m for m in record.measures if m.name == "threshold"]
    walk = ", ".join(f"{m.estimate:.2f} at t {m.arm.removeprefix('dial ')}" for m in stops)
    worst = max((m for m in record.measures if m.name == "regret"), key=lambda m: m.estimate)
    recall, false, accuracy = (
        found[f"{name}_change", DIALLED] for name in ("recall", "false_declines", "accuracy")
    )
    others = {
        name: found[f"{name}_change", DIALLED]
        for name in ("aoc", "ece", "yields")
        if (f"{name}_change", DIALLED) in found
    }
    own = found["recall, minus that of the dial at 0", DIALLED]
    lost, rate = found["recall_change", HARDER], record.parameters["harder_rate"]
    same = rate == RECIPES[REASONING].learning_rate
    harder = "" if same else f", at a learning rate of {rate:g} by {lost}"
    ends = found["recall", "before"], found["recall", DIALLED]
    back = came_back(recall, false, own, lost, *ends)
    return record.in_words(
        f"**{said}** The slope is {moved} (n = {moved.n}, seeds "
        f"{', '.join(map(str, record.seeds))}, model {record.model}), by the confidence of the "
        f"start {from_start}"
        + "".join(f", without the lowest stop {one}" for one in above)
        + f"; thresholds: {walk}. "
        f"Where a right answer and a wrong one differ by a point, the policy of {worst.arm} earns "
        f"{worst.estimate:.3f} points a question less than its own confidence would allow; no "
        f"other falls as short.\n\n"
        f"Reasoning SFT changed recall by {found['recall_change', REASONING]}{harder}. {back} "
        f"Then recall changes by {recall}, false declines by {false}, accuracy by {accuracy}; "
        f"recall beyond as many steps with the dial at 0: {own}. With it moves "
        + ", ".join(f"{plots.named(name)} by {m}" for name, m in others.items())
        + "."
    )


def came_back(
    moved: Measure, false: Measure, own: Measure, lost: Measure, before: Measure, after: Measure
) -> str:
    """Whether the dial brought back what reasoning SFT lost, or only taught to decline everything.

    moved, false: the changes of recall and of false declines; own: of recall, beyond the same
    training with the dial at 0; lost: of recall, by the harder SFT; before, after: recall.
    """
    if moved.low > 0 and false.low > 0 and false.estimate >= moved.estimate / 2:
        return "The dial brought declines back, but of questions with an answer too."
    if moved.low > 0 and lost.high >= 0:
        whose = "by the dial alone" if own.low > 0 else "not shown to be the dial's work"
        return f"Abstention rises, {whose}; that any was lost is not shown."
    if moved.low > 0 >= own.low:
        return "Abstention comes back, but not shown to be the dial's work."
    if moved.low > 0:
        whole = after.estimate >= before.low
        return f"Abstention comes back by the dial alone, {'whole' if whole else 'in part'}."
    if moved.high < 0:
        return "The dial cost abstention instead of bringing it back."
    if lost.high >= 0:
        return "The dial moved abstention by nothing that could be shown; no loss was shown either."
    return "The dial did not bring abstention back: no change is shown."
