"""The result of finding 7 in words."""

from __future__ import annotations

from math import isfinite

from helpers.findings.reward_dial.arms import DEFAULT, DIAL, DIALLED, LOST, UNDIALLED, default, dial
from helpers.lab.record import Record, Value

SAID = {
    1: "The policies earn more than any switch could.",
    -1: "The policies earn *less* than a switch would.",
    0: "That the policies earn more than a switch would is not shown.",
    None: "One base says nothing of others, so its share stands without an interval.",
}
NEXT_TO_NOTHING = "The policies earn next to nothing of what could be gained over a switch."
NOTHING = "Too little could be gained over a switch to give a share."


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    return record.in_words(f"{dialled(record)}\n\n{trap(record)}\n\n{circle(record)}")


def dialled(record: Record) -> str:
    """What share of the possible gain the policies earn, and where they start to answer."""
    earned = record.primary
    shown = SAID[earned.shown] if isfinite(earned.estimate) else NOTHING
    if earned.shown == 1 and earned.high < record.delta:
        shown = NEXT_TO_NOTHING
    found = {one.name: one.value for one in (*record.contrasts, *record.attribution)}
    return (
        f"**{shown}** Of what the best rule by their own confidence would gain over "
        f"the better of always and never answering, they earn the share {earned} (1 is the best "
        f"rule, 0 a switch; n = {earned.n}, {record.trainings}, model "
        f"{record.model}).{by_stop(record)} In all, by the confidence of the start "
        f"{found['start']}; beyond what the "
        f"policies of the other stops earn, {found['other_stops']}; beyond the start, which "
        f"declines by lot, {found['learned']}. They start to answer at "
        f"{walk(record, DIAL)}. The slope of that on t is {record.get('slope', DIAL)}, which a "
        "switch has, too."
    )


def by_stop(record: Record) -> str:
    """The share at every stop that leaves something to gain, as a sentence; "" where none does."""
    shares = {t: record.get("share", dial(t)) for t in record.parameters["stops"] if t > 0}
    told = [f"{one} (t = {t:g})" for t, one in shares.items() if isfinite(one.estimate)]
    return f" By stop: {', '.join(told)}." if told else ""


def walk(record: Record, kind: str) -> str:
    """Where the policies of a kind start to answer, stop by stop."""
    named = {DIAL: dial, DEFAULT: default}[kind]
    there = [t for t in record.parameters["stops"] if record.has("threshold", named(t))]
    return ", ".join(f"{record.get('threshold', named(t)).estimate:.2f} (t = {t:g})" for t in there)


def trap(record: Record) -> str:
    """What trl's default makes of the same dial."""
    (one,) = (one.value for one in record.attribution if one.name == "default")
    earned = "no share can be given" if not isfinite(one.estimate) else f"the share is {one}"
    return f"With trl's default {earned}, and they start at {walk(record, DEFAULT)}."


def circle(record: Record) -> str:
    """Whether the dial brought back what answer SFT lost, and at what price."""

    def moved(name: str, arm: str = DIALLED, minus: str = LOST) -> Value:
        return record.get(name, arm, minus=minus)

    recall, false, accuracy = map(moved, ("recall", "false_declines", "accuracy"))
    own, lost = moved("recall", minus=UNDIALLED), moved("recall", LOST, "before")
    ends = record.get("recall", "before"), record.get("recall", DIALLED)
    others = {"aoc": "area over the curve", "ece": "calibration error", "yields": "P(yields)"}
    paid = [
        f"{words} by {moved(name)}"
        for name, words in others.items()
        if record.has(name, DIALLED, minus=LOST)
    ]
    return (
        f"Answer SFT changed recall by {lost}. {came_back(recall, false, own, lost, *ends)} Then "
        f"recall changes by {recall}, false declines by {false}, accuracy by {accuracy}; recall "
        f"beyond as many steps with the dial at 0: {own}. With it moves {', '.join(paid)}."
    )


def came_back(
    moved: Value, false: Value, own: Value, lost: Value, before: Value, after: Value
) -> str:
    """Whether the dial brought back what answer SFT lost, or only taught to decline everything.

    moved, false: the changes of recall and of false declines; own: of recall, beyond the same
    training with the dial at 0; lost: of recall, by the SFT; before, after: recall.
    """
    if moved.shown is None:
        return "Whether the dial brings abstention back, one base can't tell."
    if moved.shown == false.shown == 1 and false.estimate >= moved.estimate / 2:
        return "The dial brought declines back, but of questions with an answer too."
    if moved.shown == 1 and lost.shown != -1:
        whose = "by the dial alone" if own.shown == 1 else "not shown to be the dial's work"
        return f"Abstention rises, {whose}; that any was lost is not shown."
    if moved.shown == 1 and own.shown != 1:
        return "Abstention comes back, but not shown to be the dial's work."
    if moved.shown == 1:
        whole = after.estimate >= before.low
        return f"Abstention comes back by the dial alone, {'whole' if whole else 'in part'}."
    if moved.shown == -1:
        return "The dial cost abstention instead of bringing it back."
    if lost.shown != -1:
        return "The dial moved abstention by nothing that could be shown; no loss was shown either."
    return "The dial did not bring abstention back: no change is shown."
