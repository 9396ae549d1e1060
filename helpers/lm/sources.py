"""What code computes something: the part of a table's key that changes when the code does.

Only what a function reaches counts, symbol by symbol, so that a change of prose, of a figure or of
a label computes nothing anew.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from helpers import ROOT

OURS = "helpers"
APART = (
    "helpers.show",
    "helpers.lab.table",
    "helpers.lab.finding",
    "helpers.lm.cache",
    "helpers.lm.sources",
    "helpers.train.recipes.RECIPES",
)
"""What only shows, or carries and keeps, and can't change a number; and the table of recipes, each
of which is in the identity of every model that it makes.
"""


@dataclass(frozen=True)
class Symbol:
    """A name defined at the top of one of our modules; "Class.method" for a method."""

    module: str
    name: str


@dataclass(frozen=True)
class Module:
    """The definitions of a module by name, and what its imported names stand for."""

    defined: dict[str, ast.AST]
    imported: dict[str, tuple[str, str]]  # name: (module, name in it, "" for the module itself)


@cache
def code_of(function: Callable) -> str:
    """Hash of a function and of all of our code that it reaches, comments and docstrings apart."""
    reached = sorted(reached_by(function), key=lambda s: (s.module, s.name))
    parts = [f"{s.module} {s.name} {text(s)}" for s in reached]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


@cache
def parameters_of(function: Callable) -> set[str]:
    """Names of the parameters, written `self.p.NAME`, that a function of a finding reaches."""
    return {name for symbol in reached_by(function) for name in parameters_in(symbol)}


@cache
def parameters_in(symbol: Symbol) -> set[str]:
    """Names of the parameters, written `self.p.NAME`, in the code of a symbol."""
    found = set()
    for node in ast.walk(_module(symbol.module).defined[symbol.name]):
        match node:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr="p")):
                found.add(node.attr)
    return found


def reached_by(function: Callable) -> set[Symbol]:
    """The symbols that a function reaches, its own among them."""
    found: set[Symbol] = set()
    waiting = [Symbol(function.__module__, function.__qualname__)]
    while waiting:
        symbol = waiting.pop()
        if symbol not in found:
            found.add(symbol)
            waiting += named_in(symbol)
    return found


@cache
def text(symbol: Symbol) -> str:
    """The code of a symbol in a form that knows neither comments nor docstrings nor layout, and not
    what a table says of its columns.
    """
    node = _module(symbol.module).defined[symbol.name]
    tree = ast.parse(ast.unparse(node))
    for inner in ast.walk(tree):
        if hasattr(inner, "decorator_list"):
            inner.decorator_list = [one for one in inner.decorator_list if not is_table(one)]
        if isinstance(body := getattr(inner, "body", None), list):
            inner.body = [part for part in body if not is_docstring(part)]
    return ast.dump(tree)


def is_docstring(node: ast.AST) -> bool:
    """Whether a statement is a string alone."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def is_table(decorator: ast.AST) -> bool:
    """Whether a decorator makes a method the table of a finding."""
    match decorator:
        case ast.Call(func=ast.Name(id="table")):
            return True
    return False


@cache
def named_in(symbol: Symbol) -> tuple[Symbol, ...]:
    """The symbols that the code of another one names, each once."""
    return tuple(dict.fromkeys(_named_in(symbol)))


def _named_in(symbol: Symbol) -> Iterator[Symbol]:
    module = _module(symbol.module)
    owner = symbol.name.rpartition(".")[0]
    for node in ast.walk(module.defined[symbol.name]):
        match node:
            case ast.Name(id=name) if name in module.defined:
                yield Symbol(symbol.module, name)
            case ast.Name(id=name) if name in module.imported:
                yield from _resolved(*module.imported[name])
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if owner:
                yield from _method(symbol.module, owner, name)
            case ast.keyword(arg="of", value=ast.Constant(value=str(name))) if owner:
                yield from _method(symbol.module, owner, name)  # the table that this one is made of
            case ast.Attribute(value=ast.Name(id=alias), attr=name) if alias in module.imported:
                where, inside = module.imported[alias]
                if not inside:
                    yield from _resolved(where, name)


def _method(module: str, owner: str, name: str) -> Iterator[Symbol]:
    """The method of that name of a class, or of the first of its bases in our code that has it."""
    found = _module(module)
    if f"{owner}.{name}" in found.defined:
        yield Symbol(module, f"{owner}.{name}")
        return
    for base in getattr(found.defined.get(owner), "bases", []):
        inner = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
        where = base.value.id if isinstance(base, ast.Attribute) else inner
        target = found.imported.get(where, (module, inner) if where in found.defined else ("", ""))
        for one in _resolved(target[0], target[1] or inner):
            yield from _method(one.module, one.name, name)


def _resolved(module: str, name: str) -> Iterator[Symbol]:
    """The symbol where it is defined, through re-exports; none outside of our code."""
    if not module.startswith(OURS) or f"{module}.{name}".startswith(APART) or not name:
        return
    found = _module(module)
    if name in found.defined:
        yield Symbol(module, name)
    elif name in found.imported:
        yield from _resolved(*found.imported[name])


@cache
def _module(name: str) -> Module:
    tree = ast.parse(_file(name).read_text("utf-8"))
    defined: dict[str, ast.AST] = {}
    imported: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(source), names=names):
                for alias in names:
                    whole = _is_module(f"{source}.{alias.name}")
                    target = (f"{source}.{alias.name}", "") if whole else (source, alias.name)
                    imported[alias.asname or alias.name] = target
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=own) | ast.ClassDef(name=own):
                defined[own] = node
            case ast.Assign(targets=targets):
                for part in [part for target in targets for part in ast.walk(target)]:
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        defined[part.id] = node
            case ast.AnnAssign(target=ast.Name(id=own)):
                defined[own] = node
        if isinstance(node, ast.ClassDef):
            methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef)]
            defined |= {f"{node.name}.{inner.name}": inner for inner in methods}
    return Module(defined, imported)


def _file(module: str) -> Path:
    """The file of one of our modules; one that is not there for any other name."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _is_module(name: str) -> bool:
    return name.startswith(OURS) and _file(name).is_file()
