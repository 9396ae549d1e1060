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
# *About a minute on two CPU cores. Needs nothing.*

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
seed: int = 0  # which stories you see

# %%
import re
import time

from IPython.display import HTML, Markdown

from helpers.findings import start_here as finding
from helpers.lab import record
from helpers.lm import models
from helpers.show import widgets
from helpers.show.look import Look
from helpers.world import grammar

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## What this is about
#
# Two language models were trained to reason. Before and after, somebody asked them questions
# that have no answer. How often does each still say so?

# %%
finding.published_falls()

# %% [markdown]
# All twelve points lie left of zero. Would you believe it of other models? Here are two, each
# trained once, with no intervals, and reasoning is not all that their training changed.
#
# This is the first of seven findings; the map at the end has them all. Before it come the two
# things that each of them needs: a model, and a rule for when to believe a number.
#
# ## Meet the model
#
# The *pocket* is a language model of about two million parameters, pretrained by us on short
# stories about who has how many apples. It is small so that everything here runs on a laptop,
# and it has the interface of any other model. Ask it something.

# %%
lm = models.load(p.model)
question = "Ann has 7 apples. Ann buys 2 apples. How many apples does Ann have now?"
stamp = f"model {p.model} · tier {p.tier} · greedy replies"
widgets.rewrite(lambda text: finding.asked(lm, text, Look(stamp)), question)

# %% [markdown]
# Live, there is a box under it: put your own words there. It only knows its world: people, things,
# and a handful of verbs; words that it does not know are named. Now change one word, the first
# number, so that nobody can know the answer.

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
    "that the question needs is missing, so the right move is to decline. A model that "
    "names a number there guesses: what the next notebook counts."
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
look = Look(stamp)
finding.first_tokens(lm, pair, "First tokens, and the reply that follows", look)

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
    title = f"First tokens: {look.label(scenario)}"
    stories = finding.stories(p.seed, scenario, number)
    return finding.first_tokens(lm, stories, title, look)


more = {"scenario": list(grammar.SCENARIOS), "number": list(range(1, 9))}
widgets.explore(meet, live_only=more, scenario=["stale", "false_premise"], number=[1])

# %% [markdown]
# ## How a verdict is made
#
# Every notebook ends in one of four labels. It is computed from numbers, never typed. What
# would you ask before you believe a published effect? We ask four questions.
#
# **1 · Does it hold for more than the models we happen to have?** A *base* is one pretrained
# model. Another random start of the pretraining makes another base, as pocket 0, pocket 1 and so
# on. Bases are what we draw at random: we want to speak of bases like ours, not of ours alone.
#
# So each base gives one value, the mean of its trainings. The *95 % interval* is made of these
# values by *Student's t*: their mean, plus and minus their scatter, the wider the fewer bases
# there are. If we drew new bases 100 times, about 95 of the intervals would hold the true mean.
# All bases answer the same questions, so the interval says nothing of *other questions*. How far
# those alone could move a base's value stands in the record as `noise`, and the README says where
# that is more than the interval shows.
#
# **2 · Is it large enough to matter?** The *smallest effect of interest*, δ, is written down
# with a reason before any run, often a third of what was published. It lets us say that
# there is nothing: no experiment shows an effect of exactly zero, but one can show less than δ.
#
# **3 · Could something else make it?** A *rival* is another explanation of the effect. A
# *contrast* measures what is left of the effect beyond a rival. For instance: training on chains
# makes a model decline less; how much less than equal training that still shows it declines?
#
# An *attribution* is a further measure that tells which ingredient does it: do bare answers,
# without chains, do the same? It is reported beside the verdict. It sinks nothing.
#
# **4 · Could the experiment have told at all?** A *gate* is what must be so before a number
# means anything: enough questions, readable replies, a model that its training did not break.

# %% [markdown]
# ### The four labels
#
# If a gate failed, or there is one base only, the label is **inconclusive**. Otherwise we turn
# every number so that the published direction is positive, and the first line that fits counts:
#
# | label | when |
# |---|---|
# | **does not replicate** | the whole interval lies below δ: nothing of interest, or reversed |
# | **replicates** | the whole interval lies above 0, and so does that of every contrast |
# | **explained otherwise** | it lies above 0; that of some contrast does not, and is below δ |
# | **inconclusive** | all else: an interval is too wide to tell |
#
# A quick question: an interval lies between 0 and δ and touches neither. Which label?
#
# <details><summary>Answer</summary>Does not replicate. Something is there, but less than what
# we said beforehand would matter.</details>
#
# An inconclusive verdict also says what would decide it: about how many bases, or how many
# questions. Some notebooks differ. Those that test several things (2, 4 and 5) judge each by this
# rule and count: "0 of 3 replicate". And the claim of notebook 4 is that there is *no* difference,
# so it replicates if the whole interval lies between -δ and δ.

# %% [markdown]
# > **What we got wrong the first time**
# >
# > This workbook had another rule before. It was fixed before any run, too, and it was bad.
# >
# > * *It could not accept a null*, that is, no effect. It had no δ, and an interval around zero
# >   always leaves the sign open. We simulated experiments with no effect, three trainings and
# >   three controls (our word for contrasts then): 81 % came out inconclusive.
# > * *It failed a control by the sign of one number*, its estimate, without its interval. Where
# >   nothing is going on that is the toss of a coin, and three coins seldom all fall right.
# > * *It called the rest "direction only"*: the right sign, but not surely. Nobody can act on it.
# >
# > We knew results by the old rule when we changed it. So δ is argued from what was published
# > wherever the scales agree (notebook 2 has none, and takes a share of what its positive control
# > does on other stories), and every record is made anew. A contrast counts by its interval.
# > What only tells the ingredient sinks nothing. Intervals are over bases. "Direction only" is
# > gone, and an open verdict says what would close it.

# %% [markdown]
# ### Try it where the truth is known
#
# Here is a world without models, with δ = 0.1. In four experiments the truth is: no effect; an
# effect of 2 δ; one of 2 δ that a rival makes alone; and 2 δ the other way. Each base has its own
# value, a dot, scattered around the truth. Which labels would you expect over three bases?

# %%
knob = {"bases": list(range(2, 13)), "repetition": list(range(10))}
widgets.explore(finding.draw_experiments, live_only=knob, bases=[3, 8], repetition=[0])

# %% [markdown]
# One experiment can be lucky. The *power* of a design is how often it would earn the right label
# if it were done again and again. Two things decide it: how many bases there are, and how much
# they scatter. The scatter is given as *deviation over δ*: the standard deviation between bases,
# divided by the smallest effect of interest. Which of the four is the hardest to show?

# %% tags=["picture"]
knob = {"deviation": [0.3, 0.7, 1.0, 1.2], "bases": [3, 5, 7, 12]}
widgets.explore(finding.draw_power, live_only=knob, deviation=[0.5], bases=[8])

# %% [markdown]
# **Exercise** (easy, 3 minutes). Bases scatter with a deviation of 0.7 δ. What is the fewest
# number of bases with which a true null earns "does not replicate" in at least 80 %? Guess first:
# is it more or fewer than an effect of 2 δ needs to replicate?
#
# <details><summary>Hint</summary>How far is no effect from δ, and how far is 2 δ from 0? The
# interval must fit in between, and it narrows with more bases.</details>
# <details><summary>A deeper hint</summary>Try <code>finding.power("null", bases, 0.7)</code> for
# 2, 3, 4 bases and so on; then the same for <code>"real"</code>.</details>


# %%
def enough(bases, effect="null"):
    return finding.power(effect, bases, 0.7) >= 0.8


# %%
my_bases = None

# %%
hint = "Enough, and one base fewer is not: look for the step."
widgets.check(my_bases, lambda n: enough(n) and not enough(n - 1), hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_bases = next(n for n in range(2, 13) if enough(n))
# ```
# It is 7, while an effect of 2 δ needs 4. The null is only one δ away from what it must be told
# from, the effect is two. To show that something is not there takes more.
# </details>
#
# Now the real thing: how much do the bases scatter in our own records? Set the knob above to as
# many bases as a record has, and look its deviation up in the right panel: left of the panel even
# three bases tell, right of it not even twelve do. Could that experiment have told? (The panel
# asks of an effect of two δ, or of none. A record whose effect is larger, see the table, can tell in
# spite of more scatter.)

# %%
HTML(finding.known_records())

# %% [markdown]
# ## The map
#
# Seven findings, one notebook each. Read the claim first, then what its source measured: the
# two are not always the same, and the notebooks live in that gap.

# %%
HTML(finding.the_map())

# %% [markdown]
# A verdict is about *this model family at this scale*, and a finding that does not replicate
# here is a good result too. Go on with notebook 1.

# %%
seconds = time.monotonic() - started
parameters = p.model_dump()
written = record.write(
    record.Record(finding="start_here", tier=p.tier, model=p.model, seconds=seconds,
                  parameters=parameters)
)
