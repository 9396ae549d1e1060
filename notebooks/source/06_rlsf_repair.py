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
# # 6 · RLSF repair
#
# **Can a model's confidence in its own answers repair a model that is too sure of them?**
#
# *After this notebook you can* make a model overconfident without making it worse, try to mend it
# with reinforcement from self-feedback (RLSF), and say what the mending costs and what would do it.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 2 for one base, 4 for three |
# | small (SmolLM2-135M) | two CPU cores | 15 |
# | gpu (1.5 B) | one GPU with 24 GB | 120 (an estimate) |
#
# *Needs:* notebook 1. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 45  # answerable stories of 1 to 5 steps (small: 1)
n_pairs: int = 4  # pairs a scenario: one nobody can answer and its twin
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
n_learned: int = 100  # other stories (more are added that nobody can answer)
k: int = 10  # first-token branches of each of them, which are paired
threshold: float = 0.9  # confidence that a preferred reply needs
pair_margin: float = 1.0  # a pair's margin is exp(this * its gap in confidence)
damage_dose: int = 160  # training steps of the damage, and of SFT on right answers
doses: list[int] = [0, 40]  # training steps of the repairs
max_new_tokens: int = 136  # longest reply
forecast: float = -0.05  # your guess: change of the calibration error

# %%
import time

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML, Markdown

from helpers.findings import rlsf_repair as finding
from helpers.lab import card, claims, record
from helpers.show import pictures, plots, tables, widgets
from helpers.text import answers

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published

# %%
claim = claims.published("rlsf_repair")
Markdown(claim.as_published())

# %% [markdown]
# Look at who was repaired. The three trained models below share one base, the last row: the
# RLSF ones never were the RLHF one. So "repair" is a word for a difference between siblings.
# Here we damage first and repair the damaged model. (~ marks what we read second-hand. RLHF is
# reinforcement learning from human feedback: people say which of two replies is better, a reward
# model learns to say it for them, and the model is trained for that reward. PPO is the usual
# training; DPO does without a reward model. RLSF puts the model's own confidence in their place.)

# %%
figures = pd.DataFrame(claim.rows())
tables.table(figures.pivot(index="setting", columns="measure", values="figure"))

# %% [markdown]
# ## Predict
#
# Take the $n$ answers to questions that have one, and ten equal bins $B$ of the probability $p$
# that a model gave its answer, given its own chain if it wrote one. The expected calibration error
# (ECE) is how far, in the mean, what is right is from how sure it was:
#
# $$\mathrm{ECE}=\sum_B\frac{|B|}{n}\,\bigl|\,\mathrm{acc}(B)-\overline{p}(B)\bigr|.$$
#
# What is declined is left out: there is no probability to be calibrated, and whoever declines all
# would have no error. So look at the coverage, the share that is answered, beside it.
#
# RLSF rewards *disparity*, the mean of $p(\text{top 1})-p(\text{top 2})$ over the answer, and
# calls it the confidence $c$, as we do from here on. It is no probability, so both are followed.
# By how much does the repair change the error?

# %%
guess = widgets.predict("Change of the calibration error?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## First the damage
#
# A model that writes a chain and then reads its answer off it is *very* sure of that answer,
# whether the chain is right or not. So our damage is a little SFT on chains that tell every step
# thrice, stopped before the model writes them well; declines are kept among the examples. On other
# stories that made a model far surer than before, when it answered without a chain, and not less
# often right. It is another way to be overconfident than the published one, a reward model of human
# taste: here the model has begun to reason, and may be right more often as well.
#
# Two more measures stand beside the error. The Brier score is the mean of (probability - right)²;
# the AUROC of confidence the chance that a right answer is surer than a wrong one.

# %%
lab = finding.RlsfRepair(p)

# %% [markdown]
# **By hand, once.** First one reply: how probable was its answer, and what is its disparity?
# Below each the helper's number. Change the question.

# %%
one = lab.items[0]

# %% tags=["by_hand"]
row = lab.graded("before").query("item == @one.id").iloc[0]
lm, said = lab.cells("before", 0)[0].lm(), answers.final_answer(row.text)
texts = (lm.prompt(one.question), f" {row.text}")
asked, written = (lm.tokenizer(t, add_special_tokens=False).input_ids for t in texts)
logits = lm.model(torch.tensor([asked + written])).logits[0].detach()
q = logits[len(asked) - 1 : -1].double().softmax(-1)
by_hand = [0.0, 0.0]  # of a reply without an answer
for i, token in enumerate(written):
    if row.answered and lm.tokenizer.decode([token]).strip() == said:
        best, second = q[i].topk(2).values.tolist()
        by_hand = [float(q[i, token]), best - second]
by_helper = [row.probability, row.confidence]
print("by hand {:.4f} and {:.4f}".format(*by_hand))
print("by the helper {:.4f} and {:.4f}".format(*by_helper))

# %% [markdown]
# Then all answers of the first base, in ten bins: how far is what was right from how sure it was?

# %%
here = lab.graded("before").query("base == @p.bases[0]")
here = here.query("answered and not should_abstain")
bins = np.minimum((10 * here.probability).astype(int), 9)
gaps = here.correct.astype(float) - here.probability
off = gaps.groupby(bins).sum().abs()
print(f"ECE by hand {off.sum() / len(here):.4f}")
print(f"by the helper {lab.value('ece', 'before').by_base[p.bases[0]]:.4f}")

# %% [markdown]
# Now what the damage does. If it is one, the error rises and accuracy does not fall.

# %%
names = ["accuracy", "answered", "ece", "ece_disparity", "brier", "confidence_auroc"]
damage = lab.table(["before", finding.DAMAGED], names)
hurt = lab.change("ece", "before", finding.DAMAGED)
title = f"The damage changes the calibration error by {hurt.estimate:+.2f}"
plots.compare(damage, "measure", "share, or error", title, lab.look)

# %% [markdown]
# Read what a damaged model writes, and where it ends.

# %%
replies = lab.graded(finding.DAMAGED).query("not should_abstain")
shown = replies.sort_values("correct")[["text", "correct", "probability"]]
tables.table(shown.iloc[[0, -1]])

# %% [markdown]
# > **What we got wrong the first time**
# >
# > Our damage used to be a reward by raters who like short answers. We called the model damaged
# > as its error rose by a point estimate of a few hundredths; its interval held zero: there was
# > nothing to repair. (Training it on its own answers, or rewarding it for being sure, did not
# > make it overconfident either: both cost accuracy first.) DPO ran at a rate that cost .38 of
# > accuracy in 20 steps (the published one, second-hand: under .01); its second rate spared the
# > damaged model, and took .16 and .32 of accuracy from two of three undamaged ones, where nobody
# > had looked. An oracle that was told what is right repaired nothing, and we went on; the next one
# > forgot to reason, as half of its answers came bare, and only a gate saw it. And a decline
# > counted as an answer of probability zero: who declined everything was calibrated.
# >
# > Now damage and oracle must hold by their intervals, no arm may lose accuracy unseen, and
# > only what is answered is calibrated, its share beside it. Two things came after a look: the gate
# > on how many replies the repair changes, once it had changed one in fourteen; and more bases, then
# > a second seed, for the reference, as three bases and seven had left it open. Whoever goes on
# > until it is decided errs more often than the interval says.

# %% [markdown]
# ## One question, k replies
#
# RLSF needs no labels. The model (here the damaged one) replies k times, opening with each of its
# k likeliest first tokens. Each reply is ranked by the confidence of its *answer*. Look for a
# reply that declines: it has no answer, so its confidence is 0, and it loses to every reply right
# of the dashed line, the threshold: each of these is preferred to all less sure ones.

# %%
finding.ranked(lab, 0)

# %% [markdown]
# And a question that nobody can answer. Here declining is right, and it loses to any reply right
# of the line:

# %%
hidden = [i for i, item in enumerate(lab.repair.items) if item.should_abstain]
finding.ranked(lab, hidden[0])

# %% [markdown]
# A pair counts when the better reply reaches the threshold. What do such pairs teach?

# %%
taught = finding.thresholds(lab, finding.DAMAGED)
title = "What the damaged model's own pairs teach, by threshold"
axes = ("threshold", "confidence that a preferred reply needs", "mean share of pairs")
n = f"{taught.n.min()} to {taught.n.max()} of {len(lab.repair.items)}"
plots.curves(taught, *axes, title, lab.look.stamped(lab.stamp(n)))

# %% [markdown]
# ## The repair
#
# Two ways to learn the pairs. **DPO** makes the preferred reply of each likelier than the other.
# The other way trains a **reward model** (Bradley-Terry: the better reply of a pair scores more)
# with margin $e^{c_i-c_j}$ (the exponent times `pair_margin`) and reinforces against it. (The paper
# used PPO; it is gone from trl, the library that trains here, and GRPO stands for it.)
#
# First: did the reward model learn the preference? Every fifth question was kept from it. And how
# much is there to earn? Take the damaged model's k replies to such a question: what does the best
# of them get more than the one that it writes anyway? Where that is little beside what parts a
# preferred reply from the other of its pair, the model is already as sure as it can be, and
# reinforcement has nowhere to push it.

# %%
rater = lab.value("rater_accuracy", finding.REPAIRED)
gap, room = (lab.value(name, finding.REPAIRED) for name in ("reward_gap", "room"))
print("of held-out pairs the reward model ranks rightly:", rater)
print("reward of a preferred reply over the other (logits):", gap)
print("reward of the best of k replies over the greedy one:", room)

# %% [markdown]
# Then the repair.

# %% tags=["picture"]
arms = ["before", finding.DAMAGED, "repair_grpo", "repair_dpo"]
moves = lab.table(arms, names)
mended = lab.change("ece", finding.DAMAGED, finding.REPAIRED)
title = f"The repair changes the calibration error by {mended.estimate:+.2f}"
plots.compare(moves, "measure", "share, or error", title, lab.look)

# %% [markdown]
# ## Reveal
#
# The published pair is of siblings; ours is before and after.

# %%
def reveal():
    rows = [
        guess.row,
        {"label": f"measured: {lab.label}", "kind": "measured", **vars(mended)},
        {"label": "published, RLSF-PPO minus RLHF-PPO (~)", "kind": "published"}
        | {"estimate": claim.published_size},
    ]
    title = f"Change of the calibration error: {mended.estimate:+.2f} here"
    axis = "change of the calibration error"
    return plots.forest(pd.DataFrame(rows), axis, title, lab.look)


guess.reveal(reveal)

# %% [markdown]
# Where does the error sit? On the dashed line the model knows what it knows. Below it, it is
# too sure.

# %%
frame = finding.of_three(lab)
sure, right = frame[frame.arm == finding.DAMAGED][["confidence", "correct"]].mean()
title = f"The damaged model is {sure:.0%} sure and {right:.0%} right"
pictures.reliability(frame, title, lab.look)

# %% [markdown]
# A calibrated model may still not know *which* answers are wrong. If it answers its surest
# questions only, how many are wrong? A line ends where the arm declines the rest.

# %%
curves = finding.risk(lab, [*arms, finding.BRIER])
half = curves[curves.coverage <= 0.5].groupby("arm").risk.last()
title = "Wrong in the surest half: damaged {:.0%}, repaired {:.0%}".format(
    *half[[finding.DAMAGED, finding.REPAIRED]]
)
pictures.risk(curves, title, lab.look)

# %% [markdown]
# ## Does the repair repeat the damage?
#
# A reply that declines can only lose a pair. So here is what nobody seems to have looked at:
# abstention recall before and after RLSF, from the damaged and the undamaged model, and once
# with the declining replies left out of the pairs. If recall falls as much without them, it
# was not the lost pairs that did it.

# %%
kinds = ["recall", "false_declines", "accuracy"]
declines = lab.table([*arms[1:], "repair_answers"], kinds)
lost = lab.change("recall", finding.DAMAGED, finding.REPAIRED)
title = f"The repair changes abstention recall by {lost.estimate:+.2f}"
plots.compare(declines, "measure", "share of items", title, lab.look)

# %%
declines = lab.table(["before", "rlsf_grpo", "rlsf_dpo"], kinds)
lost = lab.change("recall", "before", "rlsf_grpo")
title = f"Undamaged, RLSF changes abstention recall by {lost.estimate:+.2f}"
plots.compare(declines, "measure", "share of items", title, lab.look)

# %% [markdown]
# ## Does it sharpen errors?
#
# Rewarding confidence can make a model surer of what is wrong. Follow its wrong answers. Which
# answers are wrong changes on the way; the title speaks of those wrong before and after.

# %%
followed = [finding.REPAIRED, "repair_dpo"]
sure = finding.walk(lab, followed, "wrong_confidence")
sharper = finding.sharpened(lab, finding.DAMAGED, finding.REPAIRED)
title = f"RLSF by GRPO changes confidence in lasting errors by {sharper}"
axes = ("dose", "training steps", "mean confidence when wrong")
plots.curves(sure, *axes, title, lab.look)

# %% [markdown]
# ## What else could explain it?
#
# **Its rivals**: the same pairs and margins with preferences **shuffled**, or with the **shorter**
# reply preferred, both at a lower rate than RLSF, at which a gate finds that they keep what the
# model could do. (So they moved it less, too: read them with that in mind.) A repair that they do
# as well is not one by confidence. Beside them an **oracle**: SFT on right answers after right
# chains, for as many steps as the damage took. Nothing self-made knows more; if not even that mends
# the error, don't lay it to confidence. (It may mend it by being right, not by being less sure.)

# %%
rivals = [finding.REPAIRED, "repair_shuffled", "repair_shorter", finding.ORACLE]
table = lab.table(rivals, ["accuracy", "ece", "ece_disparity", "recall"])
ece = table[table.measure == "ece"].set_index("arm").estimate
title = "Calibration error: {:.2f}, {:.2f} shuffled, {:.2f} by length".format(*ece)
plots.compare(table, "measure", "share, or error", title, lab.look)

# %% [markdown]
# **What reviewers missed**: SFT on the confident replies alone, without the pairs and without a
# reward model. And the arm that knows how: a **Brier reward**. A reply earns 1 if right, minus the
# probability $p$ of its answer. The policy gradient of that is the gradient of the Brier score,
#
# $$\mathbb{E}_{a\sim p}\bigl[(1[a=y]-p_a)\,\nabla\log p_a\bigr]
# =\tfrac12\nabla\bigl(2p_y-\textstyle\sum_a p_a^2\bigr),$$
#
# and at rest where every answer is as probable as it is right. (RLCR's own reward is for a
# confidence that is said in words: $1[\text{right}]-(c-1[\text{right}])^2$.)

# %%
ways = [finding.DAMAGED, finding.REPAIRED, "repair_sft", finding.BRIER]
table = lab.table(ways, ["accuracy", "answered", "ece", "brier", "confidence_auroc"])
best = lab.change("ece", finding.DAMAGED, finding.BRIER)
title = f"A Brier reward changes the calibration error by {best.estimate:+.2f}"
plots.compare(table, "measure", "share, or error", title, lab.look)

# %% [markdown]
# Every arm by every measure that all of them have, so that nothing hides: look along a row for what
# an arm paid for what it gained.

# %%
every = lab.table([arm.name for arm in lab.arms])
wide = every.pivot(index="arm", columns="measure", values="estimate")
tables.table(wide.dropna(axis="columns"), 2, lab.look)

# %% [markdown]
# All gates: without damage there is nothing to repair, without a repair by right answers none is
# possible here, a reward model that learned nothing teaches nothing, a repair that changes next to
# no reply repairs nothing, and a damage, an oracle or a rival that lost accuracy tells nothing about
# calibration. (RLSF may lose it: that is a contrast, and one broken base makes a wide interval.)
# Then the effect with what is left of it beyond each rival, the published direction to the right.
# The last lines sink nothing.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The effect, and what is left of it beyond each rival"
xlabel = "fall of the calibration error; of accuracy, change plus .03"
plots.contrasts(card.lines(outcome), outcome.delta, xlabel, title, lab.look)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play
#
# **Rank the replies.** Choose a question; the surest reply is on top. Would you have preferred
# it?


# %%
def rank(question):
    return finding.ranked(lab, question)


more = {"question": [*range(10), *hidden]}
widgets.explore(rank, live_only=more, question=[1, hidden[-1]])

# %% [markdown]
# **The pair threshold.** Raise it: fewer pairs are left. Are they better ones?


# %%
def choose(threshold):
    return finding.at_threshold(lab, threshold)


more = {"threshold": [0.25, 0.5, 0.75, 0.99]}
widgets.explore(choose, live_only=more, threshold=[0.0, 0.9])

# %% [markdown]
# ## Exercises
#
# **1 · By hand** (easy, 5 minutes). Two answers, both given a probability of .9; one is right. What
# is the calibration error?
#
# <details><summary>Hint</summary>Both are in one bin.</details>
# <details><summary>A deeper hint</summary>Accuracy .5 against a mean probability of .9.</details>

# %%
my_error = None

# %%
hint = "Half are right, at a probability of .9."
widgets.check(my_error, lambda x: abs(x - 0.4) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_error = abs(0.5 - 0.9)
# ```
# </details>
#
# **2 · The margin** (medium, 5 minutes). A reply of confidence .95 is paired with one that
# declines. Which margin does the reward model get, with `pair_margin` 1?
#
# <details><summary>Hint</summary>A reply that declines has confidence 0.</details>
# <details><summary>A deeper hint</summary>The margin is $e^{c_i-c_j}$.</details>

# %%
my_margin = None

# %%
hint = "e to the power of .95: the largest margins are those against declining."
widgets.check(my_margin, lambda x: abs(x - np.exp(0.95)) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# import math
# my_margin = math.exp(0.95)
# ```
# </details>
#
# **3 · Break the finding** (hard, 15 minutes). Find a repair that does not prefer by confidence and
# ends with a calibration error no higher than the real one's. Give its name.
#
# <details><summary>Hint</summary>Look at its rivals: what do they all share with it?</details>
# <details><summary>A deeper hint</summary><code>lab.change("ece", finding.REPAIRED, arm)</code>
# is below zero for such an arm.</details>


# %%
def as_good(arm):
    told = finding.TAUGHT[arm].preference in ("confidence", "answers")
    other = not told and lab.arm(arm).start == finding.DAMAGED
    return other and lab.change("ece", finding.REPAIRED, arm).estimate <= 0


# %%
my_arm = None

# %%
hint = "That one is worse calibrated, or prefers by confidence."
widgets.check(my_arm, as_good, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_arm = next((arm for arm in finding.TAUGHT if as_good(arm)), None)
# ```
# If there is none, confidence did something that its rivals did not.
# </details>
#
# ## Record

# %%
HTML(card.card(outcome))

# %%
record.write_replies(outcome.finding, lab.every_reply())
written = record.write(outcome)

# %% [markdown]
# ## Further reading
#
# * van Niekerk et al., arXiv 2507.21931: reinforcement learning from self-feedback.
# * Wang and Zhou, arXiv 2402.10200: confidence of the answer span.
# * arXiv 2603.08660: rewards for confidence sharpen, then collapse.
# * RLCR, arXiv 2507.16806: a Brier reward for a confidence that is said.
# * Kalai et al., arXiv 2509.04664: why what is rewarded is a guess. That is notebook 7.
