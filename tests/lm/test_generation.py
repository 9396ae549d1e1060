import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from helpers.lm import generation, models, steering
from helpers.lm.generation import (
    branched,
    first_token_probabilities,
    fitting,
    generate,
    pick,
    sample,
    tagged,
)
from helpers.world import scene


@pytest.fixture(scope="module")
def prompts(tiny_lm):
    rng = random.Random(0)
    return [tiny_lm.prompt(scene.story(rng, 1 + i % 4).text) for i in range(11)]


def by_transformers(lm, prompt, n):
    """Greedy ids of one prompt by transformers' own loop, unpadded."""
    ids = lm.tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
    mask = torch.ones_like(ids)
    out = lm.model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=n)
    return out[0, ids.shape[1] :].tolist()


def test_greedy_equals_transformers_generate(tiny_lm, prompts):
    ours = generate(tiny_lm, prompts, 12, batch_size=4)
    for prompt, completion in zip(prompts, ours, strict=True):
        out = by_transformers(tiny_lm, prompt, 12)
        assert completion.text == tiny_lm.tokenizer.decode(out, skip_special_tokens=True).strip()
        assert completion.n_tokens == len(out)
        assert completion.truncated == (out[-1] != tiny_lm.tokenizer.eos_token_id)


def test_rows_end_at_the_end_token_and_the_others_go_on(tiny_lm, prompts, monkeypatch):
    ids = [by_transformers(tiny_lm, prompt, 12) for prompt in prompts]
    stop = ids[0][3]
    monkeypatch.setattr(generation, "end_tokens", lambda lm: {stop})
    stopped = generate(tiny_lm, prompts, 12, batch_size=4)
    assert any(c.truncated for c in stopped) and not stopped[0].truncated
    for row, completion in zip(ids, stopped, strict=True):
        n = row.index(stop) + 1 if stop in row else 12
        expected = tiny_lm.tokenizer.decode(row[:n], skip_special_tokens=True).strip()
        assert (completion.text, completion.n_tokens) == (expected, n)
        assert completion.truncated == (stop not in row)


def test_a_sample_does_not_depend_on_neighbours_or_batch_size(tiny_lm, prompts):
    whole = generate(tiny_lm, prompts, 10, temperature=1.0, seed=3, batch_size=64)
    small = generate(tiny_lm, prompts, 10, temperature=1.0, seed=3, batch_size=2)
    alone = generate(tiny_lm, prompts[4:5], 10, temperature=1.0, seed=3)
    assert whole == small
    assert whole[4] == alone[0]
    assert whole != generate(tiny_lm, prompts, 10, temperature=1.0, seed=4)


def test_repeats_of_a_prompt_are_different_samples(tiny_lm, prompts):
    texts = [c.text for c in generate(tiny_lm, prompts[:1] * 8, 10, temperature=1.0)]
    assert len(set(texts)) > 1


def test_samples_follow_the_distribution():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]])).repeat(20_000, 1)
    u = torch.from_numpy(np.random.default_rng(0).random(20_000))
    drawn = torch.bincount(pick(logits, u, 1.0, 1.0), minlength=3) / 20_000
    assert drawn.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.015)
    nucleus = torch.bincount(pick(logits, u, 1.0, 0.7), minlength=3) / 20_000
    assert nucleus.tolist() == pytest.approx([0.625, 0.375, 0.0], abs=0.015)
    cold = torch.bincount(pick(logits, u, 0.5, 1.0), minlength=3) / 20_000
    assert cold.tolist() == pytest.approx([25 / 38, 9 / 38, 4 / 38], abs=0.015)


def test_a_model_in_training_is_sampled_as_it_is_with_its_end_tokens(tiny_path, monkeypatch):
    lm = models.load(str(tiny_path), "cpu", "float32")
    lm.model.get_output_embeddings().weight.data *= 30  # far from uniform
    lm.model.train()
    chats = [[{"role": "user", "content": text}] for text in ("Ann has 3 apples.", "Why?")]
    torch.manual_seed(0)
    prompts, replies = sample(lm, [chat for chat in chats for _ in range(2000)], 1)
    assert lm.model.training
    for i, chat in enumerate(chats):
        ids = lm.tokenizer(lm.prompt(chat), add_special_tokens=False)["input_ids"]
        assert prompts[2000 * i] == ids
        with torch.no_grad():
            p = lm.model(torch.tensor([ids])).logits[0, -1].softmax(-1).numpy()
        drawn = np.bincount(np.ravel(replies[2000 * i : 2000 * (i + 1)]), minlength=len(p))
        assert p.max() > 0.1 and (abs(drawn / 2000 - p) < 5 * (p / 2000) ** 0.5 + 0.002).all()
    stop = int(p.argmax())
    monkeypatch.setattr(generation, "end_tokens", lambda lm: {stop})
    for reply in sample(lm, chats * 50, 8)[1]:
        assert reply.index(stop) == len(reply) - 1 if stop in reply else len(reply) == 8


def test_nucleus_of_nothing_is_greedy():
    logits = torch.tensor([[0.1, 2.0, 1.0]])
    assert pick(logits, torch.tensor([0.999999]), 1.0, 1e-9).tolist() == [1]


def test_first_token_probabilities_are_the_model_s(tiny_lm, prompts):
    frame = first_token_probabilities(tiny_lm, prompts[0], k=5)
    ids = tiny_lm.tokenizer(prompts[0], add_special_tokens=False, return_tensors="pt").input_ids
    with torch.no_grad():
        p = tiny_lm.model(ids).logits[0, -1].softmax(-1)
    assert frame.probability.tolist() == pytest.approx(p.topk(5).values.tolist(), rel=1e-4)
    assert len(first_token_probabilities(tiny_lm, prompts[0], k=10**6)) == len(p)


def test_prompts_that_are_alike_are_read_once_and_sampled_apart(tiny_lm, prompts, monkeypatch):
    asked = [prompts[0], prompts[1], prompts[0], prompts[0]]
    alone = [generate(tiny_lm, asked, 12, 1.0, batch_size=1) for _ in range(2)]
    assert alone[0] == alone[1] and len({one.text for one in alone[0]}) > 2
    read, forward = [], tiny_lm.model.forward
    monkeypatch.setattr(
        tiny_lm.model, "forward", lambda **k: read.append(len(k["input_ids"])) or forward(**k)
    )
    assert generate(tiny_lm, asked, 12, 1.0) == alone[0]
    assert read[:2] == [2, 4]


def test_rows_that_begin_alike_are_a_family_by_hand():
    rows = [[1, 2, 3, 4, 9], [1, 2, 3, 5], [7, 8], [1, 2, 3, 4], [1, 6, 6, 6]]
    found = {tuple(sorted(members)): shared for members, shared in generation.families(rows)}
    assert found == {(0, 1, 3): 3, (2,): 1, (4,): 3}
    assert generation.families([[5], [5]]) == [([0, 1], 0)]


def test_a_question_is_read_once_for_all_its_dialogues_and_whole_where_a_hook_steers(
    tiny_lm, prompts, monkeypatch
):
    ends = [" Are you sure?", " It is 3.", " Everyone says that it is 3."]
    asked = [prompt + end for prompt in prompts[:4] for end in ends]
    alone = [generate(tiny_lm, [one], 8)[0] for one in asked]
    read, forward = [], tiny_lm.model.forward
    monkeypatch.setattr(
        tiny_lm.model, "forward", lambda **k: read.append(k["input_ids"].shape) or forward(**k)
    )
    assert generate(tiny_lm, asked, 8) == alone
    assert read[0][0] == 4 and read[1][0] == 12 and read[1][1] < read[0][1]
    read.clear()
    with steering.hooked(tiny_lm, 0, lambda hidden: hidden):
        assert generate(tiny_lm, asked, 8) == alone
    assert read[0][0] == 12 and all(shape[1] == 1 for shape in read[1:])


def test_bad_settings_are_refused_in_one_sentence(tiny_lm, prompts):
    with pytest.raises(ValueError, match="top_p"):
        generate(tiny_lm, prompts, 4, top_p=0.0)
    with pytest.raises(ValueError, match="Prompt 1 is empty"):
        generate(tiny_lm, [prompts[0], ""], 4)
    assert generate(tiny_lm, [], 4) == []


def test_the_first_branch_is_the_greedy_reply_and_each_opens_as_told(tiny_lm, prompts):
    found = branched(tiny_lm, prompts, 4, 12, batch_size=8)
    for prompt, branches, greedy in zip(
        prompts, found, generate(tiny_lm, prompts, 12), strict=True
    ):
        assert (branches[0].text, branches[0].n_tokens) == (greedy.text, greedy.n_tokens)
        table = first_token_probabilities(tiny_lm, prompt, 4)
        first = [b.probability[0] for b in branches]
        assert first == pytest.approx(table.probability.tolist(), rel=1e-5)  # float32, padded
        assert len({b.ids[0] for b in branches}) == 4
        assert branches[1].disparity[0] < 0 <= branches[0].disparity[0]


def test_a_lone_branch_is_the_first_of_several(tiny_lm, prompts):
    several, lone = branched(tiny_lm, prompts, 3, 12), branched(tiny_lm, prompts, 1, 12)
    for (first, *_), (alone,) in zip(several, lone, strict=True):
        assert (alone.text, alone.ids, alone.truncated) == (first.text, first.ids, first.truncated)
        assert alone.probability == pytest.approx(first.probability, abs=1e-5)
        assert alone.disparity == pytest.approx(first.disparity, abs=1e-5)


def test_probability_and_disparity_are_those_of_every_token(tiny_lm, prompts):
    branch = branched(tiny_lm, prompts[:1], 2, 8)[0][1]
    ids = tiny_lm.tokenizer(prompts[0], add_special_tokens=False)["input_ids"]
    whole = torch.tensor([[*ids, *branch.ids]])
    with torch.no_grad():
        p = tiny_lm.model(input_ids=whole).logits[0, len(ids) - 1 : -1].softmax(-1)
    top = p.topk(2).values
    gaps = (top[:, 0] - top[:, 1]).tolist()
    chosen = p[range(len(branch.ids)), list(branch.ids)].tolist()
    assert branch.probability == pytest.approx(chosen, abs=1e-5)
    assert len(branch.disparity) == len(branch.ids) == branch.n_tokens
    assert branch.disparity[1:] == pytest.approx(gaps[1:], abs=1e-5)
    assert branch.disparity[0] == pytest.approx(float(p[0, branch.ids[0]] - p[0].max()), abs=1e-5)


@pytest.mark.parametrize("k, n", [(0, 8), (2, 1)])
def test_branches_need_a_first_token_and_a_second(tiny_lm, prompts, k, n):
    with pytest.raises(ValueError, match="k >= 1 and max_new_tokens >= 2"):
        branched(tiny_lm, prompts, k, n)


def test_a_chain_between_words_gets_its_tags():
    said = "think\nAnn has 3.\nanswer\nThe answer is 3."  # s1.1, its special tokens not decoded
    assert tagged(said) == "<think>\nAnn has 3.\n</think>\nThe answer is 3."
    assert tagged("think\nAnn has") == "<think>\nAnn has"
    for as_it_is in ("I think\nso.\nanswer\n3", "<think> a </think> 3", "thinking\nit over"):
        assert tagged(as_it_is) == as_it_is


def test_rows_at_a_time_take_no_more_than_half_of_a_gpu(monkeypatch):
    config = SimpleNamespace(
        num_hidden_layers=2, num_key_value_heads=1, head_dim=8, intermediate_size=17
    )
    lm = SimpleNamespace(
        device="cuda", dtype="float32", model=SimpleNamespace(config=config)
    )  # 2 x 2 x 8 + 4 x 17 = 100 numbers of 4 bytes a token
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (60_000, 100_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 30_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 10_000)
    assert fitting(lm, 10, 64) == 10  # of 80,000 bytes half, 4,000 a row
    assert fitting(lm, 10, 8) == 8 and fitting(lm, 10_000, 64) == 1
    lm.device = "cpu"
    assert fitting(lm, 10_000, 64) == 64
