"""Scores frame labels, one row per video. Rows keep counts, so that every published convention follows from them."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from vidseq.errors import UserError
from vidseq.evaluation.intervals import FewGroupsWarning, bootstrap_mean
from vidseq.evaluation.rows import UNNAMED_RUN, Run
from vidseq.segmentation.segment_metrics import (
    F1_AVERAGES,
    OVERLAPS,
    Counts,
    edit_score,
    frame_accuracy,
    pooled_f1,
    segment_counts,
)

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore

#: Whether the background class counts in edit and F1: "out" (Lea et al.) or "in". Accuracy always counts it.
BACKGROUNDS = ("out", "in")
#: The metrics of `summarise_frame_labels`, in order.
METRICS = ("accuracy", "edit", *(f"f1@{round(100 * overlap)}" for overlap in OVERLAPS))
_COUNTS = Counts._fields


def true_frame_labels(dataset: "Dataset", store: "FeatureStore", split: str) -> dict[str, np.ndarray]:
    """Returns the class of each frame of a split's videos, (T,) each; -100 for frames without a class."""
    from vidseq.data.examples import labels_of_video  # needs torch, which scoring does not

    return {
        video.video: labels_of_video(dataset, video.video, store.read(video.video).pts_seconds).numpy()
        for video in dataset.split(split)
    }


def evaluate_frame_labels(
    predicted: Mapping[str, np.ndarray],
    dataset: "Dataset",
    store: "FeatureStore",
    split: str,
    *,
    run: Run = UNNAMED_RUN,
    decoding: str = "",
    background: str = "out",
) -> pd.DataFrame:
    """Scores predicted frame labels against a split's segments.

    Args:
        predicted: the class of each frame, (T,), of each video, as indices into `dataset.action_labels`.
        dataset: the true segments.
        store: the times of the frames.
        split: name of the split.
        run: the model's entries in the rows.
        decoding: how labels were made from scores, for the rows.
        background: one of `BACKGROUNDS`.

    Returns:
        one row per video: run, head, seed, split, dataset, version, decoding, background, video, group, num_frames,
        accuracy, edit, and for each overlap f1@K, true_positives@K, false_positives@K, false_negatives@K.

    Raises:
        UserError: a video has no prediction, or one of another length.
    """
    if background not in BACKGROUNDS:
        raise UserError(f"Frame labels expect background among {', '.join(BACKGROUNDS)}, got '{background}'.")
    name = dataset.info.background
    left_out = dataset.action_labels.index(name) if name is not None and background == "out" else None
    true = true_frame_labels(dataset, store, split)
    return score_frames(predicted, true, dataset, split, left_out, run=run, decoding=decoding, background=background)


def score_frames(
    predicted: Mapping[str, np.ndarray],
    true: Mapping[str, np.ndarray],
    dataset: "Dataset",
    split: str,
    left_out: int | None,
    *,
    run: Run = UNNAMED_RUN,
    decoding: str = "",
    background: str = "out",
) -> pd.DataFrame:
    """Scores predicted classes of frames against true ones; the rows are those of `evaluate_frame_labels`.

    Args:
        predicted: the class of each frame, (T,), of each video.
        true: the true classes, (T,), of each video to score.
        dataset: names and groups of the videos.
        split: name of the split, for the rows.
        left_out: the class that edit and F1 leave out; None: they count all classes.
        run: the model's entries in the rows.
        decoding: how labels were made from scores, for the rows.
        background: one of `BACKGROUNDS`, for the rows.

    Raises:
        UserError: a video has no prediction, or one of another length.
    """
    rows = []
    for video, classes in true.items():
        if video not in predicted or np.shape(predicted[video]) != classes.shape:
            shape = np.shape(predicted[video]) if video in predicted else "none"
            raise UserError(
                f"Frame labels expect a class for each of the {len(classes)} frames of '{video}', got {shape}."
            )
        rows.append(
            {
                **facts_of_video(video, dataset, split, run, decoding, background),
                "num_frames": len(classes),
                **_score(np.asarray(predicted[video]), classes, left_out),
            }
        )
    return pd.DataFrame(rows)


def facts_of_video(
    video: str, dataset: "Dataset", split: str, run: Run, decoding: str, background: str
) -> dict[str, object]:
    """Returns the first columns of a row of a video: run, head, seed, split, ..., video and group."""
    return {
        **{"run": run.run, "head": run.head, "seed": run.seed, "split": split},
        **{"dataset": dataset.info.name, "version": dataset.info.version},
        **{"decoding": decoding, "background": background, "video": video, "group": dataset.group_of(video)},
    }


def summarise_frame_labels(rows: pd.DataFrame, average: str = "per_video") -> dict[str, float]:
    """Computes the published metrics: accuracy and edit as the mean over videos, and F1 by either convention.

    Args:
        rows: rows of one run on one split.
        average: one of `F1_AVERAGES`.

    Returns:
        fractions by the names of `METRICS`.

    Raises:
        UserError: there are no rows, or the average is unknown.
    """
    if average not in F1_AVERAGES or not len(rows):
        raise UserError(
            f"A summary of frame labels expects rows and an average among {', '.join(F1_AVERAGES)}, "
            f"got {len(rows)} rows and '{average}'."
        )
    summary = {name: float(rows[name].mean()) for name in METRICS}
    if average == "pooled":
        for metric in METRICS[2:]:
            overlap = metric.removeprefix("f1@")
            counts = rows[[f"{count}@{overlap}" for count in _COUNTS]].to_numpy()
            summary[metric] = pooled_f1([Counts(*row) for row in counts])
    return summary


def frame_label_table(rows: pd.DataFrame, by: Sequence[str], average: str = "per_video") -> pd.DataFrame:
    """Computes the published metrics in percent for each combination of some columns, as the mean over splits.

    Args:
        rows: rows of `evaluate_frame_labels`.
        by: the columns whose combinations get a line each, such as head and decoding.
        average: one of `F1_AVERAGES`.

    Returns:
        the columns `by`, those of `METRICS` in percent with one digit, and num_videos; where there are such, also
        left_out, the videos that some metric leaves out: those without a labelled frame or without a segment.
    """
    lines = []
    for names, part in rows.groupby(list(by), sort=False):
        splits = [summarise_frame_labels(split, average) for _, split in part.groupby(["dataset", "version", "seed"])]
        means = pd.DataFrame(splits).mean()
        line = {**dict(zip(by, names)), **{metric: round(100 * means[metric], 1) for metric in METRICS}}
        left_out = part.loc[part[list(METRICS)].isna().any(axis=1), "video"].nunique()
        lines.append({**line, "num_videos": part["video"].nunique(), "left_out": left_out})
    table = pd.DataFrame(lines)
    return table if table["left_out"].any() else table.drop(columns="left_out")


def frame_label_intervals(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Computes means over videos in percent with 95% intervals over groups and seeds, as text.

    Args:
        rows: rows of `evaluate_frame_labels`, of one split or of several with different videos.
        by: the columns whose combinations get a line each, such as head and decoding.

    Returns:
        the columns `by`, those of `METRICS` such as "70.5 [66.1, 74.4]", and num_groups. Videos that a metric leaves
        out do not count in it.
    """
    lines = []
    for names, part in rows.groupby(list(by), sort=False):
        line = dict(zip(by, names))
        for metric in METRICS:
            known = part[part[metric].notna()]
            columns = (known[name].to_numpy() for name in (metric, "group", "seed"))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FewGroupsWarning)  # the table has their number
                line[metric] = bootstrap_mean(*columns).in_percent() if len(known) else "–"
        lines.append({**line, "num_groups": part["group"].nunique()})
    return pd.DataFrame(lines)


def _score(predicted: np.ndarray, true: np.ndarray, background: int | None) -> dict[str, float]:
    scores = {
        "accuracy": frame_accuracy(predicted, true),
        "edit": edit_score(predicted, true, background),
    }
    for overlap, metric in zip(OVERLAPS, METRICS[2:]):
        counts = segment_counts(predicted, true, overlap, background)
        scores[metric] = counts.f1
        for name, count in counts._asdict().items():
            scores[f"{name}@{metric.removeprefix('f1@')}"] = count
    return scores
