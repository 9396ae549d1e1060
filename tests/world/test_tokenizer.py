"""The pocket's tokenizer splits the world's text, gives it back, and speaks the chat template."""

import random

import pytest

from helpers.world import corpus as c
from helpers.world.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_every_text_of_the_corpus_comes_back_as_it_was(tokenizer):
    rng = random.Random(0)
    for _ in range(1500):
        for message in c.example(rng, c.Corpus()).chat:
            ids = tokenizer(message["content"], add_special_tokens=False)["input_ids"]
            assert tokenizer.unk_token_id not in ids, message["content"]
            assert tokenizer.decode(ids) == message["content"]


def test_chat_template_of_a_prompt_is_a_prefix_of_the_whole_chat(tokenizer):
    chat = [
        c.turn("user", "How many apples does Ann have now?"),
        c.turn("assistant", "Ann has 3 apples."),
    ]
    whole = tokenizer.apply_chat_template(chat, tokenize=False)
    prompt = tokenizer.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
    assert whole.startswith(prompt)
    ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert (
        ids[: len(tokenizer(prompt, add_special_tokens=False)["input_ids"])]
        == tokenizer(prompt, add_special_tokens=False)["input_ids"]
    )
    assert ids[0] == tokenizer.bos_token_id and ids[-1] == tokenizer.eos_token_id


def test_chain_marks_are_single_tokens_that_decoding_keeps(tokenizer):
    ids = tokenizer("<think> Ann 5 + 3 = 8. </think>", add_special_tokens=False)["input_ids"]
    assert len(ids) == 9
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think> Ann 5 + 3 = 8. </think>"


def test_saved_and_loaded_it_is_the_same(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "Ann Bell starts with 12 stamps. I can't tell from the story."
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert loaded.padding_side == "left" and loaded.chat_template == tokenizer.chat_template
