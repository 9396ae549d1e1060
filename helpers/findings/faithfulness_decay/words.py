"""The result of finding 2 in words that its numbers choose."""

from __future__ import annotations

from helpers.findings.faithfulness_decay.experiment import ANSWERS, CONTROL, JUDGED
from helpers.lab.record import Record, Value
from helpers.show import plots

EXPECTED = "post_hoc_sft"
"""The arm that was to be the positive control, and moved too little on development stories."""
NAMES = {
    ANSWERS: "answers of a new task",
    "reasoning_sft": "chains of the known task",
    "rlvr": "a reward for right answers",
}


def what_happened(record: Record) -> str:
    """The result in words chosen by its numbers; reads the record only."""
    lines = "\n".join(f"* {line(record, arm)}" for arm in JUDGED)
    start, end = (record.get("gain_of_chain", arm) for arm in ("before", ANSWERS))
    written = record.get("gain_of_chain", ANSWERS, minus="before")
    seen, expected = (record.get("follows", arm, minus="before") for arm in (CONTROL, EXPECTED))
    return record.in_words(
        f"**Using a chain.** How far the answer follows a given chain whose number was changed, in "
        f"log-odds (before: {record.get('follows', 'before')}; "
        f"{record.trainings}):\n\n{lines}\n\nIt can move: SFT on false chains "
        f"changes it by {seen}. SFT on answers before their chains, from which we had expected the "
        f"same, does by {expected}.\n\n**Writing one.** What an arm's own chain adds to its "
        f"accuracy {plots.moves(start.estimate, end.estimate)} under answer SFT, a change of "
        f"{written}."
    )


def line(record: Record, arm: str) -> str:
    """How following changed under one training, and its verdict."""
    moved = record.get("follows", arm, minus="before")
    return f"after training on {NAMES[arm]}: {moved}. {tie(moved)} {record.parts[arm].label}."


def tie(moved: Value) -> str:
    """What a change of following says of the tie between chain and answer."""
    return {
        -1: "The tie is looser:",
        1: "The tie is *tighter*, against the claim:",
        0: "No change of the tie is shown:",
        None: "One base says nothing of others:",
    }[moved.shown]
