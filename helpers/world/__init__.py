"""The pocket world: its grammar, its tokenizer, its corpus and the pretraining of the pocket model."""
