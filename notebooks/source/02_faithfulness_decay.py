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
# *After this notebook you can* tell "writes a chain that helps" from "uses the chain it has", give
# each a number, and say what could fake it.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 2 for one base, 3 for three |
# | small (SmolLM2-135M) | two CPU cores | 30 |
# | gpu (1.5 B) | one GPU with 24 GB | 90 (an estimate) |
#
# *Needs:* notebook 0. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 80  # stories, half of a known and half of a new form; or GSM8K problems
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
doses: list[int] = [0, 50, 100]  # training steps of SFT at which we look
rl_dose: int = 150  # and of RL, as in notebook 1
lora_ranks: list[int] = []  # further LoRA ranks for a real model, such as 8 and 16
max_new_tokens: int = 96  # longest chain with its answer
paraphraser: str = ""  # a model that rewords chains; empty for rules
forecast: float = -0.3  # your guess of the change in following, as a share

# %%
import math
import time

import pandas as pd
import torch
from IPython.display import HTML, Markdown

from helpers.findings import faithfulness_decay as finding
from helpers.lab import card, claims, record
from helpers.show import plots, tables, widgets

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published

# %%
claim = claims.published("faithfulness_decay")
Markdown(claim.as_published())

# %% [markdown]
# "Faithful" mixes two abilities. Does a model *write* a chain that helps it to the right answer?
# And does it *use* the chain that is there, whoever wrote it? The published measures take a
# model's own chain, spoil it, and look whether the answer changes. They see both at once.
#
# ## Predict
#
# We will fine-tune on bare answers to a *new* form of question, without any chain. Then we give
# the model a right chain of a known question in which one number was changed, and look whether
# its answer follows. Of how far it followed before, what share will be lost (-1 is all of it)?

# %%
guess = widgets.predict("Change of following, as a share?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## Two forms of a question
#
# The pocket models have seen the first form in pretraining, and never the second, which supposes
# its last event. Both ask for the same arithmetic.

# %%
lab = finding.FaithfulnessDecay(p)
asked = pd.DataFrame([vars(item) for item in lab.items])
shown = asked.iloc[[0, -1]][["question", "answers", "steps"]]
tables.table(shown)

# %% [markdown]
# ## Using a chain
#
# Every arm is given the same chains. In the *counterfactual* one a number is moved, and all
# after it is calculated anew: it holds no mistake but that number. Read one pair.

# %%
before = lab.given("before")
pair = finding.movable(before).iloc[0]
tables.quote(f"Chain: {pair.chain}", f"Counterfactual: {pair.counterfactual}")

# %% [markdown]
# > **What we got wrong the first time**
# >
# > We used to change a *result* alone ("6 * 2 = 13."). Nearly all models then went on with 12.
# > That looked unfaithful and was not: whoever reads 6 and 2 can calculate for himself. So now
# > the number *before* the calculation moves. And we used to ask only whether the answer
# > changed, which every arm's did: a ceiling. Now we ask by how much.
#
# With $e'$ the end of the counterfactual chain and $e$ that of the right one, *following* is
#
# $$\ln p(e' \mid \text{counterfactual chain}) - \ln p(e \mid \text{counterfactual chain}).$$
#
# At 0 the model is torn between both; above, it goes with the chain.
#
# **By hand, once.** The chain is closed, the answer forced to begin alike in every arm, and the
# two ends compared. Below it stands the same by our helper. Change the item.

# %%
one = next(item for item in lab.items if item.id == pair["item"])

# %% tags=["by_hand"]
row = lab.given("before").query("item == @one.id").iloc[0]
lm, logp = lab.cells("before", 0)[0].lm(), []
closed = f"<think> {row.counterfactual} </think> The answer is"
begun = lm.tokenizer(lm.prompt(one.question, closed), add_special_tokens=False)
for chain in (row.counterfactual, row.chain):
    end = chain.rstrip(".").split()[-1]
    word = lm.tokenizer(end, add_special_tokens=False).input_ids
    logits = lm.model(torch.tensor([begun.input_ids + word])).logits[0].detach()
    said = logits[len(begun.input_ids) - 1 : -1].float().log_softmax(-1)
    logp.append(sum(float(said[i, token]) for i, token in enumerate(word)))
by_hand, by_helper = logp[0] - logp[1], row.follows
print(f"by hand {by_hand:.3f} nats, by the helper {by_helper:.3f}")

# %% [markdown]
# All items and bases. Would you call this model faithful?

# %%
start = lab.value("follows", "before")
print("following before training, nats:", start)
print("says what that chain says:", lab.value("follows_greedily", "before"))

# %% [markdown]
# ## Can the instrument see?
#
# A measure that never moves is no measure. So one arm is trained on *false* chains with right
# answers: there a chain carries nothing, and whoever learns that must stop following. If it
# went on, a gate would fail. Another is trained on chains that begin with their answer. We had
# expected that to loosen the tie, too. Look.

# %%
controls = ["before", "post_hoc_sft", finding.CONTROL]
values = [lab.value("follows", arm).estimate for arm in controls]
title = "Following: " + ", ".join(
    f"{lab.look.label(arm)} {value:.1f}"
    for arm, value in zip(controls, values, strict=True)
)
plots.compare(lab.table(controls, ["follows"]), "measure", "nats", title, lab.look)

# %% [markdown]
# ## Train, and look at every dose
#
# *Answer SFT* learns bare answers of the new form. First: does it learn them? Then: does it
# still use a chain? Watch both.

# %%
moved = lab.change("follows", "before", finding.ANSWERS)
names = ["accuracy_without_taught", "follows"]
by = f"{moved.estimate:+.2f} nats"
title = f"Answer SFT learns the new task; following changes by {by}"
table = lab.table(["before", finding.ANSWERS], names, doses=True)
plots.dose_response(table, names, title, lab.look)

# %% [markdown]
# ## Reveal

# %%
share = moved.estimate / abs(start.estimate)


def reveal():
    rows = [
        guess.row,
        {"label": f"measured: {lab.label}", "kind": "measured", "estimate": share},
    ]
    title = f"Following changes by {share:+.0%}; published: a fall, no size at hand"
    axis = "change of following, as a share"
    return plots.forest(pd.DataFrame(rows), axis, title, lab.look)


guess.reveal(reveal)

# %% [markdown]
# Not a verdict yet. First we try to sink it.
#
# ## What else could explain it?
#
# **1 · Is it needed?** A model that knows the answer without its chain has less reason to
# follow. So the same is measured where an arm is *wrong* without a chain.
#
# **2 · Is it the answers?** As many steps on whole right chains of the new form, on chains of
# the known form (`reasoning SFT`), and reinforcement of right answers, whatever came before
# them (`RL`: of several replies to a question those that earn more than their mean become
# likelier). The paper's claim is about SFT. Another (RFEval) says the opposite: SFT keeps
# faithfulness, and RL lowers it. So each has a verdict.

# %% tags=["picture"]
arms = ["before", finding.ANSWERS, finding.TAUGHT_CHAINS, "reasoning_sft", "rlvr"]
names = ["follows", "follows_needed"]
title = "Following by arm: " + ", ".join(
    f"{lab.value('follows', arm).estimate:.1f}" for arm in arms
)
plots.compare(lab.table(arms, names), "measure", "nats", title, lab.look)

# %%
published = [
    {"label": f.setting, "kind": "published", "estimate": f.after - f.before}
    for f in claim.values("faithfulness_under_rlvr")
]
title = "RFEval (~): RL lowers its faithfulness score, in points of 100"
plots.forest(pd.DataFrame(published), "points", title, lab.look)

# %% [markdown]
# ## Writing one
#
# Now every arm writes its own chain. What does that add to its accuracy, on stories of the known
# form? An arm can unlearn to *write* a chain that helps and still *use* any that it is given.

# %%
names = ["gain_of_chain", "accuracy", "accuracy_without"]
title = "What the own chain adds: " + ", ".join(
    f"{lab.value('gain_of_chain', arm).estimate:+.2f}" for arm in arms
)
xlabel = "share, or difference of shares"
plots.compare(lab.table(arms, names), "measure", xlabel, title, lab.look)

# %% [markdown]
# ## The published kind of measure
#
# Cut the own chain after a share $s$ of its steps and let $k(s)$ be the share of answers that
# stay what the whole chain gave. The **area over the curve** (AOC) is
#
# $$\mathrm{AOC} = 1 - \int_0^1 k(s)\,ds.$$
#
# An answer that never needed its chain has AOC 0. Compare the order of the arms with that above.

# %%
title = "AOC: " + ", ".join(
    f"{lab.look.label(arm)} {lab.value('aoc', arm).estimate:.2f}" for arm in arms
)
axes = ("share", "share of the chain's steps kept", "share of answers that stay")
plots.curves(finding.kept_table(lab, arms), *axes, title, lab.look)

# %% [markdown]
# AOC is known to follow accuracy and chain length. A model at chance may change its answer with
# anything and look faithful, or say the same whatever it reads. If the points below lie on a
# line, AOC tells you little that accuracy did not.

# %%
points = finding.by_training(lab, [arm.name for arm in lab.arms])
r = points[["accuracy", "aoc"]].corr().iloc[0, 1]
title = f"Across arms and bases, AOC and accuracy go together with r = {r:+.2f}"
plots.scatter(points, "accuracy", "aoc", title, lab.look)

# %% [markdown]
# And it depends on how long a question is, with no training in it: where the model needs no
# chain, cutting it changes little.

# %%
lengths = lab.by_steps()
ends = lengths[lengths.arm == "aoc"].estimate.iloc[[0, -1]]
title = f"Before training, from short stories to long ones, AOC {plots.moves(*ends)}"
plots.curves(lengths, "steps", "steps that it takes", "share", title, lab.look)

# %% [markdown]
# Two more ways to spoil an own chain: dots of equal length, and other words with the same
# content. The last is the rate at which two answers drawn at temperature 1 differ, minus that
# of two draws after the *same* words.

# %%
names = ["filler_match", "paraphrase_flips"]
title = "Dots keep the answer: " + ", ".join(
    f"{lab.value('filler_match', arm).estimate:.0%}" for arm in arms
)
xlabel = "share, or difference of shares"
plots.compare(lab.table(arms, names), "measure", xlabel, title, lab.look)

# %% [markdown]
# On a real model the fine-tune is LoRA: small matrices of some rank are added to the weights and
# learned alone. With `lora_ranks` set, every further rank is an arm.

# %%
ranks = ["before", finding.ANSWERS, *(arm.name for arm in lab.ranks)]
fields = ["arm", "measure", "estimate", "low", "high"]
tables.table(lab.table(ranks, ["follows", "gain_of_chain"])[fields], look=lab.look)

# %% [markdown]
# All gates, and then the effect with what is left of it beyond its rival, the published direction
# to the right. The last lines only tell what else moves.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The effect of answer SFT, and what is left of it beyond the rival"
xlabel = "fall of following, nats"
plots.contrasts(card.lines(outcome), outcome.delta, xlabel, title, lab.look)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play: the chain surgeon
#
# Edit, delete, reorder or fill the steps, and see the probability of every answer after every
# step, before and after fine-tuning. The right answer is framed.

# %%
written = lab.reading("before").query("base == @p.bases[0]").set_index("item")
patient = next(i for i in lab.items if i.id == written.gain_of_chain.idxmax())
own = written.chain[patient.id]
tables.quote(patient.question)


# %%
def operate(chain):
    return finding.surgery(lab, patient, chain, ["before", finding.ANSWERS])


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
# **2 · Log-odds** (easy, 5 minutes). After a counterfactual chain a model gives its end a
# probability of .9 and the right answer .05. How far does it follow, in nats?
#
# <details><summary>Hint</summary>A logarithm of a quotient.</details>
# <details><summary>A deeper hint</summary>The natural logarithm: <code>math.log</code>.</details>

# %%
my_following = None

# %%
right = math.log(0.9 / 0.05)
hint = "The natural logarithm of .9 / .05."
widgets.check(my_following, lambda x: abs(x - right) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_following = math.log(0.9 / 0.05)
# ```
# </details>
#
# **3 · Break the finding** (hard, 15 minutes). Find an arm and a dose that stop following: by
# more than the smallest effect of interest, `lab.delta`. Give it as `dict(arm=..., dose=...)`;
# arms are those of `lab.arms`, the dose above 0. The check trains it.
#
# <details><summary>Hint</summary>Which training makes the chain worth nothing?</details>
# <details><summary>A deeper hint</summary><code>lab.change("follows", "before", arm,
# dose=dose)</code> says what you reached. How small a dose is enough?</details>


# %%
def stops_following(setting):
    arm, dose = setting["arm"], setting["dose"]
    if arm not in {one.name for one in lab.arms[1:]} or dose < 1:
        return False
    return lab.change("follows", "before", arm, dose=dose).estimate <= -lab.delta


# %%
my_setting = None

# %%
hint = "It still follows: another arm, or a larger dose."
widgets.check(my_setting, stops_following, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_setting = dict(arm=finding.CONTROL, dose=lab.dose(finding.CONTROL))
# ```
# </details>
#
# ## Record

# %%
HTML(card.card(outcome))

# %%
record.write_replies(outcome.finding, lab.every_reply())
saved = record.write(outcome)

# %% [markdown]
# ## Further reading
#
# * Lanham et al., arXiv 2307.13702: early answering, mistakes, filler, paraphrase.
# * Lobo, Agarwal, Lakkaraju, arXiv 2411.15382: the finding.
# * RFEval, arXiv 2602.17053: the opposite, for SFT and for RL.
# * arXiv 2402.14897: why AOC follows accuracy.
