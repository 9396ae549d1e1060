"""Pretraining learns, can be killed and goes on as if it had not been."""

import dataclasses

import pytest
import torch
from transformers import AutoModelForCausalLM

from helpers.world import pretraining as p
from helpers.world.corpus import Corpus, mending

TINY = p.Schedule(
    width=32,
    layers=1,
    heads=2,
    intermediate=32,
    rounds=((2, 1.0), (2, 0.5)),
    lessons=0,
    review=0,
    temptation=0,
    batch_size=4,
    warmup_steps=1,
    checkpoint_every=2,
)


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    monkeypatch.setattr(
        p.shutil, "which", lambda name: None
    )  # compiling takes longer than these runs


def weights(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).state_dict()


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole = weights(p.pretrain(0, tmp_path / "whole", schedule=TINY))
    calls = []

    def killed(*args):
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return loss_of(*args)

    loss_of = p.loss_of
    monkeypatch.setattr(p, "loss_of", killed)
    with pytest.raises(KeyboardInterrupt):
        p.pretrain(0, tmp_path / "killed", schedule=TINY)
    assert not (tmp_path / "killed").exists()
    monkeypatch.setattr(p, "loss_of", loss_of)
    resumed = weights(p.pretrain(0, tmp_path / "killed", schedule=TINY))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_seeds_differ_and_a_checkpoint_of_another_corpus_is_not_gone_on_from(tmp_path, capsys):
    one, two = (weights(p.pretrain(seed, tmp_path / str(seed), schedule=TINY)) for seed in (0, 1))
    assert not torch.equal(one["model.embed_tokens.weight"], two["model.embed_tokens.weight"])
    checkpoint = tmp_path / "x.checkpoint"
    p.save_atomically({"step": 3, "made_by": p.made_by(Corpus(slip=0.5), TINY)}, checkpoint)
    assert p.resume(checkpoint, None, [], Corpus(), TINY) == 0
    assert "another corpus" in capsys.readouterr().out


def test_only_the_last_reply_is_learned_and_its_first_token_weighted():
    tokenizer = p.build_tokenizer()
    batch = next(p.batches(0, Corpus(dialogue=0.0, unanswerable=0.0), tokenizer, TINY))
    reply = tokenizer.convert_tokens_to_ids("<|assistant|>")
    for ids, weight in zip(batch["ids"].tolist(), batch["weight"].tolist(), strict=True):
        first = ids.index(reply) + 1
        assert not any(weight[:first])
        chained = tokenizer.convert_ids_to_tokens(ids[first]) == "<think>"
        corpus = Corpus()
        expected = (
            corpus.chain / corpus.chain_drawn
            if chained
            else (1 - corpus.chain) / (1 - corpus.chain_drawn)
        )
        assert weight[first] == pytest.approx(TINY.emphasis * expected)
        numbers = [
            w
            for i, w in zip(ids[first + 1 :], weight[first + 1 :], strict=True)
            if tokenizer.convert_ids_to_tokens(i).isdigit()
        ]
        assert set(numbers) <= {TINY.emphasis}


def test_it_learns():
    tokenizer = p.build_tokenizer()
    schedule = dataclasses.replace(
        TINY,
        rounds=((40, 1.0),),
        batch_size=8,
        warmup_steps=5,
        learning_rate=0.01,
        muon_learning_rate=0.02,
    )
    torch.manual_seed(0)
    model = p.build_model(tokenizer, schedule)
    opts = p.optimizers(model, schedule)
    losses = []
    for _, batch in zip(range(40), p.batches(0, Corpus(), tokenizer, schedule), strict=False):
        loss = p.loss_of(model, batch)
        loss.backward()
        for opt in opts:
            opt.step()
            opt.zero_grad()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_every_round_warms_up_to_its_own_peak_and_ends_near_zero():
    schedule = dataclasses.replace(TINY, rounds=((100, 1.0), (50, 0.5)), warmup_steps=10)
    rates = [p.rate(step, schedule) for step in range(schedule.steps)]
    assert rates[9] == 1.0 and rates[109] == 0.5
    assert rates[55] == pytest.approx(0.5)  # half-way down the first cosine
    assert rates[99] < 0.001 and rates[149] < 0.001
    assert schedule.steps == 150


def test_lessons_come_first_and_temptation_last_after_the_review():
    corpus, rounds = Corpus(), ((60, 1.0), (40, 0.5))
    schedule = p.Schedule(rounds=rounds, lessons=30, review=20, temptation=10)
    stages = [p.stage_at(step, corpus, schedule) for step in (0, 29, 30, 69, 70, 89, 90, 99)]
    names = ("lessons", "lessons", "", "", "review", "review", "temptation", "temptation")
    assert stages == [getattr(corpus, name)() if name else corpus for name in names]


def test_a_mended_base_is_the_other_gone_on_with_on_the_corpus_of_mending(tmp_path):
    corpus, mended = Corpus(), TINY.mended()
    assert mended.ends == [*TINY.ends, TINY.steps + 2]
    assert mended.ends[:-1] == TINY.ends and "mending" not in p.made_by(corpus, TINY)["schedule"]
    schedule = p.Schedule(rounds=((60, 1.0), (40, 0.5)), lessons=30, review=20, temptation=10)
    longer = schedule.mended()
    assert [p.stage_at(step, corpus, longer) for step in range(100)] == [
        p.stage_at(step, corpus, schedule) for step in range(100)
    ]
    assert [p.stage_at(step, corpus, longer) for step in (100, 139)] == [mending(corpus)] * 2
    short = p.pretrain(0, tmp_path / "short", schedule=TINY)
    model = AutoModelForCausalLM.from_pretrained(short, dtype=torch.float32)
    state = {
        "step": TINY.steps,
        "model": model.state_dict(),
        "optimizers": [opt.state_dict() for opt in p.optimizers(model, mended)],
        "made_by": p.made_by(corpus, mended),
    }
    p.save_atomically(state, tmp_path / "gone_on.checkpoint")
    gone_on = weights(p.pretrain(0, tmp_path / "gone_on", schedule=mended))
    whole = weights(p.pretrain(0, tmp_path / "whole", schedule=mended))
    assert all(torch.equal(whole[name], gone_on[name]) for name in whole)
    words = "model.embed_tokens.weight"
    assert not torch.equal(whole[words], model.state_dict()[words])
