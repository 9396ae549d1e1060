"""Tables, gates and controls of finding 5, its verdicts and its record."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers import statistics
from helpers.experiment import change
from helpers.findings.latent_reasoning.dials import DIRECTIONS
from helpers.findings.latent_reasoning.experiment import (
    HYBRID_SHARE,
    KS,
    MECHANISMS,
    METHODS,
    SHARES,
    TUNED,
    Experiment,
)
from helpers.findings.latent_reasoning.one_problem import ONE_PROBLEM
from helpers.lab.record import Record
from helpers.show import plots
from helpers.statistics import Control, Gate, Interval, Verdict, bootstrap
from helpers.train.recipes import RECIPES

LEAST_ACCURACY, LEAST_ROOM, FEWEST_ITEMS = 0.1, 0.05, 50
"""Gates, fixed in advance."""
FEWEST_DEEP = 8
"""Items sampled for pass@k, for a word on it."""
LEAST_GAP, LEAST_MIXED = 0.02, 0.001
"""What a hybrid needs to be judged: accuracy of the tuned model above the base's, and a share of
tokens that the tuned model chose.
"""


def ledger(lab: Experiment) -> pd.DataFrame:
    """Accuracy and chain rate of every method: arm, measure, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"arm": method, "measure": name, **vars(bootstrap(lab.solved(method), name))}
        for method in METHODS
        for name in ("accuracy", "chain")
    )


def dial_table(lab: Experiment) -> pd.DataFrame:
    """Where each direction steers best on other stories: seed, direction, layer, strength, right
    (share of these stories).
    """
    return pd.DataFrame(
        {
            "seed": seed,
            "direction": direction,
            "layer": dial.layer,
            "strength": dial.strength,
            "right": right,
        }
        for seed in lab.p.seeds
        for direction in DIRECTIONS
        for dial, right in [lab.steering_dial(direction, seed)]
    )


def gain(lab: Experiment, method: str, over: str = "greedy") -> Interval:
    """Accuracy of a method minus that of another, on the same items."""
    return change(lab.solved(over), lab.solved(method), "accuracy")


def compared(lab: Experiment, mechanism: str) -> str:
    """A mechanism beside greedy and its best control, in words, for a title."""
    own, start = (lab.solved(name).correct.mean() for name in (mechanism, "greedy"))
    best = max(MECHANISMS[mechanism], key=lambda name: lab.solved(name).correct.mean())
    name = plots.named(mechanism)
    return (
        f"{name[0].upper()}{name[1:]}: accuracy {plots.moves(start, own)}, chains in "
        f"{lab.solved(mechanism).chain.mean():.0%}; {plots.named(best)} reaches "
        f"{lab.solved(best).correct.mean():.2f}"
    )


def controls(lab: Experiment, mechanism: str = "cot_max") -> list[Control]:
    """A mechanism against each of its controls."""
    return [
        Control(
            f"{plots.named(mechanism)}, minus {plots.named(other)}", gain(lab, mechanism, other), 1
        )
        for other in MECHANISMS[mechanism]
    ]


def gates(lab: Experiment) -> list[Gate]:
    """What must be so before a gain over greedy means anything."""
    best = lab.solved("forced").correct.mean()
    greedy = lab.solved("greedy").correct.mean()
    return [
        Gate("accuracy with the chain forced open", float(best), LEAST_ACCURACY),
        Gate(
            "room above greedy: accuracy with a chain minus greedy",
            float(best - greedy),
            LEAST_ROOM,
        ),
        Gate("items", float(len(lab.items)), FEWEST_ITEMS),
    ]


def verdicts(lab: Experiment) -> dict[str, Verdict]:
    """The verdict on every mechanism: beats greedy and beats each of its controls; of a hybrid only
    where there is a gap to recover and the tuned model had a say.
    """
    tokens = np.mean([lab.tokens("hybrid", HYBRID_SHARE, seed) for seed in lab.p.seeds])
    mixed = [
        Gate("the tuned model's accuracy minus greedy", gain(lab, TUNED).estimate, LEAST_GAP),
        Gate("share of the hybrid's tokens that the tuned model chose", float(tokens), LEAST_MIXED),
    ]
    return {
        name: statistics.verdict(
            gain(lab, name), 1, controls(lab, name), gates(lab) + mixed * (name == "hybrid")
        )
        for name in MECHANISMS
    }


def verdict_table(lab: Experiment) -> pd.DataFrame:
    """Every mechanism: its gain, its hardest control, and the verdict."""
    rows = []
    for name, found in verdicts(lab).items():
        least = min(controls(lab, name), key=lambda c: c.interval.estimate)
        rows.append(
            {
                "mechanism": plots.named(name),
                "gain over greedy": str(gain(lab, name)),
                "hardest control": f"{least.name}: {least.interval}",
                "verdict": found.label,
            }
        )
    return pd.DataFrame(rows)


def gap_recovered(lab: Experiment) -> pd.DataFrame:
    """(hybrid - base) / (tuned - base) by share, and the same for random places, with the raw
    accuracies: arm, share, tokens (chosen by the tuned model), measure, and the interval.

    No gap is recovered where the tuned model is not ahead by `LEAST_GAP` in every seed.
    """
    rows = []
    for share, arm in itertools.product(SHARES, ("hybrid", "hybrid_random")):
        frames, tokens = [], []
        for seed in lab.p.seeds:
            right = lab.right(lab.routed(arm, share, seed)[0])
            ends = [of_seed(lab.solved(name), seed) for name in ("greedy", TUNED)]
            frames.append(
                pd.DataFrame(
                    {
                        "item": ends[0].item,
                        "seed": seed,
                        "base": ends[0].correct,
                        "tuned": ends[1].correct,
                        "hybrid": right,
                    }
                )
            )
            tokens.append(lab.tokens(arm, share, seed))
        frame = pd.concat(frames).astype({"base": float, "tuned": float, "hybrid": float})
        found = {"accuracy": bootstrap(frame, "hybrid", limits=(0, 1))}
        ends = frame.groupby("seed")[["base", "tuned"]].mean()
        if (ends.tuned - ends.base).min() > LEAST_GAP:
            found["gap recovered"] = statistics.bootstrap_by(
                frame, recovered, ("base", "tuned", "hybrid")
            )
            if any((frame.hybrid == frame[end]).all() for end in ("base", "tuned")):
                exact = found["gap recovered"]  # an identity has no interval
                found["gap recovered"] = replace(exact, low=np.nan, high=np.nan)
        rows += [
            {
                "arm": arm,
                "share": share,
                "tokens": float(np.mean(tokens)),
                "measure": name,
                **vars(interval),
            }
            for name, interval in found.items()
        ]
    return pd.DataFrame(rows)


def of_seed(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One seed's rows, in the order of the items."""
    return frame[frame.seed == seed].reset_index(drop=True)


def recovered(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(hybrid - base) / (tuned - base) of resampled items; [seeds, draws]."""
    base, tuned, mixed = (v @ weights.T for v in values)
    gap = tuned - base
    return np.where(gap > 0, (mixed - base) / np.where(gap > 0, gap, 1), np.nan)


def pass_table(lab: Experiment) -> pd.DataFrame:
    """pass@k of the base and of the tuned model: arm, k, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"arm": arm, "k": k, **vars(bootstrap(rows, "pass", limits=(0, 1)))}
        for arm in ("before", TUNED)
        for k, rows in lab.passes(arm).groupby("k")
    )


def pass_change(lab: Experiment, k: int) -> Interval:
    """pass@k of the tuned model minus that of the base, on the same items."""
    before, after = (lab.passes(arm) for arm in ("before", TUNED))
    return change(before[before.k == k], after[after.k == k], "pass")


def result(lab: Experiment, forecast: float, seconds: float) -> Record:
    """The record of the run: every measure, gate and control, and the verdict on them."""
    kept = []

    def keep(interval: Any, name: str, arm: str, scenario: str = "all") -> None:
        dose = lab.p.dose if arm in RECIPES or arm in ONE_PROBLEM else 0
        kept.append(lab.measure(interval, name, arm, scenario, dose))

    keep(gain(lab, "cot_max"), "elicited_gain", "cot_max")
    found = verdicts(lab)
    for name, others in MECHANISMS.items():
        keep(gain(lab, name), f"gain over greedy: {found[name].label}", name)
        for other in others:
            keep(gain(lab, name, other), f"gain over {other}", name)
    for row in ledger(lab).itertuples():
        keep(row, row.measure, row.arm)
    for row in pass_table(lab).itertuples():
        keep(row, f"pass@{row.k}", row.arm)
    for k in (k for k in KS if k <= lab.p.max_k):
        keep(pass_change(lab, k), f"pass@{k}_change", TUNED)
    for row in gap_recovered(lab).itertuples():
        keep(row, f"{row.measure} at share {row.share:g}", row.arm)
        if row.measure == "accuracy":
            tokens = Interval(row.tokens, np.nan, np.nan, row.n, row.seeds)
            keep(tokens, f"tokens chosen at share {row.share:g}", row.arm)
    each = "; ".join(f"{plots.named(name)}: {one.label}" for name, one in found.items())
    primary = found["cot_max"]
    verdict = Verdict(primary.label, f"{primary.reason} By mechanism: {each}.")
    return lab.record(kept, gates(lab), controls(lab), verdict, forecast, seconds)


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    found = {(m.name, m.arm): m for m in record.measures}
    moved, greedy = record.primary(), found["accuracy", "greedy"]
    tuned, formatted = found["accuracy", TUNED], found["accuracy", "rlvr_format"]
    if moved.low > 0:
        said = "The base can more than it says: its own branches hold better answers."
    elif moved.high < 0:
        said = "The surest branch is *worse* than the greedy reply."
    else:
        said = "No gain of the surest branch over the greedy reply is shown."
    k = record.parameters["max_k"]
    change_k = found[f"pass@{k}_change", TUNED]
    if change_k.n < FEWEST_DEEP:
        deep = f"{change_k.n} items are too few to set it against the base at {k} samples"
    elif found[f"pass@{k}", "before"].estimate > 0.999 < found[f"pass@{k}", TUNED].estimate:
        deep = f"at {k} samples it and the base both find every answer: too easy to tell them apart"
    elif round(change_k.high, 3) < 0:
        deep = f"at {k} samples the base is *ahead* of the tuned model"
    elif round(change_k.low, 3) > 0:
        deep = f"even at {k} samples the tuned model is ahead of the base"
    else:
        deep = f"at {k} samples no difference to the base is shown"
    by_coin, by_wrong = (found["accuracy", f"rlvr_{name}"] for name in ("random", "wrong"))
    both = found["gain over rlvr_format", TUNED]
    own = next(m for m in record.measures if m.arm == TUNED and "over greedy" in m.name)
    form = (
        "RL on right answers shows no gain over greedy, so there is none to put down to form"
        if own.low <= 0
        else "A reward for form alone does as well as can be told apart"
        if both.low <= 0 <= both.high
        else "The true reward beats a reward for form alone"
        if both.low > 0
        else "A reward for form alone beats the true one"
    )
    return record.in_words(
        f"**{said}** CoT-decoding minus greedy: {moved} (greedy {greedy}; n = {moved.n}, seeds "
        f"{', '.join(map(str, record.seeds))}, model {record.model}). RL on right answers reaches "
        f"{tuned}; {deep} ({change_k}, n = {change_k.n}). {form}: {formatted} against {tuned}. "
        f"The controls by a coin and by wrong answers end at {by_coin} and {by_wrong}: a control "
        f"below greedy has been harmed, and to beat it proves little."
    )
