"""The word-level tokenizer of the pocket model, with a chat template like any other model's."""

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from helpers.world import dialogue, grammar

BOS, PAD, UNK, USER, ASSISTANT, END = (
    "<bos>",
    "<pad>",
    "<unk>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|> ' + m.content }}"
    "{% if m.role == 'assistant' %}{{ ' ' + eos_token }}{% else %}{{ ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A fast tokenizer over every word of the world and the numbers 0 to 99; text comes back with
    natural spacing.
    """
    vocabulary = [BOS, PAD, UNK, USER, ASSISTANT, END, "<think>", "</think>", *map(str, range(100))]
    vocabulary += sorted({*grammar.words(), *dialogue.words()} - set(vocabulary))
    core = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=UNK)
    )
    core.pre_tokenizer = pre_tokenizers.Split(Regex(grammar.WORD), behavior="removed", invert=True)
    core.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNK,
        additional_special_tokens=[USER, ASSISTANT],
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
