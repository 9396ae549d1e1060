"""Notebook 0: meeting the model, and simulated experiments that show how a verdict is made."""

import difflib
import random
from html import escape

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.lab import params, record
from helpers.lm.generation import first_token_probabilities, generate
from helpers.lm.models import LM
from helpers.show import plots
from helpers.statistics import Gate, paired_bootstrap, verdict
from helpers.world import grammar
from helpers.world.grammar import Story

EFFECTS = {"a large fall": -0.3, "a small fall": -0.1, "no change": 0.0, "a rise": 0.25}
RATE_BEFORE, LUCK, FEWEST = 0.7, 0.1, 20


class Params(params.Params):
    """Parameters of notebook 0."""

    model: str
    tier: str
    seed: int


def the_map() -> str:
    """Every finding with its claim and what its source really measured, as an HTML table."""
    rows = [
        {
            "": claim.number,
            "finding": claim.title,
            "claim": claim.claim,
            "what was measured": claim.definition,
            "source": claim.source[0],
        }
        for claim in record.claims().values()
    ]
    return pd.DataFrame(rows).to_html(index=False, justify="left")


def ask(lm: LM, question: str) -> str:
    """The model's greedy reply, as HTML with its question; words that it never learned are named.

    A word-level model reads an unknown word as a blank.
    """
    (reply,) = generate(lm, [lm.prompt(question)], 96)
    ids = lm.tokenizer(question, add_special_tokens=False)["input_ids"]
    unknown = lm.tokenizer.unk_token_id
    lost = unknown is not None and ids.count(unknown)
    note = f"<br><i>{lost} of its {len(ids)} words are unknown to this model.</i>" if lost else ""
    return f"<blockquote>{escape(question)}</blockquote><b>{escape(reply.text)}</b>{note}"


def marked(text: str, other: str) -> str:
    """`text` as HTML with the words in bold that `other` does not have in the same place."""
    words, others = text.split(), other.split()
    parts = []
    for kind, i, j, _, _ in difflib.SequenceMatcher(None, words, others, False).get_opcodes():
        piece = escape(" ".join(words[i:j]))
        if piece:
            parts.append(piece if kind == "equal" else f"<b>{piece}</b>")
    return " ".join(parts)


def stories(
    seed: int, scenario: str = "underspecified_context", number: int = 0
) -> dict[str, Story]:
    """A minimal pair: "answerable" and "unanswerable"."""
    hidden, twin = grammar.pair(random.Random(f"start {seed} {scenario} {number}"), scenario, 2)
    return {"answerable": twin, "unanswerable": hidden}


def first_tokens(lm: LM, pair: dict[str, Story], title: str, stamp: str) -> Figure:
    """What the reply to each story of a pair may open with, and the greedy reply itself."""
    replies = generate(lm, [lm.prompt(story.text) for story in pair.values()], 96)
    tables = []
    for (kind, story), reply in zip(pair.items(), replies, strict=True):
        head = plots.fill(f"{kind}: {story.text}", 52) + "\n" + plots.fill(f"→ {reply.text}", 52)
        table = first_token_probabilities(lm, lm.prompt(story.text), 5)
        tables.append(table.assign(story=head))
    return plots.bars(pd.concat(tables), title, stamp)


def simulated_verdicts(n: int, seed: int = 0) -> pd.DataFrame:
    """Verdicts on simulated experiments: `n` questions declined at RATE_BEFORE, then at that plus
    an effect, when a fall was published.

    Columns: effect, truth, estimate, low, high, verdict. The same n and seed give the same numbers.
    """
    return pd.DataFrame(simulated(name, n, seed) for name in EFFECTS)


def simulated(effect: str, n: int, seed: int) -> dict[str, float | str]:
    """One row of `simulated_verdicts`."""
    rng = np.random.default_rng([n, seed, list(EFFECTS).index(effect)])
    luck = rng.random((2, n))
    # a retrained model changes its mind on some questions for no reason
    luck[1] = np.where(rng.random(n) < LUCK, luck[1], luck[0])
    before, after = (
        pd.DataFrame({"item": range(n), "abstained": draw < rate, "should_abstain": True})
        for draw, rate in zip(luck, (RATE_BEFORE, RATE_BEFORE + EFFECTS[effect]), strict=True)
    )
    found = paired_bootstrap(before, after, "recall")
    label = verdict(found, -1, [], [Gate("questions", n, FEWEST)]).label
    return {
        "effect": effect,
        "truth": EFFECTS[effect],
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "verdict": label,
    }


def power(effect: str, n: int, times: int = 200) -> float:
    """Share of `times` simulated experiments of n questions that say `replicates`."""
    return np.mean([simulated(effect, n, i)["verdict"] == "replicates" for i in range(times)])


def draw_verdicts(n: int) -> Figure:
    """The figure of `simulated_verdicts`: intervals, and the words that they earn."""
    table = simulated_verdicts(n)
    table["label"] = table.effect + ": " + table.verdict
    right = (table.verdict == "replicates").sum()
    title = f"{n} questions: {right} of {len(table)} simulated experiments say “replicates”"
    stamp = "simulated, no model; a fall is what was published; bars: 95 % intervals"
    return plots.forest(table, "measured change of recall", title, stamp)
