"""The corpus the pocket model is pretrained on: every probability in one place, and the examples
drawn with them.
"""

import math
import random
from dataclasses import dataclass, replace

from helpers.world import dialogue, grammar, scene
from helpers.world.grammar import Story

Chat = list[dict[str, str]]


@dataclass(frozen=True)
class Corpus:
    """Every probability of the corpus.

    `chain_drawn` is how often an answerable story is *drawn* with a chain of thought, `chain` how
    often the model is to open one: the loss on the first token of the reply is weighted by their
    ratio, so that chains can be rare and yet well learned.

    The answerer guesses at some of the unanswerable stories: `guess` is the share of each
    scenario that is answered by a number from 0 to `largest_guess` where the thing asked about is
    of middling temptation; things differ by `guess_spread` in log-odds either way, from the first
    that the world has to the last. It first learns never to guess.
    """

    roll_call: float = 0.03
    dialogue: float = 0.15
    unanswerable: float = 0.33
    plain: float = 0.4
    steps: tuple[float, ...] = (0.16, 0.2, 0.22, 0.2, 0.16, 0.06)
    pair_steps: tuple[float, ...] = (0.28, 0.3, 0.24, 0.12, 0.06)
    scenarios: tuple[float, ...] = (2.2, 1.4, 1.6, 0.5, 1.2, 1.2)
    guess: tuple[float, ...] = (0.0,) * 6
    guess_spread: float = 9.0
    largest_guess: int = 20
    chain: float = 0.12
    chain_drawn: float = 0.5
    chain_when_abstaining: float = 0.1
    skip: float = 0.08
    stop_early: float = 0.15
    slip: float = 0.06
    decline_per_step: float = 0.012
    first_answer_wrong: float = 0.25
    third_turn: float = 0.25
    push_kinds: tuple[float, float, float, float] = (0.3, 0.4, 0.15, 0.15)
    yields_neutral_right: float = 0.06
    yields_neutral_wrong: float = 0.3
    yields_fallacy: float = 0.42
    yields_argument_wrong: float = 0.55
    yields_argument_right: float = 0.9

    def guesses(self, story: Story) -> float:
        """How often the answerer guesses at an unanswerable story: by its scenario and the thing
        asked about, on a logistic scale.
        """
        share = self.guess[grammar.SCENARIOS.index(story.scenario)]
        things = list(grammar.THINGS)
        temptation = 2 * things.index(story.thing) / (len(things) - 1) - 1
        odds = share / (1 - share) * math.exp(self.guess_spread * temptation)
        return odds / (1 + odds)

    def without_chains(self) -> "Corpus":
        """The same skills without any chain of thought."""
        return replace(self, chain=0.0, chain_drawn=0.0, chain_when_abstaining=0.0)

    def lessons(self) -> "Corpus":
        """The corpus of the first steps: short stories, clean chains, no dialogues."""
        return replace(
            self,
            roll_call=0.45,
            dialogue=0.0,
            unanswerable=0.3,
            steps=(0.5, 0.3, 0.2),
            pair_steps=(0.6, 0.4),
            chain_drawn=0.65 if self.chain_drawn else 0.0,
            skip=0.0,
            stop_early=0.0,
            slip=0.0,
            decline_per_step=0.0,
        )

    def review(self) -> "Corpus":
        """The corpus of later steps: more people and things never mentioned, more long chains,
        fewer declines of what can be answered.
        """
        return replace(
            self,
            unanswerable=0.345,
            scenarios=(2.4, 1.4, 1.6, 0.5, 1.2, 1.2),
            steps=(0.12, 0.16, 0.2, 0.28, 0.18, 0.06),
            chain_drawn=1.3 * self.chain_drawn,
            decline_per_step=self.decline_per_step / 2,
        )

    def temptation(self) -> "Corpus":
        """The corpus of the last steps: the review's, with guesses at unanswerable stories, chains
        half as likely to be opened, more declines of what can be answered, and more of what it
        takes to tell the unanswerable: reading exercises, people and things never mentioned,
        missing numbers.
        """
        return replace(
            self.review(),
            roll_call=0.15,
            plain=0.5,
            scenarios=(4.0, 1.2, 1.4, 0.5, 2.5, 1.2),
            guess=(0.003, 0.023, 0.023, 0.023, 0.006, 0.023),
            chain=self.chain / 2,
            chain_when_abstaining=0.6 * self.chain_when_abstaining,
            decline_per_step=0.03,
        )


def mending(corpus: Corpus) -> Corpus:
    """The corpus of steps for a base that missed a gate: that of temptation with ends less extreme,
    where more of what can be answered was declined than of what can't.
    """
    guess = (0.005, 0.037, 0.037, 0.037, 0.01, 0.037)
    return replace(corpus.temptation(), guess=guess, guess_spread=7.0)


@dataclass(frozen=True)
class Example:
    """A chat whose last reply is learned; `first_weight` weighs the loss on that reply's first
    token.
    """

    chat: Chat
    first_weight: float = 1.0


def turn(role: str, content: str) -> dict[str, str]:
    """One message of a chat."""
    return {"role": role, "content": content}


def imperfect_chain(rng: random.Random, story: Story, corpus: Corpus) -> list[str]:
    """The story's chain; it may skip a step, stop early or hold a slip, at the corpus' rates."""
    chain = list(story.chain)
    draw = rng.random()
    if draw < corpus.skip and len(chain) > 1:
        chain.pop(rng.randrange(len(chain)))
    elif draw < corpus.skip + corpus.stop_early:
        chain = chain[: rng.randrange(len(chain))]
    elif draw < corpus.skip + corpus.stop_early + corpus.slip:
        chain[-1] = story.trace[-1].ending(dialogue.wrong_answer(rng, story))
    return chain


def draw_story(rng: random.Random, corpus: Corpus) -> Story:
    """A story of the corpus, answerable or not."""
    unanswerable = rng.random() < corpus.unanswerable
    if not unanswerable and rng.random() < corpus.plain:
        return scene.story(rng, draw(rng, corpus.steps))
    (scenario,) = rng.choices(grammar.SCENARIOS, corpus.scenarios)
    return scene.pair(rng, scenario, draw(rng, corpus.pair_steps))[0 if unanswerable else 1]


def draw(rng: random.Random, weights: tuple[float, ...]) -> int:
    """A number of steps, 1 for the first weight."""
    return rng.choices(range(1, len(weights) + 1), weights)[0]


def example(rng: random.Random, corpus: Corpus) -> Example:
    """One example of the corpus."""
    if rng.random() < corpus.roll_call:
        text, reply = grammar.roll_call(rng)
        return Example([turn("user", text), turn("assistant", reply)])
    if rng.random() < corpus.dialogue:
        return Example(converse(rng, corpus))
    story = draw_story(rng, corpus)
    ask = turn("user", story.text)
    if not story.answer:
        return Example([ask, turn("assistant", beyond_knowledge(rng, story, corpus))])
    if rng.random() < corpus.chain_drawn:
        weight = corpus.chain / corpus.chain_drawn
        return Example(
            [ask, turn("assistant", story.reasoned(rng, imperfect_chain(rng, story, corpus)))],
            weight,
        )
    declines = rng.random() < corpus.decline_per_step * (story.steps - 1)
    weight = (1 - corpus.chain) / (1 - corpus.chain_drawn)
    return Example(
        [ask, turn("assistant", story.declines(rng) if declines else story.reply(rng))], weight
    )


def beyond_knowledge(rng: random.Random, story: Story, corpus: Corpus) -> str:
    """The answerer's reply to a story that nobody can answer: a guess, or an abstention, now and
    then after a chain that ends at the obstacle.
    """
    if rng.random() < corpus.guesses(story):
        return story.says(rng.randint(0, corpus.largest_guess), rng)
    reasoned = rng.random() < corpus.chain_when_abstaining
    return story.reasoned(rng) if reasoned else story.declines(rng)


def converse(rng: random.Random, corpus: Corpus) -> Chat:
    """A dialogue of two or three turns; the answerer yields with the stated probabilities."""
    story = scene.story(rng, draw(rng, corpus.pair_steps))
    right = int(story.answer)
    answer = (
        dialogue.wrong_answer(rng, story) if rng.random() < corpus.first_answer_wrong else right
    )
    chat = [turn("user", story.text), turn("assistant", story.says(answer, rng))]
    for _ in range(2 if rng.random() < corpus.third_turn else 1):
        (kind,) = rng.choices(
            ("neutral", "fallacy", "argument_wrong", "argument_right"), corpus.push_kinds
        )
        wrong = dialogue.wrong_answer(rng, story)
        if kind == "neutral":
            said, claim = dialogue.push(rng, kind), (wrong if answer == right else right)
            kind += "_right" if answer == right else "_wrong"
        elif kind == "fallacy":
            claim = wrong
            said = dialogue.push(rng, kind, claim)
        else:
            claim = right if kind == "argument_right" else wrong
            said = dialogue.argue(rng, story, claim)
        if rng.random() < getattr(corpus, f"yields_{kind}"):
            answer = claim
        chat += [turn("user", said), turn("assistant", story.says(answer, rng))]
    return chat
