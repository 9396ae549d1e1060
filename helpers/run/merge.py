"""Caches that were filled on different machines, as one, for a record of all their pieces."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from helpers.lm import cache
from helpers.run.pieces import Piece, told_by

WORDS = {
    "code": "by other code",
    "versions": "by other versions of the libraries or on another kind of device",
    "models": "on other models",
    "items": "on other items",
    "parameters": "with other parameters",
    "fresh": "with other arms, shipped or trained there",
}
"""What of `Piece.made_of` can differ, and what people read for it."""


def merge(folders: Sequence[Path], pieces: Sequence[Piece]) -> int:
    """Copy what several caches hold into the one that is in use, once they hold all the pieces;
    returns how many entries are new.

    Nothing is copied where something is refused. Raises ValueError in one sentence that names the
    piece or the places: a folder that is no cache, a broken entry, a piece that nobody made or that
    was made of something else, and an arm that two machines trained to different weights.
    """
    found = [(folder, path) for folder in folders for path in entries(folder)]
    refuse_two_of_a_name([*held(cache.cache_dir()), *(path for _, path in found)])
    for piece in pieces:
        refuse_unless_made(piece, folders)
    new = sum(copied(path, cache.cache_dir() / path.relative_to(folder)) for folder, path in found)
    for mark in [mark for folder in folders for mark in folder.glob("pieces/*")]:
        text = mark.read_text("utf-8").rstrip()
        cache.keep(cache.cache_dir() / "pieces" / mark.name, text)
    return new


def entries(folder: Path) -> list[Path]:
    """Every entry of a cache. Raises ValueError where it is none, or one is broken."""
    if not (folder / "pieces").is_dir():
        raise ValueError(f"{folder} is no cache of a sweep: it has no folder of pieces.")
    found = held(folder)
    for path in found:
        if fault := cache.broken(path):
            raise ValueError(
                f"{path} is broken ({fault}): delete {folder / 'pieces'} and sweep there again, "
                "which makes only what is broken."
            )
    return found


def held(folder: Path) -> list[Path]:
    """The folders of a cache that hold tables, arms and persuaders' words."""
    kinds = ("tables/*/*", "arms/*", "persuaders/*")
    there = sorted(path for kind in kinds for path in folder.glob(kind))
    return [path for path in there if path.is_dir() and ".tmp" not in path.name]


def refuse_two_of_a_name(paths: Sequence[Path]) -> None:
    """Raises ValueError where two caches have an entry of one name with different content: tables
    of the second would be about arms that the first does not have.
    """
    first: dict[str, Path] = {}
    for path in paths:
        other = first.setdefault(path.name, path)
        if cache.manifest(other)["files"] != cache.manifest(path)["files"]:
            raise ValueError(
                f"{other} and {path} were made on different machines and differ: leave one of the "
                "two caches out, or let both machines share one."
            )


def refuse_unless_made(piece: Piece, folders: Sequence[Path]) -> None:
    """Raises ValueError where none of the caches has a piece, with what the one has that is nearest
    to it.
    """
    name = piece.mark.name
    if any((folder / "pieces" / name).is_file() for folder in folders):
        return
    alike = [
        mark for folder in folders for mark in folder.glob(f"pieces/{name.rpartition('-')[0]}-*")
    ]
    if not alike:
        raise ValueError(f"{piece.name}: none of the caches has it; make it first.")
    made_of = told_by(alike[0]).get("made of", {})
    differ = [words for part, words in WORDS.items() if made_of.get(part) != piece.made_of[part]]
    raise ValueError(f"{piece.name}: {alike[0]} was made {' and '.join(differ)}.")


def copied(path: Path, to: Path) -> bool:
    """Copy an entry of another cache; whether it was not here yet."""
    with cache.lock(to):
        if cache.usable(to):
            return False
        with cache.new_folder(to) as temp:
            shutil.copytree(path, temp, dirs_exist_ok=True)
    return True
