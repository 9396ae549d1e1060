# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 0 · Start here
#
# **What breaks when a model is trained to reason, and who checked?**
#
# *After this notebook you can* put a question to the small model of this workbook, catch it
# declining, look at what it was about to say, and read the verdicts of the other notebooks.
#
# *About two minutes on two CPU cores. Needs nothing.*

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
seed: int = 0  # which stories you see

# %%
import re
import time

from IPython.display import HTML, Markdown

from helpers.lab import record
from helpers.lm import models
from helpers.show import plots, widgets
from helpers.findings import start_here as finding
from helpers.world import grammar

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The map
#
# Seven findings, one notebook each. Read the claim first, then what its source measured: the
# two are not always the same, and the notebooks live in that gap.

# %%
HTML(finding.the_map())

# %% [markdown]
# ## Meet the model
#
# The *pocket* is a language model of about two million parameters, pretrained by us on short
# stories about who has how many apples. It is small so that everything here runs on a laptop,
# and it has the interface of any other model. Ask it something.

# %%
lm = models.load(p.model)
question = "Ann has 7 apples. Ann buys 2 apples. How many apples does Ann have now?"
HTML(finding.ask(lm, question))

# %% [markdown]
# Put your own words there. It only knows its world: people, things, and a handful of verbs.
# Now change one word, the first number, so that nobody can know the answer.

# %%
HTML(finding.ask(lm, re.sub(r"\b\d+\b", "some", question, count=1)))

# %% [markdown]
# Now a story and its twin. They hold the same words, but a few of them, set in bold, changed
# places. One of the two has no answer. Which one, and what should a careful reader say?

# %%
pair = finding.stories(p.seed)
texts = [pair["answerable"].text, pair["unanswerable"].text]
HTML("<hr>".join([finding.marked(*texts), finding.marked(*texts[::-1])]))

# %%
HTML("<hr>".join(finding.ask(lm, text) for text in texts))

# %%
Markdown(
    f"The first has an answer, {pair['answerable'].answer}. In the second a number "
    "that the question needs is missing, so the right move is to decline."
)

# %% [markdown]
# ## What it was about to say
#
# A model writes token by token, here word by word, each with a probability that depends on all
# before it; *greedy* is always taking the likeliest. The first token already decides much: a
# name or "The" opens an answer, "I" or "There" mostly a decline, `<think>` a *chain of thought*,
# steps written down before the answer. Compare the two sides.

# %%
stamp = f"model {p.model} · tier {p.tier} · one pair, seed {p.seed} · greedy replies"
finding.first_tokens(lm, pair, "First tokens, and the reply that follows", stamp)

# %% [markdown]
# There are six ways here for a question to have no answer:
#
# * **answer unknown**: the story never mentions who or what is asked about;
# * **false premise**: somebody loses more than there is;
# * **stale**: the counts are old and may have changed since;
# * **subjective**: an opinion is asked for;
# * **underspecified context**: a number that the answer needs is missing;
# * **underspecified intent**: the name in the question fits two people.
#
# Meet two of them here, and all of them in a live notebook.


# %%
def meet(scenario, number):
    title = f"First tokens: {plots.named(scenario)}"
    stories = finding.stories(p.seed, scenario, number)
    return finding.first_tokens(lm, stories, title, stamp)


more = {"scenario": list(grammar.SCENARIOS), "number": list(range(1, 9))}
widgets.explore(meet, live_only=more, scenario=["stale", "false_premise"], number=[1])

# %% [markdown]
# ## How a verdict is made
#
# There are four words for a result. They are computed, never typed. A 95 % interval is made
# so that of 100 repetitions of the experiment about 95 have the true value in theirs; a *gate* is
# what must be so before a measure means anything; a *control* measures another explanation, which
# could sink the finding.
#
# * **replicates**: the 95 % interval of the main measure excludes zero in the published
#   direction, and every control holds;
# * **direction only**: the right sign, but the interval touches zero, or a control is too weak;
# * **does not replicate**: the interval excludes the published direction;
# * **inconclusive**: a gate failed (accuracy, readable replies, number of questions), a control
#   came out at nothing or the other way round, or what was measured can't tell.
#
# Notebook 4, whose claim is that nothing changes, has a margin in the place of zero.
#
# Below are four simulated experiments. A fall was published; in truth it is large, small, absent
# or a rise. Watch what the number of questions does to the intervals, and they to the words.

# %%
widgets.explore(finding.draw_verdicts, live_only={"n": [15, 60, 240, 960]}, n=[30, 480])

# %% [markdown]
# One experiment can be lucky. The power of a design is how often it would say `replicates`
# if it were done again and again.
#
# **Exercise** (easy, 3 minutes). How many questions does the *small fall* need for a power of
# at least 80 %?
#
# <details><summary>Hint</summary>An interval narrows with the square root of n.</details>
# <details><summary>A deeper hint</summary>Double n until
# <code>finding.power("a small fall", n)</code> is large enough.</details>


# %%
def strong_enough(n):
    return finding.power("a small fall", n) >= 0.8


# %%
my_n = None

# %%
widgets.check(my_n, strong_enough, "Too few would see it: more questions.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_n = next(n for n in (60, 120, 240, 480, 960) if strong_enough(n))
# ```
# </details>
#
# A verdict is about *this model family at this scale*, and a finding that does not replicate
# here is a good result too. Go on with notebook 1.

# %%
seconds = time.monotonic() - started
parameters = p.model_dump()
written = record.write(
    record.Record(finding="start_here", tier=p.tier, model=p.model, seconds=seconds,
                  parameters=parameters)
)
