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
# *After this notebook you can* work out the confidence from which an answer pays, tell a dial
# from a switch, and say what it costs to bring lost abstention back.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 2 for one base, 3 for three |
# | small (SmolLM2-135M) | two CPU cores | 31 |
# | gpu (1.5 B) | one GPU with 24 GB | 120 (an estimate) |
#
# *Needs:* notebooks 1 and 6. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 35  # answerable stories of 1 to 6 steps (small: 1)
n_pairs: int = 4  # minimal pairs per scenario, or of a GSM8K file
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
stops: list[float] = [0.0, 0.5, 0.75, 0.9]  # where the dial stands, as t, lowest first
dose: int = 48  # GRPO steps of every stop, and of the restored model
rl_dose: int = 150  # steps of RL on right answers, as in notebook 1
doses: list[int] = [64]  # steps of reasoning and answer SFT; the largest counts
restore: float = 0.75  # the stop that is to bring abstention back
damage_dose: int = 160  # training steps of notebook 6's damage
n_learned: int = 100  # notebook 6's, as all up to repair_tokens, which make its arms
k: int = 10  # first-token branches of each learned question
threshold: float = 0.9  # confidence that a preferred reply needs
pair_margin: float = 1.0  # a pair's margin is exp(this * its gap in confidence)
repair_doses: list[int] = [0, 40]  # training steps of the repair
repair_tokens: int = 136  # longest of those branches
scorer: str = ""  # third model that scores chains; empty for the next base's pocket
max_new_tokens: int = 96  # longest free reply
forecast: float = 0.5  # your guess of the share of the possible gain

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
from helpers.show import pictures, plots, tables, widgets
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
tables.table(pd.DataFrame({"t": p.stops, "penalty p": penalties}), 2)

# %% [markdown]
# One thing before any training. GRPO samples a *group* of replies to a question and takes off the
# group's mean reward; what is left is a reply's *advantage*, by which it becomes likelier or not.
#
# > **What we got wrong the first time**
# >
# > *The training.* trl, the library that trains our arms, by default also **divides by the group's
# > standard deviation**. Take a group of declines and wrong answers: whatever $p > 0$ is, after
# > the division the declines stand as far above the mean. The same holds for declines and right
# > answers. Only a group with all three kinds can tell one $p$ from another: our dial was *nearly a
# > switch* by construction. Now nothing is divided, and the rewards are all over $1 + p$, so that
# > right and wrong are as far apart at every stop. trl's default stands beside it as an arm of its
# > own.
# >
# > *The measure.* We looked for the confidence at which each *policy* (a trained model) starts to
# > answer, and took the slope of that on $t$, which is 1 for the best policy. What gave it away: a
# > policy that answers everything at the lowest stop and nothing at the others has about that
# > slope, too. See below.

# %%
switch = [float(t > 0) for t in p.stops]
slope = np.polyfit(p.stops, switch, 1)[0]
print(f"slope of a pure switch: {slope:.2f}")

# %% [markdown]
# So a slope proves nothing, and we ask for *earnings* instead. Count a right answer as $1 - t$, a
# wrong one as $-t$ and a decline as 0: the same reward on one scale. A policy with confidence $c$
# in its answer, which declines with probability $d$, expects $(1 - d)(c - t)$. A switch, which
# always or never answers, expects the mean of $c - t$ or 0. The best rule that the policy's own
# confidence allows, "answer from $t$ on", expects the mean of $\max(c - t, 0)$. So
#
# $$\text{share} = \frac{\overline{(1-d)(c-t)} - \max(\overline{c-t},\, 0)}
# {\overline{\max(c-t,\, 0)} - \max(\overline{c-t},\, 0)}$$
#
# is 1 for the best rule and 0 for the better switch. Numerators and denominators are summed over
# the stops above 0 first. (At $t = 0$ always answering *is* the best rule.)
#
# ## Predict
#
# We train the same start at every stop of the dial. What share of the possible gain will the
# policies earn, all stops together? It can be below 0.

# %%
guess = widgets.predict("Share of the possible gain?", -1.0, 1.0, p.forecast)

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
start = answerable(lab.reading(finding.START))
by_steps = start.groupby("steps")[["decline", "confidence", "correct"]].mean()
tables.table(by_steps, 2)

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
# **By hand, once.** A group of eight replies to one question that the start declines now and
# then, drawn at temperature 1: what each earns at two stops, and its advantage without the
# division and with it. The helper's rewards are the same. Which columns tell the stops apart?
# Run it again for another group, or take another question.

# %%
torn = start.loc[(start.decline - 0.4).abs().idxmin(), "item"]
one = next(item for item in lab.items if item.id == torn)

# %% tags=["by_hand"]
lm, seen = lab.cells(finding.START, lab.dose(finding.START))[0].lm(), {}
group = generate(lm, [lm.prompt(one.question)] * 8, finding.BRIEF, temperature=1.0)
right, by_hand, by_helper = "".join(one.answers[:1]), [], []
for t in (0.5, 0.9):
    fine, rewards = finding.penalty(t), []
    for reply in group:
        good = answers.final_answer(reply.text) in one.answers
        worth = 0.0 if abstention.abstained(reply.text) else 1.0 if good else -fine
        rewards.append(worth / (1 + fine))
    ahead = np.array(rewards) - np.mean(rewards)
    seen[f"t = {t}"] = ahead
    seen[f"t = {t}, divided"] = ahead / (np.std(rewards, ddof=1) + 1e-4)
    by_hand += rewards
    by_helper += [earned("dial", reply.text, right, fine) for reply in group]

# %%
tables.table(pd.DataFrame({"reply": [reply.text for reply in group]} | seen), 2)

# %% [markdown]
# What does that do to the threshold? Average over all groups that a policy can draw. Undivided,
# answering becomes likelier just where $c > t$. Divided, it depends on how often the policy
# declines: the shyer it already is, the nearer *every* stop comes to one half.

# %%
above = [t for t in p.stops if t > 0]
group_table = finding.pays_table(above, [0.2, 0.5, 0.8])
tables.table(group_table, 2)

# %% [markdown]
# ## Turn the dial
#
# One short run of RL a stop, by GRPO (of several replies to a question those that earn more than
# their mean become likelier): same start, same questions, same number of steps, and nothing else
# differs but $p$. Watch the blue line (declines what nobody can answer) and the red one
# (declines what has an answer).

# %% tags=["picture"]
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
# Fit a logistic regression of P(decline) on the policy's own confidence; where it crosses one half,
# the policy **starts to answer**. Where it crosses nowhere the point stands at 0 (it answers, sure
# or not) or at 1 (it declines, sure or not). The grey line is the best policy; the second curve
# was trained at the same stops by trl's default. Would you call either a dial?

# %%
thresholds = finding.threshold_table(lab)
dials = thresholds[thresholds.arm == "dial"].estimate
title = "The dial starts to answer at " + ", ".join(f"{x:.2f}" for x in dials)
axes = ("t", "stop of the dial, t", "starts to answer at confidence")
plots.curves(thresholds, *axes, title, lab.look)

# %% [markdown]
# Now in points. 0 is the better of always and never answering at that stop; green is what the best
# rule by the policies' own confidence would gain over it. Grey is where all began: whoever declines
# by lot earns less than a switch. How much of the way from grey to green does blue go?

# %%
gained = finding.gain_table(lab)
moved = lab.primary.value(lab).interval
title = f"The dial's policies earn {moved.estimate:.2f} of the possible gain"
plots.compare(gained, "stop", "points a question over a switch", title, lab.look)

# %% [markdown]
# The same by stop, as shares, beside where each starts to answer and the exact optimum.

# %%
tables.table(finding.share_table(lab))

# %%
def reveal():
    rows = [
        {"label": "a switch", "kind": "theory", "estimate": 0.0},
        {"label": "the best rule", "kind": "theory", "estimate": 1.0},
        guess.row,
        {"label": f"measured: {lab.label}", "kind": "measured", **vars(moved)},
    ]
    title = f"Share of the possible gain: {moved.estimate:.2f}"
    return plots.forest(pd.DataFrame(rows), "share", title, lab.look, signed=False)


guess.reveal(reveal)

# %% [markdown]
# Not a verdict yet. First we try to sink it.
#
# ## What else could explain it?
#
# That a switch would do as well is built into the share. Two more rivals can sink it:
#
# **1 · Whose confidence?** (`start`) Rewards for right answers can sharpen: after training,
# confidence may be no probability any more. So all is reckoned again with the confidence of the
# *start*.
#
# **2 · Does the stop matter?** (`other_stops`) One graded policy, whatever its stop, might earn as
# much everywhere. So every policy is judged at every stop. Only if the dial moves the threshold
# does the largest number of each column lie on the diagonal.

# %%
tables.table(finding.exchanged(lab))

# %% [markdown]
# Three more tell what it is, and sink nothing. `default`: the share of the policies by trl's
# default. `learned`: the share, minus that of the start. `outcome`: what the policies gained by the
# answers that *turned out* right, over the same possible gain. It has the noise of luck; if
# confidence is worth its name, it is about the share.
#
# And all gates; a policy whose answers broke on the way tells nothing about when to give them.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The share, and what is left of it beyond each rival"
xlabel = "share of the possible gain"
plots.contrasts(card.lines(outcome), outcome.delta, xlabel, title, lab.look)

# %% [markdown]
# ## The circle closes
#
# Of the arms of notebook 1 **answer SFT**, bare answers to answerable questions, lost most
# abstention on development stories, none of which is reported here. So that very model is what we
# restore, and nothing but the dial is turned: GRPO at the stop `restore`, on answerable and
# unanswerable stories, with room for chains. No reply is shown to it. Its twin has the same stories
# and as many steps with the dial at 0: what that brings back was not the dial's work.

# %%
recalls = [lab.value("recall", arm).estimate for arm in finding.RESTORED]
title = "Recall {:.2f}, {:.2f} answer SFT, {:.2f} dial at 0, {:.2f} dialled"
replies = pd.concat(lab.graded(arm) for arm in finding.RESTORED)
pictures.outcomes(replies, title.format(*recalls), lab.look)

# %% [markdown]
# The price, from answer SFT on: changes of false declines, of accuracy, and of what
# findings 2 (area over the curve), 4 (yields) and 6 (calibration error) measure.

# %%
tables.table(finding.price(lab))

# %% [markdown]
# ## The scoreboard
#
# What else moved on the way? Eight arms answer the same questions: the model before, three by
# shared recipes (reasoning SFT, answer SFT, RL on right answers), the damaged and the repaired
# model of notebook 6, and the two from above. A column a finding: 2 and 3 force a chain open, 6
# is about answers without one. Blue cells are better than before, orange ones worse; of the area
# over the curve nobody can say which way is better. Which arm would you want to talk to?

# %% tags=["picture"]
scoreboard.figure(finding.ladder(lab))

# %% [markdown]
# On few questions intervals are wide: the board shows what to look at next, not what is so. Each
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
# declining earns a bonus $b$. Which $b$ gives the same threshold as $p = 3$? (Ours are
# divided by $1 + p$. Then the rewards of both knobs differ by a constant, which taking off the
# mean removes: the very same advantages. So we train no policy by a bonus.)
#
# <details><summary>Hint</summary>Answering pays when $c > b$.</details>
# <details><summary>A deeper hint</summary><code>finding.penalty(t, bonus)</code> is the penalty
# that belongs to a threshold and a bonus; you want it to be 0.</details>

# %%
my_bonus = None

# %%
hint = "At p = 3 the threshold is three quarters."
widgets.check(my_bonus, lambda b: abs(finding.penalty(0.75, b)) < 1e-6, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_bonus = 0.75
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
record.write_replies(outcome.finding, lab.every_reply())
written = record.write(outcome)

# %% [markdown]
# ## Further reading
#
# * Kalai et al., arXiv 2509.04664: why models guess, and the threshold.
# * Kirichenko et al., arXiv 2506.09038: the loss of notebook 1.
