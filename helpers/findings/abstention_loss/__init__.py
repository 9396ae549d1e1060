"""Finding 1, abstention loss: does reasoning fine-tuning make a model stop saying "I don't know"?

Claim and rule: data/published.yaml, `abstention_loss` (Kirichenko et al., arXiv 2506.09038).
"""

from helpers.findings.abstention_loss.agreement import confusion, leaning_judge, ruler
from helpers.findings.abstention_loss.experiment import (
    ANSWER,
    CORPUS_SHARE,
    KEEP,
    REASONING,
    REWARD,
    AbstentionLoss,
    Params,
    chain_of,
    keeping,
)
from helpers.findings.abstention_loss.figures import (
    THRESHOLDS,
    along_doses,
    at_setting,
    at_threshold,
    breaks,
    by_scenario,
    our_slopes,
    price_of_recall,
    published_changes,
    published_slopes,
    recall_change,
    roc_of,
    scenarios,
)
from helpers.findings.abstention_loss.words import (
    can_t_or_won_t,
    changed,
    direction,
    shape_of_loss,
    what_happened,
)

__all__ = [
    "ANSWER",
    "CORPUS_SHARE",
    "KEEP",
    "REASONING",
    "REWARD",
    "THRESHOLDS",
    "AbstentionLoss",
    "Params",
    "along_doses",
    "at_setting",
    "at_threshold",
    "breaks",
    "by_scenario",
    "can_t_or_won_t",
    "chain_of",
    "changed",
    "direction",
    "keeping",
    "confusion",
    "leaning_judge",
    "our_slopes",
    "price_of_recall",
    "published_changes",
    "published_slopes",
    "recall_change",
    "roc_of",
    "ruler",
    "scenarios",
    "shape_of_loss",
    "what_happened",
]
