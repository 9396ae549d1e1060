"""The cache: an entry appears whole or not at all, and of several processes one makes it."""

import errno
import subprocess
import sys

import pytest
from filelock import FileLock

from helpers import ROOT
from helpers.lm import cache as caches
from helpers.lm.cache import Busy, cached_folder, without_waiting


def build(folder):
    (folder / "a.txt").write_text("hello")
    return {"name": "x"}


def test_a_cached_folder_is_built_once(tmp_path):
    target = cached_folder(tmp_path / "entry", build)
    stamp = (target / "a.txt").stat().st_mtime_ns
    assert cached_folder(tmp_path / "entry", build) == target
    assert (target / "a.txt").stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lambda f: (f / "a.txt").unlink(), "a.txt is missing"),
        (lambda f: (f / "a.txt").write_text("hel"), "a.txt is truncated"),
        (lambda f: (f / caches.MANIFEST).unlink(), "workbook.json is missing"),
        (lambda f: (f / caches.MANIFEST).write_text("{"), "workbook.json can't be read"),
    ],
)
def test_a_broken_entry_is_named_and_rebuilt(tmp_path, capsys, harm, named):
    target = cached_folder(tmp_path / "entry", build)
    harm(target)
    cached_folder(target, build)
    assert named in capsys.readouterr().out
    assert (target / "a.txt").read_text() == "hello"
    assert not caches.broken(target)


def test_a_killed_build_leaves_no_entry_and_its_rest_is_swept(tmp_path):
    def killed(folder):
        (folder / "a.txt").write_text("hel")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder(tmp_path / "entry", killed)
    assert not (tmp_path / "entry").exists()
    (tmp_path / "entry.tmpdead").mkdir()
    cached_folder(tmp_path / "entry", build)
    assert not list(tmp_path.glob("*.tmp*"))


def test_a_full_disk_is_one_sentence(tmp_path):
    def full(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="The disk is full: .*WORKBOOK_CACHE"):
        cached_folder(tmp_path / "entry", full)
    assert not (tmp_path / "entry").exists()


def test_a_broken_entry_is_not_usable_and_is_removed(tmp_path, capsys):
    target = cached_folder(tmp_path / "entry", build)
    assert caches.usable(target) and not caches.usable(tmp_path / "nothing")
    (target / "a.txt").write_text("hel")
    assert not caches.usable(target) and not target.exists()
    assert "a.txt is truncated or changed" in capsys.readouterr().out


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "here"))
    assert caches.cache_dir() == tmp_path / "here" and (tmp_path / "here").is_dir()


def test_without_a_home_the_cache_says_what_to_set(monkeypatch):
    def no_home(path):
        raise RuntimeError("no home")

    monkeypatch.delenv("WORKBOOK_CACHE", raising=False)
    monkeypatch.setattr(caches.Path, "expanduser", no_home)
    with pytest.raises(OSError, match=r"can't be used \(no home\): set WORKBOOK_CACHE"):
        caches.cache_dir()


def test_an_entry_whose_manifest_is_no_object_is_made_again(tmp_path, capsys):
    target = cached_folder(tmp_path / "entry", build)
    (target / caches.MANIFEST).write_text("[]")
    assert cached_folder(tmp_path / "entry", build) == target
    assert f"{caches.MANIFEST} can't be read" in capsys.readouterr().out
    assert caches.manifest(target)["name"] == "x"


def test_a_manifest_says_what_an_entry_is(tmp_path):
    target = cached_folder(tmp_path / "entry", build)
    about = caches.manifest(target)
    assert about == {"name": "x", "files": {"a.txt": caches.digest(target / "a.txt")}}
    assert caches.manifest(tmp_path) == {}


def test_a_text_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "new" / "a.txt"
    caches.write_atomically(path, "hello")
    assert path.read_text() == "hello\n"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caches.os, "fsync", full)
    with pytest.raises(OSError, match=r"The disk is full \(.* GB free\): .*a.txt was not written"):
        caches.write_atomically(path, "other")
    assert path.read_text() == "hello\n" and [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_who_need_not_wait_is_told_that_another_is_at_work(tmp_path):
    entry = tmp_path / "entry"
    with FileLock(tmp_path / "entry.lock"):
        with without_waiting(), pytest.raises(Busy, match="entry is being made by another"):
            cached_folder(entry, build)
    with without_waiting():
        assert cached_folder(entry, build) == entry


BUILDER = """
import pathlib, sys, time
from helpers.lm.cache import cached_folder

def build(folder):
    time.sleep(0.3)
    (folder / "a.txt").write_text("hello")
    print("built")
    return {"name": "x"}

cached_folder(pathlib.Path(sys.argv[1]), build)
"""


def test_of_several_processes_one_builds_and_the_others_wait(tmp_path):
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "entry")]
    pipes = dict(stdout=subprocess.PIPE, text=True)
    running = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(3)]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(said) == ["", "", "built\n"] and not caches.broken(tmp_path / "entry")


# --- a store behind the cache -----------------------------------------------------------------


@pytest.fixture
def two_machines(tmp_path, monkeypatch):
    """A store, and a way to be on one of two machines that have nothing but it in common."""
    monkeypatch.setenv("WORKBOOK_CACHE", f"file://{tmp_path / 'store'}")

    def on(name):
        monkeypatch.setenv("HOME", str(tmp_path / name))
        return caches.cache_dir() / "tables" / "entry"

    return on


def test_what_one_machine_makes_another_finds_in_the_store(two_machines, tmp_path):
    made = cached_folder(two_machines("one"), build)
    assert made.is_relative_to(tmp_path / "one")

    def never(folder):
        raise AssertionError("made twice")

    there = cached_folder(two_machines("two"), never)
    assert there.is_relative_to(tmp_path / "two") and (there / "a.txt").read_text() == "hello"
    assert not caches.broken(there) and (there / "a.txt").stat().st_ino != made.stat().st_ino


def test_the_store_holds_an_entry_whole_or_not_at_all(two_machines, tmp_path, monkeypatch):
    from fsspec.implementations.local import LocalFileSystem

    def lost(system, begun, place, **settings):
        raise ConnectionError("the network went away")

    with monkeypatch.context() as broken:
        broken.setattr(LocalFileSystem, "mv", lost)
        with pytest.raises(ConnectionError):
            cached_folder(two_machines("one"), build)
        with pytest.raises(ConnectionError):
            caches.keep(two_machines("one").with_name("mark"), "made")
        assert not two_machines("one").with_name("mark").exists()
    made = []
    for name in ("two", "one"):  # it kept nothing that it would take for published
        cached_folder(two_machines(name), lambda folder: made.append(1) or build(folder))
    assert made == [1], "half an upload is no entry"
    assert [p.name for p in (tmp_path / "store" / "tables").glob("*.tar")] == ["entry.tar"]


def test_a_broken_entry_of_the_store_is_made_anew_and_put_right(two_machines, tmp_path, capsys):
    cached_folder(two_machines("one"), build)
    broken = two_machines("one")
    (broken / "a.txt").write_text("hel")
    caches.publish(broken)
    assert (cached_folder(two_machines("two"), build) / "a.txt").read_text() == "hello"
    assert "a.txt is truncated" in capsys.readouterr().out
    assert (cached_folder(two_machines("three"), build) / "a.txt").read_text() == "hello"


def test_a_store_that_nothing_reaches_is_one_sentence(two_machines, monkeypatch):
    monkeypatch.setenv("WORKBOOK_CACHE", "nowhere://bucket/x")
    with pytest.raises(OSError, match="the cache nowhere://bucket/x can't be used"):
        cached_folder(two_machines("one"), build)
