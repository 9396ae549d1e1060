"""Widgets: static twins in batch, live ones in a front end, checks that never raise."""

import base64
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from matplotlib import pyplot as plt
from nbclient import NotebookClient

from helpers.show import widgets


def picture(**values):
    figure, ax = plt.subplots(figsize=(3, 2), FigureClass=widgets.Picture)
    figure.says = f"shown: {values}"
    plt.close(figure)
    return figure


@pytest.fixture
def displayed(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


def test_progress_passes_everything_on_and_says_little(monkeypatch, capsys):
    assert list(widgets.progress(range(5), 5, "work")) == list(range(5))
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(widgets, "SECONDS_BETWEEN_LINES", -1)
    list(widgets.progress("ab", 2, "work"))
    assert capsys.readouterr().out == "work: 1 of 2\n"


def test_a_static_twin_shows_a_small_grid_whole_and_the_ends_of_a_large_one():
    small = {"dose": [0, 80], "share": [0.0, 0.3]}
    assert len(widgets.shown(small)) == 4
    large = widgets.shown({"dose": list(range(10)), "share": list(range(10))})
    assert len(large) == widgets.MOST_TWINS
    assert large[0] == {"dose": 0, "share": 0} and large[-1] == {"dose": 9, "share": 9}
    assert len({str(values) for values in large}) == widgets.MOST_TWINS


def test_without_a_front_end_explore_draws_the_twin_alone(displayed):
    drawn = []

    def draw(dose):
        drawn.append(dose)
        return picture(dose=dose)

    widgets.explore(draw, live_only={"dose": [99]}, dose=[0, 20, 80])
    assert drawn == [0, 20, 80]
    (figure,) = displayed
    assert len(figure.axes) == 4 and sum(bool(ax.images) for ax in figure.axes) == 3
    with pytest.raises(ValueError, match="at least one setting.*share"):
        widgets.explore(draw, dose=[0], share=[])


def test_with_a_front_end_explore_adds_knobs_with_the_settings_that_take_time(
    displayed, monkeypatch
):
    drawn = []

    def draw(dose):
        drawn.append(dose)
        return picture(dose=dose)

    monkeypatch.setattr(widgets, "live", lambda: True)
    widgets.explore(draw, live_only={"dose": [0, 40]}, dose=[80, 20])
    slider, status, _ = displayed[-1].children
    assert slider.options == (0, 20, 40, 80) and not slider.continuous_update
    assert slider.value == 80, "it starts where its author would"
    assert "when you first ask" in status.value
    slider.value = 40
    assert drawn == [80, 20, 80, 40]


def test_while_a_picture_is_drawn_the_old_one_greys_and_the_newest_setting_wins(
    displayed, monkeypatch
):
    drawn, waiting = [], []

    def draw(dose):
        drawn.append(dose)
        return picture(dose=dose)

    monkeypatch.setattr(widgets, "live", lambda: True)
    monkeypatch.setattr(widgets, "soon", waiting.append)
    widgets.explore(draw, dose=[0, 20, 80])
    slider, status, shown = displayed[-1].children
    drawn.clear()
    for dose in (20, 80):
        slider.value = dose
    assert widgets.STALE in shown._dom_classes and "drawing what you set" in status.value
    for function in waiting:
        function()
    assert drawn == [80] and widgets.STALE not in shown._dom_classes
    image = shown.outputs[0]["data"]["text/html"]
    assert "drawing" not in status.value and 'alt="shown: {&#x27;dose&#x27;: 80}"' in image


def test_a_picture_that_fails_says_so_beside_its_knob(displayed, monkeypatch):
    def draw(dose):
        if dose:
            raise ValueError("no <such> dose")
        return picture(dose=dose)

    monkeypatch.setattr(widgets, "live", lambda: True)
    box = widgets.knobs(draw, {"dose": [0, 1]}, {"dose": 0})
    box.children[0].value = 1
    assert "ValueError: no &lt;such&gt; dose" in box.children[1].value


def test_a_text_can_be_rewritten_and_is_drawn_again_on_demand(displayed, monkeypatch):
    drawn = []

    def draw(text):
        drawn.append(text)
        return picture(text=text)

    widgets.rewrite(draw, "Ann 5 + 3 = 8.")
    assert drawn == ["Ann 5 + 3 = 8."] and len(displayed) == 1  # its static twin, and no more
    monkeypatch.setattr(widgets, "live", lambda: True)
    widgets.rewrite(draw, "a")
    box, button, *_ = displayed[-1].children
    box.value = "b"
    assert drawn[-1] == "a"  # not at every letter
    button.click()
    assert drawn[-1] == "b"


def test_a_forecast_in_batch_is_the_parameter(capsys):
    assert widgets.predict("Change of recall?", -1, 1, -0.2).value == -0.2
    assert capsys.readouterr().out == "Change of recall? Forecast: -0.2\n"
    with pytest.raises(ValueError, match="forecast 3 is not between -1 and 1"):
        widgets.predict("Change of recall?", -1, 1, 3)


def test_a_forecast_in_a_front_end_counts_once_it_is_locked_and_then_the_reveal_is_drawn_anew(
    monkeypatch,
):
    shown, renewed = [], []
    handle = SimpleNamespace(update=renewed.append)
    monkeypatch.setattr("IPython.display.display", lambda it, **_: shown.append(it) or handle)
    monkeypatch.setattr(widgets, "live", lambda: True)
    forecast = widgets.predict("Change of recall?", -1, 1, -0.2)
    _, slider, button = shown[1].children
    assert slider.value == -0.2 and forecast.value is None, "a start value is nobody's forecast"
    forecast.reveal(lambda: forecast.row)
    assert shown[2]["label"] == "your forecast: none was locked" and shown[2]["estimate"] is None
    slider.value = 0.3
    button.click()
    assert forecast.value == 0.3 and slider.disabled and button.disabled
    assert renewed == [{"label": "your forecast", "kind": "forecast", "estimate": 0.3}]


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (None, "Not attempted yet."),
        (..., "Not attempted yet."),
        (4, "Right."),
        (0, "Not yet. Count again."),
        ("four", "Not yet: TypeError:"),
    ],
)
def test_a_check_answers_at_once_and_never_raises(attempt, said, capsys):
    widgets.check(attempt, lambda x: x + 1 == 5, "Count again.")
    assert capsys.readouterr().out.startswith(said)


def in_a_kernel(code):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=120, kernel_name="python3").execute()
    return book.cells[0].outputs


def test_progress_in_a_front_end_is_one_line_a_cell_that_stays_as_text():
    code = "from helpers.show import widgets; a = list(widgets.progress('ab', 2, 'one'))"
    (line,) = in_a_kernel(code)
    assert {**line.data} == {"text/plain": "one: 2 of 2; 0 s"}
    (line,) = in_a_kernel(f"{code}; b = list(widgets.progress('abc', 3, 'other'))")
    assert line.data["text/plain"] == "2 pieces of work, the last other: 3 of 3; 0 s"
    stopped = f"{code}; bar = widgets.progress('abc', 3, 'other'); next(bar); del bar"
    (line,) = in_a_kernel(stopped)
    assert line.data["text/plain"] == "other: 0 of 3", "work that stopped never says that it ended"


def test_live_needs_a_kernel():
    assert not widgets.live()
    code = "from helpers.show import widgets; print(widgets.live())"
    (out,) = in_a_kernel(code)
    assert out.text == "True\n"


def test_papermill_by_hand_is_a_batch_run(tmp_path):
    code = "from helpers.show import widgets; print(widgets.live())"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(book, tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-k", "python3"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (out,) = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[0].outputs
    assert out.text == "False\n"


def test_a_figure_is_shown_once_in_a_notebook():
    code = (
        "from helpers.show import pictures, widgets\n"
        "from helpers.show.look import Look\n"
        "import pandas as pd\n"
        "frame = pd.DataFrame({'story': 's', 'token': ['a', 'b'], 'probability': [.7, .3]})\n"
        "widgets.explore(lambda k: pictures.bars(frame.head(k), 'T', Look('c')),"
        " k=[1, 2])"
    )
    outputs = in_a_kernel("from helpers.show import widgets; widgets.live = lambda: False\n" + code)
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) == 1
    assert base64.b64decode(pictures[0].data["image/png"]).startswith(b"\x89PNG")
