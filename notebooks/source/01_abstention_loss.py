# ---
# jupyter:
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
# name three controls that could sink the finding, and read a published drop with care.
#
# | tier | hardware | minutes |
# |---|---|---|
# | pocket | two CPU cores | 2 for one seed, 5 for three |
# | small (SmolLM2-135M) | two CPU cores | 30 |
# | gpu (1.5 B) | one GPU with 24 GB | 90 |
#
# *Needs:* notebook 0. Change `model` below and everything else stays the same.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
seeds: list[int] = [0, 1, 2]  # training seeds; one is enough in class
n_pairs: int = 40  # minimal pairs per scenario
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
doses: list[int] = [0, 10, 20, 40, 80]  # training steps at which we look
forecast: float = -0.2  # your guess of the change in abstention recall

# %%
import time

import numpy as np
import pandas as pd

from helpers import plots, recipes, record, training, widgets
from helpers.findings import abstention_loss as finding

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published
#
# Look for three things in the figure: recall falls, precision *rises*, and there are two lines.

# %%
claim = record.published("abstention_loss")
plots.published_pairs(claim, "Published: recall falls in both pairs, precision rises")

# %%
from IPython.display import HTML, Markdown

Markdown(
    f"> {claim.claim}\n\n**What the number is.** {claim.definition}\n\n"
    f"**Where wording and evidence part.** {claim.caveat}\n\n**Source.** {claim.source[0]}"
)

# %% [markdown]
# A model that declines less often when it should may have lost the *ability* to see that a
# question has no answer. Or it may see it as well as ever, and answer anyway. The published
# figures can't tell. Ours will try to.
#
# ## Predict
#
# We will fine-tune on chains of thought for **answerable questions only**. "I don't know" is
# never punished; it is simply never seen. By how much does abstention recall change?

# %%
guess = widgets.predict("Change of abstention recall", -1.0, 1.0, p.forecast)
guess

# %% [markdown]
# ## The questions
#
# Minimal pairs: the same words in another order, one with an answer, one without. No single
# word tells them apart, so a model that declines has to have read the story.

# %%
asked = finding.load_items(p)
pairs = pd.DataFrame([vars(item) for item in asked])
examples = pairs[pairs.scenario == pairs.scenario.iloc[-1]].head(2)
HTML(examples[["question", "answers", "should_abstain"]].to_html(index=False))

# %%
pairs.groupby(["scenario", "should_abstain"]).size().unstack()

# %% [markdown]
# ## Before
#
# First the model as it comes. Look at the left panel for accuracy, at the right for how often
# it declines what nobody could answer.

# %%
before = finding.responses(p, "before", asked)
stamp = plots.stamp(p.model, p.tier, p.seeds, len(asked))
start = finding.measure(before, "recall")
plots.outcomes(
    before, f"Before any training, recall of abstention is {start.estimate:.2f}", stamp
)

# %% [markdown]
# ## Train, and look at every dose
#
# `reasoning_sft`: whole, right chains of thought; answerable stories only.

# %%
doses = [dose for dose in p.doses if dose]
after = finding.responses(p, "reasoning_sft", asked, doses)
frame = pd.concat([before, after])
table = finding.measures(frame)

# %%
end = finding.measure(finding.one_arm(frame, "reasoning_sft"), "recall")
plots.dose_response(
    table,
    ["recall", "false_declines"],
    f"Recall of abstention goes from {start.estimate:.2f} to {end.estimate:.2f}",
    stamp,
)

# %% [markdown]
# Left: declining when one should. Right: declining when one should not. If both fall together,
# the model may only have become more willing to answer.
#
# ## Can't tell, or won't say?
#
# Call declining an unanswerable question a *hit* and declining an answerable one a *false
# alarm*, with rates $H$ and $F$. Signal detection theory splits them into sensitivity and
# criterion,
#
# $$d' = z(H) - z(F), \qquad c = -\tfrac12\,[z(H) + z(F)],$$
#
# with the log-linear correction of Hautus (1995): add 0.5 to each count and 1 to each total.
# A falling $d'$ says *can't tell*; a rising $c$ says *won't say*.

# %%
shift = {name: finding.change(frame, name) for name in ("d_prime", "criterion")}
plots.dose_response(
    table,
    ["d_prime", "criterion"],
    f"d′ changes by {shift['d_prime'].estimate:+.2f}, "
    f"the criterion by {shift['criterion'].estimate:+.2f}",
    stamp,
)

# %% [markdown]
# ## What else could explain it?
#
# Three controls. Each of them can sink the finding.
#
# **1. Is it the training, or the missing abstentions?** The same training with the corpus'
# share of abstentions kept. **2. Is it reasoning, or any fine-tuning?** As many steps on direct
# answers alone.

# %%
for name in ("reasoning_sft_keep", "answer_sft"):
    frame = pd.concat([frame, finding.responses(p, name, asked)])
finding.measures(frame).query("measure == 'recall'").round(3)

# %%
scenarios = finding.by_scenario(frame)
spread = scenarios[scenarios.arm == "reasoning_sft"].set_index("scenario").estimate
lost = plots.named(spread.idxmin()) if len(spread) else "no scenario"
plots.by_scenario(scenarios, f"After reasoning SFT, recall is lowest in {lost}", stamp)

# %% [markdown]
# **3. Is it the opening?** After training every reply opens a chain. So let *both* arms open
# one, and compare again.

# %%
for name in ("before", "reasoning_sft"):
    forced = finding.responses(p, name, asked, prefix=finding.CHAIN_OPENED)
    frame = pd.concat([frame, forced])
pd.DataFrame([vars(control) for control in finding.controls(frame)])

# %% [markdown]
# **How good is our ruler?** The rules that decide "this reply declines" have errors of their
# own. Here they face hand-labelled replies that they were not tuned on.

# %%
finding.ruler().round(3)

# %% [markdown]
# What every arm does with both kinds of question:

# %%
last = pd.concat([finding.one_arm(frame, name) for name in dict.fromkeys(frame.arm)])
accuracy = finding.change(frame, "accuracy")
plots.outcomes(
    last, f"Accuracy on answerable questions changes by {accuracy.estimate:+.2f}", stamp
)

# %% [markdown]
# ## Reveal
#
# Published, forecast and measured, on one axis.

# %%
measured = finding.change(frame, "recall")
rows = [
    {"label": f.setting, "kind": "published", "estimate": f.after - f.before}
    for f in claim.values("recall")
]
rows.append({"label": "your forecast", "kind": "your forecast", "estimate": guess.value})
rows.append({"label": f"ours: {p.model}", "kind": "ours", **vars(measured)})
plots.published_beside(
    pd.DataFrame(rows).reindex(columns=["label", "kind", "estimate", "low", "high"]),
    f"Ours changes by {measured.estimate:+.2f}; the published pairs stand beside it",
    stamp,
)

# %%
seconds = time.monotonic() - started
outcome = finding.result(p, frame, guess.value, seconds)
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play
#
# **Dose.** Read one reply at every dose.

# %%
curious = next(item.id for item in asked if item.should_abstain)
replies = frame[(frame.item == curious) & (frame.seed == p.seeds[0]) & (frame.prefix == "")]
HTML(replies[["arm", "dose", "text", "outcome"]].to_html(index=False))


# %%
def at_dose(dose: int):
    rows = frame[(frame.prefix == "") & (frame.dose.isin([0, dose]))]
    return plots.outcomes(rows, f"Replies after {dose} steps", stamp)


widgets.explore(at_dose, dose=doses[:1] + doses[-1:] if not widgets.live() else doses)

# %% [markdown]
# **A threshold on P(decline).** Suppose we decline *for* the model whenever its probability of
# declining reaches a threshold. If some threshold still parts the two lines, the knowledge is
# there, and only the willingness is gone.

# %%
grid = np.geomspace(1e-5, 0.9, 25)
curves = pd.concat(
    finding.threshold(finding.one_arm(frame, name), grid).assign(arm=name)
    for name in ("before", "reasoning_sft")
)
areas = {
    name: finding.separability(finding.one_arm(frame, name))
    for name in ("before", "reasoning_sft")
}


# %%
def at_threshold(threshold: float):
    title = "P(decline) parts the two classes: AUROC {before:.2f} before, {reasoning_sft:.2f} after"
    return plots.threshold(curves, threshold, title.format(**areas), stamp)


widgets.explore(at_threshold, threshold=[0.001, 0.5] if not widgets.live() else list(grid))


# %% [markdown]
# **Share of abstentions kept.** How much "I don't know" in the training data is enough? Each
# setting trains a model (some seconds on the pocket, then kept).

# %%
def with_share(share: float):
    recipe = recipes.replace(recipes.RECIPES["reasoning_sft_keep"], abstention_share=share)
    base, seed = finding.before(p, p.seeds[0]), p.seeds[0]
    lm = training.train(base, recipe, seed, min(doses[-1], 40))
    some = finding.respond(lm, asked[:: max(1, len(asked) // 120)])
    title = f"{share:.0%} abstentions kept: recall {finding.measure(some, 'recall').estimate:.2f}"
    return plots.outcomes(some.assign(arm=f"{share:.0%} kept"), title, stamp)


widgets.explore(with_share, share=[0.0] if not widgets.live() else [0.0, 0.02, 0.05, 0.1, 0.3])

# %% [markdown]
# ## Exercises
#
# **1 · By hand** (easy, 5 minutes). Of 100 unanswerable questions a model declines 66, of 100
# answerable ones 4. What are $d'$ and $c$, with the correction?
#
# <details><summary>Hint</summary>Correct the counts first: 66.5 of 101 and 4.5 of 101.</details>
# <details><summary>A deeper hint</summary><code>scipy.stats.norm.ppf</code> is
# $z$.</details>

# %%
my_d_prime = ...

# %%
widgets.check(
    my_d_prime,
    lambda x: abs(x - finding.statistics.d_prime_criterion(66, 100, 4, 100)[0]) < 0.01,
    "Subtract the z of the false alarms from the z of the hits.",
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# from scipy.stats import norm
# my_d_prime = norm.ppf(66.5 / 101) - norm.ppf(4.5 / 101)
# ```
# </details>
#
# **2 · Who lost most?** (medium, 10 minutes). Find the scenario with the largest fall of recall
# from `before` to `reasoning_sft`. Why that one?
#
# <details><summary>Hint</summary>The frame <code>scenarios</code> has a row for every arm and
# scenario.</details>
# <details><summary>A deeper hint</summary>Pivot it: index scenario, columns arm, values
# estimate; then subtract.</details>

# %%
my_scenario = ...

# %%
wide = scenarios.pivot(index="scenario", columns="arm", values="estimate")
fall = wide["reasoning_sft"] - wide["before"]
widgets.check(my_scenario, lambda name: name == fall.idxmin(), "Subtract before from after.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_scenario = (wide["reasoning_sft"] - wide["before"]).idxmin()
# ```
# </details>
#
# **3 · Break the finding** (hard, 20 minutes). Hunt for a setting under which reasoning SFT
# does *not* lower abstention recall: a dose, a share of abstentions, a threshold. Put the change
# of recall that you reached here.
#
# <details><summary>Hint</summary>How few abstentions are enough? Start at 2 %.</details>
# <details><summary>A deeper hint</summary>Train with <code>with_share</code>, or declare a
# decline whenever <code>p_decline</code> passes a threshold, and compare recall; then look
# at what false declines you paid.</details>

# %%
my_change = ...

# %%
widgets.check(my_change, lambda x: x >= 0, "Still a loss: try another knob.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# reasoning = finding.one_arm(frame, "reasoning_sft")
# unanswerable = reasoning[reasoning.should_abstain]
# cut = unanswerable.p_decline.quantile(1 - start.estimate)
# my_change = (unanswerable.p_decline >= cut).mean() - start.estimate
# ```
# The recall is back, by construction. The price is the rate of false declines at that cut.
# </details>
#
# ## Further reading
#
# * Kirichenko et al., *AbstentionBench*, arXiv 2506.09038: the finding, its sets and its judge.
# * Kalai et al., arXiv 2509.04664: why a right-or-nothing reward teaches guessing (notebook 7).
# * Hautus (1995): the log-linear correction of $d'$.
#
# ## Record
#
# The card below is what the report shows. The verdict is about this model family at this scale.

# %%
HTML(record.card(outcome))

# %%
written = record.write(outcome)
