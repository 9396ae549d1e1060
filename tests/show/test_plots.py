"""Figures: the numbers given are the numbers drawn, and every figure carries its stamp."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.lab.claims import published
from helpers.show import pictures, plots
from helpers.show.look import GREY, MARKERS, PALETTE, Look

STAMP = "model pocket · tier pocket · bases 0, 1, 2 · seeds 0, 1 · n = 480 items an arm"
LOOK = Look(
    STAMP,
    {"reasoning_sft": "reasoning SFT", "answer_sft": "answer SFT", "recall": "abstention recall"},
    {"before": GREY, "reasoning_sft": PALETTE[3], "answer_sft": PALETTE[0]},
    {"recall": (0, 1)},
)


def texts(figure):
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()]


def interval_rows(**columns):
    """Rows with intervals and two bases each."""
    frame = pd.DataFrame(columns)
    bases = [{0: x - 0.05, 1: x + 0.05} for x in frame.estimate]
    return frame.assign(low=frame.estimate - 0.1, high=frame.estimate + 0.1, by_base=bases)


def dots(ax):
    """Where the small white dots of bases stand, as [x, y]."""
    white = [line for line in ax.lines if line.get_markerfacecolor() == "white"]
    return [list(map(float, point)) for line in white for point in line.get_xydata()]


def points(ax):
    """Where estimates stand that are drawn one by one, as [x, y]."""
    marked = [
        line
        for line in ax.lines
        if line.get_marker() in MARKERS.values() and len(line.get_xdata()) == 1
    ]
    return [line.get_xydata()[0].tolist() for line in marked if line.get_mfc() != "white"]


def outcome_frame():
    return pd.DataFrame(
        {
            "arm": ["before"] * 4 + ["reasoning_sft"] * 4,
            "base": 0,
            "seed": 0,
            "item": [0, 1, 2, 3] * 2,
            "should_abstain": [True, True, False, False] * 2,
            "outcome": [
                "abstained",
                "wrong",
                "right",
                "no_answer",
                "wrong",
                "wrong",
                "right",
                "right",
            ],
        }
    )


def figures():
    dose = interval_rows(
        arm=["before", "reasoning_sft", "reasoning_sft"],
        dose=[0, 10, 20],
        measure="recall",
        estimate=[0.9, 0.6, 0.4],
    )
    scenario = interval_rows(
        arm=["before", "before", "reasoning_sft", "reasoning_sft"],
        scenario=["stale", "subjective"] * 2,
        estimate=[0.9, 0.8, 0.5, 0.7],
    )
    curves = pd.DataFrame({"arm": "before", "false_declines": [0, 0.1, 1], "recall": [0, 0.8, 1]})
    tokens = pd.DataFrame({"story": "s", "token": ["I", "Ann"], "probability": [0.7, 0.2]})
    share = interval_rows(
        arm=["before", "before", "answer_sft", "answer_sft"],
        share=[0.0, 1.0] * 2,
        estimate=[0.5, 0.9, 0.7, 0.9],
    )
    parts = interval_rows(part=["length", "rest", "whole"], estimate=[-0.4, 0.1, -0.3])
    pair = pd.DataFrame({"arm": ["before", "answer_sft"], "accuracy": [0.9, 0.8], "aoc": [1, 0]})
    steps = pd.DataFrame([[0.2, 0.8], [0.9, 0.1]], columns=["3", "8"], index=["(no step)", "s"])
    return {
        "curves": plots.curves(share, "share", "x", "y", "T", LOOK),
        "waterfall": plots.waterfall(parts, "y", "T", LOOK),
        "scatter": plots.scatter(pair, "accuracy", "aoc", "T", LOOK),
        "heat": pictures.heat({"before": steps, "answer_sft": steps}, "8", "T", LOOK),
        "slopes": plots.slopes(
            pd.DataFrame({"label": ["x"], "measure": ["recall"], "before": [0.7], "after": [0.4]}),
            "T",
            LOOK,
        ),
        "dose_response": plots.dose_response(dose, ["recall"], "T", LOOK),
        "compare": plots.compare(scenario, "scenario", "abstention recall", "T", LOOK),
        "forest": plots.forest(interval_rows(label=["ours"], estimate=[-0.2]), "x", "T", LOOK),
        "outcomes": pictures.outcomes(outcome_frame(), "T", LOOK),
        "roc": pictures.roc(curves, curves.iloc[[1]], "T", LOOK),
        "bars": pictures.bars(tokens, "T", LOOK),
        "contrasts": plots.contrasts(
            interval_rows(label=["effect"], estimate=[0.2]), 0.1, "x", "T", LOOK
        ),
        "reliability": pictures.reliability(answered(), "T", LOOK),
        "declining": pictures.declining(answered().assign(decline=0.5), 0.5, 0.4, "T", LOOK),
        "selective": pictures.selective(
            pd.DataFrame({"coverage": [0.5, 1.0], "accuracy": [0.9, 0.7]}),
            pd.DataFrame({"label": ["t = .5"], **dict.fromkeys(SELECTIVE, [0.5])}),
            "T",
            LOOK,
        ),
        "risk": pictures.risk(
            pd.DataFrame({"arm": "before", "coverage": [0.5, 1.0], "risk": [0.0, 0.2]}), "T", LOOK
        ),
    }


SELECTIVE = [f"{name}{end}" for name in ("coverage", "accuracy") for end in ("", "_low", "_high")]


def answered():
    """Answers of one arm with their confidence."""
    return pd.DataFrame(
        {
            "arm": "before",
            "confidence": [0.0, 0.0, 0.05, 0.95, 1.0],
            "correct": [0, 1, 0, 1, 1],
            "base": 0,
            "seed": 0,
            "item": range(5),
        }
    )


@pytest.fixture(scope="module")
def drawn():
    return figures()


def test_every_figure_carries_its_stamp_and_the_names_that_people_read(drawn):
    for name, figure in drawn.items():
        said = " ".join(texts(figure)).replace("\n", " ")
        assert STAMP in said, f"{name}: no stamp"
        assert "_sft" not in said, f"{name}: a name from the code"


def test_no_font_is_smaller_than_12_points(drawn):
    for name, figure in drawn.items():
        figure.canvas.draw()
        for text in figure.findobj(lambda a: hasattr(a, "get_fontsize")):
            small = name == "reliability" and text.get_text().isdigit()  # counts stand close
            if text.get_text() and text.get_visible() and not small:
                assert text.get_fontsize() >= 12, f"{name}: {text.get_text()!r}"


def test_no_figure_stays_open_to_be_shown_twice(drawn):
    assert not plt.get_fignums()


@pytest.mark.parametrize("spread, says", [(0.02, True), (0.9, False)])
def test_an_axis_fits_what_is_drawn_and_says_where_the_measure_ends(spread, says):
    ends = {"low": np.nan, "high": np.nan, "by_base": None}
    table = pd.DataFrame({"arm": ["before", "other"], "scenario": "stale", **ends})
    table["estimate"] = [0.95, 0.95 - spread]
    figure = plots.compare(table, "scenario", "recall", "Title", LOOK)
    low, high = figure.axes[0].get_xlim()
    assert low <= 0.95 - spread and high >= 0.95 and 0.2 <= high - low <= max(0.3, 1.3 * spread)
    assert ("recall (of 0 to 1)" in texts(figure)) == says


def test_a_dose_response_starts_at_before_and_draws_its_intervals(drawn):
    ax = drawn["dose_response"].axes[0]
    (line,) = [
        line
        for line in ax.lines
        if len(line.get_xdata()) == 3 and line.get_marker() in MARKERS.values()
    ]
    assert line.get_xdata().tolist() == [0, 10, 20]
    assert line.get_ydata().tolist() == [0.9, 0.6, 0.4]
    bars = [line for line in ax.lines if line.get_marker() == "None" and line.get_xdata()[0] >= 0]
    ends = [list(map(float, line.get_ydata())) for line in bars if len(set(line.get_xdata())) == 1]
    assert np.allclose(ends, [[0.8, 1.0], [0.5, 0.7], [0.3, 0.5]])
    assert np.allclose(dots(ax)[:2], [[0, 0.85], [0, 0.95]]) and len(dots(ax)) == 6


def test_one_base_has_no_interval_and_no_further_dot():
    rows = interval_rows(label=["ours"], estimate=[0.2])
    rows = rows.assign(low=np.nan, high=np.nan, by_base=[{0: 0.2}])
    (ax,) = plots.forest(rows, "x", "T", LOOK).axes
    assert dots(ax) == []
    assert points(ax) == [[0.2, 0.0]]
    assert len([line for line in ax.lines if len(line.get_xdata()) == 2]) == 1  # zero's


def test_a_waterfall_s_bars_stand_where_the_last_one_ended(drawn):
    bars = drawn["waterfall"].axes[0].patches
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars]
    assert np.allclose(ends, [(0, -0.4), (-0.4, -0.3), (0, -0.3)])


def test_the_heat_map_writes_its_numbers_and_frames_the_right_answer(drawn):
    left, right = drawn["heat"].axes
    assert {"0.20", "0.80", "0.90", "0.10"} <= {t.get_text() for t in left.texts}
    (frame,) = left.patches
    assert frame.get_x() == 0.5 and frame.get_height() == 2
    assert right.get_yticklabels()[0].get_text() == ""


def test_outcomes_are_shares_of_each_kind_of_question(drawn):
    answerable, hidden = drawn["outcomes"].axes
    widths = {bar.get_width() for bar in answerable.patches}
    assert widths == {0.0, 0.5, 1.0}
    assert sum(bar.get_width() for bar in hidden.patches) == pytest.approx(2)  # two arms


def test_published_pairs_are_drawn_as_published():
    figures = published("abstention_loss").values("recall")[:2]
    ends = [{"before": f.before, "after": f.after} for f in figures]
    names = [{"label": f.setting, "measure": "recall"} for f in figures]
    rows = pd.DataFrame([name | end for name, end in zip(names, ends, strict=True)])
    figure = plots.slopes(rows, "T", LOOK)
    ends = [line.get_ydata() for line in figure.axes[0].lines]
    assert [list(map(float, end)) for end in ends] == [[0.668, 0.475], [0.731, 0.441]]
    assert {"0.67", "0.47", "0.73", "0.44"} <= set(texts(figure))


def test_labels_are_kept_apart_and_in_order():
    placed = plots.spread([0.5, 0.51, 0.9], 0.1)
    assert placed[1] - placed[0] >= 0.1 - 1e-9
    assert placed == sorted(placed)
    assert plots.spread([0.1, 0.9], 0.1) == [0.1, 0.9]


def test_titles_say_which_way_a_number_moved():
    assert plots.moves(0.9, 0.55) == "falls from 0.90 to 0.55"
    assert plots.moves(0.5, 0.6) == "rises from 0.50 to 0.60"
    assert plots.moves(0.501, 0.499) == "stays at 0.50"


@pytest.mark.parametrize(("equivalence", "marks"), [(False, [0.08]), (True, [-0.08, 0.08])])
def test_the_contrasts_figure_marks_zero_and_the_smallest_effect(equivalence, marks):
    rows = interval_rows(label=["effect", "keep"], kind=["effect", "contrast"], estimate=[0.2, 0.1])
    figure = plots.contrasts(rows, 0.08, "x", "T", LOOK, equivalence)
    (ax,) = figure.axes
    dashed = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == marks
    said = texts(figure)
    assert ("margin" if equivalence else "smallest effect of interest") in said
    assert {"+0.20", "+0.10", "effect", "keep"} <= set(said)


def test_a_reliability_diagram_counts_every_answer_zero_confidence_too():
    (ax,) = pictures.reliability(answered(), "T", LOOK).axes
    assert [t.get_text() for t in ax.texts] == ["3", "2"]
    assert points(ax) == [pytest.approx([0.05 / 3, 1 / 3]), pytest.approx([0.975, 1.0])]


def test_risk_is_drawn_a_line_an_arm():
    table = pd.DataFrame(
        {
            "arm": ["before"] * 2 + ["damaged"] * 2,
            "coverage": [0.5, 1.0] * 2,
            "risk": [0.0, 0.2, 0.1, 0.4],
        }
    )
    (ax,) = pictures.risk(table, "T", LOOK).axes
    assert [line.get_ydata()[-1] for line in ax.lines] == [0.2, 0.4]
