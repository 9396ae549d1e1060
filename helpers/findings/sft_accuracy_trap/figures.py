"""Tables and figures of notebook 3."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.sft_accuracy_trap.experiment import RIGHT, SftAccuracyTrap
from helpers.findings.sft_accuracy_trap.measures import NO_LEAK, PER_STEP
from helpers.lab.claims import Claim
from helpers.lab.items import Item
from helpers.lm import models
from helpers.lm.reasoning import answer_paths, infogain
from helpers.show import plots
from helpers.stats import intervals
from helpers.stats.intervals import Interval
from helpers.text import chains


def published_arithmetic(claim: Claim) -> pd.DataFrame:
    """The paper's two figures for one drop, and what its printed values give."""
    printed = [
        {"figure": f.setting, "value": f"{f.value:+.1f} %", "what it is": "as printed"}
        for f in claim.values("infogain_change")
    ]
    pairs = claim.values("infogain")
    names = [f"{f.setting}, {f.before} to {f.after}" for f in pairs] + ["mean of the two"]
    relative = [f.after / f.before - 1 for f in pairs]
    computed = [
        {"figure": name, "value": f"{value:+.1%}", "what it is": "computed from the printed values"}
        for name, value in zip(names, [*relative, np.mean(relative)], strict=True)
    ]
    return pd.DataFrame(printed + computed)


def told(lab: SftAccuracyTrap, item: Item, text: str) -> dict[str, Any]:
    """What a chain given as text tells the scorer of the first base: steps, nats (a token of the
    answer that each step tells), ppl (after 0, 1, ... steps), infogain, log_infogain.
    """
    steps = chains.steps_of(text)
    scorer = models.loaded(lab.scorer(lab.p.bases[0]), "float32")
    ((logp, n_tokens),) = answer_paths(scorer, [item.question], [item.answers[0]], [steps])
    ppl = np.exp(-logp / n_tokens)
    return {
        "steps": steps,
        "nats": np.diff(logp) / n_tokens,
        "ppl": ppl,
        "infogain": infogain(ppl),
        "log_infogain": float(logp[-1] - logp[0]) / n_tokens / max(len(steps), 1),
    }


def meter(lab: SftAccuracyTrap, item: Item, text: str) -> Figure:
    """What every step of a chain that the reader may rewrite tells the scorer."""
    found = told(lab, item, text)
    labels = [f"{i}. {step}" for i, step in enumerate(found["steps"], 1)]
    rows = pd.DataFrame({"label": labels, "estimate": found["nats"]})
    title = (
        f"{len(labels)} steps take the right answer's perplexity from {found['ppl'][0]:.2f} to "
        f"{found['ppl'][-1]:.2f}: {found['log_infogain']:.2f} nats a step"
    )
    scorer = lab.scorer(lab.p.bases[0])
    by = f"scorer {scorer.about.get('name', scorer.name)}"
    stamp = f"{by} · {lab.stamp(1, lab.p.bases[:1], lab.p.seeds[:1])}"
    xlabel = "nats a token that the step tells of the right answer"
    return plots.forest(rows, xlabel, title, lab.look.stamped(stamp))


def wording_table(lab: SftAccuracyTrap) -> pd.DataFrame:
    """The gain of the teachers' own chains, in all, beside that of the arms: label, kind and
    interval.
    """
    rows = [
        {
            "label": f"the {name.replace('_', '-')} teacher's own chains",
            "kind": "teacher",
            **vars(intervals.interval(lab.wording("before"), f"{name}_total")),
        }
        for name in ([] if lab.p.questions else RIGHT)
    ]
    rows += [
        {
            "label": f"chains of {lab.look.label(arm)}",
            "kind": "arm",
            **vars(lab.value("log_total_gain", arm)),
        }
        for arm in ("before", "reasoning_sft", "verbose_sft")
    ]
    return pd.DataFrame(rows)


def by_outcome(lab: SftAccuracyTrap, arms: Sequence[str]) -> pd.DataFrame:
    """The gain in all, in nats a token, of chains that end right and of those that end wrong:
    label, kind, and the fields of an interval; none where an arm has no such chain.
    """
    rows = []
    for arm in arms:
        read = lab.reading(arm)
        right = read.chain_accuracy.astype(bool)
        for ends, flag in (("right", right), ("wrong", ~right)):
            if flag.any():
                told = read.assign(flag=flag.astype(float))
                found = intervals.mean_where(told, "log_total_gain", "flag", (-inf, inf))
                label = f"{lab.look.label(arm)}: {flag.mean():.0%} end {ends}"
                rows.append({"label": label, "kind": ends, **vars(found)})
    return pd.DataFrame(rows)


def changes(lab: SftAccuracyTrap, arms: Sequence[str], gain: str = "log_infogain") -> pd.DataFrame:
    """Change of a gain a step by teacher: arm, measure (as it is, told in as many steps as before,
    without leaks), and the fields of an interval.
    """
    rows = []
    for arm in arms:
        ways = {
            "as it is": lab.change(gain, "before", arm),
            "told in as many steps as before": lab.equal_steps(gain, arm),
            "without steps that state the answer": lab.change(f"{gain}{NO_LEAK}", "before", arm),
        }
        rows += [{"arm": arm, "measure": way, **vars(moved)} for way, moved in ways.items()]
    return pd.DataFrame(rows)


def every_change(lab: SftAccuracyTrap, arm: str) -> pd.DataFrame:
    """The change of each of `PER_STEP` after one teacher, three ways, as text: a row a gain."""
    rows = [
        {"gain": lab.look.label(gain), "measure": row.pop("measure"), "change": shown(row)}
        for gain in PER_STEP
        for row in changes(lab, [arm], gain).drop(columns="arm").to_dict("records")
    ]
    return pd.DataFrame(rows).pivot(index="gain", columns="measure", values="change")


def shown(fields: dict[str, Any]) -> str:
    """An interval, given by its fields, as text."""
    return str(Interval(**fields))


def at_verbosity(lab: SftAccuracyTrap, verbosity: float) -> Figure:
    """Where the change of the gain a step comes from, for a teacher of some verbosity."""
    table = lab.split(lab.of_verbosity(verbosity)).rename(columns={"part": "label"})
    moved = table.estimate.iloc[-1]
    title = f"Verbosity {verbosity:g}: the gain a step changes by {moved:+.2f} nats"
    return plots.forest(table, "change of the gain a step, nats", title, lab.look)
