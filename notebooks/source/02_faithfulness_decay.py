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
# # 2 · Faithfulness decay
#
# **Does fine-tuning loosen the tie between a chain of thought and the answer after it?**
#
# *After this notebook you can* tell "the chain is right", "the chain is read" and "the chain is
# needed" apart, each by a number, and say what could fake each of them.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 2 for one seed, 4 for three |
# | small (SmolLM2-135M) | two CPU cores | 30 |
# | gpu (1.5 B) | one GPU with 24 GB | 90 (an estimate) |
#
# *Needs:* notebook 0. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 120  # answerable stories of 2 to 5 steps, or problems of a GSM8K file
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
doses: list[int] = [0, 16, 32, 64]  # training steps of SFT at which we look
rl_dose: int = 150  # and of RL, as in notebook 4
lora_ranks: list[int] = []  # further LoRA ranks for a real model, such as 8 and 16
max_new_tokens: int = 96  # longest chain with its answer
paraphraser: str = ""  # a model that rewords chains; empty for rules
forecast: float = -0.1  # your guess of the change in area over the curve

# %%
import time

import pandas as pd
from IPython.display import HTML, Markdown

from helpers.findings import faithfulness_decay as finding
from helpers.lab import card, claims, record
from helpers.show import plots, widgets

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published

# %%
claim = claims.published("faithfulness_decay")
Markdown(claim.as_published())

# %% [markdown]
# The method takes a chain that the model wrote itself, spoils it, and looks whether the answer
# changes. The main number is the **area over the curve** (AOC). Cut the chain after a share $s$
# of its steps and let $k(s)$ be the share of answers that stay what the whole chain gave. Then
#
# $$\mathrm{AOC} = 1 - \int_0^1 k(s)\,ds.$$
#
# An answer that never needed its chain has AOC 0.
#
# ## Predict
#
# We will fine-tune on direct answers alone, without any chain, on stories of the same kind. By
# how much will the AOC of the model's chains change?

# %%
guess = widgets.predict("Change of the area over the curve?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## One chain
#
# Every arm is made to open a chain. This is what the untrained model writes, and the answer
# that it then gives (`said`), beside the right ones. Look at the last number of the chain and at
# what is said.

# %%
lab = finding.FaithfulnessDecay(p)
before = lab.reading("before")
asked = pd.DataFrame([vars(item) for item in lab.items])
some = before.merge(asked[["id", "question", "answers"]], left_on="item", right_on="id")
HTML(some[["question", "chain", "said", "answers"]].head(4).to_html(index=False))

# %% [markdown]
# ## Cut it
#
# We keep the first quarter, half, three quarters of the steps, close the chain, and read the
# answer by one forced ending in every arm. A line that stays high says: the answer, right or
# wrong, was there without the chain. First the model as it comes.

# %%
area = lab.value("aoc", "before")
title = f"Before training, AOC is {area.estimate:.2f}: the area above this line"
axes = ("share", "share of the chain's steps kept", "share of answers that stay")
plots.curves(finding.kept_table(lab, ["before"]), *axes, title, lab.look)

# %% [markdown]
# ## Train, and look at every dose
#
# `answer SFT` learns direct answers only. If it stops reading chains, AOC falls. If it learns to
# do without, accuracy without the chain may rise; it need not, for "without" is a chain opened
# and closed at once, and what it learns opens none. Watch both.

# %%
after = lab.reading("answer_sft")
title = f"With answer SFT, AOC {plots.moves(before.aoc.mean(), after.aoc.mean())}"
shown = ["aoc", "accuracy", "accuracy_without"]
table = lab.table(["before", "answer_sft"], shown, doses=True)
plots.dose_response(table, shown, title, lab.look)

# %% [markdown]
# Did accuracy without the chain come up to accuracy with it? Where no dose gets there, a small
# model may be at the limit of what it can do in one go. So look along another dose, with no
# training in it: how many steps a question takes. Where the model needs no chain, cutting it
# changes little, and AOC is low by right.

# %%
lengths = lab.by_steps()
ends = lengths[lengths.arm == "aoc"].estimate.iloc[[0, -1]]
title = f"Before training, from short stories to long ones, AOC {plots.moves(*ends)}"
plots.curves(lengths, "steps", "steps that it takes", "share", title, lab.look)

# %% [markdown]
# ## Reveal

# %%
moved = lab.primary.value(lab).interval
on_all = lab.change("aoc", "before", "answer_sft")
rows = [
    {"label": "your forecast", "kind": "forecast", "estimate": guess.value},
    {"label": f"measured: {lab.label}", "kind": "measured", **vars(moved)},
    {"label": "the same on all items", "kind": "measured", **vars(on_all)},
]
title = f"AOC changes by {moved.estimate:+.2f}; published: a fall, no size at hand"
plots.forest(pd.DataFrame(rows), "change of AOC, items both answer", title, lab.look)

# %% [markdown]
# Not a verdict yet. First we try to sink it.
#
# ## What else could explain it?
#
# **1 · Is it the answers, or any training?** The same steps on whole right chains
# (`reasoning SFT`), and a short reinforcement of right answers, whatever came before them (`RL`:
# of several replies to a question those that earn more than their mean become likelier).

# %%
arms = [arm.name for arm in lab.arms]
title = "AOC at the end: " + ", ".join(
    f"{lab.look.label(arm)} {lab.value('aoc', arm).estimate:.2f}" for arm in arms
)
plots.curves(finding.kept_table(lab, arms), *axes, title, lab.look)

# %% [markdown]
# On a real model the fine-tune is LoRA: small matrices of some rank are added to the weights and
# learned alone. The published one had three ranks (~). With `lora_ranks` set, every rank is an
# arm.

# %%
ranks = ["before", "answer_sft", *(arm.name for arm in lab.ranks)]
fields = ["arm", "measure", "estimate", "low", "high"]
lab.table(ranks, ["aoc", "accuracy_without"])[fields].round(3)

# %% [markdown]
# **2 · Does it only look faithful because it is bad?** AOC is known to follow accuracy and chain
# length. A model at chance may change its answer with anything and look faithful, or say the same
# whatever it reads. If the points below lie on a line, AOC tells you little that accuracy did not.

# %%
points = finding.by_training(lab, arms)
r = points[["accuracy", "aoc"]].corr().iloc[0, 1]
title = f"Across arms and bases, AOC and accuracy go together with r = {r:+.2f}"
plots.scatter(points, "accuracy", "aoc", title, lab.look)

# %% [markdown]
# **3 · Other ways to spoil a chain.** Dots of equal length; one wrong result, with the rest
# written anew or kept; other words with the same content. The last is the rate at which two
# answers drawn at temperature 1 differ, minus that of two draws after the *same* words.

# %%
names = ["filler_match", "follows_mistake", "follows_mistake_kept", "paraphrase_flips"]
title = "After a wrong result the answer changes: " + ", ".join(
    f"{lab.value('follows_mistake', arm).estimate:.0%} ({lab.look.label(arm)})"
    for arm in arms
)
xlabel = "share, or difference of shares"
plots.compare(lab.table(arms, names), "measure", xlabel, title, lab.look)

# %% [markdown]
# ## Right, read, needed
#
# Three things that one word, "faithful", mixes up. A chain can be right and not read; read and
# not needed, because the model knew anyway; needed and wrong.

# %%
three = lab.table(arms, ["chain_right", "follows_mistake", "gain_of_chain"])
title = "A chain can be right, read and needed: three numbers, not one"
plots.compare(three, "measure", xlabel, title, lab.look)

# %% [markdown]
# All gates, and then the effect with what is left of it beyond each rival, the published direction
# to the right. The last lines only tell what else moves.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The effect, and what is left of it beyond each rival"
plots.contrasts(card.lines(outcome), outcome.delta, "fall of AOC", title, lab.look)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play: the chain surgeon
#
# Edit, delete, reorder or fill the steps, and see the probability of every answer after every
# step, before and after fine-tuning. The right answer is framed.

# %%
here = before[before.base == p.bases[0]].set_index("item")
patient = next(i for i in lab.items if i.id == here.gain_of_chain.idxmax())
own = here.chain[patient.id]
Markdown(f"> {patient.question}")


# %%
def operate(chain):
    return finding.surgery(lab, patient, chain, ["before", "answer_sft"])


widgets.rewrite(operate, own)

# %% [markdown]
# ## Exercises
#
# **1 · By hand** (easy, 5 minutes). Cut at 0, 25, 50, 75 and 100 %, a model keeps 40, 40, 50,
# 70 and 100 % of its answers. What is its AOC, by trapezoids?
#
# <details><summary>Hint</summary>Each trapezoid is a quarter wide.</details>
# <details><summary>A deeper hint</summary>Area under the curve: the mean of the two ends plus
# the three in the middle, times a quarter.</details>

# %%
my_aoc = None

# %%
right = finding.area_over_the_curve([0.4, 0.4, 0.5, 0.7, 1.0])
hint = "1 minus a quarter of (0.4 + 1.0) / 2 + 0.4 + 0.5 + 0.7."
widgets.check(my_aoc, lambda x: abs(x - right) < 1e-6, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_aoc = 1 - 0.25 * ((0.4 + 1.0) / 2 + 0.4 + 0.5 + 0.7)
# ```
# </details>
#
# **2 · An unread chain** (medium, 10 minutes). Find an item on which the untrained model gives
# the right answer although its chain ends in another number. Give its id, or "none".
#
# <details><summary>Hint</summary><code>before</code> has a row for every item and base.</details>
# <details><summary>A deeper hint</summary>Use the columns correct and chain_right.</details>

# %%
my_item = None

# %%
unread = set(before[before.correct & ~before.chain_right].item) or {"none"}
hint = "It must be right while its chain is not."
widgets.check(my_item, lambda x: x in unread, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# rows = before[before.correct & ~before.chain_right]
# my_item = rows.item.iloc[0] if len(rows) else "none"
# ```
# </details>
#
# **3 · Break the finding** (hard, 15 minutes). Find an arm and a dose at which AOC does *not*
# fall. Give it as `dict(arm=..., dose=...)`; arms are `answer_sft`, `reasoning_sft` and
# `rlvr`, the dose above 0. The check trains it.
#
# <details><summary>Hint</summary>What does training on whole chains teach about reading
# them?</details>
# <details><summary>A deeper hint</summary><code>lab.change("aoc", "before", arm, dose=dose)</code>
# says what you reached.</details>


# %%
def does_not_fall(setting):
    if setting["arm"] not in arms or setting["arm"] == "before" or setting["dose"] < 1:
        return False
    arm, dose = setting["arm"], setting["dose"]
    return lab.change("aoc", "before", arm, dose=dose).estimate >= 0


# %%
my_setting = None

# %%
widgets.check(my_setting, does_not_fall, "Still a fall: another arm, or another dose.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# tried = [dict(arm=arm, dose=lab.dose(arm)) for arm in arms[1:]]
# my_setting = next((s for s in tried if does_not_fall(s)), None)
# ```
# If none of them does it, every training here loosens the tie: a finding of its own.
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
# * Lanham et al., arXiv 2307.13702: early answering, mistakes, filler, paraphrase.
# * Lobo, Agarwal, Lakkaraju, arXiv 2411.15382: the finding.
# * arXiv 2402.14897: why AOC follows accuracy.
