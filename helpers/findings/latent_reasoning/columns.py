"""What the columns of the tables hold."""

from helpers.lab.replies import GRADED, REPLY

BRANCH = REPLY | {
    "ids": "token ids of the reply, the end token included",
    "probability": "of each of them",
    "disparity": "p(top 1) - p(top 2) where each of them was chosen",
}
SURE = REPLY | {
    "first": "the first token",
    "probability": "of the first token",
    "confidence": "mean of p(top 1) - p(top 2) over the answer's tokens",
    "answer": "what it answers",
}
HYBRID = REPLY | {"n_steered": "tokens at which the base was steered"}
CATEGORIES = {
    "category": "number of a cluster of the tuned model's activations",
    "layer": "after which they are taken, and the base is steered",
    "centre": "of the cluster",
    "vector": "by which the base is steered there",
    "words": "commonest tokens that the tuned model writes in it",
}
FEATURES = {
    "feature": "number of a latent of the sparse autoencoder",
    "layer": "whose activations it is of",
    "score": "ReasonScore",
    "active": "mean activation on chains",
    "vector": "its direction, as long as the mean activation",
}
DIAL = {
    "layer": "after which the direction is added",
    "strength": "times which it is added",
    "feature": "of the autoencoder; -1 for a steering vector",
    "vector": "the direction",
}
MIXED = GRADED | {
    "base_right": "the greedy base is right",
    "tuned_right": "the tuned model is right",
    "n_steered": "tokens at which the base was steered",
}
