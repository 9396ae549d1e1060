"""A notebook is saved without its widgets, and with everything else."""

import copy

from helpers.run.saved import SAID, VIEW, without_widgets


def model(*outputs):
    cells = [{"cell_type": "markdown", "source": "a"}, {"cell_type": "code", "outputs": outputs}]
    content = {"cells": cells, "metadata": {"widgets": {"state": 1}, "kernelspec": {"name": "x"}}}
    return {"type": "notebook", "content": content}


def test_a_widget_becomes_a_line_of_text_and_nothing_else_changes():
    live = {"output_type": "display_data", "data": {VIEW: {"model_id": "1"}, "text/plain": "VBox"}}
    figure = {"output_type": "display_data", "data": {"image/png": "abc", "text/plain": "T"}}
    stream = {"output_type": "stream", "text": "complete"}
    saved = model(copy.deepcopy(live), copy.deepcopy(figure), copy.deepcopy(stream))
    without_widgets(model=saved, path="a.ipynb", contents_manager=None)
    found = saved["content"]["cells"][1]["outputs"]
    assert found[0]["data"] == {"text/plain": SAID} and found[1:] == (figure, stream)
    assert saved["content"]["metadata"] == {"kernelspec": {"name": "x"}}


def test_other_files_and_empty_ones_are_left_alone():
    for other in ({"type": "file", "content": "a"}, {"type": "notebook", "content": None}):
        kept = copy.deepcopy(other)
        without_widgets(model=other, path="a", contents_manager=None)
        assert other == kept
