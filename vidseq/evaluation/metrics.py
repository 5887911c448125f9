"""Metrics of answered queries, from rows. All are fractions in [0, 1], except the negative log-likelihood in nats."""

from collections import Counter

import numpy as np
import pandas as pd
from sklearn.metrics import recall_score

from vidseq.errors import UserError
from vidseq.language.vocabulary import split_words

#: A right answer of probability zero would cost infinitely much; it costs minus the logarithm of this.
_MIN_PROBABILITY = 1e-12


def top_k_accuracy(rows: pd.DataFrame, k: int) -> float:
    """The share of rows whose answer is among the first k."""
    _require_rows(rows)
    return float((rows["rank"] <= k).mean())


def class_mean_recall(rows: pd.DataFrame, k: int) -> float:
    """Top-k recall of each class that is an answer in these rows, then the mean over classes.

    EPIC-Kitchens-100's measure with k = 5. Source: arXiv:2006.13256, section 4.4.
    """
    _require_rows(rows)
    if k == 1:
        labels = rows["answer"].unique()
        return float(recall_score(rows["answer"], rows["prediction"], labels=labels, average="macro", zero_division=0))
    return float((rows["rank"] <= k).groupby(rows["answer"].to_numpy()).mean().mean())


def negative_log_likelihood(rows: pd.DataFrame) -> float:
    """Mean of minus the logarithm of the right answer's probability, in nats; probabilities are kept above 1e-12."""
    _require_rows(rows)
    return float(-np.log(np.clip(rows["answer_score"].to_numpy(float), _MIN_PROBABILITY, 1.0)).mean())


def expected_calibration_error(rows: pd.DataFrame, num_bins: int = 15) -> float:
    """How far the probability of the prediction is from how often it is right.

    Predictions are put in bins of equal width by their probability, the upper edge inside; the error is the mean over
    bins, weighted by size, of the distance between mean probability and accuracy. Source: arXiv:1706.04599, eq. 3.

    Args:
        rows: with `score` and `correct`.
        num_bins: number of bins over [0, 1].
    """
    _require_rows(rows)
    score, correct = rows["score"].to_numpy(float), rows["correct"].to_numpy(float)
    bins = np.clip(np.ceil(score * num_bins).astype(int) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, weights=correct - score, minlength=num_bins)
    return float(np.abs(gaps).sum() / len(score))


def exact_match(rows: pd.DataFrame) -> float:
    """The share of predictions that have the same words and marks as the answer, whatever case and spaces."""
    _require_rows(rows)
    pairs = zip(rows["prediction"], rows["answer"])
    return float(np.mean([split_words(prediction) == split_words(answer) for prediction, answer in pairs]))


def token_f1(rows: pd.DataFrame) -> float:
    """How many words prediction and answer share, each as often as it comes, as F1 of a row; then the mean over rows.

    Two texts without words agree wholly, one without words not at all. Source: Rajpurkar et al., arXiv:1606.05250,
    section 6.1; here: articles and marks count too.
    """
    _require_rows(rows)
    return float(np.mean([_word_f1(*texts) for texts in zip(rows["prediction"], rows["answer"])]))


def _word_f1(prediction: str, answer: str) -> float:
    ours, theirs = Counter(split_words(prediction)), Counter(split_words(answer))
    if not ours or not theirs:
        return float(ours == theirs)
    return 2 * (ours & theirs).total() / (ours.total() + theirs.total())


def perplexity(rows: pd.DataFrame) -> float:
    """How many pieces the right answer's next one is lost among: exp of minus the mean log-probability a piece.

    Pieces of all rows count alike, the end of an answer too. Only models that write in the same pieces compare: see
    `nats_an_answer` for others.

    Args:
        rows: of answers in words, with `answer_log_prob` and `answer_tokens`.

    Raises:
        UserError: other rows, or none.
    """
    log_prob, tokens = _written_columns(rows)
    return float(np.exp(-log_prob.sum() / tokens.sum()))


def nats_an_answer(rows: pd.DataFrame) -> float:
    """Mean of minus the right answer's log-probability: compares words, characters and classes alike.

    Raises:
        UserError: rows of answers other than in words, or none.
    """
    return float(-_written_columns(rows)[0].mean())


def _written_columns(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    _require_rows(rows)
    names = ("answer_log_prob", "answer_tokens")
    if not set(names) <= set(rows) or bool(rows[list(names)].isna().any(axis=None)):
        raise UserError(f"A metric of words expects rows of answers in words, with {' and '.join(names)}, got others.")
    log_prob, tokens = (rows[name].to_numpy(float) for name in names)
    return log_prob, tokens


def word_summary(rows: pd.DataFrame) -> dict[str, float]:
    """Every metric of answers in words: exact_match, token_f1, perplexity, nats_an_answer."""
    return {
        "exact_match": exact_match(rows),
        "token_f1": token_f1(rows),
        "perplexity": perplexity(rows),
        "nats_an_answer": nats_an_answer(rows),
    }


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Every metric of a table of rows: top1, top5, class_mean_top5_recall, ece, nll."""
    return {
        "top1": top_k_accuracy(rows, 1),
        "top5": top_k_accuracy(rows, 5),
        "class_mean_top5_recall": class_mean_recall(rows, 5),
        "ece": expected_calibration_error(rows),
        "nll": negative_log_likelihood(rows),
    }


def _require_rows(rows: pd.DataFrame) -> None:
    if not len(rows):
        raise UserError("A metric expects at least one row, got none.")
