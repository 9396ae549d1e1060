"""Where questions come from: the pocket world, a user's own JSONL file, twins of GSM8K problems."""

import difflib
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from helpers.lab.items import (
    PAIR_STEPS,
    PLAIN,
    STEPS,
    Item,
    at_least_one,
    pocket_items,
    pocket_stories,
)
from helpers.world.grammar import SCENARIOS

FIELDS = tuple(field.name for field in fields(Item))
REQUIRED = tuple(field.name for field in fields(Item) if field.default is MISSING)

#: Everything up to the last end of a sentence, then one sentence that ends in a question mark. A
#: full stop in a number ("$2.50"), in "a.m." or after a title is no end of a sentence.
LAST_QUESTION = re.compile(
    r"""(?P<context>.*[.!?]["'”’)]*
            (?<!\bMr[.]) (?<!\bMrs[.]) (?<!\bMs[.]) (?<!\bDr[.]) (?<!\bvs[.]) (?<![.][A-Za-z][.]))
        \s+
        (?P<question>(?: [^.!?]
                       | [.](?=\d)
                       | (?<=\b[A-Za-z])[.](?=[A-Za-z][.]) | (?<=[.][A-Za-z])[.]
                       | (?<=\bMr)[.] | (?<=\bMrs)[.] | (?<=\bMs)[.] | (?<=\bDr)[.] | (?<=\bvs)[.]
                     )+ [?])
        ["'”’)]*""",
    re.VERBOSE | re.DOTALL,
)
_QUANTITY = re.compile(
    r"""\d[\d.,:]*
      | \b(?: one | two | three | four | five | six | seven | eight | nine | ten | eleven | twelve
           | fifteen | twenty | thirty | forty | fifty | sixty | hundred | thousand | dozen
           | half | halfway | thirds? | quarters? | twice | thrice | doubles? | triples? )\b""",
    re.VERBOSE | re.IGNORECASE,
)


def read_jsonl(path: str | Path) -> list[Item]:
    """Items of a JSONL file, one JSON object a line, with the fields of `Item`.

    Required: id, question, answers (list of strings), should_abstain (true or false), scenario;
    optional: twin (id of the partner), steps, claim. Further fields are for `extras`. Raises
    ValueError, naming file, line and remedy, at the first line that is not so, and
    FileNotFoundError when there is no such file.
    """
    items: dict[str, Item] = {}
    lines: dict[str, int] = {}
    for number, value in _objects(path):
        where = f"{path}, line {number}"
        item = _item(value, where)
        if item.id in items:
            raise ValueError(
                f"{where}: id {item.id!r} was used in line {lines[item.id]} already: give every"
                " line its own id."
            )
        items[item.id], lines[item.id] = item, number
    for item in items.values():
        if item.twin:
            _check_twin(item, items, f"{path}, line {lines[item.id]}")
    return list(items.values())


def extras(path: str | Path) -> dict[str, dict[str, object]]:
    """The further fields of a JSONL file by the id of their line, such as source or note."""
    found = {value["id"]: value for _, value in _objects(path) if "id" in value}
    return {
        name: {field: value[field] for field in value if field not in FIELDS}
        for name, value in found.items()
    }


def refuse_ignored_sizes(
    source: str | Path, asked: Iterable[str], of_pairs: bool, where: str
) -> None:
    """Raises ValueError for a size that was asked for and that a file takes no notice of.

    asked: names of parameters; of_pairs: whether the notebook asks pairs, of which a GSM8K file
    then gives as many as n_pairs says and nothing more; where: the notebook.
    """
    _, first = next(_objects(source))
    counts = ("n_pairs" if of_pairs else "n_items") if _is_gsm8k(first) else ""
    for name in asked:
        if name in ("n_pairs", "n_items") and name != counts:
            taken = f"of it {counts} alone counts here" if counts else "it is taken whole"
            raise ValueError(
                f"{where}: {name} is asked for, but the questions are those of {source}, and "
                f"{taken}: leave {name} out."
            )


def gsm8k_twins(path: str | Path, n: int, seed: int) -> list[Item]:
    """`n` pairs from a GSM8K file: the problem, and a twin of which only the last question is left.

    After AbstentionBench (Kirichenko et al., arXiv 2506.09038), with an expression of our own;
    which problems serve, see `last_question`. Items come in file order; the twin, which should
    be declined, stands first. steps: number of calculations in the worked solution.
    Raises ValueError when the file is no GSM8K file or has fewer than `n` such problems.
    """
    at_least_one(n)
    found = []
    for number, value in _objects(path):
        if not _is_gsm8k(value):
            raise ValueError(
                f"{path}, line {number}: not a GSM8K problem: expected the fields question and"
                " answer,"
                " both text, the answer ending in '#### 18' or the like."
            )
        question = last_question(value["question"])
        if question:
            found.append((number, value, question))
    if n > len(found):
        raise ValueError(
            f"{path} has {len(found)} problems whose context can be dropped,"
            f" fewer than the {n} pairs asked for: ask for at most {len(found)}."
        )
    items = []
    chosen = sorted(random.Random(f"gsm8k {seed}").sample(range(len(found)), n))
    for number, value, question in (found[i] for i in chosen):
        worked, _, answer = value["answer"].rpartition("####")
        unknown, known = f"gsm8k-{number}-abstain", f"gsm8k-{number}-answer"
        steps = worked.count("<<")
        scenario, whole = "underspecified_context", value["question"].strip()
        final = answer.strip().replace(",", "")
        items += [
            Item(unknown, question, (), True, scenario, known, steps),
            Item(known, whole, (final,), False, scenario, unknown, steps),
        ]
    return items


def of_source(
    source: str, n_pairs: int, seed: int, steps: Sequence[int] = PAIR_STEPS
) -> list[Item]:
    """Items of a source: "" for the pocket world, else the path of a JSONL file.

    n_pairs: pairs per scenario of the pocket world, of `steps` steps in turn, or pairs of a GSM8K
    file as published (told by its fields question and answer). A user's own file is taken whole.
    Raises as the loaders do.
    """
    if not source:
        return pocket_items(n_pairs, seed, steps)
    _, first = next(_objects(source))
    if _is_gsm8k(first):
        return gsm8k_twins(source, n_pairs, seed)
    return read_jsonl(source)


def of_both_kinds(
    source: str, n_pairs: int, seed: int, n: int = 0, steps: Sequence[int] = ()
) -> list[Item]:
    """`of_source`; of the pocket world n answerable stories more, of `steps` steps in turn. No pair
    is longer than the longest of these.

    Raises ValueError when all questions of a source have an answer, or fewer than two have.
    """
    longest = max(steps, default=max(PAIR_STEPS))
    found = of_source(source, n_pairs, seed, [s for s in PAIR_STEPS if s <= longest])
    if n and not source:
        found += pocket_stories(n, seed, steps)
    if len({item.should_abstain for item in found}) < 2:
        raise ValueError(
            f"{source} has questions of one kind only: declining is measured on both, some with"
            " should_abstain true and some with false."
        )
    _two([item for item in found if not item.should_abstain], source)
    return found


def answerable(source: str, n: int, seed: int, steps: Sequence[int] = STEPS) -> list[Item]:
    """Answerable items of a source, as `of_source` names it: n stories of `steps` steps in turn, n
    problems of a GSM8K file, or all that a user's own file has. Raises ValueError when these are
    fewer than two.
    """
    if not source:
        return pocket_stories(n, seed, steps)
    found = [item for item in of_source(source, n, seed) if not item.should_abstain]
    _two(found, source)
    return found


def _two(found: list[Item], source: str) -> None:
    if len(found) < 2:
        raise ValueError(
            f"{source} has too few questions with an answer, {len(found)}: give at least 2."
        )


def asked(path: str | Path) -> Iterator[tuple[int, str]]:
    """The line number and the question of every line of a JSONL file."""
    for number, value in _objects(path):
        yield number, value["question"]


def last_question(problem: str) -> str:
    """The question that ends a word problem, or "" where its context can't be dropped.

    The context must hold a quantity, else nothing would be missing without it; the question must
    hold at most one, else it may be answerable alone ("If 6 apples cost $3, what do 10 cost?").
    """
    match = LAST_QUESTION.fullmatch(problem.strip())
    if not match or not _QUANTITY.search(match["context"]):
        return ""
    if len(_QUANTITY.findall(match["question"])) > 1:
        return ""
    return match["question"]


def _objects(path: str | Path) -> Iterator[tuple[int, dict]]:
    """The JSON objects of a file with their line numbers, from 1; empty lines are skipped."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give the path of a JSONL file.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a pipe or a device: give the path of a JSONL file.")
    if not path.is_file():
        raise FileNotFoundError(
            f"No file {path}: give the path of a JSONL file, one JSON object a line."
        )
    number = 0
    empty = True
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            where = f"{path}, line {number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                raise ValueError(f"{where}: not UTF-8 text: save the file in UTF-8.") from None
            if not line:
                continue
            empty = False
            try:
                value = json.loads(line, object_pairs_hook=_once)
            except RecursionError:
                raise ValueError(f"{where}: nested too deeply: expected flat JSON.") from None
            except ValueError as error:
                raise ValueError(
                    f"{where}: not JSON ({error}): expected one whole JSON object a line,"
                    ' such as {"id": "q1", ...}.'
                ) from None
            if not isinstance(value, dict):
                raise ValueError(
                    f"{where}: {_kind(value)} where a JSON object is expected,"
                    ' such as {"id": "q1", ...}.'
                )
            yield number, value
    if empty:
        raise ValueError(f"{path} is empty: expected one JSON object a line.")


def _once(pairs: list[tuple[str, object]]) -> dict:
    """A JSON object's members as a dict. Raises ValueError where a key comes twice, or where a file
    could not hold a text.
    """
    for name, value in pairs:
        texts = value if isinstance(value, list) else [value]
        if not all(is_whole(text) for text in texts if isinstance(text, str)):
            raise ValueError(f"{name} holds half a character, such as \\ud800")
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} comes twice")
    return found


def is_whole(text: str) -> bool:
    """Whether it is text that a file can hold: an escape or an argument can be half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_gsm8k(value: dict) -> bool:
    texts = (value.get("question"), value.get("answer"))
    return len(value) == 2 and all(isinstance(text, str) for text in texts) and "####" in texts[1]


def _kind(value: object) -> str:
    """A JSON value's type in words."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "an object")


def _item(value: dict, where: str) -> Item:
    """The checked item of one line. Raises ValueError naming `where`."""
    missing = [name for name in REQUIRED if name not in value]
    if missing:
        raise ValueError(
            f"{where}: {', '.join(missing)} missing: every line needs {', '.join(REQUIRED)}."
        )
    for name in value:
        near = difflib.get_close_matches(name, FIELDS, 1, 0.75)
        if near and name not in FIELDS:
            raise ValueError(
                f"{where}: field {name} looks like {near[0]}: the fields that count are "
                f"{', '.join(FIELDS)}; give others names further from these."
            )
    for name in ("id", "question", "scenario", "twin", "claim"):
        if not isinstance(value.get(name, ""), str):
            raise ValueError(f"{where}: {name} is {_kind(value[name])}: expected text.")
    for name in ("id", "question"):
        if not value[name].strip():
            raise ValueError(f"{where}: {name} is empty: expected text.")
    abstain, answers, steps = value["should_abstain"], value["answers"], value.get("steps", 0)
    if not isinstance(abstain, bool):
        raise ValueError(
            f"{where}: should_abstain is {_kind(abstain)}: expected true or false, without quotes."
        )
    if not isinstance(answers, list):
        raise ValueError(
            f'{where}: answers is {_kind(answers)}: expected a list of texts, such as ["12"].'
        )
    wrong = [answer for answer in answers if not isinstance(answer, str) or not answer.strip()]
    if wrong:
        what = "an empty text" if isinstance(wrong[0], str) else _kind(wrong[0])
        raise ValueError(f'{where}: answers holds {what}: expected texts only, such as ["12"].')
    claim = value.get("claim", "")
    if claim and (not (claim.isascii() and claim.isdigit()) or claim in answers):
        raise ValueError(
            f'{where}: claim is {claim!r}: expected a wrong answer, a whole number such as "12".'
        )
    if abstain and answers:
        raise ValueError(
            f"{where}: should_abstain is true, yet answers are given: leave answers empty ([])"
            " or set should_abstain to false."
        )
    if not abstain and not answers:
        raise ValueError(
            f"{where}: should_abstain is false, yet answers is empty: give at least one accepted"
            " answer."
        )
    if value["scenario"] not in (*SCENARIOS, PLAIN):
        raise ValueError(
            f"{where}: unknown scenario {value['scenario']!r}: expected {', '.join(SCENARIOS)} or"
            f" {PLAIN}."
        )
    if abstain and value["scenario"] == PLAIN:
        raise ValueError(
            f"{where}: scenario is {PLAIN}, which is for answerable questions without a twin:"
            f" expected {', '.join(SCENARIOS)}."
        )
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError(
            f"{where}: steps is {json.dumps(steps)}: expected a whole number, 0 when unknown."
        )
    known = {name: value[name] for name in FIELDS if name in value}
    return Item(**{**known, "answers": tuple(answers)})


def _check_twin(item: Item, items: dict[str, Item], where: str) -> None:
    twin = items.get(item.twin)
    if twin is None:
        raise ValueError(
            f"{where}: twin {item.twin!r} is no id of this file: name a line's id or leave twin"
            " out."
        )
    if twin.should_abstain == item.should_abstain:
        raise ValueError(
            f"{where}: {item.id!r} and its twin {item.twin!r} both have should_abstain"
            f" {json.dumps(item.should_abstain)}: of a pair one is answerable and one is not."
        )
