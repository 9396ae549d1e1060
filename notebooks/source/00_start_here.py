# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 0 · Start here
#
# **What breaks when reasoning fine-tuning trains away a model's willingness to say "I don't
# know"?**
#
# *After this notebook you can* ask the small model of this workbook a question, catch it
# declining, look at what it was about to say instead, and read the verdicts of the others.
#
# *Two minutes on two CPU cores. Needs nothing.*

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
seed: int = 0  # which stories you see

# %%
import random
import time

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from helpers import models, plots, record, statistics, widgets
from helpers.findings import start_here
from helpers.generation import first_token_probabilities, generate
from helpers.world import grammar

p = start_here.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The map
#
# Seven findings, one notebook each. Every claim stands beside what its source really measured.

# %%
claims = record.claims().values()
rows = [{"": c.number, "finding": c.title, "claim": c.claim, "source": c.source[0]} for c in claims]
HTML(pd.DataFrame(rows).to_html(index=False))

# %% [markdown]
# ## Meet the model
#
# The *pocket* is a language model of about two million parameters that we pretrained on short
# stories about who has how many apples. It has the same interface as any other model. Below it
# gets one story, greedy decoding, no tricks.

# %%
lm = models.load(p.model)
hidden, twin = grammar.pair(random.Random(p.seed), "underspecified_context", 2)
(reply,) = generate(lm, [lm.prompt(twin.text)], 60)
Markdown(f"> {twin.text}\n\n**{reply.text}** (the right answer is {twin.answer})")

# %% [markdown]
# Now the same words in another order: two quantities changed places, and a number that the
# question needs is gone. What should a careful reader say?

# %%
(reply,) = generate(lm, [lm.prompt(hidden.text)], 60)
Markdown(f"> {hidden.text}\n\n**{reply.text}** (no answer can be known)")

# %% [markdown]
# ## What it was about to say
#
# A reply is drawn token by token. The first token already decides much: a name or "The" opens
# an answer, "I" or "There" opens a decline, `<think>` opens a chain of thought.

# %%
first = pd.concat(
    first_token_probabilities(lm, lm.prompt(story.text), 6).assign(story=kind)
    for kind, story in {"answerable": twin, "unanswerable": hidden}.items()
)
stamp = f"model {p.model} · tier {p.tier} · one pair of stories, seed {p.seed}"
tops = first.groupby("story").head(1).set_index("story").token
plots.first_tokens(
    first,
    f"It opens with “{tops['answerable'].strip()}” on one story, "
    f"“{tops['unanswerable'].strip()}” on the other",
    stamp,
)


# %% [markdown]
# ## Ask it something
#
# Pick a scenario and a story. Live, the menus work; in a report you see some of them.

# %%
def meet(scenario: str, number: int):
    pair = grammar.pair(random.Random(f"{p.seed}-{number}"), scenario, 2)
    prompts = [lm.prompt(story.text) for story in pair]
    for story, reply in zip(pair, generate(lm, prompts, 60), strict=True):
        print(f"{story.text}\n  → {reply.text}   [{story.answer or 'no answer'}]")
    frames = [first_token_probabilities(lm, prompt, 6) for prompt in prompts]
    kinds = ["unanswerable", "answerable"]
    both = pd.concat(f.assign(story=k) for f, k in zip(frames, kinds, strict=True))
    return plots.first_tokens(both, f"First tokens: {plots.named(scenario)}", stamp)


grid = {"scenario": list(grammar.SCENARIOS), "number": list(range(1, 9))}
widgets.explore(meet, **(grid if widgets.live() else {"scenario": ["stale"], "number": [1]}))

# %% [markdown]
# ## How a verdict is made
#
# Four words, computed and never typed:
#
# * **replicates**: the 95 % interval of the main measure excludes zero in the published
#   direction, and every control holds;
# * **direction only**: the right sign, but the interval touches zero or a control is too weak;
# * **does not replicate**: the interval excludes the published direction;
# * **inconclusive**: a gate failed (accuracy, readable replies, too few items).
#
# Below are four simulated experiments, 60 questions each, in which a published fall is real,
# small, absent or reversed. Watch what the interval does to the word.

# %%
simulated = start_here.simulated_verdicts(60, {"real": -0.3, "small": -0.1, "absent": 0.0})
reversed_ = start_here.simulated_verdicts(60, {"reversed": 0.25})
HTML(pd.concat([simulated, reversed_]).round(2).to_html(index=False))

# %% [markdown]
# **Exercise** (easy, 3 minutes). How many items does the *small* effect need before its verdict
# says `replicates`? Try `start_here.simulated_verdicts(n, {"small": -0.1})`.
#
# <details><summary>Hint</summary>An interval narrows with the square root of n.</details>
# <details><summary>A deeper hint</summary>Double n until the word changes.</details>

# %%
my_n = ...

# %%
widgets.check(
    my_n,
    lambda n: start_here.simulated_verdicts(n, {"small": -0.1}).verdict[0] == "replicates",
    "The interval still touches zero: more items.",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_n = next(n for n in (60, 120, 240, 480, 960)
#             if start_here.simulated_verdicts(n, {"small": -0.1}).verdict[0] == "replicates")
# ```
# </details>
#
# A verdict is about *this model family at this scale*. A finding that does not replicate here
# is a good result. Go on with notebook 1.

# %%
seconds = time.monotonic() - started
written = record.write(
    record.Record(finding="start_here", tier=p.tier, model=p.model, parameters=p.model_dump(),
                  seconds=seconds)
)
