"""Asks a model every query of a split, at every context and under every control; gives one row an answer."""

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

#: Changes the scores (C,) of an answer before it is scored, such as a `LogitAdjustment`.
Adjust = Callable[[np.ndarray], np.ndarray]
#: Columns that a query brings along as they are.
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

    A query at time t with a context of L seconds sees the frames in (t - L, t], from a fresh state, then is asked. A
    length that shows a query the same frames as another is not computed twice. Controls are scored with all the past.

    Args:
        predict: the model.
        dataset: what is asked, and the classes.
        store: features of the split's videos.
        split: which videos.
        queries: what to ask, such as `dataset.next_action_queries(1.0)`; those of other splits are left out. None: the
            data set's own.
        contexts: see `parse_contexts`, such as "1f,1s,2s,...,full".
        controls: "all", or names of input controls (see `vidseq.evaluation.input_controls`) and baselines (see
            `vidseq.baselines`), such as "swapped_past:30s" or "ngram:2".
        run: what to write into the rows.
        train_split: what baselines learn from.
        batch_size: most queries in one call.
        limit: only the first so many queries; None: all.
        adjust: changes the scores of every answer before it is scored; answers in words have none.

    Returns:
        rows, see `vidseq.evaluation.rows.Row`; for answers in words also the columns of `WordScore`.

    Raises:
        UserError: no query, an unknown control or context, one that these queries cannot be put to, a query before the
            first frame or twice the same, or scores that are NaN or of the wrong shape.
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


def queries_of_split(
    dataset: "Dataset", split: str, queries: Sequence[Query], limit: int | None = None
) -> list[Query]:
    """The queries of a split's videos.

    Args:
        dataset: whose videos.
        split: which of them.
        queries: of any videos.
        limit: only the first so many; None: all.

    Raises:
        UserError: there is none, or a limit that leaves none.
    """
    if limit is not None and limit < 1:
        raise UserError(f"Evaluation expects a limit of at least 1 query, got {limit}.")
    in_split = {video.video for video in dataset.split(split)}
    chosen = [query for query in queries if query.video in in_split]
    if not chosen:
        raise UserError(f"Evaluation expects queries in split '{split}' of '{dataset.info.name}', got none.")
    return chosen[:limit]


def choose_controls_for(query_set: QuerySet, controls: Sequence[str]) -> list[str]:
    """See `choose_controls`."""
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
    """Returns the rows of a model at contexts and under input controls.

    Args:
        predict: the model.
        query_set: what to ask.
        contexts: how much of the past to show.
        controls: names; baselines are left out.
        run: what to write into the rows.
        batch_size: most queries in one call, of a model that is not ours.
        share: False: nothing is shared between contexts.
        advance: called with how many more pasts are done; None: a progress bar is shown.
        adjust: see `evaluate`.

    Raises:
        UserError: scores that are NaN or of the wrong shape.
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
        query_set: what to answer.
        controls: baselines as users write them, such as "ngram:2".
        training: what they learn from.
        run: what to write into the rows.
        adjust: see `evaluate`.
    """
    tables = []
    for control in controls:
        baseline = find_baseline(control)
        assert baseline is not None
        for kind in baseline.kinds or query_set.kinds:
            numbers = [number for number, query in enumerate(query_set.queries) if query.kind == kind]
            if numbers:
                scores = baseline.answer(_baseline_data(query_set, training, kind))
                requests = [EvalRequest(number, Context(frames=0), control, 0, 0, 0) for number in numbers]
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
    """Keeps one answer of each query, context and control: of several the most confident, of equal ones the first."""
    of_key: dict[tuple[int, str, str], list[int]] = {}
    for place, request in enumerate(requests):
        of_key.setdefault((request.number, request.control, request.context.name), []).append(place)

    def confidence(place: int) -> float:
        return _score(query_set, query_set.queries[requests[place].number], answers[place])[0].score

    kept = sorted(places[0] if len(places) == 1 else max(places, key=confidence) for places in of_key.values())
    return [requests[place] for place in kept], [answers[place] for place in kept]


def _score(query_set: QuerySet, query: Query, answer: Answer) -> tuple[Score, WordScore]:
    if isinstance(answer, Written):
        return score_written(answer, query)
    return score_answer(answer, query_set.classes(query.kind), query), WordScore(float("nan"), float("nan"))


def _rows_of(
    query_set: QuerySet, requests: Sequence[EvalRequest], answers: Sequence[Answer], run: Run
) -> pd.DataFrame:
    queries = [query_set.queries[request.number] for request in requests]
    scored, word_scored = zip(*(_score(query_set, query, answer) for answer, query in zip(answers, queries)))
    rows = make_rows(
        {
            "run": run.run,
            "seed": run.seed,
            "head": run.head,
            "dataset": query_set.dataset.info.name,
            "split": query_set.split,
            "query": [query_set.names[request.number] for request in requests],
            "group": [query_set.group(request.number) for request in requests],
            "family": [family_of(query) for query in queries],
            "context": [request.context.name for request in requests],
            "mode": run.mode,
            "context_frames": [request.frames for request in requests],
            "control": [request.control for request in requests],
            "context_seconds": [
                request.context.in_seconds(query_set.frame_seconds(request.number)) for request in requests
            ],
            "history_seconds": [query_set.history_seconds(request.number) for request in requests],
            "ceiling": [_ceiling(query, request.context) for query, request in zip(queries, requests)],
            **{name: [getattr(item, name) for item in scored] for name in Score._fields},
            **{name: [getattr(query, name) for query in queries] for name in _TAKEN_FROM_QUERY},
        }
    )
    if any(isinstance(answer, Written) for answer in answers):
        rows = rows.assign(**{name: [getattr(item, name) for item in word_scored] for name in WordScore._fields})
    return rows


def _ceiling(query: Query, context: Context) -> float:
    """The best possible accuracy with this context, where the query's grid holds it; everything is its last point."""
    if not query.ceiling:
        return float("nan")
    grid = dict(query.ceiling)
    return grid[max(grid)] if context == Context() else grid.get(context.seconds, float("nan"))
