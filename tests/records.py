"""A hand-made record."""

from helpers.lab.record import Record, Value
from helpers.lab.verdicts import Verdict


def change(**changes):
    """The change of recall by reasoning SFT, as a record has it."""
    usual = dict(measure="recall", arm="reasoning_sft", minus="before", dose=80)
    numbers = dict(estimate=-0.25, low=-0.4, high=-0.1, n=120, by_base={0: -0.2, 1: -0.3})
    return Value(**(usual | numbers | dict(seeds=2, noise=0.03) | changes))


def example(**changes):
    """A record of finding 1 that replicates."""
    usual = dict(
        finding="abstention_loss",
        tier="pocket",
        model="pocket",
        bases=[0, 1],
        seeds=[0, 1],
        values=[change()],
        primary=change(),
        delta=0.08,
        verdict=Verdict("replicates", "all held", deviation=0.88),
        forecast=-0.2,
    )
    return Record(**(usual | changes))
