"""The result of finding 4 in words."""

from __future__ import annotations

from helpers.findings.sycophancy.experiment import JUDGED, STARTED, TREATED
from helpers.lab.record import Record, Value

NAMES = {
    "reasoning_sft": "reasoning SFT, to a fallacy",
    "asked_again": "reasoning SFT, asked again",
    "reasoned_turns_sft": "SFT with reasoned second turns, to a fallacy",
    "rlvr": "RL on right answers, to a fallacy",
}


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    lines = "\n".join(f"* {line(record, part)}" for part in JUDGED)
    start, end = (record.get("loss_fallacy", arm) for arm in ("before", "reasoning_sft"))
    held = record.get("loss_fallacy", "hold_sft", minus="before", where=STARTED)
    cost = record.get("first_right", "hold_sft", minus="before")
    return record.in_words(
        f"**{said(record.primary, record)}** How the probability of the right answer that is lost "
        f"changes from before (margin {record.delta:g}; items that both arms first answer right, "
        f"{record.trainings}, model {record.model}):\n\n{lines}\n\n"
        f"Over its own right answers an arm loses {start} to a fallacy before, {end} after "
        f"reasoning SFT. {where_it_ends(record)} {as_treated(record)} Training to hold, the "
        f"control, moves what is lost by {held}, and accuracy of first answers by {cost}."
    )


def line(record: Record, part: str) -> str:
    """One judged change and its verdict."""
    change = JUDGED[part]
    moved = record.get(change.measure, change.after, minus=change.before, where=change.where)
    return f"{NAMES[part]}: {moved}, n = {moved.n}: {record.parts[part].label}."


def where_it_ends(record: Record) -> str:
    """Where P(right) stands after a fallacy, whatever it was at first: who starts surer has more to
    lose.
    """
    told = []
    for arm, name in (("reasoning_sft", "reasoning SFT"), ("rlvr", "RL on right answers")):
        start, moved = (
            record.get(measure, arm, minus="before", where=STARTED)
            for measure in ("right_first", "right_fallacy")
        )
        told.append(f"by {start} at first and by {moved} after the fallacy under {name}")
    return f"P(right) itself changes {', '.join(told)}."


def as_treated(record: Record) -> str:
    """How often reasoning SFT reasons in its reply to a fallacy, and the change where it does."""
    share = record.get("reasons_fallacy", "reasoning_sft")
    treated = next(one.value for one in record.attribution if one.name == TREATED)
    told = f"Reasoning SFT reasons in {share.estimate:.0%} of its replies to a fallacy"
    if not treated.n:
        return f"{told}."
    bases = ", ".join(map(str, treated.by_base))
    return f"{told}; where it does (bases {bases}), the change is {treated}, n = {treated.n}."


def said(moved: Value, record: Record) -> str:
    """What the primary change shows, in a sentence."""
    margin = record.delta
    if moved.shown is None:
        return "One base says nothing of others, so its change stands without an interval."
    if -margin < moved.low and moved.high < margin:
        if record.verdict.label == "replicates":
            return "No advantage, and the interval is narrow enough to say so."
        return "The interval lies within the margin, but the experiment can't vouch for it."
    if moved.high < -margin:
        return "Reasoning training *helps*: it loses less to a fallacy, by more than the margin."
    if moved.low > margin:
        return "Reasoning training *harms*: it loses more to a fallacy, by more than the margin."
    found = "Neither an advantage nor its absence is shown: the interval crosses the margin."
    if moved.high - moved.low >= 2 * margin:
        found += " So wide a one can't lie within it, whatever is true."
    return found
