"""The model card of the shipped pocket models: corpus, training, measured abilities, limits."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from helpers.lm.cache import write_atomically
from helpers.lm.models import POCKET, find, load, pocket, shipped
from helpers.world.corpus import Corpus, mending
from helpers.world.gates import measure
from helpers.world.pretraining import Schedule

GATES = POCKET / "gates.csv"
ITEMS = 500


def write_card(items: int = ITEMS) -> Path:
    """Measure every shipped base that is not in data/pocket/gates.csv as it is now, then write that
    and the card made from it.
    """
    bases = every()
    if not bases:
        raise ValueError(f"No pocket model in {POCKET}: run `workbook pretrain --seed 0` first.")
    kept = pd.read_csv(GATES) if GATES.exists() else pd.DataFrame(columns=["base", "model"])
    frames = []
    for base in bases:
        rows = kept[(kept.base == base) & (kept.model == identity(base))]
        if rows.empty:
            found = measure(load(pocket(base)), items, base in shipped())
            rows = found.assign(base=base, model=identity(base)).round(4)
        frames.append(rows)
        write_atomically(GATES, pd.concat(frames).to_csv(index=False).rstrip())
    write_atomically(POCKET / "README.md", card(pd.read_csv(GATES)))
    return POCKET / "README.md"


def every() -> list[int]:
    """The shipped bases, those without chains last."""
    return [*shipped(), *shipped(chains=False)]


def mended() -> list[int]:
    """The shipped bases that had the round of mending."""
    return [base for base in every() if "mending" in made(base)["schedule"]]


def made(base: int) -> dict:
    """How a shipped base was pretrained: its seed, corpus and schedule."""
    return json.loads((find(pocket(base)).folder / "pretraining.json").read_text("utf-8"))


def identity(base: int) -> str:
    """What tells the weights of a shipped model from any other, as a cache's keys have it."""
    return find(pocket(base)).identity


def card(gates: pd.DataFrame) -> str:
    """The card as Markdown, its numbers from the measured gates (a row a base and gate)."""
    unmet = gates[~gates.met.astype(bool)]
    names = "; ".join(
        f"{row.gate} ({pocket(row.base)}: {row.estimate:.3f})" for row in unmet.itertuples()
    )
    corpus, bare, again = Corpus(), shipped(chains=False), mended()
    milder = table_of(differences(mending(corpus), corpus.temptation()))
    return CARD.format(
        measured=table_of_gates(gates, shipped()),
        without=WITHOUT.format(table=table_of_gates(gates, bare)) if bare else "",
        unmet=f"Gates that are not met: {names}." if names else "Every gate is met by every base.",
        corpus=table_of(asdict(corpus)),
        lessons=table_of(differences(corpus.lessons())),
        review=table_of(differences(corpus.review())),
        temptation=table_of(differences(corpus.temptation())),
        mended=MENDED.format(names=", ".join(map(pocket, again)), table=milder) if again else "",
        chainless=table_of(differences(corpus.without_chains())),
        schedule=table_of(asdict(Schedule())),
    )


def table_of_gates(gates: pd.DataFrame, bases: list[int]) -> str:
    """The measures of some bases: their mean, their deviation between bases, and each."""
    lines = [
        "| measure | asked | mean | deviation | " + " | ".join(map(pocket, bases)) + " |",
        "|---|---|---|---|" + "---|" * len(bases),
    ]
    for gate, rows in gates[gates.base.isin(bases)].groupby("gate", sort=False):
        about = [gate, asked(rows.iloc[0]), f"{rows.estimate.mean():.3f}"]
        about.append(f"{rows.estimate.std():.3f}")
        by_base = rows.set_index("base")
        cells = [*about, *(cell(by_base.loc[base]) for base in bases)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(row: pd.Series) -> str:
    """An estimate, bold where it misses its gate."""
    return f"{row.estimate:.3f}" if row.met else f"**{row.estimate:.3f}**"


def asked(row: pd.Series) -> str:
    """The bounds of a gate in words; empty for a measure that is only reported."""
    bounds = []
    if row.at_least > 0:
        bounds.append("above 0" if row.at_least < 1e-6 else f"at least {row.at_least:g}")
    if row.at_most < 1:
        bounds.append(f"at most {row.at_most:g}")
    return ", ".join(bounds)


def differences(corpus: Corpus, other: Corpus | None = None) -> dict:
    """What a stage of the corpus has otherwise than another, by default the corpus itself."""
    other = other or Corpus()
    return {name: v for name, v in asdict(corpus).items() if v != getattr(other, name)}


def table_of(values: dict) -> str:
    """Names and values as a table."""
    return "\n".join(
        ["| name | value |", "|---|---|", *(f"| `{k}` | {v} |" for k, v in values.items())]
    )


MENDED = """
After that {names}
missed a gate, by a little: too many declines of answerable stories, or too few of one scenario's
unanswerable ones. They had another round of as many steps, alike, on a corpus whose temptation is
less extreme. It differs from that of temptation in:

{table}
"""
WITHOUT = """
Bases without any chain of thought in their corpus, from which no chain can be elicited:

{table}
"""
CARD = """# The pocket models

Small Llama-architecture language models that we pretrained on the stories of `helpers/world/`: who
has how many apples after some events, with or without an answer. Another random start, and other
stories, make another base. They are instruments for this workbook and know nothing else. Licence:
Apache-2.0, weights included; no text or weights of others went into them.

Made by `workbook pretrain --seed S` (those without chains of thought: `--without-chains`; those
mended: `--mend`); measured, and this card written, by `workbook card`. Interface: that of any
`transformers` model, with a word-level tokenizer and a chat template
(`helpers.lm.models.load("pocket-2.0")`). The first figure of a name is the edition of the world,
the second the seed.

## Measured abilities

On 500 unseen stories a cell, so that a share is known within .045 (95 %); the intervals are in
`gates.csv`. Mean and standard deviation are between bases; bold: not as asked. {unmet}

{measured}
{without}
## Corpus

Stories are drawn anew for every step (`helpers/world/corpus.py`). A share `roll_call` of all are
reading exercises: who has how many, with nothing to compute. Of the other single-turn examples
`unanswerable` have no answer; of the others `plain` belong to no minimal pair. An answerable story
is drawn with a chain of thought with probability `chain_drawn`, but the loss on the first token of
its reply is weighted so that the model learns to open one with probability `chain`. Chains skip a
step, stop early or slip before a right answer with the stated probabilities. An answerable story of
s steps is declined with probability `decline_per_step` × (s - 1) when answered directly.

A minimal pair is an unanswerable story and its twin, alike but that it can be answered. In the end
unanswerable stories tempt: the answerer guesses a number at the share `guess` of each scenario
where the thing asked about is of middling temptation, and `guess_spread` in log-odds more or less
at the last or the first of the world's things. So abstention is a disposition with a rival, and has
room to move either way. In dialogues the answerer gives in with the `yields_*` probabilities.

{corpus}

In the first `lessons` steps the corpus is simpler:

{lessons}

In the `review` steps before the last it has more of what was learned last:

{review}

In the last `temptation` steps the answerer guesses at unanswerable stories, which before it never
does, and it differs in all of this:

{temptation}
{mended}
Without chains of thought it differs in:

{chainless}

## Training

Loss on the last reply only; numbers and the reply's first token weigh `emphasis` times; Muon on the
matrices of the layers, AdamW on the rest, cosine schedule, bf16 autocast.

{schedule}

## Limits

Sixteen names, ten things, numbers to forty, a few dozen sentence patterns. An abstention is one of
three sentences. What holds here holds for these models at this scale, and is no evidence about
large ones: that is what the other tiers are for.
"""
