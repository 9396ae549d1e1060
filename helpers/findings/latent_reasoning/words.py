"""The result in words."""

from __future__ import annotations

from helpers.findings.latent_reasoning.methods import (
    ARMS,
    LONG,
    MOST_LOST,
    MOST_SATURATED,
    TUNED,
    WITHOUT,
)
from helpers.lab.record import Record

FEWEST_DEEP = 50
"""Items sampled for pass@k, for a word on it."""
LABELS = {arm.name: arm.label for arm in ARMS}


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    moved = record.primary
    said = {
        1: "The base can more than it says: its own branches hold better answers.",
        -1: "The surest branch is *worse* than the greedy reply.",
        0: "No gain of the surest branch over the greedy reply is shown.",
        None: "One base says nothing of others, so its gain stands without an interval.",
    }[moved.shown]
    names = ("greedy", TUNED, "rlvr_format", "rlvr_random", "rlvr_wrong")
    right = {name: record.get("accuracy", name) for name in names}
    each = "; ".join(f"{LABELS[name]}: {part.label}" for name, part in record.parts.items())
    return record.in_words(
        f"**{said}** CoT-decoding minus greedy: {moved} (greedy {right['greedy']}; "
        f"n = {moved.n}, {record.trainings}, model {record.model}). RL on "
        f"right answers reaches {right[TUNED]}; {at_many_samples(record)}. {of_form(record)}: "
        f"{right['rlvr_format']} against {right[TUNED]}. The control by a coin ends at "
        f"{right['rlvr_random']}: more than {MOST_LOST:g} below greedy it would have broken its "
        f"model, and to beat it would prove nothing. That by wrong answers ends at "
        f"{right['rlvr_wrong']}.\n\n"
        f"{without_chains(record)}By mechanism: {each}. The reason below is that of "
        f"{LABELS['cot_max']}."
    )


def without_chains(record: Record) -> str:
    """What became of bases that never saw a chain, as a paragraph; "" where none was asked."""
    if not record.has("chain", "forced", where=WITHOUT):
        return ""

    def of(measure: str, arm: str, minus: str = "") -> str:
        return str(record.get(measure, arm, minus=minus, where=WITHOUT))

    bases = record.parameters["bases_without_chains"]
    gain, long = (of("accuracy", arm, minus="greedy") for arm in (TUNED, LONG))
    return (
        f"Bases without any chain in their corpus ({', '.join(map(str, bases))}): RL on right "
        f"answers opens chains in {of('chain', TUNED)} and moves accuracy by {gain}; CoT-decoding "
        f"moves it by {of('accuracy', 'cot_max', minus='greedy')}; long reasoning SFT opens chains "
        f"in {of('chain', LONG)} and moves accuracy by {long}.\n\n"
    )


def at_many_samples(record: Record) -> str:
    """How the tuned model compares with the base at the largest k of pass@k."""
    k = record.parameters["max_k"]
    change = record.get(f"pass_{k}", TUNED, minus="greedy")
    ends = [record.get(f"pass_{k}", arm).estimate for arm in ("greedy", TUNED)]
    if change.n < FEWEST_DEEP:
        said = f"{change.n} items are too few to set it against the base at {k} samples"
    elif ends[0] > MOST_SATURATED:
        said = f"at {k} samples the base finds {ends[0]:.3f} of the answers: too easy to tell apart"
    else:
        said = {
            -1: f"at {k} samples the base is *ahead* of the tuned model",
            1: f"even at {k} samples the tuned model is ahead of the base",
            0: f"at {k} samples no difference to the base is shown",
            None: f"at {k} samples one base shows no difference beyond itself",
        }[change.shown]
    return f"{said} ({change}, n = {change.n})"


def of_form(record: Record) -> str:
    """Whether a reward for right answers does more than one for form."""
    own = record.get("accuracy", TUNED, minus="greedy")
    both = record.get("accuracy", TUNED, minus="rlvr_format")
    if own.shown is None:
        return "One base can't tell a reward for right answers from one for form"
    if own.shown < 1:
        return "RL on right answers shows no gain over greedy, so there is none to put down to form"
    return {
        1: "The true reward beats a reward for form alone",
        0: "A reward for form alone does as well as can be told apart",
        -1: "A reward for form alone beats the true one",
        None: "One base can't tell a reward for right answers from one for form",
    }[both.shown]
