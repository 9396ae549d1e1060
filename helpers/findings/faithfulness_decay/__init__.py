"""Finding 2, faithfulness decay: does fine-tuning loosen the tie between chain and answer?

Claim and rule: data/published.yaml, `faithfulness_decay` (Lobo et al., arXiv 2411.15382; method:
Lanham et al., arXiv 2307.13702).
"""

from helpers.findings.faithfulness_decay.experiment import (
    ANSWERS,
    CONTROL,
    JUDGED,
    TAUGHT_CHAINS,
    FaithfulnessDecay,
    Params,
    known,
    movable,
    taught,
)
from helpers.findings.faithfulness_decay.figures import by_training, kept_table, surgery
from helpers.findings.faithfulness_decay.reading import (
    KEPT,
    counterfactual,
    following,
    log_odds,
    measured,
    probabilities,
)
from helpers.findings.faithfulness_decay.words import what_happened
from helpers.lm.reasoning import CUTS, area_over_the_curve

__all__ = [
    "ANSWERS",
    "CONTROL",
    "CUTS",
    "JUDGED",
    "KEPT",
    "TAUGHT_CHAINS",
    "FaithfulnessDecay",
    "Params",
    "area_over_the_curve",
    "by_training",
    "counterfactual",
    "following",
    "kept_table",
    "known",
    "log_odds",
    "measured",
    "movable",
    "probabilities",
    "surgery",
    "taught",
    "what_happened",
]
