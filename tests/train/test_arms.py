import errno
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from helpers.lm import cache as caches
from helpers.lm import models
from helpers.lm.generation import generate
from helpers.lm.models import find
from helpers.lm.sources import Symbol, code_of, reached_by
from helpers.train import arms, recipes, trainers
from helpers.train.arms import Given, arm_key, checkpoints, reward_model
from helpers.train.recipes import RECIPES, Recipe, encode, examples
from helpers.train.trainers import Job
from helpers.world.corpus import turn

SFT = replace(RECIPES["answer_sft"], batch_size=4, learning_rate=3e-3, steps=4)
WEIGHTS = "adapter_model.safetensors"


def weights(handle):
    lm = models.load(handle, "cpu", "float32")
    return torch.cat([p.flatten() for p in lm.model.parameters()])


@pytest.fixture
def model(tiny_path, cache):
    """The tiny model, and an empty cache."""
    return find(str(tiny_path))


def trained(model, recipe):
    """An arm after all steps of its recipe, loaded."""
    return models.load(checkpoints(model, recipe, 0, [recipe.steps])[recipe.steps])


def test_doses_are_points_of_one_run_and_cached(model, monkeypatch):
    doses = checkpoints(model, SFT, 0, [0, 2, 4])
    assert doses[0] == model
    start, two, four = (weights(doses[dose]) for dose in (0, 2, 4))
    assert not torch.equal(start, two) and not torch.equal(two, four)
    assert models.load(doses[4]).name.endswith("tiny + answer_sft")
    about = doses[4].about
    assert (about["seed"], about["dose"], about["recipe"]["name"]) == (0, 4, "answer_sft")
    assert len({doses[dose].identity for dose in doses}) == 3
    monkeypatch.setattr(arms, "_run", None)  # whatever is asked now must come from the cache
    assert checkpoints(model, SFT, 0, [4, 2]) == {4: doses[4], 2: doses[2]}


def test_early_doses_of_a_larger_run_are_kept_for_who_asks_later(model, monkeypatch):
    monkeypatch.setitem(recipes.KEPT, SFT.name, (1, 3, 9))
    checkpoints(model, SFT, 0, [4])
    with monkeypatch.context() as patch:
        patch.setattr(arms, "_run", None)
        one, three, four = (weights(d) for d in checkpoints(model, SFT, 0, [1, 3, 4]).values())
    assert not torch.equal(one, three) and not torch.equal(three, four)

    def noted(start, recipe, seed, folders, *given):
        raise KeyboardInterrupt(sorted(folders))

    monkeypatch.setattr(arms, "_run", noted)
    with pytest.raises(KeyboardInterrupt, match=r"\[6\]"):  # 9 is beyond
        checkpoints(model, SFT, 0, [6])


def test_a_smaller_dose_is_the_beginning_of_a_larger_run(model, monkeypatch, tmp_path):
    along = weights(checkpoints(model, SFT, 0, [2, 9])[2])
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path / "other"))
    alone = weights(checkpoints(model, SFT, 0, [2])[2])
    assert torch.equal(along, alone)


def test_sft_learns_the_replies(model):
    arm = trained(model, replace(SFT, steps=40, batch_size=8, learning_rate=1e-2))
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
    trained(model, replace(SFT, batch_size=16, steps=1))
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
    copy = find(str(shutil.copytree(model.folder, tmp_path / "elsewhere")))
    assert arm_key(copy, SFT, 0) in keys
    config = copy.folder / "config.json"
    config.write_text(config.read_text().replace('"rope_theta": 10000.0', '"rope_theta": 9999.0'))
    other = find(str(copy.folder))
    assert arm_key(other, SFT, 0) not in keys
    judged = RECIPES["rlsf_grpo"]
    assert arm_key(model, judged, 0, judge=model) != arm_key(model, judged, 0, judge=other)


def test_the_key_is_of_the_code_that_trains(model, monkeypatch):
    at_first = arm_key(model, SFT, 0)
    every = {recipes.examples: True, trainers.prepare: True, trainers.sft: True}
    for changed, counts in (every | {trainers.grpo: False}).items():
        monkeypatch.setattr(arms, "code_of", lambda f, c=changed: "new" if f is c else code_of(f))
        assert (arm_key(model, SFT, 0) != at_first) == counts
    by_reward = Recipe("rl", "right answers", "grpo")
    reached = {symbol for one in arms.code_behind(by_reward) for symbol in reached_by(one)}
    for module, name in (("trainers", "settings"), ("trainers", "POOL"), ("rewards", "earned")):
        assert Symbol(f"helpers.train.{module}", name) in reached
    for name in ("helpers.lm.generation", "helpers.text.answers", "helpers.world.grammar"):
        assert name in {symbol.module for symbol in reached}
    assert not any(symbol.module.startswith("helpers.show") for symbol in reached)


@pytest.mark.parametrize("harm", [Path.unlink, lambda p: p.write_bytes(p.read_bytes()[:100])])
def test_a_broken_arm_is_named_and_made_again(model, capsys, harm):
    doses = checkpoints(model, SFT, 0, [1, 2])
    whole = weights(doses[2])
    harm(doses[2].folder / WEIGHTS)
    kept = (doses[1].folder / WEIGHTS).stat().st_mtime_ns
    assert checkpoints(model, SFT, 0, [1, 2]) == doses
    out = capsys.readouterr().out
    assert f"is broken ({WEIGHTS} is" in out and doses[2].name in out
    assert torch.equal(weights(doses[2]), whole)
    assert (doses[1].folder / WEIGHTS).stat().st_mtime_ns == kept


def test_a_run_killed_while_writing_leaves_whole_doses_only(model, cache, monkeypatch):
    seal = caches.seal

    def killed(folder, about):
        if about.get("dose") == 3:
            raise KeyboardInterrupt
        seal(folder, about)

    monkeypatch.setattr(caches, "seal", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints(model, SFT, 0, [1, 3])
    folders = [p for p in (cache / "arms").iterdir() if p.is_dir()]
    assert [p.name[-2:] for p in folders] == ["-1"] and not caches.broken(folders[0])
    monkeypatch.setattr(caches, "seal", seal)
    assert set(checkpoints(model, SFT, 0, [1, 3])) == {1, 3}


def test_a_full_disk_is_one_sentence(model, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caches, "seal", full)
    with pytest.raises(OSError, match="The disk is full"):
        checkpoints(model, SFT, 0, [1])


def test_weights_that_are_no_numbers_are_refused_and_not_kept(model, cache):
    far = replace(SFT, learning_rate=1e30)
    with pytest.raises(ValueError, match="answer_sft, step 3: .* trained tensors hold NaN"):
        checkpoints(model, far, 0, [3])
    with pytest.raises(ValueError, match="rater: .* trained tensors hold NaN"):
        rater = replace(RECIPES["rater"], batch_size=4, steps=3, learning_rate=1e30)
        reward_model(model, rater, 0, examples(RECIPES["rlsf_dpo"], 0, 12))
    assert not [path for path in (cache / "arms").iterdir() if path.is_dir()]


@pytest.mark.parametrize(("fast", "attention"), [(True, "eager"), (False, "sdpa")])
def test_no_fused_attention_is_trained_in_bfloat16(model, monkeypatch, tmp_path, fast, attention):
    monkeypatch.setattr(models, "bfloat16_is_fast", lambda device: fast)
    lm = models.load(model, "cpu", "float32")
    trainer = trainers.trainer(Job(lm, SFT, 0, 1, str(tmp_path)))
    assert trainer.model.config._attn_implementation == attention


def test_an_arm_is_an_adapter_and_loads_on_its_base(model):
    recipe = replace(SFT, learning_rate=1e-2)
    adapter = checkpoints(model, recipe, 0, [3])[3]
    assert (adapter.folder / WEIGHTS).is_file()
    assert not (adapter.folder / "model.safetensors").exists()
    assert adapter.base.folder == model.folder and adapter.n_parameters == model.n_parameters
    arm = weights(adapter)
    assert arm.shape == weights(model).shape and not torch.equal(arm, weights(model))
    again = checkpoints(adapter, recipe, 0, [1])[1]  # an arm of an arm
    assert again.base.folder == adapter.folder and not torch.equal(weights(again), arm)


def test_dpo_raises_the_preferred_replies(model):
    recipe = Recipe("prefer", "right before wrong", "dpo", batch_size=8, learning_rate=3e-3)
    pairs = examples(recipe, 5, 20)

    def margin(handle):
        lm, total = models.load(handle, "cpu", "float32"), 0.0
        for e in pairs:
            for sign, reply in ((1, e.chat[-1]["content"]), (-1, e.rejected)):
                chat = [*e.chat[:-1], turn("assistant", reply)]
                ids, labels = (torch.tensor([x]) for x in encode(lm.tokenizer, chat))
                n = (labels != -100).sum()
                with torch.no_grad():
                    total -= sign * (lm.model(ids, labels=labels).loss * n).item()
        return total

    assert margin(checkpoints(model, recipe, 0, [12])[12]) > margin(model) + 1


def test_grpo_runs_and_moves_the_weights(model, monkeypatch):
    def short(completions, reference, **columns):
        return [float(len(message["content"]) % 2) for (message,) in completions]

    monkeypatch.setattr(trainers.rewards, "reward", lambda *settings: short)
    sizes = dict(batch_size=8, generations=4, max_new_tokens=6)
    recipe = Recipe("rl", "any reward", "grpo", learning_rate=1e-3, **sizes)
    doses = checkpoints(model, recipe, 0, [0, 1, 9])  # fewer and more than one rollout's uses
    start, one, nine = (weights(doses[dose]) for dose in (0, 1, 9))
    assert not torch.equal(start, one) and not torch.equal(one, nine)


def test_reading_what_is_shared_once_changes_no_log_probability(model, monkeypatch):
    read, sample, rows = trainers.ReadOnce._get_per_token_logps_and_entropies, trainers.sample, []

    def twice(*args):
        prompts, written = sample(*args)
        return prompts, [*written[:3], written[0], *written[4:]]

    def beside(self, model, ids, mask, n, batch_size=None, compute_entropy=False, **more):
        asked = (model, ids, mask, n, None, True)
        once, whole = read(self, *asked), getattr(super(trainers.ReadOnce, self), name)(*asked)
        said = mask[:, -n:].bool()
        for one, other in zip(once[:2], whole[:2], strict=True):
            torch.testing.assert_close(one[said], other[said])
        rows.append((len(ids), len(ids.unique(dim=0))))
        return once

    name = read.__name__
    monkeypatch.setattr(trainers, "sample", twice)
    monkeypatch.setattr(trainers.ReadOnce, name, beside)
    sizes = dict(learning_rate=1e-2, batch_size=8, generations=4, max_new_tokens=6)
    checkpoints(model, Recipe("rl", "right answers", "grpo", **sizes), 0, [3])
    assert rows and all(distinct < asked for asked, distinct in rows)


def job(recipe, data=None):
    """A job of which only the examples are asked."""
    return Job(None, recipe, 0, 1, "", data=data)


def test_batches_are_of_like_length_and_few_of_them_begin_many():
    few, many = (trainers.drawn(job(SFT), n, 4) for n in (3, trainers.POOL + 1))
    assert few == many[: len(few)] and len(many) == 2 * len(few) == 8 * trainers.POOL
    assert sorted(map(str, few)) == sorted(map(str, examples(SFT, 0, len(few))))
    batches = [sorted(map(trainers.length, few[i : i + 4])) for i in range(0, len(few), 4)]
    assert batches != sorted(batches)
    assert all(a[-1] <= b[0] for a, b in pairwise(sorted(batches)))


def test_given_examples_replace_the_recipe_s_and_are_part_of_the_key(model):
    given = examples(SFT, 5, 3)
    found = trainers.drawn(job(SFT, given), 1, 3)
    assert [found.count(example) for example in given] == [trainers.POOL] * 3
    keys = {arm_key(model, SFT, 0), arm_key(model, SFT, 0, given[:2])}
    assert len(keys | {arm_key(model, SFT, 0, given)}) == 3
    with pytest.raises(ValueError, match="no example"):
        checkpoints(model, SFT, 0, [1], Given({}, list))


def test_a_judge_s_reward_needs_a_reward_model(model):
    with pytest.raises(ValueError, match="rlsf_grpo: the reward 'judge' needs a reward model"):
        checkpoints(model, RECIPES["rlsf_grpo"], 0, [1])


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder of shipped arms, empty."""
    monkeypatch.setattr(arms, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "shipped"


def ship(handle, folder, key):
    """Put an arm into the shop as the one after its dose."""
    about = handle.about
    return shutil.copytree(
        handle.folder, folder / f"{about['recipe']['name']}-{key}-{about['dose']}"
    )


def test_a_shipped_arm_is_taken_and_nothing_is_made_for_it(model, shop, monkeypatch):
    given = Given({"what": "a few"}, lambda: examples(SFT, 5, 3))
    made = checkpoints(model, SFT, 0, [1, 2], given)
    ship(made[2], shop, arms.address(model, arms.sized(SFT, model), 0, given))
    never = Given(given.about, lambda: pytest.fail("made"))
    found = checkpoints(model, SFT, 0, [0, 2], never)
    assert found[0] == model and found[2].folder.parent == shop
    assert torch.equal(weights(found[2]), weights(made[2]))
    assert checkpoints(model, SFT, 0, [1, 2], given)[1] == made[1]  # what is not there is trained
    for other in (Given({"what": "others"}, given.make), None):
        assert checkpoints(model, SFT, 0, [2], other)[2].folder.parent != shop
    monkeypatch.setenv("WORKBOOK_FRESH", "1")
    assert checkpoints(model, SFT, 0, [2], given) == {2: made[2]}


def test_a_broken_shipped_arm_is_refused_in_one_sentence(model, shop):
    key = arms.address(model, SFT, 0, None)
    folder = ship(checkpoints(model, SFT, 0, [1])[1], shop, key)
    (folder / WEIGHTS).write_bytes(b"half")
    with pytest.raises(ValueError, match=f"shipped arm .*{key}-1 is broken: {WEIGHTS} is trunc"):
        checkpoints(model, SFT, 0, [1])


def test_an_arm_is_in_half_precision_and_says_nothing_of_the_machine(model, cache, tmp_path):
    arm = checkpoints(model, SFT, 0, [2])[2]
    assert {w.dtype for w in load_file(arm.folder / WEIGHTS).values()} == {torch.bfloat16}
    above = checkpoints(arm, SFT, 0, [2])[2]
    assert above.about["base"] == arm.folder.name  # so that a folder of arms can be moved
    moved = shutil.copytree(cache / "arms", tmp_path / "moved")
    (cache / "arms").rename(cache / "gone")
    again = find(str(moved / above.folder.name))
    assert torch.equal(weights(again), weights(find(str(cache / "gone" / above.folder.name))))
    config = (again.folder / "adapter_config.json").read_text()
    assert str(tmp_path) not in config and not (again.folder / "README.md").exists()


def test_another_process_s_training_is_waited_for_or_left_to_it(model, cache):
    key = arm_key(model, SFT, 0)
    (cache / "arms").mkdir(parents=True)
    with FileLock(cache / "arms" / f"{SFT.name}-{key}.lock"), caches.without_waiting():
        with pytest.raises(caches.Busy, match="answer_sft-.* is being made by another process"):
            checkpoints(model, SFT, 0, [1])


def test_bad_doses_are_refused(model):
    with pytest.raises(ValueError, match="doses"):
        checkpoints(model, SFT, 0, [-1])
    with pytest.raises(ValueError, match="each dose is a training of its own; ask for one of"):
        checkpoints(model, replace(SFT, schedule="linear"), 0, [0, 1, 2])


def test_of_several_gpus_in_sight_one_trains(model, monkeypatch):
    import trl

    class Several(trl.SFTConfig):
        def __post_init__(self):
            super().__post_init__()
            self._n_gpu = 2  # as where two cards are visible, which trl refuses

    assert Several(use_cpu=True).n_gpu == 2
    monkeypatch.setattr(trl, "SFTConfig", Several)
    assert checkpoints(model, SFT, 0, [1])[1].about["dose"] == 1
