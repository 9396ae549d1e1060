"""Widgets that live in a front end and are still there, as pictures and text, without one."""

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from matplotlib.figure import Figure

T = TypeVar("T")
MOST_TWINS = 4
"""Settings that a static twin shows at most."""
NARROW = 6.0
"""Inches up to which two figures stand beside each other."""
SECONDS_BETWEEN_LINES, SECONDS_BETWEEN_UPDATES = 10, 0.3
STALE = "workbook-stale"
STYLE = (
    f"<style>.{STALE} {{opacity: 0.35}} "
    ".noUi-handle:focus-visible {outline: 3px solid #006ba6}</style>"
)
"""How a picture looks that a knob has left behind, and a knob that has the focus."""
NAMES = """<script>
window.workbookNames ??= new MutationObserver(() => {
  for (const handle of document.querySelectorAll(".noUi-handle:not([aria-label])")) {
    const label = handle.closest(".widget-slider")?.querySelector(".widget-label");
    if (label) handle.setAttribute("aria-label", label.textContent.trim());
  }
});
window.workbookNames.observe(document.body, {childList: true, subtree: true});
</script>"""
"""Gives every slider the name that stands beside it, for whoever can't see that: a script, since
ipywidgets has no way to.
"""
COMPUTES = "What is drawn above is computed already; the rest is when you first ask, and then kept."
SETTLES = 0.1
"""Seconds in which a knob may be turned on before its picture is drawn."""
BATCH_TOOLS = {"papermill", "nbconvert", "jupyter-nbconvert", "jupyter-execute"}


def live() -> bool:
    """Whether a front end that shows widgets is there: a kernel that neither papermill nor
    nbconvert has started.
    """
    if "ipykernel" not in sys.modules:
        return False
    import psutil
    from IPython import get_ipython

    if getattr(get_ipython(), "kernel", None) is None:
        return False
    parent = psutil.Process().parent()
    words = parent.cmdline()[:3] if parent else []
    return not BATCH_TOOLS & {Path(word).name for word in words}


class Picture(Figure):
    """A figure that says in words what it shows, for whoever can't see it.

    says: its title, which stands beside the image in an executed notebook as its text; the report
    takes its alt from there.
    """

    says: str = ""

    def __repr__(self) -> str:
        return self.says

    def as_html(self) -> str:
        """The image with its alt."""
        from IPython.core.pylabtools import print_figure

        image = print_figure(self, "png", base64=True)
        return f'<img alt="{escape(self.says)}" src="data:image/png;base64,{image}">'


def progress(iterable: Iterable[T], total: int, desc: str) -> Iterator[T]:
    """Yield from `iterable`: a line in a front end that is rewritten in place and stays as what was
    done, in how long; elsewhere a line of text now and then.
    """
    if live():
        yield from _line_of_cell().follow(iterable, total, desc)
        return
    said = time.monotonic()
    for done, element in enumerate(iterable, 1):
        yield element
        if time.monotonic() - said > SECONDS_BETWEEN_LINES and done < total:
            said = time.monotonic()
            print(f"{desc}: {done} of {total}", flush=True)


@dataclass
class Line:
    """The line of a cell that tells of all work in it: text, so that a saved notebook reopens."""

    handle: Any
    began: float = field(default_factory=time.monotonic)
    done: int = 0

    def follow(self, iterable: Iterable[T], total: int, desc: str) -> Iterator[T]:
        """Yield from `iterable`, saying how far it is and about how long it goes on."""
        began = said = time.monotonic()
        self.say(f"{desc}: 0 of {total}")
        for n, element in enumerate(iterable, 1):
            yield element
            now = time.monotonic()
            if now - said > SECONDS_BETWEEN_UPDATES and n < total:
                said = now
                left = (now - began) / n * (total - n)
                self.say(f"{desc}: {n} of {total}, about {left:.0f} s left")
        self.done += 1
        pieces = f"{self.done} pieces of work, the last " if self.done > 1 else ""
        self.say(f"{pieces}{desc}: {total} of {total}; {time.monotonic() - self.began:.0f} s")

    def say(self, text: str) -> None:
        """Put a text in the place of the last one."""
        self.handle.update({"text/plain": text}, raw=True)


_lines: dict[int, Line] = {}


def _line_of_cell() -> Line:
    """The line of the cell that runs, made at its first work."""
    from IPython import get_ipython
    from IPython.display import display

    cell = get_ipython().execution_count
    if cell not in _lines:
        _lines.clear()
        _lines[cell] = Line(display({"text/plain": ""}, raw=True, display_id=True))
    return _lines[cell]


def explore(
    draw: Callable[..., Picture], live_only: dict[str, list] | None = None, **grid: list
) -> None:
    """Show `draw(**values)` over `grid`: its static twin, one picture of a few settings, always;
    then, in a front end, a live picture with a knob for each name of the grid.

    Each value of `grid` is the list of settings of one knob. live_only: further settings, which
    the live knobs alone offer as they take time to compute. Raises ValueError on an empty knob.
    """
    from IPython.display import display

    empty = [name for name, options in grid.items() if not options]
    if empty or not grid:
        raise ValueError(f"explore needs at least one setting for every knob; none for {empty}.")
    display(sheet([draw(**values) for values in shown(grid)]))
    if live():
        more = live_only or {}
        whole = {name: merged(options, more.get(name, [])) for name, options in grid.items()}
        start = {name: options[0] for name, options in grid.items()}
        named(knobs(draw, whole, start, COMPUTES if more else ""))


def named(box: Any) -> None:
    """Show live controls, whose sliders a screen reader then has names for."""
    from IPython.display import HTML, display

    display(HTML(NAMES))
    display(box)


def rewrite(draw: Callable[[str], Picture], text: str) -> None:
    """Show `draw(text)`, always; then, in a front end, a box in which the reader rewrites the
    text, with a button that draws it again.
    """
    from IPython.display import display

    display(draw(text))
    if live():
        display(editor(draw, text))


def editor(draw: Callable[[str], Picture], text: str):
    """The live box of `rewrite`: the text, a button, and the picture."""
    import ipywidgets

    box = ipywidgets.Textarea(
        text, description="your text", layout={"width": "95%", "height": "6em"}
    )
    button = ipywidgets.Button(description="draw again", button_style="primary")
    live_one = LivePicture(lambda: draw(box.value))
    button.on_click(lambda _: live_one.turn())
    return ipywidgets.VBox([box, button, *live_one.parts])


def merged(options: list, more: list) -> list:
    """Settings of a knob, each once; numbers in order."""
    union = list(dict.fromkeys([*options, *more]))
    return union if isinstance(union[0], str) else sorted(union)


def shown(grid: dict[str, list]) -> list[dict[str, Any]]:
    """The settings of the static twin: all when few, else evenly chosen, first and last in it."""
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if len(every) <= MOST_TWINS:
        return every
    last = len(every) - 1
    return [every[round(i * last / (MOST_TWINS - 1))] for i in range(MOST_TWINS)]


def sheet(figures: list[Picture]) -> Picture:
    """Several figures in one, narrow ones two in a row; a single one as it is."""
    import numpy as np
    from matplotlib import pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if len(figures) == 1:
        return figures[0]
    pictures = []
    for figure in figures:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pictures.append(np.asarray(canvas.buffer_rgba()))
    width = max(figure.get_figwidth() for figure in figures)
    height = max(figure.get_figheight() for figure in figures)
    columns = 2 if width <= NARROW else 1  # letters stay as large as in one figure
    rows = -(-len(pictures) // columns)
    shape = {"figsize": (columns * width, height * rows), "dpi": figures[0].dpi}
    whole, axes = plt.subplots(rows, columns, squeeze=False, FigureClass=Picture, **shape)
    whole.says = "; ".join(map(repr, figures))
    for ax in axes.flat:
        ax.axis("off")
    for ax, picture in zip(axes.flat, pictures, strict=False):
        ax.imshow(picture, interpolation="antialiased")
    whole.subplots_adjust(0, 0, 1, 1, wspace=0.01, hspace=0.01)
    plt.close(whole)  # shown where it is displayed, and not again at the end of the cell
    return whole


def knobs(
    draw: Callable[..., Picture], grid: dict[str, list], start: dict[str, Any], note: str = ""
):
    """The live box: one control a knob, each at its start, and the picture that follows them."""
    import ipywidgets

    controls = {}
    for name, options in grid.items():
        label = dict(description=name.replace("_", " "), style={"description_width": "initial"})
        label |= {"tooltip": label["description"], "value": start[name]}
        if isinstance(options[0], str):
            controls[name] = ipywidgets.Dropdown(options=options, **label)
        else:  # a slow picture is drawn when the knob is let go
            controls[name] = ipywidgets.SelectionSlider(
                options=options, continuous_update=False, layout={"width": "60%"}, **label
            )

    def drawn() -> Picture:
        return draw(**{name: control.value for name, control in controls.items()})

    live_one = LivePicture(drawn, note)
    for control in controls.values():
        control.observe(lambda _: live_one.turn(), names="value")
    live_one.redraw()
    return ipywidgets.VBox([*controls.values(), *live_one.parts])


class LivePicture:
    """A picture that is drawn anew when a control moves: meanwhile the old one greys and a line
    says so, the newest setting wins, and what fails is said.

    parts: the line and the picture, to be shown below each other. note: what the line says where
    there is nothing else to say.
    """

    def __init__(self, draw: Callable[[], Picture], note: str = ""):
        import ipywidgets

        self.draw, self.idle = draw, f"{STYLE}<i>{note}</i>"
        self.status, self.picture = ipywidgets.HTML(self.idle), ipywidgets.Output()
        self.parts = [self.status, self.picture]
        self.turned, self.took = 0, 0.0

    def turn(self) -> None:
        """Draw anew as soon as the kernel is free, unless a newer setting comes before."""
        self.turned += 1
        mine = self.turned
        about = f", about {self.took:.0f} s" if self.took > 1 else ""
        self.picture.add_class(STALE)
        self.status.value = f"{STYLE}<i>drawing what you set{about} ...</i>"
        soon(lambda: self.redraw() if mine == self.turned else None)

    def redraw(self) -> None:
        """Draw now."""
        began = time.monotonic()
        try:
            figure = self.draw()
        except Exception as error:  # nobody else would show it
            self.status.value = f"{STYLE}<b>{escape(f'{type(error).__name__}: {error}')}</b>"
            return
        self.took = time.monotonic() - began
        # set, and not displayed: what is drawn after the knob's message finds no output to go to
        data = {"text/plain": repr(figure), "text/html": figure.as_html()}
        self.picture.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)
        self.picture.remove_class(STALE)
        self.status.value = self.idle


def soon(function: Callable[[], None]) -> None:
    """Call a function once the messages that wait for the kernel are read; at once without one."""
    import asyncio

    try:
        asyncio.get_running_loop().call_later(SETTLES, function)
    except RuntimeError:
        function()


@dataclass
class Forecast:
    """The reader's forecast: None until it is locked, since a start value is nobody's guess."""

    value: float | None = None
    shown: list[tuple[Any, Callable[[], Figure]]] = field(default_factory=list)

    @property
    def row(self) -> dict[str, Any]:
        """Its row for `plots.forest`."""
        label = "your forecast" if self.value is not None else "your forecast: none was locked"
        return {"label": label, "kind": "forecast", "estimate": self.value}

    def reveal(self, draw: Callable[[], Figure]) -> None:
        """Show what `draw` draws, which reads this forecast, and show it anew once it is locked."""
        from IPython.display import display

        self.shown.append((display(draw(), display_id=True), draw))

    def lock(self, value: float) -> None:
        """Take a value for good, and draw what was revealed before anew."""
        self.value = value
        for handle, draw in self.shown:
            handle.update(draw())


def predict(question: str, low: float, high: float, default: float) -> Forecast:
    """The reader's forecast, before anything is shown; its `.value` is read later.

    In a front end a slider from `low` to `high`, and a button that locks it; elsewhere `default`,
    printed. Raises ValueError when `default` is outside the range.
    """
    if not low <= default <= high:
        raise ValueError(f"The forecast {default:g} is not between {low:g} and {high:g}.")
    if not live():
        print(f"{question} Forecast: {default:+g}")
        return Forecast(default)
    import ipywidgets

    forecast = Forecast()
    slider = ipywidgets.FloatSlider(
        default, min=low, max=high, step=(high - low) / 100, description="forecast"
    )
    button = ipywidgets.Button(description="lock my forecast", button_style="primary")

    def lock(_):
        slider.disabled = button.disabled = True
        button.description = "locked"
        forecast.lock(slider.value)

    button.on_click(lock)
    named(ipywidgets.VBox([ipywidgets.Label(question), slider, button]))
    return forecast


def check(attempt: Any, test: Callable[[Any], bool], hint: str) -> None:
    """Say at once whether an exercise's `attempt` passes `test`; never raises.

    None and ... are stubs, not yet attempted.
    """
    if attempt is None or attempt is ...:
        print("Not attempted yet.")
        return
    try:
        passed = bool(test(attempt))
    except Exception as error:  # a reader's attempt may be anything
        print(f"Not yet: {type(error).__name__}: {error}. {hint}")
        return
    print("Right." if passed else f"Not yet. {hint}")
