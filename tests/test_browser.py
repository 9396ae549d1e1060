"""Notebooks in a real JupyterLab in a real browser: they run, and their widgets redraw figures."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from helpers import ROOT
from helpers.run import saved

TINY = {
    "00_start_here": {},
    "01_abstention_loss": {"bases": "[0]", "n_pairs": "2", "doses": "[0, 1, 2]"},
    "03_sft_accuracy_trap": {"bases": "[0]", "n_items": "2", "dose": "1"},
}
MINUTES = 8
WATCH = """
window.greyed = false;
new MutationObserver(() => { window.greyed ||= !!arguments[0].querySelector('.workbook-stale'); })
    .observe(arguments[0], {subtree: true, attributes: true, childList: true});"""
LIVE_FIGURE = """
return [...document.querySelectorAll('.widget-vbox')].filter(
    box => box.querySelector('.noUi-handle') && box.querySelector('img')
        && !box.querySelector('.widget-vbox'))"""
EDITOR = """
return [...document.querySelectorAll('.widget-vbox')].filter(
    box => box.querySelector('textarea.widget-textarea, .widget-textarea textarea')
        && box.querySelector('.widget-button, button.jupyter-button'))[0]"""
OUTPUTS = """
const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
return JSON.stringify([...cells].filter(c => c.type === 'code').map(c => c.outputs.toJSON()))"""

REVEALED = """
const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
const own = [...cells].find(c => c.sharedModel.source.includes('guess.reveal('));
return JSON.stringify(own.outputs.toJSON())"""


def missing() -> str:
    """What the test lacks on this machine; empty when nothing."""
    lacking = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    return f"{' and '.join(lacking)} not installed (make test-setup)" if lacking else ""


def tiny_copy(name: str, folder: Path) -> None:
    """The notebook with parameters small enough for a test."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    (cell,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    for parameter, value in TINY[name].items():
        cell.source, n = re.subn(
            rf"^({parameter}: .*?= )[^#]*", rf"\g<1>{value}  ", cell.source, flags=re.M
        )
        assert n == 1, parameter
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The folder of this module: root/ with the tiny notebooks, what they write in run/."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "root").mkdir()
    for name in TINY:
        tiny_copy(name, folder / "root")
    return folder


@pytest.fixture(scope="module")
def lab(home):
    """The address of a notebook in a JupyterLab, by its name."""
    settings = home / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # every cell in the page, also those out of sight
    (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "WORKBOOK_RUN_DIR": str(home / "run"),
        "WORKBOOK_CACHE": str(home / "cache"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}"),
        *(f"--ServerApp.root_dir={home / 'root'}", saved.OPTION, "--expose-app-in-browser"),
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    with (home / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert server.poll() is None, (home / "lab.log").read_text()[-2000:]
            try:
                urllib.request.urlopen(f"{address}/api?token={token}", timeout=5)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield lambda name: f"{address}/lab/tree/{name}.ipynb?token={token}&reset"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def browser(home):
    """A headless Chromium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    flags = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1400,1600",
        f"--user-data-dir={home / 'profile'}",
    )
    for flag in flags:
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def wait(what: str, test, seconds: float = 180):
    """Wait until `test` gives something true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = test()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"waited {seconds:.0f} s for {what}")


def finished(browser) -> bool:
    """Whether the last cell has printed `complete`; a cell that failed fails the test at once."""
    outputs = [o for cell in json.loads(browser.execute_script(OUTPUTS)) for o in cell]
    errors = [o for o in outputs if o["output_type"] == "error"]
    assert not errors, errors[0]["traceback"]
    return any("complete" in "".join(o.get("text", "")).split() for o in outputs)


def run_all(browser, lab) -> None:
    """Open the notebook, run all its cells, and wait for its last line."""
    ready = (
        "return !!(window.jupyterapp?.shell?.currentWidget?.content?.model"
        " && window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel)"
    )
    browser.get(lab)
    wait("JupyterLab with a kernel", lambda: browser.execute_script(ready), 180)
    browser.execute_script("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    wait("the notebook to complete", lambda: finished(browser), MINUTES * 60)


def picture(browser, box) -> str:
    """The picture that a box shows, "" when there is none; in one step, as a redraw replaces it."""
    return browser.execute_script("return arguments[0].querySelector('img')?.src || ''", box)


def redrawn(browser, box, image: str) -> bool:
    """Whether the box shows another picture than `image`."""
    return picture(browser, box) not in ("", image)


def test_notebook_1_runs_in_jupyterlab_and_shows_what_its_reader_locks_and_sets(lab, browser, home):
    from selenium.webdriver.common.keys import Keys

    run_all(browser, lab("01_abstention_loss"))
    assert (home / "run" / "abstention_loss.json").exists()

    unlocked = browser.execute_script(REVEALED)
    assert "image/png" in unlocked
    (button,) = (
        one
        for one in browser.find_elements("css selector", ".jupyter-button")
        if one.text == "lock my forecast"
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    wait("the reveal with the forecast", lambda: browser.execute_script(REVEALED) != unlocked)
    assert button.text == "locked" and not button.is_enabled()

    box = wait("a knob with a figure", lambda: browser.execute_script(LIVE_FIGURE))[0]
    image = picture(browser, box)
    assert image.startswith("data:image/png")
    assert browser.execute_script("return arguments[0].querySelector('img').alt", box)
    handle = box.find_element("css selector", ".noUi-handle")
    every = browser.find_elements("css selector", ".noUi-handle")
    assert handle.accessible_name == box.find_element("css selector", ".widget-label").text
    assert len(every) > 1 and all(one.accessible_name for one in every)
    browser.execute_script(WATCH, box)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
    handle.send_keys(Keys.ARROW_LEFT)  # it starts at its author's setting, the largest
    wait("the figure to follow its knob", lambda: redrawn(browser, box, image))
    assert browser.execute_script("return window.greyed"), "the old figure greys meanwhile"
    assert not box.find_elements("css selector", ".workbook-stale")

    browser.execute_script("window.jupyterapp.commands.execute('docmanager:save')")
    file = home / "root" / "01_abstention_loss.ipynb"
    wait("the notebook to be saved", lambda: saved.SAID in file.read_text())
    assert saved.VIEW not in file.read_text() and "image/png" in file.read_text()
    browser.execute_script("window.jupyterapp.commands.execute('kernelmenu:shutdown')")
    browser.get(lab("01_abstention_loss"))
    wait("the notebook to reopen", lambda: saved.SAID in browser.page_source)
    assert "Error displaying widget" not in browser.page_source


@pytest.mark.parametrize(
    "name, text",
    [
        ("00_start_here", "Ann has 3 apples. Ann buys 4 apples. How many apples has Ann now?"),
        ("03_sft_accuracy_trap", "Ann 1 + 1 = 2. Ann 1 + 1 = 2. Ann 1 + 1 = 2."),
    ],
)
def test_a_box_shows_what_the_model_makes_of_the_reader_s_words(lab, browser, name, text):
    run_all(browser, lab(name))
    box = wait("the editor", lambda: browser.execute_script(EDITOR))
    field, button = (box.find_element("tag name", tag) for tag in ("textarea", "button"))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    wait("the first figure", lambda: redrawn(browser, box, ""))
    image = picture(browser, box)
    field.clear()
    field.send_keys(text + "\t")
    button.click()
    wait("the figure to follow the text", lambda: redrawn(browser, box, image))
    browser.execute_script("window.jupyterapp.commands.execute('kernelmenu:shutdown')")


if missing() and os.environ.get("CI") != "true":
    pytestmark = pytest.mark.skip(reason=missing())
