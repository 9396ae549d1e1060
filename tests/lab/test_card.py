"""The replication card: published, forecast and measured side by side, and shown escaped."""

import html
import re
from math import nan

import pytest

from helpers.lab import card as cards
from helpers.lab import record
from helpers.lab.card import card, drawing, gates_table, lines
from helpers.lab.claims import published
from helpers.lab.record import Checked
from helpers.lab.verdicts import Gate, Verdict
from tests.records import change, example

CLAIM = published("abstention_loss")
KEEP = Checked(name="keep", told="the missing declines do it", value=change(estimate=0.2, low=0.1))


def test_the_card_sets_published_forecast_measured_and_verdict_side_by_side():
    shown = card(example())
    for text in (
        "1 · Abstention loss",
        "-24 points",
        "Forecast: -0.200",
        "-0.250 [-0.400, -0.100]",
        CLAIM.primary_label,
        "replicates",
        "All held.",
        "model <b>pocket</b>",
        "tier <b>pocket</b>",
        "bases 0, 1",
        "seeds 0, 1",
        "n = 120",
        "Deviation between bases over the smallest effect of interest: 0.88.",
    ):
        assert text in shown


def test_an_open_verdict_shows_what_would_decide_it():
    ruled = Verdict("inconclusive", "it is open", "about 20 bases (now 2) would decide it")
    shown = card(example(verdict=ruled))
    assert "It is open. About 20 bases (now 2) would decide it." in shown
    assert "Deviation between bases" not in shown and "nan" not in shown


def test_the_reference_stands_beside_a_run_of_fewer_bases(tmp_path):
    more = example(bases=[0, 1, 2, 3], primary=change(estimate=-0.11, low=-0.2, high=-0.02))
    (tmp_path / "1.json").write_text(more.model_copy(update={"complete": True}).model_dump_json())
    shown = card(example(), tmp_path)
    told = "Reference, 4 bases by 2 seeds, n = 120: -0.110 [-0.200, -0.020]. Its verdict: <b>repl"
    assert told in shown
    assert "reference: 4 bases" in drawing(example(), CLAIM, more)
    assert "Reference" not in card(more, tmp_path)


def test_the_card_escapes_all_that_a_model_could_have_written():
    evil = "<script>alert(1)</script>"
    ruled = {"label": evil, "reason": evil, "remedy": evil, "rival": evil}
    kept = KEEP.model_copy(update={"name": evil, "told": evil})
    gates = [Gate(evil, 1, 0)]
    shown = card(
        example(
            model=evil, tier=evil, verdict=ruled, gates=gates, contrasts=[kept], attribution=[kept]
        )
    )
    assert "<script" not in shown and shown.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 6


def test_a_failed_gate_leaves_no_number_to_read(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBOOK_RUN_DIR", str(tmp_path))
    written = example(gates=[Gate("accuracy", 0.3, 0.4), Gate("items", 60, 50)], contrasts=[KEEP])
    shown = card(record.read(record.write(written)))
    assert "Gate, accuracy: 0.300, at least 0.4 asked: failed" in shown
    assert "Gate, items: 60.000, at least 50 asked: passed" in shown
    assert "no interval, as a gate failed" in shown
    assert "<svg" not in shown and "-0.250" not in shown


def test_replies_that_were_cut_off_are_named_with_what_would_change_it():
    assert "max_new_tokens" not in card(example())
    many = example().model_copy(
        update={"cut_off": {"reasoning_sft": 0.25}, "parameters": {"max_new_tokens": 96}}
    )
    assert "reasoning sft 25%. Raise max_new_tokens (now 96)." in card(many)


def test_a_table_of_gates_leaves_long_names_whole():
    name = "P(decline) of answerable items at the start: what is not sampled can't be reinforced"
    table = gates_table([Gate(name, 0.01, 0.02)]).to_html()
    assert html.unescape(table).count(name) == 1 and "0.010" in table and "False" in table


def places(svg, tag, attribute):
    """An attribute of every element of a kind, as numbers."""
    return [float(n) for n in re.findall(rf'<{tag} [^>]*?\b{attribute}="([-\d.]+)"', svg)]


def test_the_drawing_has_the_effect_its_bases_and_all_that_could_sink_it():
    svg = drawing(example(contrasts=[KEEP], attribution=[KEEP]), CLAIM)
    assert svg.count("<circle") == 6  # two bases in each of three rows
    assert svg.count(">published<") == svg.count(">δ<") == svg.count(">0<") == 1
    zero, delta, size = (places(svg, "text", "x")[i] for i in range(3))
    assert zero < delta < size  # a published fall is to the right
    effect = places(svg, "circle", "cx")[:2]
    assert all(zero < x for x in effect) and effect[0] < effect[1]
    expected = zero + (size - zero) / 0.24 * 0.2
    assert effect[0] == pytest.approx(expected, abs=0.2)
    assert "keep: the missing declines do it" in svg


def test_the_drawing_leaves_out_what_is_undefined():
    alone = change(low=nan, high=nan, by_base={0: -0.25})
    svg = drawing(example(primary=alone), CLAIM)
    assert svg.count("<circle") == 1 and "nan" not in svg
    nowhere = change(estimate=nan, low=nan, high=nan, by_base={0: nan})
    assert "<circle" not in drawing(example(primary=nowhere), CLAIM)


def test_a_claim_of_no_difference_has_its_margin_on_both_sides():
    svg = drawing(example(finding="sycophancy", delta=0.1), published("sycophancy"))
    assert svg.count(">δ<") == svg.count(">−δ<") == 1


def test_a_published_size_that_was_read_about_is_marked():
    svg = drawing(example(finding="rlsf_repair"), published("rlsf_repair"))
    assert svg.count(">~published<") == 1


def test_lines_of_a_figure_are_oriented_by_the_claim():
    rows = lines(example(contrasts=[KEEP], attribution=[KEEP]))
    assert rows["kind"].tolist() == ["effect", "contrast", "attribution"]
    assert rows.estimate.tolist() == [0.25, 0.2, 0.2]  # checks are oriented already
    assert rows.by_base[0] == {0: 0.2, 1: 0.3}
    assert rows.label.tolist() == [CLAIM.primary_label] + ["keep: the missing declines do it"] * 2


def test_every_label_of_a_verdict_has_a_colour_and_long_labels_are_cut():
    labels = {"replicates", "explained otherwise", "does not replicate", "inconclusive"}
    assert set(cards.COLOURS) == labels
    assert cards.short("x" * 50) == "x" * 39 + "…" and cards.short("short") == "short"
