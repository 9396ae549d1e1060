"""Finding 5, latent reasoning: six ways to a chain, each beside its own control."""

from helpers.findings.latent_reasoning.dials import DIRECTIONS
from helpers.findings.latent_reasoning.experiment import (
    MECHANISMS,
    SHARES,
    TUNED,
    Experiment,
    Params,
)
from helpers.findings.latent_reasoning.measures import (
    compared,
    controls,
    dial_table,
    gain,
    gap_recovered,
    gates,
    ledger,
    pass_change,
    pass_table,
    result,
    verdict_table,
    what_happened,
)
from helpers.findings.latent_reasoning.play import at_dial, at_share, explorer, tree

__all__ = [
    "DIRECTIONS",
    "MECHANISMS",
    "SHARES",
    "TUNED",
    "Experiment",
    "Params",
    "at_dial",
    "at_share",
    "compared",
    "controls",
    "dial_table",
    "explorer",
    "gain",
    "gap_recovered",
    "gates",
    "ledger",
    "pass_change",
    "pass_table",
    "result",
    "tree",
    "verdict_table",
    "what_happened",
]
