"""Tables of online action detection: how well a model's scores rank the frames of a split, with intervals.

Each class is scored over the labelled frames of all videos; frames without a label do not count. Frames have one class
each or several: true classes are given as class indices (T,), below 0 where a frame does not count, or as int8 (T, C),
1 where a frame is of a class and below 0 in all columns of a frame that does not count.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from vidseq.evaluation.frame_detection import (
    NUM_STAGES,
    Stages,
    action_stages,
    average_precision,
    precision_of_counts,
    stage_average_precision,
)
from vidseq.evaluation.intervals import BootstrapSamples, Interval
from vidseq.reporting.tables import to_markdown

#: More scores than this (frames times classes) may not fit into memory, so that such a split gets no table.
MAX_SCORES = 2**28
#: The columns of a class that tables give the mean of, calibrated or not, and what papers call it.
_MEANS = {"average_precision": "mAP", "calibrated_average_precision": "mcAP"}
#: Bootstrap samples, and the most scores at which they compute precision; the values themselves are exact.
_NUM_SAMPLES, _NUM_THRESHOLDS = 1000, 500


class Positives(NamedTuple):
    """The frames of classes, M pairs in all; (M,) each."""

    frames: np.ndarray
    """The index of a frame."""
    columns: np.ndarray
    """The column of a class that it has."""
    first: np.ndarray
    """The first stage of that class's action that the frame belongs to."""
    last: np.ndarray
    """The last one."""

    def of_column(self, column: int) -> "Positives":
        """The pairs of one class."""
        own = self.columns == column
        return Positives(*(part[own] for part in self))


class RankedFrames(NamedTuple):
    """The labelled frames of a split, with the scores of the classes that it holds."""

    scores: np.ndarray
    """(N, C)."""
    positives: Positives
    """Which frames are of which classes."""
    groups: np.ndarray
    """(N,)."""
    present: np.ndarray
    """The index of each column among the data set's classes, (C,)."""

    def has_class(self, column: int) -> np.ndarray:
        """Which frames are of a class, bool (N,)."""
        there = np.zeros(len(self.scores), bool)
        there[self.positives.frames[self.positives.columns == column]] = True
        return there


class Detection(NamedTuple):
    """How well scores rank the frames of a split; both tables are empty where that was not computed."""

    of_class: pd.DataFrame
    """See `class_rows`."""
    means: pd.DataFrame
    """See `detection_table`."""


def ranked_classes(true: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the classes that some frame has, in order.

    Args:
        true: the classes of the frames of each video, (T,) or (T, C); see above.
    """
    found = [np.flatnonzero((part > 0).any(axis=0)) if part.ndim == 2 else np.unique(part) for part in true.values()]
    classes = np.unique(np.concatenate([np.zeros(0, int), *found]))
    return classes[classes >= 0]


def too_large(num_classes: int, true: Mapping[str, np.ndarray]) -> str:
    """Returns why the frames of a split get no table, in one line; "" if they do.

    Args:
        num_classes: the classes that some frame has.
        true: see `ranked_classes`.
    """
    num_frames = sum(map(len, true.values()))
    if num_classes * num_frames <= MAX_SCORES:
        return ""
    return (
        f"No mAP of frames: {num_frames:,} frames of {num_classes:,} classes are more than {MAX_SCORES:,} scores, "
        "which are ranked in memory. Evaluate fewer videos."
    )


def detect(
    frames: RankedFrames, labels: Sequence[str], background: int | None, about: Mapping[str, object]
) -> Detection:
    """Scores how well probabilities rank the frames of a split.

    Args:
        frames: see `rank_frames`.
        labels: the classes of the data set, in order.
        background: the class that is no action; None: none is.
        about: the first columns of both tables, such as the run.
    """
    if not len(frames.present):
        return Detection(pd.DataFrame(), pd.DataFrame())
    rows = class_rows(frames, labels, background)
    tables = (rows, detection_table(frames, rows, len(labels)))
    return Detection(*(pd.DataFrame({**about, **table}, index=table.index) for table in tables))


def rank_frames(
    probabilities: Mapping[str, np.ndarray],
    true: Mapping[str, np.ndarray],
    groups: Mapping[str, str],
    present: np.ndarray,
) -> RankedFrames:
    """Puts the labelled frames of all videos together.

    Args:
        probabilities: of each frame of each video and each class of `present`, (T, C).
        true: the classes of the frames of each video; see `ranked_classes`.
        groups: the group of each video.
        present: see `ranked_classes`.
    """
    if not len(present):
        return RankedFrames(np.zeros((0, 0)), Positives(*[present] * 4), present, present)
    scores, positives, of_group, before = [], [], [], 0
    for video, classes in true.items():
        known = (classes if classes.ndim == 1 else classes[:, 0]) >= 0
        scores.append(probabilities[video][known])
        positives.append(_positives(classes, known, present, before))
        of_group.append(np.full(len(scores[-1]), groups[video], object))
        before += len(scores[-1])
    joined = Positives(*(np.concatenate(column) for column in zip(*positives)))
    return RankedFrames(np.concatenate(scores), joined, np.concatenate(of_group), present)


def _positives(classes: np.ndarray, known: np.ndarray, present: np.ndarray, before: int) -> Positives:
    """The positive frames of one video; those of videos before are `before` frames."""
    targets = classes[:, None] == present if classes.ndim == 1 else classes[:, present] == 1
    stages = action_stages(targets)
    frames, columns = np.nonzero(targets[known])
    first, last = (part[known][frames, columns] for part in stages)
    return Positives(before + frames, columns, first, last)


def class_rows(frames: RankedFrames, labels: Sequence[str], background: int | None) -> pd.DataFrame:
    """Scores each class that the frames hold.

    Args:
        frames: see `rank_frames`.
        labels: the classes of the data set, in order.
        background: the class that is no action; None: none is.

    Returns:
        a row a class: label, is_background, num_frames, average_precision, calibrated_average_precision, and both at
        the stages of an action, average_precision@10% (its first tenth) to @100%.
    """
    rows = []
    for column, index in enumerate(frames.present):
        positives, scores = frames.has_class(column), frames.scores[:, column]
        about = {"label": labels[index], "is_background": index == background, "num_frames": int(positives.sum())}
        stages = _stages_of(frames, column)
        values: dict[str, float] = {}
        for name, calibrated in zip(_MEANS, (False, True)):
            values[name] = average_precision(scores, positives, calibrated=calibrated)
            by_stage = stage_average_precision(scores[:, None], positives[:, None], stages, calibrated=calibrated)
            values |= {column: stage.mean for column, stage in zip(_stage_columns(name), by_stage)}
        rows.append({**about, **{name: values[name] for name in _MEANS}, **values})
    return pd.DataFrame(rows)


def _stages_of(frames: RankedFrames, column: int) -> Stages:
    """The stages of all frames in the actions of one class, (N, 1) each."""
    own = frames.positives.of_column(column)
    first, last = (np.full((len(frames.scores), 1), -1, np.int16) for _ in range(2))
    first[own.frames, 0], last[own.frames, 0] = own.first, own.last
    return Stages(first, last)


def detection_table(frames: RankedFrames, rows: pd.DataFrame, num_classes: int) -> pd.DataFrame:
    """Computes means over classes, with intervals over groups.

    A bootstrap sample takes groups with all of their frames, and averages over the classes that it holds.

    Args:
        frames: see `rank_frames`.
        rows: those of `class_rows`.
        num_classes: the number of classes of the data set.

    Returns:
        a line with the background out and, if there is one, a line with it in: background, classes (in the mean),
        empty (classes without a frame, which are not), mAP, mAP_low, mAP_high, mcAP, mcAP_low, mcAP_high, both at the
        stages of an action, num_frames, num_groups; fractions.
    """
    is_background = rows["is_background"].to_numpy(bool)
    samples, num_groups = _bootstrap(frames), len(np.unique(frames.groups.astype(str)))
    lines = []
    for background, kept in {"out": ~is_background, "in": np.ones(len(rows), bool)}.items():
        if background == "in" and not is_background.any():
            continue
        counted = num_classes - (background == "out" and is_background.any())
        line: dict[str, object] = {"background": background, "classes": int(kept.sum())}
        line["empty"] = int(counted - kept.sum())
        for position, (column, name) in enumerate(_MEANS.items()):
            exact = rows[column].to_numpy(float)[kept]
            interval = mean_interval(exact, samples[position][:, kept], len(frames.scores), num_groups)
            line |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
        for column, name in _MEANS.items():
            means = rows.loc[kept, _stage_columns(column)].mean()
            line |= dict(zip(_stage_columns(name), means))
        lines.append({**line, "num_frames": len(frames.scores), "num_groups": num_groups})
    return pd.DataFrame(lines)


def detection_text(table: pd.DataFrame) -> str:
    """Formats lines of `detection_table`, with run and head, as Markdown, in percent."""
    shown = table[["run", "head", "background"]].copy()
    for name in _MEANS.values():
        ends = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], table["num_frames"], table["num_groups"])
        shown[f"{name} of frames (%)"] = [Interval(*values).in_percent() for values in ends]
    for when, column in (("first", _stage_columns("mcAP")[0]), ("last", _stage_columns("mcAP")[-1])):
        shown[f"mcAP, {when} tenth"] = 100 * table[column]
    return to_markdown(shown.assign(classes=table["classes"], empty=table["empty"]), digits=1)


def _stage_columns(name: str) -> list[str]:
    return [f"{name}@{round(100 * (stage + 1) / NUM_STAGES)}%" for stage in range(NUM_STAGES)]


def draw_groups(num_groups: int, num_samples: int) -> np.ndarray:
    """Draws how often each group is in each bootstrap sample, (samples + 1, G); the last line is the split itself."""
    generator = np.random.default_rng(0)
    even = np.full(num_groups, 1 / num_groups)
    times = generator.multinomial(num_groups, even, num_samples if num_groups > 1 else 0)
    return np.concatenate([times, np.ones((1, num_groups), int)]).astype(float)


def _bootstrap(frames: RankedFrames) -> np.ndarray:
    """Computes the values of each class in samples of groups, (2, samples, C); NaN where a sample lacks the class.

    The last sample is the split itself; what it lacks to the exact value is what fewer thresholds cost.
    """
    names, group = np.unique(frames.groups.astype(str), return_inverse=True)
    times = draw_groups(len(names), _NUM_SAMPLES)
    found = np.full((2, len(times), len(frames.present)), np.nan)
    for column in range(len(frames.present)):
        counts = _counts_of_groups(frames.scores[:, column], frames.has_class(column), group, len(names))
        positives, negatives = (times @ part for part in counts)
        for position, calibrated in enumerate((False, True)):
            found[position, :, column] = precision_of_counts(positives, negatives, calibrated=calibrated)
    return found


def _counts_of_groups(
    scores: np.ndarray, positives: np.ndarray, group: np.ndarray, num_groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts positive and negative frames of each group from threshold to threshold, highest first, (G, K) each."""
    thresholds = np.unique(scores[positives])
    if len(thresholds) > _NUM_THRESHOLDS:
        wanted = np.linspace(0, 1, _NUM_THRESHOLDS)
        thresholds = np.unique(np.quantile(scores[positives], wanted, method="nearest"))
    step = len(thresholds) - np.searchsorted(thresholds, scores, side="right")
    num_steps = len(thresholds) + 1  # the last one is below all positives
    cell, size = group * num_steps + step, num_groups * num_steps
    found, false = (np.bincount(cell, weights=part, minlength=size) for part in (positives, ~positives))
    return found.reshape(num_groups, -1), false.reshape(num_groups, -1)


def mean_interval(exact: np.ndarray, samples: np.ndarray, num_values: int, num_groups: int) -> Interval:
    """Computes the interval of a mean over classes from samples of their values.

    Args:
        exact: the value of each class, (C,).
        samples: its values in samples of groups, and then in the split itself, (samples + 1, C); NaN where a sample
            lacks the class.
        num_values: for the interval.
        num_groups: for the interval.
    """
    if not len(exact):
        return Interval(float("nan"), float("nan"), float("nan"), num_values, num_groups)
    means = pd.DataFrame(samples).mean(axis=1).to_numpy()
    means = means[:-1] + (exact.mean() - means[-1])
    drawn = BootstrapSamples(np.array([exact.mean()]), means[~np.isnan(means), None], num_values, num_groups)
    return drawn.interval(lambda values: values[..., 0])
