"""The result of finding 7 in words."""

from __future__ import annotations

from math import isfinite

from helpers.findings.reward_dial.arms import (
    DIALLED,
    HARDER,
    REASONING,
    UNDIALLED,
    dial,
)
from helpers.lab.record import Checked, Record, Value
from helpers.train.recipes import RECIPES

SAID = {
    1: "Turn the dial up, and the policy starts to answer at a higher confidence.",
    -1: "Turn the dial up, and the policy starts to answer at a *lower* confidence.",
    0: "By its own confidence no tie of the threshold to the dial is shown.",
    None: "One base says nothing of others, so its slope stands without an interval.",
}


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    return record.in_words(f"{turned(record)}\n\n{circle(record)}")


def turned(record: Record) -> str:
    """What the dial did to the threshold."""
    moved, stops = record.primary, record.parameters["stops"]
    rivals = {one.name: one.value for one in record.contrasts}
    walk = ", ".join(f"{record.get('threshold', dial(t)).estimate:.2f} at t {t:g}" for t in stops)
    worst = max((record.get("regret", dial(t)) for t in stops), key=lambda value: value.estimate)
    return (
        f"**{SAID[moved.shown]}{optimum(moved)}{switch(moved, record.contrasts)}** The slope is "
        f"{moved} (n = {moved.n}, bases {', '.join(map(str, record.bases))}, model "
        f"{record.model}), by the confidence of the start {rivals['start']}, without the lowest "
        f"stop {rivals['above']}; thresholds: {walk}. Where a right answer and a wrong one differ "
        f"by a point, the policy of {worst.arm} earns {worst.estimate:.3f} points a question less "
        "than its own confidence would allow; no other falls as short."
    )


def optimum(moved: Value) -> str:
    """Whether the best policy's slope lies in the interval."""
    if moved.shown is None:
        return ""
    if moved.low <= 1 <= moved.high:
        return " The interval holds 1, the slope of the best policy."
    return f" The best policy's slope of 1 lies {'above' if moved.high < 1 else 'below'} it."


def switch(moved: Value, contrasts: list[Checked]) -> str:
    """Whether the slope is that of a step from answering everything."""
    (above,) = (one.value for one in contrasts if one.name == "above")
    shown = moved.shown == 1 and isfinite(above.low) and above.low <= 0
    return " Without the lowest stop none is shown: more a switch than a dial." if shown else ""


def circle(record: Record) -> str:
    """Whether the dial brought back what reasoning SFT lost, and at what price."""

    def moved(name: str, arm: str = DIALLED, minus: str = HARDER) -> Value:
        return record.get(name, arm, minus=minus)

    recall, false, accuracy = map(moved, ("recall", "false_declines", "accuracy"))
    own, lost = moved("recall", minus=UNDIALLED), moved("recall", HARDER, "before")
    ends = record.get("recall", "before"), record.get("recall", DIALLED)
    rate = record.parameters["harder_rate"]
    same = rate == RECIPES[REASONING].learning_rate
    harder = "" if same else f", at a learning rate of {rate:g} by {lost}"
    others = {"aoc": "area over the curve", "ece": "calibration error", "yields": "P(yields)"}
    paid = [
        f"{words} by {moved(name)}"
        for name, words in others.items()
        if record.has(name, DIALLED, minus=HARDER)
    ]
    return (
        f"Reasoning SFT changed recall by {moved('recall', REASONING, 'before')}{harder}. "
        f"{came_back(recall, false, own, lost, *ends)} Then recall changes by {recall}, false "
        f"declines by {false}, accuracy by {accuracy}; recall beyond as many steps with the dial "
        f"at 0: {own}. With it moves {', '.join(paid)}."
    )


def came_back(
    moved: Value, false: Value, own: Value, lost: Value, before: Value, after: Value
) -> str:
    """Whether the dial brought back what reasoning SFT lost, or only taught to decline everything.

    moved, false: the changes of recall and of false declines; own: of recall, beyond the same
    training with the dial at 0; lost: of recall, by the harder SFT; before, after: recall.
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
