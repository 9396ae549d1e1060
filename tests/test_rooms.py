"""The rooms of helpers/: a module imports from its own room and from those below, never upward."""

import ast
from collections.abc import Iterator
from pathlib import Path

from helpers import ROOT

HELPERS = ROOT / "helpers"
ORDER = ["cli", "run", "findings", "lab", "train", "world", "lm", "show", "text", "stats"]
"""From the top down. What only names types (TYPE_CHECKING) may look up."""
MODULES = sorted(HELPERS.rglob("*.py"))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs: what is imported for types alone is left out."""
    for inner in ast.iter_child_nodes(node):
        typing_only = isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)
        if not typing_only:
            yield inner
            yield from statements(inner)


def imported(text: str) -> Iterator[list[str]]:
    """The parts of every name that a module takes from helpers."""
    for node in statements(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ([*node.module.split("."), alias.name] for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)


def ours(path: Path) -> list[list[str]]:
    """The names that a module takes from helpers, "helpers" itself left out."""
    return [parts[1:] for parts in imported(path.read_text("utf-8")) if parts[0] == "helpers"]


def room_of(path: Path) -> str:
    """The room of a module; a module that stands alone is its own."""
    return path.relative_to(HELPERS).parts[0].removesuffix(".py")


def looks_up(room: str, other: str) -> bool:
    """Whether a room would import from one above it."""
    return ORDER.index(other) < ORDER.index(room)


def there(parts: list[str]) -> bool:
    """Whether what is imported is a module, or comes from one."""
    inside = HELPERS.joinpath(*parts)
    modules = [inside, inside.parent] if len(parts) > 1 else [inside]
    files = [one.with_suffix(".py") for one in modules] + [one / "__init__.py" for one in modules]
    return parts == ["ROOT"] or any(file.is_file() for file in files)


def test_imports_run_downward_only():
    upward = [
        f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"
        for path in MODULES
        for parts in ours(path)
        if room_of(path) in ORDER and parts[0] in ORDER and looks_up(room_of(path), parts[0])
    ]
    assert upward == []


def test_what_is_imported_is_there():
    lost = [
        f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"
        for path in MODULES
        for parts in ours(path)
        if not there(parts)
    ]
    assert lost == []


def test_every_room_has_its_place():
    assert {room_of(path) for path in MODULES} == {"__init__", *ORDER}
    assert ours(HELPERS / "__init__.py") == []


def test_text_and_statistics_know_nothing_of_ours():
    for room in ("text", "stats"):
        for path in (HELPERS / room).glob("*.py"):
            assert {parts[0] for parts in ours(path)} <= {room, "ROOT"}


def test_imports_for_types_alone_do_not_count():
    text = (
        "from typing import TYPE_CHECKING\nimport helpers.lm\nfrom helpers import ROOT\n"
        "if TYPE_CHECKING:\n    from helpers.lab import items\n"
        "def f():\n    from helpers.run import plan\n"
    )
    found = [parts for parts in imported(text) if parts[0] == "helpers"]
    assert found == [["helpers", "lm"], ["helpers", "ROOT"], ["helpers", "run", "plan"]]
