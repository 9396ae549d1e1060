"""Finding 5, latent reasoning: six ways to a chain, each beside its own control."""

from helpers.findings.latent_reasoning.branches import confidence
from helpers.findings.latent_reasoning.dials import DIRECTIONS
from helpers.findings.latent_reasoning.experiment import LatentReasoning
from helpers.findings.latent_reasoning.figures import (
    accuracies,
    at_dial,
    at_share,
    by_pretraining,
    categories,
    compared,
    crossing,
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
from helpers.findings.latent_reasoning.methods import HYBRIDS, KINDS, MECHANISMS, SHARES, TUNED
from helpers.findings.latent_reasoning.words import what_happened
from helpers.findings.latent_reasoning.writing import Params

__all__ = [
    "DIRECTIONS",
    "HYBRIDS",
    "KINDS",
    "MECHANISMS",
    "SHARES",
    "TUNED",
    "LatentReasoning",
    "Params",
    "accuracies",
    "at_dial",
    "at_share",
    "by_pretraining",
    "categories",
    "compared",
    "confidence",
    "crossing",
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
