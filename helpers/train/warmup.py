"""The warm-up of real models on the stories; that of smollm2 is shipped, since it takes long."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from helpers.lm import cache, models
from helpers.lm.models import Handle
from helpers.train.arms import checkpoints
from helpers.train.recipes import RECIPES

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def warmed(model: str) -> Handle:
    """A model after its warm-up: as shipped, else trained here."""
    return models.find(str(models.WARMED)) if model == "smollm2" else _trained(model)


def ship() -> Path:
    """The folder of the shipped adapter, trained anew, in half precision."""
    trained = _trained("smollm2").folder
    halves = {name: weight.half() for name, weight in load_file(trained / WEIGHTS).items()}
    config = json.loads((trained / CONFIG).read_text("utf-8"))
    text = json.dumps(config | {"base_model_name_or_path": "smollm2"}, indent=1)
    with cache.new_folder(models.WARMED) as temp:
        shutil.copy(models.WARMED / "README.md", temp)
        save_file(halves, temp / WEIGHTS, {"format": "pt"})
        (temp / CONFIG).write_text(text, "utf-8")
        cache.seal(temp, cache.manifest(trained))
        shutil.rmtree(models.WARMED)
    return models.WARMED


def _trained(model: str) -> Handle:
    recipe = RECIPES["warmup"]
    return checkpoints(models.find(model), recipe, 0, [recipe.steps])[recipe.steps]
