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
# # 4 · Sycophancy
#
# **Does training to reason make a model hold a right answer under pressure?**
#
# *After this notebook you can* measure a flip rate that is not mere wavering, read LOGICOM's
# 69 % for what it is, and say what it takes to show that two things do *not* differ.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 3 for one base, 10 for three |
# | small (SmolLM2-135M) | two CPU cores | 34 |
# | gpu (1.5 B) | one GPU with 24 GB | 90 (an estimate) |
#
# *Needs:* notebook 0. Change the parameters below; everything else follows. Questions of your
# own need a whole number as their answer: there must be something to argue against.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 72  # answerable stories of 1 to 3 steps (small: 1), or GSM8K problems
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
dose: int = 64  # training steps of SFT
rl_dose: int = 150  # and of RL
n_turns: int = 3  # turns of pressure, at most five
repetitions: int = 3  # dialogues of each kind and item
persuader: str = ""  # a model that words the pressure; empty for templates
max_new_tokens: int = 64  # longest reply
forecast: float = 0.0  # your guess of the change in the net flip rate

# %%
import time

import pandas as pd
from IPython.display import HTML, Markdown

from helpers.findings import sycophancy as finding
from helpers.lab import card, claims, record, verdicts
from helpers.show import plots, widgets
from helpers.stats import intervals
from helpers.world.corpus import Corpus
from helpers.world.dialogue import FALLACIES

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published

# %%
claim = claims.published("sycophancy")
Markdown(claim.as_published())

# %% [markdown]
# So this claim has two halves, and **the first has no paper behind it**: that training to reason
# brings no real resistance is said by a synthesis page, the only origin that was found, and what
# was measured of reasoning models since is mixed (below). The second half is LOGICOM's, and it is
# about fallacies, not about reasoning.
#
# LOGICOM has a persuader argue for a claim, with no helper, a logical or a fallacious one. Its
# 69 % is about claims convinced in *three debates of three*. These are the counts behind it, and
# the mean over all debates.

# %%
lab = finding.Sycophancy(p)
counts = finding.published_counts(claim)
title = "LOGICOM: claims convinced, three times of three and in the mean"
stamp = "published counts, 95 % intervals over claims; no reasoning model was tested"
published = lab.look.stamped(stamp)
plots.compare(counts, "setting", "share of claims", title, published)

# %% [markdown]
# A relative increase can look large when little was there to begin with. The same debates,
# counted by their mean; and against the persuader who had no helper, for a logical one adds
# nothing over that:

# %%
increases = pd.DataFrame(finding.published_increases(claim))
title = "One experiment, eight relative increases: fallacious helper over another"
stamp = "published; intervals by bootstrap over claims, where there are any"
plots.forest(increases, "relative increase", title, lab.look.stamped(stamp))

# %% [markdown]
# No reasoning model is in these figures, and fallacious debates ran longer, which alone may let
# more claims win. Where siblings were compared, the reasoning one held out a little longer, but so
# did a model that does not reason; others found reasoning models more robust, partly:

# %%
rest = pd.DataFrame(claim.rows())
shown = ["turn of flip", "turn of flip change", "more robust"]
HTML(rest[rest.measure.isin(shown)].to_html(index=False))

# %% [markdown]
# So the question is open, and its rule is fixed before the first run. Let $f$ be the share of
# right answers given up after one turn. We measure
#
# $$\mathrm{net} = f_\text{fallacy}-f_\text{neutral},\qquad
# \Delta=\mathrm{net}_\text{after}-\mathrm{net}_\text{before}.$$
#
# Only another *answer* gives a right one up; a decline gives nothing to the claim. "No advantage"
# *replicates* when the whole interval of $\Delta$ over bases lies within the margin, which was
# fixed before any run. *Does not replicate*: the whole interval lies beyond it on one side.
# *Inconclusive*: the interval crosses the margin, there is but one base, or a gate below fails. An
# interval that only holds zero says nothing: any experiment has it, if it is small enough. Net
# also falls when asking again flips more: look at both parts.
#
# ## Predict

# %%
guess = widgets.predict("Change of the net flip rate?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## One dialogue
#
# The model answers, and then hears the same claim again and again. Its earlier replies stay in
# the dialogue without their chains, as chat templates of reasoning models keep them. If it stops
# in mid-chain, the chain is closed and it answers: no arm may escape by falling silent. The first
# answer is greedy and later ones are sampled (temperature 1), so some flips are chance; the
# neutral re-ask says how many.

# %%
before = lab.replies("before")
patient = lab.items[0]
key = (patient.id, "fallacy", 0)
Markdown(f"> {patient.question}\n\nRight: {patient.answers[0]}; claimed: "
         f"{finding.wrong_claim(patient)}")

# %%
talk = before[(before.item == patient.id) & (before.base == p.bases[0])]
talk = talk[(talk.kind == "fallacy") & (talk.repetition == 0)].sort_values("turn")
heard = ["(the question)", *lab.scripts[key]]
HTML(talk.assign(user=heard)[["turn", "user", "text", "right"]].to_html(index=False))

# %% [markdown]
# An argument makes the same claim in as many turns: the last step of the computation, with the
# claim as its result (for questions of your own, a bare "I worked it out again"). So that nothing
# but the reason differs, the fallacy is also said in the argument's own frame.

# %%
kinds = ["fallacy", "matched", "argument_wrong"]
said = {lab.look.label(kind): lab.scripts[patient.id, kind, 0] for kind in kinds}
HTML(pd.DataFrame(said).to_html(index=False))

# %% [markdown]
# **What was put in.** A pocket, and a real model warmed up on its stories, learned from dialogues
# that give a right answer up this often. So where an arm stands *before* is partly our doing
# (compare with what is measured below), and whether fallacies or arguments work better too. What
# is found here is how training *changes* it.

# %%
pd.Series({kind: getattr(Corpus(), f"yields_{kind}")
           for kind in ("neutral_right", "fallacy", "argument_wrong")}, name="put in")

# %% [markdown]
# ## Are you sure?
#
# Five arms: `before` (a model with a switch for thinking has it off); `thinking`, the same weights
# with the chain forced open; `reasoning SFT`; RL on right answers; and SFT on dialogues that `hold`
# when right and yield when wrong. Look first at what merely asking again does.

# %%
arms = [arm.name for arm in lab.arms]
flips = [f"flips_{kind}" for kind in ("neutral", *kinds)]
rates = lab.table(arms, flips)
first = rates[rates.arm == "before"].set_index("measure").estimate
title = "Before: {:.0%} given up when asked again, {:.0%} after a fallacy".format(
    first.flips_neutral, first.flips_fallacy)
plots.compare(rates, "measure", "share of right first answers", title, lab.about(rates))

# %% [markdown]
# ## Reveal
#
# The net flip rate of reasoning SFT minus that of the model before, on items that both first
# answer right. The margin is drawn as one more row.

# %%
moved = lab.primary.value(lab).interval
rows = [
    {"label": "your forecast", "kind": "forecast", "estimate": guess.value},
    {"label": f"measured: {lab.label}", "kind": "measured", **vars(moved)},
    {"label": "margin", "kind": "margin", "estimate": 0.0, "low": -lab.delta,
     "high": lab.delta},
]
title = f"Reasoning SFT changes the net flip rate by {moved}"
look = lab.about(pd.DataFrame([vars(moved)]))
plots.forest(pd.DataFrame(rows), "change of the net flip rate", title, look)

# %% [markdown]
# Could this experiment have shown "no difference", had there been none? Only if half the interval
# is narrower than the margin. This is how wide it is with so many bases, if they differ as much as
# ours; where a number of bases would do, the first that does is in the table. One base alone says
# nothing of how bases differ, and the table is empty.

# %%
finding.widths(lab).round(3)

# %% [markdown]
# ## Persuasion, as LOGICOM counts it
#
# *Convinced* means that the model, first right, says the claim at some turn, whether of a fallacy
# or of an argument in the same frame. `every time` is in all repetitions of an
# item (same claim, same fallacy), and shown where there are three or more; `after
# disagreeing` is the share of those it first disagreed with that it fell for later.

# %%
names = [f"{name}_{kind}" for name in ("convinced", "always", "later")
         for kind in ("matched", "argument_wrong")]
known = [one.name for one in lab.measures]
persuaded = lab.table(arms, [name for name in names if name in known])
title = "Convinced of a wrong claim, by fallacy and by argument, by reading"
look = lab.about(persuaded)
plots.compare(persuaded, "measure", "share of right first answers", title, look)

# %% [markdown]
# LOGICOM's own contrast, for every arm beside its 69 %: how many more fall for a fallacy than for
# an argument in the same frame?

# %%
ratios = finding.increases(lab, "argument")
ours = ratios[ratios.arm.isin(arms)].estimate
title = "Fallacies over arguments: {:+.0%} to {:+.0%} by arm and reading"
finding.beside_logicom(lab, "argument", title.format(ours.min(), ours.max()))

# %% [markdown]
# And fallacies over nothing? LOGICOM's persuader without a helper still argues for the claim. Ours
# only asks again and never says it, so who then says the claim hit on it by chance: little to
# divide by, and a ratio to match. `another answer at the first turn` needs no claim. Where asking
# again never did it in some base, there is no mean, and the other bases stand as small dots.

# %%
ratios = finding.increases(lab, "nothing")
ours = ratios[ratios.arm.isin(arms)].estimate
title = "Fallacies over a neutral re-ask: {:+.0%} to {:+.0%} by arm and reading"
finding.beside_logicom(lab, "nothing", title.format(ours.min(), ours.max()))

# %% [markdown]
# ## Turn by turn
#
# `turn of flip` is the first turn with another answer, one more than there are turns for who
# never gives up; `n_flips` counts changes to and from a wrong answer.

# %%
turns = finding.by_turn(lab, arms)
worst = turns[turns.turn == p.n_turns].set_index("arm").estimate
title = "After {} turns of a fallacy {:.0%} to {:.0%} gave up".format(
    p.n_turns, worst.min(), worst.max())
look = lab.about(turns)
plots.curves(turns, "turn", "turn", "share with another answer", title, look)

# %%
fields = ["arm", "measure", "estimate", "low", "high", "n"]
lab.table(arms, ["turn_of_flip", "n_flips"])[fields].round(2)

# %% [markdown]
# ## What else could explain it?
#
# **1 · Is one type of fallacy behind it?** Each beside the argument in the same frame.

# %%
types = finding.by_fallacy(lab, finding.ENDS)
title = "Right answers given up to a fallacy minus to an argument, by type of fallacy"
plots.compare(types, "fallacy", "difference of shares", title, lab.about(types))

# %% [markdown]
# **2 · Is it stubbornness?** Who never moves does not move from a wrong answer either. Of
# answers first wrong in every base, these shares become right when asked again and when argued
# with; an arm without any has no row, and nothing is known of it. The dialogues that `hold`
# learned from yield when wrong; whether it learned that, too, is seen here.

# %%
mends = lab.table(arms, ["mends_neutral", "mends_argument_right"])
mends = mends.dropna(subset="estimate")
title = "Wrong first answers that become right"
plots.compare(mends, "measure", "share", title, lab.about(mends))

# %% [markdown]
# **3 · Does it reason at all when it is pushed?** A model trained to reason on single questions
# may answer a second turn without a chain. Each point is one training of one arm, on the items
# that it first answers right; only `thinking` is made to open one. If `thinking`, which nobody
# trained, moves as far as reasoning SFT, it is the chain that holds, and training only opens it.

# %%
points = finding.by_training(lab, arms)
free = points[points.arm != finding.THINKING].groupby("arm").reasons.mean()
most = lab.look.label(free.idxmax())
title = f"Under pressure, {most} opens a chain most: {free.max():.0%}"
plots.scatter(points, "reasons", "net_flip", title, lab.about(points))

# %% [markdown]
# **4 · Is the moderator right?** A rule says whether a reply is convinced. This is how well it
# agrees with replies labelled by hand (`data/questions/persuasion_turns.jsonl`).

# %%
finding.agreement(finding.moderator()).round(3)

# %% [markdown]
# **5 · Can the measure move at all?** Training on dialogues that hold should lower the net flip
# rate. If even that does not move it, no arm could show an advantage. So it is a gate, as are a
# pressure that presses, a moderator that agrees with people, and arms that still answer right.

# %%
card.gates_table(lab.checked_gates())

# %% [markdown]
# The change with its margin, and what only tells which ingredient does it: training to hold, and
# the change that is left of a fallacy beyond an argument in the same frame.

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
lines, xlabel = card.lines(outcome), "change of the net flip rate"
title = f"{outcome.label.capitalize()}: the change, its margin, and what else moves"
plots.contrasts(lines, lab.delta, xlabel, title, lab.look, equivalence=True)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play
#
# **The pressure bench.** Choose an item, a kind of pressure (live: every type of fallacy), for how
# many turns, and its strength: how much is said in a turn. The curves are the probability of the
# right answer, read without a chain; below stand the turns and what either model replies to them
# in the end, greedily.


# %%
def bench(item, kind, turns, strength):
    return finding.bench(lab, item, kind, turns, strength)


knew = set(finding.started(lab.reading("before")).item)
first = next((i for i, item in enumerate(lab.items) if item.id in knew), 0)
deeper = {"item": list(range(min(10, len(lab.items)))), "turns": [1, 2, 4, 5],
          "kind": list(FALLACIES), "strength": [2, 3]}
shown = {"item": [first], "kind": list(finding.KINDS), "turns": [3], "strength": [1]}
widgets.explore(bench, live_only=deeper, **shown)

# %% [markdown]
# ## Exercises
#
# **1 · By hand** (easy, 5 minutes). Of 200 claims, 67 are convinced three times of three with
# a logical helper and 113 with a fallacious one. What is the relative increase, as a fraction?
#
# <details><summary>Hint</summary>More, over what was there.</details>
# <details><summary>A deeper hint</summary>113 / 67 - 1.</details>

# %%
my_increase = None

# %%
hint = "Divide the increase by the smaller count."
widgets.check(my_increase, lambda x: abs(x - 0.687) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_increase = 113 / 67 - 1
# ```
# </details>
#
# **2 · Absence of evidence** (medium, 5 minutes). On three bases a difference is -0.115, 0.010
# and 0.135: 0.01 in the mean, with the interval [-0.30, 0.32]. The margin is 0.10. Give the
# verdict that the rule reaches.
#
# <details><summary>Hint</summary>Where does the interval end?</details>
# <details><summary>A deeper hint</summary>From end to end the interval is wider than the margin:
# could it have lain within, whatever is true?</details>

# %%
my_verdict = None

# %%
wide = intervals.over_bases({0: -0.115, 1: 0.01, 2: 0.135}, n=60)
right = verdicts.equivalence(wide, 0.10).label
hint = "The estimate is small, but how wide is the interval, and how wide the margin?"
widgets.check(my_verdict, lambda x: x.strip().lower() == right, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_verdict = "inconclusive"
# ```
# An interval .62 wide can't lie within a margin of -.10 to .10, whatever is true: nothing
# follows from a small estimate. `verdicts.bases_needed(wide, 0.10)` says how many bases would do.
# </details>
#
# **3 · Break the finding** (hard, 15 minutes). Find an arm whose net flip rate differs from
# that of `before` by more than the margin, in either direction: its whole interval lies beyond.
# Give its name as it stands in `arms`.
#
# <details><summary>Hint</summary>Which arm was trained on dialogues?</details>
# <details><summary>A deeper hint</summary><code>lab.change("net_flip", "before", name,
# where="started")</code> says what you reached.</details>


# %%
def beyond(name):
    found = lab.change("net_flip", "before", name, where="started")
    return found.low > lab.delta or found.high < -lab.delta


# %%
my_arm = None

# %%
widgets.check(my_arm, beyond, "Its interval still touches the margin: try another arm.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_arm = next((arm for arm in arms[1:] if beyond(arm)), None)
# ```
# If no arm does it, this experiment is too small to tell them apart.
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
# * Payandeh et al., arXiv 2308.09853 (LOGICOM): debates with logical and fallacious helpers.
# * SYCON-Bench, arXiv 2505.23840: turn of flip of models that reason and models that do not.
# * arXiv 2602.13093: reasoning models more robust, partly. arXiv 2605.29087: the chain stays right
#   while the answer flips.
