"""A small finding on the model in the folder $TOY_MODEL: how long its replies are, and how many
words they have. Importable, so that a test may run it in another process.
"""

import os
import signal

import pandas as pd

from helpers.lab import finding
from helpers.lab.declared import BEFORE, Arm, Change, Measure
from helpers.lab.items import pocket_items
from helpers.lab.table import table
from helpers.lm import models
from helpers.lm.generation import generate

CALLS = []
"""What was computed: (table, arm, base)."""


class Params(finding.Params):
    """Parameters of the toy."""

    n_items: int
    doses: list[int]


class Toy(finding.Finding):
    """Arms that nobody trains, and one that somebody would."""

    name = "abstention_loss"
    arms = [BEFORE, Arm("other", "the other one", trained=False), Arm("tuned", "tuned")]
    measures = [
        Measure("n_tokens", "tokens", "written", unit="tokens", arms=("before", "other")),
        Measure("n_words", "words", "counted", unit="words", arms=("before", "other")),
    ]
    primary = Change("n_tokens", "before", "other")

    def __init__(self, p):
        super().__init__(p, pocket_items(1, 7, (1,))[: p.n_items])

    def base(self, base):
        """The model of the test."""
        return models.find(os.environ["TOY_MODEL"])

    @table({"item": "id", "text": "the reply", "n_tokens": "its tokens"})
    def written(self, cell, prefix=""):
        """A reply to every item."""
        CALLS.append(("written", cell.arm, cell.base))
        prompts = [cell.lm().prompt(item.question, prefix) for item in self.items]
        found = generate(cell.lm(), prompts, self.p.max_new_tokens)
        if os.environ.get("TOY_DIES_IN") == cell.arm:
            os.kill(os.getpid(), signal.SIGKILL)
        return pd.DataFrame(
            {"item": item.id, "text": one.text, "n_tokens": float(one.n_tokens)}
            for item, one in zip(self.items, found, strict=True)
        )

    @table({"item": "id", "n_words": "words of the reply"}, of="written")
    def counted(self, cell, written):
        """The words of every reply."""
        CALLS.append(("counted", cell.arm, cell.base))
        return written[["item"]].assign(n_words=written.text.str.split().str.len().astype(float))


class Spoilt(Toy):
    """One whose table has other columns than it declares."""

    @table({"item": "id", "text": "the reply", "n_tokens": "its tokens"})
    def written(self, cell):
        """A reply without its text."""
        return pd.DataFrame({"item": ["a"], "n_tokens": [1.0], "words": [2]})


def params(**changes):
    """The toy's parameters, one base and one seed."""
    usual = dict(model="pocket", tier="pocket", bases=[0], seeds=[0], questions="")
    sizes = dict(max_new_tokens=8, n_items=3, doses=[0, 4], forecast=0.1)
    return Params(**(usual | sizes | changes))
