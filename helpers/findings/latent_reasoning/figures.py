"""What the notebook shows: tables of the methods, and what a reader plays with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.latent_reasoning import dials
from helpers.findings.latent_reasoning.dials import DIRECTIONS
from helpers.findings.latent_reasoning.experiment import LatentReasoning
from helpers.findings.latent_reasoning.methods import (
    FEATURE,
    HYBRID_SHARE,
    HYBRIDS,
    KINDS,
    KS,
    LONG,
    MECHANISMS,
    PARTS_OF_HYBRIDS,
    SHARES,
    TUNED,
    at,
)
from helpers.lm import steering
from helpers.lm.generation import first_token_probabilities, generate
from helpers.lm.prompts import ids_after, tail
from helpers.show import pictures, plots
from helpers.stats.intervals import Interval
from helpers.text import answers
from helpers.text.chains import OPEN


def accuracies(lab: LatentReasoning, methods: Sequence[str]) -> pd.DataFrame:
    """Accuracy of methods as rows for `plots.forest`, with their rates of chains."""
    return pd.DataFrame(
        {
            "label": f"{lab.look.label(method)}; opens a chain "
            f"{lab.value('chain', method).estimate:.0%}",
            **vars(lab.value("accuracy", method)),
        }
        for method in methods
    )


def compared(lab: LatentReasoning, mechanism: str) -> str:
    """A mechanism beside greedy and its best control, in words, for a title."""
    right = {
        name: lab.value("accuracy", name).estimate
        for name in ("greedy", mechanism, *MECHANISMS[mechanism])
    }
    best = max(MECHANISMS[mechanism], key=right.get)
    name = lab.look.label(mechanism)
    return (
        f"{name[0].upper()}{name[1:]}: accuracy {plots.moves(right['greedy'], right[mechanism])}, "
        f"chains in {lab.value('chain', mechanism).estimate:.0%}; {lab.look.label(best)} reaches "
        f"{right[best]:.2f}"
    )


def ledger(lab: LatentReasoning) -> pd.DataFrame:
    """Accuracy and chain rate of every method: arm, measure, dose, method (its label, of a
    mechanism with its verdict), and the fields of an interval.
    """
    rows = lab.table([arm.name for arm in lab.every_arm], ["accuracy", "chain"])
    found = {name: f": {one.label}" for name, one in lab.parts().items()}
    return rows.assign(method=[lab.look.label(arm) + found.get(arm, "") for arm in rows.arm])


def verdict_table(lab: LatentReasoning) -> pd.DataFrame:
    """Every mechanism: its gain, its hardest control, the verdict and why."""
    rows = []
    for name, found in lab.parts().items():
        least = min(lab.rivals(name), key=lambda one: one.interval.estimate)
        rows.append(
            {
                "mechanism": lab.look.label(name),
                "gain over greedy": str(lab.gain(name)),
                "least beyond a control": f"{lab.look.label(least.name)}: {least.interval}",
                "verdict": found.label,
                "why": found.reason,
            }
        )
    return pd.DataFrame(rows)


def dial_table(lab: LatentReasoning) -> pd.DataFrame:
    """Where each direction steers best on other stories: base, seed, direction, layer, strength,
    right (share of these stories).
    """
    found = [lab.dials(f"steering_{name}").assign(direction=name) for name in DIRECTIONS]
    return pd.concat(found)[["base", "seed", "direction", "layer", "strength", "right"]]


def reason_scores(lab: LatentReasoning) -> pd.DataFrame:
    """The highest ReasonScores of the first base's features: feature, ReasonScore."""
    found = of_first_base(lab, lab.features(FEATURE))
    top = dials.highest(found, 8)
    return pd.DataFrame({"feature": top, "ReasonScore": found["score"].iloc[top].tolist()})


def shares_table(lab: LatentReasoning) -> pd.DataFrame:
    """What hybrids reach at every share: arm, share, tokens (share of those steered), measure
    (accuracy, or gap: the part of the gap that is recovered), and the fields of an interval.
    """
    rows = []
    for share, arm, (name, *_) in itertools.product(SHARES, HYBRIDS, PARTS_OF_HYBRIDS):
        there = share == HYBRID_SHARE or arm == HYBRIDS[0]
        if there and name != "tokens" and (share or name != "gap"):
            tokens = lab.value(at("tokens", share), arm).estimate
            row = {"arm": arm, "share": share, "tokens": tokens, "measure": name}
            rows.append(row | vars(lab.value(at(name, share), arm)))
    return pd.DataFrame(rows)


def categories(lab: LatentReasoning) -> pd.DataFrame:
    """The categories of the first base's tuned model: category, what it writes there."""
    found = of_first_base(lab, lab.categories("hybrid"))
    words = [" ".join(row) for row in found.words]
    return pd.DataFrame({"category": found.category, "writes": words})


def by_pretraining(lab: LatentReasoning) -> pd.DataFrame:
    """What becomes of accuracy and of chains on bases with chains in their corpus, and on those
    without: arm (the kind of bases), method (a mechanism, or long SFT), measure (gain, or chain),
    and the fields of an interval.
    """
    rows = []
    for kind, one in zip(KINDS, lab.experiments(), strict=False):
        own = [arm.name for arm in one.every_arm if arm.name == LONG]
        for arm in (*MECHANISMS, *own):
            found = {"gain": one.gain(arm), "chain": one.value("chain", arm)}
            about = {"arm": kind, "method": one.look.label(arm)}
            rows += [about | {"measure": name} | vars(number) for name, number in found.items()]
    return pd.DataFrame(rows)


def crossing(lab: LatentReasoning) -> int | None:
    """The least k at which pass@k of the base is at least that of the tuned model; None if none."""
    ahead = (k for k in KS if k <= lab.p.max_k and pass_change(lab, k).estimate <= 0)
    return next(ahead, None)


def pass_table(lab: LatentReasoning) -> pd.DataFrame:
    """pass@k of the base and of the tuned model: arm, k, and the fields of an interval."""
    return pd.DataFrame(
        {"arm": arm, "k": k, **vars(lab.value(f"pass_{k}", arm))}
        for arm in ("greedy", TUNED)
        for k in KS
        if k <= lab.p.max_k
    )


def pass_change(lab: LatentReasoning, k: int) -> Interval:
    """pass@k of the tuned model minus that of the base, on the same items."""
    return lab.change(f"pass_{k}", "greedy", TUNED)


def of_first_base(lab: LatentReasoning, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first base and its first seed."""
    rows = rows[rows["base"] == lab.p.bases[0]]
    return rows[rows["seed"] == rows["seed"].iloc[0]].reset_index(drop=True)


def tree(lab: LatentReasoning, item: int) -> pd.DataFrame:
    """The first-token branches of an item on the first base, likeliest first, with the confidence
    in their answers.
    """
    rows = of_first_base(lab, lab.sure("greedy"))
    rows = rows[rows["item"] == lab.items[item].id]
    shown = rows[["first", "probability", "confidence", "answer", "text"]]
    return shown.rename(columns={"first": "first token"}).reset_index(drop=True)


def explorer(lab: LatentReasoning, item: int) -> Figure:
    """The branch explorer: every branch of an item with its confidence and its text."""
    table, asked = tree(lab, item), lab.items[item]
    right = [answers.accepted(asked, answer) for answer in table.answer]
    rows = pd.DataFrame(
        {
            "label": [f"p {row.probability:.3f}  {row.text[:70]}" for row in table.itertuples()],
            "estimate": table.confidence,
            "kind": np.where(right, "right", "wrong"),
        }
    )
    best = int(table.confidence.argmax())
    title = (
        f"Item {item}: the surest of {len(table)} branches is "
        f"{'right' if right[best] else 'wrong'}, the greedy one "
        f"{'right' if right[0] else 'wrong'} (right answer {asked.answers[0]})"
    )
    look = lab.look.stamped(lab.stamp(1, lab.p.bases[:1], lab.p.seeds[:1]))
    return plots.forest(rows, "confidence of the answer", title, look, signed=False)


def layers_tried(lab: LatentReasoning) -> list[int]:
    """The layers at which directions were tried on the first base."""
    return sorted(set(of_first_base(lab, lab.tried("steering_opened"))["layer"].tolist()))


def at_dial(
    lab: LatentReasoning, direction: str, layer: int, strength: float, item: int = 0
) -> Figure:
    """The steering dial: first-token probabilities and the greedy reply, without and with it."""
    tried = of_first_base(lab, lab.tried(f"steering_{direction}"))
    vector = dials.dial_of(tried[tried["layer"] == layer].iloc[0]).vector
    lm = lab.cells("greedy", 0)[0].lm()
    prompt = lm.prompt(lab.items[item].question)
    tables = []
    for name, by in (("as it is", 0.0), (f"layer {layer}, strength {strength:g}", strength)):
        with steering.steered(lm, layer, by * vector):
            table = first_token_probabilities(lm, prompt, 100)
            (reply,) = generate(lm, [prompt], lab.p.max_new_tokens)
        tables.append(table.assign(story=fill(f"{name}: {reply.text}", 52)))
    first = lm.tokenizer.decode([ids_after(lm.tokenizer, tail(prompt), OPEN)[0]])
    opened = tables[1].loc[tables[1].token == first, "probability"].sum()
    title = f"By '{direction}' at {strength:g} it opens a chain with probability {opened:.2f}"
    look = lab.look.stamped(lab.stamp(1, lab.p.bases[:1], lab.p.seeds[:1]))
    return pictures.bars(pd.concat(table.head(5) for table in tables), title, look)


def at_share(lab: LatentReasoning, share: float) -> Figure:
    """The slider of the hybrid: accuracy of the base, of the hybrid, and of the tuned model."""
    tokens = lab.value(at("tokens", share), "hybrid").estimate
    found = {
        "greedy base": lab.value("accuracy", "greedy"),
        f"hybrid, {tokens:.1%} of tokens steered": lab.value(at("accuracy", share), "hybrid"),
        "tuned model": lab.value("accuracy", TUNED),
    }
    rows = pd.DataFrame({"label": label, **vars(number)} for label, number in found.items())
    title = f"Share {share:g}: the hybrid answers {rows.estimate[1]:.2f} right"
    return plots.forest(rows, "accuracy", title, lab.look, signed=False)
