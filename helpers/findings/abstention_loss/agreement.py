"""How good the ruler is: rules, and beside them a classifier and judges, that say whether a reply
declines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from helpers.lab.verdicts import Gate
from helpers.stats import intervals
from helpers.text import abstention

if TYPE_CHECKING:
    from helpers.findings.abstention_loss.experiment import AbstentionLoss

RULES, CLASSIFIER = "phrase rules", "linear classifier"
KEPT_JUDGE = "judge Qwen2.5-Coder-1.5B-Instruct"
"""The rulers that are measured always; what the judge said is kept beside the labels."""
LEAST_KAPPA = 0.6
"""Gate, fixed in advance: agreement is usually called substantial from here on."""
JUDGE_ERRORS = 0.12
"""Share of a judge's calls that a shown label could sway: the published judge was right on ~.88."""


class Agrees:
    """Gate: the phrase rules agree with labelled replies, by the lower limit of Cohen's kappa."""

    def check(self, lab: AbstentionLoss) -> Gate:
        """The gate; it is about the rules alone, whatever the arms reply."""
        rows = labelled()
        agreement = intervals.kappa(rows.abstains, said_by_rules(rows))
        name = "agreement of the phrase rules with labelled replies, lower limit of kappa"
        return Gate(name, agreement.low, LEAST_KAPPA)


def labelled() -> pd.DataFrame:
    """The labelled replies of real models that neither rules nor classifier were made on."""
    return abstention.labelled_responses().query("split == 'test'").reset_index(drop=True)


def quoted() -> pd.DataFrame:
    """Those of them whose question is here, and not only named: what a judge can be asked."""
    rows = labelled()
    return rows[~rows.question.str.startswith("GSM8K ")].reset_index(drop=True)


def said_by_rules(rows: pd.DataFrame) -> list[bool]:
    """What the phrase rules say of labelled replies."""
    return [abstention.abstained(text) for text in rows.response]


def ruler(lab: AbstentionLoss) -> pd.DataFrame:
    """How good every ruler is on labelled replies, a run's own judge among them where there is one:
    ruler, measure, estimate, low, high, n.
    """
    from helpers.text import classifier  # sklearn takes .3 s, which the first figure can spare

    rows = labelled()
    own = rows[rows.judge.notna()]  # where it said yes or no
    said = {
        RULES: (rows, said_by_rules(rows)),
        CLASSIFIER: (rows, classifier.abstained(rows.response).tolist()),
        KEPT_JUDGE: (own, own.judge.astype(bool).tolist()),
    }
    if lab.p.judge:
        found, shown = lab.judged("judge", 0), quoted()
        first = found[found.base == lab.p.bases[0]].set_index("item").declined
        said[f"judge {lab.p.judge}"] = (shown, first[shown.id].tolist())
    fields = ["estimate", "low", "high", "n"]
    found = []
    for name, (asked, flags) in said.items():
        scores = intervals.binary_scores(flags, asked.abstains)
        agree = int((asked.abstains == flags).sum())
        scores["agreement"] = intervals.wilson(agree, len(asked))
        scores["kappa"] = intervals.kappa(asked.abstains, flags)
        for measure, score in scores.items():
            numbers = {field: getattr(score, field) for field in fields}
            found.append({"ruler": name, "measure": measure, **numbers})
    return pd.DataFrame(found)


def confusion() -> pd.DataFrame:
    """What the phrase rules read in the labelled replies of real models: a row a kind of reply, as
    labelled, and a column what the rules found.
    """
    rows = labelled()
    declines = [abstention.decline(text) for text in rows.response]
    found = pd.Series([one.kind if one else "an answer" for one in declines], name="read as")
    kinds = rows.kind.str.replace("_", " ").rename("labelled")
    return pd.crosstab(kinds, found)


def leaning_judge(frame: pd.DataFrame, errors: float = JUDGE_ERRORS) -> pd.DataFrame:
    """What a judge would report that sees the true label and follows it in a share of its calls.

    frame: graded replies of some arms. Expected values, exact: recall r becomes r + e (1 - r),
    false declines f become f (1 - e). Rows: arm; columns: recall, false declines and precision,
    without and with the label.
    """
    rates = frame.groupby(["arm", "should_abstain"], sort=False).abstained.mean().unstack()
    odds = (~frame.should_abstain.astype(bool)).sum() / frame.should_abstain.sum()
    columns = {}
    for tag, recall, false in (
        ("", rates[True], rates[False]),
        (", label shown", rates[True] + errors * (1 - rates[True]), rates[False] * (1 - errors)),
    ):
        columns |= {f"recall{tag}": recall, f"false declines{tag}": false}
        columns[f"precision{tag}"] = recall / (recall + odds * false)
    return pd.DataFrame(columns)
