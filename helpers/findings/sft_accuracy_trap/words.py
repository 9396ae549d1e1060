"""The result of finding 3 in words."""

from __future__ import annotations

from helpers.lab.record import Record, Value


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    moved, accuracy = record.primary, record.get("accuracy", "verbose_sft", minus="before")
    total = record.get("log_total_gain", "verbose_sft", minus="before")
    terse = record.get("log_infogain", "reasoning_sft", minus="before")
    published = record.get("infogain", "verbose_sft", minus="before")
    no_leak, opened = (
        record.get(name, "verbose_sft", minus="before")
        for name in ("log_infogain_no_leak", "chain_accuracy")
    )
    said = {
        -1: "Information per step fell, and accuracy is not shown to rise.",
        1: "Information per step *rose*, against the claim.",
        0: "No change of information per step is shown: the interval holds zero.",
        None: "One base says nothing of others, so its change stands without an interval.",
    }[moved.shown]
    if (moved.shown, accuracy.shown) == (-1, 1):
        said = "Accuracy rose and information per step fell."
        if opened.shown == -1:
            said += " But more of the chains that are scored end wrong."
    return record.in_words(
        f"**{said}** After {moved.dose} steps of verbose SFT, the gain a step changed by {moved} "
        f"nats and accuracy by {accuracy} (n = {moved.n}, "
        f"{record.trainings}, model {record.model})."
        f"{of_length(record)}{of_mistakes(record)}{without_gain(record)} The gain in all changed "
        f"by {total}, and that a step without the steps that state the answer by {no_leak}, from "
        f"{record.get('log_infogain_no_leak', 'before')}. After a terse teacher the gain a step "
        f"changed by {terse}. By the paper's own formula the verbose "
        f"teacher changes it by {published} (perplexity)."
    )


def of_length(record: Record) -> str:
    """How much of a fall is length alone; "" where there is no fall, or length raises the gain."""
    moved, length = record.primary, record.get("part_length", "verbose_sft", minus="before")
    if moved.shown != -1 or length.estimate >= 0:
        return ""
    return (
        f" Length alone, the old gain spread over the new number of steps, makes {length}: "
        f"{length.estimate / moved.estimate:.0%} of it."
    )


def of_mistakes(record: Record) -> str:
    """How often the scored chains end right, and what is left where they do."""
    opened = record.get("chain_accuracy", "verbose_sft", minus="before")
    (left,) = (one.value for one in record.contrasts if one.name == "mistakes")
    return (
        f" With a chain forced open in both arms, accuracy changed by {opened}. Where both chains "
        f"end right, and were they told in as many steps, the fall is {left}."
    )


def without_gain(record: Record) -> str:
    """What follows where the chains before did not help the scorer; "" where they did."""
    start = record.get("log_infogain", "before")
    if helps(start):
        return ""
    return (
        f" Before it, the gain was {start}, not above zero: chains that tell the scorer nothing "
        "can't tell it less, and more steps of what misleads it *raise* the gain a step."
    )


def helps(start: Value) -> bool:
    """Whether a gain is above zero, by its interval where it has one."""
    return start.estimate > 0 if start.shown is None else start.shown == 1
