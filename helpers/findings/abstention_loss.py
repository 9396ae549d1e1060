"""Finding 1, abstention loss: does reasoning fine-tuning make a model stop saying "I don't know"?

Claim and rule: data/published.yaml, `abstention_loss` (Kirichenko et al., arXiv 2506.09038).
"""

import itertools
from dataclasses import replace
from typing import Annotated, Any

import pandas as pd
from pydantic import Field
from sklearn.metrics import roc_auc_score, roc_curve

from helpers import experiment, statistics
from helpers.experiment import EVALUATION_SEED, quietly_load
from helpers.lab import items
from helpers.lab.record import Claim, Measure, Record
from helpers.lm import models
from helpers.lm.generation import CLOSE, generate
from helpers.lm.models import LM, OPEN, opens_chain
from helpers.lm.scoring import decline_probability
from helpers.show import plots
from helpers.statistics import Control, Gate, Interval, bootstrap, paired_bootstrap
from helpers.text import answers
from helpers.train.recipes import RECIPES, Recipe

REASONING, KEEP, ANSWER = "reasoning_sft", "reasoning_sft_keep", "answer_sft"
CORPUS_SHARE = RECIPES[KEEP].abstention_share
MORE_SHARES = [0.02, 0.05, 0.1, 0.2]
THRESHOLDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.5, 0.9]
MEASURES = (
    "recall",
    "precision",
    "f1",
    "false_declines",
    "accuracy",
    "no_answer",
    "d_prime",
    "criterion",
)
MACRO = ("recall", "false_declines")
"""Means over scenarios; the others are over all items."""
FEWEST_ITEMS, LEAST_ACCURACY, LEAST_READABLE, LEAST_RECALL, LEAST_KAPPA = 50, 0.3, 0.95, 0.2, 0.6
"""Gates and the ruler's control, fixed in advance."""
JUDGE_ERRORS = 0.12
"""Share of a judge's calls that a shown label could sway: the published judge was right on ~.88."""


class Params(experiment.Params):
    """Parameters of notebook 1."""

    n_pairs: Annotated[int, Field(ge=2)]
    doses: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    after: str
    prefix: Annotated[str, Field(min_length=1)]
    temperature: Annotated[float, Field(ge=0)]
    top_p: Annotated[float, Field(gt=0, le=1)]
    judge: str

    @property
    def dose(self) -> int:
        """The dose that the verdict is about: the largest."""
        return max(self.doses)

    @property
    def trained(self) -> list[int]:
        """Doses at which the reasoning arm is looked at; a finished `after` model has but one."""
        return [self.dose] if self.after else sorted({*self.doses} - {0})


class Experiment(experiment.Experiment):
    """Asks every arm the same items; what an arm replied is kept for the session."""

    finding = "abstention_loss"

    def __init__(self, p: Params):
        """Raises ValueError when nothing would be trained, a class of questions is missing, or
        `after` is `model` itself, without a switch for thinking.
        """
        if p.dose == 0 and not p.after:
            raise ValueError(f"doses are {p.doses}: at least one must be above 0 training steps.")
        if p.after == p.model and not quietly_load(p.model).switched:
            raise ValueError(
                f"Parameter 'after' is the model itself, '{p.model}', which has no switch for "
                "thinking: name a model that was tuned to reason, or leave it empty."
            )
        super().__init__(p, items.of_both_kinds(p.questions, p.n_pairs, EVALUATION_SEED))
        self._replies: dict[tuple, pd.DataFrame] = {}

    def model(self, arm: str, seed: int, dose: int) -> str:
        """As for every experiment; a finished `after` model stands in for the reasoning arm."""
        return self.p.after if arm == REASONING and self.p.after else super().model(arm, seed, dose)

    def recipe(self, arm: str) -> Recipe:
        """A named recipe, or reasoning SFT with a share of abstentions kept ("kept 0.1")."""
        if arm in RECIPES:
            return RECIPES[arm]
        return replace(RECIPES[KEEP], abstention_share=float(arm.removeprefix("kept ")))

    def seeds(self, arm: str) -> list[int]:
        """The seeds in which an arm differs: one model decoded greedily replies the same in all."""
        fixed = arm == "before" or (arm == REASONING and self.p.after)
        if fixed and self.p.model != "pocket" and self.p.temperature == 0:
            return self.p.seeds[:1]
        return self.p.seeds

    def responses(self, arm: str, dose: int | None = None, prefix: str = "") -> pd.DataFrame:
        """Replies of an arm in all its seeds, graded, a row a seed and item.

        dose: training steps, by default the largest; prefix: a forced beginning of the reply.
        Columns: item, scenario, should_abstain, arm, seed, dose, prefix, text, trace, final,
        answer, abstained, correct, outcome, no_answer, truncated, n_tokens.
        """
        dose = 0 if arm == "before" else self.p.dose if dose is None else dose
        key = (arm, dose, prefix)
        if key not in self._replies:
            frames = [
                self._ask(self.lm(arm, seed, dose), seed, prefix).assign(
                    arm=arm, seed=seed, dose=dose, prefix=prefix
                )
                for seed in self.seeds(arm)
            ]
            self._replies[key] = pd.concat(frames, ignore_index=True)
        return self._replies[key]

    def lm(self, arm: str, seed: int, dose: int) -> LM:
        """An arm, loaded; where `after` has the same weights, before does not think."""
        direct = arm == "before" and self.p.after == self.p.model
        return quietly_load(self.model(arm, seed, dose), thinking=not direct)

    def _ask(self, lm: LM, seed: int, prefix: str) -> pd.DataFrame:
        prompts = [lm.prompt(item.question, prefix) for item in self.items]
        decoding = (self.p.max_new_tokens, self.p.temperature, self.p.top_p, seed)
        opening = prefix or (OPEN if opens_chain(prompts[0]) else "")
        rows = []
        for item, reply in zip(self.items, generate(lm, prompts, *decoding), strict=True):
            reply = replace(reply, text=f"{opening} {reply.text}".strip())
            row = {"item": item.id, "scenario": item.scenario, "text": reply.text}
            row |= {"should_abstain": item.should_abstain, **answers.grade(item, reply)}
            rows.append(row | {"truncated": reply.truncated, "n_tokens": reply.n_tokens})
        frame = pd.DataFrame(rows)
        return frame.assign(no_answer=frame.outcome == "no_answer")

    def declining(self, arm: str, dose: int | None = None) -> pd.DataFrame:
        """`responses` with p_decline: probability that the answer opens like a declining one.

        It is read where the answer begins, after the arm's own chain if it wrote one.
        """
        frame = self.responses(arm, dose)
        if "p_decline" not in frame:
            values = []
            for seed, rows in frame.groupby("seed", sort=False):
                lm = self.lm(arm, seed, int(frame.dose.iloc[0]))
                pairs = zip(self.items, rows.text, strict=True)
                prompts = [lm.prompt(item.question, chain_of(text)) for item, text in pairs]
                values += decline_probability(lm, prompts).tolist()
            frame["p_decline"] = values
        return frame

    def everything(self) -> pd.DataFrame:
        """All replies that the record is made of, arms never asked before included."""
        asked = [self.responses("before")]
        asked += [self.responses(REASONING, dose) for dose in self.p.trained]
        asked += [self.responses(arm) for arm in self.control_arms]
        asked += [self.responses(arm, prefix=self.p.prefix) for arm in ("before", REASONING)]
        return pd.concat(asked, ignore_index=True)

    @property
    def settings(self) -> dict[str, list]:
        """Doses and shares of abstentions kept whose arms are trained anyway."""
        return {"dose": [self.p.dose], "kept": [0.0] if self.p.after else [0.0, CORPUS_SHARE]}

    @property
    def slower_settings(self) -> dict[str, list]:
        """Settings whose replies, or whose training, take time when first asked for."""
        return {} if self.p.after else {"dose": self.p.trained, "kept": MORE_SHARES}

    @property
    def control_arms(self) -> tuple[str, ...]:
        """Arms trained as long for comparison; a finished `after` model has none."""
        return () if self.p.after else (KEEP, ANSWER)


def keeping(share: float) -> str:
    """The arm of reasoning SFT whose data keep a share of abstentions."""
    return {0.0: REASONING, CORPUS_SHARE: KEEP}.get(share, f"kept {share:g}")


def chain_of(text: str) -> str:
    """The chain that a reply opens with, to go on from; "" when there is none."""
    chain, closed, after = text.partition(CLOSE)
    space = after[: len(after) - len(after.lstrip())] or " "  # as the model wrote it
    return f"{chain}{closed}{space}" if closed else ""


def measure(frame: pd.DataFrame, name: str) -> Interval:
    """One of `MEASURES` of one arm at one dose."""
    return bootstrap(frame, name, macro=name in MACRO and has_pairs(frame))


def has_pairs(frame: pd.DataFrame) -> bool:
    """Whether there are scenarios to average over on both sides ("plain" items have none)."""
    return all((rows.scenario != "plain").any() for _, rows in frame.groupby("should_abstain"))


def measures(frame: pd.DataFrame) -> pd.DataFrame:
    """Every measure of every arm and dose: arm, dose, measure, estimate, low, high, n, seeds."""
    free = frame[frame.prefix == ""]
    return pd.DataFrame(
        {"arm": arm, "dose": dose, "measure": name, **vars(measure(rows, name))}
        for (arm, dose), rows in free.groupby(["arm", "dose"], sort=False)
        for name in MEASURES
    )


def by_scenario(frame: pd.DataFrame) -> pd.DataFrame:
    """Abstention recall of every arm, scenario by scenario: arm, scenario, estimate, low, high."""
    hidden = frame[frame.should_abstain]
    return pd.DataFrame(
        {"arm": arm, "scenario": scenario, **vars(bootstrap(rows, "recall"))}
        for arm in dict.fromkeys(frame.arm)
        for scenario, rows in hidden[hidden.arm == arm].groupby("scenario")
    )


def change(before: pd.DataFrame, after: pd.DataFrame, name: str = "recall") -> Interval:
    """How much a measure differs between two arms on the same items: after minus before."""
    return paired_bootstrap(before, after, name, macro=name in MACRO and has_pairs(before))


def ruler(judge: str = "") -> pd.DataFrame:
    """How good the rules for "it declined" are, on hand-labelled replies they were not tuned on.

    Columns: ruler, measure, estimate, low, high, n, seeds. judge: name of a model that judges the
    same replies, its prompt our own and without the label; "" for the rules alone.
    """
    labelled = answers.labelled_responses().query("split == 'test'")
    said = {"phrase rules": [answers.abstained(text) for text in labelled.response]}
    if judge:
        lm = models.load(judge)
        pairs = zip(labelled.question, labelled.response, strict=True)
        said[f"judge {judge}"] = [answers.judge(lm, q, r) for q, r in pairs]
    rows = []
    for name, flags in said.items():
        scores = statistics.binary_scores(flags, labelled.abstains)
        scores["kappa"] = statistics.kappa(labelled.abstains, flags)
        rows += [{"ruler": name, "measure": m, **vars(score)} for m, score in scores.items()]
    return pd.DataFrame(rows)


def leaning_judge(frame: pd.DataFrame, errors: float = JUDGE_ERRORS) -> pd.DataFrame:
    """What a judge would report that sees the true label and follows it in a share of its calls.

    frame: replies of some arms. Expected values, exact: recall r becomes r + e (1 - r), false
    declines f become f (1 - e). Rows: arm; columns: recall, false declines and precision, without
    and with the label.
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


def gates(lab: Experiment) -> list[Gate]:
    """What must be so before a change of recall means anything."""
    before, after = lab.responses("before"), lab.responses(REASONING)
    accuracy = min(measure(arm, "accuracy").estimate for arm in (before, after))
    arms = [before, after, *(lab.responses(arm) for arm in lab.control_arms)]
    arms += [lab.responses(arm, prefix=lab.p.prefix) for arm in ("before", REASONING)]
    lost = [arm.groupby("should_abstain").no_answer.mean().max() for arm in arms]
    hidden = before[before.should_abstain].item.nunique()
    recall = measure(before, "recall").estimate
    found = [
        Gate("accuracy on answerable items, lower of before and after", accuracy, LEAST_ACCURACY),
        Gate(
            "replies with an answer or a decline, in the worst arm and class",
            1 - max(lost),
            LEAST_READABLE,
        ),
        Gate("recall before: what is not there can't be lost", recall, LEAST_RECALL),
        Gate("unanswerable items", float(hidden), FEWEST_ITEMS),
    ]
    if lab.p.after:
        found.append(Gate("control arms, which a finished model does not come with", 0.0, 2.0))
    return found


def controls(lab: Experiment) -> list[Control]:
    """What could sink the finding: differences of recall that must be negative, and the ruler."""
    after = lab.responses(REASONING)
    names = {
        KEEP: "recall, minus that of equal training with abstentions kept",
        ANSWER: "recall, minus that of equal training on answers alone",
    }
    opened = [lab.responses(arm, prefix=lab.p.prefix) for arm in ("before", REASONING)]
    agreement = ruler().query("measure == 'kappa'").iloc[0]
    kappa = Interval(*agreement[["estimate", "low", "high", "n"]].tolist())
    found = [Control(names[arm], change(lab.responses(arm), after), -1) for arm in lab.control_arms]
    return [
        *found,
        Control(f"change of recall, both arms opened with {lab.p.prefix}", change(*opened), -1),
        Control("agreement of the phrase rules with hand labels (kappa)", kappa, 1, LEAST_KAPPA),
    ]


def result(lab: Experiment, forecast: float, seconds: float) -> Record:
    """The record of the run: every measure, gate and control, and the verdict on them."""
    before, after = lab.responses("before"), lab.responses(REASONING)
    kept = []

    def keep(*measure, **where) -> None:
        kept.append(lab.measure(*measure, **where))

    for name in MEASURES:
        keep(change(before, after, name), f"{name}_change", REASONING, dose=lab.p.dose)
    scored = [lab.declining(arm) for arm in ("before", REASONING)]
    keep(paired_bootstrap(*scored, "auroc"), "auroc_change", REASONING, dose=lab.p.dose)
    for arm, dose, frame in zip(("before", REASONING), (0, lab.p.dose), scored, strict=True):
        keep(bootstrap(frame, "auroc"), "auroc", arm, dose=dose)
    everything = lab.everything()
    for row in measures(everything).itertuples():
        keep(row, row.measure, row.arm, dose=row.dose)
    ends = [before, after, *(lab.responses(arm) for arm in lab.control_arms)]
    for row in by_scenario(pd.concat(ends)).itertuples():
        dose = 0 if row.arm == "before" else lab.p.dose
        keep(row, "recall", row.arm, row.scenario, dose)
    for scenario, rows in before[before.should_abstain].groupby("scenario"):
        same = after[after.should_abstain & (after.scenario == scenario)]
        moved = paired_bootstrap(rows, same, "recall")
        keep(moved, "recall_change", REASONING, scenario, lab.p.dose)
    for row in ruler(lab.p.judge).itertuples():
        keep(row, f"{row.measure} of the ruler", row.ruler)
    primary, held, passed = change(before, after), controls(lab), gates(lab)
    found = statistics.verdict(primary, -1, held, passed)
    return lab.record(kept, passed, held, found, forecast, seconds)


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


def our_slopes(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """Our own pair for `plots.slopes`, from the table of `measures`."""
    rows = []
    last = table[table.arm == REASONING].dose.max()
    for name in ("recall", "precision", "f1"):
        row: dict[str, Any] = {"label": label, "measure": name}
        for end, arm, dose in (("before", "before", 0), ("after", REASONING, last)):
            cell = (table.arm == arm) & (table.dose == dose) & (table.measure == name)
            found = table[cell].iloc[0]
            row |= {end: found.estimate, f"{end}_low": found.low, f"{end}_high": found.high}
        rows.append(row)
    return pd.DataFrame(rows)


def roc_of(frame: pd.DataFrame, threshold: float) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """If an arm declined whenever P(decline) reaches a threshold: the curve over all thresholds,
    the point at this one (both: arm, false_declines, recall), and the area under the curve, which
    is .5 where P(decline) can't tell the two classes apart.

    frame: one arm of `Experiment.declining`.
    """
    arm, flag = frame.arm.iloc[0], frame.should_abstain.astype(bool)
    false_declines, recall, _ = roc_curve(flag, frame.p_decline)
    curve = pd.DataFrame({"arm": arm, "false_declines": false_declines, "recall": recall})
    said = frame.p_decline >= threshold
    point = {"arm": arm, "false_declines": said[~flag].mean(), "recall": said[flag].mean()}
    return curve, pd.DataFrame([point]), float(roc_auc_score(flag, frame.p_decline))


def at_threshold(lab: Experiment, dose: int, threshold: float):
    """The figure of `roc_of` for the model before and after `dose` steps of reasoning SFT."""
    arms = [lab.declining("before"), *([lab.declining(REASONING, dose)] if dose else [])]
    curves, points, areas = zip(*(roc_of(frame, threshold) for frame in arms), strict=True)
    told = " and ".join(f"{area:.2f}" for area in areas)
    title = f"Declining from P = {threshold:g} on; area under the curve {told}"
    if dose:
        title += f" (before and after {dose} steps)"
    return plots.roc(pd.concat(curves), pd.concat(points), title, lab.stamp)


def at_setting(lab: Experiment, dose: int, kept: float):
    """The figure of recall by scenario after `dose` steps with a share of abstentions kept."""
    before = lab.responses("before")
    after = lab.responses(keeping(kept), dose) if dose else before
    table = by_scenario(pd.concat([before, after]) if dose else before)
    start, end = (measure(arm, "recall").estimate for arm in (before, after))
    title = f"{dose} steps, {kept:.0%} abstentions kept: recall {plots.moves(start, end)}"
    return plots.compare(table, "scenario", plots.named("recall"), title, lab.stamp, plots.HALF)


def recall_change(lab: Experiment, dose: int, kept: float) -> float:
    """Change of recall after `dose` steps with a share of abstentions kept."""
    return change(lab.responses("before"), lab.responses(keeping(kept), dose)).estimate


def breaks(lab: Experiment, dose: int, kept: float) -> bool:
    """Whether recall does not fall at a setting that trains at all."""
    return dose >= min(lab.p.trained) and recall_change(lab, dose, kept) >= 0


def price_of_recall(lab: Experiment) -> float:
    """Share of answerable items that the trained model would decline, were the threshold on its
    P(decline) as low as its old recall needs.
    """
    before, after = lab.responses("before"), lab.declining(REASONING)
    hidden = after[after.should_abstain].p_decline.sort_values(ascending=False)
    needed = round(before[before.should_abstain].abstained.mean() * len(hidden))
    cut = hidden.iloc[max(needed, 1) - 1]
    return float((after[~after.should_abstain].p_decline >= cut).mean())


def changed(lab: Experiment, forecast: float) -> str:
    """Forecast beside measured, in words."""
    moved = change(lab.responses("before"), lab.responses(REASONING))
    inside = moved.low <= forecast <= moved.high
    return (
        f"Forecast: {forecast:+.2f}. Measured: **{moved}** ({moved.n} unanswerable items, seeds "
        f"{', '.join(map(str, lab.p.seeds))}). The forecast lies "
        f"{'inside' if inside else 'outside'} the interval. {direction(moved)}"
    )


def direction(moved: Interval) -> str:
    """What an interval of a change of recall says by itself."""
    if moved.high < 0:
        return "The interval excludes zero: the model declines less often when it should."
    if moved.low > 0:
        return "The interval excludes zero on the other side: the model declines *more* often."
    return "The interval holds zero: no change is shown."


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    found = {(m.name, m.arm, m.scenario, m.dose): m for m in record.measures}
    doses = sorted({m.dose for m in record.measures if m.arm == REASONING})
    last = doses[-1]
    moved, criterion, d_prime, false, auroc = (
        found[f"{name}_change", REASONING, "all", last]
        for name in ("recall", "criterion", "d_prime", "false_declines", "auroc")
    )
    path = [found["recall", "before", "all", 0]]
    path += [found["recall", REASONING, "all", dose] for dose in doses]
    scenarios = {
        m.scenario: m.estimate
        for m in record.measures
        if m.name == "recall_change" and m.scenario != "all"
    }
    where = where_it_fell(scenarios) if moved.high < 0 else ""
    return record.in_words(
        f"**{shape_of_loss(moved, path)}** At dose {last}, abstention recall "
        f"{plots.moves(path[0].estimate, path[-1].estimate)}: a change of {moved} "
        f"(n = {moved.n}, seeds {', '.join(map(str, record.seeds))}, model {record.model}). "
        f"{where}\n\nThe sensitivity d' changed by {d_prime}, the criterion c by "
        f"{criterion}, the rate of false declines by {false}; the area under the ROC curve of "
        f"P(decline) by {auroc}. {can_t_or_won_t(moved, auroc)}"
    )


def shape_of_loss(moved: Measure, path: list[Measure]) -> str:
    """Whether recall was lost, wholly or in part, and whether the loss grows with the dose.

    moved: the change at the last dose; path: recall before and at every dose, in order.
    """
    if moved.low > 0:
        return "Recall rose: the opposite of the published loss."
    if moved.high >= 0:
        return "No loss of abstention is shown: the interval of the change holds zero."
    size = "The loss is total." if path[-1].high < 0.1 else "The loss is partial."
    if len(path) < 3:
        return size
    drop = path[0].estimate - path[-1].estimate
    if any(later.low > earlier.high for earlier, later in itertools.pairwise(path)):
        return f"{size} It does not grow steadily with the dose: recall rises in between."
    share = [(path[0].estimate - m.estimate) / drop for m in path[1:-1]]
    if any(0.15 < s < 0.85 for s in share):
        return f"{size} It is graded: it grows with the dose."
    jump = next((m for m, s in zip(path[1:-1], share, strict=True) if s >= 0.85), path[-1])
    return f"{size} It is not graded: it comes at once, by dose {jump.dose}."


def where_it_fell(scenarios: dict[str, float]) -> str:
    """Which scenarios carry a loss, from their changes of recall."""
    if len(scenarios) < 2:
        return ""
    ordered = sorted(scenarios, key=scenarios.get)
    most, least = ordered[0], ordered[-1]
    drops = [max(0.0, -value) for value in scenarios.values()]
    text = (
        f"By scenario the change goes from {scenarios[most]:+.2f} (*{plots.named(most)}*) to "
        f"{scenarios[least]:+.2f} (*{plots.named(least)}*)."
    )
    if max(drops) > 0.6 * sum(drops):
        text += " More than six tenths of the loss sit in that one scenario."
    return text


def can_t_or_won_t(recall: Measure, auroc: Measure) -> str:
    """Lost ability ("can't tell") or lost willingness ("won't say"), from changes of recall and of
    the area under the ROC curve of P(decline).

    d' and c don't decide it: where false declines are near zero already, any fall of recall lowers
    the one and raises the other.
    """
    told = {
        -1: "P(decline) tells the two kinds of question apart less well than before",
        0: "no change is shown in how well P(decline) tells the two kinds of question apart",
        1: "P(decline) tells the two kinds of question apart better than before",
    }[sign(auroc)]
    if sign(recall) >= 0:
        return told[0].upper() + told[1:] + "."
    if sign(auroc) < 0:
        return f"Recall fell, and {told}: at least in part, it can't tell."
    return f"Recall fell, but {told}: it won't say, rather than can't tell."


def sign(change: Interval | Measure) -> int:
    """-1 or +1 where the interval of a change lies on one side of zero, else 0."""
    return (change.low > 0) - (change.high < 0)
