"""Finding 6, RLSF repair: can a model's confidence in its own answers repair its calibration?

Claim and rule: data/published.yaml, `rlsf_repair` (van Niekerk et al., arXiv 2507.21931).
"""

from helpers.findings.rlsf_repair.experiment import Params, RlsfRepair
from helpers.findings.rlsf_repair.figures import (
    at_threshold,
    of_three,
    ranked,
    risk,
    taught,
    thresholds,
    walk,
)
from helpers.findings.rlsf_repair.measures import sharpened
from helpers.findings.rlsf_repair.words import what_happened
from helpers.lab.repair import BRIER, DAMAGED, ORACLE, REPAIRED, TAUGHT

__all__ = [
    "BRIER",
    "DAMAGED",
    "ORACLE",
    "REPAIRED",
    "TAUGHT",
    "Params",
    "RlsfRepair",
    "at_threshold",
    "of_three",
    "ranked",
    "risk",
    "sharpened",
    "taught",
    "thresholds",
    "walk",
    "what_happened",
]
