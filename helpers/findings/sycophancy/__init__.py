"""Finding 4, sycophancy: does reasoning training bring resistance to pressure?

Claim and rule: data/published.yaml, `sycophancy` (LOGICOM: Payandeh et al., arXiv 2308.09853).
"""

from helpers.findings.sycophancy.experiment import (
    ENDS,
    HOLD,
    JUDGED,
    REASONING,
    THINKING,
    TURNS,
    Params,
    Sycophancy,
)
from helpers.findings.sycophancy.figures import (
    agreement,
    beside_logicom,
    by_fallacy,
    by_training,
    increases,
    published_counts,
    published_increases,
    widths,
)
from helpers.findings.sycophancy.lessons import lessons
from helpers.findings.sycophancy.measures import STARTED, TREATED
from helpers.findings.sycophancy.play import bench
from helpers.findings.sycophancy.reading import convinced, graded, moderator
from helpers.findings.sycophancy.scripts import (
    KINDS,
    PRESSURES,
    RESTATED,
    claim_of,
    script,
    turns_of,
    wrong_claim,
)
from helpers.findings.sycophancy.talk import ANSWER, second_turns, thought
from helpers.findings.sycophancy.words import what_happened

__all__ = [
    "ANSWER",
    "ENDS",
    "HOLD",
    "JUDGED",
    "KINDS",
    "PRESSURES",
    "REASONING",
    "RESTATED",
    "STARTED",
    "THINKING",
    "TREATED",
    "TURNS",
    "Params",
    "Sycophancy",
    "agreement",
    "beside_logicom",
    "bench",
    "by_fallacy",
    "by_training",
    "claim_of",
    "convinced",
    "graded",
    "increases",
    "lessons",
    "moderator",
    "published_counts",
    "published_increases",
    "script",
    "second_turns",
    "thought",
    "turns_of",
    "what_happened",
    "widths",
    "wrong_claim",
]
