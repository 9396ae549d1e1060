"""Named arms shared by the findings: which examples, which trainer, which hyperparameters."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from helpers.lm.models import SMALL
from helpers.lm.prompts import ids_behind, ids_of, joined
from helpers.train.rewards import BRIER, REWARDS
from helpers.world import corpus as world
from helpers.world import grammar, scene
from helpers.world.corpus import Chat, Corpus
from helpers.world.grammar import Story
from helpers.world.teachers import TEACHERS, taught

TRAINERS = ("sft", "dpo", "grpo", "reward")
SCHEDULES = ("constant", "linear")
REAL_RANK = 32  # of the adapters of real models
JUDGE = "judge"
"""The reward that is a model's, which `training.checkpoints` is given."""
WARM = Corpus(
    roll_call=0.0,
    dialogue=0.1,
    guess=(0.0,) * 6,
    chain=0.12,
    chain_drawn=0.45,
    chain_when_abstaining=0.1,
    skip=0.0,
    stop_early=0.0,
    slip=0.0,
    decline_per_step=0.0,
)
HOLDING = Corpus(
    roll_call=0.0,
    dialogue=1.0,
    yields_neutral_right=0.0,
    yields_neutral_wrong=1.0,
    yields_fallacy=0.0,
    yields_argument_wrong=0.0,
    yields_argument_right=1.0,
)
SHORT = (1.0, 1.0, 1.0)  # story steps for real models: 1 to 3, alike often


@dataclass(frozen=True)
class Recipe:
    """What makes a trained arm, apart from the model and the seed.

    abstention_share: share of unanswerable stories; chain_share: share of chains among the replies
    to answerable ones; teacher and verbosity: of these chains, see `world.teachers`; supposed:
    questions that suppose the last event instead, a form of task that no base has seen;
    whole_corpus: everything the corpus has instead, dialogues and slips too.
    schedule: of the learning rate, "constant" or "linear" (to zero); only in the former is a
    smaller dose the beginning of a larger one.
    lora_rank: of the adapter on every linear layer (Hu et al., arXiv 2106.09685), its alpha twice
    that.
    reward (grpo): see `helpers.train.rewards`, with its penalty and bonus. scale_rewards (grpo):
    what the rewards of a group are divided by, its deviation ("group") or nothing ("none"). beta
    (grpo, dpo): the weight of the KL divergence from the model that training starts from. pairs
    (dpo): the right move before a decline of an answerable story or a guess at an unanswerable one;
    smoothing: the share of preferences that its loss takes for turned round. reward (trainer): a
    Bradley-Terry model.
    """

    name: str
    about: str
    trainer: str = "sft"
    chain_share: float = 1.0
    abstention_share: float = 0.0
    teacher: str = "terse"
    verbosity: float = 0.0
    supposed: bool = False
    whole_corpus: bool = False
    corpus: Corpus = field(default_factory=Corpus)
    learning_rate: float = 1e-3
    schedule: str = "constant"
    batch_size: int = 32
    steps: int = 80
    lora_rank: int = 8
    beta: float = 0.1
    smoothing: float = 0.0
    reward: str = "right"
    scale_rewards: str = "group"
    penalty: float = 0.0
    bonus: float = 0.0
    generations: int = 8
    max_new_tokens: int = 64

    def __post_init__(self):
        if self.trainer not in TRAINERS:
            raise ValueError(
                f"Recipe '{self.name}': trainer '{self.trainer}' is none of {', '.join(TRAINERS)}."
            )
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"Recipe '{self.name}': schedule '{self.schedule}' is none of "
                f"{', '.join(SCHEDULES)}."
            )
        if self.teacher not in TEACHERS:
            raise ValueError(
                f"Recipe '{self.name}': teacher '{self.teacher}' is none of {', '.join(TEACHERS)}."
            )
        known = (*REWARDS, JUDGE)
        if self.reward not in known:
            raise ValueError(
                f"Recipe '{self.name}': reward '{self.reward}' is none of {', '.join(known)}."
            )
        for share in ("chain_share", "abstention_share", "verbosity"):
            if not 0 <= getattr(self, share) <= 1:
                raise ValueError(
                    f"Recipe '{self.name}': {share} is {getattr(self, share)}, not between 0 and 1."
                )

    def for_model(self, n_parameters: int) -> Recipe:
        """This recipe as it is for a pocket; with a larger rank, short stories and smaller steps
        beyond 20 M parameters.

        SFT keeps its rate, the others have a tenth: at 1e-3 GRPO took a 135 M model to no right
        answer within 10 steps, at 1e-4 its reward rose. A quarter of the batch (an eighth in GRPO),
        as a step of 16 chats took that model 14 s on two cores, and 40 s with GRPO.
        """
        if n_parameters < SMALL or self.corpus.steps == SHORT:  # of a pocket, or sized before
            return self
        return replace(
            self,
            lora_rank=REAL_RANK,
            learning_rate=self.learning_rate * (1.0 if self.trainer == "sft" else 0.1),
            batch_size=self.batch_size // (8 if self.trainer == "grpo" else 4),
            generations=min(self.generations, 4),
            corpus=replace(self.corpus, steps=SHORT, pair_steps=SHORT),
        )


# Rates of SFT by the loss on 180 development examples (base 0, 64 and 100 steps), at 1e-3, and at
# 3e-3: reasoning_sft .043 .043, .045 .043; reasoning_sft_keep .067 .067, .068 .069;
# answer_sft .261 .262, .271 .284; verbose_sft .322 .130, .103 .057; post_hoc_sft .065 .060,
# .060 .058; wrong_chain_sft 1.166 1.131, 1.128 1.121; hold_sft .203 .208, .213 .211;
# new_task_answers .329 .309, .343 .322; new_task_chains .050 .043, .041 .038;
# reasoned_turns_sft .066 .055, .061 .056.
# Of verbose_sft at 3e-3, after 100, 200, 300 steps: base 0 .054 .035 .034, base 1 .044 .029 .026,
# base 2 .046 .032 .029 (accuracy .74 .83 .87, .75 .84 .92, .68 .75 .89; before .59, .59, .60).
# Rate of DPO by the loss on pairs of development questions (base 0, 20 steps): 3e-4 .60, 2e-4 .64,
# 1e-4 .67; and by what it leaves of the accuracy on 500 development stories each of 1 to 3 steps
# (40 steps, training seed 999; before it .876, .861, .877 on bases 0, 1, 2), which is to stay
# within .05: at 2e-4 .865 .703 .555, at 1e-4 .874 .837 .849. So 1e-4.
# RL by the accuracy on 500 development stories each of 1 to 3 steps (training seed 999; before it
# .876, .861, .877 on bases 0, 1, 2), where a random reward is to stay within .05 and right answers
# are to reach .9 by opening chains. With 64 replies a step at a constant rate of 1e-3, 150 steps, a
# random reward took .08 to .13 on every base. A larger KL weight keeps it in place (.854 at 1), and
# chains away from right answers. Rate and KL weight move both alike, and so does a coin that pays
# as often as right answers do. What tells signal from noise is more replies, stories on which
# replies differ (2 to 5 steps), and a rate that falls to zero: 128 replies, 150 steps from 1e-3,
# random .843 on base 1 (.856, .838, .849 on bases 0 to 2 without twins of unanswerable stories),
# right .981 and .998 on bases 0 and 1, with chains in .82 and all of the replies. In 100 steps from
# 1.25e-3 right .994 on base 2, but .877 on base 0, without a chain.
# Finding 6 on development stories (seed 999, base 0 where no other is named; accuracy / calibration
# error, before .735 / .093). Damage by 140 steps .68 / .28, 160 .735 / .241 (base 1 .718 / .073 to
# .788 / .183), 200 on base 1 .853 / .133: 160 keeps accuracy. What did not damage: SFT on own
# replies .711 / .076, GRPO on the own probability .617 / .096 after 20 steps.
# Rate of GRPO by a reward model, by that reward (logits) and the share of replies changed, from the
# damaged model on base 0, 3.253, and base 1, 3.344 (before the damage -2.373, -4.440): at 1e-4
# 3.252 .10, 3.351 .19 after 20 steps, 3.258 .39, 3.429 .35 after 80; at 3e-4 3.255 .29, 3.425 .38
# after 20, 3.314 .66, 3.552 .59 after 80, when base 1 fell from .787 to .529; at 4e-4 and 5e-4 base
# 0 fell from .750 to .581 and .412 after 20. So 3e-4. The first reference had 20 steps, which
# changed .19 of the replies where its gate asks .25: so 40, when .47, .38 and (base 2) .39 have
# changed at .735, .794, .750 of .750, .787, .743. On the reported items base 1 then fell to .310 of
# .805. So the rate was looked at again, at nine development trainings (bases 0 to 2, seeds 997 to
# 999, n 270), by accuracy and replies changed alone, after 40 steps: at 2e-4 accuracy fell by .174,
# .133 and less than .02 in the others (.200 to .617 changed); at 1e-4 by .070 and .004 or less in
# the others (.080 to .350 changed, their mean .266). But on the reported items 1e-4 changes .121 of
# the replies (ECE +.003 [-.012, .018], bases 0 to 2), too few for the gate. So 3e-4 stays, which
# acts, and breaks one training in three or four: seven bases tell what it does on average.
# Rivals and others by the accuracy that they keep after 40 steps (bases 0 and 1): shuffled .743,
# .787 at 1e-4, .779, .779 at 5e-5; shorter preferred .618, .772 at 1e-4, .735, .779 at 5e-5; DPO at
# 2e-4 .750, .801; SFT on confident replies at 1e-4 .772, .801, and .424 (base 0, 20 steps) at 1e-3.
# The Brier reward, whose policy learns what is right, without a KL term: accuracy and coverage .110
# .118, .037 .103 at 1e-3, where it learns to decline; .772 .985, .809 .963 at 5e-4; .757 .993 at
# 3e-4. So 5e-4.
# SFT on right answers gets as many steps as damage: after 20 it is at .606, after 160 on bare
# answers alone at .72 on the reported items. With half of them after chains it lost .057 there on
# bases 0 to 6, seeds 0 and 1, more than its gate allows; on development stories (seed 999, accuracy
# after 80 and 160 steps, n 270) base 0 had .715, then .730 .644, at 3e-4 .637 .652, since more and
# more replies were bare answers. All of them after chains: base 0 .619 .930, base 1, before .785,
# .952 .948.
NEW_TASK = {"supposed": True}
GRPO = {"trainer": "grpo", "learning_rate": 1e-3, "batch_size": 64}
HARDER = (0.0, 0.1, 0.3, 0.3, 0.3)
RL = {
    **GRPO,
    "batch_size": 128,
    "schedule": "linear",
    "corpus": Corpus(steps=HARDER, pair_steps=HARDER),
}
REPAIR = {
    **GRPO,
    "learning_rate": 3e-4,
    "batch_size": 32,
    "abstention_share": Corpus().unanswerable,
    "max_new_tokens": 136,
}
RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "warmup",
            "the whole corpus, so that a real model knows the stories",
            whole_corpus=True,
            corpus=WARM,
            steps=400,
            schedule="linear",
        ),
        Recipe("reasoning_sft", "whole right chains on answerable stories only"),
        Recipe(
            "reasoning_sft_keep",
            "as reasoning_sft, with the corpus' share of abstentions kept",
            abstention_share=Corpus().unanswerable,
        ),
        Recipe("answer_sft", "direct answers on answerable stories only", chain_share=0.0),
        Recipe(
            "new_task_answers", "direct answers to what is supposed", **NEW_TASK, chain_share=0.0
        ),
        Recipe(
            "new_task_chains",
            "whole right chains to what is supposed",
            **NEW_TASK,
            learning_rate=3e-3,
        ),
        Recipe(
            "verbose_sft",
            "as reasoning_sft, every step told thrice",
            verbosity=1.0,
            learning_rate=3e-3,
        ),
        Recipe(
            "post_hoc_sft",
            "as reasoning_sft, the answer first",
            teacher="post_hoc",
            learning_rate=3e-3,
        ),
        Recipe(
            "wrong_chain_sft",
            "as reasoning_sft, false steps, right answers",
            teacher="wrong",
            learning_rate=3e-3,
        ),
        Recipe(
            "scorer_sft",
            "chains in the words of every teacher, and bare answers",
            teacher="every",
            chain_share=0.8,
            learning_rate=3e-3,
            steps=200,
        ),
        Recipe(
            "hold_sft",
            "dialogues that hold a right answer under pressure and yield a wrong one",
            whole_corpus=True,
            corpus=HOLDING,
        ),
        Recipe("rlvr", "a reward for right answers, and for nothing else", **RL),
        Recipe("rlvr_format", "a reward for a chain and an answer", **RL, reward="format"),
        Recipe("rlvr_random", "a reward by the toss of a coin", **RL, reward="random"),
        Recipe("rlvr_wrong", "a reward for wrong answers", **RL, reward="wrong"),
        Recipe(
            "dial",
            "1 for right, 0 for declining, -penalty for wrong; answerable and unanswerable stories",
            **GRPO,
            reward="dial",
            scale_rewards="none",
            abstention_share=Corpus().unanswerable,
        ),
        Recipe(
            "damaged",
            "a few steps of whole right chains with every step told thrice, declines kept",
            verbosity=1.0,
            learning_rate=3e-3,
            schedule="linear",
            abstention_share=Corpus().unanswerable,
        ),
        Recipe(
            "rlsf_grpo",
            "GRPO against a model of preferences by the confidence of answers",
            **REPAIR,
            reward=JUDGE,
        ),
        Recipe(
            "repair_shuffled",
            "GRPO against a model of preferences by lot, at a rate that keeps accuracy",
            **REPAIR | {"learning_rate": 1e-4},
            reward=JUDGE,
        ),
        Recipe(
            "repair_shorter",
            "GRPO against a model of preferences for the shorter, at a rate that keeps accuracy",
            **REPAIR | {"learning_rate": 5e-5},
            reward=JUDGE,
        ),
        Recipe(
            "rlsf_dpo",
            "DPO on preferences by the confidence of answers",
            trainer="dpo",
            learning_rate=1e-4,
            batch_size=16,
            beta=0.2,
            smoothing=0.01,
        ),
        Recipe(
            "rater",
            "a Bradley-Terry model of preferences",
            trainer="reward",
            batch_size=16,
            steps=32,
        ),
        Recipe(
            "reasoned_turns_sft",
            "as reasoning_sft, half of the chains at the second turn of a dialogue (given)",
            learning_rate=3e-3,
        ),
        Recipe("rlsf_sft", "SFT on the replies that preferences prefer", learning_rate=1e-4),
        Recipe(
            "repair_labels",
            "right answers after right chains, declines kept",
            abstention_share=Corpus().unanswerable,
        ),
        Recipe(
            "repair_brier",
            "a reward for the right move, minus the probability of the answer",
            **REPAIR | {"learning_rate": 5e-4, "batch_size": 64},
            reward=BRIER,
            scale_rewards="none",
            beta=0.0,
        ),
    )
}
KEPT = {"reasoning_sft": (8, 16, 32, 64), "answer_sft": (8, 16, 32, 64)}
"""Doses that are kept on a pocket's way to a larger one, whoever asks for that: findings 1 and 2
look at them.
"""


@dataclass(frozen=True)
class Example:
    """A chat that ends in the reply to learn, its story, the reply it is preferred to, and by how
    much a reward model should prefer it.
    """

    chat: Chat
    story: Story | None
    rejected: str = ""
    margin: float = 0.0


def examples(recipe: Recipe, seed: int, n: int) -> list[Example]:
    """The first n training examples of an arm: the same for the same recipe and seed.

    Recipes share their stories: example i of two of them with one seed is the same answerable
    story, unless one of them has an unanswerable one in its place.
    """
    return [_example(recipe, f"training-{seed}-{i}") for i in range(n)]


def _example(recipe: Recipe, key: str) -> Example:
    rng = random.Random(key)
    corpus = recipe.corpus
    if recipe.whole_corpus:
        return Example(world.example(rng, corpus).chat, None)
    abstain = rng.random() < recipe.abstention_share
    reasoned = rng.random()
    story = _story(rng, corpus, abstain, recipe.supposed)
    share = corpus.chain_when_abstaining if abstain else recipe.chain_share
    if reasoned >= share:
        reply = story.reply(rng)
    else:
        teacher = (recipe.teacher, recipe.verbosity)
        reply = story.reasoned(rng) if abstain else taught(story, rng, *teacher)
    rejected = story.says(rng.randint(0, 20), rng) if abstain else story.declines(rng)
    chat = [world.turn("user", story.text), world.turn("assistant", reply)]
    return Example(chat, story, rejected)


def _story(rng: random.Random, corpus: Corpus, unanswerable: bool, supposed: bool) -> Story:
    """A story as the corpus draws it, given whether it can be answered."""
    if supposed or not unanswerable and rng.random() < corpus.plain:
        return scene.story(rng, world.draw(rng, corpus.steps), supposed)
    (scenario,) = rng.choices(grammar.SCENARIOS, corpus.scenarios)
    hidden, twin = scene.pair(rng, scenario, world.draw(rng, corpus.pair_steps))
    return hidden if unanswerable else twin


def encode(tokenizer, chat: Chat) -> tuple[list[int], list[int]]:
    """Token ids of a chat up to its last end token, and labels: -100 all but the last reply.

    Works with any chat template. Raises ValueError when the template leaves nothing to learn.
    """
    opening = tokenizer.apply_chat_template(chat[:-1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(chat, tokenize=False)
    if not whole.startswith(opening):  # a template that rewrites what it opened: say it ourselves
        whole = joined(opening, chat[-1]["content"])
    # as generation will see them: no token may span the border
    prompt = ids_of(tokenizer, opening)
    reply = ids_behind(tokenizer, opening, whole[len(opening) :])
    end = tokenizer.eos_token_id
    reply = reply[: len(reply) - reply[::-1].index(end)] if end in reply else [*reply, end]
    if len(reply) < 2:
        raise ValueError(f"The chat template leaves no reply to learn in: {whole[:80]!r}")
    return prompt + reply, [-100] * len(prompt) + reply
