"""Teachers of chains: the same story explained tersely, at length, after the fact, or wrongly."""

import random
import re

from helpers.world.grammar import MAX_NUMBER, Step, Story

TEACHERS = ("terse", "post_hoc", "wrong", "every")
_INVERSE = {"gain": "-", "lose": "+", "double": "/", "halve": "*", "give_all": "-"}


def taught(story: Story, rng: random.Random, teacher: str = "terse", verbosity: float = 0.0) -> str:
    """A right reply to an answerable story after a teacher's chain.

    terse: the right steps; post_hoc: the answer first, then the right steps; wrong: the steps with
    other numbers, fluent and false; every: one of those whose steps are right, by lot, of any
    verbosity. verbosity: share of steps followed by what is true and says nothing new, the result
    again and its check.
    """
    if teacher == "every":
        teacher, verbosity = rng.choice(
            (("terse", 0.0), ("terse", rng.random()), ("post_hoc", 0.0))
        )
    steps = [text for step in story.trace for text in told(step, rng, verbosity)]
    if teacher == "post_hoc":
        steps.insert(0, f"The answer is {story.answer}.")
    elif teacher == "wrong":
        steps = [re.sub(r"\d+", lambda _: str(rng.randint(0, MAX_NUMBER)), step) for step in steps]
    return story.reasoned(rng, steps)


def told(step: Step, rng: random.Random, verbosity: float) -> list[str]:
    """A step, and with probability `verbosity` its result said again and checked backwards."""
    if rng.random() >= verbosity:
        return [step.text]
    again = f"{step.person} now has {step.after}."
    if step.kind == "swap":
        return [step.text, again]
    check = f"{step.after} {_INVERSE[step.kind]} {step.operand} = {step.before}."
    return [step.text, again, check]
