"""Finding 1, abstention loss: does reasoning fine-tuning make a model stop saying "I don't know"?

Claim and rule: data/published.yaml, `abstention_loss` (Kirichenko et al., arXiv 2506.09038).
"""

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from helpers import answers, items, models, params, statistics
from helpers.generation import generate
from helpers.items import Item
from helpers.models import LM
from helpers.recipes import RECIPES
from helpers.record import Measure, Record
from helpers.scoring import decline_probability
from helpers.statistics import Control, Gate, Interval, Verdict, bootstrap, paired_bootstrap
from helpers.training import checkpoints

EVALUATION_SEED = 1_000_003
"""Seed of the items that are reported; nothing is tuned on them."""
ARMS = ("reasoning_sft", "reasoning_sft_keep", "answer_sft")
CHAIN_OPENED = "<think>"
MEASURES = ("recall", "false_declines", "precision", "f1", "accuracy", "no_answer", "d_prime", "criterion")
MAX_NEW_TOKENS = 96


class Params(params.Params):
    """Parameters of notebook 1."""

    model: str
    tier: str
    seeds: Annotated[list[int], Field(min_length=1)]
    n_pairs: Annotated[int, Field(ge=2)]
    questions: str
    doses: Annotated[list[int], Field(min_length=2)]
    forecast: Annotated[float, Field(ge=-1, le=1)]

    @property
    def dose(self) -> int:
        """The dose that the verdict is about: the largest."""
        return max(self.doses)


def before(p: Params, seed: int) -> str:
    """Name of the model that an arm starts from: the pocket of that seed, or the (warmed-up) real model."""
    if p.model == "pocket":
        return f"pocket-{seed}"
    if models.tiers().get(p.tier, {}).get("warmup"):
        recipe = RECIPES["warmup"]
        return checkpoints(p.model, recipe, 0, [recipe.steps])[recipe.steps]
    return p.model


def arm(p: Params, name: str, seed: int, dose: int | None = None) -> LM:
    """The model of an arm: `before`, or a recipe after `dose` training steps (default: the largest)."""
    base = before(p, seed)
    if name == "before":
        return models.load(base)
    return models.load(checkpoints(base, RECIPES[name], seed, p.doses)[p.dose if dose is None else dose])


def load_items(p: Params) -> list[Item]:
    """The items that every arm is asked, the same for all."""
    return items.questions(p.questions, p.n_pairs, EVALUATION_SEED)


def respond(lm: LM, asked: list[Item], prefix: str = "") -> pd.DataFrame:
    """One arm's greedy responses, a row an item.

    Columns: item, scenario, should_abstain, text, trace, final, answer, abstained, correct, outcome,
    no_answer, truncated, n_tokens, and p_decline: the probability that the final reply opens by
    declining, after the arm's own chain if it wrote one.
    """
    prompts = [lm.prompt(item.question) + (f" {prefix}" if prefix else "") for item in asked]
    completions = generate(lm, prompts, MAX_NEW_TOKENS)
    rows = []
    for item, completion in zip(asked, completions, strict=True):
        if prefix:
            completion = type(completion)(f"{prefix} {completion.text}", completion.n_tokens, completion.truncated)
        graded = answers.grade(item, completion)
        rows.append({"item": item.id, "scenario": item.scenario, "should_abstain": item.should_abstain,
                     "text": completion.text, **graded, "no_answer": graded["outcome"] == "no_answer",
                     "truncated": completion.truncated, "n_tokens": completion.n_tokens})  # fmt: skip
    frame = pd.DataFrame(rows)
    chains = frame.text.str.extract(r"^(<think>.*?</think>)", expand=False).fillna("")
    openings = [f"{lm.prompt(item.question)} {chain}".rstrip() for item, chain in zip(asked, chains, strict=True)]
    frame["p_decline"] = decline_probability(lm, [f"{text} " for text in openings])
    return frame


def responses(p: Params, name: str, asked: list[Item], doses: list[int] | None = None, prefix: str = "") -> pd.DataFrame:
    """Responses of one arm on the same items, for every seed and dose (default: the largest)."""
    frames = []
    for seed in p.seeds:
        for dose in [0] if name == "before" else [p.dose] if doses is None else doses:
            frame = respond(arm(p, name, seed, dose), asked, prefix)
            frames.append(frame.assign(arm=name, seed=seed, dose=dose, prefix=prefix))
    return pd.concat(frames, ignore_index=True)


def one_arm(frame: pd.DataFrame, name: str, dose: int | None = None, prefix: str = "") -> pd.DataFrame:
    """The rows of one arm at one dose (default: its largest)."""
    rows = frame[(frame.arm == name) & (frame.prefix == prefix)]
    return rows[rows.dose == (rows.dose.max() if dose is None else dose)]


def has_pairs(frame: pd.DataFrame) -> bool:
    """Whether the items have scenarios to average over ("plain" items have none)."""
    return bool((frame.scenario != "plain").any())


def measure(frame: pd.DataFrame, name: str) -> Interval:
    """One of `MEASURES` of one arm at one dose; rates of abstention are means over scenarios."""
    return bootstrap(frame, name, macro=name in ("recall", "false_declines") and has_pairs(frame))


def measures(frame: pd.DataFrame) -> pd.DataFrame:
    """Every measure of every arm and dose: columns arm, dose, measure, estimate, low, high, n, seeds."""
    rows = []
    plain = frame[frame.prefix == ""]
    for (name, dose), rows_of in plain.groupby(["arm", "dose"], sort=False):
        for which in MEASURES:
            rows.append({"arm": name, "dose": dose, "measure": which, **vars(measure(rows_of, which))})
    return pd.DataFrame(rows)


def by_scenario(frame: pd.DataFrame) -> pd.DataFrame:
    """Abstention recall of every arm at its largest dose, scenario by scenario."""
    rows = []
    for name in dict.fromkeys(frame.arm):
        rows_of = one_arm(frame, name)
        for scenario, cell in rows_of[rows_of.should_abstain].groupby("scenario"):
            rows.append({"arm": name, "scenario": scenario, **vars(bootstrap(cell, "recall"))})
    return pd.DataFrame(rows)


def change(frame: pd.DataFrame, which: str, start: str = "before", end: str = "reasoning_sft", prefix: str = "") -> Interval:
    """How much a measure differs between two arms on the same items: `end` minus `start`."""
    first, last = one_arm(frame, start, prefix=prefix), one_arm(frame, end, prefix=prefix)
    return paired_bootstrap(first, last, which, macro=which in ("recall", "false_declines") and has_pairs(first))


def gates(frame: pd.DataFrame) -> list[Gate]:
    """What must hold before the loss means anything."""
    first, last = one_arm(frame, "before"), one_arm(frame, "reasoning_sft")
    both = pd.concat([first, last])
    return [
        Gate("accuracy on answerable items, lower of the two arms",
             min(measure(first, "accuracy").estimate, measure(last, "accuracy").estimate), 0.5),
        Gate("share of replies that can be read", 1 - both.no_answer.mean(), 0.95),
        Gate("abstention recall before", measure(first, "recall").estimate, 0.2),
        Gate("items that should be declined", float(first[first.should_abstain].item.nunique()), 50),
    ]  # fmt: skip


def controls(frame: pd.DataFrame) -> list[Control]:
    """What could sink the finding, each as a difference of recall that must be negative."""
    return [
        Control("the same opening in both arms", change(frame, "recall", prefix=CHAIN_OPENED), -1),
        Control("against equal training that keeps abstentions", change(frame, "recall", "reasoning_sft_keep"), -1),
        Control("against equal training on answers alone", change(frame, "recall", "answer_sft"), -1),
    ]


def verdict(frame: pd.DataFrame) -> Verdict:
    """The verdict of findings.md: recall falls, and every control holds."""
    return statistics.verdict(change(frame, "recall"), -1, controls(frame), gates(frame))


def threshold(frame: pd.DataFrame, thresholds: np.ndarray) -> pd.DataFrame:
    """Recall and false declines if an arm declined whenever P(decline) reaches a threshold.

    Columns: threshold, class ("unanswerable" or "answerable"), rate.
    """
    rows = []
    for t in thresholds:
        for should, cell in frame.groupby("should_abstain"):
            kind = "unanswerable" if should else "answerable"
            rows.append({"threshold": t, "class": kind, "rate": (cell.p_decline >= t).mean()})
    return pd.DataFrame(rows)


def separability(frame: pd.DataFrame) -> float:
    """Area under the ROC curve of P(decline): 1 when it still tells the two classes apart, .5 when it can't."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(frame.should_abstain, frame.p_decline))


def ruler() -> pd.DataFrame:
    """How good the phrase rules are against hand labels they were not tuned on: measure, estimate, low, high, n."""
    labelled = answers.labelled_responses().query("split == 'test'")
    found = [answers.abstained(text) for text in labelled.response]
    scores = statistics.binary_scores(found, labelled.abstains) | {"kappa": statistics.kappa(labelled.abstains, found)}
    return pd.DataFrame([{"measure": name, **vars(interval)} for name, interval in scores.items()])


def result(p: Params, frame: pd.DataFrame, forecast: float, seconds: float) -> Record:
    """The record of the run: every measure, gate and control, and the verdict."""
    found = verdict(frame)
    kept = [as_measure("recall_change", "reasoning_sft - before", change(frame, "recall"), p, dose=p.dose),
            as_measure("criterion_change", "reasoning_sft - before", change(frame, "criterion"), p, dose=p.dose),
            as_measure("d_prime_change", "reasoning_sft - before", change(frame, "d_prime"), p, dose=p.dose),
            as_measure("accuracy_change", "reasoning_sft - before", change(frame, "accuracy"), p, dose=p.dose)]  # fmt: skip
    for row in measures(frame).itertuples():
        kept.append(as_measure(row.measure, row.arm, row, p, dose=row.dose))
    for row in by_scenario(frame).itertuples():
        kept.append(as_measure("recall", row.arm, row, p, scenario=row.scenario, dose=p.dose if row.arm != "before" else 0))
    name = p.model if not models.tiers().get(p.tier, {}).get("warmup") else f"{p.model}, warmed up"
    return Record(finding="abstention_loss", tier=p.tier, model=name, seeds=p.seeds, parameters=p.model_dump(),
                  measures=kept, gates=gates(frame), controls=controls(frame), verdict=found.label,
                  reason=found.reason, forecast=forecast, seconds=seconds)  # fmt: skip


def as_measure(name: str, arm: str, interval, p: Params, scenario: str = "all", dose: int = 0) -> Measure:
    """An interval as the record keeps it."""
    return Measure(name=name, arm=arm, scenario=scenario, dose=dose, estimate=interval.estimate,
                   low=interval.low, high=interval.high, n=interval.n, seeds=p.seeds)  # fmt: skip


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers."""
    find = {(m.name, m.arm, m.scenario, m.dose): m for m in record.measures}
    dose = max(record.parameters["doses"])
    recall, criterion, d_prime = (find[f"{name}_change", "reasoning_sft - before", "all", dose]
                                  for name in ("recall", "criterion", "d_prime"))  # fmt: skip
    start = find["recall", "before", "all", 0].estimate
    end = find["recall", "reasoning_sft", "all", dose].estimate
    if recall.high >= 0:
        size = "No loss of abstention is shown here: the interval of the change holds zero or more."
    elif end < 0.1:
        size = "The loss is all but total."
    else:
        size = "The loss is partial."
    scenarios = [(m.scenario, m.estimate - find["recall", "before", m.scenario, 0].estimate)
                 for m in record.measures if m.name == "recall" and m.arm == "reasoning_sft" and m.scenario != "all"]  # fmt: skip
    most, least = (f(scenarios, key=lambda s: s[1], default=("none", 0.0)) for f in (min, max))
    moved, lost = criterion.low > 0, d_prime.high < 0
    if moved and lost:
        why = "Both moved: the model became more reluctant to decline, and worse at telling when it should."
    elif moved:
        why = "Only the criterion moved beyond doubt: a change of willingness, not shown to be one of ability."
    elif lost:
        why = "Only d' fell beyond doubt: the model tells the two kinds of question apart less well."
    else:
        why = "Neither d' nor the criterion moved beyond doubt."
    return (
        f"**{size}** After {dose} steps, abstention recall went from {start:.2f} to {end:.2f}, a change of {recall} "
        f"(n = {recall.n}, seeds {record.seeds}, {record.model}). It changed most in *{most[0].replace('_', ' ')}* "
        f"({most[1]:+.2f}) and least in *{least[0].replace('_', ' ')}* ({least[1]:+.2f}). The criterion c changed by "
        f"{criterion}, the sensitivity d' by {d_prime}. {why}\n\n**Verdict: {record.verdict}.** {record.reason}"
    )
