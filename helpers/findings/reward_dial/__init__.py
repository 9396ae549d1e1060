"""Finding 7, the refusal is the reward: a policy learns to answer from the confidence at which its
reward pays.

Claim and rule: data/published.yaml, `reward_dial` (the threshold: Kalai et al., arXiv 2509.04664).
"""

from helpers.findings.reward_dial.arms import BRIEF, RESTORED, START, bonus, dial, penalty
from helpers.findings.reward_dial.experiment import Params, RewardDial
from helpers.findings.reward_dial.figures import (
    at_stop,
    coverage,
    dial_table,
    earnings_table,
    ladder,
    price,
    regrets,
    threshold_table,
    two_knobs,
)
from helpers.findings.reward_dial.words import what_happened

__all__ = [
    "BRIEF",
    "RESTORED",
    "START",
    "Params",
    "RewardDial",
    "at_stop",
    "bonus",
    "coverage",
    "dial",
    "dial_table",
    "earnings_table",
    "ladder",
    "penalty",
    "price",
    "regrets",
    "threshold_table",
    "two_knobs",
    "what_happened",
]
