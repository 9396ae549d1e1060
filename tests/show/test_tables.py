"""Tables and quotations: every letter is shown as it is, and numbers stand at one precision."""

import re

import pandas as pd

from helpers.show import plots
from helpers.show.look import Look
from helpers.show.tables import inert, quote, table


def shown(page):
    """What a reader sees of a page, and the places at which formulas could begin."""
    return re.sub(r"<[^>]+>", "|", page.data)


def test_tags_and_dollars_of_data_are_text():
    text = "<think> Ann pays $5 and gets $3 back. </think> <script>"
    page = quote(text).data
    assert "<think>" not in page and "<script>" not in page and "&lt;think&gt;" in page
    assert not re.search(r"\$[^<]", page), "a dollar sign shares its element with what follows"
    assert inert("a $ b") == "a <span>$</span> b"


def test_text_stands_left_and_numbers_right_at_one_precision():
    frame = pd.DataFrame(
        {
            "p_right": [0.5, 0.12345, None],
            "n": [1, 20, 3],
            "right": [True, False, True],
            "answers": [("3", "4"), (), ("<b>",)],
        }
    )
    page = table(frame)
    assert [cell for cell in shown(page).split("|") if cell] == [
        *("p right", "n", "right", "answers"),
        *("0.500", "1", "yes", "3, 4"),
        *("0.123", "20", "no"),
        *("3", "yes", "&lt;b&gt;"),
    ]
    assert page.data.count("text-align:right") == 2 * 4 and page.data.count("text-align:left") == 8


def test_an_index_with_a_name_stands_first_and_names_are_said_by_their_labels():
    look = Look(labels={"before": "the base", "ece": "calibration error"})
    frame = pd.DataFrame(
        {"arm": ["before", "my_reply"], "measure": ["ece"] * 2, "share": [0.25, 1]}
    )
    wide = frame.pivot(index="arm", columns="measure", values="share")
    for page in (table(wide, 2, look), table(wide.reset_index(), 2, look)):
        cells = [cell for cell in shown(page).split("|") if cell]
        assert cells == ["arm", "calibration error", "the base", "0.25", "my_reply", "1.00"]
    assert shown(table(frame[1:], look=look)).count("my_reply") == 1, "an index without a name"


def test_a_label_with_dollars_and_a_box_can_be_drawn():
    figure, (ax,) = plots.canvas(r"Ann pays $\boxed{5}$ and $3", "stamp")
    ax.set_title(r"$\frac{1}$")
    figure.canvas.draw()
    assert figure._suptitle.get_text() == r"Ann pays $\boxed{5}$ and $3"
