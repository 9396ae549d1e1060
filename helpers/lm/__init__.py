"""Language models: found, loaded, run, scored and steered."""
