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
# # 7 · The refusal is the reward
#
# **Does a model learn to say "I don't know" exactly where its reward makes answering a bad bet?**
#
# *After this notebook you can* work out the confidence from which an answer pays, read off a
# policy where it starts to answer, and say what it costs to bring lost abstention back.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 5 for one base, 12 for three |
# | small (SmolLM2-135M) | two CPU cores | 31 |
# | gpu (1.5 B) | one GPU with 24 GB | 120 (an estimate) |
#
# *Needs:* notebook 1. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 90  # answerable stories of 1 to 6 steps (small: 1)
n_pairs: int = 10  # minimal pairs per scenario, or of a GSM8K file
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
stops: list[float] = [0.0, 0.5, 0.75, 0.9]  # where the dial stands, as t, lowest first
dose: int = 48  # GRPO steps of every stop, and of the restored model
rl_dose: int = 150  # steps of RL on right answers, as in notebook 4
doses: list[int] = [64]  # steps of reasoning SFT; the largest counts
harder_rate: float = 3e-3  # learning rate of the SFT to undo; LoRA takes ten times it
restore: float = 0.75  # the stop that is to bring abstention back
n_learned: int = 60  # notebook 6's, as all up to repair_tokens, which make its arms
k: int = 10  # first-token branches of each learned question
threshold: float = 0.9  # confidence that a preferred reply needs
pair_margin: float = 1.0  # a pair's margin is exp(this * its gap in confidence)
repair_doses: list[int] = [0, 10, 20]  # training steps of damage and repair
repair_tokens: int = 64  # longest of those branches
scorer: str = ""  # third model that scores chains; empty for the next base's pocket
max_new_tokens: int = 96  # longest free reply
forecast: float = 0.5  # your guess of the slope of the threshold on t

# %%
import time

import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from helpers.findings import reward_dial as finding
from helpers.findings.reward_dial import scoreboard
from helpers.lab import card, claims, record
from helpers.lab.finding import answerable
from helpers.lm.generation import generate
from helpers.show import pictures, plots, widgets
from helpers.stats import intervals
from helpers.text import abstention, answers
from helpers.train.rewards import earned

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim
#
# The measurement is ours. The theorem is not, nor is training under such a reward.

# %%
claim = claims.published("reward_dial")
Markdown(claim.as_published())

# %% [markdown]
# Give 1 for a right answer, 0 for "I don't know", $-p$ for a wrong one. Someone who is right
# with probability $c$ earns $c - (1 - c)\,p$ by answering. That is more than 0 just when
#
# $$c > t = \frac{p}{1 + p}, \qquad p = \frac{t}{1 - t}.$$
#
# With $p = 0$ (right or nothing, the usual reward of RL on right answers) a guess never loses.
# $p = 1$ is the three-valued reward of TruthRL (right, unknown, wrong). So "how shy is this model?" may
# have a dull answer: as shy as its reward. The table is the whole dial.

# %%
penalties = [finding.penalty(t) for t in p.stops]
pd.DataFrame({"t": p.stops, "penalty p": penalties}).round(2)

# %% [markdown]
# One thing before any training. GRPO samples a *group* of replies to a question and takes off the
# group's mean reward; what is left is a reply's *advantage*, by which it becomes likelier or not.
#
# > **What we got wrong the first time**
# >
# > trl by default also **divides by the group's standard deviation**. Take a group of declines and
# > wrong answers: whatever $p > 0$ is, after the division the declines stand as far above the mean.
# > The same holds for declines and right answers. Only a group with all three kinds can tell one
# > $p$ from another: our dial was *nearly a switch* by construction. Now nothing is divided, and
# > the rewards are all over $1 + p$, so that right and wrong are as far apart at every stop.

# %% [markdown]
# ## Predict
#
# We train the same start at every stop of the dial and look for the confidence from which each
# policy (the trained model) answers. On the line threshold = $t$ the slope is 1. A policy that
# the dial can't move has slope 0. Draw your curve on paper first, then give its slope.

# %%
guess = widgets.predict("Slope of the threshold on t?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## The start
#
# Two things make the test fair. Replies are *short* while the dial trains, too short for a
# chain: where a chain makes nearly every answer right, there is nothing to decide. And the
# start must now and then decline, because **what is never sampled can't be reinforced**. So all
# stops start from one model that learned, in a few steps, to decline some answerable stories
# *by lot*. The lot knows nothing about what is hard.

# %%
lab = finding.RewardDial(p)

# %% [markdown]
# **By hand, once.** A group of eight replies to one question, drawn at temperature 1, what each
# earns at $t = .75$, and its advantage without the division and with it. The helper's rewards
# stand beside ours. Take another question, or another $t$: which column moves?

# %%
one = lab.items[-1]

# %% tags=["by_hand"]
lm, fine, by_hand = lab.cells("before", 0)[0].lm(), finding.penalty(0.75), []
group = generate(lm, [lm.prompt(one.question)] * 8, 32, temperature=1.0)
for reply in group:
    if abstention.abstained(reply.text):
        reward = 0.0
    else:
        reward = 1.0 if answers.final_answer(reply.text) in one.answers else -fine
    by_hand.append(reward / (1 + fine))
right = one.answers[0] if one.answers else ""
by_helper = [earned("dial", reply.text, right, fine) for reply in group]
advantage = np.array(by_hand) - np.mean(by_hand)
divided = advantage / (np.std(by_hand, ddof=1) + 1e-4)

# %%
columns = {"by hand": by_hand, "helper": by_helper, "advantage": advantage}
texts = [reply.text for reply in group]
pd.DataFrame(columns | {"divided": divided}, index=texts).round(2)

# %% [markdown]
# Now the start itself.

# %%
start = answerable(lab.reading(finding.START))
by_steps = start.groupby("steps")[["decline", "confidence", "correct"]].mean()
by_steps.round(2)

# %% [markdown]
# `decline` is the probability of declining, `confidence` that of its likeliest answer if it
# answers. Both are *computed*, not sampled: we score the ways to decline and all answers, after
# the question and before any chain. (All of the stories, that is, 0 to 40. Of a question of your
# own only the right one and the other numbers in it: a choice that holds the key, so confidence
# looks better there than it is.) Is the confidence worth its name? A small calibration error
# says yes.

# %%
print("calibration error of the start:", intervals.interval(start, "ece"))

# %% [markdown]
# ## Turn the dial
#
# One short run of RL a stop, by GRPO (of several replies to a question those that earn more than
# their mean become likelier): same start, same questions, same number of steps, and nothing else
# differs but $p$. Watch the blue line (declines what nobody can answer) and the red one
# (declines what has an answer).

# %%
table = finding.dial_table(lab)
shy = table[table.arm == "declines_answerable"].estimate
title = f"Declines of the answerable: {shy.iloc[0]:.2f} to {shy.iloc[-1]:.2f}"
plots.curves(table, "t", "stop of the dial, t", "share", title, lab.look)

# %% [markdown]
# Blanket shyness would raise the red line too. So look at *what* it declines. The grey line is
# the start, if it answered its most confident questions only. A point near it chose well; a
# point below chose badly, or lost accuracy in training.

# %%
curve, points = finding.coverage(lab)
ends = points.accuracy.iloc[[0, -1]]
title = f"From lowest to highest stop, accuracy if it answers {plots.moves(*ends)}"
pictures.selective(curve, points, title, lab.look)

# %% [markdown]
# ## Reveal: where does it start to answer?
#
# For every policy we look for the rule "answer from confidence $x$ on" that most often does
# what the policy does. That $x$ is its **threshold**. The grey line is the best policy; the second
# curve takes the confidence of the start. If a policy mostly declines whatever its confidence, $x$
# lies halfway between its highest and 1 and means *nowhere*; if it always answers, halfway between
# 0 and its lowest. Such ends alone make a slope near 1: questions 2 and 3 below tell.

# %%
thresholds = finding.threshold_table(lab)
moved = lab.primary.value(lab).interval
title = f"The threshold's slope on t is {moved.estimate:.2f}; the best policy's is 1"
axes = ("t", "stop of the dial, t", "starts to answer at confidence")
plots.curves(thresholds, *axes, title, lab.look)

# %%
rows = [
    {"label": "theory: the best policy", "kind": "theory", "estimate": 1.0},
    {"label": "your forecast", "kind": "forecast", "estimate": guess.value},
    {"label": f"measured: {lab.label}", "kind": "measured", **vars(moved)},
]
title = f"Slope of the threshold on t: {moved.estimate:.2f} here, 1 in theory"
plots.forest(pd.DataFrame(rows), "slope of the threshold on t", title, lab.look)

# %% [markdown]
# **The other knob.** Instead of taking points for errors one can give them for "I don't know". A
# bonus of $t$ without a penalty has the same threshold; does it make the same policy?

# %%
knobs = finding.two_knobs(lab)
by_knob = knobs[knobs.arm == "threshold"].set_index("knob").estimate
title = f"t = {p.stops[1]:g}: answers from {by_knob.penalty:.2f} by penalty, "
title += f"from {by_knob.bonus:.2f} by bonus"
plots.compare(knobs, "knob", "confidence, or share", title, lab.look)

# %% [markdown]
# **How far from the best?** Count a right answer as $1 - t$, a wrong one as $-t$ and a decline
# as 0, the same reward on one scale. Compare the policy with the rule "answer from *your own*
# confidence $t$ on" and with always answering. All three give the same answers, the policy's
# likeliest ones; they differ only in when. Answerable questions, no chain.

# %%
earned = finding.earnings_table(lab)
rule, policy = (earned[earned.arm == a].estimate.values for a in ("rule", "policy"))
title = f"The policies fall short of their own rule by up to {max(rule - policy):.2f}"
plots.compare(earned, "stop", "earned a question", title, lab.look)

# %% [markdown]
# These are the answers as they turned out. By its own confidence a policy's distance from its
# optimum is exact: $\max(c-t,0)-(1-P_\text{decline})(c-t)$, in the mean over questions.

# %%
finding.regrets(lab).round(3)

# %% [markdown]
# Not a verdict yet. First we try to sink it.
#
# ## What else could explain it?
#
# **1 · Whose confidence?** (`start`) Rewards for right answers can sharpen: after training,
# confidence may be no probability any more. So the slope is taken again with the confidence of the
# *start*.
#
# **2 · A dial, or a switch?** (`above`) Who answers everything at the lowest stop and nothing at
# the others has a slope near 1, too. So it is taken once more without the lowest. A division by the
# group's deviation, as in the box above, makes just that likely.
#
# Either can sink the finding. Two more only tell what moves with the slope:
#
# **3 · Shy, or wise?** (`chosen`) A policy that declines at random also declines more. So we take
# the answers of the lowest stop and let the highest choose among them: does accuracy rise?
#
# **4 · And where nobody can know?** (`hidden`) Do declines of unanswerable questions rise as well?
#
# And all gates; a policy whose answers broke on the way tells nothing about when to give them.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The slope, and what is left of it beyond each rival"
xlabel = "slope, or difference of shares"
plots.contrasts(card.lines(outcome), outcome.delta, xlabel, title, lab.look)

# %% [markdown]
# ## The circle closes
#
# Notebook 1 trained on chains for answerable questions, and what that did not lose can't be
# brought back. So we train once more on the same chains at `harder_rate` (SmolLM2 loses enough at
# notebook 1's own rate, in half its steps, so there it is the same model as `reasoning SFT` here),
# and turn only the dial on *that*: GRPO at the stop `restore`, on answerable and unanswerable
# stories, now with room for chains. No reply is shown to it. Its twin has the same stories and
# as many steps with the dial at 0: what that brings back was not the dial's work.

# %%
recalls = [lab.value("recall", arm).estimate for arm in finding.RESTORED]
title = "Recall {:.2f}, {:.2f} SFT, {:.2f} harder, {:.2f} dial at 0, {:.2f} dialled"
replies = pd.concat(lab.graded(arm) for arm in finding.RESTORED)
pictures.outcomes(replies, title.format(*recalls), lab.look)

# %% [markdown]
# The price, from the harder SFT on: changes of false declines, of accuracy, and of what
# findings 2 (area over the curve), 4 (yields) and 6 (calibration error) measure.

# %%
finding.price(lab)

# %% [markdown]
# ## The scoreboard
#
# What else moved on the way? Eight arms answer the same questions: the model before, three by
# shared recipes (reasoning SFT, answer SFT, RL on right answers), the damaged and the repaired
# model of notebook 6, and the two from above. A panel a finding: 2 and 3 force a chain open, 6
# is about answers without one. Which arm would you want to talk to?

# %%
scoreboard.figure(finding.ladder(lab))

# %% [markdown]
# On few questions intervals are wide: a panel shows what to look at next, not what is so. Each
# finding's own notebook has more items, and its rivals.

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play: the dial
#
# Each point is a question in one base. Right of the orange line answering pays, left of it
# declining does. Before you turn the dial, say where the blue line will go. In a live notebook
# further stops are trained when you first ask for them.


# %%
def turn(t):
    return finding.at_stop(lab, t)


widgets.explore(turn, live_only={"t": [0.25, 0.6, 0.95]}, t=p.stops)

# %% [markdown]
# ## Exercises
#
# **1 · By hand** (easy, 5 minutes). A quiz gives 1 for a right answer, 0 for none, and takes a
# quarter of a point for a wrong one. From which confidence should you answer?
#
# <details><summary>Hint</summary>At the border, answering earns 0.</details>
# <details><summary>A deeper hint</summary>Solve $c - (1 - c) / 4 = 0$.</details>

# %%
my_t = None

# %%
hint = "t is p / (1 + p) with p a quarter."
widgets.check(my_t, lambda x: abs(finding.penalty(x) - 0.25) < 1e-6, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_t = 0.25 / 1.25
# ```
# </details>
#
# **2 · Two knobs, one dial** (medium, 10 minutes). Now a wrong answer costs nothing, but
# declining earns a bonus $b$. Which $b$ gives the same threshold as $p = 1$? (Ours are
# divided by $1 + p$. Then the rewards of both knobs differ by a constant, which taking off the
# mean removes: the very same advantages.)
#
# <details><summary>Hint</summary>Answering pays when $c > b$.</details>
# <details><summary>A deeper hint</summary><code>finding.penalty(t, bonus)</code> is the penalty
# that belongs to a threshold and a bonus; you want it to be 0.</details>

# %%
my_bonus = None

# %%
hint = "At p = 1 the threshold is one half."
widgets.check(my_bonus, lambda b: abs(finding.penalty(0.5, b)) < 1e-6, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_bonus = 0.5
# ```
# </details>
#
# **3 · Break the finding** (hard, 20 minutes). Find two stops at which the *higher* one starts
# to answer at the *lower* confidence. Give them as a pair, lower first; new stops are trained.
#
# <details><summary>Hint</summary>The dial can't move far between stops that lie close, and
# training has noise.</details>
# <details><summary>A deeper hint</summary><code>lab.value("threshold", finding.dial(t))</code>
# is the threshold of a stop.</details>


# %%
def reversed_order(pair):
    low, high = (lab.value("threshold", finding.dial(t)) for t in pair)
    return pair[0] < pair[1] and low.estimate > high.estimate


# %%
my_stops = None

# %%
widgets.check(my_stops, reversed_order, "The higher stop still starts higher.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# pairs = [(a, b) for a in p.stops for b in p.stops if a < b]
# my_stops = next((pair for pair in pairs if reversed_order(pair)), None)
# ```
# If none of them does it, try (0.9, 0.93), and ask whether the difference would survive another
# base.
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
# * Kalai et al., arXiv 2509.04664: why models guess, and the threshold.
# * Kirichenko et al., arXiv 2506.09038: the loss of notebook 1.
