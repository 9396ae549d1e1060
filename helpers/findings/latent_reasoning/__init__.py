"""Finding 5, latent reasoning: six ways to a chain, each beside its own control."""

from helpers.findings.latent_reasoning.branches import confidence
from helpers.findings.latent_reasoning.dials import DIRECTIONS
from helpers.findings.latent_reasoning.experiment import LatentReasoning, Params
from helpers.findings.latent_reasoning.figures import (
    accuracies,
    at_dial,
    at_share,
    compared,
    dial_table,
    explorer,
    layers_tried,
    ledger,
    pass_change,
    pass_table,
    reason_scores,
    shares_table,
    tree,
    verdict_table,
)
from helpers.findings.latent_reasoning.methods import MECHANISMS, SHARES, TUNED
from helpers.findings.latent_reasoning.words import what_happened

__all__ = [
    "DIRECTIONS",
    "MECHANISMS",
    "SHARES",
    "TUNED",
    "LatentReasoning",
    "Params",
    "accuracies",
    "at_dial",
    "at_share",
    "compared",
    "confidence",
    "dial_table",
    "explorer",
    "layers_tried",
    "ledger",
    "pass_change",
    "pass_table",
    "reason_scores",
    "shares_table",
    "tree",
    "verdict_table",
    "what_happened",
]
