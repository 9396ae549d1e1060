import errno
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from helpers.lm import models
from helpers.lm.generation import generate
from helpers.train import arms as training
from helpers.train import recipes
from helpers.train.arms import arm_key, checkpoints, train
from helpers.train.recipes import RECIPES, Recipe, encode, examples

SFT = replace(RECIPES["answer_sft"], batch_size=4, learning_rate=3e-3, steps=4)


def weights(name):
    return torch.cat([p.flatten() for p in models.load(name, "cpu", "float32").model.parameters()])


@pytest.fixture
def model(tiny_path, cache):
    return str(tiny_path)


def test_doses_are_points_of_one_run_and_cached(model, monkeypatch):
    arms = checkpoints(model, SFT, 0, [0, 2, 4])
    assert arms[0] == model
    start, two, four = (weights(arms[dose]) for dose in (0, 2, 4))
    assert not torch.equal(start, two) and not torch.equal(two, four)
    assert models.load(arms[4]).name.endswith("tiny + answer_sft")
    monkeypatch.setattr(training, "_run", None)  # whatever is asked now must come from the cache
    assert checkpoints(model, SFT, 0, [4, 2]) == {4: arms[4], 2: arms[2]}
    assert torch.equal(weights(str(train(model, SFT, 0).model.name_or_path)), four)


def test_early_doses_of_a_larger_run_are_kept_for_who_asks_later(model, monkeypatch):
    monkeypatch.setitem(recipes.KEPT, SFT.name, (1, 3, 9))
    checkpoints(model, SFT, 0, [4])
    with monkeypatch.context() as patch:
        patch.setattr(training, "_run", None)
        one, three, four = (weights(d) for d in checkpoints(model, SFT, 0, [1, 3, 4]).values())
    assert not torch.equal(one, three) and not torch.equal(three, four)
    asked = []
    monkeypatch.setattr(training, "_run", lambda *a: asked.extend(a[3]))
    checkpoints(model, SFT, 0, [6])
    assert asked == [6]  # 9 is beyond


def test_a_smaller_dose_is_the_beginning_of_a_larger_run(model, monkeypatch, tmp_path):
    along = weights(checkpoints(model, SFT, 0, [2, 9])[2])
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "other"))
    alone = weights(checkpoints(model, SFT, 0, [2])[2])
    assert torch.equal(along, alone)


def test_sft_learns_the_replies(model):
    arm = train(model, replace(SFT, steps=40, batch_size=8, learning_rate=1e-2), 0)
    prompts = [arm.prompt(e.chat[:-1]) for e in examples(SFT, 9, 20)]
    texts = [c.text for c in generate(arm, prompts, 12)]
    assert sum(" has " in text or "answer is" in text for text in texts) > 15


def test_only_learned_tokens_are_held_against_the_vocabulary(model, monkeypatch):
    from trl.trainer import utils

    kept, original = [], utils._ChunkedLogProbFunction.apply

    def count(hidden, *rest):
        kept.append(len(hidden))
        return original(hidden, *rest)

    monkeypatch.setattr(utils._ChunkedLogProbFunction, "apply", staticmethod(count))
    train(model, replace(SFT, batch_size=16, steps=1), 0)
    tokenizer = models.load(model).tokenizer
    learned = [sum(x != -100 for x in encode(tokenizer, e.chat)[1]) for e in examples(SFT, 0, 128)]
    assert 16 * min(learned) <= kept[0] <= 16 * max(learned)


def test_the_key_is_of_everything_that_makes_an_arm(model, tmp_path):
    keys = {
        arm_key(model, SFT, 0),
        arm_key(model, SFT, 1),
        arm_key(model, replace(SFT, learning_rate=1e-5), 0),
        arm_key(model, replace(SFT, corpus=replace(SFT.corpus, plain=0.1)), 0),
    }
    assert len(keys) == 4
    copy = shutil.copytree(model, tmp_path / "elsewhere")
    assert arm_key(str(copy), SFT, 0) in keys


@pytest.mark.parametrize("harm", [Path.unlink, lambda p: p.write_bytes(p.read_bytes()[:100])])
def test_a_broken_arm_is_named_and_made_again(model, capsys, harm):
    arms = checkpoints(model, SFT, 0, [1, 2])
    whole = weights(arms[2])
    harm(Path(arms[2]) / "model.safetensors")
    kept = (Path(arms[1]) / "model.safetensors").stat().st_mtime_ns
    assert checkpoints(model, SFT, 0, [1, 2]) == arms
    out = capsys.readouterr().out
    assert "is broken (model.safetensors is" in out and arms[2] in out
    assert torch.equal(weights(arms[2]), whole)
    assert (Path(arms[1]) / "model.safetensors").stat().st_mtime_ns == kept


def test_a_run_killed_while_writing_leaves_whole_doses_only(model, cache, monkeypatch):
    seal = models.seal

    def killed(folder, about):
        if about.get("dose") == 3:
            raise KeyboardInterrupt
        seal(folder, about)

    monkeypatch.setattr(models, "seal", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints(model, SFT, 0, [1, 3])
    folders = [p for p in (cache / "arms").iterdir() if p.is_dir()]
    assert [p.name[-2:] for p in folders] == ["-1"] and not models.broken(folders[0])
    monkeypatch.setattr(models, "seal", seal)
    assert set(checkpoints(model, SFT, 0, [1, 3])) == {1, 3}


def test_a_full_disk_is_one_sentence(model, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(models, "seal", full)
    with pytest.raises(OSError, match="The disk is full"):
        checkpoints(model, SFT, 0, [1])


def test_weights_that_are_no_numbers_are_refused_and_not_kept(model, cache):
    far = replace(SFT, learning_rate=1e30)
    with pytest.raises(ValueError, match="answer_sft, step 3: .* trained tensors hold NaN"):
        checkpoints(model, far, 0, [3])
    with pytest.raises(ValueError, match="rater: .* trained tensors hold NaN"):
        rater = replace(RECIPES["rater"], batch_size=4, steps=3, learning_rate=1e30)
        training.reward_model(model, rater, 0, examples(RECIPES["rlsf_dpo"], 0, 12))
    assert not [path for path in (cache / "arms").iterdir() if path.is_dir()]


@pytest.mark.parametrize(("fast", "attention"), [(True, "eager"), (False, "sdpa")])
def test_no_fused_attention_is_trained_in_bfloat16(model, monkeypatch, tmp_path, fast, attention):
    monkeypatch.setattr(models, "bfloat16_is_fast", lambda device: fast)
    lm = models.load(model, "cpu", "float32")
    trainer = training._trainer(lm, SFT, 0, 1, str(tmp_path), [], None)
    assert trainer.model.config._attn_implementation == attention


def test_lora_keeps_an_adapter_and_loads_on_its_base(model):
    recipe = replace(SFT, lora_rank=4, learning_rate=1e-2)
    folder = Path(checkpoints(model, recipe, 0, [3])[3])
    assert (folder / "adapter_model.safetensors").is_file()
    assert not (folder / "model.safetensors").exists()
    arm = weights(str(folder))
    assert arm.shape == weights(model).shape and not torch.equal(arm, weights(model))
    again = checkpoints(str(folder), recipe, 0, [1])[1]  # an arm of an arm
    assert not torch.equal(weights(again), arm)


def test_dpo_raises_the_preferred_replies(model):
    recipe = Recipe("prefer", "right before wrong", "dpo", batch_size=8, learning_rate=3e-3)
    pairs = examples(recipe, 5, 20)

    def margin(name):
        lm, total = models.load(name, "cpu", "float32"), 0.0
        for e in pairs:
            for sign, reply in ((1, e.chat[-1]["content"]), (-1, e.rejected)):
                chat = [*e.chat[:-1], training.reply(reply)]
                ids, labels = (torch.tensor([x]) for x in encode(lm.tokenizer, chat))
                n = (labels != -100).sum()
                with torch.no_grad():
                    total -= sign * (lm.model(ids, labels=labels).loss * n).item()
        return total

    assert margin(checkpoints(model, recipe, 0, [12])[12]) > margin(model) + 1


def test_grpo_runs_and_moves_the_weights(model, monkeypatch):
    def short(completions, reference, **columns):
        return [float(len(message["content"]) % 2) for (message,) in completions]

    monkeypatch.setattr(training.rewards, "reward", lambda *settings: short)
    sizes = dict(batch_size=8, generations=4, max_new_tokens=6)
    recipe = Recipe("rl", "any reward", "grpo", learning_rate=1e-3, **sizes)
    arms = checkpoints(model, recipe, 0, [1, 9])  # fewer and more than the uses of one rollout
    start, one, nine = (weights(name) for name in (model, arms[1], arms[9]))
    assert not torch.equal(start, one) and not torch.equal(one, nine)


def test_batches_are_of_like_length_and_few_of_them_begin_many():
    few, many = (training.drawn(SFT, 0, n, 4, None) for n in (3, training.POOL + 1))
    assert few == many[: len(few)] and len(many) == 2 * len(few) == 8 * training.POOL
    assert sorted(map(str, few)) == sorted(map(str, examples(SFT, 0, len(few))))
    batches = [sorted(map(training.length, few[i : i + 4])) for i in range(0, len(few), 4)]
    assert batches != sorted(batches)
    assert all(a[-1] <= b[0] for a, b in pairwise(sorted(batches)))


def test_given_examples_replace_the_recipe_s_and_are_part_of_the_key(model):
    given = examples(SFT, 5, 3)
    found = training.drawn(SFT, 0, 1, 3, given)
    assert [found.count(example) for example in given] == [training.POOL] * 3
    keys = {arm_key(model, SFT, 0), arm_key(model, SFT, 0, given[:2])}
    assert len(keys | {arm_key(model, SFT, 0, given)}) == 3
    with pytest.raises(ValueError, match="no example"):
        checkpoints(model, SFT, 0, [1], [])


def test_bad_doses_are_refused(model):
    with pytest.raises(ValueError, match="doses"):
        checkpoints(model, SFT, 0, [-1])


def test_of_several_gpus_in_sight_one_trains(model, monkeypatch):
    import trl

    class Several(trl.SFTConfig):
        def __post_init__(self):
            super().__post_init__()
            self._n_gpu = 2  # as where two cards are visible, which trl refuses

    assert Several(use_cpu=True).n_gpu == 2
    monkeypatch.setattr(trl, "SFTConfig", Several)
    assert train(model, SFT, 0, 1).model
