"""Widgets that live in a front end and are still there, as pictures and text, without one."""

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, TypeVar

from matplotlib.figure import Figure

T = TypeVar("T")
MOST_TWINS = 6
"""Pictures that a static twin shows at most."""


def live() -> bool:
    """Whether a front end that shows widgets is there: a kernel, and no batch run (WORKBOOK_BATCH=1)."""
    if os.environ.get("WORKBOOK_BATCH") == "1" or "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def progress(iterable: Iterable[T], total: int, desc: str) -> Iterator[T]:
    """Yield from `iterable`: a bar in a front end, a line of text every few seconds elsewhere."""
    if live():
        yield from _bar(iterable, total, desc)
        return
    said = time.monotonic()
    for done, element in enumerate(iterable, 1):
        yield element
        if time.monotonic() - said > 10 and done < total:
            said = time.monotonic()
            print(f"{desc}: {done} of {total}", flush=True)


def _bar(iterable: Iterable[T], total: int, desc: str) -> Iterator[T]:
    import ipywidgets
    from IPython.display import display

    bar = ipywidgets.IntProgress(0, 0, max(total, 1), description="", layout={"width": "30%"})
    box = ipywidgets.HBox([bar, ipywidgets.Label(desc)])
    display(box)
    try:
        for element in iterable:
            yield element
            bar.value += 1
    finally:
        box.close()


def explore(draw: Callable[..., Figure], **grid: list) -> None:
    """Show `draw(**values)` over `grid`: first a few settings as pictures, then, in a front end, live knobs.

    Each value of `grid` is the list of settings of one knob; numbers get a slider, words a menu.
    """
    from IPython.display import display

    for values in shown(grid):
        display(draw(**values))
    if live():
        display(knobs(draw, grid))


def shown(grid: dict[str, list]) -> list[dict[str, Any]]:
    """The settings of the static twin: all of them when few, else evenly chosen, first and last among them."""
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if len(every) <= MOST_TWINS:
        return every
    last = len(every) - 1
    return [every[round(i * last / (MOST_TWINS - 1))] for i in range(MOST_TWINS)]


def knobs(draw: Callable[..., Figure], grid: dict[str, list]):
    """The live box: one control a knob, and the picture that follows them."""
    import ipywidgets
    from IPython.display import display

    controls = {
        name: (ipywidgets.Dropdown if isinstance(options[0], str) else ipywidgets.SelectionSlider)(
            options=options, description=name, style={"description_width": "initial"}
        )
        for name, options in grid.items()
    }
    picture = ipywidgets.Output()

    def redraw(_=None):
        with picture:
            picture.clear_output(wait=True)
            display(draw(**{name: control.value for name, control in controls.items()}))

    for control in controls.values():
        control.observe(redraw, names="value")
    redraw()
    return ipywidgets.VBox([*controls.values(), picture])


def predict(question: str, low: float, high: float, default: float):
    """The reader's forecast, before anything is shown: an object whose `.value` is read later.

    A slider in a front end; elsewhere `default`, printed.
    """
    if not live():
        print(f"{question} Forecast: {default:g}")
        return SimpleNamespace(value=default)
    import ipywidgets
    from IPython.display import display

    slider = ipywidgets.FloatSlider(default, min=low, max=high, step=(high - low) / 100, description="forecast")
    display(ipywidgets.VBox([ipywidgets.Label(question), slider]))
    return slider


def check(attempt: Any, test: Callable[[Any], bool], hint: str) -> None:
    """Say at once whether an exercise's `attempt` passes `test`; never raises, so that a class can go on."""
    if attempt is None or attempt is ...:
        print("Not attempted yet.")
        return
    try:
        passed = bool(test(attempt))
    except Exception as error:  # a reader's attempt may be anything
        print(f"Not yet: {type(error).__name__}: {error}. {hint}")
        return
    print("Right." if passed else f"Not yet. {hint}")
