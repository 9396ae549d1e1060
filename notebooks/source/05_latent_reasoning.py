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
# # 5 · Latent reasoning
#
# **Can the base model already reason, and does training only decide when?**
#
# *After this notebook you can* elicit a chain in six ways (nine mechanisms, as some come in two
# forms), hold each against its own control, and say which gain is ability and which is form, and
# what is left of all of it on a base that never saw a chain.
#
# | tier | hardware | minutes, about |
# |---|---|---|
# | pocket | two CPU cores | 3 for one base, 6 for three |
# | small (SmolLM2-135M) | two CPU cores | 23 |
# | gpu (1.5 B) | one GPU with 24 GB | 120 (an estimate) |
#
# *Needs:* notebook 1. Change the parameters below; everything else follows.

# %% tags=["parameters"]
model: str = "pocket"  # pocket, smollm2, a Hugging Face id, or a folder
tier: str = "pocket"  # pocket, small, gpu or paper
bases: list[int] = [0, 1, 2]  # pocket models; a real model is one base, [0]
seeds: list[int] = [0]  # training seeds, each on every base
n_items: int = 56  # answerable stories of 2 to 5 steps, or problems of a GSM8K file
questions: str = ""  # your own JSONL file; empty for the pocket world's stories
n_dev: int = 32  # other stories, on which steering and the hybrid are tuned
dose: int = 64  # training steps of SFT
rl_dose: int = 150  # and of RL, as in notebook 1
k: int = 10  # first-token branches, and samples of their control
n_pass_items: int = 50  # stories of 5 and 6 steps that are sampled often, for pass@k
max_k: int = 64  # largest k of pass@k; as many samples are drawn
bases_without_chains: list[int] = [8]  # pocket models that never saw a chain
long_dose: int = 600  # steps of reasoning SFT that may bring chains to those
max_new_tokens: int = 96  # longest reply
forecast: float = 0.1  # your guess of the gain of CoT-decoding over greedy

# %%
import time

import pandas as pd
import torch
from IPython.display import HTML, Markdown

from helpers.findings import latent_reasoning as finding
from helpers.lab import card, claims, record
from helpers.lm.generation import branched
from helpers.show import plots, tables, widgets
from helpers.stats.statistics import pass_at_k
from helpers.text import answers

p = finding.Params.checked(globals())
started = time.monotonic()

# %% [markdown]
# ## The claim as published

# %%
claim = claims.published("latent_reasoning")
Markdown(claim.as_published())

# %% [markdown]
# **The 91 %, told straight.** It is one cell: one pair of models on one set, first version. Here
# it stands beside what random controls gave in one cell, and what the later version says. The gap
# recovered is (hybrid - base) / (tuned - base); ~ marks what we read second-hand.

# %%
figures = pd.DataFrame(claim.rows())
gap = figures.measure.str.startswith("hybrid")
tables.table(figures[gap])

# %% [markdown]
# ## Predict
#
# CoT-decoding lets the model open its reply with each of its k likeliest first tokens, goes on
# greedily, and takes the reply whose *answer* it is surest of:
#
# $$\Delta = \frac{1}{|\text{answer}|}\sum_{t\in\text{answer}}
# p(\text{top 1})_t - p(\text{top 2})_t.$$
#
# How much more (or less) often is it right than the greedy reply?

# %%
guess = widgets.predict("Gain in accuracy over greedy?", -1.0, 1.0, p.forecast)

# %% [markdown]
# ## 1 · CoT-decoding
#
# First the branches of one item. Which of them reason, and is the model surer of those?

# %%
lab = finding.LatentReasoning(p)
finding.explorer(lab, 0)

# %% [markdown]
# **By hand, once.** The whole algorithm, on one item: the k likeliest first tokens, each gone on
# with greedily, and $\Delta$ at the last place where the branch writes its answer. Below it, the
# surest branch by our helper. Change the item, or k.

# %%
one = lab.items[0]

# %% tags=["by_hand"]
lm, sure = lab.cells("greedy", 0)[0].lm(), {}
asked = lm.tokenizer(lm.prompt(one.question), add_special_tokens=False).input_ids
with torch.inference_mode():
    first = lm.model(torch.tensor([asked])).logits[0, -1].topk(p.k).indices.tolist()
    for token in first:
        written, gaps = [token], [0.0]
        while written[-1] != lm.tokenizer.eos_token_id and len(written) < 64:
            logits = lm.model(torch.tensor([asked + written])).logits[0, -1]
            best, second = logits.double().softmax(-1).topk(2).values.tolist()
            written.append(int(logits.argmax()))
            gaps.append(best - second)
        said = answers.final_answer(lm.tokenizer.decode(written))
        words = [lm.tokenizer.decode([i]).strip() for i in written]
        sure[token] = dict(zip(words, gaps, strict=True)).get(said, 0.0)
by_hand = max(sure.values())

# %% tags=["by_hand"]
branches = branched(lm, [lm.prompt(one.question)], p.k, 64)[0]
by_helper = max(finding.confidence(lm, branch) for branch in branches)
print(f"by hand {by_hand:.4f}, by the helper {by_helper:.4f}")

# %% [markdown]
# The whole text of every branch:

# %%
tables.table(finding.tree(lab, 0))

# %% [markdown]
# Now all items: the surest branch, and the answer whose branches are surest in sum. The control
# costs as many replies: k samples with a majority vote. The longest of the branches stands beside
# them as a description: where one branch alone has a chain, length and confidence pick the same.
# `forced` is the base with its chain forced open, one reply: what there is to elicit.

# %%
names = ["greedy", "cot_max", "cot_sum", "majority", "longest", "forced"]
title = finding.compared(lab, "cot_max")
rows = finding.accuracies(lab, names)
plots.forest(rows, "accuracy", title, lab.look, signed=False)

# %% [markdown]
# ## Reveal

# %%
moved = lab.gain("cot_max")
cot = claim.values("cot_decoding_accuracy")[0]


def reveal():
    rows = [
        guess.row,
        {"label": f"measured: {lab.label}", "kind": "measured", **vars(moved)},
        {"label": f"published: {cot.setting}", "kind": "published",
         "estimate": claim.published_size},
    ]
    title = f"Accuracy of the surest branch minus that of the greedy reply: {moved}"
    return plots.forest(pd.DataFrame(rows), "gain in accuracy", title, lab.look)


guess.reveal(reveal)

# %% [markdown]
# ## 2 · A steering vector
#
# A difference of mean activations (what a layer passes on at a token) is added to the *base* just
# before it replies. Of what? `opened`: of the base's own first tokens, of chains forced open and of
# direct replies. `tuned`: of the model tuned by RL and the base, before they reply; a gain by that
# shows that the base can be moved, not that the direction was its own. The best layer and strength
# of each are found on other stories. Controls: random vectors of the same norm, and the same
# vector at other places, 2 to 12 tokens from the end of the prompt.

# %%
tables.table(finding.dial_table(lab), 2)

# %%
names = ["greedy", *(f"{what}_{direction}" for direction in finding.DIRECTIONS
                     for what in ("steering", "random_vector", "random_position"))]
title = finding.compared(lab, "steering_opened")
rows = finding.accuracies(lab, names)
plots.forest(rows, "accuracy", title, lab.look, signed=False)

# %% [markdown]
# ## 3 · A feature of a sparse autoencoder
#
# A TopK autoencoder learns to rebuild the base's activations from a few active *features* of many.
# A feature's ReasonScore is its share
# of all activation on chains, weighted by how evenly the chains share it, minus its share on
# direct replies. Of the three highest, the best on other stories is added before the reply. Does
# it *cause* chains? Its control: random features that are as active on chains.

# %%
tables.table(finding.reason_scores(lab), 4)

# %%
names = ["greedy", "sae_feature", "random_feature"]
title = finding.compared(lab, "sae_feature")
rows = finding.accuracies(lab, names)
plots.forest(rows, "accuracy", title, lab.look, signed=False)

# %% [markdown]
# ## 4 · One problem
#
# Fine-tuning on critiques of the base's own noisy solutions of *one* problem (asked whether it is
# sure, it checks them step by step); its control sees plain solutions of the same problem, in the
# form in which it is then tested.

# %%
names = ["greedy", "critique_sft", "solution_sft"]
title = finding.compared(lab, "critique_sft")
rows = finding.accuracies(lab, names)
plots.forest(rows, "accuracy", title, lab.look, signed=False)

# %% [markdown]
# ## 5 · A reward
#
# GRPO (several replies to a question; those that earn more than their mean become likelier) with a
# reward for right answers, on many problems and on one; and with three controls: two rewards that
# know nothing of the answer, for form and by the toss of a coin, and one that pays for *wrong*
# answers. On one problem the control is a reward for form on that same problem.

# %%
names = ["greedy", "rlvr", "rlvr_format", "rlvr_random", "rlvr_wrong", "rlvr_one",
         "rlvr_one_format"]
title = finding.compared(lab, "rlvr")
rows = finding.accuracies(lab, names)
plots.forest(rows, "accuracy", title, lab.look, signed=False)

# %% [markdown]
# ## 6 · Deployment, not creation?
#
# **A hybrid**, as published: the *base* writes every token. The tuned model (RL on right answers)
# reads along, and where it would write another token, the base is steered at that place and only
# there. By what? The tuned model's activations on other stories fall into eight clusters, its
# *categories*; each has one vector, learned so that the base, moved by it, writes what the tuned
# model wrote. Here is what it writes in each, on the first base:

# %%
tables.table(finding.categories(lab))

# %% [markdown]
# > **What we got wrong the first time**
# >
# > In our first hybrid the tuned model wrote its own tokens into the reply wherever it was surer.
# > That is a relay of two writers, and no steering: of course it came close to the second one. The
# > published hybrid never lets the tuned model write. Our pass@k stood on 8 stories of which the
# > base found every answer within 64 samples, so there was nothing left to be ahead in. And a
# > control that had lost its model was beaten by every mechanism: now it decides nothing.
#
# The tuned model still says *when*: it is an oracle. So the controls are random vectors, as long,
# at the same places, and the same vectors at as many tokens, drawn at random.

# %%
names = ["greedy", *finding.HYBRIDS, finding.TUNED]
title = finding.compared(lab, "hybrid")
rows = finding.accuracies(lab, names)
plots.forest(rows, "accuracy", title, lab.look, signed=False)

# %% [markdown]
# How many tokens does it take? `share` is 1 minus the lead in probability that the tuned model
# must have before the base is steered: at 0 it never is, at 1 wherever the two disagree. `gap` is
# the part of the gap that is recovered, (hybrid - base) / (tuned - base).

# %%
recovered = finding.shares_table(lab)
fields = ["arm", "share", "tokens", "measure", "estimate", "low", "high"]
tables.table(recovered[fields], look=lab.look)

# %%
own = recovered[recovered.arm == "hybrid"]
title = f"The hybrid, steered at up to {own.tokens.max():.1%} of the tokens"
right = own[own.measure == "accuracy"]
plots.curves(right, "share", "1 minus the lead it needs", "accuracy", title, lab.look)

# %% [markdown]
# **pass@k**: with n samples of which c are right, 1 - C(n-c, k) / C(n, k) is the chance that k
# of them hold a right one. If training only makes the model choose better among what it has, the
# base catches up as k grows. The stories are longer here (5 and 6 steps), so as to leave the base
# room at the largest k. Samples are drawn at temperature 0.6 (below 1 a likely token is likelier
# still) from a nucleus of .95 (the likeliest tokens that make up so much probability).

# %%
passes = finding.pass_table(lab)
cross, k = finding.crossing(lab), p.max_k
when = f"overtakes at k of {cross}" if cross else f"overtakes at no k up to {k}"
ahead = finding.pass_change(lab, k)
title = f"The base {when}; at {k} the tuned model minus it: {ahead}"
look = lab.look.stamped(lab.stamp(len(lab.deep)))
plots.curves(passes, "k", "k samples", "pass@k", title, look, doubling=True)

# %% [markdown]
# ## 7 · Bases that never saw a chain
#
# "Elicits what is there" can be tested: take away what is there. These bases were pretrained on
# the same stories, and no text of theirs had a chain. (Their last round of training is one that
# only two of the others had: see the card, data/pocket.) Whatever elicits should
# find nothing in them. Reasoning SFT shows chains to them, for `long_dose` steps: it may *create*
# what no decoding finds. They are few: the dots say more than intervals. (The parameter
# `bases_without_chains` names them. Where it is empty, the picture shows the other bases alone;
# `workbook pretrain --seed 11 --without-chains` makes another, base 11, in about an hour.)

# %%
table = finding.by_pretraining(lab)
shown = (table.measure == "chain") & (table.arm == finding.KINDS[-1])
*elicited, taught = table[shown].estimate.tolist() or [0.0]
title = "What each mechanism brings on bases with chains in their corpus"
if elicited:
    title = f"Where no chain was seen, at most {max(elicited):.0%} open one; "
    title += f"SFT on chains writes them in {taught:.0%}"
look = lab.look.stamped(lab.stamp(bases=[*p.bases, *p.bases_without_chains]))
plots.compare_measures(table, "method", title, look)

# %% [markdown]
# ## What else could explain it?
#
# **The ledger.** Every mechanism and every control on one axis, with its rate of chains. A gain
# that comes with chains, and that a reward for form gets too, is about *when*, not *whether*. Each
# mechanism stands there with its verdict. Dotted: how often the greedy base is right, and the tuned
# model (RL on right answers).

# %% tags=["picture"]
book = finding.ledger(lab)
wide = book.assign(arm=book.measure)
r = book.pivot(index="arm", columns="measure", values="estimate").corr().iloc[0, 1]
title = f"Over {book.arm.nunique()} methods accuracy and chains correlate at {r:.2f}"
figure = plots.compare(wide, "method", "share of items", title, lab.look)
for name in ("greedy", finding.TUNED):
    x = lab.value("accuracy", name).estimate
    figure.axes[0].axvline(x, color="0.5", ls=":", lw=2, zorder=0)
figure

# %% [markdown]
# What the sources measured, mechanism by mechanism:

# %%
tables.table(figures[~gap])

# %% [markdown]
# And here. A mechanism *replicates* where its gain over greedy is above 0, and so is what is left
# of it beyond every control of its own; it is *explained otherwise* where a control leaves nothing
# of interest. It gets no verdict where one of its gates fails: the hybrid needs a tuned model that
# is .02 ahead of greedy and disagrees with it somewhere. A control that ends more than .05 below
# greedy has broken its model, and to beat it proves nothing. (Only that on wrong answers may.)

# %%
tables.table(finding.verdict_table(lab))

# %% [markdown]
# The finding counts them: k of n replicate. Below are the gates that all share, and the primary
# measure, CoT-decoding's surest branch, with what is left of it beyond its rival. The last line
# only describes.

# %%
card.gates_table(lab.checked_gates())

# %%
outcome = lab.record(guess.value, time.monotonic() - started)
title = "The gain of the surest branch, and what is left beyond its rival"
lines = card.lines(outcome)
plots.contrasts(lines, outcome.delta, "gain in accuracy", title, lab.look)

# %%
Markdown(finding.what_happened(outcome))

# %% [markdown]
# ## Play
#
# **The branch explorer.** Choose an item; every branch shows the probability of its first
# token, its text, and how sure the model is of its answer.


# %%
def explore_item(item):
    return finding.explorer(lab, item)


more = {"item": list(range(min(20, len(lab.items))))}
widgets.explore(explore_item, live_only=more, item=[1])

# %% [markdown]
# **The steering dial.** Direction, layer and strength; watch what the reply may open with. Here the
# first base replies to the first item anew.


# %%
def dial(direction, layer, strength):
    return finding.at_dial(lab, direction, layer, strength)


more = {"layer": finding.layers_tried(lab), "strength": [0.0, 0.5, 1.0, 2.0, 8.0]}
best = finding.dial_table(lab)
best = sorted(set(best[best.base == p.bases[0]].layer.tolist()))
directions = list(finding.DIRECTIONS)
widgets.explore(dial, live_only=more, direction=directions, layer=best, strength=[4.0])

# %% [markdown]
# **The slider of the hybrid.** At a share of 1 the base is steered wherever the two disagree, at 0
# nowhere. How few tokens are enough?


# %%
def steer(share):
    return finding.at_share(lab, share)


widgets.explore(steer, live_only={"share": list(finding.SHARES)}, share=[0.5, 1.0])

# %% [markdown]
# ## Exercises
#
# **1 · pass@k by hand** (easy, 5 minutes). Of n = 5 samples c = 1 is right. What is pass@2?
#
# <details><summary>Hint</summary>How many pairs hold no right one?</details>
# <details><summary>A deeper hint</summary>1 - C(4, 2) / C(5, 2).</details>

# %%
my_pass = None

# %%
expected = float(pass_at_k([1], 5, 2)[0])
hint = "Six pairs of ten hold none."
widgets.check(my_pass, lambda x: abs(x - expected) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_pass = 1 - 6 / 10
# ```
# </details>
#
# **2 · Recover the gap** (medium, 5 minutes). Base 63.4, hybrid 84.4, tuned 86.4. What share of
# the gap is recovered, as a fraction?
#
# <details><summary>Hint</summary>The gap is tuned minus base.</details>
# <details><summary>A deeper hint</summary>(84.4 - 63.4) / (86.4 - 63.4).</details>

# %%
my_share = None

# %%
hint = "Divide what the hybrid gains by what the tuned model gains."
widgets.check(my_share, lambda x: abs(x - 21 / 23) < 0.01, hint)

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# my_share = (84.4 - 63.4) / (86.4 - 63.4)
# ```
# </details>
#
# **3 · Break the finding** (hard, 15 minutes). Find a control that gains over greedy as much as
# the mechanism that it controls: give their names as a pair, the mechanism first.
#
# <details><summary>Hint</summary>Look at the ledger: which control opens chains?</details>
# <details><summary>A deeper hint</summary><code>finding.MECHANISMS</code> lists the pairs;
# <code>lab.gain(mechanism, control)</code> compares them.</details>


# %%
def no_better(pair):
    mechanism, control = pair
    known = control in finding.MECHANISMS[mechanism]
    gains = lab.gain(control).estimate > 0
    return known and gains and lab.gain(mechanism, control).estimate <= 0


# %%
my_pair = None

# %%
widgets.check(my_pair, no_better, "The mechanism is still ahead: try another pair.")

# %% [markdown]
# <details><summary>Solution</summary>
#
# ```python
# pairs = [(m, c) for m, cs in finding.MECHANISMS.items() for c in cs]
# my_pair = next((pair for pair in pairs if no_better(pair)), None)
# ```
# If there is none, every mechanism beats its controls here.
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
# * Wang and Zhou, arXiv 2402.10200: CoT-decoding.
# * Venhoff et al., arXiv 2510.07364: steering decides when.
# * Yue et al., arXiv 2504.13837: pass@k of base and tuned models.
# * arXiv 2506.10947: spurious rewards; arXiv 2504.20571: one-shot RLVR.
# * Galichin et al., arXiv 2503.18878: ReasonScore, and features in reasoning models only.
# * arXiv 2506.03295: one-problem critique tuning; arXiv 2601.08058: steering by an SAE feature.
