"""Metrics of answered queries, computed from rows. Shares are fractions in [0, 1]; log-likelihoods are in nats."""

from collections import Counter

import numpy as np
import pandas as pd
from sklearn.metrics import recall_score

from vidseq.errors import UserError
from vidseq.language.vocabulary import split_words
from vidseq.tasks.calibration import NUM_BINS, calibration_error

#: Probabilities are clipped to at least this, so that a right answer of probability zero has a finite cost.
_MIN_PROBABILITY = 1e-12


def top_k_accuracy(rows: pd.DataFrame, k: int) -> float:
    """Computes the share of rows whose answer is among the first k predictions."""
    _require_rows(rows)
    return float((rows["rank"] <= k).mean())


def class_mean_recall(rows: pd.DataFrame, k: int) -> float:
    """Computes the top-k recall of each class that is an answer in these rows, then the mean over classes.

    EPIC-Kitchens-100's measure with k = 5. Source: arXiv:2006.13256, section 4.4.
    """
    _require_rows(rows)
    if k == 1:
        labels = rows["answer"].unique()
        return float(recall_score(rows["answer"], rows["prediction"], labels=labels, average="macro", zero_division=0))
    return float((rows["rank"] <= k).groupby(rows["answer"].to_numpy()).mean().mean())


def negative_log_likelihood(rows: pd.DataFrame) -> float:
    """Computes the mean negative log-probability of the right answer, in nats; probabilities are at least 1e-12."""
    _require_rows(rows)
    return float(-np.log(np.clip(rows["answer_score"].to_numpy(float), _MIN_PROBABILITY, 1.0)).mean())


def expected_calibration_error(rows: pd.DataFrame, num_bins: int = NUM_BINS) -> float:
    """Computes the expected calibration error of rows with `score` and `correct`; see `calibration_error`."""
    _require_rows(rows)
    return calibration_error(rows["score"].to_numpy(float), rows["correct"].to_numpy(float), num_bins)


def exact_match(rows: pd.DataFrame) -> float:
    """Computes the share of predictions with the words and punctuation of the answer, ignoring case and spaces."""
    _require_rows(rows)
    pairs = zip(rows["prediction"], rows["answer"])
    return float(np.mean([split_words(prediction) == split_words(answer) for prediction, answer in pairs]))


def token_f1(rows: pd.DataFrame) -> float:
    """Computes F1 of the words that prediction and answer share, then the mean over rows; repeated words count.

    Two texts without words have F1 1; one with and one without have 0. Source: Rajpurkar et al., arXiv:1606.05250,
    section 6.1; here: articles and punctuation count too.
    """
    _require_rows(rows)
    return float(np.mean([_word_f1(*texts) for texts in zip(rows["prediction"], rows["answer"])]))


def _word_f1(prediction: str, answer: str) -> float:
    predicted, expected = Counter(split_words(prediction)), Counter(split_words(answer))
    if not predicted or not expected:
        return float(predicted == expected)
    return 2 * (predicted & expected).total() / (predicted.total() + expected.total())


def perplexity(rows: pd.DataFrame) -> float:
    """Computes perplexity: exp of the mean negative log-probability per token of the right answers.

    Tokens of all rows count alike, including the end of an answer. Perplexities compare only between models with the
    same tokens; `nats_an_answer` compares other models.

    Args:
        rows: rows of answers in words, with `answer_log_prob` and `answer_tokens`.

    Raises:
        UserError: there are no rows, or rows of other answers.
    """
    log_prob, tokens = _written_columns(rows)
    return float(np.exp(-log_prob.sum() / tokens.sum()))


def nats_an_answer(rows: pd.DataFrame) -> float:
    """Computes the mean negative log-probability of the right answers, whether their tokens are words or characters.

    Raises:
        UserError: there are no rows, or rows of other answers.
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
    """Computes every metric of answers in words: exact_match, token_f1, perplexity, nats_an_answer."""
    return {
        "exact_match": exact_match(rows),
        "token_f1": token_f1(rows),
        "perplexity": perplexity(rows),
        "nats_an_answer": nats_an_answer(rows),
    }


def summary(rows: pd.DataFrame) -> dict[str, float]:
    """Computes every metric of rows: top1, top5, class_mean_top5_recall, ece, nll."""
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
