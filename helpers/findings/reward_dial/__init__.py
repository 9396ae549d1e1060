"""Finding 7, the refusal is the reward: a policy learns to answer from the confidence at which its
reward pays.

Claim and rule: data/published.yaml, `reward_dial` (the threshold: Kalai et al., arXiv 2509.04664).
"""

from helpers.findings.reward_dial.arms import (
    BRIEF,
    LOST,
    RESTORED,
    START,
    default,
    dial,
    penalty,
)
from helpers.findings.reward_dial.experiment import Params, RewardDial
from helpers.findings.reward_dial.figures import (
    at_stop,
    coverage,
    dial_table,
    exchanged,
    gain_table,
    ladder,
    price,
    share_table,
    threshold_table,
)
from helpers.findings.reward_dial.group import pays_table
from helpers.findings.reward_dial.words import what_happened

__all__ = [
    "BRIEF",
    "LOST",
    "RESTORED",
    "START",
    "Params",
    "RewardDial",
    "at_stop",
    "coverage",
    "default",
    "dial",
    "dial_table",
    "exchanged",
    "gain_table",
    "ladder",
    "pays_table",
    "penalty",
    "price",
    "share_table",
    "threshold_table",
    "what_happened",
]
