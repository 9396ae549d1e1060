"""Which models can be asked at all, and that each of their replies ends."""

import json
import shutil
from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from helpers.lm import models
from helpers.lm.generation import generate
from helpers.lm.models import load
from helpers.lm.prompts import ids_of, refuse_unless_it_chats
from helpers.run import plan


def folder_of(path, kind, template=True):
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"architectures": [kind]} if kind else {}))
    said = {"chat_template": "{{ messages[0].content }}"} if template else {}
    (path / "tokenizer_config.json").write_text(json.dumps(said))
    return path


@pytest.mark.parametrize(
    "kind, template, words",
    [
        ("BertForMaskedLM", True, ["BertForMaskedLM", "another kind", "smollm2"]),
        ("ViTForImageClassification", True, ["ViTForImageClassification", "another kind"]),
        ("CLIPModel", True, ["CLIPModel"]),
        ("T5ForConditionalGeneration", True, ["T5ForConditionalGeneration"]),
        ("GotOcr2ForConditionalGeneration", True, ["GotOcr2ForConditionalGeneration"]),
        ("LlamaForSequenceClassification", True, ["LlamaForSequenceClassification"]),
        ("LlamaForCausalLM", False, ["no chat template", "instruct", "chat_template.jinja"]),
    ],
)
def test_who_can_t_be_asked_is_refused_in_one_sentence(tmp_path, kind, template, words):
    with pytest.raises(ValueError) as caught:
        refuse_unless_it_chats("mine", folder_of(tmp_path / "mine", kind, template))
    said = str(caught.value)
    assert all(word in said for word in ["'mine'", *words]) and "\n" not in said


def test_who_can_be_asked_is_not_refused(tmp_path, tiny_path):
    refuse_unless_it_chats("mine", folder_of(tmp_path / "mine", "LlamaForCausalLM"))
    refuse_unless_it_chats("mine", folder_of(tmp_path / "unsaid", ""))
    refuse_unless_it_chats("tiny", tiny_path)
    refuse_unless_it_chats("pocket", models.find("pocket-2.0").folder)


def test_the_plan_refuses_before_anything_starts(tmp_path):
    mute = folder_of(tmp_path / "mute", "LlamaForCausalLM", template=False)
    for given in ({"model": str(mute)}, {"params": {"judge": str(mute)}}):
        with pytest.raises(ValueError, match="no chat template"):
            plan.plan(plan.find(["01"]), **given)


def lacking(tiny_path, folder, *names):
    """A copy of the tiny Llama whose tokenizer lacks some tokens."""
    shutil.copytree(tiny_path, folder)
    file = folder / "tokenizer_config.json"
    about = {k: v for k, v in json.loads(file.read_text()).items() if k not in names}
    file.write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("names", [("pad_token",), ("pad_token", "eos_token"), ("eos_token",)])
def test_a_missing_token_lets_no_reply_run_to_its_limit(tiny_path, tmp_path, tiny_lm, names):
    folder = lacking(tiny_path, tmp_path / "lacking", *names)
    lm = load(str(folder), device="cpu", dtype="float32")
    assert None not in (lm.tokenizer.pad_token_id, lm.tokenizer.eos_token_id)
    asked = [tiny_lm.prompt(f"Ann has {n} pens. How many?") for n in range(6)]
    first = int(
        tiny_lm.model(torch.tensor([ids_of(tiny_lm.tokenizer, asked[0])])).logits[0, -1].argmax()
    )
    for one in (tiny_lm, lm):
        one = replace(one, model=deepcopy(one.model))
        one.model.generation_config.eos_token_id = [first]
        assert generate(one, asked, 9)[0].n_tokens == 1
    assert [r.text for r in generate(lm, asked, 9)] == [r.text for r in generate(tiny_lm, asked, 9)]


def test_a_model_that_nothing_ends_is_refused(tiny_path, tmp_path):
    folder = lacking(tiny_path, tmp_path / "endless", "eos_token")
    for name in ("generation_config.json", "config.json"):
        about = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(about | {"eos_token_id": None}))
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    with pytest.raises(ValueError, match="no token that ends a reply.*eos_token"):
        load(str(folder), device="cpu")
