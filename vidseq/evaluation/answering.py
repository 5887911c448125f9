"""Answers requests: any model reads one clip per request; a `Predictor` shares its work between requests."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.requests import EvalRequest, past_of_request
from vidseq.evaluation.shared_reading import answer_shared
from vidseq.inference.predictor import Predictor
from vidseq.language.written import Written

#: Any model. It takes the features of each query, (T_i, D) float32, T_i may be 0; their pts_seconds, (T_i,) each; and
#: the queries, all of one kind. It returns scores (N, C), logits or log-probabilities, with one column per class in
#: the data set's order; or N answers in words.
Predict = Callable[[list[np.ndarray], list[np.ndarray], list[Query]], np.ndarray | list[Written]]
#: A model that answers one query: it takes features (T, D), pts_seconds (T,) and the query, and returns scores (C,).
PredictOne = Callable[[np.ndarray, np.ndarray, Query], np.ndarray]
#: Scores (C,), or an answer in words.
Answer = np.ndarray | Written
#: Most frames in one call, padding included. It bounds memory on long videos.
_MAX_BATCH_FRAMES = 65536


def one_at_a_time(predict_one: PredictOne) -> Predict:
    """Turns a function that answers one query into a `Predict`.

    ```python
    def predict_one(features, pts_seconds, query):   # (T, D), T may be 0; (T,); vidseq.data.schema.Query
        return scores                                # (C,), logits or log-probabilities

    rows = evaluate(one_at_a_time(predict_one), dataset, store, "test", contexts="1f,1s,2s,...,full")
    ```

    Args:
        predict_one: the model.

    Returns:
        a function for `evaluate`. It raises UserError if an answer is not a vector or two answers differ in length.
    """

    def predict(features: list[np.ndarray], pts_seconds: list[np.ndarray], queries: list[Query]) -> np.ndarray:
        answers = [np.asarray(predict_one(*request)) for request in zip(features, pts_seconds, queries)]
        for query, scores in zip(queries, answers):
            if scores.ndim != 1 or scores.shape != answers[0].shape:
                expected = "(C,)" if scores.ndim != 1 else f"({len(answers[0])},) as before"
                raise UserError(
                    f"Evaluation expects scores {expected} for each query, got {scores.shape} for the one of "
                    f"'{query.video}' at {query.time:.3f} s."
                )
        return np.stack(answers)

    return predict


def answer_all(
    predict: Predict,
    query_set: QuerySet,
    requests: Sequence[EvalRequest],
    batch_size: int,
    advance: Callable[[int], object],
    *,
    share: bool = True,
) -> list[Answer]:
    """Answers each request. Requests that show a query the same frames are computed once.

    Args:
        predict: the model. A `Predictor` shares work between requests.
        query_set: the queries and videos of the requests.
        requests: what to answer, in any order.
        batch_size: largest number of queries in one call.
        advance: called with the number of pasts done since the last call, for a progress bar.
        share: False: a `Predictor` reads one clip per request, too.

    Raises:
        UserError: scores are NaN or have the wrong shape.
    """
    distinct = {request.past_name: request for request in requests}
    scores: dict[tuple[int, int, int, str], Answer] = {}
    batches: Iterator[tuple[Sequence[EvalRequest], Sequence[Answer]]]
    if share and isinstance(predict, Predictor):
        batches = answer_shared(predict, query_set, [*distinct.values()])
    else:
        batches = _answer_each(predict, query_set, [*distinct.values()], batch_size)
    for batch, answers in batches:
        _check_finite(answers, [query_set.queries[request.index] for request in batch])
        scores.update((request.past_name, _in_double(answer)) for request, answer in zip(batch, answers))
        advance(len(batch))
    return [scores[request.past_name] for request in requests]


def _answer_each(
    predict: Predict, query_set: QuerySet, requests: Sequence[EvalRequest], batch_size: int
) -> Iterator[tuple[Sequence[EvalRequest], Sequence[Answer]]]:
    for kind in query_set.kinds:
        of_kind = [request for request in requests if query_set.queries[request.index].kind == kind]
        for batch in _batches(of_kind, batch_size):
            yield batch, _answer(predict, query_set, batch, len(query_set.classes(kind)))


def _batches(requests: Sequence[EvalRequest], batch_size: int) -> Iterator[list[EvalRequest]]:
    """Groups pasts of similar length to save padding; only a batch of one may exceed `_MAX_BATCH_FRAMES`."""
    batch: list[EvalRequest] = []
    for request in sorted(requests, key=lambda request: request.frames):
        if batch and (len(batch) == batch_size or (len(batch) + 1) * request.frames > _MAX_BATCH_FRAMES):
            yield batch
            batch = []
        batch.append(request)
    if batch:
        yield batch


def _answer(predict: Predict, query_set: QuerySet, batch: Sequence[EvalRequest], num_classes: int) -> Sequence[Answer]:
    pasts = [past_of_request(query_set, request) for request in batch]
    queries = [query_set.queries[request.index] for request in batch]
    features = [np.asarray(past.features, np.float32) for past in pasts]
    answers = predict(features, [past.pts_seconds for past in pasts], queries)
    if isinstance(answers, list) and len(answers) == len(batch) and all(isinstance(one, Written) for one in answers):
        return answers
    scores = np.asarray(answers, np.float64)
    if scores.shape != (len(batch), num_classes):
        raise UserError(
            f"Evaluation expects scores ({len(batch)}, {num_classes}) from the model, a column for each class of "
            f"{queries[0].kind}, got {scores.shape}."
        )
    return list(scores)


def _in_double(answer: Answer) -> Answer:
    return answer if isinstance(answer, Written) else np.asarray(answer, np.float64)


def _check_finite(answers: Sequence[Answer], queries: Sequence[Query]) -> None:
    """Refuses scores without a finite maximum; minus infinity is allowed for classes that are ruled out."""
    scored = [(answer, query) for answer, query in zip(answers, queries) if not isinstance(answer, Written)]
    wrong = [query for answer, query in scored if not np.isfinite(answer.max())]
    if wrong:
        query = wrong[0]
        raise UserError(
            f"Evaluation expects finite scores from the model, got NaN or infinity for {len(wrong)} of "
            f"{len(scored)} answers, first in video '{query.video}' at {query.time:.3f} s."
        )


def classes_of_kinds(predict: Predict) -> dict[str, tuple[str, ...]]:
    """Returns the classes with which a `Predictor` answers each kind of query; {} for any other model."""
    return predict.classes_of_kinds if isinstance(predict, Predictor) else {}
