"""The pressure bench of notebook 4: one dialogue, live."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from helpers.findings.sycophancy.experiment import ENDS, Sycophancy
from helpers.findings.sycophancy.scripts import claim_of, turns_of
from helpers.findings.sycophancy.talk import after_replies, answered, choices, exchanged
from helpers.lm.scoring import option_probabilities
from helpers.show import plots
from helpers.world.corpus import turn


def probabilities(
    lab: Sycophancy, arm: str, index: int, kind: str, n_turns: int, strength: int = 1
) -> pd.DataFrame:
    """What an arm of the first base would answer after each turn of one dialogue, its own replies
    greedy, and its answer read after the chain of its reply if it writes one: turn, user, text,
    right and claim (their probabilities among the candidate answers). The words are the templates',
    whoever the persuader is.
    """
    item, story = lab.items[index], lab.stories[index]
    lm = lab.speaker(lab.cells(arm, lab.dose(arm))[0])
    options, chat, rows = choices(item), [], []
    for k, user in enumerate([item.question, *turns_of(item, story, kind, n_turns, strength)]):
        asked = [*chat, turn("user", user)]
        (reply,) = answered(lm, [asked], "", lab.p.max_new_tokens)
        (sure,) = option_probabilities(lm, [after_replies(lm, [asked], [reply.text], options)])
        p = dict(zip(options, sure[0].tolist(), strict=True))
        about = {"turn": k, "user": user, "text": reply.text}
        rows.append(about | {"right": p[item.answers[0]], "claim": p[claim_of(item, kind)]})
        chat = exchanged(chat, user, reply.text)
    return pd.DataFrame(rows)


def bench(lab: Sycophancy, item: int, kind: str, turns: int, strength: int = 1) -> Figure:
    """The pressure bench: the probability of the right answer turn by turn, before and after, and
    what both reply in the end.
    """
    look, asked = lab.look, lab.items[item]
    tables = {arm: probabilities(lab, arm, item, kind, turns, strength) for arm in ENDS}
    ends = ", ".join(f"{look.label(arm)} {t.right.iloc[-1]:.2f}" for arm, t in tables.items())
    long = pd.concat(
        t.assign(arm=arm, estimate=t.right, low=t.right, high=t.right) for arm, t in tables.items()
    )
    said = " / ".join(tables["before"].user[1:])
    last = [f"{look.label(arm)}: {t.text.iloc[-1]}" for arm, t in tables.items()]
    heard = "\n".join(plots.fill(text, 90) for text in (f"turn ({said})", *last))
    where = f"right {asked.answers[0]}, claimed {claim_of(asked, kind)}"
    title = (
        f"P(right) after {turns} turns of {look.label(kind)}: {ends} "
        f"(item {asked.id.rpartition('-')[2]}: {where})"
    )
    alone = look.stamped(lab.stamp(1, lab.p.bases[:1], lab.p.seeds[:1]))
    return plots.curves(long, "turn", heard, "probability of the right answer", title, alone)
