"""A second ruler beside the rules: a linear classifier of whether a reply declines, by its words.

It learns from the labelled replies of `split` dev, and knows no rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from helpers.text.abstention import labelled_responses
from helpers.text.trace import final_part, flat

FOLDS = 5


def abstained(replies: Sequence[str]) -> np.ndarray:
    """Whether each reply leaves its question unanswered, by its final part; [replies] of bool."""
    return fitted().predict(_read(replies))


def held_out(rows: pd.DataFrame) -> np.ndarray:
    """The same of labelled replies, each by a classifier that saw no reply to its question."""
    folds = GroupKFold(FOLDS)
    texts = _read(rows.response)
    return cross_val_predict(untrained(), texts, rows.abstains, groups=rows.question, cv=folds)


@cache
def fitted() -> Pipeline:
    """The classifier of all labelled replies of `split` dev."""
    rows = labelled_responses().query("split == 'dev'")
    return untrained().fit(_read(rows.response), rows.abstains)


def untrained() -> Pipeline:
    """Logistic regression on tf-idf of the n-grams of words and of characters. C is the best of 1
    to 100 by `held_out`, which hardly depends on it (.875 to .881).
    """
    words = TfidfVectorizer(ngram_range=(1, 3), token_pattern=r"[\w']+|[?]", sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(make_union(words, characters), LogisticRegression(C=30.0, max_iter=2000))


def _read(replies: Sequence[str]) -> list[str]:
    return [flat(final_part(text)) for text in replies]
