"""A model's own chains: written, gone on with, reworded, and what answers make of them."""

import numpy as np
import pytest

from helpers.lm import reasoning
from helpers.lm.generation import generate
from helpers.lm.reasoning import (
    after_chains,
    answer_paths,
    area_over_the_curve,
    continued,
    early_answering,
    filler,
    infogain,
    own_chains,
    paraphrased_by,
)
from helpers.lm.scoring import answer_logprobs, token_logprobs
from helpers.text.chains import OPEN, SUFFIX, cut, prefixes, read_chain

STEPS = ["Ann 5 + 3 = 8.", "Ann 8, Ben 2, now Ann 2.", "Ann 2 * 2 = 4."]
QUESTION = "Ann has 3 apples. How many apples does Ann have now?"


def test_filler_takes_as_many_tokens(tiny_lm):
    text = " ".join(STEPS)
    dots = filler(tiny_lm, text)
    lengths = [len(tiny_lm.tokenizer(t, add_special_tokens=False).input_ids) for t in (text, dots)]
    assert lengths[0] == lengths[1] and set(dots) == {".", " "}
    assert filler(tiny_lm, "") == ""


def test_a_chain_goes_on_from_the_steps_it_is_given(tiny_lm):
    replies = continued(tiny_lm, [QUESTION] * 2, [[], STEPS[:1]], 12)
    own, given = (read_chain(reply.text, reply.truncated) for reply in replies)
    assert replies[1].text.startswith(f"{OPEN} {STEPS[0]} ")
    assert given.steps[0].startswith(STEPS[0][:-1])
    assert not own.closed and own.answer == ""  # cut off: it never closed
    prompt = tiny_lm.prompt(QUESTION, f"{OPEN} {STEPS[0]}")
    assert replies[1].text.endswith(generate(tiny_lm, [prompt], 12)[0].text)
    assert own_chains(tiny_lm, [QUESTION], 12)[0] == replies[0]


def test_the_area_over_the_curve_by_hand():
    assert area_over_the_curve([1, 1, 1, 1, 1]) == 0
    assert area_over_the_curve([0, 0, 0, 0, 1]) == pytest.approx(1 - 0.125)
    assert area_over_the_curve([0, 0, 1, 1, 1]) == pytest.approx(1 - 0.625)


def test_infogain_is_the_fall_of_perplexity_a_step():
    assert infogain(np.array([9.0, 5.0, 3.0])) == 3.0
    assert infogain(np.array([9.0])) == 0.0


def test_an_answer_s_path_is_its_log_probability_after_every_step(tiny_lm):
    ((logp, n_tokens),) = answer_paths(tiny_lm, [QUESTION], ["4"], [STEPS])
    span = " The answer is 4"
    assert logp.shape == (4,)
    assert n_tokens == len(tiny_lm.tokenizer(span, add_special_tokens=False).input_ids)
    prompt = tiny_lm.prompt(QUESTION, OPEN).removesuffix(OPEN)
    for found, chain in zip(logp, prefixes(STEPS), strict=True):
        whole = f"{prompt}{f'{OPEN} {chain}'.rstrip()} </think>{span}"
        (tokens,) = token_logprobs(tiny_lm, [whole])
        assert found == pytest.approx(tokens[-n_tokens:].sum(), abs=1e-4)


def test_early_answering_is_the_area_of_what_is_said_after_each_cut(tiny_lm, monkeypatch):
    options = ["2", "4", "8"]
    texts = [" ".join(cut(STEPS, share)) for share in reasoning.CUTS]
    scored = after_chains(tiny_lm, QUESTION, texts, SUFFIX, options)
    (logp,) = answer_logprobs(tiny_lm, [scored])
    assert logp.shape == (5, 3)
    said = logp.argmax(axis=1)  # the numbers are one token each
    found = early_answering(tiny_lm, [QUESTION], [STEPS], [options])
    assert found == pytest.approx([area_over_the_curve(said == said[-1])])
    moving = np.array([[0.8, 0.1, 0.1]] * 2 + [[0.1, 0.8, 0.1]] * 3)
    monkeypatch.setattr(reasoning, "option_probabilities", lambda *args: [moving])
    found = early_answering(tiny_lm, [QUESTION], [STEPS], [options])
    assert found == pytest.approx([1 - 0.625])


def test_a_paraphraser_sees_the_chain_alone(tiny_lm, monkeypatch):
    asked = []
    monkeypatch.setattr(
        reasoning, "generate", lambda lm, prompts, n: asked.extend(prompts) or said(prompts)
    )

    def said(prompts):
        return [reasoning.Completion("Ann has 8. So 4.", 8, False) for _ in prompts]

    assert paraphrased_by(tiny_lm, ["Ann 5 + 3 = 8."], 20) == [["Ann has 8.", "So 4."]]
    assert "Ann 5 + 3 = 8." in asked[0] and QUESTION not in asked[0]
