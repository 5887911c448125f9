"""Asks a model every query of a split, at every context and under every control; gives one row an answer."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.evaluation.context import Context, Past, parse_contexts, past_of
from vidseq.evaluation.controls import (
    BASELINES,
    INPUT_CONTROLS,
    check_controls,
    choose_donors,
    majority_scores,
    parse_swap_seconds,
    repeat_last_label_scores,
    swap_past,
)
from vidseq.evaluation.marking import Mark, WordMark, mark, mark_written
from vidseq.evaluation.rows import UNNAMED_RUN, Run, concatenate, make_rows
from vidseq.language.written import Written
from vidseq.progress import progress

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore, VideoFeatures

#: Any model: features, a (T_i, D) float32 array a query, T_i may be 0; their pts_seconds, (T_i,) each; the queries,
#: all of one kind. Gives scores (N, C), logits or log-probabilities, one column a class in the data set's order; or N
#: answers in words.
Predict = Callable[[list[np.ndarray], list[np.ndarray], list[Query]], np.ndarray | list[Written]]

#: Scores (C,), or an answer in words.
_Answer = np.ndarray | Written

#: The list of the data set that the classes of a kind of query come from.
_LABELS_OF_KIND = {"next_action": "action_labels", "question": "answer_labels"}
#: Columns that a query brings along as they are.
_TAKEN_FROM_QUERY = (
    *("video", "time", "kind", "question", "answer", "cause", "tier", "pair"),
    *("evidence_age_seconds", "certificate_seconds", "reach_seconds"),
)
#: Most frames in one call, padding counted: keeps memory bounded on long videos.
_MAX_BATCH_FRAMES = 65536


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
        controls: any of "blind", "last_frame", "shuffled", "swapped_past", "swapped_past:30s", "evidence_only" (only
            the queries with evidence), "majority" and "repeat_last_label" (only next actions).
        run: what to write into the rows.
        train_split: where the majority answer is from.
        batch_size: most queries in one call.
        limit: only the first so many queries; None: all.

    Returns:
        rows, see `vidseq.evaluation.rows.Row`; for answers in words also the columns of `WordMark`.

    Raises:
        UserError: no query, an unknown control or context, a query before the first frame, or scores that are NaN or
            of the wrong shape.
    """
    check_controls(controls)
    asked = list(dataset.queries if queries is None else queries)
    in_split = {video.video for video in dataset.split(split)}
    chosen = [query for query in asked if query.video in in_split][:limit]
    if not chosen:
        raise UserError(f"Evaluation expects queries in split '{split}' of '{dataset.info.name}', got none.")
    exam = _Exam(dataset, store, split, chosen)
    longest = max(exam.history_seconds(number) for number in range(len(chosen)))
    asks = _context_asks(exam, parse_contexts(contexts, longest)) + _control_asks(exam, controls)
    tables = [_rows_of(exam, asks, _answer_all(predict, exam, asks, batch_size), run)] if asks else []
    training = [query for query in asked if dataset.videos[query.video].split == train_split]
    for control in BASELINES:
        tables += _baseline_rows(exam, control, training, run) if control in controls else []
    return concatenate(tables)


class _Exam:
    """The queries of a split with the videos that they are asked of."""

    def __init__(self, dataset: "Dataset", store: "FeatureStore", split: str, queries: Sequence[Query]) -> None:
        self.dataset = dataset
        self.split = split
        self.queries = queries
        self._store = store
        self._videos: dict[str, VideoFeatures] = {}
        for query in queries:
            self._check(query)

    def video(self, name: str) -> "VideoFeatures":
        if name not in self._videos:
            self._videos[name] = self._store.read(name)
        return self._videos[name]

    def past(self, number: int) -> Past:
        video = self.video(self.queries[number].video)
        return past_of(video.features, video.pts_seconds, self.queries[number].time)

    def history_seconds(self, number: int) -> float:
        query = self.queries[number]
        return query.time - float(self.video(query.video).pts_seconds[0])

    def frame_seconds(self, number: int) -> float:
        times = self.video(self.queries[number].video).pts_seconds
        return float(np.median(np.diff(times))) if len(times) > 1 else 0.0

    def classes(self, kind: str) -> tuple[str, ...]:
        return getattr(self.dataset, _LABELS_OF_KIND[kind])

    def group(self, number: int) -> str:
        return self.dataset.group_of(self.queries[number].video)

    @cached_property
    def names(self) -> list[str]:
        """A name for each query: its video, kind, and place among the video's."""
        seen: Counter[tuple[str, str]] = Counter()
        names = []
        for query in self.queries:
            names.append(f"{query.video}#{query.kind}{seen[query.video, query.kind]}")
            seen[query.video, query.kind] += 1
        return names

    @cached_property
    def donors(self) -> dict[str, str]:
        videos = self.dataset.split(self.split)
        return choose_donors({video.video: self.dataset.group_of(video.video) for video in videos})

    def _check(self, query: Query) -> None:
        first = float(self.video(query.video).pts_seconds[0])
        if query.time < first:
            raise UserError(
                f"Evaluation expects queries at or after the first frame of '{query.video}' at {first:.3f} s, "
                f"got one at {query.time:.3f} s. Remove it, or ask later."
            )


@dataclass(frozen=True)
class _Ask:
    """One query to answer from one past."""

    number: int
    """The query, by place in the exam."""
    context: Context
    control: str
    frames: int
    """How many frames of the past there are; of an unaltered past, this is all that tells it from another."""

    @property
    def past_name(self) -> tuple[int, int, str]:
        """Equal for two that see the same frames, so that they are computed once."""
        return self.number, self.frames, "" if self.control in ("blind", "last_frame") else self.control


def _context_asks(exam: _Exam, contexts: Sequence[Context]) -> list[_Ask]:
    asks = []
    for number, query in enumerate(exam.queries):
        times = exam.past(number).pts_seconds
        for context in contexts:
            asks.append(_Ask(number, context, "", len(times) - context.start_index(times, query.time)))
    return asks


def _control_asks(exam: _Exam, controls: Sequence[str]) -> list[_Ask]:
    asks = []
    for control in controls:
        for number, query in enumerate(exam.queries):
            frames = len(exam.past(number).pts_seconds)
            if control == "blind":
                asks.append(_Ask(number, Context(frames=0), control, 0))
            elif control == "last_frame":
                asks.append(_Ask(number, Context(frames=1), control, 1))
            elif control not in BASELINES and (control != "evidence_only" or query.evidence):
                asks.append(_Ask(number, Context(), control, frames))
    return asks


def _past_of_ask(exam: _Exam, ask: _Ask) -> Past:
    past, query = exam.past(ask.number), exam.queries[ask.number]
    swap_seconds = parse_swap_seconds(ask.control)
    if swap_seconds is not None:
        donor = exam.video(exam.donors[query.video])
        return swap_past(past, query, Past(donor.features, donor.pts_seconds), swap_seconds)
    if ask.control:
        return INPUT_CONTROLS[ask.control](past, query)
    first = len(past.pts_seconds) - ask.frames
    return Past(past.features[first:], past.pts_seconds[first:])


def _answer_all(predict: Predict, exam: _Exam, asks: Sequence[_Ask], batch_size: int) -> list[_Answer]:
    """The answer to each, the same past of a query computed once."""
    distinct = {ask.past_name: ask for ask in asks}
    scores: dict[tuple[int, int, str], _Answer] = {}
    with progress(total=len(distinct), what="evaluate", unit="answer") as bar:
        for kind in _LABELS_OF_KIND:
            of_kind = [ask for ask in distinct.values() if exam.queries[ask.number].kind == kind]
            for batch in _batches(of_kind, batch_size):
                for ask, row in zip(batch, _answer(predict, exam, batch, len(exam.classes(kind)))):
                    scores[ask.past_name] = row
                bar.update(len(batch))
    return [scores[ask.past_name] for ask in asks]


def _batches(asks: Sequence[_Ask], batch_size: int) -> Iterator[list[_Ask]]:
    """Groups pasts of like length, so that little is padded; none above `_MAX_BATCH_FRAMES` unless it is one alone."""
    batch: list[_Ask] = []
    for ask in sorted(asks, key=lambda ask: ask.frames):
        if batch and (len(batch) == batch_size or (len(batch) + 1) * ask.frames > _MAX_BATCH_FRAMES):
            yield batch
            batch = []
        batch.append(ask)
    if batch:
        yield batch


def _answer(predict: Predict, exam: _Exam, batch: Sequence[_Ask], num_classes: int) -> Sequence[_Answer]:
    pasts = [_past_of_ask(exam, ask) for ask in batch]
    queries = [exam.queries[ask.number] for ask in batch]
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
    wrong = np.isnan(scores).any(axis=1) | (scores.max(axis=1) == np.inf) | (scores.max(axis=1) == -np.inf)
    if wrong.any():
        query = queries[int(np.flatnonzero(wrong)[0])]
        raise UserError(
            f"Evaluation expects finite scores from the model, got NaN or infinity for {int(wrong.sum())} of "
            f"{len(batch)} answers, first in video '{query.video}' at {query.time:.3f} s."
        )
    return list(scores)


def _baseline_rows(exam: _Exam, control: str, training: Sequence[Query], run: Run) -> list[pd.DataFrame]:
    """Rows of a control that asks no model, one table a kind of query."""
    tables = []
    for kind in _LABELS_OF_KIND if control == "majority" else ("next_action",):
        numbers = [number for number, query in enumerate(exam.queries) if query.kind == kind]
        if not numbers:
            continue
        queries, classes = [exam.queries[number] for number in numbers], exam.classes(kind)
        known = [query for query in training if query.kind == kind]
        if control == "majority":
            scores = majority_scores(known, queries, classes)
        else:
            segments = {query.video: exam.dataset.segments_of(query.video) for query in queries}
            scores = repeat_last_label_scores(segments, known, queries, classes)
        asks = [_Ask(number, Context(frames=0), control, 0) for number in numbers]
        tables.append(_rows_of(exam, asks, list(scores), run))
    return tables


def _mark(exam: _Exam, query: Query, answer: _Answer) -> tuple[Mark, WordMark]:
    if isinstance(answer, Written):
        return mark_written(answer, query)
    return mark(answer, exam.classes(query.kind), query), WordMark(float("nan"), float("nan"))


def _rows_of(exam: _Exam, asks: Sequence[_Ask], answers: Sequence[_Answer], run: Run) -> pd.DataFrame:
    queries = [exam.queries[ask.number] for ask in asks]
    marks, word_marks = zip(*(_mark(exam, query, answer) for answer, query in zip(answers, queries)))
    rows = make_rows(
        {
            "run": run.run,
            "seed": run.seed,
            "head": run.head,
            "dataset": exam.dataset.info.name,
            "split": exam.split,
            "query": [exam.names[ask.number] for ask in asks],
            "group": [exam.group(ask.number) for ask in asks],
            "family": [query.family or query.kind for query in queries],
            "context": [ask.context.name for ask in asks],
            "mode": run.mode,
            "context_frames": [ask.frames for ask in asks],
            "control": [ask.control for ask in asks],
            "context_seconds": [ask.context.in_seconds(exam.frame_seconds(ask.number)) for ask in asks],
            "history_seconds": [exam.history_seconds(ask.number) for ask in asks],
            "ceiling": [_ceiling(query, ask.context) for query, ask in zip(queries, asks)],
            **{name: [getattr(item, name) for item in marks] for name in Mark._fields},
            **{name: [getattr(query, name) for query in queries] for name in _TAKEN_FROM_QUERY},
        }
    )
    if any(isinstance(answer, Written) for answer in answers):
        rows = rows.assign(**{name: [getattr(item, name) for item in word_marks] for name in WordMark._fields})
    return rows


def _ceiling(query: Query, context: Context) -> float:
    """The best possible accuracy with this context, where the query's grid holds it; everything is its last point."""
    if not query.ceiling:
        return float("nan")
    grid = dict(query.ceiling)
    return grid[max(grid)] if context == Context() else grid.get(context.seconds, float("nan"))
