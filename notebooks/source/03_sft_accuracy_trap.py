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
# # 3 · The SFT accuracy trap
#
# **Does supervised fine-tuning raise accuracy while every step of reasoning tells less?**
#
# *After this notebook you can* compute information gain per step, see why its sum telescopes,
# and split a drop into length, leaks and what is left.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 2 for one base, 6 for three |
# | small (SmolLM2-135M) | two CPU cores | 20 |
# | gpu (1.5 B) | one GPU with 24 GB | 90 (an estimate) |
#
# *Needs:* notebook 0. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 100  # stories of 2 to 5 steps (small: to 3), or GSM8K problems
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
dose: int = 100  # training steps of every arm
verbosities: list[float] = [0.5]  # further teachers between terse (0) and verbose (1)
scorer: str = ""  # the model that scores; empty for the pocket of the next base
max_new_tokens: int = 160  # longest chain with its answer
forecast: float = -0.2  # your guess of the change in information gain per step

# %%
import time

import pandas as pd
from IPython.display import HTML, Markdown

from helpers.findings import sft_accuracy_trap as finding
from helpers.lab import card, claims, record
from helpers.show import plots, widgets

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published

# %%
claim = claims.published("sft_accuracy_trap")
Markdown(claim.as_published())

# %% [markdown]
# Two printed figures stand for one drop, and the printed values give a third. Here is what each
# of them is.

# %%
HTML(finding.published_arithmetic(claim).to_html(index=False))

# %% [markdown]
# A separate, untrained scorer reads the question and the first $i$ steps of a chain, and says
# how probable the right answer now is. Perplexity is e to the power of minus the mean
# log-probability of a token: 1 is certainty. With $\mathrm{PPL}_i$ that of the right answer,
#
# $$\mathrm{InfoGain} = \frac1t\sum_{i=1}^{t}(\mathrm{PPL}_{i-1}-\mathrm{PPL}_i)
# = \frac{\mathrm{PPL}_0-\mathrm{PPL}_t}{t}.$$
#
# The sum telescopes. Only the ends and the *number* of steps are left in it: whoever says the
# same in more steps has an InfoGain nearer to zero, whatever the steps say. That is lower where
# the chain helps the scorer, and higher where it misleads it.
#
# ## Predict
#
# We will fine-tune on *verbose* chains: right, and each step told thrice. By how much will
# InfoGain change? The printed values above are a guide, though of another scorer.

# %%
guess = widgets.predict("Change of InfoGain per step?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## One chain, step by step
#
# The untrained model's own chain for the question where it tells the scorer most, and what each
# step tells about the right answer, in nats (units of natural log-probability) a token. The
# scorer reads the answer as a sentence.

# %%
lab = finding.SftAccuracyTrap(p)
before = lab.reading("before")
told = before[before.base == p.bases[0]].set_index("item").log_total_gain
patient = next(i for i in lab.items if i.id == told.idxmax())
own = before[before.item == patient.id].chain.iloc[0]
Markdown(f"> {patient.question}\n\nRight answer: {patient.answers[0]}")

# %%
finding.meter(lab, patient, own)

# %% [markdown]
# ## Train on four teachers
#
# All see the same stories for as many steps, and after every chain stands the right answer:
# `terse` tells each step once; `verbose` says every result again and checks it; `post hoc`
# gives the answer first; `wrong` has fluent, false steps. This is how each one then writes.

# %%
arms = [arm.name for arm in lab.arms]
everyone = pd.concat(lab.reading(arm) for arm in arms)
here = (everyone.base == p.bases[0]) & (everyone.item == patient.id)
first = everyone[here].drop_duplicates("arm")
HTML(first[["arm", "chain"]].to_html(index=False))

# %%
table = lab.table(arms)
shares = table[table.measure.isin(["accuracy", "chain_accuracy"])]
free = shares[shares.measure == "accuracy"]
title = "Accuracy: " + ", ".join(
    f"{lab.look.label(row.arm)} {row.estimate:.2f}" for row in free.itertuples()
)
plots.compare(shares, "measure", "share of right answers", title, lab.look)

# %% [markdown]
# ## Reveal
#
# InfoGain by the paper's formula, beside your forecast.

# %%
moved = lab.primary.value(lab).interval
rows = [
    {"label": "your forecast", "kind": "forecast", "estimate": guess.value},
    {"label": f"measured: {lab.label}, verbose", "kind": "measured", **vars(moved)},
]
rows += [
    {"label": f"published: {f.setting}", "kind": "published",
     "estimate": f.after - f.before}
    for f in claim.values("infogain")
]
title = f"InfoGain per step changes by {moved.estimate:+.2f} here"
plots.forest(pd.DataFrame(rows), "change of InfoGain", title, lab.look)

# %% [markdown]
# Not a verdict yet. First we try to sink it.
#
# ## What else could explain it?
#
# **1 · Is it length?** The whole gain, not divided by anything, and the number of steps. One
# splitter (`chains.steps_of`: sentences and lines) counts the steps of every arm.

# %%
names = ["infogain", "total_gain", "log_infogain", "log_total_gain"]
gains = table[table.measure.isin(names)]
title = "Per step and in all, in perplexity and in nats: the same chains"
plots.compare(gains, "measure", "gain about the right answer", title, lab.look)

# %%
fields = ["arm", "measure", "estimate", "low", "high"]
table[table.measure.isin(["n_steps", "leaking_steps"])][fields].round(2)

# %% [markdown]
# **2 · How much is length, how much is leak?** The change of InfoGain is a sum of three: the
# old gain spread over the new number of steps; gain made at steps that already state the
# answer; and what is left.

# %%
split = lab.split("verbose_sft")
title = (
    f"Of a change of {split.estimate.iloc[-1]:+.2f}, length alone makes "
    f"{split.estimate.iloc[0]:+.2f}"
)
plots.waterfall(split, "change of InfoGain", title, lab.look)

# %% [markdown]
# **3 · Is it the training or the padding?** The same picture for every teacher. Over equally many
# steps a padded chain is cut in mid-story: there padding alone makes a fall.

# %%
moves = finding.changes(lab, arms[1:])
title = "Change of InfoGain by teacher, as published and two other ways"
plots.compare(moves, "measure", "change", title, lab.look)

# %% [markdown]
# And every form of the gain, after the verbose teacher, all three ways:

# %%
finding.every_change(lab, "verbose_sft")

# %% [markdown]
# **4 · Is it the scorer?** It never read chains that say a result twice or check it. So we give
# it the teachers' *own* chains, which are right by construction, on the same questions. A
# difference here comes from the wording alone, and no training had a part in it.

# %%
words = finding.wording_table(lab)
title = "What the wording alone does to the scorer, and what the arms' chains do"
plots.forest(words, "InfoGain", title, lab.look)

# %% [markdown]
# **5 · Which formula?** The released code scores the whole text and divides by t + 1.

# %%
names = ["infogain", "infogain_released", "infogain_no_leak"]
released = table[table.measure.isin(names)]
released.pivot(index="measure", columns="arm", values="estimate").round(3)

# %% [markdown]
# All gates: the other half of the claim, that accuracy rises, is one of them. Then the effect
# with what is left of it beyond each rival, the published direction to the right. The last lines
# only tell what else moves.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The effect, and what is left of it beyond each rival"
plots.contrasts(card.lines(outcome), outcome.delta, "fall of InfoGain", title, lab.look)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play
#
# **The information meter.** Rewrite the chain: repeat a step, drop one, state the answer first.
# Watch the last number of the title. What does a step that says nothing new do to InfoGain?


# %%
def weigh(chain):
    return finding.meter(lab, patient, chain)


widgets.rewrite(weigh, own)

# %% [markdown]
# **The teacher's verbosity.** Each stop is an arm, trained once and kept.


# %%
def at_verbosity(verbosity):
    return finding.at_verbosity(lab, verbosity)


more = {"verbosity": p.verbosities}
widgets.explore(at_verbosity, live_only=more, verbosity=[0.0, 1.0])

# %% [markdown]
# ## Exercises
#
# **1 · By hand** (easy, 5 minutes). The perplexity of the right answer is 9, 5, 3, 1 after 0 to
# 3 steps. What is InfoGain?
#
# <details><summary>Hint</summary>Only the ends matter.</details>
# <details><summary>A deeper hint</summary>(first - last) / number of steps.</details>

# %%
my_infogain = None

# %%
hint = "The sum telescopes: (9 - 1) / 3."
widgets.check(my_infogain, lambda x: abs(x - 8 / 3) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_infogain = (9 - 1) / 3
# ```
# </details>
#
# **2 · Say it at length** (medium, 5 minutes). Write a chain for the question above that takes
# the scorer to the right answer and has less than half the InfoGain of the model's own. Give it
# as text.
#
# <details><summary>Hint</summary>Nothing new needs to be said.</details>
# <details><summary>A deeper hint</summary>Every step, three times.</details>

# %%
my_chain = None


# %%
def padded(text):
    one, two = (finding.told(lab, patient, chain) for chain in (own, text))
    same_end = two["ppl"][-1] < 1.5 * one["ppl"][-1]
    return same_end and two["infogain"] < one["infogain"] / 2


widgets.check(my_chain, padded, "Same end, more steps.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# from helpers.text.chains import steps_of
# my_chain = " ".join(step for step in steps_of(own) for _ in range(3))
# ```
# </details>
#
# **3 · Break the finding** (hard, 15 minutes). Find a teacher after which InfoGain does *not*
# fall. Give the name of an arm: one of the four, or "verbosity 0.2" and the like, which the check
# trains; or "none", if it falls after all four.
#
# <details><summary>Hint</summary>Compare the four estimates above first.</details>
# <details><summary>A deeper hint</summary><code>lab.change("infogain", "before", arm)</code> says
# what you reached.</details>


# %%
def does_not_fall(arm):
    if arm == "none":
        return not any(map(does_not_fall, arms[1:]))
    taught = arm in arms[1:] or arm.startswith("verbosity")
    return taught and lab.change("infogain", "before", arm).estimate >= 0


# %%
my_arm = None

# %%
widgets.check(my_arm, does_not_fall, "Still a fall: try another teacher.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_arm = next((arm for arm in arms[1:] if does_not_fall(arm)), "none")
# ```
# If it falls after all of them, padding is not the whole story here.
# </details>
#
# ## Record

# %%
HTML(card.card(outcome))

# %%
written = record.write(outcome)

# %% [markdown]
# ## Further reading
#
# * Wu et al., arXiv 2506.02126: the finding and its formula.
