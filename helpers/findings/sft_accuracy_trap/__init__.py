"""Finding 3, the SFT accuracy trap: accuracy up, information per step down?

Claim and rule: data/published.yaml, `sft_accuracy_trap` (Wu et al., arXiv 2506.02126).
"""

from helpers.findings.sft_accuracy_trap.experiment import Params, SftAccuracyTrap
from helpers.findings.sft_accuracy_trap.figures import (
    at_verbosity,
    by_outcome,
    changes,
    every_change,
    meter,
    published_arithmetic,
    told,
    wording_table,
)
from helpers.findings.sft_accuracy_trap.words import what_happened

__all__ = [
    "Params",
    "SftAccuracyTrap",
    "at_verbosity",
    "by_outcome",
    "changes",
    "every_change",
    "meter",
    "published_arithmetic",
    "told",
    "what_happened",
    "wording_table",
]
