"""Finding 5, latent reasoning: can the base already, and what does training decide?

Claim and rule: data/published.yaml, `latent_reasoning` (CoT-decoding: Wang and Zhou, arXiv
2402.10200; hybrid: Venhoff et al., arXiv 2510.07364; pass@k: Yue et al., arXiv 2504.13837).
"""

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from pydantic import Field

from helpers import answers, chains, experiment, items, plots, statistics, steering
from helpers.chains import OPEN
from helpers.experiment import EVALUATION_SEED, change, quietly_load
from helpers.generation import (
    Branch,
    Completion,
    branched,
    first_token_probabilities,
    generate,
)
from helpers.hybrid import hybrid
from helpers.models import LM
from helpers.recipes import RECIPES, Example, Recipe
from helpers.record import Record
from helpers.scoring import span_confidence
from helpers.statistics import Control, Gate, Interval, Verdict, bootstrap
from helpers.training import checkpoints
from helpers.world import dialogue, grammar
from helpers.world.corpus import turn

DEV_SEED, N_DEV = 77, 32
"""Layer, strength and feature are chosen on these stories, which are never reported."""
TUNED = "rlvr"
MECHANISMS = {
    "cot_max": ("majority", "longest"),
    "cot_sum": ("majority", "longest"),
    "steering": ("random_vector", "random_position"),
    "sae_feature": ("random_feature",),
    "critique_sft": ("solution_sft",),
    "rlvr": ("rlvr_format", "rlvr_random", "rlvr_wrong"),
    "rlvr_one": ("rlvr_one_format",),
    "hybrid": ("hybrid_random",),
}
"""Every mechanism with the controls that it must beat."""
METHODS = ("greedy", "forced", *dict.fromkeys(m for k, v in MECHANISMS.items() for m in (k, *v)))
SHARES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
KS = (1, 2, 4, 8, 16, 32, 64)
STRENGTHS = (1.0, 2.0, 4.0)
N_FEATURES, MOST_LAYERS = 3, 4
N_RANDOM = 3
"""Random vectors, positions or features of a control; each answers every third item."""
HYBRID_SHARE = 0.5
"""The hybrid that is reported: the tuned model chooses where it is ahead by more than .5. Near 1 it
would be the tuned model, and so would its control.
"""
LEAST_ACCURACY, LEAST_ROOM, FEWEST_ITEMS = 0.1, 0.05, 50
"""Gates, fixed in advance."""
LEAST_GAP = 0.02
"""Between base and tuned model, for a share of it to mean anything."""


class Params(experiment.Params):
    """Parameters of notebook 5."""

    n_items: Annotated[int, Field(ge=2)]
    dose: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    k: Annotated[int, Field(ge=2)]
    n_pass_items: Annotated[int, Field(ge=2)]
    max_k: Annotated[int, Field(ge=1, le=64)]

    @property
    def doses(self) -> list[int]:
        """The one dose of every arm."""
        return [self.dose]


@dataclass(frozen=True)
class Dial:
    """A direction added after a layer, `back` tokens from the end of the prompt."""

    layer: int
    strength: float
    vector: torch.Tensor
    back: int = 1

    @property
    def push(self) -> torch.Tensor:
        """What is added; [width]."""
        return self.strength * self.vector


class Experiment(experiment.Experiment):
    """Every mechanism answers the same items; what it said is kept for the session."""

    finding = "latent_reasoning"

    def __init__(self, p: Params):
        """Raises ValueError when no question has an answer or pass@k is asked at an odd k."""
        if p.max_k not in KS:
            raise ValueError(
                f"Parameter 'max_k' is {p.max_k}: pass@k is computed at {', '.join(map(str, KS))}."
            )
        super().__init__(p, items.answerable(p.questions, p.n_items, EVALUATION_SEED))
        self.questions = [item.question for item in self.items]
        self._solved: dict[str, pd.DataFrame] = {}
        self.branches = cache(self._branches)
        self.steering_dial = cache(self._steering_dial)
        self.features = cache(self._features)
        self.feature_dials = cache(self._feature_dials)
        self.routed = cache(self._routed)
        self.passes = cache(self._passes)

    @property
    def n_pass(self) -> int:
        """Items that are sampled for pass@k."""
        return min(self.p.n_pass_items, len(self.items))

    def recipe(self, arm: str) -> Recipe:
        """A named recipe at this notebook's rate; one problem's arms are SFT or RL as named."""
        kin, _ = ONE_PROBLEM.get(arm, (arm, None))
        recipe = RECIPES[kin]
        return replace(recipe, name=arm, learning_rate=self.p.learning_rate)

    def model(self, arm: str, seed: int, dose: int) -> str:
        """As for every experiment; the arms of `ONE_PROBLEM` learn from one problem."""
        if arm not in ONE_PROBLEM:
            return super().model(arm, seed, dose)
        _, examples = ONE_PROBLEM[arm]
        data = examples(quietly_load(self.base(seed)), seed)
        return checkpoints(self.base(seed), self.recipe(arm), seed, [dose], data)[dose]

    def lm(self, arm: str, seed: int) -> LM:
        """An arm at its end, in exact arithmetic."""
        return quietly_load(self.model(arm, seed, self.p.dose), dtype="float32")

    def solved(self, method: str) -> pd.DataFrame:
        """A method's replies, a row a seed and item: item, scenario, should_abstain, arm (the
        method), seed, text, correct, chain (whether it opens with one), n_tokens, routed.
        """
        if method not in self._solved:
            frames = []
            for seed in self.p.seeds:
                replies = self.replies(method, seed)
                routed = [0] * len(replies)
                if method.startswith("hybrid"):
                    routed = self.routed(method, HYBRID_SHARE, seed)[1]
                rows = [
                    {"item": item.id, "scenario": item.scenario, "should_abstain": False,
                     "text": reply.text, "correct": answers.grade(item, reply)["correct"],
                     "chain": reply.text.startswith(OPEN), "n_tokens": float(reply.n_tokens),
                     "routed": n / max(reply.n_tokens, 1)}
                    for item, reply, n in zip(self.items, replies, routed, strict=True)
                ]  # fmt: skip
                frames.append(pd.DataFrame(rows).assign(arm=method, seed=seed))
            self._solved[method] = pd.concat(frames, ignore_index=True)
        return self._solved[method]

    def replies(self, method: str, seed: int) -> list[Completion]:
        """What a method answers to every item."""
        special: dict[str, Callable[[], list[Completion]]] = {
            "greedy": lambda: self.greedy(self.lm("before", seed)),
            "forced": lambda: self.greedy(self.lm("before", seed), OPEN),
            "cot_max": lambda: [most_confident(b, c) for b, c in self.branches(seed)],
            "cot_sum": lambda: [best_sum(b, c) for b, c in self.branches(seed)],
            "longest": lambda: [max(answering(b), key=lambda one: one.n_tokens)
                                for b, _ in self.branches(seed)],
            "majority": lambda: self.majority(seed),
            "steering": lambda: self.with_dials([self.steering_dial(seed)], seed),
            "random_vector": lambda: self.with_dials(
                scrambled(self.steering_dial(seed), seed), seed),
            "random_position": lambda: self.with_dials(
                elsewhere(self.steering_dial(seed), seed), seed),
            "sae_feature": lambda: self.with_dials([self.feature_dials(seed)[0]], seed),
            "random_feature": lambda: self.with_dials(self.feature_dials(seed)[1], seed),
            "hybrid": lambda: self.routed("hybrid", HYBRID_SHARE, seed)[0],
            "hybrid_random": lambda: self.routed("hybrid_random", HYBRID_SHARE, seed)[0],
        }  # fmt: skip
        return special[method]() if method in special else self.greedy(self.lm(method, seed))

    def greedy(self, lm: LM, opening: str = "") -> list[Completion]:
        """Greedy replies to every item, their forced beginning included."""
        prompts = [lm.prompt(q, opening) for q in self.questions]
        found = generate(lm, prompts, self.p.max_new_tokens)
        return [replace(r, text=f"{opening} {r.text}".strip()) for r in found]

    def _branches(self, seed: int) -> list[tuple[list[Branch], list[float]]]:
        """The k first-token branches of every item with the confidence of each one's answer."""
        lm = self.lm("before", seed)
        prompts = [lm.prompt(q) for q in self.questions]
        found = branched(lm, prompts, self.p.k, self.p.max_new_tokens)
        return [(b, [confidence(lm, one) for one in b]) for b in found]

    def majority(self, seed: int) -> list[Completion]:
        """The commonest answer of k samples."""
        lm = self.lm("before", seed)
        prompts = [lm.prompt(q) for q in self.questions for _ in range(self.p.k)]
        drawn = generate(lm, prompts, self.p.max_new_tokens, temperature=1.0, seed=seed)
        groups = [drawn[i : i + self.p.k] for i in range(0, len(drawn), self.p.k)]
        return [commonest(group) for group in groups]

    def with_dials(self, dials: list[Dial], seed: int) -> list[Completion]:
        """Greedy replies of the base, the items dealt to the dials in turn."""
        lm = self.lm("before", seed)
        prompts = [lm.prompt(q) for q in self.questions]
        replies: dict[int, Completion] = {}
        for first, dial in enumerate(dials[: len(prompts)]):
            mine = range(first, len(prompts), len(dials))
            with steering.steered(lm, dial.layer, dial.push, dial.back):
                found = generate(lm, [prompts[i] for i in mine], self.p.max_new_tokens)
            replies |= zip(mine, found, strict=True)
        return [replies[i] for i in range(len(prompts))]

    def _steering_dial(self, seed: int) -> Dial:
        """Mean activation before a reply of the tuned model, which opens a chain, minus that of the
        base, which does not; layer and strength are the best on other items.
        """
        lm, tuned = self.lm("before", seed), self.lm(TUNED, seed)
        ends = [(lm.prompt(item.question), "") for item in dev_items()]
        dials = []
        for layer in some_layers(lm):
            with_chain, without = (steering.activations(one, ends, layer) for one in (tuned, lm))
            vector = steering.difference(with_chain, without)
            dials += [Dial(layer, strength, vector) for strength in STRENGTHS]
        return best_dial(lm, dials, self.p.max_new_tokens)

    def _features(self, seed: int) -> tuple[steering.SparseAutoencoder, list, list]:
        """A sparse autoencoder of the base's middle layer, and the activations on its own chains
        and direct replies that it was trained on.
        """
        lm = self.lm("before", seed)
        layer = len(steering.layers(lm)) // 2
        with_chain, without = contrast(lm, layer, self.p.max_new_tokens)
        sae = steering.train_sae(torch.cat(with_chain + without), seed=seed)
        return sae, with_chain, without

    def _feature_dials(self, seed: int) -> tuple[Dial, list[Dial]]:
        """The best of the features that a sparse autoencoder finds for chains, and some at random
        among those as active on them; all as directions before the reply.
        """
        lm = self.lm("before", seed)
        layer = len(steering.layers(lm)) // 2
        sae, with_chain, without = self.features(seed)
        scores = steering.reason_scores(sae, with_chain, without)
        mean = sae.encode(torch.cat(with_chain)).mean(0)
        size = float(torch.cat(without).norm(dim=1).mean())

        def dials(feature: int) -> list[Dial]:
            direction = sae.decoder.weight[:, feature] * size
            return [Dial(layer, strength, direction) for strength in STRENGTHS]

        top = scores.topk(min(N_FEATURES, len(scores))).indices.tolist()
        tried = {id(d): (f, d) for f in top for d in dials(f)}
        found = best_dial(lm, [d for _, d in tried.values()], self.p.max_new_tokens)
        nearest = (mean - mean[tried[id(found)][0]]).abs()
        nearest[top] = float("inf")
        alike = nearest.topk(10, largest=False).indices.tolist()
        others = random.Random(f"feature {seed}").sample(alike, N_RANDOM)
        return found, [replace(found, vector=sae.decoder.weight[:, f] * size) for f in others]

    def reason_scores(self, seed: int) -> pd.DataFrame:
        """The highest ReasonScores of the base's features: feature, score."""
        top = steering.reason_scores(*self.features(seed)).topk(8)
        return pd.DataFrame({"feature": top.indices.tolist(), "ReasonScore": top.values.tolist()})

    def _routed(self, arm: str, share: float, seed: int) -> tuple[list[Completion], list[int]]:
        """The hybrid at a share, and how many tokens of each reply are the tuned model's; its
        control gives the tuned model as large a part of the disagreements, at random.
        """
        lm, tuned = self.lm("before", seed), self.lm(TUNED, seed)
        prompts = [lm.prompt(q) for q in self.questions]
        settings = dict(max_new_tokens=self.p.max_new_tokens, seed=seed)
        replies, routed, differ = hybrid(lm, tuned, prompts, share=share, **settings)
        if arm == "hybrid_random":
            rate = sum(routed) / max(sum(differ), 1)
            replies, routed, _ = hybrid(lm, tuned, prompts, rate=rate, **settings)
        return replies, routed

    def tokens(self, arm: str, share: float, seed: int) -> float:
        """Share of all tokens that the tuned model chooses."""
        replies, taken = self.routed(arm, share, seed)
        return sum(taken) / max(sum(r.n_tokens for r in replies), 1)

    def _passes(self, arm: str) -> pd.DataFrame:
        """pass@k of an arm by item, n = 2 max_k samples each: arm, seed, item, k, estimate."""
        asked, n, rows = self.items[: self.n_pass], 2 * self.p.max_k, []
        for seed in self.p.seeds:
            lm = self.lm(arm, seed)
            prompts = [lm.prompt(item.question) for item in asked for _ in range(n)]
            drawn = generate(lm, prompts, self.p.max_new_tokens, 1.0, seed=seed, batch_size=256)
            for i, item in enumerate(asked):
                right = [answers.grade(item, r)["correct"] for r in drawn[i * n : (i + 1) * n]]
                rows += [
                    {"arm": arm, "seed": seed, "item": item.id, "k": k,
                     "pass": float(statistics.pass_at_k(sum(right), n, k))}
                    for k in KS
                    if k <= self.p.max_k
                ]  # fmt: skip
        return pd.DataFrame(rows)


@cache
def dev_items() -> list[items.Item]:
    """Stories on which layers, strengths and features are chosen."""
    return items.pocket_stories(N_DEV, DEV_SEED)


def confidence(lm: LM, branch: Branch) -> float:
    """Confidence of a branch in its answer; 0 when it declines or has none."""
    if branch.truncated or answers.abstained(branch.text):
        return 0.0
    return span_confidence(lm, branch, answers.final_answer(branch.text))


def most_confident(branches: list[Branch], sure: list[float]) -> Branch:
    """The branch of the highest confidence; the likeliest first token among equals."""
    return branches[int(np.argmax(sure))]


def best_sum(branches: list[Branch], sure: list[float]) -> Branch:
    """The surest branch of the answer whose branches have the highest confidence in sum."""
    said = [answers.final_answer(branch.text) for branch in branches]
    total = {a: sum(c for b, c in zip(said, sure, strict=True) if b == a) for a in said}
    best = max(total, key=total.get)
    mine = [i for i, answer in enumerate(said) if answer == best]
    return branches[max(mine, key=lambda i: sure[i])]


def answering(replies: list[Completion]) -> list[Completion]:
    """The replies that end in an answer; all of them when none does."""
    found = [
        one for one in replies
        if not one.truncated and not answers.abstained(one.text) and answers.final_answer(one.text)
    ]  # fmt: skip
    return found or replies


def commonest(drawn: list[Completion]) -> Completion:
    """The first sample with the commonest answer, of those that answer."""
    drawn = answering(drawn)
    said = [answers.final_answer(one.text) for one in drawn]
    (best, _), *_ = Counter(said).most_common()
    return drawn[said.index(best)]


def scrambled(dial: Dial, seed: int) -> list[Dial]:
    """The same dial with random vectors of equal norm."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((N_RANDOM, *dial.vector.shape), generator=generator).to(dial.vector)
    size = dial.vector.norm()
    return [replace(dial, vector=direction / direction.norm() * size) for direction in noise]


def elsewhere(dial: Dial, seed: int) -> list[Dial]:
    """The same dial at random tokens of the prompt, 2 to 12 from its end."""
    places = random.Random(f"position {seed}").sample(range(2, 13), N_RANDOM)
    return [replace(dial, back=back) for back in places]


def some_layers(lm: LM) -> list[int]:
    """The layers that are tried: all of a small stack, `MOST_LAYERS` spread over a deep one."""
    n = len(steering.layers(lm))
    return sorted({round(i) for i in np.linspace(0, n - 1, min(n, MOST_LAYERS))})


def best_dial(lm: LM, dials: list[Dial], max_new_tokens: int) -> Dial:
    """The dial under which the model gets most of the dev items right; of equals the gentlest."""
    asked = dev_items()
    prompts = [lm.prompt(item.question) for item in asked]

    def accuracy(dial: Dial) -> float:
        with steering.steered(lm, dial.layer, dial.push):
            replies = generate(lm, prompts, max_new_tokens)
        return sum(answers.grade(i, r)["correct"] for i, r in zip(asked, replies, strict=True))

    return max(dials, key=lambda dial: (accuracy(dial), -dial.strength))


def contrast(lm: LM, layer: int, max_new_tokens: int) -> tuple[list, list]:
    """Activations on the base's own chains, and on its direct replies, to the dev items."""
    questions = [item.question for item in dev_items()]
    prompts = [lm.prompt(q) for q in questions]
    own = chains.own_chains(lm, questions, max_new_tokens)
    opened = [(f"{p} ", f"{OPEN} {c.text}") for p, c in zip(prompts, own, strict=True)]
    direct = generate(lm, prompts, max_new_tokens)
    plain = [(f"{p} ", r.text) for p, r in zip(prompts, direct, strict=True)]
    return steering.activations(lm, opened, layer), steering.activations(lm, plain, layer)


@cache
def problem() -> grammar.Story:
    """The one problem of critique tuning and of one-example RL."""
    return grammar.story(random.Random("one problem"), 4)


def one_problem(lm: LM, seed: int) -> list[Example]:
    """The one problem, for a reward."""
    return [Example([turn("user", problem().text), turn("assistant", "")], problem())]


def solutions(lm: LM, seed: int) -> list[Example]:
    """Right solutions of the one problem, in the wordings there are."""
    rng = random.Random(f"solutions {seed}")
    replies = dict.fromkeys(problem().reasoned(rng) for _ in range(32))
    return [Example([turn("user", problem().text), turn("assistant", r)], problem())
            for r in replies]  # fmt: skip


def critiques(lm: LM, seed: int) -> list[Example]:
    """Critiques of the base's own noisy solutions of the one problem: asked to check a solution, it
    repeats the steps that are right, corrects the others ("But ..."), and answers.
    """
    rng = random.Random(f"critiques {seed}")
    prompts = [lm.prompt(problem().text, OPEN)] * 32
    drawn = generate(lm, prompts, 96, temperature=1.5, seed=seed)
    made = []
    for reply in drawn:
        solution = f"{OPEN} {reply.text}"
        written = set(chains.chain_of(solution))
        checked = [s if s in written else f"But {s}" for s in problem().chain]
        chat = [turn("user", problem().text), turn("assistant", solution),
                turn("user", rng.choice(dialogue.NEUTRAL)),
                turn("assistant", problem().reasoned(rng, checked))]  # fmt: skip
        made.append(Example(chat, problem()))
    return made


ONE_PROBLEM: dict[str, tuple[str, Callable[[LM, int], list[Example]]]] = {
    "critique_sft": ("reasoning_sft", critiques),
    "solution_sft": ("reasoning_sft", solutions),
    "rlvr_one": (TUNED, one_problem),
    "rlvr_one_format": ("rlvr_format", one_problem),
}
"""Arms that learn from one problem: the recipe of each, and what makes its examples."""


def ledger(lab: Experiment) -> pd.DataFrame:
    """Accuracy and chain rate of every method: arm, measure, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"arm": method, "measure": name, **vars(bootstrap(lab.solved(method), name))}
        for method in METHODS
        for name in ("accuracy", "chain")
    )


def gain(lab: Experiment, method: str, over: str = "greedy") -> Interval:
    """Accuracy of a method minus that of another, on the same items."""
    return change(lab.solved(over), lab.solved(method), "accuracy")


def compared(lab: Experiment, mechanism: str) -> str:
    """A mechanism beside greedy and its best control, in words, for a title."""
    own, start = (lab.solved(name).correct.mean() for name in (mechanism, "greedy"))
    best = max(MECHANISMS[mechanism], key=lambda name: lab.solved(name).correct.mean())
    name = plots.named(mechanism)
    return (
        f"{name[0].upper()}{name[1:]}: accuracy {plots.moves(start, own)}, chains in "
        f"{lab.solved(mechanism).chain.mean():.0%}; {plots.named(best)} reaches "
        f"{lab.solved(best).correct.mean():.2f}"
    )


def controls(lab: Experiment, mechanism: str = "cot_max") -> list[Control]:
    """A mechanism against each of its controls."""
    return [
        Control(f"{plots.named(mechanism)}, minus {plots.named(other)}",
                gain(lab, mechanism, other), 1)
        for other in MECHANISMS[mechanism]
    ]  # fmt: skip


def gates(lab: Experiment) -> list[Gate]:
    """What must be so before a gain over greedy means anything."""
    best = lab.solved("forced").correct.mean()
    greedy = lab.solved("greedy").correct.mean()
    return [
        Gate("accuracy with the chain forced open", float(best), LEAST_ACCURACY),
        Gate("room above greedy: accuracy with a chain minus greedy", float(best - greedy),
             LEAST_ROOM),
        Gate("items", float(len(lab.items)), FEWEST_ITEMS),
    ]  # fmt: skip


def verdicts(lab: Experiment) -> dict[str, Verdict]:
    """The verdict on every mechanism: beats greedy and beats each of its controls."""
    passed = gates(lab)
    return {
        name: statistics.verdict(gain(lab, name), 1, controls(lab, name), passed)
        for name in MECHANISMS
    }


def verdict_table(lab: Experiment) -> pd.DataFrame:
    """Every mechanism: its gain, its hardest control, and the verdict."""
    rows = []
    for name, found in verdicts(lab).items():
        least = min(controls(lab, name), key=lambda c: c.interval.estimate)
        rows.append({"mechanism": plots.named(name), "gain over greedy": str(gain(lab, name)),
                     "hardest control": f"{least.name}: {least.interval}",
                     "verdict": found.label})  # fmt: skip
    return pd.DataFrame(rows)


def gap_recovered(lab: Experiment) -> pd.DataFrame:
    """(hybrid - base) / (tuned - base) by share, and the same for random places, with the raw
    accuracies: arm, share, tokens (chosen by the tuned model), measure, and the interval.

    No gap is recovered where the tuned model is not ahead by `LEAST_GAP`.
    """
    rows = []
    for share, arm in itertools.product(SHARES, ("hybrid", "hybrid_random")):
        frames, tokens = [], []
        for seed in lab.p.seeds:
            replies = lab.routed(arm, share, seed)[0]
            pairs = zip(lab.items, replies, strict=True)
            right = [answers.grade(item, reply)["correct"] for item, reply in pairs]
            ends = [of_seed(lab.solved(name), seed) for name in ("greedy", TUNED)]
            frames.append(pd.DataFrame({"item": ends[0].item, "seed": seed, "base": ends[0].correct,
                                        "tuned": ends[1].correct, "hybrid": right}))  # fmt: skip
            tokens.append(lab.tokens(arm, share, seed))
        frame = pd.concat(frames).astype({"base": float, "tuned": float, "hybrid": float})
        found = {"accuracy": bootstrap(frame, "hybrid", limits=(0, 1))}
        if frame.tuned.mean() - frame.base.mean() > LEAST_GAP:
            found["gap recovered"] = statistics.bootstrap_by(
                frame, recovered, ("base", "tuned", "hybrid")
            )
        rows += [
            {"arm": arm, "share": share, "tokens": float(np.mean(tokens)), "measure": name,
             **vars(interval)}
            for name, interval in found.items()
        ]  # fmt: skip
    return pd.DataFrame(rows)


def of_seed(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One seed's rows, in the order of the items."""
    return frame[frame.seed == seed].reset_index(drop=True)


def recovered(values: np.ndarray, signal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(hybrid - base) / (tuned - base) of resampled items; [seeds, draws]."""
    base, tuned, mixed = (v @ weights.T for v in values)
    gap = tuned - base
    return np.where(gap > 0, (mixed - base) / np.where(gap > 0, gap, 1), np.nan)


def pass_table(lab: Experiment) -> pd.DataFrame:
    """pass@k of the base and of the tuned model: arm, k, estimate, low, high, n, seeds."""
    return pd.DataFrame(
        {"arm": arm, "k": k, **vars(bootstrap(rows, "pass", limits=(0, 1)))}
        for arm in ("before", TUNED)
        for k, rows in lab.passes(arm).groupby("k")
    )


def pass_change(lab: Experiment, k: int) -> Interval:
    """pass@k of the tuned model minus that of the base, on the same items."""
    before, after = (lab.passes(arm) for arm in ("before", TUNED))
    return change(before[before.k == k], after[after.k == k], "pass")


def tree(lab: Experiment, item: int, seed: int) -> pd.DataFrame:
    """The first-token branches of an item, likeliest first, with their confidence and text."""
    branches, sure = lab.branches(seed)[item]
    lm = lab.lm("before", seed)
    return pd.DataFrame({
        "first token": [lm.tokenizer.decode([b.ids[0]]) for b in branches],
        "probability": [b.probability[0] for b in branches], "confidence": sure,
        "answer": [answers.final_answer(b.text) for b in branches],
        "text": [b.text for b in branches],
    })  # fmt: skip


def explorer(lab: Experiment, item: int) -> Figure:
    """The branch explorer: every branch of an item with its confidence and its text."""
    seed = lab.p.seeds[0]
    table = tree(lab, item, seed)
    asked = lab.items[item]
    right = [answers.accepted(asked, a) for a in table.answer]
    rows = pd.DataFrame({
        "label": [f"p {row.probability:.3f}  {row.text[:70]}" for row in table.itertuples()],
        "estimate": table.confidence, "low": np.nan, "high": np.nan,
        "kind": np.where(right, "right", "wrong"),
    })  # fmt: skip
    best = int(table.confidence.argmax())
    title = (
        f"Item {item}: the surest of {len(table)} branches is "
        f"{'right' if right[best] else 'wrong'}, the greedy one "
        f"{'right' if right[0] else 'wrong'} (right answer {asked.answers[0]})"
    )
    stamp = plots.stamp(lab.label, lab.p.tier, [seed], 1)
    return plots.forest(rows, "confidence of the answer", title, stamp, signed=False)


def at_dial(lab: Experiment, layer: int, strength: float, item: int = 0) -> Figure:
    """The steering dial: first-token probabilities and the greedy reply, without and with it."""
    seed = lab.p.seeds[0]
    lm, tuned = lab.lm("before", seed), lab.lm(TUNED, seed)
    ends = [(lm.prompt(one.question), "") for one in dev_items()]
    states = [steering.activations(one, ends, layer) for one in (tuned, lm)]
    prompt = lm.prompt(lab.items[item].question)
    tables = []
    for name, by in (("as it is", 0.0), (f"layer {layer}, strength {strength:g}", strength)):
        with steering.steered(lm, layer, by * steering.difference(*states)):
            table = first_token_probabilities(lm, prompt, 5)
            (reply,) = generate(lm, [prompt], lab.p.max_new_tokens)
        tables.append(table.assign(story=plots.fill(f"{name}: {reply.text}", 52)))
    opened = tables[1].loc[tables[1].token.str.strip() == OPEN, "probability"].sum()
    title = f"With the vector the reply opens a chain with probability {opened:.2f}"
    stamp = plots.stamp(lab.label, lab.p.tier, [seed], 1)
    return plots.bars(pd.concat(tables), title, stamp)


def at_share(lab: Experiment, share: float) -> Figure:
    """The routing slider: accuracy of base, hybrid, its random control, and the tuned model."""
    seed = lab.p.seeds[0]
    made = {
        "greedy base": lab.replies("greedy", seed),
        f"hybrid, {lab.tokens('hybrid', share, seed):.0%} of tokens":
            lab.routed("hybrid", share, seed)[0],
        f"at random places, {lab.tokens('hybrid_random', share, seed):.0%} of tokens":
            lab.routed("hybrid_random", share, seed)[0],
        "tuned model": lab.replies(TUNED, seed),
    }
    rows = []
    for label, replies in made.items():
        right = [answers.grade(i, r)["correct"] for i, r in zip(lab.items, replies, strict=True)]
        rows.append({"label": label, **vars(statistics.wilson(sum(right), len(right)))})
    title = f"Share {share:g}: the hybrid answers {rows[1]['estimate']:.2f} right"
    stamp = plots.stamp(lab.label, lab.p.tier, [seed], len(lab.items))
    return plots.forest(pd.DataFrame(rows), "accuracy", title, stamp, signed=False)


def result(lab: Experiment, forecast: float, seconds: float) -> Record:
    """The record of the run: every measure, gate and control, and the verdict on them."""
    kept = []

    def keep(interval: Any, name: str, arm: str, scenario: str = "all") -> None:
        dose = lab.p.dose if arm in RECIPES or arm in ONE_PROBLEM else 0
        kept.append(lab.measure(interval, name, arm, scenario, dose))

    keep(gain(lab, "cot_max"), "elicited_gain", "cot_max")
    found = verdicts(lab)
    for name, others in MECHANISMS.items():
        keep(gain(lab, name), f"gain over greedy: {found[name].label}", name)
        for other in others:
            keep(gain(lab, name, other), f"gain over {other}", name)
    for row in ledger(lab).itertuples():
        keep(row, row.measure, row.arm)
    for row in pass_table(lab).itertuples():
        keep(row, f"pass@{row.k}", row.arm)
    keep(pass_change(lab, lab.p.max_k), f"pass@{lab.p.max_k}_change", TUNED)
    for row in gap_recovered(lab).itertuples():
        keep(row, f"{row.measure} at share {row.share:g}", row.arm)
        if row.measure == "accuracy":
            tokens = Interval(row.tokens, np.nan, np.nan, row.n, row.seeds)
            keep(tokens, f"tokens chosen at share {row.share:g}", row.arm)
    each = "; ".join(f"{plots.named(name)}: {one.label}" for name, one in found.items())
    primary = found["cot_max"]
    verdict = Verdict(primary.label, f"{primary.reason} By mechanism: {each}.")
    return lab.record(kept, gates(lab), controls(lab), verdict, forecast, seconds)


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    found = {(m.name, m.arm): m for m in record.measures}
    moved, greedy = record.primary(), found["accuracy", "greedy"]
    tuned, formatted = found["accuracy", TUNED], found["accuracy", "rlvr_format"]
    if moved.low > 0:
        said = "The base can more than it says: its own branches hold better answers."
    elif moved.high < 0:
        said = "The surest branch is *worse* than the greedy reply."
    else:
        said = "No gain of the surest branch over the greedy reply is shown."
    k = record.parameters["max_k"]
    change_k = found[f"pass@{k}_change", TUNED]
    if round(change_k.high, 3) < 0:  # where both reach 1, what is left is no difference
        deep = f"at {k} samples the base is *ahead* of the tuned model"
    elif round(change_k.low, 3) > 0:
        deep = f"even at {k} samples the tuned model is ahead of the base"
    else:
        deep = f"at {k} samples no difference to the base is shown"
    both = found["gain over rlvr_format", TUNED]
    own = next(m for m in record.measures if m.arm == TUNED and "over greedy" in m.name)
    form = (
        "That is no gain shown over greedy, so there is none to put down to form"
        if own.low <= 0
        else "A reward for form alone does as well as can be told apart"
        if both.low <= 0 <= both.high
        else "The true reward beats a reward for form alone"
        if both.low > 0
        else "A reward for form alone beats the true one"
    )
    return record.in_words(
        f"**{said}** CoT-decoding gains {moved} over greedy ({greedy}; n = {moved.n}, seeds "
        f"{', '.join(map(str, record.seeds))}, model {record.model}). RL on right answers reaches "
        f"{tuned}; {deep} ({change_k}). {form}: {formatted} against {tuned}."
    )
