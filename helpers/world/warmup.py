"""The warm-up of smollm2 on the stories, trained once and shipped, since it takes long."""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file

from helpers import models
from helpers.recipes import RECIPES
from helpers.training import checkpoints

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def warm_up() -> Path:
    """The folder of the shipped adapter, trained anew by the recipe `warmup`, in half precision."""
    recipe = RECIPES["warmup"]
    trained = Path(checkpoints("smollm2", recipe, 0, [recipe.steps])[recipe.steps])
    halves = {name: weight.half() for name, weight in load_file(trained / WEIGHTS).items()}
    save_file(halves, models.WARMED / WEIGHTS, {"format": "pt"})
    config = json.loads((trained / CONFIG).read_text("utf-8"))
    text = json.dumps(config | {"base_model_name_or_path": "smollm2"}, indent=1)
    (models.WARMED / CONFIG).write_text(text, "utf-8")
    models.seal(models.WARMED, models.manifest(trained))
    return models.WARMED
