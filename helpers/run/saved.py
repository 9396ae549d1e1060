"""What JupyterLab saves of a notebook: all but its widgets, which only live with their kernel and
would reopen as errors.
"""

from __future__ import annotations

from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
SAID = "A live control was here: run this cell to have it again."
OPTION = "--ContentsManager.pre_save_hook=helpers.run.saved.without_widgets"
"""Of `jupyter lab`, to save so."""


def without_widgets(model: dict[str, Any], **about: Any) -> None:
    """Take the widgets out of a notebook that is about to be saved, as a contents manager's
    `pre_save_hook`; about: what Jupyter says besides.
    """
    if model["type"] != "notebook" or not model.get("content"):
        return
    book = model["content"]
    book.get("metadata", {}).pop("widgets", None)
    for cell in book["cells"]:
        for output in cell.get("outputs", []):
            if output.get("data", {}).pop(VIEW, None) is not None:
                output["data"]["text/plain"] = SAID
