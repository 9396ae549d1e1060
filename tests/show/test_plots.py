"""Figures: the numbers given are the numbers drawn, and every figure carries its stamp."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.statistics import Control, Interval

from helpers.findings.abstention_loss import published_slopes
from helpers.lab.record import published
from helpers.show import plots

STAMP = plots.stamp("pocket", "pocket", [0, 1, 2], 480, 240)


def texts(figure):
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()]


def interval_rows(**columns):
    return pd.DataFrame(columns).assign(
        low=lambda d: d.estimate - 0.1, high=lambda d: d.estimate + 0.1
    )


def outcome_frame():
    return pd.DataFrame(
        {
            "arm": ["before"] * 4 + ["reasoning_sft"] * 4,
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
    points = pd.DataFrame({"arm": ["before", "answer_sft"], "accuracy": [0.9, 0.8], "aoc": [1, 0]})
    steps = pd.DataFrame([[0.2, 0.8], [0.9, 0.1]], columns=["3", "8"], index=["(no step)", "s"])
    return {
        "curves": plots.curves(share, "share", "x", "y", "T", STAMP),
        "waterfall": plots.waterfall(parts, "y", "T", STAMP),
        "scatter": plots.scatter(points, "accuracy", "aoc", "T", STAMP),
        "heat": plots.heat({"before": steps, "answer_sft": steps}, "8", "T", STAMP),
        "slopes": plots.slopes(
            pd.DataFrame({"label": ["x"], "measure": ["recall"], "before": [0.7], "after": [0.4]}),
            "T",
            STAMP,
        ),
        "dose_response": plots.dose_response(dose, ["recall"], "T", STAMP),
        "compare": plots.compare(scenario, "scenario", "abstention recall", "T", STAMP),
        "forest": plots.forest(interval_rows(label=["ours"], estimate=[-0.2]), "x", "T", STAMP),
        "outcomes": plots.outcomes(outcome_frame(), "T", STAMP),
        "roc": plots.roc(curves, curves.iloc[[1]], "T", STAMP),
        "bars": plots.bars(tokens, "T", STAMP),
    }


@pytest.fixture(scope="module")
def drawn():
    return figures()


def test_every_figure_names_model_tier_seeds_and_n(drawn):
    for name, figure in drawn.items():
        said = " ".join(texts(figure)).replace("\n", " ")
        for part in ("model pocket", "tier pocket", "seeds 0, 1, 2", "n = 480"):
            assert part in said, f"{name}: no {part}"


def test_no_font_is_smaller_than_12_points(drawn):
    for name, figure in drawn.items():
        figure.canvas.draw()
        for text in figure.findobj(lambda a: hasattr(a, "get_fontsize")):
            if text.get_text() and text.get_visible():
                assert text.get_fontsize() >= 12, f"{name}: {text.get_text()!r}"


def test_no_figure_stays_open_to_be_shown_twice(drawn):
    assert not plt.get_fignums()


def test_a_dose_response_starts_at_before_and_draws_its_intervals(drawn):
    ax = drawn["dose_response"].axes[0]
    (line,) = [line for line in ax.lines if len(line.get_xdata()) == 3 and line.get_marker() == "o"]
    assert line.get_xdata().tolist() == [0, 10, 20]
    assert line.get_ydata().tolist() == [0.9, 0.6, 0.4]
    (bars,) = ax.collections
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert np.allclose(ends, [[0.8, 1.0], [0.5, 0.7], [0.3, 0.5]])


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
    rows = published_slopes(published("abstention_loss"))
    figure = plots.slopes(rows, "T", "S")
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


def test_the_controls_figure_counts_those_that_hold():
    checks = [
        Control("one", Interval(-0.3, -0.4, -0.2, 50), -1),
        Control("two", Interval(-0.1, -0.3, 0.1, 50), -1),
        Control("three", Interval(0.2, 0.1, 0.3, 50), -1),
    ]
    said = texts(plots.controls(checks, "difference", STAMP))
    assert "1 of 3 controls hold" in said and STAMP in " ".join(said).replace("\n", " ")
    assert {"one: holds", "two: fails in size", "three: fails"} <= set(said)


def test_a_reliability_diagram_counts_every_answer_zero_confidence_too():
    frame = pd.DataFrame(
        {
            "arm": "before",
            "confidence": [0.0, 0.0, 0.05, 0.95, 1.0],
            "correct": [0, 1, 0, 1, 1],
            "seed": 0,
            "item": range(5),
        }
    )
    (ax,) = plots.reliability(frame, "T", STAMP).axes
    assert [t.get_text() for t in ax.texts] == ["3", "2"]
    points = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]
    assert points == [pytest.approx([0.05 / 3, 1 / 3]), pytest.approx([0.975, 1.0])]


def test_risk_is_drawn_a_line_an_arm():
    table = pd.DataFrame(
        {
            "arm": ["before"] * 2 + ["damaged"] * 2,
            "coverage": [0.5, 1.0] * 2,
            "risk": [0.0, 0.2, 0.1, 0.4],
        }
    )
    (ax,) = plots.risk(table, "T", STAMP).axes
    assert [line.get_ydata()[-1] for line in ax.lines] == [0.2, 0.4]
