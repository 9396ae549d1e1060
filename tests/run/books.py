"""Small notebooks, and a small finding in pieces, for the tests of runs."""

import os
import time
from pathlib import Path
from typing import ClassVar

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.lab import finding
from helpers.lab.declared import Arm, Change, Measure
from helpers.lab.items import Item
from helpers.lab.table import table
from helpers.lm import models
from helpers.run import process

PARAMETERS = """n: int = 2  # how many
rate: float = 0.5  # how fast
fast: bool = True  # skip what is slow
seeds: list[int] = [0]  # training seeds
questions: str = ""  # your own file
tier: str = "pocket"  # stamped
"""
WRITE = """from helpers.lab import record
value = record.Value(measure="recall", arm="x", minus="before", estimate=-n / 10, low=-1.0,
                     high=0.0, n=n, by_base={{0: -0.3, 1: -0.1}})
ruled = record.Ruled(label="inconclusive", reason="the interval holds both", remedy="9 bases")
p = record.Record(finding="{finding}", tier=tier, model="none", seeds=seeds, bases=[0, 1],
                  parameters={{"n": n, "fast": fast}}, values=[value], primary=value,
                  delta=0.08, verdict=ruled)
record.write(p)
"""
DRAW = """import matplotlib.pyplot as plt
plt.plot([0, n]); plt.show()"""


def notebook(folder, name, *cells, finding="start_here", write=True):
    """A small notebook with the parameters above, the given code cells and a record at its end."""
    book = new_notebook(
        cells=[
            new_markdown_cell(f"# {name} <i>"),
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            *[new_code_cell(cell) for cell in cells],
            *([new_code_cell(WRITE.format(finding=finding))] if write else []),
        ],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}
        },
    )
    path = folder / f"{name}.ipynb"
    nbformat.write(book, path)
    return str(path)


def run(books, tmp_path, **options):
    """A run of notebooks into a folder of the test."""
    return process.run(books, runs=tmp_path / "runs", say=lambda _: None, **options)


class Params(finding.Params):
    """Parameters of the small finding: the model's folder, and where it notes what it computes."""

    notes: str
    pause: float


class Books(finding.Finding):
    """Three arms of the tiny model, each with one table, which takes `pause` seconds to make."""

    name: ClassVar = "books"
    arms: ClassVar = [
        Arm(name, name, trained=False, start="first" if name != "first" else "")
        for name in ("first", "second", "third")
    ]
    measures: ClassVar = [Measure("said", "said", "replies")]
    primary: ClassVar = Change("said", "first", "second")

    def __init__(self, p: Params):
        super().__init__(p, [Item(f"i{n}", "How many?", ("1",), False, "plain") for n in range(3)])

    def base(self, base):
        """Every base is the same model here; its number still tells tables apart."""
        return models.find(self.p.model)

    @table({"item": "id", "said": "0 or 1"})
    def replies(self, cell):
        """A note that it was made, a pause, and its rows."""
        line = f"{cell.arm} {cell.base} {os.getpid()}\n"
        with (Path(self.p.notes) / "begun").open("a") as file:
            file.write(line)
        time.sleep(self.p.pause)
        with (Path(self.p.notes) / "made").open("a") as file:
            file.write(line)
        return pd.DataFrame({"item": [i.id for i in self.items], "said": [0.0, 1.0, 1.0]})
