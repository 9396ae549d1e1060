"""How fast is the shared-prefix scorer beside lm-eval's log-likelihood requests?

The same model, tokens and machine; outputs are compared before anything is timed; runs alternate,
and the ratio of each pair is reported with its spread. One cut is timed too: no gain is expected.

    .venv/bin/python -m pip install -e ".[benchmark]"
    .venv/bin/python benchmarks/truncation.py --model smollm2
"""

import random
import time

import numpy as np
import typer
from lm_eval.models.huggingface import HFLM

from helpers.lm import models, scoring
from helpers.text import chains
from helpers.world import grammar, scene

CHAINS, REPEATS, TOLERANCE = 4, 5, 1e-3
CUTS = 9


def requests(lm: models.LM, n_cuts: int) -> list[tuple[str, list[str], str, str]]:
    """Prompt, cuts, suffix and right answer of some six-step stories, told at length."""
    made = []
    for i in range(CHAINS):
        story = scene.story(random.Random(f"benchmark {i}"), grammar.MAX_STEPS)
        steps = [text for step in story.chain for text in (step, f"So far {step}")]
        shares = np.linspace(0, 1, n_cuts) if n_cuts > 1 else [1.0]
        cuts = [" ".join([chains.OPEN, *chains.cut(steps, share)]) for share in shares]
        prompt = lm.prompt(story.text, chains.OPEN).removesuffix(chains.OPEN)
        made.append((prompt, cuts, chains.SUFFIX, story.answer))
    return made


def ours(lm: models.LM, made: list) -> np.ndarray:
    """Log-probabilities by the shared-prefix scorer; [chains, cuts]."""
    asked = [scoring.Scored([p + cut + s for cut in cuts], [a]) for p, cuts, s, a in made]
    return np.stack([logp[:, 0] for logp in scoring.answer_logprobs(lm, asked)])


def theirs(peer: HFLM, lm: models.LM, made: list, batch_size: int) -> np.ndarray:
    """The same by lm-eval's log-likelihood requests on the same tokens; [chains, cuts]."""
    rows = []
    for prompt, cuts, suffix, answer in made:
        for cut in cuts:
            context = lm.tokenizer(
                (prompt + cut + suffix).rstrip(" "), add_special_tokens=False
            ).input_ids
            span = lm.tokenizer(f" {answer}", add_special_tokens=False).input_ids
            rows.append((None, context, span))
    found = peer._loglikelihood_tokens(rows, disable_tqdm=True, override_bs=batch_size)
    return np.array([logp for logp, _ in found]).reshape(len(made), -1)


def compare(model: str = "smollm2", batch_size: int = 9) -> None:
    """Print the largest difference and the ratio of times, for nine cuts a chain and for one."""
    lm = models.load(model, dtype="float32")
    peer = HFLM(pretrained=lm.model, tokenizer=lm.tokenizer, batch_size=batch_size)
    for n_cuts in (CUTS, 1):
        made = requests(lm, n_cuts)
        gap = np.abs(ours(lm, made) - theirs(peer, lm, made, batch_size)).max()
        if gap > TOLERANCE:
            raise SystemExit(f"{n_cuts} cuts: outputs differ by {gap:.1e} nats: nothing timed.")
        ratios = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            ours(lm, made)
            middle = time.perf_counter()
            theirs(peer, lm, made, batch_size)
            ratios.append((time.perf_counter() - middle) / (middle - start))
        low, mid, high = np.quantile(ratios, [0, 0.5, 1])
        print(
            f"{model}, {n_cuts} cuts a chain, {CHAINS} chains: {mid:.2f} times as fast as "
            f"lm-eval (min {low:.2f}, max {high:.2f} of {REPEATS} pairs); outputs differ by at "
            f"most {gap:.0e} nats",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(compare)
