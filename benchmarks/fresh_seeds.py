"""Do the results stand when every arm is trained anew? The primary estimate of each finding with
training seeds that no reference has, on the bases and items of its reference, beside the interval
there. What was trained and measured is kept, so that a killed run goes on.

    .venv/bin/python benchmarks/fresh_seeds.py 01 02 03 04 --seeds 2-5
"""

import typer

from helpers.cli import Seeds, numbers
from helpers.lab.record import reference
from helpers.run import plan


def main(notebooks: list[str], seeds: Seeds = "2-5") -> None:
    """Print each estimate as soon as it is there, and in the end how many lie inside."""
    inside = []
    for notebook in plan.find(notebooks):
        module = plan.module_of(notebook)
        record = reference(plan.finding_in(module).name)
        known = record.primary.interval
        for seed in numbers("seeds", seeds):
            lab = plan.experiment(module, record.parameters | {"seeds": [seed]})
            found = lab.primary.value(lab).estimate
            inside.append(known.low <= found <= known.high)
            print(
                f"{lab.name}, seed {seed}: {found:.4f}, {'in' if inside[-1] else 'out'}side "
                f"[{known.low:.4f}, {known.high:.4f}]",
                flush=True,
            )
    print(f"{sum(inside)} of {len(inside)} inside")


if __name__ == "__main__":
    typer.run(main)
