"""The `workbook` command: run, sweep, merge, report, arms, pretrain, card, warmup, lab, doctor."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from helpers import ROOT

Seeds = Annotated[str | None, typer.Option(help="Training seeds, each on every base.")]
Bases = Annotated[str | None, typer.Option(help="Pocket models, such as 0,1,2 or 0-2.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes at a time.")]
Out = Annotated[Path, typer.Option(help="Folder of records and results.")]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run the reasoning workbook's notebooks and report what they found.",
)
console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def refuse(error: Exception) -> typer.Exit:
    """Exit 2 with the sentence that says what was wrong."""
    console.print(f"refused: {error}")
    return typer.Exit(2)


def pairs(texts: list[str]) -> dict[str, str]:
    """`name=value` texts as a dict."""
    for text in texts:
        if "=" not in text or not text.partition("=")[0].isidentifier():
            raise ValueError(f"'-p {text}' is not of the form -p name=value.")
    found: dict[str, str] = {}
    for name, value in (text.split("=", 1) for text in texts):
        if name in found:
            raise ValueError(f"'-p {name}' is given twice, as {found[name]} and {value}: give one.")
        found[name] = value
    return found


def numbers(name: str, text: str | None) -> list[int] | None:
    """`0,1,2` as a list of whole numbers, `0-3` as all from 0 to 3; None when nobody asked."""
    if text is None:
        return None
    found = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        some = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else ()
        if not some:
            raise ValueError(f"'--{name} {text}': give whole numbers such as 0,1,2 or 0-2.")
        found += some
    return found


@app.command()
def run(
    notebooks: Annotated[
        list[str] | None, typer.Argument(help="Numbers or names; all if none.")
    ] = None,
    tier: Annotated[str, typer.Option(help="pocket (default), small, gpu or paper.")] = "",
    model: Annotated[str, typer.Option(help="A name, a Hugging Face id or a folder.")] = "",
    questions: Annotated[str, typer.Option(help="Your own questions, a JSONL file.")] = "",
    p: Annotated[
        list[str] | None, typer.Option("-p", help="A notebook parameter, name=value.")
    ] = None,
    bases: Bases = None,
    seeds: Seeds = None,
    jobs: Jobs = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train shipped arms anew.")] = False,
) -> None:
    """Run notebooks, write the report, show the verdicts. What is computed already is not computed
    again.
    """
    if fresh:
        os.environ["WORKBOOK_FRESH"] = "1"
    from helpers.run import process
    from helpers.run.report import report as write_report

    try:
        folder, todo = process.run(
            notebooks or [],
            jobs,
            process.RUNS,
            console.print,
            tier=tier,
            model=model,
            questions=questions,
            params=pairs(p or []),
            bases=numbers("bases", bases),
            seeds=numbers("seeds", seeds),
        )
    except (ValueError, FileNotFoundError, ConnectionError) as error:
        raise refuse(error) from None
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        console.print(f"failed: {error.strerror or error}{place}")
        raise typer.Exit(1) from None
    done = [one for one in todo if one.state == "complete"]
    where = str(folder)
    if list(folder.glob("*.ipynb")):
        where = str(write_report(folder))
        show(folder)
    if len(done) == len(todo):
        console.print(f"complete: {len(done)} of {len(todo)} notebooks; report: {where}")
        return
    left = [one for one in todo if one not in done]
    rest = "; ".join(f"{one.name} {one.state} {one.reason}".strip() for one in left)
    interrupted = any(one.state == "interrupted" for one in todo)
    word = "interrupted" if interrupted else "failed"
    console.print(f"{word}: {len(done)} of {len(todo)} notebooks complete; {rest}; see {where}")
    raise typer.Exit(130 if interrupted else 1)


@app.command()
def sweep(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="A study (a YAML file), or numbers or names of notebooks; all if none."
        ),
    ] = None,
    models: Annotated[str, typer.Option(help="Names, ids or folders, A,B.")] = "",
    p: Annotated[
        list[str] | None, typer.Option("-p", help="Values of a parameter, name=v1,v2.")
    ] = None,
    bases: Bases = None,
    seeds: Seeds = None,
    out: Out = Path("sweep"),
    jobs: Jobs = 1,
    engine: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[
        str, typer.Option(help="The Ray cluster's, such as auto; one of JOBS CPUs here if none.")
    ] = "",
    cache: Annotated[
        str, typer.Option(help="A folder that all machines see, or a URL such as s3://bucket/x.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do.")] = False,
) -> None:
    """Cross models, parameters, bases and seeds: a record for each combination, all results in one
    table. Exit code 0: all; 1: some pieces failed; 2: refused; 130: interrupted. Started again, it
    goes on.
    """
    if cache:
        os.environ["WORKBOOK_CACHE"] = cache
    from helpers.run import sweep as sweeping

    try:
        if engine not in ("local", "ray") or (address and engine == "local"):
            raise ValueError(
                f"'--engine {engine}{' --address ' * bool(address)}{address}': give --engine "
                "local, or --engine ray with or without an --address."
            )
        studies = sweeping.studies_of(
            what or [],
            models=[name for name in models.split(",") if name],
            parameters={name: sweeping.values(text) for name, text in pairs(p or []).items()},
            bases=numbers("bases", bases),
            seeds=numbers("seeds", seeds),
        )
        cells = sweeping.grid(studies)
        if dry_run:
            console.print(sweeping.outlook(cells))
            return
    except (ValueError, OSError) as error:
        raise refuse(error) from None
    try:
        cluster = address if engine == "ray" else None
        _, failed = sweeping.run(cells, out, jobs, console.print, cluster)
    except KeyboardInterrupt:
        console.print("interrupted: the same command again goes on")
        raise typer.Exit(130) from None
    except (ValueError, ConnectionError) as error:
        raise refuse(error) from None
    except (OSError, RuntimeError) as error:  # a full disk; a cluster of another version of Ray
        console.print(f"failed: {error}")
        raise typer.Exit(1) from None
    for piece in failed:
        console.print(f"failed: {piece.name}: {piece.reason}; see {out / 'pieces.log'}")
    console.print(f"results: {out / 'report.html'}, {out / 'results.csv'}")
    raise typer.Exit(1 if failed else 0)


@app.command()
def merge(
    study: Annotated[Path, typer.Argument(help="The study of the sweep, a YAML file.")],
    caches: Annotated[list[Path], typer.Argument(help="Caches that were filled elsewhere.")],
    out: Out = Path("sweep"),
) -> None:
    """Make the records of a study whose pieces were computed on different machines. A piece that
    none of them has, and caches of other code, items or versions, are refused.
    """
    from helpers.run import merge as merging
    from helpers.run import sweep as sweeping

    try:
        cells = sweeping.grid(sweeping.read(study))
        new = merging.merge(caches, [piece for cell in cells for piece in cell.pieces])
        console.print(f"{new} entries are new in the cache")
        sweeping.run(cells, out, 1, console.print)
    except (ValueError, OSError) as error:
        raise refuse(error) from None
    console.print(f"results: {out / 'report.html'}, {out / 'results.csv'}")


def show(folder: Path) -> None:
    """Print the table of verdicts of a run."""
    from helpers.run.report import HEADS, read_all, verdict_row

    table = Table(*HEADS, title="Verdicts")
    found, unread = read_all(folder)
    for one in found.values():
        table.add_row(*verdict_row(one))
    console.print(table, soft_wrap=False)
    for sentence in unread:
        console.print(f"not read: {sentence}")


@app.command()
def report(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of runs/; the newest if none.")
    ] = None,
    readme: Annotated[
        bool, typer.Option("--readme", help="Renew README and scoreboard from data/results/.")
    ] = False,
) -> None:
    """Write the report of a run again, or renew the README's picture and table and the scoreboard
    from data/results/.
    """
    from helpers.findings.reward_dial import scoreboard
    from helpers.lab import record
    from helpers.run import process
    from helpers.run import readme as page
    from helpers.run.report import report as write_report

    try:
        if readme:
            console.print(f"written: {page.renew()}, {scoreboard.write(record.RESULTS)}")
            return
        books = process.RUNS.glob("[0-9]*/*.ipynb")
        there = [book.parent for book in sorted(books, key=lambda book: book.stat().st_mtime)]
        if not folder and not there:
            raise ValueError(f"No run in {process.RUNS} yet; start with: workbook run")
        folder = folder or there[-1]
        path = write_report(folder)
        show(folder)
    except ValueError as error:
        raise refuse(error) from None
    console.print(f"written: {path}")


@app.command()
def pretrain(
    seed: Annotated[int, typer.Option(help="Seed of weights and corpus.")] = 0,
    without_chains: Annotated[
        bool, typer.Option("--without-chains", help="No chain of thought in the corpus.")
    ] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="One round more, for a base that misses a gate.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder; one in data/pocket if none.")] = None,
) -> None:
    """Pretrain a pocket model; started again, it resumes at its last checkpoint."""
    from helpers.world import pretraining
    from helpers.world.corpus import Corpus

    corpus = Corpus().without_chains() if without_chains else Corpus()
    schedule = pretraining.Schedule()
    if mend:
        schedule = schedule.mended()
    out = out or ROOT / "data" / "pocket" / f"2.{seed}"
    path = pretraining.pretrain(seed, out, corpus, schedule)
    console.print(f"complete: {path}")


@app.command()
def arms(
    ship: Annotated[
        bool, typer.Option("--ship", help="Copy the arms of the default run to data/arms/.")
    ] = False,
) -> None:
    """List the trained arms that are here: shipped ones and those of the cache."""
    from helpers.lm.cache import cache_dir
    from helpers.run import pieces, plan, shipping
    from helpers.train import health

    if ship:
        gone = shipping.ship(shipping.arms_of(plan.plan(plan.find([]))))
        with pieces.new_pool(os.cpu_count() or 1, cache_dir()) as pool:
            card = health.write_card(each=pool.map)
        console.print(f"shipped: {len(gone)}; measured: {card}")
    found = shipping.listed()
    table = Table(*found.columns)
    for row in found.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print(table, soft_wrap=False)


@app.command()
def card() -> None:
    """Measure the shipped pocket models and write their model card."""
    from helpers.world.card import write_card

    console.print(f"complete: {write_card()}")


@app.command()
def warmup() -> None:
    """Warm smollm2 up on the stories, for tier small, and write the adapter that is shipped."""
    from helpers.train.warmup import ship

    console.print(f"complete: {ship()}")


@app.command()
def lab(
    allow_root: Annotated[bool, typer.Option("--allow-root", help="Also as root.")] = False,
) -> None:
    """Open JupyterLab on notebook 0."""
    from helpers.run.saved import OPTION

    command = [sys.executable, "-m", "jupyter", "lab", "notebooks/00_start_here.ipynb", OPTION]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if not allow_root:
            raise refuse(
                ValueError(
                    "you are root, as in most containers, and Jupyter then asks to be told so; "
                    "where that is meant: make lab ALLOW_ROOT=1, or workbook lab --allow-root"
                )
            )
        command.append("--allow-root")
    raise typer.Exit(subprocess.call(command, cwd=ROOT))


@app.command()
def doctor() -> None:
    """Say what this machine is and which tiers it can run."""
    import psutil
    import torch

    from helpers.lm import models

    gb = 1e9
    memory = psutil.virtual_memory()
    gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    free = shutil.disk_usage(ROOT).free
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    console.print(f"cores   {cores}")
    console.print(f"memory  {memory.total / gb:.0f} GB, {memory.available / gb:.0f} GB free")
    console.print(
        "gpu     "
        + (", ".join(f"{gpu.name} {gpu.total_memory / gb:.0f} GB" for gpu in gpus) or "none")
    )
    fast = models.bfloat16_is_fast("cpu")
    console.print(
        "bf16    "
        + (
            "fast on this CPU"
            if fast
            else "emulated on this CPU: float32 instead, tier small takes about four times as long"
        )
    )
    console.print(f"disk    {free / gb:.0f} GB free")
    console.print(f"python  {platform.python_version()}, torch {torch.__version__}")
    table = Table("tier", "can run here", "memory", "rough minutes for each notebook", "needs")
    for name, tier in models.tiers().items():
        have = sum(gpu.total_memory for gpu in gpus) if tier["device"] == "cuda" else memory.total
        lacks = f"{tier['memory_gb']} GB of {'GPU ' * (tier['device'] == 'cuda')}memory"
        able = "yes" if have >= 0.95 * tier["memory_gb"] * gb else f"no: it takes {lacks}"
        minutes = ", ".join(f"{book[:2]}: {value}" for book, value in tier["minutes"].items())
        table.add_row(name, able, f"{tier['memory_gb']} GB", minutes, tier["needs"])
    console.print(table, soft_wrap=False)
