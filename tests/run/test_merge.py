"""Caches of several machines as one: whole, of one kind, and never silently mixed."""

import json

import pytest
from typer.testing import CliRunner

from helpers import ROOT
from helpers.cli import app
from helpers.lm import cache as entries
from helpers.run import merge
from tests.run.test_pieces import given, made, piece, work  # noqa: F401


@pytest.fixture
def on(tmp_path, monkeypatch):
    """A way to be on a machine that has a cache of its own."""

    def machine(name):
        folder = tmp_path / name
        monkeypatch.setenv("WORKBOOK_CACHE", str(folder))
        return folder

    return machine


@pytest.fixture
def apart(on, given):  # noqa: F811
    """Two caches, with base 0 and with bases 1 and 2, and all pieces."""
    todo = [piece(given, base) for base in given["bases"]]
    folders = [on("one"), on("two")]
    for name, own in (("one", todo[:1]), ("two", todo[1:])):
        on(name)
        for one in own:
            work(one, True)
            one.mark_as_made()
    on("both")
    return folders, todo


def test_pieces_of_two_machines_are_one_cache_and_nothing_is_made_again(apart, given, tmp_path):  # noqa: F811
    folders, todo = apart
    before = made(given)
    tables = [path for folder in folders for path in folder.glob("tables/*/*/table.parquet")]
    assert merge.merge(folders, todo) >= len(tables) > 0
    assert all(one.is_made for one in todo)
    assert merge.merge(folders, todo) == 0
    for one in todo:
        work(one, True)
    assert made(given) == before
    here = {path.parent.name: path.read_bytes() for path in tables}
    for path in entries.cache_dir().glob("tables/*/*/table.parquet"):
        assert here[path.parent.name] == path.read_bytes()


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [
        ("code", "older", "by other code"),
        ("versions", {}, "by other versions"),
        ("items", "another file", "on other items"),
        ("parameters", {}, "with other parameters"),
    ],
)
def test_a_piece_that_was_made_of_something_else_is_refused_by_name(apart, part, value, told):
    folders, todo = apart
    mark = folders[1] / "pieces" / todo[2].mark.name
    about = json.loads(mark.read_text())
    about["made of"][part] = value
    mark.with_name(f"{mark.name[:-4]}beef").write_text(json.dumps(about))
    mark.unlink()
    with pytest.raises(ValueError, match=f"base 2, seed 0: .*beef was made {told}"):
        merge.merge(folders, todo)
    assert not list(entries.cache_dir().glob("*/*")), "nothing is copied where one is refused"


def test_a_piece_that_nobody_made_is_named(apart):
    folders, todo = apart
    with pytest.raises(ValueError, match="base 1, seed 0: none of the caches has it"):
        merge.merge(folders[:1], todo)


def test_an_entry_that_two_machines_made_differently_is_refused_with_both_places(apart):
    folders, todo = apart
    table = next(folders[0].glob("tables/*/*/table.parquet")).parent
    other = folders[1] / table.relative_to(folders[0])
    with entries.lock(other), entries.new_folder(other) as temp:
        (temp / "table.parquet").write_text("other rows")
        entries.seal(temp, {})
    with pytest.raises(ValueError, match=f"{table} and {other} .* differ"):
        merge.merge(folders, todo)


def test_a_folder_that_is_no_cache_and_a_broken_entry_are_named(apart, tmp_path):
    folders, todo = apart
    with pytest.raises(ValueError, match="is no cache of a sweep"):
        merge.merge([tmp_path], todo)
    table = next(folders[0].glob("tables/*/*/table.parquet"))
    table.write_bytes(b"half")
    with pytest.raises(ValueError, match=r"table.parquet is truncated or changed"):
        merge.merge(folders, todo)


def test_the_command_refuses_with_exit_code_2(cache, tmp_path):
    study = str(ROOT / "data" / "reference.yaml")
    done = CliRunner().invoke(app, ["merge", study, str(tmp_path)])
    assert done.exit_code == 2 and f"refused: {tmp_path} is no cache of a sweep" in done.output
