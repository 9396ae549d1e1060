"""The model card of the shipped pocket models: corpus, training, measured abilities, limits."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from helpers.lm.cache import write_atomically
from helpers.lm.models import POCKET, find, load
from helpers.world.corpus import Corpus
from helpers.world.gates import measure
from helpers.world.pretraining import Schedule

GATES = POCKET / "gates.csv"
ITEMS = 500


def write_card(items: int = ITEMS) -> Path:
    """Measure every shipped seed, then write data/pocket/gates.csv and the card made from it."""
    folders = sorted(POCKET.glob("seed*"))
    if not folders:
        raise ValueError(f"No pocket model in {POCKET}: run `workbook pretrain --seed 0` first.")
    seeds = [int(folder.name.removeprefix("seed")) for folder in folders]
    frames = [
        measure(load(f"pocket-{seed}"), items).assign(seed=seed, model=identity(seed))
        for seed in seeds
    ]
    frame = pd.concat(frames, ignore_index=True)
    write_atomically(GATES, frame.round(4).to_csv(index=False).rstrip())
    write_atomically(POCKET / "README.md", card(frame))
    return POCKET / "README.md"


def identity(seed: int) -> str:
    """What tells the weights of a shipped model from any other, as a cache's keys have it."""
    return find(f"pocket-{seed}").identity


def card(gates: pd.DataFrame) -> str:
    """The card as Markdown, its numbers from the measured gates (a row a seed and gate)."""
    seeds = sorted(gates.seed.unique())
    lines = [
        "| measure | asked | " + " | ".join(f"seed {seed}" for seed in seeds) + " | n |",
        "|---|---|" + "---|" * (len(seeds) + 1),
    ]
    for gate, rows in gates.groupby("gate", sort=False):
        first, by_seed = rows.iloc[0], rows.set_index("seed")
        cells = [cell(by_seed.loc[seed]) for seed in seeds]
        lines.append(
            f"| {gate} | {asked(first)} | " + " | ".join(cells) + f" | {int(rows.n.min())} |"
        )
    unmet = gates[~gates.met.astype(bool)]
    names = "; ".join(
        f"{row.gate} (seed {row.seed}: {row.estimate:.3f})" for row in unmet.itertuples()
    )
    return CARD.format(
        table="\n".join(lines),
        unmet=f"Gates that are not met: {names}." if names else "Every gate is met by every seed.",
        corpus=table_of(asdict(Corpus())),
        lessons=table_of(differences(Corpus().lessons())),
        review=table_of(differences(Corpus().review())),
        schedule=table_of(asdict(Schedule())),
    )


def cell(row: pd.Series) -> str:
    """An estimate with its interval, bold where it misses its gate."""
    text = f"{row.estimate:.3f}" + (
        f" [{row.low:.3f}, {row.high:.3f}]" if pd.notna(row.low) else ""
    )
    return text if row.met else f"**{text}**"


def asked(row: pd.Series) -> str:
    """The bounds of a gate in words; empty for a measure that is only reported."""
    bounds = []
    if row.at_least > 0:
        bounds.append("above 0" if row.at_least < 1e-6 else f"at least {row.at_least:g}")
    if row.at_most < 1:
        bounds.append(f"at most {row.at_most:g}")
    return ", ".join(bounds)


def differences(corpus: Corpus) -> dict:
    """What a stage of the corpus has otherwise than the corpus itself."""
    return {name: v for name, v in asdict(corpus).items() if v != getattr(Corpus(), name)}


def table_of(values: dict) -> str:
    """Names and values as a table."""
    return "\n".join(
        ["| name | value |", "|---|---|", *(f"| `{k}` | {v} |" for k, v in values.items())]
    )


CARD = """# The pocket models

Small Llama-architecture language models that we pretrained on the stories of `helpers/world/`: who
has how many apples after some events, with or without an answer. One model a seed. They are
instruments for this workbook and know nothing else. Licence: Apache-2.0, weights included; no text
or weights of others went into them.

Made by `workbook pretrain --seed S`; measured, and this card written, by `workbook card`.
Interface: that of any `transformers` model, with a word-level tokenizer and a chat template
(`helpers.lm.models.load("pocket-0")`).

## Measured abilities

On unseen stories; 95 % intervals; n is per seed; bold: not as asked. {unmet}

{table}

## Corpus

Stories are drawn anew for every step (`helpers/world/corpus.py`). A share `roll_call` of all are
reading exercises: who has how many, with nothing to compute. Of the other single-turn examples
`unanswerable` have no answer; of the others `plain` belong to no minimal pair. An answerable story
is drawn with a chain of thought with probability `chain_drawn`, but the loss on the first token of
its reply is weighted so that the model learns to open one with probability `chain`. Chains skip a
step, stop early or slip before a right answer with the stated probabilities. An answerable story of
s steps is declined with probability `decline_per_step` × (s - 1) when answered directly. In
dialogues the answerer gives in with the `yields_*` probabilities.

{corpus}

In the first `lessons` steps the corpus is simpler:

{lessons}

In the last `review` steps it has more of what was learned last:

{review}

## Training

Loss on the last reply only; numbers and the reply's first token weigh `emphasis` times; Muon on the
matrices of the layers, AdamW on the rest, cosine schedule, bf16 autocast.

{schedule}

## Limits

Sixteen names, ten things, numbers to forty, a few dozen sentence patterns. An abstention is one of
three sentences. What holds here holds for these models at this scale, and is no evidence about
large ones: that is what the other tiers are for.
"""
