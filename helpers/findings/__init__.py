"""One module per finding: the experiment and its measures."""
