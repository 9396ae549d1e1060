"""The cache: an entry appears whole or not at all, is locked while it is made, and is checked.

It is a folder, or a store that fsspec reaches (`s3://bucket/study`) with a folder here that mirrors
it: an entry that is not here is fetched from the store, and one that is made here is put there as
one object, so that whoever looks finds it whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

MANIFEST = "workbook.json"  # in every cached folder: digests of its files, and what it is
HOME = "~/.cache/reasoning-workbook"


def cache_dir() -> Path:
    """Folder of converted models and trained arms: $WORKBOOK_CACHE, else one in ~/.cache, as is the
    mirror of a store.

    Raises OSError in one sentence where it can't be made or there is no home.
    """
    asked = os.environ.get("WORKBOOK_CACHE") or HOME
    try:
        mirror = re.sub(r"[^\w.-]+", "-", asked)
        folder = Path(f"{HOME}-of-{mirror}" if "://" in asked else asked).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        why = getattr(error, "strerror", None) or error
        raise OSError(
            f"the cache {asked} can't be used ({why}): set WORKBOOK_CACHE to a folder elsewhere"
        ) from None
    return folder


def stored(path: Path) -> tuple[Any, str] | None:
    """The file system of the store and where it has an entry of the cache; None where the cache is
    a folder, or the path is none of an entry.

    Raises OSError in one sentence where the store can't be reached.
    """
    url = os.environ.get("WORKBOOK_CACHE", "")
    if "://" not in url or not path.is_relative_to(cache_dir()):
        return None
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise OSError(f"the cache {url} can't be used ({error})") from None
    return system, f"{root}/{path.relative_to(cache_dir())}.tar"


def fetch(path: Path) -> None:
    """Bring an entry of the cache, a folder or a file, from the store where only that has it."""
    if path.exists() or not (found := stored(path)):
        return
    system, place = found
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{path.name}.tmp", dir=path.parent) as temp:
        packed = Path(temp) / "entry.tar"
        try:
            system.get_file(place, str(packed))
        except FileNotFoundError:
            return
        with tarfile.open(packed) as file:
            file.extractall(temp, filter="data")
        os.replace(Path(temp) / path.name, path)


def publish(path: Path, made: Path | None = None) -> None:
    """Put an entry of the cache into the store if there is one; made: where it lies whole, by
    default at its path. Of two that make the same entry the later one counts.
    """
    if not (found := stored(path)):
        return
    system, place = found
    with tempfile.TemporaryDirectory() as temp:
        packed = Path(temp) / "entry.tar"
        with tarfile.open(packed, "w") as file:
            file.add(made or path, path.name)
        begun = f"{place}.{uuid.uuid4().hex}.tmp"
        system.makedirs(place.rpartition("/")[0], exist_ok=True)
        system.put_file(str(packed), begun)
        system.mv(begun, place)


def keep(path: Path, text: str) -> None:
    """Write an entry of the cache that is one file, into the store first if there is one."""
    with tempfile.TemporaryDirectory() as temp:
        made = Path(temp) / path.name
        write_atomically(made, text)
        publish(path, made)
    write_atomically(path, text)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest(folder: Path) -> dict:
    """What a cached folder is and the digests of its files; empty for any other folder.

    Raises ValueError where it can't be read.
    """
    path = folder / MANIFEST
    found = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found


def broken(folder: Path) -> str:
    """What is wrong with a cached folder, in words; empty when it is whole."""
    try:
        files = manifest(folder).get("files", {})
    except ValueError:
        return f"{MANIFEST} can't be read"
    if not files:
        return f"{MANIFEST} is missing or empty"
    for name, expected in files.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if digest(folder / name) != expected:
            return f"{name} is truncated or changed"
    return ""


def usable(folder: Path) -> bool:
    """Whether a cache entry is there and whole; a broken one is named and removed."""
    fetch(folder)
    if not folder.exists():
        return False
    fault = broken(folder)
    if fault:
        print(f"Cache entry {folder} is broken ({fault}): rebuilding it.")
        shutil.rmtree(folder)
    return not fault


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temp folder to `seal`, which takes the name `folder` only when the block ends well.

    Hold the lock of `folder`. Raises OSError with one sentence when the disk is full.
    """
    for left in folder.parent.glob(f"{folder.name}.tmp*"):
        shutil.rmtree(left)  # of a killed run: we hold the lock, so nobody writes there
    temp = Path(tempfile.mkdtemp(prefix=f"{folder.name}.tmp", dir=folder.parent))
    try:
        yield temp
        publish(folder, temp)  # first: what is here is never put there again
        os.replace(temp, folder)
    except Exception as error:
        if disk_full(error):
            free = shutil.disk_usage(folder.parent).free / 1e9
            raise OSError(
                errno.ENOSPC,
                f"The disk is full: {folder.parent} has {free:.1f} GB free; make room or set "
                "WORKBOOK_CACHE to a folder on another disk",
            ) from None
        raise
    finally:
        shutil.rmtree(temp, ignore_errors=True)


class Busy(Exception):
    """Another process is making the cache entry that is asked for."""


_waits = [True]


@contextmanager
def without_waiting() -> Iterator[None]:
    """Inside, a cache entry that another process is making raises Busy, and nobody waits for it."""
    _waits.append(False)
    try:
        yield
    finally:
        _waits.pop()


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """The lock of a cache entry: of several processes one builds, and the others wait or, inside
    `without_waiting`, raise Busy.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        held.acquire(timeout=-1 if _waits[-1] else 0)
    except Timeout:
        raise Busy(f"{folder.name} is being made by another process.") from None
    try:
        yield
    finally:
        held.release()


def cached_folder(folder: Path, build: Callable[[Path], dict]) -> Path:
    """`folder` if whole, else built: `build(temp)` fills a temp folder and returns its manifest."""
    with lock(folder):
        if not usable(folder):
            with new_folder(folder) as temp:
                seal(temp, build(temp))
    return folder


def disk_full(error: BaseException) -> bool:
    """True for "no space left": Python's own error, or the text of safetensors' one."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return True
    return "No space left on device" in str(error)


def seal(folder: Path, about: dict) -> None:
    """Write the manifest: `about`, and a digest of every file in `folder`."""
    files = {p.name: digest(p) for p in sorted(folder.iterdir()) if p.is_file()}
    text = json.dumps({**about, "files": files}, indent=1)
    (folder / MANIFEST).write_text(text, "utf-8")


def write_atomically(path: Path, text: str) -> None:
    """Write a text file whole or not at all (temporary file, then rename)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno != errno.ENOSPC:
            raise
        free = shutil.disk_usage(path.parent).free / 1e9
        raise OSError(
            errno.ENOSPC, f"The disk is full ({free:.1f} GB free): {path} was not written"
        ) from None
