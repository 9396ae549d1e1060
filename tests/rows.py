"""Hand-made rows of an arm."""

import numpy as np
import pandas as pd


def replies(values, should_abstain=None, scenario=None, column="abstained", seeds=1):
    """A tidy frame from values [bases, items] or, with several training seeds a base,
    [bases * seeds, items], the seeds of a base beside each other.
    """
    values = np.atleast_2d(values)
    cells, n = values.shape
    return pd.DataFrame(
        {
            "item": np.tile(np.arange(n), cells),
            "base": np.repeat(np.arange(cells) // seeds, n),
            "seed": np.repeat(np.arange(cells) % seeds, n),
            "should_abstain": np.tile(
                np.ones(n, bool) if should_abstain is None else should_abstain, cells
            ),
            "scenario": np.tile(["stale"] * n if scenario is None else scenario, cells),
            column: values.ravel(),
        }
    )
