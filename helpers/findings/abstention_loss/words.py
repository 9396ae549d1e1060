"""The result of finding 1 in words that its numbers choose."""

from __future__ import annotations

import itertools

from helpers.findings.abstention_loss.experiment import (
    ANSWER,
    KEEP,
    REASONING,
    REWARD,
    AbstentionLoss,
)
from helpers.lab.record import Record, Value
from helpers.show import plots

MOST_AUROC_LOST = 0.05
"""Area under the curve that may be lost where a model is said to tell as well as before: as much as
a gate lets accuracy fall.
"""
INGREDIENTS = {
    KEEP: "the same chains with abstentions kept",
    ANSWER: "bare answers, no chain",
    REWARD: "a reward for right answers",
}


def changed(lab: AbstentionLoss, forecast: float | None) -> str:
    """Forecast beside measured, in words."""
    moved = lab.primary.value(lab)
    held = ""
    if forecast is not None and moved.shown is not None:
        inside = moved.low <= forecast <= moved.high
        held = f"The forecast lies {'in' if inside else 'out'}side it. "
    said = "No forecast" if forecast is None else f"Forecast: {forecast:+.2f}"
    return (
        f"{said}. Measured: **{moved}** ({moved.n} unanswerable items, bases "
        f"{', '.join(map(str, lab.p.bases))}). {direction(moved)} {held}".strip()
    )


def direction(moved: Value) -> str:
    """What the interval of a change of recall says by itself."""
    return {
        -1: "The interval excludes zero: the model declines less often when it should.",
        1: "The interval excludes zero on the other side: the model declines *more* often.",
        0: "The interval holds zero: no change is shown.",
        None: "One base says nothing of others, so there is no interval.",
    }[moved.shown]


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    moved = record.primary
    criterion, d_prime, false, auroc = (
        record.get(name, REASONING, minus="before")
        for name in ("criterion", "d_prime", "false_declines", "auroc")
    )
    path = recall_path(record)
    where = where_it_fell(changes_by_scenario(record)) if moved.shown == -1 else rise(record, path)
    after = record.parameters["after"]
    return record.in_words(
        f"**{shape_of_loss(moved, path)}** {f'In {after}' if after else f'At dose {moved.dose}'}, "
        f"abstention recall {plots.moves(path[0].estimate, path[-1].estimate)}: a change of "
        f"{moved} (n = {moved.n}, {record.trainings}, model "
        f"{record.model}). {where}\n\nThe sensitivity d' changed by {d_prime}, the criterion c by "
        f"{criterion}, the rate of false declines by {false}; the area under the ROC curve of "
        f"P(decline) by {auroc}. {can_t_or_won_t(moved, auroc)}{by_others(record)}"
    )


def rise(record: Record, path: list[Value]) -> str:
    """What stands behind a change that is no loss: recall at every dose, and the change when both
    arms are made to open alike.
    """
    walk = ", ".join(f"{one.estimate:.3f} (dose {one.dose})" for one in path)
    same = record.get("recall_opened", REASONING, minus="before")
    start = record.get("recall_opened", "before")
    return (
        f"Recall by dose: {walk}. Made to open with {record.parameters['prefix']} in both arms, it "
        f"is {start} before and changes by {same}."
    )


def by_others(record: Record) -> str:
    """What training by other ingredients does, a line an arm; nothing where there is none."""
    lines = []
    for arm, name in INGREDIENTS.items():
        if record.has("recall", arm, minus="before"):
            recall, auroc = (record.get(m, arm, minus="before") for m in ("recall", "auroc"))
            told = can_t_or_won_t(recall, auroc)
            lines.append(f"* {name}: recall changes by {recall}, AUROC by {auroc}. {told}".rstrip())
    return "\n\nThe other ingredients:\n\n" + "\n".join(lines) if lines else ""


def recall_path(record: Record) -> list[Value]:
    """Recall before, and of the reasoning arm at every dose, in order."""
    wanted = ("recall", REASONING, "", "all", "")
    found = [v for v in record.values if (v.measure, v.arm, v.minus, v.scenario, v.where) == wanted]
    return [record.get("recall", "before"), *sorted(found, key=lambda v: v.dose)]


def changes_by_scenario(record: Record) -> dict[str, float]:
    """Change of recall at the end by scenario."""
    return {
        v.scenario: v.estimate
        for v in record.values
        if (v.measure, v.arm, v.minus) == ("recall", REASONING, "before") and v.scenario != "all"
    }


def shape_of_loss(moved: Value, path: list[Value]) -> str:
    """Whether recall was lost, wholly or in part, and whether the loss grows with the dose.

    moved: the change at the last dose; path: recall before and at every dose, in order.
    """
    if moved.shown is None:
        return "One base says nothing of others, so its change stands without an interval."
    if moved.shown == 1:
        return "Recall rose: the opposite of the published loss."
    if moved.shown == 0:
        return "No loss of abstention is shown: the interval of the change holds zero."
    size = "The loss is total." if path[-1].high < 0.1 else "The loss is partial."
    if len(path) < 3:
        return size
    drop = path[0].estimate - path[-1].estimate
    if any(later.low > earlier.high for earlier, later in itertools.pairwise(path)):
        return f"{size} It does not grow steadily with the dose: recall rises in between."
    share = [(path[0].estimate - value.estimate) / drop for value in path[1:-1]]
    if any(0.15 < s < 0.85 for s in share):
        return f"{size} It is graded: it grows with the dose."
    jump = next((v for v, s in zip(path[1:-1], share, strict=True) if s >= 0.85), path[-1])
    return f"{size} It is not graded: it comes at once, by dose {jump.dose}."


def where_it_fell(scenarios: dict[str, float]) -> str:
    """Which scenarios carry a loss, from their changes of recall."""
    if len(scenarios) < 2:
        return ""
    ordered = sorted(scenarios, key=scenarios.get)
    most, least = (name.replace("_", " ") for name in (ordered[0], ordered[-1]))
    drops = [max(0.0, -value) for value in scenarios.values()]
    text = (
        f"By scenario the change goes from {scenarios[ordered[0]]:+.2f} (*{most}*) to "
        f"{scenarios[ordered[-1]]:+.2f} (*{least}*)."
    )
    if max(drops) > 0.6 * sum(drops):
        text += " More than six tenths of the loss sit in that one scenario."
    return text


def can_t_or_won_t(recall: Value, auroc: Value) -> str:
    """Lost ability ("can't tell") or lost willingness ("won't say"), from changes of recall and of
    the area under the ROC curve of P(decline).

    d' and c don't decide it: where false declines are near zero already, any fall of recall lowers
    the one and raises the other.
    """
    if recall.shown is None or auroc.shown is None:
        return ""
    told = {
        -1: "P(decline) tells the two kinds of question apart less well than before",
        0: "no change is shown in how well P(decline) tells the two kinds of question apart",
        1: "P(decline) tells the two kinds of question apart better than before",
    }[auroc.shown]
    if recall.shown >= 0:
        return told[0].upper() + told[1:] + "."
    if auroc.shown < 0:
        return f"Recall fell, and {told}: at least in part, it can't tell."
    if auroc.low > -MOST_AUROC_LOST:
        return f"Recall fell, but {told}: it won't say, rather than can't tell."
    return f"Recall fell, and {told}, but a loss is not excluded: it may be either."
