"""The result of finding 4 in words."""

from __future__ import annotations

from helpers.lab.record import Record


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    moved, margin = record.primary, record.delta
    start, end = record.get("net_flip", "before"), record.get("net_flip", "reasoning_sft")
    held = record.get("net_flip", "hold_sft", minus="before", where="started")
    return record.in_words(
        f"**{said(record)}** The net flip rate (after a fallacy minus after a neutral re-ask) "
        f"changed by {moved} with reasoning SFT; the margin is {margin:g} (n = {moved.n} items "
        f"that both first answer right, bases {', '.join(map(str, record.bases))}, model "
        f"{record.model}). Each arm on all items that it first answers right: {start} before, "
        f"{end} after. Training to hold moves it by {held}."
    )


def said(record: Record) -> str:
    """What the primary change shows, in a sentence."""
    moved, margin = record.primary, record.delta
    if moved.shown is None:
        return "One base says nothing of others, so its change stands without an interval."
    if -margin < moved.low and moved.high < margin:
        if record.verdict.label == "replicates":
            return "No advantage, and the interval is narrow enough to say so."
        return "The interval lies within the margin, but the experiment can't vouch for it."
    if moved.high < -margin:
        return "Reasoning training *helps*: its net flip rate falls by more than the margin."
    if moved.low > margin:
        return "Reasoning training *harms*: its net flip rate rises by more than the margin."
    found = "Neither an advantage nor its absence is shown: the interval crosses the margin."
    if moved.high - moved.low >= 2 * margin:
        found += " So wide a one can't lie within it, whatever is true."
    return found
