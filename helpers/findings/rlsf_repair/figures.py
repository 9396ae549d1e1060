"""Tables and figures of notebook 6."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.rlsf_repair.experiment import RlsfRepair
from helpers.findings.rlsf_repair.measures import by_probability, quality
from helpers.lab.finding import answerable
from helpers.lab.repair import DAMAGED, REPAIRED, pairs
from helpers.show import plots

THRESHOLDS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99)
LEAST_COVERAGE = 0.05
"""Below it a share of wrong answers is that of a few."""
LETTERS = 70  # of a reply that stand in a figure


def walk(lab: RlsfRepair, arms: Sequence[str], name: str) -> pd.DataFrame:
    """A measure of arms from what they start from on: arm, dose, and the fields of an interval."""
    rows = []
    for arm in arms:
        ends = {0: lab.value(name, lab.arm(arm).start)}
        ends |= {dose: lab.value(name, arm, dose) for dose in lab.doses(arm)}
        rows += [{"arm": arm, "dose": dose, **vars(value)} for dose, value in ends.items()]
    return pd.DataFrame(rows)


def of_three(lab: RlsfRepair) -> pd.DataFrame:
    """The answered items of the model before, damaged and repaired, for `pictures.reliability`."""
    return pd.concat(by_probability(lab.graded(arm)) for arm in ("before", DAMAGED, REPAIRED))


def risk(lab: RlsfRepair, arms: Sequence[str]) -> pd.DataFrame:
    """Share of wrong answers at every coverage, the surest first: arm, coverage, risk
    (El-Yaniv and Wiener 2010); all bases together, up to what is answered of the answerable items.
    """
    rows = []
    for arm in arms:
        frame = answerable(lab.graded(arm))
        kept = frame[frame.answered.astype(bool)].sort_values("confidence", ascending=False)
        n = np.arange(1, len(kept) + 1)
        wrong = (~kept.correct.astype(bool)).cumsum() / n
        rows.append(pd.DataFrame({"arm": arm, "coverage": n / len(frame), "risk": wrong}))
    found = pd.concat(rows, ignore_index=True)
    return found[found.coverage >= LEAST_COVERAGE]


def taught(lab: RlsfRepair, start: str, threshold: float) -> pd.DataFrame:
    """What the pairs of a model's replies teach at a threshold: arm (of shares), threshold, and the
    fields of an interval.
    """
    found = quality(pairs(lab.repair.traces(start), threshold))
    return pd.DataFrame(
        {"arm": name, "threshold": threshold, **vars(value)} for name, value in found.items()
    )


def thresholds(lab: RlsfRepair, start: str) -> pd.DataFrame:
    """`taught` at every threshold."""
    return pd.concat([taught(lab, start, t) for t in THRESHOLDS], ignore_index=True)


def ranked(lab: RlsfRepair, item: int) -> Figure:
    """The damaged model's k branches of a question to learn from, the surest first, by the first
    base; the line is the threshold from which a reply is preferred to all less sure ones.
    """
    asked, base = lab.repair.items[item], lab.p.bases[0]
    drawn = lab.repair.traces(DAMAGED)
    first = (drawn.base == base) & (drawn.seed == drawn.seed.iloc[0])
    drawn = drawn[first & (drawn.item == asked.id)].sort_values("confidence", ascending=False)
    kinds = np.where(drawn.abstained, "abstained", np.where(drawn.correct, "right", "wrong"))
    texts = [text[:LETTERS] for text in drawn.text]
    rows = pd.DataFrame({"label": texts, "estimate": drawn.confidence, "kind": kinds})
    right = f"the answer is {asked.answers[0]}" if asked.answers else "nobody can answer"
    surest = f"the surest of {len(drawn)} replies is {kinds[0]}"
    n = len(pairs(drawn, lab.p.threshold))
    title = f"Question {item} ({right}): {surest}; {n} pairs"
    look = lab.look.stamped(lab.stamp(1, [base], lab.p.seeds[:1]))
    figure = plots.forest(rows, "confidence of the answer", title, look, signed=False)
    figure.axes[0].axvline(lab.p.threshold, color="0.3", ls="--", lw=2)
    return figure


def at_threshold(lab: RlsfRepair, threshold: float) -> Figure:
    """What the damaged model's pairs at a threshold teach."""
    rows = taught(lab, DAMAGED, threshold).assign(kind="measured")
    rows["label"] = [lab.look.label(name) for name in rows.arm]
    drawn = lab.repair.traces(DAMAGED)
    found = pairs(drawn, threshold)
    per_base = len(found) / len(drawn[["base", "seed"]].drop_duplicates())
    title = f"Threshold {threshold:g} leaves {per_base:.0f} pairs a base"
    n = f"{found.item.nunique()} questions with a pair"
    look = lab.look.stamped(lab.stamp(n))
    return plots.forest(rows, "share of pairs, mean over questions", title, look, signed=False)
