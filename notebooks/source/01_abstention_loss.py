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
# # 1 · Abstention loss
#
# **Does training a model to reason make it stop saying "I don't know"?**
#
# *After this notebook you can* measure abstention so that ability and willingness come apart,
# name the rivals that could sink the finding, and read a published drop with care.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 2 for one base, 3 for three |
# | small (SmolLM2-135M) | two CPU cores | 21 |
# | gpu (1.5 B) | one GPU with 24 GB | 90 (an estimate) |
#
# *Needs:* notebook 0. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_pairs: int = 12  # minimal pairs per scenario, or of a GSM8K file
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
doses: list[int] = [0, 16, 32, 64]  # training steps of SFT at which we look
rl_dose: int = 150  # and of RL
after: str = ""  # a reasoning model to compare (`model`: with thinking on); empty: ours
prefix: str = "<think>"  # what both arms are made to open with in one check
max_new_tokens: int = 96  # longest reply
temperature: float = 0.0  # 0 is greedy; published runs used 0.8
top_p: float = 1.0  # published runs used 0.95
judge: str = ""  # a model that judges the labelled replies too; empty for none
forecast: float = -0.2  # your guess of the change in abstention recall

# %%
import math
import time

import pandas as pd
import torch
from IPython.display import HTML, Markdown

from helpers.findings import abstention_loss as finding
from helpers.lab import card, claims, record
from helpers.lm.scoring import DECLINES, decline_probability
from helpers.show import pictures, plots, tables, widgets
from helpers.show.look import Look
from helpers.stats.statistics import d_prime_criterion
from helpers.text import abstention, answers

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published
#
# *Abstention recall* is the share declined of what should be declined, *precision* the share of
# all that was declined that rightly was, F1 their harmonic mean. Look for three things: recall
# falls in both pairs, precision *rises* in both, and there are only two pairs, without intervals.

# %%
claim = claims.published("abstention_loss")
pairs = finding.published_slopes(claim)
title = "As published: abstention recall falls in both pairs, and precision rises"
plots.slopes(pairs, title, Look(claim.source[0], {"f1": "F1"}))

# %%
Markdown(claim.as_published())

# %% [markdown]
# A model that declines less often when it should may have lost the *ability* to see that a
# question has no answer. Or it sees it as well as ever, and answers anyway. Published recall
# alone can't tell the two apart, so below we also ask how *probable* a decline was.
#
# ## Predict
#
# We will fine-tune (SFT, supervised fine-tuning: learning to write given replies) on chains of
# thought for **answerable questions only**. No "I don't know" is
# ever marked wrong there; it is simply never seen. By how much will abstention recall change?

# %%
guess = widgets.predict("Change of abstention recall?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## The questions
#
# Two questions of a pair differ as little as they can, and only one of them has an answer. In
# the pocket world they hold the same words in another order, so that no word gives it away.
# Find the difference in this one.

# %%
lab = finding.AbstentionLoss(p)
asked = pd.DataFrame([vars(item) for item in lab.items])
pair = asked[asked.id.isin([lab.items[-1].id, lab.items[-1].twin])]
tables.table(pair[["question", "answers", "should_abstain"]])

# %%
kinds = asked.should_abstain.map({True: "unanswerable", False: "answerable"})
tables.table(asked.groupby(["scenario", kinds]).size().unstack(fill_value=0))

# %% [markdown]
# ## Before
#
# First the model as it comes. On the left, look at how much it gets right: a model that can't
# answer would teach us nothing. On the right, look at how often it declines what nobody could
# answer. That share is **abstention recall**.

# %%
before = lab.graded("before")
start = lab.value("recall", "before")
title = f"Before training, it declines {start.estimate:.0%} of what has no answer"
pictures.outcomes(before, title, lab.look)

# %% [markdown]
# Here is what it wrote: the question with the right move, then the reply.

# %%
some = before.merge(asked[["id", "question"]], left_on="item", right_on="id")
columns = ["scenario", "question", "should_abstain", "text", "outcome"]
tables.table(some.groupby("scenario").head(2)[columns])

# %% [markdown]
# ## Train, and look at every dose
#
# An *arm* is a model under one way of replying: the one `before`, or one that a training made.
# The arm `reasoning SFT` learns whole, right chains of thought. Every story in its data can be
# answered. We stop at several doses and ask the same questions each time.

# %%
both = ["before", finding.REASONING]
after_sft = lab.graded(finding.REASONING)

# %%
end = lab.value("recall", finding.REASONING)
title = f"With training, abstention recall {plots.moves(start.estimate, end.estimate)}"
finding.along_doses(lab, both, ["recall", "false_declines"], title)

# %% [markdown]
# Left: declining when one should. Right: declining when one should not. Lines that fall on
# both sides look like a model that has become more willing to answer. A fall on the left alone
# is harder to read, above all where the right side has no room left to fall.
#
# ## Can't tell, or won't say?
#
# Call declining an unanswerable question a *hit*, at rate $H$, and declining an answerable one
# a *false alarm*, at rate $F$. With $z$ the inverse of the normal distribution function,
#
# $$d' = z(H) - z(F), \qquad c = -\tfrac12\,[z(H) + z(F)].$$
#
# A falling sensitivity $d'$ says *can't tell*. A rising criterion $c$ says *won't say*. To keep
# $z$ finite, 0.5 is added to every count and 1 to every total (Hautus 1995). By hand, with all
# bases in one pot (the figure below takes the mean of the bases, so it differs a little):

# %%
said = after_sft.groupby("should_abstain").abstained.agg(["sum", "size"])
d_prime, criterion = d_prime_criterion(*said.loc[True], *said.loc[False])
print(f"after the last dose, all bases together: d' {d_prime:.2f}, c {criterion:.2f}")

# %%
names = ["d_prime", "criterion"]
moved = [lab.change(name, *both).estimate for name in names]
title = f"d′ changes by {moved[0]:+.2f}, the criterion by {moved[1]:+.2f}"
finding.along_doses(lab, both, names, title)

# %% [markdown]
# Be careful here. Where false declines are near zero from the start, $F$ can't fall, and *any*
# loss of hits lowers $d'$ and raises $c$; and where false declines fall, $c$ can rise though hits
# rise as well. So look at $H$ and $F$ beside them, and then behind the replies, at the
# *probability* of declining.
#
# **By hand, once.** A reply declines if it opens in one of a few ways ("I don't know", "There is
# no way", ...). The probability of such an opening is that of its first token, times that of the
# second after the first, and so on. P(decline) is the sum over the openings. Here it is for one
# question, before any chain, and below it the same by our helper. Change the question.

# %%
one = lab.items[0]

# %% tags=["by_hand"]
lm = lab.cells("before", 0)[0].lm()
tokens = lm.tokenizer
begun = tokens(lm.prompt(one.question), add_special_tokens=False).input_ids
by_hand = 0.0
for opening in DECLINES:
    words = tokens(opening, add_special_tokens=False).input_ids
    if tokens.unk_token_id in words:
        continue  # words that this model does not have
    logits = lm.model(torch.tensor([begun + words])).logits[0].detach()
    q = logits.float().softmax(-1)
    at = range(len(begun) - 1, len(begun) + len(words) - 1)
    by_hand += math.prod(float(q[i, word]) for i, word in zip(at, words, strict=True))
by_helper = decline_probability(lm, [lm.prompt(one.question)])[0]
print(f"by hand {by_hand:.4f}, by the helper {by_helper:.4f}")

# %% [markdown]
# Take one question without an answer and one with: how often is P(decline) higher for the
# former? That share of all such pairs is the area under the ROC curve (*AUROC*): .5 is guessing,
# 1 is telling them apart for sure. By hand, of the first base:

# %%
here = lab.declining("before").query("base == @p.bases[0]")
unknown, known = (here[here.should_abstain == flag].p_decline for flag in (True, False))
wins = unknown.to_numpy()[:, None] > known.to_numpy()
print(f"AUROC by hand {wins.mean():.4f}")
print(f"by the helper {lab.value('auroc', 'before').by_base[p.bases[0]]:.4f}")

# %% [markdown]
# Is it the same everywhere? Compare the grey points with the coloured ones, row by row. Where
# recall falls with P(decline) while AUROC stays, the model knows and *won't say*. Where AUROC
# falls, it *can't tell*.

# %%
table = finding.scenarios(lab, both)
recalls = table[table.measure == "recall"]
wide = recalls.pivot(index="scenario", columns="arm", values="estimate")
fall = (wide[finding.REASONING] - wide["before"]).sort_values()
title = f"By scenario, recall changes from {fall.iloc[0]:+.2f} to {fall.iloc[-1]:+.2f}"
plots.compare_measures(table, "scenario", title, lab.look)

# %% [markdown]
# ## Reveal
#
# The published pairs, and ours beside them, on the same three measures.

# %%
ours = finding.our_slopes(lab)
recall = lab.primary.value(lab).interval
title = f"Recall changes by {recall.estimate:+.2f} here; published pairs beside it"
plots.slopes(pd.concat([pairs, ours]), title, lab.look)

# %%
def reveal():
    rows = finding.published_changes(claim)
    rows.append(guess.row)
    rows.append({"label": f"measured: {lab.label}", "kind": "measured", **vars(recall)})
    title = f"Published, forecast, measured: {recall.estimate:+.2f} here"
    axis = "change of abstention recall"
    return plots.forest(pd.DataFrame(rows), axis, title, lab.look)


guess.reveal(reveal)

# %%
Markdown(finding.changed(lab, guess.value))

# %% [markdown]
# Not a verdict yet. First we try to sink it.
#
# ## What else could explain it?
#
# **1 · Is it the training, or what the training leaves out?** The same recipe for as many
# steps, with abstentions kept at the share that the pretraining corpus has. If that arm loses
# as much, missing abstentions are not the cause. (It sees fewer chains in the same steps: to
# keep something is to leave something else out.)
#
# **2 · Which ingredient does it?** As many steps on direct answers, without chains: if that arm
# loses as much, any such training does it. And reinforcement learning (RL), in which the model
# writes several replies to a question, and those that earn more than their mean become likelier:
# a right answer earns 1, all else nothing, and all questions have an answer. In the source's own
# data that stage hardly moved recall: see above. None of this would sink the finding. It tells
# what is at work.

# %%
names = ["recall", "auroc"]
arms = [*both, *lab.rivals]
title = "Recall at the end: " + ", ".join(
    f"{lab.look.label(arm)} {lab.value('recall', arm).estimate:.2f}" for arm in arms
)
finding.along_doses(lab, arms, names, title)

# %% [markdown]
# The same ends in one picture. Straight down from `before`: it *won't say*. To the left: it
# *can't tell*. Down to the left: both. An arm further up declines *more* of what has no answer;
# up and to the left it declines more, and chooses worse what to decline.

# %% tags=["picture"]
lowest = min(arms, key=lambda arm: lab.value("auroc", arm).estimate)
area = lab.value("auroc", lowest).estimate
name = lab.look.label(lowest)
title = f"Can't tell, or won't say? The lowest AUROC is {area:.2f}, of {name}"
plots.plane(lab.table(arms, ["auroc", "recall"]), "auroc", "recall", title, lab.look)

# %% [markdown]
# **3 · Is it the opening?** In the published runs only the reasoning arm was made to start its
# answer in a certain way ("Final Answer:"). Ours were free. Here *both* arms are made to open
# alike, by default with a chain of thought, and the change of recall is measured again. If the
# untrained model declines as rarely once it reasons, reasoning did it, and not the training. This
# too only tells which ingredient does it.

# %%
opened = [lab.graded(arm, prefix=p.prefix) for arm in both]
alike = [lab.value("recall_opened", arm).estimate for arm in both]
title = f"Both opened with {p.prefix}: recall {plots.moves(*alike)}"
pictures.outcomes(pd.concat(opened), title, lab.look)

# %% [markdown]
# **4 · How good is the ruler?** Rules decide whether a reply declines, and rules err. Here they
# face labelled replies of two real models to questions that they were not made on, beside two other
# rulers: a linear classifier, which learned from other labelled replies and knows no rule, and a
# language model as judge. $\kappa$ is agreement beyond chance: below .6, at the lower end of the
# rules' interval, a gate fails and nothing is said of recall.
# The labels are those of a language model, the one that wrote the rules, from reading each reply; a
# second instance that saw neither agreed on 98 of 100. Other models may decline in other words:
# read the replies above.

# %%
tables.table(finding.ruler(lab))

# %% [markdown]
# Where the rules err: what kind of reply it was (a row), and what they read in it (a column).

# %%
tables.table(finding.confusion())

# %% [markdown]
# The published judge was a language model that *saw the true label*. Suppose it followed the
# label in as many calls as it was wrong in (~.12, its accuracy being ~.88). Watch what happens
# to recall, false declines and precision with no change in any model. (A judge that leans alike
# on both arms makes a change of recall or of false declines smaller, by that share; it can't make
# one up. Precision it can raise by itself, and a judge that leans on one arm more can do both.)

# %%
judged = finding.leaning_judge(pd.concat([before, after_sft]))
tables.table(judged, look=lab.look)

# %% [markdown]
# And what *is* a decline? `recall` counts a reply that settles on no answer. AbstentionBench's
# judge also counts a corrected premise with an answer, a disclaimer about a date, and an answer
# for each reading (`recall_broad`). The contrast of the claim under both:

# %%
rulers = lab.table(["reasoning_sft"], ["recall", "recall_broad"], since="before")
tables.table(rulers[["measure", "estimate", "low", "high", "n"]], look=lab.look)

# %% [markdown]
# All gates, and then the effect with what is left of it beyond the rival that could sink it, the
# published direction to the right. The last lines only tell which ingredient does it. (A finished
# `after` model comes without the rival's arm: then that contrast stays open, and no verdict of
# "replicates" is possible.) Here a *fall* counts as positive, so a rise lies left of zero. What is
# left beyond a rival is the fall minus the rival's fall: more than the effect where the rival rose.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The effect, and what is left of it beyond the rival"
xlabel = "fall of abstention recall"
plots.contrasts(card.lines(outcome), outcome.delta, xlabel, title, lab.look)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play
#
# **Dose and share of abstentions kept.** How much "I don't know" is enough? In a live notebook
# every further share trains a model: some seconds on the pocket, then it is kept.


# %%
def at_setting(dose, kept):
    return finding.at_setting(lab, dose, kept)


widgets.explore(at_setting, live_only=lab.slower_settings, **lab.settings)

# %% [markdown]
# **A threshold on P(decline).** Suppose we decline *for* the model whenever its probability of
# declining, read where its answer begins, reaches a threshold. Sliding the threshold walks
# along the curve. A curve near the upper left corner means that the model can still tell, even
# where it won't say. A curve near the diagonal means that it can't.


# %%
def at_threshold(threshold, dose):
    return finding.at_threshold(lab, dose, threshold)


steps = lab.doses(finding.REASONING)
more = {"threshold": finding.THRESHOLDS, "dose": steps}
widgets.explore(at_threshold, live_only=more, threshold=[0.01, 0.5], dose=steps[-1:])

# %% [markdown]
# ## Exercises
#
# **1 · By hand** (easy, 5 minutes). Of 100 unanswerable questions a model declines 66, of 100
# answerable ones 4. What is $d'$, with the correction?
#
# <details><summary>Hint</summary>Correct the counts first: 66.5 of 101 and 4.5 of
# 101.</details>
# <details><summary>A deeper hint</summary><code>scipy.stats.norm.ppf</code> is
# $z$; subtract the $z$ of the false alarms.</details>

# %%
my_d_prime = None

# %%
right = d_prime_criterion(66, 100, 4, 100)[0]
hint = "Subtract the z of the false alarms from the z of the hits."
widgets.check(my_d_prime, lambda x: abs(x - right) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# from scipy.stats import norm
# my_d_prime = norm.ppf(66.5 / 101) - norm.ppf(4.5 / 101)
# ```
# </details>
#
# **2 · Fool the ruler** (medium, 5 minutes). Write a reply to "How many apples does Ann have
# now?" that any person would call an answer of 12, and that the rules count as a decline.
#
# <details><summary>Hint</summary>The rules look for ways to decline, then for an answer that
# comes after them.</details>
# <details><summary>A deeper hint</summary>So give the answer first, and put the doubt
# last.</details>

# %%
my_reply = None

# %%
def fooled(text):
    first = text[: text.find("12") + 2]
    states = answers.final_answer(text) == "12" and not abstention.abstained(first)
    return states and abstention.abstained(text)


hint = "State 12 first, with no doubt before it; the rules must still say: declined."
widgets.check(my_reply, fooled, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_reply = "Ann has 12 apples. I don't know why you ask."
# ```
# </details>
#
# **3 · What does the recall cost?** (medium, 10 minutes). Find the highest threshold on
# P(decline) at which the model *after* training declines as many unanswerable questions as the
# model before did by itself. What share of answerable ones would it then decline? Give that
# share.
#
# <details><summary>Hint</summary><code>lab.declining(finding.REASONING)</code> has a column
# <code>p_decline</code>.</details>
# <details><summary>A deeper hint</summary>Sort p_decline of the unanswerable replies downwards
# and go down until the share that is reached is the old one.</details>

# %%
my_false_declines = None

# %%
right = finding.price_of_recall(lab)
hint = "Take the threshold from unanswerable replies, then count answerable ones."
widgets.check(my_false_declines, lambda x: abs(x - right) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# replies = lab.declining(finding.REASONING)
# hidden = replies[replies.should_abstain].p_decline.sort_values(ascending=False)
# needed = round(before[before.should_abstain].abstained.mean() * len(hidden))
# cut = hidden.iloc[max(needed, 1) - 1]
# my_false_declines = (replies[~replies.should_abstain].p_decline >= cut).mean()
# ```
# </details>
#
# **4 · Break what was found** (hard, 20 minutes). Recall moved one way after reasoning SFT. Hunt
# for a setting at which it moves the *other* way, or not at all: a dose, a share of abstentions
# kept, or both. Give it as `dict(dose=..., kept=...)`; the check trains it.
#
# <details><summary>Hint</summary>If recall fell: how little of "I don't know" is enough? If it
# rose: which way does the dose response above point?</details>
# <details><summary>A deeper hint</summary><code>finding.recall_change(lab, dose, kept)</code>
# says what you reached; shares above the corpus' own are allowed.</details>

# %%
my_setting = None

# %%
hint = "It still moves as before: another share, or a dose (the smallest at least)."
widgets.check(my_setting, lambda s: finding.breaks(lab, **s), hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# tried = [dict(dose=lab.dose(finding.REASONING), kept=k) for k in (0.1, 0.3, 0.5)]
# tried += [dict(dose=dose, kept=0.0) for dose in (100, 200, 400)]
# my_setting = next((s for s in tried if finding.breaks(lab, **s)), None)
# ```
# If none of them does it, it takes more than missing abstentions or a longer training to turn it,
# and that would be worth knowing.
# </details>
#
# ## Record
#
# The card is what the report shows. Its verdict is about this model family at this scale.

# %%
HTML(card.card(outcome))

# %%
record.write_replies(outcome.finding, lab.every_reply())
written = record.write(outcome)

# %% [markdown]
# ## Further reading
#
# * Kirichenko, Ibrahim, Chaudhuri, Bell, *AbstentionBench*, arXiv 2506.09038: the finding, its
#   sets and its judge.
# * Kalai et al., arXiv 2509.04664: why a reward for right answers alone teaches guessing; our
#   notebook 7.
# * Hautus (1995): the log-linear correction of $d'$.
