"""What the figures and widgets of notebook 2 show."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.faithfulness_decay.experiment import FaithfulnessDecay, known
from helpers.findings.faithfulness_decay.reading import KEPT, probabilities
from helpers.lab.items import Item
from helpers.lm.reasoning import CUTS
from helpers.show import pictures
from helpers.text import chains


def by_training(lab: FaithfulnessDecay, arms: Sequence[str]) -> pd.DataFrame:
    """Accuracy with the chain and AOC of every arm, base and seed, for the published criticism."""
    frames = pd.concat(known(lab.reading(arm)) for arm in arms)
    rows = frames.groupby(["arm", "base", "seed"], sort=False)
    found = rows[["correct", "aoc", "n_steps"]].mean().reset_index()
    return found.rename(columns={"correct": "accuracy"})


def kept_table(lab: FaithfulnessDecay, arms: Sequence[str]) -> pd.DataFrame:
    """The answer-kept curves of arms at their end, with the share of the chain as x."""
    shares = dict(zip(KEPT, CUTS, strict=True))
    rows = lab.table(arms, KEPT)
    return rows.assign(share=rows.measure.map(shares)).sort_values(["arm", "share"])


def surgery(lab: FaithfulnessDecay, item: Item, text: str, arms: Sequence[str]) -> Figure:
    """Probability of every answer after every step of a chain that the reader may rewrite, for each
    arm on the first base, side by side; the five likeliest answers and the right one.
    """
    steps = chains.steps_of(text)
    tables = {}
    for arm in arms:
        lm = lab.cells(arm, lab.dose(arm))[0].lm()
        ((options, p),) = probabilities(lm, [item], [chains.prefixes(steps)])
        tables[arm] = pd.DataFrame(p, index=["(no step)", *steps], columns=options)
    top = sum(one.max() for one in tables.values()).nlargest(5).index
    shown = [option for option in options if option in top or option in item.answers]
    ends = [one.iloc[-1].idxmax() for one in tables.values()]
    title = "After the last step: " + ", ".join(
        f"{lab.look.label(arm)} says {end}" for arm, end in zip(tables, ends, strict=True)
    )
    look = lab.look.stamped(lab.stamp(1, lab.p.bases[:1], lab.p.seeds[:1]))
    return pictures.heat(
        {arm: one[shown] for arm, one in tables.items()}, item.answers[0], title, look
    )
