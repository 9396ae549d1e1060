"""A Ray cluster's workers as the pool that pieces of work are submitted to.

Ray schedules, retries and survives lost machines. The cache is the only channel: a worker takes
from it what is made already and leaves its tables there, so it needs the same checkout, the same
environment and the same WORKBOOK_CACHE, a shared folder or a store.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from helpers.lab.table import versions
from helpers.lm import models
from helpers.lm.cache import cache_dir
from helpers.run import plan
from helpers.run.pieces import Piece, whole_code

CALLS = 8
"""Pieces after which a worker without a GPU is begun anew: its memory is in shreds by then. One
with a GPU is begun anew after each, as it would keep memory there that is lent again.
"""
RETRIES = 3
"""How often Ray begins a piece anew whose worker or machine was lost."""
SHARES = {3e8: 0.125, 1e9: 0.25, 4e9: 0.5}
"""Of a GPU, by the number of parameters below which a model takes so much; a larger one takes all
of it.
"""
CARRIED = ("WORKBOOK_CACHE", "WORKBOOK_FRESH")
"""Variables of the environment that a worker is given as they are here."""


class Cluster:
    """A pool with what `pieces.prepare` needs of an executor: `submit` and `shutdown`."""

    def __init__(self, folder: Path, address: str = "", jobs: int | None = None):
        """Join the cluster at an address, or start one of `jobs` CPUs here.

        Raises ValueError in one sentence where Ray is not installed, ConnectionError where there is
        no cluster at that address.
        """
        try:
            import ray
        except ImportError:
            raise ValueError(
                "The engine 'ray' is not installed: pip install -e '.[cluster]' in the checkout."
            ) from None
        carried = {name: os.environ[name] for name in CARRIED if name in os.environ}
        if "://" not in carried.get("WORKBOOK_CACHE", ""):
            carried["WORKBOOK_CACHE"] = str(cache_dir().resolve())
        try:
            ray.init(
                address=address or "local",
                num_cpus=None if address else jobs,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"env_vars": carried | {"OMP_NUM_THREADS": "1"}},
            )
        except ConnectionError:
            raise ConnectionError(
                f"No Ray cluster answers at '{address}': start one with `ray start --head` (and "
                "export RAY_AUTH_MODE=token, see docs/cluster.md), or leave --address out for one "
                "on this machine."
            ) from None
        self.ray, self.folder = ray, folder.resolve()
        self.here = environment()
        calls = 1 if self.here["device"] == "cuda" else CALLS
        self.task = ray.remote(max_retries=RETRIES, max_calls=calls)(on_worker)
        self.probe()

    def probe(self) -> None:
        """Raises ValueError, in one sentence, where a machine of the cluster is no copy of this
        one: it would take piece after piece only to refuse them.
        """
        from ray.exceptions import RayTaskError, TaskUnschedulableError
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On

        share = {"num_gpus": min(SHARES.values())} if self.here["device"] == "cuda" else {}
        ask = self.ray.remote(num_cpus=0, **share)(refuse_another)
        nodes = [node["NodeID"] for node in self.ray.nodes() if node["Alive"]]
        asked = [
            ask.options(scheduling_strategy=On(node, soft=False)).remote(self.here)
            for node in nodes
        ]
        for answer in asked:
            try:
                self.ray.get(answer)
            except TaskUnschedulableError:
                continue  # it has no GPU, and so takes no piece
            except RayTaskError as error:
                self.ray.shutdown()
                raise ValueError(str(error.cause)) from None

    def submit(self, call: Callable[..., Any], do: Any, piece: Piece, patient: bool) -> Future:
        """A future of what `call(do, piece, patient)` returns on some worker."""
        asked = resources(piece, self.here["device"])
        task = self.task.options(name=piece.name, **asked)
        return task.remote(self.here, self.folder, call, do, piece, patient).future()

    def shutdown(self, wait: bool = False, cancel_futures: bool = True) -> None:
        """Leave the cluster, which ends what still runs for us there, or end our own."""
        self.ray.shutdown()


def resources(piece: Piece, device: str) -> dict[str, float]:
    """What a piece asks of a cluster: a core, and where `device` is a GPU, a share of one by the
    size of its largest model.
    """
    if device != "cuda":
        return {"num_cpus": 1}
    named = [piece.parameters[name] for name in plan.MODELS if piece.parameters.get(name)]
    largest = max((models.find(name).n_parameters for name in named), default=0)
    share = next((share for below, share in SHARES.items() if largest < below), 1)
    return {"num_cpus": 1, "num_gpus": share}


def on_worker(
    here: dict[str, str],
    folder: Path,
    call: Callable[..., Any],
    do: Any,
    piece: Piece,
    patient: bool,
) -> Any:
    """Do a piece in a worker of the cluster; what it prints goes to pieces.log where the folder is
    shared, and to the cache elsewhere. Raises ValueError where the worker is no copy of the machine
    that asks.
    """
    import torch

    refuse_another(here)
    torch.set_num_threads(1)
    place = folder if folder.is_dir() else cache_dir()
    with (place / "pieces.log").open("a", buffering=1, encoding="utf-8") as log:
        with redirect_stdout(log), redirect_stderr(log):
            return call(do, piece, patient)


def environment() -> dict[str, str]:
    """What must be alike on all machines: the hash of our code, versions, and the device."""
    return {"code": whole_code()} | versions()


def refuse_another(here: dict[str, str]) -> None:
    """Raises ValueError, in one sentence, where this worker has other code, versions or another
    device than the machine that asks, since their tables could not be told apart.
    """
    there = environment()
    for name, asked in here.items():
        if there.get(name) != asked:
            what = "other code of the workbook" if name == "code" else f"{name} {there.get(name)}"
            raise ValueError(
                f"The worker on {socket.gethostname()} has {what} and the machine that asks has "
                f"{'its own' if name == 'code' else asked}: give both the same checkout and the "
                "environment of requirements.lock."
            )
