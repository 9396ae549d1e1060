"""The pocket world: its grammar, tokenizer and corpus, and the pretraining of the pocket model."""
