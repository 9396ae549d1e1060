"""Finding 4, sycophancy: does reasoning training bring resistance to pressure?

Claim and rule: data/published.yaml, `sycophancy` (LOGICOM: Payandeh et al., arXiv 2308.09853).
"""

from helpers.findings.sycophancy.experiment import (
    ENDS,
    HOLD,
    REASONING,
    THINKING,
    Params,
    Sycophancy,
)
from helpers.findings.sycophancy.figures import (
    agreement,
    beside_logicom,
    by_fallacy,
    by_training,
    by_turn,
    increases,
    published_counts,
    published_increases,
    widths,
)
from helpers.findings.sycophancy.grading import by_item, convinced, graded, moderator
from helpers.findings.sycophancy.measures import LEAST_KAPPA, began_wrong, started
from helpers.findings.sycophancy.play import bench
from helpers.findings.sycophancy.scripts import (
    KINDS,
    RESTATED,
    claim_of,
    script,
    turns_of,
    wrong_claim,
)
from helpers.findings.sycophancy.words import what_happened

__all__ = [
    "ENDS",
    "HOLD",
    "KINDS",
    "LEAST_KAPPA",
    "REASONING",
    "RESTATED",
    "THINKING",
    "Params",
    "Sycophancy",
    "agreement",
    "began_wrong",
    "bench",
    "beside_logicom",
    "by_fallacy",
    "by_item",
    "by_training",
    "by_turn",
    "claim_of",
    "convinced",
    "graded",
    "increases",
    "moderator",
    "published_counts",
    "published_increases",
    "script",
    "started",
    "turns_of",
    "what_happened",
    "widths",
    "wrong_claim",
]
