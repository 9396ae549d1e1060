"""Finding 3, the SFT accuracy trap: accuracy up, information per step down?

Claim and rule: data/published.yaml, `sft_accuracy_trap` (Wu et al., arXiv 2506.02126).
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pydantic import Field, model_validator

from helpers import experiment, statistics
from helpers.experiment import EVALUATION_SEED, quietly_load
from helpers.lab import items
from helpers.lab.items import Item
from helpers.lab.record import Claim, Record
from helpers.lm import models
from helpers.lm.generation import generate
from helpers.lm.models import LM
from helpers.lm.scoring import token_logprobs
from helpers.show import plots
from helpers.show.widgets import progress
from helpers.statistics import Control, Gate, Interval, bootstrap, paired_bootstrap
from helpers.text import answers, chains
from helpers.text.chains import CLOSE, OPEN
from helpers.train.recipes import RECIPES, Recipe
from helpers.world.teachers import taught

TERSE, VERBOSE, POST_HOC, WRONG = "reasoning_sft", "verbose_sft", "post_hoc_sft", "wrong_chain_sft"
ARMS = (TERSE, VERBOSE, POST_HOC, WRONG)
GAINS = ("infogain", "total_gain", "log_infogain", "log_total_gain")
MATCHED, NO_LEAK = "_matched", "_no_leak"
"""Marks of a gain over as many first steps as both chains have; without leaking steps."""
MEASURES = (
    "accuracy",
    "chain_accuracy",
    *GAINS,
    *(f"{name}{NO_LEAK}" for name in GAINS),
    "infogain_released",
    "n_steps",
    "leaking_steps",
)
LEAST_ACCURACY, LEAST_PARSED, FEWEST_ITEMS = 0.3, 0.95, 50
"""Gates, fixed in advance."""
BATCH_SIZE = 16
AFTER, SPAN = f" {CLOSE} ", "The answer is {}"
"""The answer span that is scored, a sentence: the perplexity of one bare number is 1 / p, and a
mean of these is a mean of whichever item the scorer was most wrong about.
"""


class Params(experiment.Params):
    """Parameters of notebook 3."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    verbosities: list[Annotated[float, Field(ge=0, le=1)]]
    scorer: str

    @model_validator(mode="after")
    def somebody_scores(self) -> Self:
        """Raises ValueError where no third model would score the chains."""
        if not self.scorer and self.model != "pocket":
            raise ValueError(
                f"Parameter 'scorer' is empty: name a third model that scores the chains of "
                f"'{self.model}', such as 'pocket' for the pocket world's stories."
            )
        return self

    @property
    def doses(self) -> list[int]:
        """The one dose of every arm."""
        return [self.dose]


class Experiment(experiment.Experiment):
    """Asks every arm for its own chains on the same items; a third, untrained model scores them."""

    finding = "sft_accuracy_trap"

    def __init__(self, p: Params):
        """Raises ValueError when no question has an answer, or one that the scorer can't read."""
        self.steps = experiment.steps_asked(p.tier)
        super().__init__(p, items.answerable(p.questions, p.n_items, EVALUATION_SEED, self.steps))
        if p.questions:
            legible(third(p.scorer, p.seeds[0]), self.items)
        self._read: dict[str, pd.DataFrame] = {}
        self._words: pd.DataFrame | None = None

    def recipe(self, arm: str) -> Recipe:
        """A teacher's recipe, or that of a teacher of some verbosity ("verbosity 0.5")."""
        changes = {"learning_rate": self.p.learning_rate, "batch_size": BATCH_SIZE}
        if arm not in RECIPES:
            changes["verbosity"] = float(arm.removeprefix("verbosity "))
        return replace(RECIPES.get(arm, RECIPES[VERBOSE]), **changes)

    def reading(self, arm: str) -> pd.DataFrame:
        """What an arm writes and what its chains are worth to the scorer, a row a seed and item.

        Columns: item, arm, seed, correct, those of `MEASURES`, chain, steps, ppl, leaks, parsed.
        """
        if arm not in self._read:
            frames = []
            for seed in self.p.seeds:
                lm = quietly_load(self.model(arm, seed, self.p.dose))
                rows = self._measure(lm, third(self.p.scorer, seed))
                frames.append(rows.assign(arm=arm, seed=seed))
            self._read[arm] = pd.concat(frames, ignore_index=True)
        return self._read[arm]

    def _measure(self, lm: LM, scorer: LM) -> pd.DataFrame:
        questions = [item.question for item in self.items]
        free = generate(lm, [lm.prompt(q) for q in questions], self.p.max_new_tokens)
        own = chains.own_chains(lm, questions, self.p.max_new_tokens)
        rows = []
        work = zip(self.items, free, own, strict=True)
        for item, reply, chain in progress(work, len(own), f"{lm.name}: information"):
            row = worth(scorer, item, chain.steps)
            row["correct"] = answers.grade(item, reply)["correct"]
            row["chain_accuracy"] = answers.accepted(item, chain.answer)
            rows.append(row | {"parsed": chain.closed and bool(chain.steps)})
        return pd.DataFrame(rows)

    def wording(self) -> pd.DataFrame:
        """InfoGain of the teachers' own chains, right by construction: what the words alone do to
        the scorer. Columns: seed, item, terse, verbose; empty for questions of a file.
        """
        if self.p.questions:
            return pd.DataFrame()
        if self._words is None:
            rows = []
            told = items.stories(self.p.n_items, EVALUATION_SEED, self.steps)
            for seed in self.p.seeds:
                scorer = third(self.p.scorer, seed)
                for item, story in zip(self.items, told, strict=True):
                    row = {"seed": seed, "item": item.id}
                    for name, verbosity in (("terse", 0.0), ("verbose", 1.0)):
                        text = taught(story, random.Random(item.id), verbosity=verbosity)
                        logp, n = answer_path(scorer, item, chains.chain_of(text))
                        row[name] = infogain(np.exp(-logp / n))
                    rows.append(row)
            self._words = pd.DataFrame(rows)
        return self._words


def third(name: str, seed: int) -> LM:
    """The fixed scorer: a model by name, or the pocket of the next seed, untrained."""
    if not name:
        shipped = sorted(int(f.name.removeprefix("seed")) for f in models.POCKET.glob("seed*"))
        name = f"pocket-{shipped[(shipped.index(seed) + 1) % len(shipped)]}"
    return quietly_load(name, dtype="float32")


def legible(scorer: LM, asked: Sequence[Item]) -> None:
    """Raise ValueError at the first question that holds words unknown to the scorer."""
    unknown = scorer.tokenizer.unk_token_id
    for item in asked if unknown is not None else []:
        text = f"{item.question} {SPAN.format(item.answers[0])}"
        if unknown in scorer.tokenizer(text, add_special_tokens=False)["input_ids"]:
            raise ValueError(
                f"Parameter 'scorer' is '{scorer.name}', which does not know all words of question "
                f"'{item.id}': name a model that reads any text, such as 'smollm2'."
            )


def beyond_wording(lab: Experiment) -> Interval:
    """Change of InfoGain after verbose SFT, beyond the difference that the teachers' own chains
    make to the scorer on the same questions.
    """
    words = lab.wording()
    after = lab.reading(VERBOSE).merge(words, on=["seed", "item"])
    after["infogain"] -= after.verbose - after.terse
    return paired_bootstrap(lab.reading("before"), after, "infogain")


def wording_table(lab: Experiment) -> pd.DataFrame:
    """InfoGain of the teachers' own chains beside that of the arms: label, kind and interval."""
    words = lab.wording()
    rows = [
        {
            "label": f"the {name} teacher's own chains",
            "kind": "teacher",
            **vars(bootstrap(words, name)),
        }
        for name in ([] if words.empty else ["terse", "verbose"])
    ]
    rows += [
        {
            "label": f"chains of {plots.named(arm)}",
            "kind": "arm",
            **vars(bootstrap(lab.reading(arm), "infogain")),
        }
        for arm in ("before", TERSE, VERBOSE)
    ]
    return pd.DataFrame(rows)


def worth(scorer: LM, item: Item, steps: list[str]) -> dict[str, Any]:
    """What a chain is worth to a scorer, by the paper's formula and its variants."""
    logp, n_tokens = answer_path(scorer, item, steps)
    ppl = np.exp(-logp / n_tokens)
    leaks = [states_answer(item, step) for step in steps]
    kept = [step for step, leak in zip(steps, leaks, strict=True) if not leak]
    whole = perplexities_of_text(scorer, item, steps, logp, n_tokens)
    clean = np.exp(-answer_path(scorer, item, kept)[0] / n_tokens)
    return {
        "item": item.id,
        "scenario": item.scenario,
        "should_abstain": False,
        "chain": " ".join(steps),
        "steps": steps,
        "ppl": ppl.tolist(),
        "leaks": leaks,
        **gains(ppl),
        **gains(clean, NO_LEAK),
        "infogain_released": float(whole[0] - whole[-1]) / (len(steps) + 1),
        "n_steps": float(len(steps)),
        "leaking_steps": float(sum(leaks)),
    }


def answer_path(scorer: LM, item: Item, steps: list[str]) -> tuple[np.ndarray, int]:
    """log p(answer span | question, steps 1..i) in nats for i = 0..t, and its number of tokens."""
    span = SPAN.format(item.answers[0])
    logp = chains.logprobs_after(scorer, item.question, chains.prefixes(steps), AFTER, [span])
    return logp[:, 0], len(scorer.tokenizer(f" {span}", add_special_tokens=False)["input_ids"])


def infogain(ppl: np.ndarray) -> float:
    """Mean over steps of PPL(i-1) - PPL(i) (Wu et al., arXiv 2506.02126); 0 without a step.

    ppl: [t + 1]. The sum telescopes: this is (PPL(0) - PPL(t)) / t.
    """
    return float(np.mean(-np.diff(ppl))) if len(ppl) > 1 else 0.0


def gains(ppl: np.ndarray, mark: str = "") -> dict[str, float]:
    """`GAINS` of a path of perplexities [t + 1]: per step and in all, in perplexity and in nats a
    token of the answer; `mark` is put behind their names.
    """
    found = infogain(ppl), ppl[0] - ppl[-1], infogain(np.log(ppl)), np.log(ppl[0] / ppl[-1])
    return {f"{name}{mark}": float(value) for name, value in zip(GAINS, found, strict=True)}


def states_answer(item: Item, step: str) -> bool:
    """Whether a step already says the right answer."""
    words = [word.strip(".,;:!?()") for word in step.split()]
    phrases = [a for a in item.answers if " " in a and a.lower() in step.lower()]
    return bool(phrases) or any(answers.accepted(item, word) for word in words if word)


def perplexities_of_text(
    scorer: LM, item: Item, steps: list[str], logp: np.ndarray, n_tokens: int
) -> np.ndarray:
    """As the released code has it: PPL of question, steps 1..i and answer together, i = 0..t."""
    prompt = scorer.prompt(item.question, OPEN)
    texts = [f"{prompt} {text}".rstrip() for text in chains.prefixes(steps)]
    tokens = token_logprobs(scorer, texts[-1])
    n = [len(scorer.tokenizer(text, add_special_tokens=False)["input_ids"]) - 1 for text in texts]
    sums = np.array([tokens[:k].sum() for k in n]) + logp
    return np.exp(-sums / (np.array(n) + n_tokens))


def length_matched(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both arms with `GAINS` over as many first steps as the shorter chain of the item has."""
    keys = ["seed", "item"]
    pair = before.merge(after, on=keys, suffixes=("_before", "_after"))
    shorter = np.minimum(pair.ppl_before.map(len), pair.ppl_after.map(len))
    frames = []
    for end in ("before", "after"):
        paths = zip(pair[f"ppl_{end}"], shorter, strict=True)
        values = [gains(np.array(path[:n]), MATCHED) for path, n in paths]
        frames.append(pd.concat([pair[keys], pd.DataFrame(values)], axis=1))
    return tuple(frames)


def decomposition(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The change of InfoGain as a sum of three, item by item: more steps for the same gain, gain
    from steps that state the answer, and what is left.

    Columns: seed, item, length, leak, rest, whole; the first three add up to the last, exactly.
    """
    keys = ["seed", "item"]
    pair = before.merge(after, on=keys, suffixes=("_before", "_after"))
    rows = []
    for row in pair.to_dict("records"):
        gain, steps = {}, {}
        for end in ("before", "after"):
            drops = -np.diff(row[f"ppl_{end}"])
            leaks = np.array(row[f"leaks_{end}"], dtype=bool)
            gain[end] = np.array([drops[leaks].sum(), drops[~leaks].sum()])
            steps[end] = max(len(drops), 1)
        moved = (gain["after"] - gain["before"]) / steps["after"]
        length = gain["before"].sum() * (1 / steps["after"] - 1 / steps["before"])
        rows.append(
            {name: row[name] for name in keys}
            | {
                "length": length,
                "leak": moved[0],
                "rest": moved[1],
                "whole": length + moved.sum(),
            }
        )
    return pd.DataFrame(rows)


def parts(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """`decomposition` in means with intervals: part, estimate, low, high."""
    frame = decomposition(before, after)
    names = {
        "length": "more steps for the same gain",
        "leak": "steps that state the answer",
        "rest": "what is left",
        "whole": "change of InfoGain",
    }
    return pd.DataFrame(
        {"part": words, **vars(bootstrap(frame, name))} for name, words in names.items()
    )


def change(before: pd.DataFrame, after: pd.DataFrame, name: str) -> Interval:
    """As `experiment.change` on all items; gains over equally many steps too."""
    if name.endswith(MATCHED):
        before, after = length_matched(before, after)
    return experiment.change(before, after, name)


def measures(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Every measure of every arm: arm, measure, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"arm": frame.arm.iloc[0], "measure": name, **vars(bootstrap(frame, name))}
        for frame in frames
        for name in MEASURES
    )


def published_arithmetic(claim: Claim) -> pd.DataFrame:
    """The paper's three figures for one drop, and what its printed values give."""
    rows = [
        {"figure": f.setting, "value": f"{f.value:+.1f} %", "what it is": f.note or "as printed"}
        for f in claim.values("infogain_change")
    ]
    relative = {f.setting: f.after / f.before - 1 for f in claim.values("infogain")}
    rows += [
        {
            "figure": f"{name}, {f.before} to {f.after}",
            "value": f"{relative[name]:+.1%}",
            "what it is": "computed from the printed values",
        }
        for f in claim.values("infogain")
        for name in [f.setting]
    ]
    rows.append(
        {
            "figure": "mean of the two",
            "value": f"{np.mean(list(relative.values())):+.1%}",
            "what it is": "computed from the printed values",
        }
    )
    return pd.DataFrame(rows)


def meter(lab: Experiment, item: Item, text: str) -> Figure:
    """What every step of a chain that the reader may rewrite tells the scorer."""
    steps = chains.steps_of(text)
    scorer = third(lab.p.scorer, lab.p.seeds[0])
    logp, n_tokens = answer_path(scorer, item, steps)
    rows = pd.DataFrame(
        {
            "label": [f"{i}. {step}" for i, step in enumerate(steps, 1)],
            "estimate": np.diff(logp) / n_tokens,
            "low": np.nan,
            "high": np.nan,
        }
    )
    ppl = np.exp(-logp / n_tokens)
    title = (
        f"{len(steps)} steps take the right answer's perplexity from {ppl[0]:.2f} to "
        f"{ppl[-1]:.2f}; InfoGain {infogain(ppl):.2f}"
    )
    stamp = plots.stamp(f"scorer {scorer.name}", lab.p.tier, [lab.p.seeds[0]], 1)
    return plots.forest(rows, "nats a token that the step tells of the right answer", title, stamp)


def at_verbosity(lab: Experiment, verbosity: float) -> Figure:
    """Where the change of InfoGain comes from, for a teacher of some verbosity."""
    arm = {0.0: TERSE, 1.0: VERBOSE}.get(verbosity, f"verbosity {verbosity:g}")
    table = parts(lab.reading("before"), lab.reading(arm)).rename(columns={"part": "label"})
    title = f"Verbosity {verbosity:g}: InfoGain changes by {table.estimate.iloc[-1]:+.2f}"
    return plots.forest(table, "change of InfoGain", title, lab.stamp)


def gates(lab: Experiment) -> list[Gate]:
    """What must be so before a change of InfoGain means anything."""
    frames = [lab.reading(arm) for arm in ("before", *ARMS)]
    least = min(frame.chain_accuracy.mean() for frame in frames[:3])
    return [
        Gate("accuracy with a chain, lowest of before, terse and verbose", least, LEAST_ACCURACY),
        Gate(
            "chains that close and have steps, worst arm",
            min(frame.parsed.mean() for frame in frames),
            LEAST_PARSED,
        ),
        Gate("items", float(frames[0].item.nunique()), FEWEST_ITEMS),
    ]


def controls(lab: Experiment) -> list[Control]:
    """What could sink the finding: the other half of the claim, and the arm without padding."""
    before, after, terse = (lab.reading(arm) for arm in ("before", VERBOSE, TERSE))
    name = "change of InfoGain beyond what the teacher's wording does to the scorer"
    words = [] if lab.wording().empty else [Control(name, beyond_wording(lab), -1)]
    return [
        *words,
        Control("change of accuracy", change(before, after, "accuracy"), 1),
        Control(
            "change of accuracy on the chains that are scored",
            change(before, after, "chain_accuracy"),
            1,
        ),
        Control(
            "change of InfoGain after equal training on terse chains",
            change(before, terse, "infogain"),
            -1,
        ),
        Control(
            "change of InfoGain on items that both arms get right",
            experiment.change(before, after, "infogain", "chain_accuracy"),
            -1,
        ),
        Control(
            "change of InfoGain over equally many steps",
            change(before, after, "infogain_matched"),
            -1,
        ),
    ]


def result(lab: Experiment, forecast: float, seconds: float) -> Record:
    """The record of the run: every measure, gate and control, and the verdict on them."""
    before = lab.reading("before")
    kept = []

    def keep(interval: Any, name: str, arm: str, dose: int = 0) -> None:
        kept.append(lab.measure(interval, name, arm, dose=dose))

    primary = change(before, lab.reading(VERBOSE), "infogain")
    for arm in (VERBOSE, TERSE, POST_HOC, WRONG):
        for name in (*MEASURES, *(f"{gain}{MATCHED}" for gain in GAINS)):
            keep(change(before, lab.reading(arm), name), f"{name}_change", arm, lab.p.dose)
        right = experiment.change(before, lab.reading(arm), "infogain", "chain_accuracy")
        keep(right, "infogain_change, items both get right", arm, lab.p.dose)
        for row in parts(before, lab.reading(arm)).itertuples():
            keep(row, f"part of the change: {row.part}", arm, lab.p.dose)
    for name in [] if lab.wording().empty else ["terse", "verbose"]:
        keep(bootstrap(lab.wording(), name), "infogain of the teacher's own chains", name)
    for row in measures([lab.reading(arm) for arm in ("before", *ARMS)]).itertuples():
        keep(row, row.measure, row.arm, 0 if row.arm == "before" else lab.p.dose)
    held, passed = controls(lab), gates(lab)
    found = statistics.verdict(primary, -1, held, passed)
    return lab.record(kept, passed, held, found, forecast, seconds)


def changes(lab: Experiment, arms: Sequence[str] = ARMS, gain: str = "infogain") -> pd.DataFrame:
    """Change of a gain by teacher: arm, measure (as published, over equally many steps, without
    leaks), estimate, low, high, n, seeds.
    """
    names = {
        gain: "as published",
        f"{gain}{MATCHED}": "over equally many steps",
        f"{gain}{NO_LEAK}": "without steps that state the answer",
    }
    before = lab.reading("before")
    return pd.DataFrame(
        {"arm": arm, "measure": words, **vars(change(before, lab.reading(arm), name))}
        for arm in arms
        for name, words in names.items()
    )


def every_change(lab: Experiment, arm: str) -> pd.DataFrame:
    """The change of each of `GAINS` after one teacher, three ways, as text: a row a gain."""
    tables = [changes(lab, [arm], gain).assign(gain=plots.named(gain)) for gain in GAINS]
    table = pd.concat(tables, ignore_index=True)
    table["change"] = [str(Interval(r.estimate, r.low, r.high, r.n)) for r in table.itertuples()]
    return table.pivot(index="gain", columns="measure", values="change")


def worth_of(lab: Experiment, item: Item, text: str) -> dict[str, Any]:
    """`worth` of a chain given as text, to the first seed's scorer."""
    return worth(third(lab.p.scorer, lab.p.seeds[0]), item, chains.steps_of(text))


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    found = {(m.name, m.arm): m for m in record.measures}
    moved, accuracy = (found[f"{name}_change", VERBOSE] for name in ("infogain", "accuracy"))
    length = found["part of the change: more steps for the same gain", VERBOSE]
    total, terse = found["total_gain_change", VERBOSE], found["infogain_change", TERSE]
    start = found["infogain", "before"]
    if moved.high < 0 < accuracy.low:
        said = "Accuracy rose and information per step fell."
    elif moved.high < 0:
        said = "Information per step fell, and accuracy is not shown to rise."
    elif moved.low > 0:
        said = "Information per step *rose*, against the claim."
    else:
        said = "No change of information per step is shown: the interval holds zero."
    share = ""
    if moved.high < 0 and length.estimate < 0:
        share = (
            f" Length alone, the old gain spread over the new number of steps, makes {length}: "
            f"{length.estimate / moved.estimate:.0%} of it."
        )
    none = ""
    if start.low <= 0:
        none = (
            f" Before it, InfoGain was {start}, not above zero: chains that tell the scorer "
            "nothing can't tell it less, and more steps of what misleads it *raise* InfoGain."
        )
    return record.in_words(
        f"**{said}** After {record.parameters['dose']} steps of verbose SFT, InfoGain "
        f"changed by {moved} and accuracy by {accuracy} (n = {moved.n}, seeds "
        f"{', '.join(map(str, record.seeds))}, model {record.model}).{share}{none} The total gain "
        f"changed by {total}. A terse teacher changed InfoGain by {terse}."
    )
