"""Labels a video by texts, without training: an image-text model scores each sample against each text."""

from pathlib import Path

import numpy as np
import torch

from vidseq.data.schema import FRAME_LABEL
from vidseq.errors import UserError
from vidseq.features.image_text import ImageTextModel
from vidseq.files import atomic_write, csv_text
from vidseq.inference.offline import video_features
from vidseq.inference.predictions import Prediction
from vidseq.segmentation.found_segments import segments_of_classes
from vidseq.tasks.prediction import rank_classes
from vidseq.video.sampling import SAME_TIME_SECONDS


class TextLabels:
    """The scores of a video's samples, and the segments in which a label fits best.

    Args:
        labels: the texts.
        probabilities: of each sample, (T, labels).
        pts_seconds: the times of the samples, (T,).
        end: when the video ends, in seconds.
        smooth_seconds: each sample gets the mean of those so near it, half of that to either side; 0: as they are.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        probabilities: np.ndarray,
        pts_seconds: np.ndarray,
        end: float,
        smooth_seconds: float = 0.0,
    ) -> None:
        self.labels, self.pts_seconds, self.end = labels, pts_seconds, end
        self.probabilities = smoothed(probabilities, pts_seconds, smooth_seconds)
        """Smoothed, (T, labels)."""

    def rows(self, video: str, top: int = 5) -> list[Prediction]:
        """A row for each segment, in the form of `vidseq predict`.

        Args:
            video: its name.
            top: how many labels to rank.
        """
        times = np.array([*self.pts_seconds, self.end])
        found = segments_of_classes(self.probabilities.argmax(axis=1), self.probabilities)
        means = np.stack([self.probabilities[item.first : item.stop].mean(axis=0) for item in found])
        rankings = rank_classes(torch.from_numpy(means), self.labels, top)
        return [
            Prediction(
                video=video,
                time=float(times[item.first]),
                end=float(times[item.first : item.stop + 1].max()),
                kind=FRAME_LABEL,
                answer=self.labels[item.label],
                probability=item.score,
                ranking=ranking,
            )
            for item, ranking in zip(found, rankings)
        ]

    def write_scores(self, path: Path) -> None:
        """Writes a CSV file: a row for each sample, with its time and a score for each label."""
        numbers = zip(self.pts_seconds.tolist(), self.probabilities.tolist())
        rows = [[f"{time:.3f}", *(f"{score:.4f}" for score in scores)] for time, scores in numbers]
        atomic_write(path, csv_text([["time", *self.labels], *rows]).encode())


def smoothed(values: np.ndarray, times: np.ndarray, seconds: float) -> np.ndarray:
    """Each row's mean with the rows near it.

    Args:
        values: (T, C).
        times: of the rows, rising, (T,).
        seconds: how far apart rows may be, half of that to either side.
    """
    near = seconds / 2 + SAME_TIME_SECONDS
    first, stop = np.searchsorted(times, times - near), np.searchsorted(times, times + near, side="right")
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    means: np.ndarray = (sums[stop] - sums[first]) / (stop - first)[:, None]
    return means


def parse_labels(text: str) -> tuple[str, ...]:
    """Reads labels with commas between them.

    Raises:
        UserError: there are fewer than two, or one stands there twice.
    """
    labels = tuple(label for part in text.split(",") if (label := " ".join(part.split())))
    if len(labels) < 2:
        raise UserError(f"--labels expects two texts or more, with commas between, got {text!r}. Add another.")
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise UserError(f"--labels expects each text once, got '{twice[0]}' twice. Leave one out.")
    return labels


def label_by_text(
    path: Path | str,
    model: ImageTextModel,
    labels: tuple[str, ...],
    *,
    fps: str = "4",
    smooth_seconds: float = 2.0,
    limit_seconds: float | None = None,
    skip_bad: bool = False,
) -> TextLabels:
    """Scores a video's samples against texts.

    Args:
        path: the video file.
        model: made with the texts.
        labels: the texts.
        fps: samples a second.
        smooth_seconds: see `TextLabels`.
        limit_seconds: only the first so many seconds.
        skip_bad: leave damaged frames out.

    Raises:
        UserError: a number that is out of range.
        VideoError: the video cannot be read.
    """
    if smooth_seconds < 0:
        raise UserError(f"--smooth expects 0 s or more, got {smooth_seconds:g}.")
    features, end = video_features(path, model.backbone, fps, limit_seconds=limit_seconds, skip_bad=skip_bad)
    probabilities = model.probabilities(features.features)
    return TextLabels(labels, probabilities, features.pts_seconds, end, smooth_seconds)
