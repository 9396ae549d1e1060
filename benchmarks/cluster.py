"""What a Ray cluster costs and what it survives: a small sweep by one worker and by two, killed at
random moments, and on two nodes with a checkout each that share nothing but the cache.

Every run begins from a cache of its own that holds the same arms and no table. Results are those of
`results.csv`, compared as bytes. On an otherwise idle machine of two cores:

    .venv/bin/python benchmarks/cluster.py workers
    .venv/bin/python benchmarks/cluster.py kills --moments 5
    .venv/bin/python benchmarks/cluster.py nodes
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
import typer

from helpers import ROOT

STUDY = """notebooks: ["02"]
bases: [0, 1, 2]
seeds: [0, 1, 2, 3]
parameters: {n_items: [16], doses: [[0, 2]], rl_dose: [2]}
"""
RAY = str(Path(sys.executable).with_name("ray"))
PORT = 6379
SWEEP = "from helpers import cli; cli.app()"
app = typer.Typer(help=__doc__)


def sweep(home: Path, *more: str, checkout: Path = ROOT) -> subprocess.Popen:
    """Start the sweep in a folder that holds its study, its cache and its results."""
    (home / "study.yaml").write_text(STUDY)
    command = ["sweep", str(home / "study.yaml"), "--out", str(home / "out"), *more]
    log = (home / "sweep.log").open("a")
    return subprocess.Popen(
        [sys.executable, "-c", SWEEP, *command],
        env=environment(home, checkout),
        stdout=log,
        stderr=log,
        cwd=checkout,
    )


def environment(home: Path, checkout: Path) -> dict[str, str]:
    """That of one machine: its checkout, the cache in `home`, and Ray's token."""
    about = {"PYTHONPATH": str(checkout), "WORKBOOK_CACHE": str(home / "cache")}
    return os.environ | about | {"OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "token"}


def ended(process: subprocess.Popen, home: Path) -> None:
    """Wait for a sweep, which must end well."""
    if process.wait():
        raise RuntimeError((home / "sweep.log").read_text()[-2000:])


def marks(home: Path) -> list[tuple[float, float]]:
    """When every piece was made, and its seconds, in order."""
    paths = (home / "cache" / "pieces").glob("*")
    return sorted((path.stat().st_mtime, json.loads(path.read_text())["seconds"]) for path in paths)


def with_arms(folder: Path) -> Path:
    """A home whose cache has every arm of the sweep and no table, made by an undisturbed run, whose
    results stand in it as expected.csv.
    """
    home = folder / "whole"
    home.mkdir()
    ended(sweep(home, "--jobs", "2"), home)
    shutil.copy(home / "out" / "results.csv", home / "expected.csv")
    return home


def fresh(folder: Path, whole: Path, name: str) -> Path:
    """A new home with the arms of `whole`."""
    home = folder / name
    shutil.copytree(whole / "cache" / "arms", home / "cache" / "arms")
    return home


def same(home: Path, whole: Path) -> bool:
    """Whether the results are those of the undisturbed run, byte for byte."""
    return (home / "out" / "results.csv").read_bytes() == (whole / "expected.csv").read_bytes()


@app.command()
def workers() -> None:
    """Pieces an hour by two workers over those by one, and the seconds between pieces."""
    with TemporaryDirectory() as folder:
        whole, paces = with_arms(Path(folder)), {}
        for jobs in (1, 2):
            home = fresh(Path(folder), whole, f"jobs{jobs}")
            ended(sweep(home, "--engine", "ray", "--jobs", str(jobs)), home)
            made = marks(home)
            paces[jobs] = (len(made) - 1) / (made[-1][0] - made[0][0]) * 3600
            print(f"{jobs} workers: {paces[jobs]:.0f} pieces an hour, same: {same(home, whole)}")
            if jobs == 1:
                gaps = [b[0] - a[0] - b[1] for a, b in zip(made, made[1:], strict=False)]
                print(f"  between pieces: median {median(gaps):.2f} s, most {max(gaps):.2f} s")
        print(f"two over one: {paces[2] / paces[1]:.2f}")


@app.command()
def kills(moments: int = 5, seed: int = 0) -> None:
    """Kill a worker, the driver or the head at random moments, and start the same command again."""
    rng = random.Random(seed)
    with TemporaryDirectory() as folder:
        whole = with_arms(Path(folder))
        for n, victim in zip(range(moments), ["worker", "driver", "head"] * moments, strict=False):
            home, after = fresh(Path(folder), whole, f"kill{n}"), rng.uniform(0, 30)
            node(home)
            process = sweep(home, "--engine", "ray", "--address", "auto")
            while not marks(home) and process.poll() is None:
                time.sleep(0.1)  # the first piece: before it there is nothing to lose
            time.sleep(after)
            before = len(marks(home))
            strike(victim, process)
            if victim != "worker":
                process.wait()
                if victim == "head":
                    node(home)
                process = sweep(home, "--engine", "ray", "--address", "auto")
            ended(process, home)
            run([RAY, "stop", "--force"])
            again = (home / "sweep.log").read_text().count(": done;") - len(marks(home))
            print(
                f"{victim} killed {after:.0f} s after the first piece with {before} of "
                f"{len(marks(home))} made: same {same(home, whole)}, {again} said to be done twice"
            )


def node(home: Path, checkout: Path = ROOT, cpus: int = 2, first: bool = True) -> None:
    """Start a node of a cluster: the first, after ending what was there, or one that joins it."""
    if first:
        run([RAY, "stop", "--force"])
        run([RAY, "get-auth-token", "--generate"])
    place = ["--head", f"--port={PORT}"] if first else [f"--address=127.0.0.1:{PORT}"]
    command = [RAY, "start", *place, f"--num-cpus={cpus}"]
    run(command, env=environment(home, checkout), cwd=checkout)


def run(command: list[str], **more) -> None:
    """Run a command, which must end well."""
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)


def strike(victim: str, driver: subprocess.Popen) -> None:
    """Kill -9 one worker that has a piece, the driver, or all of the head."""
    if victim == "driver":
        driver.send_signal(signal.SIGKILL)
    elif victim == "head":
        for title in ("gcs_server", "raylet/raylet"):
            subprocess.run(["pkill", "-9", "-f", title], check=False)
    else:
        every = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"]]
        at_work = [p for p in every if p.info["cmdline"][0].startswith("ray::02_")]  # its piece
        if at_work:
            at_work[0].kill()
        print(f"  {len(at_work)} workers had a piece")


@app.command()
def nodes() -> None:
    """Two nodes with a checkout each and one cache."""
    with TemporaryDirectory() as folder:
        whole, other = with_arms(Path(folder)), Path(folder) / "checkout"
        run(["git", "clone", "--quiet", str(ROOT), str(other)])
        home = fresh(Path(folder), whole, "nodes")
        node(home, cpus=1)
        node(home, other, cpus=1, first=False)
        ended(sweep(home, "--engine", "ray", "--address", "auto"), home)
        run([RAY, "stop", "--force"])
        print(f"two nodes: {len(marks(home))} pieces, same: {same(home, whole)}")


if __name__ == "__main__":
    app()
