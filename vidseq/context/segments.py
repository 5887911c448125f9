"""Scores segments by context: every frame is labelled from each length of the past, and the labels are decoded.

A model sees the samples in (t - L, t] of a frame at t, read from a new state. The decoding that training learnt sees
the scores of all frames up to t, so that segments show what the model's own past adds to it.
"""

import functools
import itertools
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vidseq.context.sweep import Sweep, opened, predictor_of
from vidseq.data.dataset import Dataset
from vidseq.data.query_set import QuerySet
from vidseq.data.schema import Query
from vidseq.data.visible import count_visible
from vidseq.evaluation.answering import answer_all
from vidseq.evaluation.contexts import Context
from vidseq.evaluation.frame_labels import frame_label_intervals, score_frames
from vidseq.evaluation.labelled_frames import decode_each, default_decoding
from vidseq.evaluation.requests import context_requests
from vidseq.evaluation.rows import Run, write_parquet
from vidseq.evaluation.run_description import describe_run
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.processes import all_values, run_jobs
from vidseq.progress import progress
from vidseq.video.sampling import count_intervals

_FILE, _PARTS = "segments.parquet", "segment_parts"


def segments_by_context(
    predictor: Predictor,
    dataset: Dataset,
    store: FeatureStore,
    split: str,
    video: str,
    contexts: Sequence[Context],
    every_seconds: float,
    run: Run,
) -> pd.DataFrame:
    """Scores the frame labels of one video at several contexts, in each decoding that the model offers.

    Args:
        predictor: a causal model that gives each frame one label.
        dataset: the true labels.
        store: the features.
        split: name of the video's split, for the rows.
        video: its name.
        contexts: how much of the past each frame is labelled from.
        every_seconds: seconds from one labelled frame to the next; those between have its label.
        run: the model's entries in the rows.

    Returns:
        a row for each context and decoding, with the columns of `score_frames`, context, context_seconds, mode, and
        answer: "yes" where predictions use the decoding.
    """
    task = predictor.model.dense_task()
    times = store.read(video).pts_seconds
    frames = _labelled_frames(times, every_seconds)
    queries = [Query(video=video, time=float(times[frame]), kind=task.query_kind, answer="") for frame in frames]
    query_set = QuerySet(dataset, store, split, queries, predictor.classes_of_kinds)
    requests = context_requests(query_set, contexts)
    answers = answer_all(predictor, query_set, requests, 64, lambda count: None)
    scores = np.stack([np.asarray(answer) for answer in answers])
    classes, background = predictor.classes(task.name), task.background(dataset)
    left_out = classes.index(background) if background in classes else None
    true = {video: task.targets(dataset, video, times, classes).numpy()}
    tables = []
    for index, context in enumerate(contexts):
        of_context = np.exp(scores[index :: len(contexts)])  # requests go query by query
        probabilities = np.repeat(of_context, np.diff([*frames, len(times)]), axis=0)
        for decoding, labelling in decode_each(predictor, task, probabilities).items():
            rows = score_frames({video: labelling.labels}, true, dataset, split, left_out, run=run, decoding=decoding)
            answer = "yes" if decoding == default_decoding(task) else ""
            seconds = context.in_seconds(query_set.frame_seconds(0))
            tables.append(rows.assign(answer=answer, context=context.name, context_seconds=seconds, mode=run.mode))
    return pd.concat(tables, ignore_index=True)


def _labelled_frames(times: np.ndarray, every_seconds: float) -> list[int]:
    """The first frame, and those that are on screen each so many seconds later."""
    wanted = times[0] + every_seconds * np.arange(count_intervals(times[0], times[-1], every_seconds) + 1)
    return sorted({count_visible(times, time) - 1 for time in wanted.tolist()})


@dataclass(frozen=True)
class _Part:
    """One video of one model."""

    model: Path
    video: str
    contexts: tuple[Context, ...]
    file: Path


def sweep_segments(
    sweep: Sweep, videos: Sequence[str], contexts: Sequence[Context], out: Path, workers: int
) -> pd.DataFrame:
    """Scores the segments of all models of a sweep of frame labels; goes on where it stopped.

    Args:
        sweep: the models and the data, with `frame_labels_every`.
        videos: the videos to label.
        contexts: how much of the past each frame is labelled from.
        out: the sweep's folder, which gets segments.parquet.
        workers: processes.

    Returns:
        the rows of `segments_by_context`.
    """
    if (out / _FILE).is_file():
        return pd.read_parquet(out / _FILE)
    folder = out / _PARTS
    parts = [
        _Part(model, video, tuple(contexts), folder / f"{index:05d}.parquet")
        for index, (model, video) in enumerate(itertools.product(sweep.models, videos))
    ]
    jobs = {f"{part.model.name}, {part.video}": part for part in parts if not part.file.is_file()}
    results = run_jobs(functools.partial(_score_part, sweep), jobs, workers)
    all_values(progress(results, total=len(jobs), what="segments", unit="video"), "Segments by context")
    rows = pd.concat([pd.read_parquet(part.file) for part in parts], ignore_index=True)
    write_parquet(rows, out / _FILE)
    shutil.rmtree(folder)
    return rows


def _score_part(sweep: Sweep, part: _Part) -> None:
    assert sweep.frame_labels_every is not None
    dataset, store = opened(sweep)
    predictor = predictor_of(part.model, sweep)
    run = describe_run(part.model, predictor.model)
    rows = segments_by_context(
        predictor, dataset, store, sweep.split, part.video, part.contexts, sweep.frame_labels_every, run
    )
    write_parquet(rows, part.file)


def segment_table(rows: pd.DataFrame, line: str = "head") -> pd.DataFrame:
    """Means in percent with 95% intervals over groups for each line, context and decoding.

    Args:
        rows: of `segments_by_context`.
        line: the column whose values get a line each, "head" or "run".
    """
    ordered = rows.sort_values("context_seconds", kind="stable")
    return frame_label_intervals(ordered, [line, "decoding", "answer", "context"]).sort_values(
        [line, "decoding"], kind="stable", ignore_index=True
    )
