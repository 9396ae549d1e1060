"""What a function's code is: all that it reaches, and nothing that is only said or shown."""

import importlib
import sys

import pytest

from helpers.lm import sources

PLAIN = '''
"""A module."""
from ours import deep, more as other
from ours.deep import halved
from ours.deep import table

LIMIT, OTHER_LIMIT = 3, 4
SIZE: int = 5
UNUSED = 6


def asked(x):
    return twice(x) + other.shifted(x) + halved(x) + LIMIT + SIZE


def twice(x):
    return 2 * x


def unasked(x):
    return 3 * x


class Reader:
    """Reads."""

    def read(self, x):
        return self.scaled(x) + self.p.doses

    def scaled(self, x):
        return Scale(self.p.scale).of(x)

    def written(self):
        return self.p.forecast

    @table({"item": "id"})
    def made(self, cell):
        return self.read(cell)


class Scale:
    def __init__(self, by):
        self.by = by

    def of(self, x):
        return self.by * x
'''
DEEP = """
FACTOR = 0.5


def halved(x):
    return FACTOR * x


def table(columns, of=""):
    return lambda function: function
"""
MORE = """
from ours.deep import halved as half


def shifted(x):
    return half(x) + 1


def unreached(x):
    return x
"""


@pytest.fixture
def ours(tmp_path, monkeypatch):
    """Hash (or parameters) of a function of a package whose modules may be changed first."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    monkeypatch.setattr(sources, "OURS", "ours")
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "ours"
    folder.mkdir()

    def write(plain=PLAIN, deep=DEEP, more=MORE):
        texts = {"__init__": "", "plain": plain, "deep": deep, "more": more}
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text, "utf-8")
        forget()
        importlib.invalidate_caches()
        return importlib.import_module("ours.plain")

    def forget():
        for name in [name for name in sys.modules if name.split(".")[0] == "ours"]:
            del sys.modules[name]
        memos = (sources.code_of, sources.parameters_of, sources.text, sources._module)
        by_symbol = (sources.named_in, sources.parameters_in)
        for memo in (*memos, *by_symbol, sources._is_module):
            memo.cache_clear()

    yield write
    forget()


def changed(text, before, after):
    """A module's text with one place of it changed."""
    assert text.count(before) == 1
    return text.replace(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def twice(x):\n", 'def twice(x):\n    """Two times x."""\n'),
        ("    return 2 * x\n", "    # doubled\n    return (2 *\n            x)\n"),
        ("    return 3 * x\n", "    return 30 * x\n"),
        ("UNUSED = 6", "UNUSED = 7"),
        ('"""A module."""', '"""The module."""'),
        ("return self.p.forecast", "return 0"),
    ],
)
def test_what_is_said_or_not_reached_does_not_count(ours, before, after):
    at_first = sources.code_of(ours().asked)
    assert sources.code_of(ours(changed(PLAIN, before, after)).asked) == at_first


def test_a_docstring_of_a_class_does_not_count_either(ours):
    at_first = sources.code_of(ours().Reader.read)
    with_words = changed(PLAIN, "class Scale:\n", 'class Scale:\n    """By a factor."""\n\n')
    assert sources.code_of(ours(with_words).Reader.read) == at_first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return twice(x) +", "return 1 + twice(x) +"),  # its own
        ("return 2 * x", "return x + x"),  # of a function beside it
        ("LIMIT, OTHER_LIMIT = 3, 4", "LIMIT, OTHER_LIMIT = 30, 4"),  # constants, however written
        ("SIZE: int = 5", "SIZE: int = 50"),
    ],
)
def test_all_that_is_reached_in_the_module_counts(ours, before, after):
    at_first = sources.code_of(ours().asked)
    assert sources.code_of(ours(changed(PLAIN, before, after)).asked) != at_first


def test_what_is_reached_in_other_modules_counts(ours):
    at_first = sources.code_of(ours().asked)
    through_an_alias = changed(MORE, "half(x) + 1", "half(x) + 2")
    imported_by_name = changed(DEEP, "return FACTOR * x", "return x * FACTOR")
    constant_of_it = changed(DEEP, "FACTOR = 0.5", "FACTOR = 0.25")
    hashes = {
        at_first,
        sources.code_of(ours(more=through_an_alias).asked),
        sources.code_of(ours(deep=imported_by_name).asked),
        sources.code_of(ours(deep=constant_of_it).asked),
    }
    assert len(hashes) == 4
    beside_it = changed(MORE, "def unreached(x):\n    return x", "def unreached(x):\n    return 0")
    assert sources.code_of(ours(more=beside_it).asked) == at_first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return Scale(self.p.scale).of(x)", "return 2 * Scale(self.p.scale).of(x)"),
        ("return self.by * x", "return x * self.by"),
    ],
)
def test_what_a_method_reaches_through_self_and_through_classes_counts(ours, before, after):
    at_first = sources.code_of(ours().Reader.read)
    assert sources.code_of(ours(changed(PLAIN, before, after)).Reader.read) != at_first


def test_parameters_are_found_through_methods(ours):
    reader = ours().Reader
    assert sources.parameters_of(reader.read) == {"doses", "scale"}
    assert sources.parameters_of(reader.made) == {"doses", "scale"}
    assert sources.parameters_of(reader.written) == {"forecast"}
    assert sources.parameters_of(ours().asked) == set()


@pytest.mark.parametrize("apart", ["ours.more", "ours.more.shifted"])
def test_a_module_or_a_name_that_is_set_apart_does_not_count(ours, monkeypatch, apart):
    monkeypatch.setattr(sources, "APART", (apart,))
    at_first = sources.code_of(ours().asked)
    assert sources.code_of(ours(more=changed(MORE, "half(x) + 1", "half(x) + 2")).asked) == at_first


def test_the_code_of_a_finding_s_table_is_found():
    from helpers.findings.faithfulness_decay import FaithfulnessDecay
    from helpers.lm import reasoning

    reached = sources.reached_by(FaithfulnessDecay.scored.function)
    assert sources.Symbol("helpers.lm.reasoning", reasoning.after_chains.__name__) in reached
    assert not any(f"{s.module}.{s.name}".startswith(sources.APART) for s in reached)
    assert "paraphraser" in FaithfulnessDecay.scored.parameters
    assert "forecast" not in FaithfulnessDecay.scored.parameters


WITH_TABLES = """
from ours.deep import table
import ours.deep as deep


class Parent:
    def grown(self, x):
        return x + 1


class Lab(Parent):
    @table({"item": "id"})
    def raw(self, cell):
        return self.grown(self.p.raw)

    @table({"item": "id"}, of="raw")
    def graded(self, cell, raw):
        return raw

    @table({"item": "the id"})
    def reads(self, cell):
        return self.graded(cell)
"""


def test_a_table_that_is_read_counts_with_what_it_is_made_of_and_with_inherited_methods(ours):
    first = sources.code_of(ours(WITH_TABLES).Lab.reads)
    assert sources.parameters_of(ours(WITH_TABLES).Lab.reads) == {"raw"}
    for before, after in (("x + 1", "x + 2"), ("self.p.raw)", "-self.p.raw)")):
        assert sources.code_of(ours(changed(WITH_TABLES, before, after)).Lab.reads) != first


def test_what_a_table_says_of_its_columns_does_not_count(ours):
    first = sources.code_of(ours(WITH_TABLES).Lab.reads)
    reworded = changed(WITH_TABLES, "the id", "the item's id")
    assert sources.code_of(ours(reworded).Lab.reads) == first
