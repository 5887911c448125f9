"""Evaluates a model on the queries of a split, at each context and under each control; one row per answer."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vidseq.baselines.baseline_data import BaselineData, family_of
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.answering import Answer, Predict, answer_all, classes_of_kinds
from vidseq.evaluation.contexts import Context, parse_contexts
from vidseq.evaluation.controls import choose_controls, find_baseline
from vidseq.evaluation.requests import EvalRequest, context_requests, control_requests
from vidseq.evaluation.rows import UNNAMED_RUN, Run, concatenate, make_rows
from vidseq.evaluation.scoring import Score, WordScore, score_answer, score_written
from vidseq.language.written import Written
from vidseq.progress import progress

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore

#: Changes the class scores (C,) of an answer before it is scored, for example a `LogitAdjustment`.
Adjust = Callable[[np.ndarray], np.ndarray]
#: Columns that are copied from the query.
_TAKEN_FROM_QUERY = (
    *("video", "time", "kind", "question", "answer", "cause", "tier", "pair"),
    *("evidence_age_seconds", "certificate_seconds", "reach_seconds"),
)


def evaluate(
    predict: Predict,
    dataset: "Dataset",
    store: "FeatureStore",
    split: str,
    *,
    queries: Sequence[Query] | None = None,
    contexts: str | Sequence[str] = "full",
    controls: Sequence[str] = (),
    run: Run = UNNAMED_RUN,
    train_split: str = "train",
    batch_size: int = 64,
    limit: int | None = None,
    adjust: Adjust | None = None,
) -> pd.DataFrame:
    """Scores a model on the queries of a split.

    A query at time t with a context of L seconds sees the frames in (t - L, t], read from a new state. Two lengths
    that show a query the same frames are computed once. Controls see all of the past.

    Args:
        predict: the model.
        dataset: the queries and the classes.
        store: features of the split's videos.
        split: name of the split.
        queries: what to ask, such as `dataset.next_action_queries(1.0)`. Queries of other splits are left out. None:
            the queries of the data set.
        contexts: see `parse_contexts`, such as "1f,1s,2s,...,full".
        controls: "all", or names of input controls (see `vidseq.evaluation.input_controls`) and baselines (see
            `vidseq.baselines`), such as "swapped_past:30s" or "ngram:2".
        run: the model's entries in the rows.
        train_split: the split that baselines learn from.
        batch_size: largest number of queries in one call.
        limit: largest number of queries, counted from the first; None: all.
        adjust: changes the class scores of every answer before it is scored; answers in words stay as they are.

    Returns:
        rows, see `vidseq.evaluation.rows.Row`; for answers in words also the columns of `WordScore`.

    Raises:
        UserError: there is no query; a control or context is unknown, or the queries do not meet its needs; a query
            lies before the first frame or comes twice; or scores are NaN or have the wrong shape.
    """
    asked = list(dataset.queries if queries is None else queries)
    chosen = queries_of_split(dataset, split, asked, limit)
    query_set = QuerySet(dataset, store, split, chosen, classes_of_kinds(predict))
    controls = choose_controls_for(query_set, controls)
    baselines = [control for control in controls if find_baseline(control)]
    lengths = parse_contexts(contexts, query_set.longest_seconds)
    tables = ask_model(predict, query_set, lengths, controls, run, batch_size, adjust=adjust)
    if baselines:
        training = [query for query in asked if dataset.videos[query.video].split == train_split]
        tables += answer_baselines(query_set, baselines, training, run, adjust)
    return concatenate(tables)


def evaluate_adjusted(
    predict: Predict,
    dataset: "Dataset",
    store: "FeatureStore",
    split: str,
    adjusts: Sequence[Adjust],
    *,
    queries: Sequence[Query],
    run: Run = UNNAMED_RUN,
    batch_size: int = 64,
    limit: int | None = None,
) -> list[pd.DataFrame]:
    """Scores a model with all of the past several times, each with other changes of its class scores.

    The model answers once. The other arguments and errors are those of `evaluate`.

    Args:
        adjusts: the changes.

    Returns:
        the rows of each change, in their order.
    """
    query_set = QuerySet(
        dataset, store, split, queries_of_split(dataset, split, queries, limit), classes_of_kinds(predict)
    )
    requests = context_requests(query_set, [Context()])
    with progress(total=len({request.past_name for request in requests}), what="evaluate", unit="answer") as bar:
        answers = answer_all(predict, query_set, requests, batch_size, bar.update, share=True)
    return [
        _rows_of(query_set, *_most_confident(query_set, requests, _adjusted(answers, adjust)), run)
        for adjust in adjusts
    ]


def queries_of_split(
    dataset: "Dataset", split: str, queries: Sequence[Query], limit: int | None = None
) -> list[Query]:
    """Returns the queries of a split's videos.

    Args:
        dataset: the data set of the videos.
        split: name of the split.
        queries: queries of any videos.
        limit: largest number of queries, counted from the first; None: all.

    Raises:
        UserError: the split has no query, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise UserError(f"Evaluation expects a limit of at least 1 query, got {limit}.")
    in_split = {video.video for video in dataset.split(split)}
    chosen = [query for query in queries if query.video in in_split]
    if not chosen:
        asked = Counter(dataset.videos[query.video].split for query in queries)
        there = ", ".join(f"{name} {number}" for name, number in asked.items()) or "no split"
        raise UserError(
            f"Evaluation expects queries in split '{split}' of '{dataset.info.name}', got none. Name a split that has "
            f"some (--split): {there}."
        )
    return chosen[:limit]


def choose_controls_for(query_set: QuerySet, controls: Sequence[str]) -> list[str]:
    """Replaces "all" by every control whose needs a query set meets, as `choose_controls` does."""
    groups = {query_set.dataset.group_of(video.video) for video in query_set.dataset.split(query_set.split)}
    has_segments = bool(query_set.dataset.segments)
    return choose_controls(controls, query_set.queries, num_groups=len(groups), has_segments=has_segments)


def ask_model(
    predict: Predict,
    query_set: QuerySet,
    contexts: Sequence[Context],
    controls: Sequence[str],
    run: Run,
    batch_size: int = 64,
    *,
    share: bool = True,
    advance: Callable[[int], object] | None = None,
    adjust: Adjust | None = None,
) -> list[pd.DataFrame]:
    """Returns the rows of a model at several contexts and under input controls.

    Args:
        predict: the model.
        query_set: the queries.
        contexts: how much of the past to show.
        controls: names of controls; baselines are left out.
        run: the model's entries in the rows.
        batch_size: largest number of queries in one call; a `Predictor` chooses its own.
        share: False: contexts share no work.
        advance: called with the number of pasts done since the last call; None: a progress bar is shown.
        adjust: see `evaluate`.

    Raises:
        UserError: scores are NaN or have the wrong shape.
    """
    requests = context_requests(query_set, contexts) + control_requests(query_set, controls)
    if not requests:
        return []
    if advance is not None:
        scores = answer_all(predict, query_set, requests, batch_size, advance, share=share)
    else:
        with progress(total=len({request.past_name for request in requests}), what="evaluate", unit="answer") as bar:
            scores = answer_all(predict, query_set, requests, batch_size, bar.update, share=share)
    return [_rows_of(query_set, *_most_confident(query_set, requests, _adjusted(scores, adjust)), run)]


def answer_baselines(
    query_set: QuerySet, controls: Sequence[str], training: Sequence[Query], run: Run, adjust: Adjust | None = None
) -> list[pd.DataFrame]:
    """Returns the rows of baselines, one table for each baseline and kind of query.

    Args:
        query_set: the queries.
        controls: names of baselines, such as "ngram:2".
        training: the queries that baselines learn from.
        run: the model's entries in the rows.
        adjust: see `evaluate`.
    """
    tables = []
    for control in controls:
        baseline = find_baseline(control)
        assert baseline is not None
        for kind in baseline.kinds or query_set.kinds:
            indices = [index for index, query in enumerate(query_set.queries) if query.kind == kind]
            if indices:
                scores = baseline.answer(_baseline_data(query_set, training, kind))
                requests = [EvalRequest(index, Context(frames=0), control, 0, 0, 0) for index in indices]
                tables.append(_rows_of(query_set, requests, _adjusted(list(scores), adjust), run))
    return tables


def _adjusted(answers: Sequence[Answer], adjust: Adjust | None) -> Sequence[Answer]:
    if adjust is None:
        return answers
    return [answer if isinstance(answer, Written) else adjust(answer) for answer in answers]


def _baseline_data(query_set: QuerySet, training: Sequence[Query], kind: str) -> BaselineData:
    dataset = query_set.dataset
    queries, known = ([query for query in part if query.kind == kind] for part in (query_set.queries, training))
    videos = {query.video for query in (*queries, *known)}
    return BaselineData(
        known,
        queries,
        query_set.classes(kind),
        {video: dataset.segments_of(video) for video in videos},
        query_set.past_of,
        dataset.info.background,
        {video: dataset.group_of(video) for video in videos},
    )


def _most_confident(
    query_set: QuerySet, requests: Sequence[EvalRequest], answers: Sequence[Answer]
) -> tuple[list[EvalRequest], list[Answer]]:
    """Keeps one answer for each query, context and control: the most confident one, and the first of equal ones."""
    of_key: dict[tuple[int, str, str], list[int]] = {}
    for position, request in enumerate(requests):
        of_key.setdefault((request.index, request.control, request.context.name), []).append(position)

    def confidence(position: int) -> float:
        return _score(query_set, query_set.queries[requests[position].index], answers[position])[0].score

    kept = sorted(
        positions[0] if len(positions) == 1 else max(positions, key=confidence) for positions in of_key.values()
    )
    return [requests[position] for position in kept], [answers[position] for position in kept]


def _score(query_set: QuerySet, query: Query, answer: Answer) -> tuple[Score, WordScore]:
    if isinstance(answer, Written):
        return score_written(answer, query)
    return score_answer(answer, query_set.classes(query.kind), query), WordScore(float("nan"), float("nan"))


def _rows_of(
    query_set: QuerySet, requests: Sequence[EvalRequest], answers: Sequence[Answer], run: Run
) -> pd.DataFrame:
    queries = [query_set.queries[request.index] for request in requests]
    scored, word_scored = zip(*(_score(query_set, query, answer) for answer, query in zip(answers, queries)))
    rows = make_rows(
        {
            "run": run.run,
            "seed": run.seed,
            "head": run.head,
            "dataset": query_set.dataset.info.name,
            "split": query_set.split,
            "query": [query_set.names[request.index] for request in requests],
            "group": [query_set.group(request.index) for request in requests],
            "family": [family_of(query) for query in queries],
            "context": [request.context.name for request in requests],
            "mode": run.mode,
            "context_frames": [request.frames for request in requests],
            "control": [request.control for request in requests],
            "context_seconds": [
                request.context.in_seconds(query_set.frame_seconds(request.index)) for request in requests
            ],
            "history_seconds": [query_set.history_seconds(request.index) for request in requests],
            "ceiling": [_ceiling(query, request.context) for query, request in zip(queries, requests)],
            **{name: [getattr(item, name) for item in scored] for name in Score._fields},
            **{name: [getattr(query, name) for query in queries] for name in _TAKEN_FROM_QUERY},
        }
    )
    if any(isinstance(answer, Written) for answer in answers):
        rows = rows.assign(**{name: [getattr(item, name) for item in word_scored] for name in WordScore._fields})
    return rows


def _ceiling(query: Query, context: Context) -> float:
    """Returns the best possible accuracy with this context; NaN if the query does not know it.

    The full context is the last point of the query's grid.
    """
    if not query.ceiling:
        return float("nan")
    grid = dict(query.ceiling)
    return grid[max(grid)] if context == Context() else grid.get(context.seconds, float("nan"))
