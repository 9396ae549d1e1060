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
seeds: list[int] = [0, 1, 2]  # training seeds; one is enough in class
n_items: int = 120  # answerable stories of 2 to 5 steps, or problems of a GSM8K file
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
doses: list[int] = [0, 16, 32, 64]  # training steps at which we look
lora_ranks: list[int] = []  # further LoRA ranks for a real model, such as 8 and 16
max_new_tokens: int = 96  # longest chain with its answer
paraphraser: str = ""  # a model that rewords chains; empty for rules
forecast: float = -0.1  # your guess of the change in area over the curve

# %%
import time

import pandas as pd
from IPython.display import HTML, Markdown

from helpers import plots, record, widgets
from helpers.findings import faithfulness_decay as finding

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published

# %%
claim = record.published("faithfulness_decay")
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
lab = finding.Experiment(p)
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
base = finding.measures([before])
area = base[base.measure == "aoc"].iloc[0]
title = f"Before training, AOC is {area.estimate:.2f}: the area above this line"
axes = ("share", "share of the chain's steps kept", "share of answers that stay")
plots.curves(finding.kept_table(base), *axes, title, lab.stamp)

# %% [markdown]
# ## Train, and look at every dose
#
# `answer SFT` learns direct answers only. If it stops reading chains, AOC falls. If it learns to
# do without, accuracy without the chain may rise; it need not, for "without" is a chain opened
# and closed at once, and what it learns opens none. Watch both.

# %%
dosed = [lab.reading(finding.ANSWER, dose) for dose in sorted({*p.doses} - {0})]
table = finding.measures([before, *dosed])
start, end = before.aoc.mean(), dosed[-1].aoc.mean()
title = f"With answer SFT, AOC {plots.moves(start, end)}"
shown = ["aoc", "accuracy", "accuracy_without"]
plots.dose_response(table, shown, title, lab.stamp)

# %% [markdown]
# Did accuracy without the chain come up to accuracy with it? Where no dose gets there, a small
# model may be at the limit of what it can do in one go. So look along another dose, with no
# training in it: how many steps a question takes. Where the model needs no chain, cutting it
# changes little, and AOC is low by right.

# %%
lengths = finding.by_steps(lab, before)
ends = lengths[lengths.arm == "aoc"].estimate.iloc[[0, -1]]
title = f"Before training, from short stories to long ones, AOC {plots.moves(*ends)}"
plots.curves(lengths, "steps", "steps that it takes", "share", title, lab.stamp)

# %% [markdown]
# ## Reveal

# %%
after = lab.reading(finding.ANSWER)
moved = finding.change(before, after, "aoc")
on_all = finding.change(before, after, "aoc", "")
rows = [
    {"label": "your forecast", "kind": "forecast", "estimate": guess.value},
    {"label": f"measured: {lab.label}", "kind": "measured", **vars(moved)},
    {"label": "the same on all items", "kind": "measured", **vars(on_all)},
]
title = f"AOC changes by {moved.estimate:+.2f}; published: a fall, no size at hand"
plots.forest(pd.DataFrame(rows), "change of AOC, items both answer", title, lab.stamp)

# %% [markdown]
# Not a verdict yet. First we try to sink it.
#
# ## What else could explain it?
#
# **1 · Is it the answers, or any training?** The same steps on whole right chains
# (`reasoning SFT`), and a short reinforcement of right answers, whatever came before them (`RL`:
# of several replies to a question those that earn more than their mean become likelier).

# %%
arms = lab.arms
ends = finding.measures(list(arms.values()))
title = "AOC at the end: " + ", ".join(
    f"{plots.named(arm)} {frame.aoc.mean():.2f}" for arm, frame in arms.items()
)
plots.curves(finding.kept_table(ends), *axes, title, lab.stamp)

# %% [markdown]
# On a real model the fine-tune is LoRA: small matrices of some rank are added to the weights and
# learned alone. The published one had three ranks (~). With `lora_ranks` set, every rank is an
# arm.

# %%
ranks = finding.measures(lab.ranks())
ranks[ranks.measure.isin(["aoc", "accuracy_without"])].round(3)

# %% [markdown]
# **2 · Does it only look faithful because it is bad?** AOC is known to follow accuracy and chain
# length. A model at chance may change its answer with anything and look faithful, or say the same
# whatever it reads. If the points below lie on a line, AOC tells you little that accuracy did not.

# %%
points = finding.by_seed(list(arms.values()))
r = points[["accuracy", "aoc"]].corr().iloc[0, 1]
title = f"Across arms and seeds, AOC and accuracy go together with r = {r:+.2f}"
plots.scatter(points, "accuracy", "aoc", title, lab.stamp)

# %% [markdown]
# **3 · Other ways to spoil a chain.** Dots of equal length; one wrong result, with the rest
# written anew or kept; other words with the same content. The last is the rate at which two
# answers drawn at temperature 1 differ, minus that of two draws after the *same* words.

# %%
spoiled = finding.interventions(list(arms.values()))
title = "After a wrong result the answer changes: " + ", ".join(
    f"{frame.follows_mistake.mean():.0%} ({plots.named(arm)})"
    for arm, frame in arms.items()
)
plots.compare(spoiled, "measure", "share, or difference of shares", title, lab.stamp)

# %% [markdown]
# ## Right, read, needed
#
# Three things that one word, "faithful", mixes up. A chain can be right and not read; read and
# not needed, because the model knew anyway; needed and wrong.

# %%
three = finding.read_needed(pd.concat(arms.values()))
title = "A chain can be right, read and needed: three numbers, not one"
plots.compare(three, "what", "share, or difference of shares", title, lab.stamp)

# %% [markdown]
# All gates and controls together.

# %%
record.gates(finding.gates(lab))

# %%
checks = finding.controls(lab)
plots.controls(checks, "difference", lab.stamp)

# %%
outcome = finding.result(lab, guess.value, time.monotonic() - started)
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play: the chain surgeon
#
# Edit, delete, reorder or fill the steps, and see the probability of every answer after every
# step, before and after fine-tuning. The right answer is framed.

# %%
here = before[before.seed == p.seeds[0]].set_index("item")
patient = next(i for i in lab.items if i.id == here.gain_of_chain.idxmax())
own = here.chain[patient.id]
Markdown(f"> {patient.question}")


# %%
def operate(chain):
    arms = {"before": 0, finding.ANSWER: p.dose}
    return finding.surgery(lab, patient, chain, arms)


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
# <details><summary>Hint</summary><code>before</code> has a row for every item and seed.</details>
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
# <details><summary>A deeper hint</summary><code>finding.change(before, lab.reading(arm, dose),
# "aoc")</code> says what you reached.</details>


# %%
def does_not_fall(setting):
    if setting["arm"] not in arms or setting["arm"] == "before" or setting["dose"] < 1:
        return False
    there = lab.reading(setting["arm"], setting["dose"])
    return finding.change(before, there, "aoc").estimate >= 0


# %%
my_setting = None

# %%
widgets.check(my_setting, does_not_fall, "Still a fall: another arm, or another dose.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# tried = [dict(arm=arm, dose=p.dose) for arm in arms if arm != "before"]
# my_setting = next((s for s in tried if does_not_fall(s)), None)
# ```
# If none of them does it, every training here loosens the tie: a finding of its own.
# </details>
#
# ## Record

# %%
HTML(record.card(outcome))

# %%
written = record.write(outcome)

# %% [markdown]
# ## Further reading
#
# * Lanham et al., arXiv 2307.13702: early answering, mistakes, filler, paraphrase.
# * Lobo, Agarwal, Lakkaraju, arXiv 2411.15382: the finding.
# * arXiv 2402.14897: why AOC follows accuracy.
