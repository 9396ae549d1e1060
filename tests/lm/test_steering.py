import pytest
import torch

from helpers.lm import steering
from helpers.lm.generation import generate
from helpers.text import answers
from tests.planted import planted

QUESTIONS = [f"Q{n}" for n in range(10)]


def right(lm, vector=None, back=1):
    """Share of right numbers, and whether each reply opens with a chain."""
    if vector is None:
        replies = generate(lm, QUESTIONS, 4)
    else:
        with steering.steered(lm, 0, vector, back):
            replies = generate(lm, [f"pad {q}" for q in QUESTIONS], 4)
    good = [answers.final_answer(r.text) == str(n) for n, r in enumerate(replies)]
    return sum(good) / 10, all(r.text.startswith("<think>") for r in replies)


@pytest.mark.parametrize("direction", ["opened", "tuned"])
def test_a_planted_mode_is_found_by_a_difference_vector_and_not_by_chance(direction):
    lm, tuned = planted(), planted(opens=True)
    if direction == "tuned":
        asked = [(one, [(q, "") for q in QUESTIONS]) for one in (tuned, lm)]
    else:
        asked = [(lm, [(f"Q{n} ", f"{kind}{n}") for n in range(10)]) for kind in "TS"]
    states = [steering.activations(one, ends, 0) for one, ends in asked]
    vector = steering.difference(*states)
    assert right(lm) == (0.0, False) and right(tuned) == (1.0, True)
    assert right(lm, vector) == (1.0, True)
    noise = torch.randn(vector.shape, generator=torch.Generator().manual_seed(0))
    assert right(lm, noise / noise.norm() * vector.norm())[0] < 0.5
    assert right(lm, vector, back=2) == (0.0, False)


def test_a_planted_mode_is_found_by_an_autoencoder_s_feature_and_not_by_another():
    lm = planted()
    with_chain = steering.activations(lm, [(f"Q{n} ", f"T{n}") for n in range(10)], 0)
    without = steering.activations(lm, [(f"Q{n} ", f"S{n} N{n}") for n in range(10)], 0)
    sae = steering.train_sae(torch.cat(with_chain + without), n_latents=2, k=1, steps=400)
    scores = steering.reason_scores(sae, with_chain, without)
    best, least = int(scores.argmax()), int(scores.argmin())
    assert float(sae.decoder.weight[-1, best]) > 0.9  # the mode, and no word
    assert right(lm, 4 * sae.decoder.weight[:, best]) == (1.0, True)
    assert right(lm, 4 * sae.decoder.weight[:, least])[1] is False


def test_reason_scores_by_hand():
    sae = steering.SparseAutoencoder(width=2, n_latents=2, k=2)
    sae.encode = lambda x: x
    with_chain = [torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0]])]
    without = [torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 2.0]])]
    scores = steering.reason_scores(sae, with_chain, without)
    assert scores.tolist() == pytest.approx([0.5 - 0.25, 0.5 * 0 - 0.75])


def test_an_autoencoder_rebuilds_what_it_was_trained_on():
    generator = torch.Generator().manual_seed(0)
    atoms = torch.randn(12, 8, generator=generator)
    x = atoms[torch.randint(12, (400,), generator=generator)]
    sae = steering.train_sae(x, n_latents=24, k=2, steps=400)
    assert (sae.encode(x) > 0).sum(-1).max() <= 2
    assert (sae(x) - x).pow(2).mean() < 0.05 * x.var()


def test_every_row_moves_at_one_token_and_what_is_written_later_does_not(tiny_lm):
    rows = tiny_lm.tokenizer(["Ann has 3 apples.", "Ben has 5 pens."], return_tensors="pt")
    ids, vector = rows["input_ids"], torch.ones(32)

    def hidden():
        seen = []
        handle = steering.layers(tiny_lm)[0].register_forward_hook(
            lambda module, args, out: seen.append(out)
        )
        tiny_lm.model(input_ids=ids)
        handle.remove()
        return seen[0]

    with torch.inference_mode():
        plain = hidden()
        with steering.steered(tiny_lm, 0, vector):
            moved = hidden()
    assert torch.allclose(moved[:, -1] - plain[:, -1], torch.ones(2, 32), atol=1e-5)
    assert torch.equal(moved[:, :-1], plain[:, :-1])
    with torch.inference_mode(), steering.steered(tiny_lm, 0, vector):
        one = tiny_lm.model(input_ids=ids[:, :1]).logits  # a single token: being written
    with torch.inference_mode():
        assert torch.equal(one, tiny_lm.model(input_ids=ids[:, :1]).logits)


def test_a_hook_leaves_no_trace_after_an_exception(tiny_lm):
    with pytest.raises(RuntimeError, match="stop"), steering.steered(tiny_lm, 1, torch.ones(32)):
        raise RuntimeError("stop")
    assert not any(layer._forward_hooks for layer in steering.layers(tiny_lm))


def test_an_unknown_layer_is_refused(tiny_lm):
    with pytest.raises(ValueError, match="layers 0 to 1; there is no 7"):
        with steering.steered(tiny_lm, 7, torch.ones(32)):
            pass


def test_activations_are_those_of_the_continuation(tiny_lm):
    pairs = [("Ann has", " 3 apples."), ("Ben has 5", ""), ("Ann", " has 3 apples now.")]
    found = steering.activations(tiny_lm, pairs, 1, batch_size=2)
    assert [len(one) for one in found] == [3, 1, 5]
    alone = steering.activations(tiny_lm, pairs[:1], 1)[0]
    assert torch.allclose(found[0], alone, atol=1e-4)
