"""Notebook 0: the map, the words that a model knows, and simulated experiments by the rule."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from helpers.findings import start_here as finding
from helpers.lab import record
from helpers.lab.claims import claims
from helpers.lab.record import Record, Ruled, Value
from helpers.show.look import Look


def test_the_map_lists_claim_what_was_measured_and_the_smallest_effect():
    page = finding.the_map()
    for claim in claims().values():
        assert claim.title in page and f"{claim.primary_label}: " in page
    assert "change of abstention recall: 0.08" in page
    assert "0.13 times what it was before training" in page
    assert "within ±0.1" in page


def test_the_opening_figure_shows_both_models_in_six_kinds_of_question():
    (ax,) = finding.published_falls().axes
    assert len(ax.get_yticklabels()) == 6
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "Llama-3.3-70B",
        "Qwen2.5-32B",
    ]


def test_words_that_a_model_never_learned_are_named(tiny_lm):
    question = "Ann has 7 <zebras>. Ann buys 2 quarks. How many zebras does Ann have?"
    assert finding.unknown_words(tiny_lm.tokenizer, question) == ["<", "zebras", ">", "quarks"]
    said = finding.ask(tiny_lm, question)
    assert "&lt;, zebras, &gt;, quarks." in said and "<zebras>" not in said
    assert "Unknown" not in finding.ask(tiny_lm, "How many apples does Ann have now?")


def test_a_question_of_one_s_own_shows_reply_chain_and_first_tokens_and_what_is_unknown(tiny_lm):
    figure = finding.asked(tiny_lm, "How many $ zebras does Ann have?", Look("stamp"))
    (ax,) = figure.axes
    for words in ("How many $ zebras", "→ ", "with a chain opened: → <think>", "blank there: $, z"):
        assert words in ax.get_title(), words
    assert len(ax.patches) == 5 and figure.says.startswith("It opens with ")


def test_a_pair_holds_the_same_words_and_the_moved_ones_are_marked():
    pair = finding.stories(3)
    assert pair == finding.stories(3) != finding.stories(4)
    texts = [pair["answerable"].text, pair["unanswerable"].text]
    assert sorted(texts[0].split()) == sorted(texts[1].split())
    assert "<b>" in finding.marked(*texts) and "<b>" not in finding.marked(texts[0], texts[0])


def test_first_tokens_of_both_stories_side_by_side(tiny_lm):
    figure = finding.first_tokens(tiny_lm, finding.stories(0), "title", Look("stamp"))
    assert len(figure.axes) == 2


def test_the_same_seed_gives_the_same_numbers_and_more_bases_come_after():
    one, same, other = (finding.drawn("real", 5, 0.7, seed, 3) for seed in (1, 1, 2))
    assert one.shape == (3, 4, 5)
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert np.array_equal(finding.drawn("real", 8, 0.7, 1, 3)[..., :5], one)
    assert finding.simulated("real", 5, 0.7, 1) == finding.simulated("real", 5, 0.7, 1)


def test_draws_have_the_means_and_the_deviation_that_were_asked_for():
    values = finding.drawn("rival", 4, 0.7, 0, 5000)
    assert values.mean(axis=(0, 2)) == pytest.approx([0.2, 0.2, 0.2, 0.0], abs=0.003)
    assert values.std(axis=(0, 2)) == pytest.approx([0.07] * 4, rel=0.03)


def test_an_unknown_effect_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="Unknown effect 'large'; known are: null, real, rival"):
        finding.power("large", 8, 0.7)


@pytest.mark.parametrize("effect", finding.EFFECTS)
def test_many_labels_at_once_are_those_of_the_rule(effect):
    for seed in range(12):
        for bases, deviation in ((1, 0.7), (2, 0.3), (4, 0.7), (8, 1.2)):
            values = finding.drawn(effect, bases, deviation, seed)
            ruled = finding.simulated(effect, bases, deviation, seed).verdict.label
            assert finding.labels(values).tolist() == [ruled]


def test_eight_bases_tell_at_a_deviation_of_seven_tenths():
    for effect in finding.EFFECTS:
        assert finding.power(effect, 8, 0.7, times=400) >= 0.8


def test_power_grows_with_bases_and_falls_with_the_deviation():
    for effect in ("null", "real", "rival"):
        by_bases = [finding.power(effect, n, 0.7, times=400) for n in (2, 4, 8, 12)]
        by_deviation = [finding.power(effect, 5, d, times=400) for d in (0.3, 0.7, 1.2)]
        assert by_bases == sorted(by_bases)
        assert by_deviation == sorted(by_deviation, reverse=True)


def test_the_exercise_has_one_answer_and_it_is_the_one_told():
    def fewest(effect):
        return next(n for n in finding.MANY_BASES if finding.power(effect, n, 0.7) >= 0.8)

    assert (fewest("null"), fewest("real")) == (7, 4)


def test_a_null_is_almost_never_said_to_replicate():
    assert (finding.labels(finding.drawn("null", 3, 0.7, 0, 4000)) == "replicates").mean() < 0.005


def test_the_first_rule_left_most_nulls_open():
    """Three trainings resampled give an interval from the lowest to the highest of them."""
    effect, *controls = finding.drawn("null", 3, 0.7, 0, 20000).transpose(1, 0, 2)
    against = effect.max(axis=1) <= 0
    failed = (np.stack(controls).mean(axis=2) <= 0).any(axis=0)
    open_ = ~against & (failed | (effect.mean(axis=1) <= 0))
    assert open_.mean() == pytest.approx(0.81, abs=0.01)


def test_the_figure_of_experiments_tells_labels_and_what_would_decide():
    figure = finding.draw_experiments(2, repetition=5)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert figure.get_suptitle() == "2 bases: 0 of 4 experiments earn the right label"
    assert "no effect: inconclusive\nabout 8 bases (now 2) would decide it" in words
    assert sum("strongest rival" in text for text in words) == 2


def test_the_figure_of_power_says_how_many_bases_it_takes():
    figure = finding.draw_power(0.7, 8)
    assert isinstance(figure, Figure) and len(figure.axes) == 2
    assert "it takes 7 bases" in figure.get_suptitle()
    assert "more than 12 bases" in finding.draw_power(1.2, 8).get_suptitle()
    for ax in figure.axes:
        words = [text.get_text() for text in ax.texts]
        assert "80 %" in words and "no effect:\ndoes not replicate" in words


def test_records_that_can_be_read_are_listed_and_others_passed_over(tmp_path, monkeypatch):
    assert "No record by this rule" in finding.known_records(tmp_path)
    (tmp_path / "old.json").write_text('{"finding": "sycophancy", "verdict": "direction only"}')
    assert "No record by this rule" in finding.known_records(tmp_path)
    monkeypatch.setenv("WORKBOOK_RUN_DIR", str(tmp_path))
    for name, deviation in (("abstention_loss", 0.654), ("rlsf_repair", float("nan"))):
        ruled = Ruled(label="does not replicate", reason="nothing", deviation=deviation)
        change = Value(measure="m", arm="a", estimate=-0.3, low=-0.5, high=-0.1, n=9)
        known = {"primary": change, "delta": 0.1} if name == "abstention_loss" else {}
        about = {"finding": name, "tier": "pocket", "model": "pocket", "bases": [0, 1]}
        record.write(Record(**about, verdict=ruled, **known))
    page = finding.known_records(tmp_path)
    for cell in (
        "abstention loss",
        "-3.00",
        "0.65",
        "rlsf repair",
        "unknown",
        "does not replicate",
    ):
        assert f">{cell}</td>" in page
    assert "sycophancy" not in page
