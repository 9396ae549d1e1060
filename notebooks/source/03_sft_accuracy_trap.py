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
# and split a drop into length, wording, leaks and what is left.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 1 for one base, 2 for three |
# | small (SmolLM2-135M) | two CPU cores | 20 |
# | gpu (1.5 B) | one GPU with 24 GB | 90 (an estimate) |
#
# *Needs:* notebook 0. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 50  # stories of 2 to 5 steps (small: to 3), or GSM8K problems
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
dose: int = 100  # training steps of every arm but those of verbose teachers
verbose_dose: int = 300  # of these, whose chains take longer to learn
verbosities: list[float] = [0.5]  # further teachers between terse (0) and verbose (1)
scorer: str = ""  # the scoring model; empty for the next pocket, taught to read
max_new_tokens: int = 160  # longest chain with its answer
forecast: float = -0.2  # your guess of the change in the gain a step, nats

# %%
import time

import pandas as pd
import torch
from IPython.display import HTML, Markdown

from helpers.findings import sft_accuracy_trap as finding
from helpers.lab import card, claims, record
from helpers.lm import models
from helpers.show import plots, tables, widgets
from helpers.text import chains

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
tables.table(finding.published_arithmetic(claim))

# %% [markdown]
# A separate scorer reads the question and the first $i$ steps of a chain, and says
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
# A mean of perplexities is a mean of the items that the scorer was most wrong about. So what
# counts here is the same in nats (units of natural log-probability) a token of the answer,
#
# $$\mathrm{gain\ a\ step} = \frac{\ln p_t-\ln p_0}{t},$$
#
# and the paper's own form stands beside it.
#
# ## Predict
#
# We will fine-tune on *verbose* chains: right, and each step told thrice. By how much will the
# gain a step change, in nats?

# %%
guess = widgets.predict("Change of the gain a step, nats?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## One chain, step by step
#
# The untrained model's own chain for the question where it tells the scorer most, and what each
# step tells about the right answer. The scorer reads the answer as a sentence.

# %%
lab = finding.SftAccuracyTrap(p)
before = lab.reading("before")
told = before[before.base == p.bases[0]].set_index("item").log_total_gain
patient = next(i for i in lab.items if i.id == told.idxmax())
own = before[before.item == patient.id].chain.iloc[0]
tables.quote(patient.question, f"Right answer: {patient.answers[0]}")

# %%
finding.meter(lab, patient, own)

# %% [markdown]
# **By hand, once.** The log-probability of the sentence "The answer is ..." after 0, 1, ... steps,
# a token, and the gain a step; below it the helper's. Change the question.

# %%
one = patient

# %% tags=["by_hand"]
row = lab.reading("before").query("item == @one.id").iloc[0]
judge = models.loaded(lab.scorer(p.bases[0]), "float32")
steps, nats, tokens = chains.steps_of(row.chain), [], judge.tokenizer
for i in range(len(steps) + 1):
    said = " ".join(["<think>", *steps[:i], "</think>"])
    texts = judge.prompt(one.question, said), f"The answer is {one.answers[0]}"
    begun, span = (tokens(t, add_special_tokens=False).input_ids for t in texts)
    logits = judge.model(torch.tensor([begun + span])).logits[0].detach()
    q = logits[len(begun) - 1 : -1].float().log_softmax(-1)
    nats.append(sum(float(q[k, word]) for k, word in enumerate(span)) / len(span))
by_hand, by_helper = (nats[-1] - nats[0]) / len(steps), row.log_infogain
print(f"by hand {by_hand:.4f} nats a step, by the helper {by_helper:.4f}")

# %% [markdown]
# ## Train on four teachers
#
# All see the same stories, each at the rate with the lowest loss on other stories, and after every
# chain stands the right answer. `Reasoning SFT`, the terse one, tells each step once; `verbose SFT`
# says every result again and checks it, and gets more steps; `post hoc` gives the answer first;
# `wrong` has fluent, false steps. This is how each one then writes.

# %%
arms = [arm.name for arm in lab.arms]
everyone = pd.concat(lab.reading(arm) for arm in arms)
here = (everyone.base == p.bases[0]) & (everyone.item == patient.id)
first = everyone[here].drop_duplicates("arm")
tables.table(first[["arm", "chain"]], look=lab.look)

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
# The gain a step in nats, beside your forecast.

# %%
moved = lab.primary.value(lab).interval


def reveal():
    rows = [
        guess.row,
        {"label": f"measured: {lab.label}, verbose", "kind": "measured", **vars(moved)},
    ]
    title = f"The gain a step changes by {moved.estimate:+.3f} nats here"
    axis = "change of the gain a step, nats"
    return plots.forest(pd.DataFrame(rows), axis, title, lab.look)


guess.reveal(reveal)

# %% [markdown]
# And by the paper's own formula, beside the printed values, which are of another scorer.

# %%
paper = lab.change("infogain", "before", "verbose_sft")
rows = [{"label": "measured, verbose", "kind": "measured", **vars(paper)}]
rows += [
    {"label": f"published: {f.setting}", "kind": "published",
     "estimate": f.after - f.before}
    for f in claim.values("infogain")
]
title = f"InfoGain, in perplexity, changes by {paper.estimate:+.2f} here"
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
steps = table[table.measure.isin(["n_steps", "leaking_steps"])]
tables.table(steps[fields], 2, lab.look)

# %% [markdown]
# **2 · How much is length, wording, leak?** The change is a sum of four: the old gain spread over
# the new number of steps; what the teacher's words do to the scorer on the teacher's *own* right
# chains; gain made at steps that already state the answer; and what is left.

# %% tags=["picture"]
split = lab.split("verbose_sft")
title = (
    f"Of a change of {split.estimate.iloc[-1]:+.2f}, length alone makes "
    f"{split.estimate.iloc[0]:+.2f}"
)
plots.waterfall(split, "change of the gain a step, nats", title, lab.look)

# %% [markdown]
# **3 · Is it the training or the padding?** The same for every teacher; and again as if the whole
# gain had been told in as many steps as before, where padding alone changes nothing.

# %%
moves = finding.changes(lab, arms[1:])
title = "Change of the gain a step by teacher, as it is and two other ways"
plots.compare(moves, "measure", "nats", title, lab.look)

# %% [markdown]
# And both forms of the gain, after the verbose teacher, all three ways:

# %%
tables.table(finding.every_change(lab, "verbose_sft"))

# %% [markdown]
# **4 · Is it the scorer?** We give it the teachers' *own* chains, which are right by construction,
# on the same questions. They should be worth something, and all about the same, whatever the
# words: two gates ask for that. A difference in all comes from the wording alone; a step, also from
# how many steps the words take. (So the contrast `teacher` of the verdict, which counts a step, is
# about words and length together; the part `wording` above is about words.)
#
# > **What we got wrong the first time**
# >
# > Our scorer had never read a chain that says a result twice or checks it. To it the verbose
# > teacher's right chains were worth *less than nothing*: that was all of the effect. Now the
# > scorer has read every teacher on other stories, and each recipe has the rate with the lowest
# > loss on other stories.
# >
# > And one thing came after a look: the reference asked 100 items, which left the contrast
# > `teacher` open by .0013, and then 240. Whoever goes on until it is decided errs more often than
# > the interval says, so look at how close to zero its lower end is.

# %%
words = finding.wording_table(lab)
title = "What the wording alone does to the scorer, and what the arms' chains do"
plots.forest(words, "gain in all, nats a token", title, lab.look)

# %% [markdown]
# **5 · Are the chains right?** A chain that ends wrong points the scorer to a wrong answer, and
# costs far more than padding. So look at right and wrong chains apart. If each kind is worth the
# same in every arm, training has changed how *many* chains are wrong, and not what a chain tells.

# %%
apart = finding.by_outcome(lab, ["before", "reasoning_sft", "verbose_sft"])
ends = [lab.value("chain_accuracy", arm).estimate for arm in ("before", "verbose_sft")]
title = f"Chains end right: {ends[0]:.0%} before, {ends[1]:.0%} after verbose SFT"
plots.forest(apart, "gain in all, nats a token", title, lab.look)

# %% [markdown]
# > **What we got wrong the second time**
# >
# > For a while this finding read `replicates`: both contrasts held. A referee then compared only
# > chains that end right in both arms, and hardly anything was left beyond their length. What had
# > held the contrasts up were the verbose arm's wrong chains. The contrast `mistakes` asks for that
# > now. It came after the result, and it counts against it. (It too has a weak side: chains that
# > end right in both arms are chosen by their outcome, and are the easier ones.) And the accuracy
# > that rises is that of free replies, which hold a chain only after training: with a chain in both
# > arms, look at what happens to it.

# %% [markdown]
# **6 · Which formula?** The released code scores the whole text and divides by t + 1.

# %%
names = ["infogain", "infogain_released", "infogain_no_leak"]
released = table[table.measure.isin(names)]
wide = released.pivot(index="arm", columns="measure", values="estimate")
tables.table(wide, look=lab.look)

# %% [markdown]
# All gates: as the claim says that accuracy rises, one is that it does not fall. Then the effect
# with what is left of it beyond each rival, the published direction to the right. The last lines
# only tell what else moves.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The effect, and what is left of it beyond each rival"
xlabel = "fall of the gain a step, nats"
plots.contrasts(card.lines(outcome), outcome.delta, xlabel, title, lab.look)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play
#
# **The information meter.** Rewrite the chain: repeat a step, drop one, state the answer first.
# Watch the last number of the title. What does a step that says nothing new do to it?


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
# the scorer to the right answer and has less than half the gain a step of the model's own. Give
# it as text.
#
# <details><summary>Hint</summary>Nothing new needs to be said.</details>
# <details><summary>A deeper hint</summary>Every step, three times.</details>

# %%
my_chain = None


# %%
def padded(text):
    one, two = (finding.told(lab, patient, chain) for chain in (own, text))
    same_end = two["ppl"][-1] < 1.5 * one["ppl"][-1]
    return same_end and two["log_infogain"] < one["log_infogain"] / 2


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
# **3 · Break the finding** (hard, 15 minutes). Find a teacher after which the gain a step does
# *not* fall. Give the name of an arm: one of the four, or "verbosity 0.2" and the like, which the check
# trains; or "none", if it falls after all four.
#
# <details><summary>Hint</summary>Compare the four estimates above first.</details>
# <details><summary>A deeper hint</summary><code>lab.change("log_infogain", "before", arm)</code>
# says what you reached.</details>


# %%
def does_not_fall(arm):
    if arm == "none":
        return not any(map(does_not_fall, arms[1:]))
    taught = arm in arms[1:] or arm.startswith("verbosity")
    return taught and lab.change("log_infogain", "before", arm).estimate >= 0


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
# The wrong teacher's chains have hardly more steps than those before. If the gain falls after it as
# well, mistakes do without padding what padding does.
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
# * Wu et al., arXiv 2506.02126: the finding and its formula.
