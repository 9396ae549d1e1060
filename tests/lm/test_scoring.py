import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.lm import scoring
from helpers.lm.generation import Branch
from helpers.lm.scoring import (
    DECLINES,
    Scored,
    answer_logprobs,
    answer_span,
    choice_probabilities,
    decline_probability,
    span_confidence,
    span_probability,
)
from helpers.world import grammar, scene


def plain(lm, context, answer):
    """log p(answer | context) by one pass over the whole text, nothing shared, nothing padded."""
    space = context[len(context.rstrip(" ")) :]
    n = len(lm.tokenizer(context.rstrip(" "), add_special_tokens=False).input_ids)
    ids = lm.tokenizer(context.rstrip(" "), add_special_tokens=False).input_ids
    ids = ids + lm.tokenizer(space + answer, add_special_tokens=False).input_ids
    with torch.no_grad():
        p = lm.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(p[i - 1, ids[i]].item() for i in range(n, len(ids)))


def scores(lm, prompt, cuts, suffix, answers):
    """Of one `Scored`, whose contexts are a prompt, each of some cuts, and a suffix."""
    (found,) = answer_logprobs(lm, [Scored([prompt + cut + suffix for cut in cuts], answers)])
    return found


@pytest.fixture(scope="module")
def chain(tiny_lm):
    story = scene.story(random.Random(1), 5)
    cuts = [" ".join(["<think>", *story.chain[:i]]) for i in range(6)]
    return tiny_lm.prompt(story.text), cuts


SUFFIX = " </think> The answer is"
ANSWERS = ["3 apples.", "12", "I don't know.", "There is no way to know."]


@pytest.mark.parametrize("suffix", [SUFFIX, SUFFIX + " ", ""])
def test_equal_to_the_plain_way(tiny_lm, chain, suffix):
    prompt, cuts = chain
    ours = scores(tiny_lm, prompt, cuts, suffix, ANSWERS)
    expected = [[plain(tiny_lm, prompt + c + suffix, a) for a in ANSWERS] for c in cuts]
    assert ours.shape == (6, 4)
    assert np.abs(ours - np.array(expected)).max() < 1e-4
    assert np.ptp(ours[:, 0]) > 0.1  # the cuts do matter


def test_one_cut_and_unrelated_cuts_will_do(tiny_lm, chain):
    prompt, cuts = chain
    for some in (cuts[3:4], ["", "Ben 1 + 1 = 2.", cuts[2], "Ann 5 - 3 = 2. Ben"]):
        ours = scores(tiny_lm, prompt, some, SUFFIX, ANSWERS)
        expected = [[plain(tiny_lm, prompt + c + SUFFIX, a) for a in ANSWERS] for c in some]
        assert np.abs(ours - np.array(expected)).max() < 1e-4


def test_several_are_scored_as_each_alone(tiny_lm, chain):
    prompt, cuts = chain
    other = tiny_lm.prompt(scene.story(random.Random(4), 1).text)
    asked = [
        Scored([prompt + cut + SUFFIX for cut in cuts], ANSWERS),
        Scored([other + SUFFIX], ["3", "4 apples"]),
        Scored([other, prompt], ANSWERS[:1]),
    ]
    together = answer_logprobs(tiny_lm, asked)
    for one, found in zip(asked, together, strict=True):
        expected = [[plain(tiny_lm, c, a) for a in one.answers] for c in one.contexts]
        assert np.abs(found - np.array(expected)).max() < 1e-4
    assert answer_logprobs(tiny_lm, []) == []


def test_no_row_reaches_beyond_a_window_behind_another_s_longer_trunk(tiny_lm, chain, monkeypatch):
    prompt, cuts = chain
    long = Scored([prompt + cuts[-1] + SUFFIX], ["3"])
    wide = Scored([f"Ben {cuts[-1]}", "Ann has 3"], ["3"])
    lengths = []
    for one in (long, wide):
        trunk, rows = scoring._rows(tiny_lm, 0, one)
        lengths.append((len(trunk), max(len(row.tokens) for row in rows)))
    alone = max(map(sum, lengths))
    config = tiny_lm.model.config
    monkeypatch.setattr(config, "layer_types", ["sliding_attention"] * 2, raising=False)
    monkeypatch.setattr(config, "sliding_window", alone + 1, raising=False)
    assert max(n for n, _ in lengths) + max(n for _, n in lengths) > alone
    with pytest.raises(ValueError, match=f"attends over {alone + 1} tokens only"):
        answer_logprobs(tiny_lm, [long, wide])


def test_a_pass_holds_no_more_logits_than_fit(tiny_lm, chain, monkeypatch):
    rows = []
    hook = tiny_lm.model.model.embed_tokens.register_forward_hook(
        lambda module, args, out: rows.append(len(args[0]))
    )
    try:
        whole = scoring.token_logprobs(tiny_lm, chain[1])
        monkeypatch.setattr(scoring, "LOGITS", 1)
        alone = scoring.token_logprobs(tiny_lm, chain[1])
    finally:
        hook.remove()
    assert rows == [6, 1, 1, 1, 1, 1, 1]
    for one, other in zip(whole, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_answers_of_one_stem_share_a_line(tiny_lm, chain):
    prompt, cuts = chain
    answers = ["3 apples", "3 pens", "3", "4", "I don't know.", "I don't"]
    rows = []
    hook = tiny_lm.model.model.embed_tokens.register_forward_hook(
        lambda module, args, out: rows.append(len(args[0]))
    )
    try:
        ours = scores(tiny_lm, prompt, cuts[:2], SUFFIX, answers)
    finally:
        hook.remove()
    # stems: "3", none, "I don't know", "I"; for each of two cuts, after one row for the trunk
    assert rows == [1, 8]
    expected = [[plain(tiny_lm, prompt + c + SUFFIX, a) for a in answers] for c in cuts[:2]]
    assert np.abs(ours - np.array(expected)).max() < 1e-4


def test_token_logprobs_are_those_of_the_plain_way(tiny_lm, chain):
    text = chain[0] + chain[1][3]
    logp, short = scoring.token_logprobs(tiny_lm, [text, chain[0]])
    assert short == pytest.approx(logp[: len(short)], abs=1e-4)  # padding is not seen
    ids = tiny_lm.tokenizer(text, add_special_tokens=False).input_ids
    assert logp.shape == (len(ids) - 1,)
    words = text.split()
    ending = " ".join(words[:-1])
    tail = plain(tiny_lm, ending, " " + words[-1])
    n = len(ids) - len(tiny_lm.tokenizer(ending, add_special_tokens=False).input_ids)
    assert logp[-n:].sum() == pytest.approx(tail, abs=1e-4)


def test_the_rows_may_exceed_one_pass(tiny_lm, chain, monkeypatch):
    prompt, cuts = chain
    whole = scores(tiny_lm, prompt, cuts, SUFFIX, ANSWERS)
    monkeypatch.setattr(scoring, "ROWS", 5)
    assert np.abs(scores(tiny_lm, prompt, cuts, SUFFIX, ANSWERS) - whole).max() < 1e-4


def test_the_shared_prefix_is_run_once(tiny_lm, chain):
    prompt, cuts = chain
    tokens = []
    hook = tiny_lm.model.model.embed_tokens.register_forward_hook(
        lambda module, args, out: tokens.append(args[0].numel())
    )
    try:
        scores(tiny_lm, prompt, cuts, SUFFIX, ANSWERS[:1])
    finally:
        hook.remove()
    ids = tiny_lm.tokenizer([prompt + c + SUFFIX for c in cuts]).input_ids
    assert sum(tokens) < 0.5 * sum(map(len, ids))


def test_all_answers_of_one_token_sum_to_one(tiny_lm, chain):
    words = [tiny_lm.tokenizer.decode([i]) for i in range(len(tiny_lm.tokenizer))]
    ids = tiny_lm.tokenizer(words, add_special_tokens=False).input_ids
    words = [word for i, word in enumerate(words) if ids[i] == [i]]
    logp = scores(tiny_lm, chain[0], [""], "", words)
    assert 0.9 < np.exp(logp).sum() <= 1 + 1e-5


def test_decline_probability_is_the_sum_over_the_openings(tiny_lm, chain):
    rng = random.Random(2)
    stories = [scene.story(rng, 1 + i % 3).text for i in range(7)]
    prefixes = ["", "<think> </think> "] * 4
    pairs = zip(stories, prefixes[:7], strict=True)
    prompts = [tiny_lm.prompt(text, prefix) for text, prefix in pairs]
    unknown = tiny_lm.tokenizer.unk_token_id
    known = [d for d in DECLINES if unknown not in tiny_lm.tokenizer(d).input_ids]
    assert {"I don't know", "I can't", "There is no way"} <= set(known)
    expected = [sum(np.exp(plain(tiny_lm, p, d)) for d in known) for p in prompts]
    assert decline_probability(tiny_lm, prompts, batch_size=3) == pytest.approx(expected, rel=1e-3)


def test_no_opening_counts_another_s_replies():
    for a in DECLINES:
        assert not any(b.startswith(a) for b in DECLINES if b is not a)
    assert all(any(t.startswith(d) for d in DECLINES) for t in grammar.TEMPLATES["decline"])


def test_empty_answers_are_refused(tiny_lm, chain):
    with pytest.raises(ValueError, match="at least one token"):
        scores(tiny_lm, chain[0], [""], "", [""])


def ids_of(lm, text):
    return lm.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    "reply, answer, said",
    [
        ("<think> Ann 1 + 2 = 3. </think> Ann has 3 apples.", "3", ["3"]),
        ("Ann has 3 apples, so the answer is 3.", "3", ["3"]),  # the last one
        ("<think> Ann 1 + 2 = 3. </think> I don't know.", "3", []),  # in the chain only
        ("I don't know.", "", []),
        ("Ann has 13 apples.", "3", []),
    ],
)
def test_the_answer_span_is_the_last_block_after_the_chain(tiny_lm, reply, answer, said):
    ids = ids_of(tiny_lm, reply)
    span = answer_span(tiny_lm, ids, answer)
    assert tiny_lm.tokenizer.convert_ids_to_tokens(ids[span]) == said
    if said:
        assert span.start == len(ids) - 1 - ids[::-1].index(ids[span][0])


def test_a_number_inside_a_longer_one_is_no_answer_where_digits_are_tokens(monkeypatch):
    class Characters:
        """A tokenizer whose tokens are characters."""

        def __call__(self, text, add_special_tokens=False):
            return {"input_ids": list(map(ord, text))}

        def decode(self, ids):
            return "".join(map(chr, ids))

    lm = SimpleNamespace(tokenizer=Characters())
    text = "<think> 3 </think> He paid 13 for 3 pens and 30 more."
    span = answer_span(lm, list(map(ord, text)), "3")
    assert text[: span.stop].endswith("for 3") and text[span].strip() == "3"
    assert answer_span(lm, list(map(ord, "abc3 13 30")), "3") == slice(0, 0)


def test_span_confidence_is_the_mean_disparity_and_its_probability_the_product(tiny_lm):
    ids = tuple(ids_of(tiny_lm, "Ann has 3 apples."))
    p = (0.5, 0.6, 0.8, 0.6, 0.7)
    branch = Branch("", len(ids), False, ids, p, (0.1, 0.2, 0.7, 0.3, 0.4))
    assert span_confidence(tiny_lm, branch, "3") == 0.7
    assert span_probability(tiny_lm, branch, "3") == 0.8
    assert span_probability(tiny_lm, branch, "3 apples") == pytest.approx(0.8 * 0.6)
    assert span_confidence(tiny_lm, branch, "4") == span_probability(tiny_lm, branch, "4") == 0.0
    read = Branch("", len(ids), False, ids, np.array(p), np.array((0.1, 0.2, 0.7, 0.3, 0.4)))
    assert span_confidence(tiny_lm, read, "3 apples") == pytest.approx(0.5)  # as from a table
    assert span_probability(tiny_lm, read, "3 apples") == pytest.approx(0.8 * 0.6)


def test_a_number_that_begins_another_has_only_its_own_share():
    class Digits:
        """A tokenizer whose tokens are characters."""

        def __call__(self, text, add_special_tokens=False):
            return {"input_ids": list(map(ord, text))}

    lm = SimpleNamespace(tokenizer=Digits())
    # a first digit 1 has .9; .7 of all goes on to 12 and .1 to 13: the answer 1 itself has .1
    logp = np.log([[0.9, 0.7, 0.1, 0.1]])
    found = choice_probabilities(lm, logp, ["1", "12", "13", "5"])
    assert found == pytest.approx(np.array([[0.1, 0.7, 0.1, 0.1]]))


def test_numbers_that_are_one_token_keep_their_shares(tiny_lm):
    logp = np.log(np.array([0.2, 0.5, 0.1]))
    found = choice_probabilities(tiny_lm, logp, ["1", "12", "13"])
    assert found == pytest.approx(np.array([0.2, 0.5, 0.1]) / 0.8)
