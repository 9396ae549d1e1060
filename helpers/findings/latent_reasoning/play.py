"""What a reader plays with: the branch explorer, the steering dial and the routing slider."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers import statistics
from helpers.findings.latent_reasoning.experiment import TUNED, Experiment
from helpers.lm import steering
from helpers.lm.generation import first_token_probabilities, generate
from helpers.show import plots
from helpers.text import answers
from helpers.text.chains import OPEN


def tree(lab: Experiment, item: int, seed: int) -> pd.DataFrame:
    """The first-token branches of an item, likeliest first, with their confidence and text."""
    branches, sure = lab.branches(seed)[item]
    lm = lab.lm("before", seed)
    return pd.DataFrame(
        {
            "first token": [lm.tokenizer.decode([b.ids[0]]) for b in branches],
            "probability": [b.probability[0] for b in branches],
            "confidence": sure,
            "answer": [answers.final_answer(b.text) for b in branches],
            "text": [b.text for b in branches],
        }
    )


def explorer(lab: Experiment, item: int) -> Figure:
    """The branch explorer: every branch of an item with its confidence and its text."""
    seed = lab.p.seeds[0]
    table = tree(lab, item, seed)
    asked = lab.items[item]
    right = [answers.accepted(asked, a) for a in table.answer]
    rows = pd.DataFrame(
        {
            "label": [f"p {row.probability:.3f}  {row.text[:70]}" for row in table.itertuples()],
            "estimate": table.confidence,
            "low": np.nan,
            "high": np.nan,
            "kind": np.where(right, "right", "wrong"),
        }
    )
    best = int(table.confidence.argmax())
    title = (
        f"Item {item}: the surest of {len(table)} branches is "
        f"{'right' if right[best] else 'wrong'}, the greedy one "
        f"{'right' if right[0] else 'wrong'} (right answer {asked.answers[0]})"
    )
    stamp = plots.stamp(lab.label, lab.p.tier, [seed], 1)
    return plots.forest(rows, "confidence of the answer", title, stamp, signed=False)


def at_dial(lab: Experiment, direction: str, layer: int, strength: float, item: int = 0) -> Figure:
    """The steering dial: first-token probabilities and the greedy reply, without and with it."""
    seed = lab.p.seeds[0]
    lm, vector = lab.lm("before", seed), lab.steering_vector(direction, layer, seed)
    prompt = lm.prompt(lab.items[item].question)
    tables = []
    for name, by in (("as it is", 0.0), (f"layer {layer}, strength {strength:g}", strength)):
        with steering.steered(lm, layer, by * vector):
            table = first_token_probabilities(lm, prompt, 100)
            (reply,) = generate(lm, [prompt], lab.p.max_new_tokens)
        tables.append(table.assign(story=plots.fill(f"{name}: {reply.text}", 52)))
    first = lm.tokenizer.decode(lm.tokenizer(OPEN, add_special_tokens=False)["input_ids"][0])
    opened = tables[1].loc[tables[1].token == first, "probability"].sum()
    title = f"By '{direction}' at {strength:g} it opens a chain with probability {opened:.2f}"
    stamp = plots.stamp(lab.label, lab.p.tier, [seed], 1)
    return plots.bars(pd.concat(table.head(5) for table in tables), title, stamp)


def at_share(lab: Experiment, share: float) -> Figure:
    """The routing slider: accuracy of base, hybrid, its random control, and the tuned model."""
    seed = lab.p.seeds[0]
    made = {
        "greedy base": lab.replies("greedy", seed),
        f"hybrid, {lab.tokens('hybrid', share, seed):.0%} of tokens": lab.routed(
            "hybrid", share, seed
        )[0],
        f"at random places, {lab.tokens('hybrid_random', share, seed):.0%} of tokens": lab.routed(
            "hybrid_random", share, seed
        )[0],
        "tuned model": lab.replies(TUNED, seed),
    }
    rows = []
    for label, replies in made.items():
        right = lab.right(replies)
        rows.append({"label": label, **vars(statistics.wilson(sum(right), len(right)))})
    title = f"Share {share:g}: the hybrid answers {rows[1]['estimate']:.2f} right"
    stamp = plots.stamp(lab.label, lab.p.tier, [seed], len(lab.items))
    return plots.forest(pd.DataFrame(rows), "accuracy", title, stamp, signed=False)
