"""The result of finding 6 in words."""

from __future__ import annotations

from helpers.lab.record import Record, Value
from helpers.lab.repair import DAMAGED, ORACLE, REPAIRED

SAID = {
    -1: "The repair lowers the calibration error of the damaged model.",
    1: "The repair makes the damaged model's calibration *worse*.",
    0: "No repair of calibration is shown: the interval holds zero.",
    None: "One base says nothing of others, so its numbers stand without intervals.",
}
AGAIN = {
    -1: "RLSF on the undamaged model **repeats the damage of notebook 1**: it declines less",
    1: "RLSF on the undamaged model declines *more*",
    0: "No loss of abstention by RLSF is shown",
    None: "Whether RLSF costs abstention, one base can't tell",
}


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    return record.in_words(f"{repaired(record)}\n\n{declined(record)} {sharper(record)}")


def repaired(record: Record) -> str:
    """What damage and repair did to calibration."""
    moved, kept = record.primary, record.get("accuracy", REPAIRED, minus=DAMAGED)
    hurt, best = (
        record.get("ece", DAMAGED, minus="before"),
        record.get("ece", ORACLE, minus=DAMAGED),
    )
    brier = [
        record.get("brier", arm, minus=start)
        for arm, start in ((DAMAGED, "before"), (REPAIRED, DAMAGED))
    ]
    harm = {
        1: "The damage itself changed the calibration error by",
        None: "The damage itself changed the calibration error, in this base, by",
    }.get(hurt.shown, "That the raters harmed calibration is not shown: they changed the error by")
    return (
        f"**{SAID[moved.shown]}** It changes the calibration error by {moved}, accuracy by {kept} "
        f"(n = {moved.n}, bases {', '.join(map(str, record.bases))}, model {record.model}). {harm} "
        f"{hurt}; the same repair, taught by labels what is right, by {best}. On few items that "
        "error is too high where a model is calibrated, so beside it the Brier score: "
        f"{brier[0]} by the damage, {brier[1]} by the repair."
    )


def declined(record: Record) -> str:
    """Whether RLSF repeats the damage of notebook 1."""
    lost, spared = (
        record.get("recall", arm, minus="before") for arm in ("rlsf_dpo", "rlsf_dpo_answers")
    )
    return (
        f"{AGAIN[lost.shown]}: recall {lost} by DPO, {spared} where declining replies are left out "
        f"of the pairs{reason(lost, spared)}."
    )


def reason(lost: Value, spared: Value) -> str:
    """A clause on whether the pairs lost by declining are the reason for a loss."""
    both = lost.shown == spared.shown == -1
    return ", so that pairs lost by declining are not the only reason" if both else ""


def sharper(record: Record) -> str:
    """What the repair did to confidence in errors."""
    moved = record.get("wrong_confidence", REPAIRED, minus=DAMAGED, where="wrong in both")
    return f"In answers wrong before and after it, the repair changes confidence by {moved}."
