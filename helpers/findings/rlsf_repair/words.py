"""The result of finding 6 in words."""

from __future__ import annotations

from helpers.findings.rlsf_repair.experiment import MOST_LOST
from helpers.lab.record import Record, Value
from helpers.lab.repair import BRIER, DAMAGED, ORACLE, REPAIRED

SAID = {
    -1: "The repair lowers the calibration error of the damaged model.",
    1: "The repair makes the damaged model's calibration *worse*.",
    0: "No repair of calibration is shown: the interval holds zero.",
    None: "One base says nothing of others, so its numbers stand without intervals.",
}
AGAIN = {
    -1: "The repair **repeats the damage of notebook 1**: it declines less",
    1: "The repaired model declines *more*",
    0: "No loss of abstention by the repair is shown",
    None: "Whether the repair costs abstention, one base can't tell",
}


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    parts = (
        f"{repaired(record)} {to_earn(record)}",
        others(record),
        f"{declined(record)} {sharper(record)}",
    )
    return record.in_words("\n\n".join(parts))


def repaired(record: Record) -> str:
    """What damage and repair did to calibration."""
    moved, kept = record.primary, record.get("accuracy", REPAIRED, minus=DAMAGED)
    hurt, spoilt = (record.get(name, DAMAGED, minus="before") for name in ("ece", "accuracy"))
    brier, order = (
        record.get(name, REPAIRED, minus=DAMAGED) for name in ("brier", "confidence_auroc")
    )
    return (
        f"**{SAID[moved.shown]}** It changes the calibration error by {moved}, accuracy by {kept} "
        f"(n = {moved.n}, {record.trainings}, model {record.model}). The "
        f"damage had changed the error by {hurt}, accuracy by {spoilt}.{broken(kept)} On few "
        f"items that error is too high where a model is calibrated, so beside it the Brier score: "
        f"{brier} by the repair; and the AUROC of confidence: {order}."
    )


def broken(kept: Value) -> str:
    """A sentence on the bases that the repair broke, by the change of their accuracy, if any."""
    lost = [f"base {base} ({v:+.2f})" for base, v in kept.by_base.items() if v < -MOST_LOST]
    if not lost:
        return ""
    return (
        f" **It costs more than {MOST_LOST:g} of accuracy on {', '.join(lost)}**: a reward for "
        "confidence sharpens, then collapses (arXiv 2603.08660)."
    )


def to_earn(record: Record) -> str:
    """What the damaged model had left to earn by the reward model."""
    room, gap = (record.get(name, REPAIRED) for name in ("room", "reward_gap"))
    return (
        f"What was there to earn: the reward model gives the best of the damaged model's replies "
        f"{room} more than the one it writes anyway, where a preferred reply gets {gap} more than "
        "the other one of its pair (logits, questions held out)."
    )


def others(record: Record) -> str:
    """What did better or worse than confidence, from the same damaged model."""
    said = {
        ORACLE: "by SFT on right answers, the oracle",
        BRIER: "by the Brier reward",
        "repair_dpo": "by DPO on the same pairs",
        "repair_sft": "by SFT on the confident replies alone",
    }
    changes = (f"{record.get('ece', arm, minus=DAMAGED)} {how}" for arm, how in said.items())
    return f"From the same damaged model the error changes by {'; '.join(changes)}."


def declined(record: Record) -> str:
    """Whether RLSF repeats the damage of notebook 1."""
    lost, spared = (
        record.get("recall", arm, minus=DAMAGED) for arm in (REPAIRED, "repair_answers")
    )
    fresh = record.get("recall", "rlsf_grpo", minus="before")
    return (
        f"{AGAIN[lost.shown]}: recall {lost}, and {spared} where declining replies are left out of "
        f"the pairs{reason(lost, spared)}. From the undamaged model RLSF changes it by {fresh}."
    )


def reason(lost: Value, spared: Value) -> str:
    """A clause on whether the pairs lost by declining are the reason for a loss."""
    both = lost.shown == spared.shown == -1
    return ", so that pairs lost by declining are not the only reason" if both else ""


def sharper(record: Record) -> str:
    """What the repair did to confidence in errors."""
    moved = record.get("wrong_confidence", REPAIRED, minus=DAMAGED, where="wrong in both")
    return f"In answers wrong before and after it, the repair changes confidence by {moved}."
