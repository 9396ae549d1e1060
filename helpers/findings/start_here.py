"""Notebook 0: its parameters, and the simulated experiments that show how a verdict is made."""

import numpy as np
import pandas as pd

from helpers import params
from helpers.statistics import Gate, paired_bootstrap, verdict


class Params(params.Params):
    """Parameters of notebook 0."""

    model: str
    tier: str
    seed: int


def simulated_verdicts(n: int, effects: dict[str, float], base: float = 0.7) -> pd.DataFrame:
    """Verdicts on simulated experiments: `n` items declined at rate `base`, then at base + effect.

    Columns: effect, true change, measured change, low, high, verdict. The same n gives the same numbers.
    """
    rng = np.random.default_rng(n)
    rows = []
    for name, effect in effects.items():
        luck = rng.random(n)
        before, after = (
            pd.DataFrame({"item": range(n), "abstained": luck < rate, "should_abstain": True})
            for rate in (base, base + effect)
        )
        flips = rng.random(n) < 0.1  # a retrained model also changes its mind for no reason
        after["abstained"] = np.where(flips, rng.random(n) < base + effect, after.abstained)
        interval = paired_bootstrap(before, after, "recall")
        found = verdict(interval, -1, [], [Gate("items", n, 20)])
        rows.append({"effect": name, "true change": effect, "measured change": interval.estimate,
                     "low": interval.low, "high": interval.high, "verdict": found.label})  # fmt: skip
    return pd.DataFrame(rows)
