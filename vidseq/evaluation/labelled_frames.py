"""Scores the labels that a model gives the frames of a split, and the segments that they make."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from vidseq.data.dataset import Dataset
from vidseq.data.fields import listing
from vidseq.data.schema import Segment
from vidseq.errors import UserError
from vidseq.evaluation.detection_tables import (
    Detection,
    detect,
    detection_text,
    rank_frames,
    ranked_classes,
    too_large,
)
from vidseq.evaluation.frame_labels import frame_label_intervals, frame_label_table, score_frames
from vidseq.evaluation.label_sets import label_set_table, score_label_sets
from vidseq.evaluation.rows import Run, write_parquet
from vidseq.evaluation.segment_tables import detect_segments, segment_rows, segment_text
from vidseq.evaluation.timeline import predicted_lines
from vidseq.features.store import FeatureStore
from vidseq.inference.predictor import Predictor
from vidseq.reporting.tables import to_markdown, write_table
from vidseq.segmentation.found_segments import FoundSegment, segments_of_classes
from vidseq.segmentation.segmenter import FRAMES
from vidseq.tasks import DenseTask
from vidseq.timeline.content import Line

#: How many labels a frame are made of probabilities.
THRESHOLDS = "thresholds"
_BY = ["run", "head", "decoding", "answer"]


class LabelledFrames(NamedTuple):
    """A dense task of one model on a split."""

    many_labels: bool
    """Whether frames may have several labels."""
    videos: pd.DataFrame
    """A row for each video and decoding; see `score_frames`, or `score_label_sets` with many labels a frame. Its
    column "answer" is "yes" where predictions use it."""
    frames: pd.DataFrame
    """A row for each labelled frame, with the columns of `vidseq.evaluation.calibration.COLUMNS`; empty with many
    labels a frame, where most answers are that a label is not there."""
    detection: Detection
    """How well scores rank the frames."""
    segments: pd.DataFrame
    """A row for each found and each true segment of each decoding; see `segment_rows`."""
    segment_detection: Detection
    """How well segments are found, in each decoding."""
    lines: Mapping[str, Sequence[Line]]
    """The predicted segments of each video, for a timeline."""
    notes: tuple[str, ...] = ()
    """What has no table, and why, a line each."""


class Labelling(NamedTuple):
    """What one decoding makes of a video."""

    labels: np.ndarray
    """The class of each frame, (T,), or whether it has a class, bool (T, C)."""
    found: list[FoundSegment]


def label_frames(
    predictor: Predictor, task: DenseTask, dataset: Dataset, store: FeatureStore, split: str, run: Run
) -> LabelledFrames:
    """Scores the labels of a split's frames in each decoding that a model offers.

    Args:
        predictor: the model.
        task: its dense task.
        dataset: the true labels.
        store: features of the split's videos.
        split: name of the split.
        run: the model's entries in the rows.

    Raises:
        UserError: the split has no video.
    """
    classes, background = predictor.classes(task.name), task.background(dataset)
    left_out = classes.index(background) if background in classes else None
    names = [video.video for video in dataset.split(split)]
    if not names:
        used = listing([name for name in dataset.info.splits if dataset.split(name)])
        raise UserError(
            f"Evaluation expects videos in split '{split}' of '{dataset.info.name}', got none. Name a split that "
            f"has some (--split): {used}."
        )
    groups = {video: dataset.group_of(video) for video in names}
    times = {video: store.read(video).pts_seconds for video in names}
    true = {video: task.targets(dataset, video, times[video], classes).numpy() for video in names}
    present = ranked_classes(true)
    note = too_large(len(present), true)
    about = {"run": run.run, "head": run.head, "seed": run.seed}
    ranked, frames, labelled = {}, [], dict[str, dict[str, Labelling]]()
    for video in names:
        probabilities = predictor.frame_labels(store.read(video).features, video, task=task.name)
        ranked[video] = probabilities[:, present[:0] if note else present]
        for decoding, labelling in decode_each(predictor, task, probabilities).items():
            labelled.setdefault(decoding, {})[video] = labelling
        if not task.many_labels:
            where = {"family": task.name, "group": groups[video]}
            frames.append(pd.DataFrame({**about, **where, **_scores(probabilities, true[video])}))
    score = score_label_sets if task.many_labels else score_frames
    videos = [
        score({video: part.labels for video, part in parts.items()}, true, dataset, split, left_out, run=run,
              decoding=decoding).assign(answer="yes" if decoding == default_decoding(task) else "")
        for decoding, parts in labelled.items()
    ]  # fmt: skip
    about["split"] = split
    detection = detect(rank_frames(ranked, true, groups, present[:0] if note else present), classes, left_out, about)
    answers = {
        video: [item for item in task.true_segments(dataset, video, times[video]) if item.label != background]
        for video in names
    }
    segments = [
        _segment_rows(parts, answers, times, dataset, classes, left_out).assign(**about, decoding=decoding)
        for decoding, parts in labelled.items()
    ]
    found = [detect_segments(rows, {**about, "decoding": name}) for rows, name in zip(segments, labelled)]
    return LabelledFrames(
        task.many_labels,
        pd.concat(videos, ignore_index=True),
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(),
        detection,
        pd.concat(segments, ignore_index=True),
        Detection(*(pd.concat(column, ignore_index=True) for column in zip(*found))),
        _lines(labelled, times, dataset, classes, run, many_labels=task.many_labels),
        tuple(f"{run.run}: {line}" for line in (note, *task.notes(dataset, names)) if line),
    )


def frame_texts(tables: Sequence[LabelledFrames]) -> list[str]:
    """Formats the tables of a dense task of several models as Markdown, and the notes."""
    texts = []
    for many_labels, table_of in ((False, frame_label_table), (True, label_set_table)):
        own = [part.videos for part in tables if part.many_labels == many_labels]
        if own:
            texts.append(to_markdown(table_of(pd.concat(own, ignore_index=True), _BY), digits=1))
    for means, text_of in (
        (_joined(part.detection.means for part in tables), detection_text),
        (_joined(part.segment_detection.means for part in tables), segment_text),
    ):
        if len(means):
            texts.append(text_of(means))
    return [*texts, *(f"{note}\n" for part in tables for note in part.notes)]


def write_frames(task: str, tables: Sequence[LabelledFrames], out: Path) -> None:
    """Writes the tables of a dense task of several models, those that hold something."""
    videos = _joined(part.videos for part in tables)
    many_labels = any(part.many_labels for part in tables)
    for name, table in {
        "": videos,
        "_intervals": pd.DataFrame() if many_labels else frame_label_intervals(videos, _BY),
        "_classes": _joined(part.detection.of_class for part in tables),
        "_detection": _joined(part.detection.means for part in tables),
        "_segment_classes": _joined(part.segment_detection.of_class for part in tables),
        "_segment_detection": _joined(part.segment_detection.means for part in tables),
    }.items():
        if len(table):
            write_table(table, out / f"{task}{name}.csv")
    write_parquet(_joined(part.segments for part in tables), out / f"{task}_segments.parquet")


def _joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(list(tables), ignore_index=True)


def decode_each(predictor: Predictor, task: DenseTask, probabilities: np.ndarray) -> dict[str, Labelling]:
    """What each decoding that a model offers makes of a video's probabilities.

    Args:
        predictor: the model.
        task: its dense task.
        probabilities: what `Predictor.frame_labels` gave, (T, C).

    Returns:
        by decoding; a causal model's labels are each from the frames up to it.
    """
    if task.many_labels:
        found = predictor.find_segments(probabilities, task=task.name)
        there = np.zeros(probabilities.shape, bool)
        for item in found:
            there[item.first : item.stop, item.label] = True
        return {THRESHOLDS: Labelling(there, found)}
    labels = {FRAMES: probabilities.argmax(axis=1)}
    for decoding in () if task.segmenter is None else task.segmenter.decodings[1:]:
        causal = predictor.model.config.causal
        labels[decoding] = predictor.decode_labels(probabilities, decoding, task=task.name, causal=causal)
    return {name: Labelling(part, segments_of_classes(part, probabilities)) for name, part in labels.items()}


def default_decoding(task: DenseTask) -> str:
    """The decoding that predictions of a task use."""
    if task.many_labels:
        return THRESHOLDS
    return FRAMES if task.segmenter is None else task.segmenter.default


def _lines(
    labelled: Mapping[str, Mapping[str, Labelling]],
    times: Mapping[str, np.ndarray],
    dataset: Dataset,
    classes: Sequence[str],
    run: Run,
    *,
    many_labels: bool,
) -> dict[str, list[Line]]:
    """The predicted segments of each video in each decoding, for a timeline."""
    lines: dict[str, list[Line]] = {}
    for decoding, parts in labelled.items():
        for video, part in parts.items():
            ends = np.append(times[video], dataset.videos[video].duration)
            name = f"{run.run} · {decoding}"
            lines.setdefault(video, []).extend(
                predicted_lines(name, part.found, ends, classes, many_labels=many_labels)
            )
    return lines


def _segment_rows(
    parts: Mapping[str, Labelling],
    true: Mapping[str, list[Segment]],
    times: Mapping[str, np.ndarray],
    dataset: Dataset,
    classes: Sequence[str],
    left_out: int | None,
) -> pd.DataFrame:
    """The rows of one decoding's segments, and of the true ones."""
    found = []
    for video, part in parts.items():
        ends = [*times[video].tolist(), dataset.videos[video].duration]
        for item in part.found:
            if item.label != left_out:
                start, end = ends[item.first], max(ends[item.first], ends[item.stop])
                found.append((item.score, Segment(video=video, start=start, end=end, label=classes[item.label])))
    groups = {video: dataset.group_of(video) for video in parts}
    return segment_rows(found, [item for items in true.values() for item in items], groups)


def _scores(probabilities: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of labelled frames that calibration needs, from probabilities (T, C) and classes (T,)."""
    known = np.flatnonzero(true >= 0)
    probabilities, true = probabilities[known].astype(float), true[known]
    return {
        "score": probabilities.max(axis=1),
        "correct": probabilities.argmax(axis=1) == true,
        "answer_score": probabilities[np.arange(len(true)), true],
    }
