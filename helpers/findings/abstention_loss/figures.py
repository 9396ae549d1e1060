"""What the figures and exercises of notebook 1 show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.abstention_loss.experiment import (
    BY_SCENARIO,
    PAIR,
    REASONING,
    AbstentionLoss,
    hidden,
    keeping,
)
from helpers.lab.claims import Claim
from helpers.show import pictures, plots
from helpers.stats import intervals

THRESHOLDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.9]


def published_slopes(claim: Claim) -> pd.DataFrame:
    """The published pairs for `plots.slopes`: label, measure, before, after."""
    return pd.DataFrame(
        {"label": pair_name(f.setting), "measure": name, "before": f.before, "after": f.after}
        for name in ("recall", "precision", "f1")
        for f in claim.values(name)
        if f.before is not None and not f.setting.startswith("GSM8K")
    )


def published_changes(claim: Claim) -> list[dict[str, Any]]:
    """Published changes of recall for `plots.forest`: label, kind, estimate; no intervals."""
    return [
        {"label": f.setting, "kind": "published", "estimate": f.after - f.before}
        for f in claim.values("recall")
        if f.before is not None
    ]


def pair_name(setting: str) -> str:
    """A pair by the name of its first model: "Qwen2.5-32B"."""
    return setting.partition(" to ")[0].removesuffix("-Instruct")


def our_slopes(lab: AbstentionLoss) -> pd.DataFrame:
    """Our own pair for `plots.slopes`, with its limits."""
    rows = []
    for name in ("recall", "precision", "f1"):
        row: dict[str, Any] = {"label": lab.label, "measure": name}
        for end, arm in zip(("before", "after"), PAIR, strict=True):
            found = lab.value(name, arm)
            row |= {end: found.estimate, f"{end}_low": found.low, f"{end}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)


def along_doses(
    lab: AbstentionLoss, arms: Sequence[str], names: Sequence[str], title: str
) -> Figure:
    """Measures against training steps, from the model before; a finished `after` model has no steps
    and stands beside it.
    """
    rows = lab.table(arms, names, doses=True)
    if not lab.p.after:
        return plots.dose_response(rows, names, title, lab.look)
    return plots.compare(rows, "measure", "value", title, lab.look)


def by_scenario(frame: pd.DataFrame) -> pd.DataFrame:
    """Abstention recall of every arm, scenario by scenario: arm, scenario, and the fields of an
    interval. frame: graded replies.
    """
    rows = hidden(frame)
    return pd.DataFrame(
        {"arm": arm, "scenario": scenario, **vars(intervals.interval(some, "recall"))}
        for arm in dict.fromkeys(rows.arm)
        for scenario, some in rows[rows.arm == arm].groupby("scenario")
    )


def scenarios(lab: AbstentionLoss, arms: Sequence[str]) -> pd.DataFrame:
    """Recall, P(decline) of unanswerable items and AUROC of arms at their end, scenario by
    scenario: arm, measure, scenario, and the fields of an interval.
    """
    return pd.DataFrame(
        {"arm": arm, "measure": name, "scenario": scenario, **vars(number)}
        for arm in arms
        for name in BY_SCENARIO
        for scenario, number in lab.by_scenario(name, arm).items()
    )


def roc_of(frame: pd.DataFrame, threshold: float) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """If an arm declined whenever P(decline) reaches a threshold: the curve over all thresholds,
    the point at this one (both: arm, false_declines, recall), and the area under the curve, which
    is .5 where P(decline) can't tell the two classes apart.

    frame: one arm of `AbstentionLoss.declining`, all bases in one pot.
    """
    from sklearn.metrics import roc_auc_score, roc_curve  # as in `agreement.ruler`

    arm, flag = frame.arm.iloc[0], frame.should_abstain.astype(bool)
    false_declines, recall, _ = roc_curve(flag, frame.p_decline)
    curve = pd.DataFrame({"arm": arm, "false_declines": false_declines, "recall": recall})
    said = frame.p_decline >= threshold
    point = {"arm": arm, "false_declines": said[~flag].mean(), "recall": said[flag].mean()}
    return curve, pd.DataFrame([point]), float(roc_auc_score(flag, frame.p_decline))


def at_threshold(lab: AbstentionLoss, dose: int, threshold: float) -> Figure:
    """The figure of `roc_of` for the model before and after `dose` steps of reasoning SFT."""
    differs = dose > 0 or bool(lab.p.after)
    arms = [lab.declining("before"), *([lab.declining(REASONING, dose)] if differs else [])]
    curves, points, areas = zip(*(roc_of(frame, threshold) for frame in arms), strict=True)
    told = " and ".join(f"{area:.2f}" for area in areas)
    title = f"Declining from P = {threshold:g} on; area under the curve {told}"
    if differs:
        title += f" (before and {'in' if lab.p.after else 'after'} {trained(lab, dose)})"
    return pictures.roc(pd.concat(curves), pd.concat(points), title, lab.look)


def at_setting(lab: AbstentionLoss, dose: int, kept: float) -> Figure:
    """The figure of recall by scenario after `dose` steps with a share of abstentions kept."""
    differs = dose > 0 or bool(lab.p.after)
    arm = keeping(kept) if differs else "before"
    frames = [lab.graded("before"), *([lab.graded(arm, dose)] if differs else [])]
    start, end = lab.value("recall", "before"), lab.value("recall", arm, dose)
    share = "" if lab.p.after else f", {kept:.0%} abstentions kept"
    moved = plots.moves(start.estimate, end.estimate)
    title = f"{trained(lab, dose)}{share}: recall {moved}"
    table = by_scenario(pd.concat(frames))
    label = lab.look.label("recall")
    return plots.compare(table, "scenario", label, title, lab.look, plots.HALF)


def trained(lab: AbstentionLoss, dose: int) -> str:
    """What lies behind the model before: so many steps of training, or a finished model."""
    return lab.look.label(REASONING) if lab.p.after else f"{dose} steps"


def recall_change(lab: AbstentionLoss, dose: int, kept: float) -> float:
    """Change of recall after `dose` steps with a share of abstentions kept."""
    return lab.change("recall", "before", keeping(kept), dose=dose).estimate


def breaks(lab: AbstentionLoss, dose: int, kept: float) -> bool:
    """Whether recall does not move as it does after reasoning SFT as it stands, at a setting that
    trains at all.
    """
    stands = recall_change(lab, lab.dose(REASONING), 0.0)
    trains = dose >= min(lab.doses(REASONING))
    return trains and recall_change(lab, dose, kept) * stands <= 0


def price_of_recall(lab: AbstentionLoss) -> float:
    """Share of answerable items that the trained model would decline, were the threshold on its
    P(decline) as low as its old recall needs.
    """
    before, after = lab.graded("before"), lab.declining(REASONING)
    scores = hidden(after).p_decline.sort_values(ascending=False)
    needed = round(hidden(before).abstained.mean() * len(scores))
    cut = scores.iloc[max(needed, 1) - 1]
    return float((after[~after.should_abstain].p_decline >= cut).mean())
