"""Fits a projection of cells: PCA on a sample of the frames of training videos."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.errors import DataError, UserError, VideoError
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import rational
from vidseq.features.projection import FeatureProjection
from vidseq.progress import progress
from vidseq.video.reader import VideoReader
from vidseq.video.sampling import sample_times

#: Frames that a projection is fitted on, spread evenly over the videos.
MAX_FRAMES = 1000
#: Largest width of a cell; the covariance of wider ones would fill the memory.
MAX_WIDTH = 4096


class CellMoments:
    """The sum and the products of many cells, in memory that does not grow with their number.

    Args:
        width: numbers D of a cell.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self._shift: np.ndarray | None = None
        self._sum, self._products = np.zeros(width), np.zeros((width, width))

    def add(self, cells: np.ndarray) -> None:
        """Adds cells (M, D)."""
        if self._shift is None:
            self._shift = cells.mean(axis=0, dtype=np.float64)  # what is near zero loses no digits when squared
        shifted = (cells - self._shift).astype(np.float32)
        self.count += len(cells)
        self._sum += shifted.sum(axis=0, dtype=np.float64)
        self._products += shifted.T @ shifted

    def fit(self, dim: int, num_videos: int) -> FeatureProjection:
        """Finds the directions of most variance.

        Args:
            dim: how many, P.
            num_videos: where the cells came from, for the file.

        Raises:
            UserError: more directions than the cells have.
        """
        most = min(len(self._sum), self.count - 1)
        if self._shift is None or not 1 <= dim <= most:
            raise UserError(f"pca expects from 1 to {most} numbers a cell, got {dim}. Use fewer, or more videos.")
        mean = self._sum / self.count
        variances, directions = np.linalg.eigh(self._products / self.count - np.outer(mean, mean))
        variances, components = variances.clip(min=0)[::-1], directions[:, ::-1][:, :dim]
        largest = np.abs(components).argmax(axis=0)
        components = components * np.sign(components[largest, np.arange(dim)])
        return FeatureProjection(
            mean=(self._shift + mean).astype(np.float32),
            components=components.astype(np.float32),
            explained_variance=(variances[:dim] / max(variances.sum(), np.finfo(float).tiny)).astype(np.float32),
            num_cells=self.count,
            num_videos=num_videos,
        )


def fit_projection(
    videos: Sequence[Path],
    backbone: Backbone,
    fps: Fraction | float | str,
    dim: int,
    *,
    decoder: str = "auto",
    seed: int = 0,
    max_frames: int = MAX_FRAMES,
) -> FeatureProjection:
    """Fits a projection on frames of videos, drawn at random; videos that cannot be read are left out.

    Args:
        videos: the files of training videos.
        backbone: makes the features to project.
        fps: the rate whose samples are drawn from.
        dim: numbers that each cell keeps.
        decoder: what reads videos.
        seed: of the draw.
        max_frames: frames to draw, as many from each video.

    Raises:
        DataError: no video can be read.
        UserError: `dim` does not fit, or cells are too wide.
    """
    if backbone.dim > MAX_WIDTH:
        raise UserError(f"pca expects cells of at most {MAX_WIDTH} numbers, got {backbone.dim}. Use --tokens.")
    if not 1 <= dim <= backbone.dim:
        raise UserError(f"pca expects from 1 to {backbone.dim} numbers a cell, got {dim}.")
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(len(videos))[:max_frames].tolist()
    each = max(1, max_frames // max(1, len(chosen)))
    moments, read = CellMoments(backbone.dim), 0
    for index in progress(chosen, what="Fitting PCA", unit="video"):
        before = moments.count
        for features in _features(videos[index], backbone, rational(fps), decoder, each, generator):
            moments.add(features.reshape(-1, backbone.dim))
        read += moments.count > before
    if not read:
        raise DataError(f"pca expects training videos that can be read, got none of {len(videos)}. Check the files.")
    return moments.fit(dim, read)


def _features(
    path: Path, backbone: Backbone, fps: Fraction, decoder: str, num: int, generator: np.random.Generator
) -> Iterable[np.ndarray]:
    """Features of frames drawn from a video; none if it cannot be read, which extraction then reports."""
    try:
        with VideoReader(path, size=backbone.size, decoder=decoder, skip_bad=True) as reader:
            times = sample_times(reader.info.duration_seconds, fps)
            drawn = np.searchsorted(times, np.sort(generator.permutation(times)[:num]))
            images = _with_past(reader, times, drawn, backbone.window)
    except (UserError, OSError):
        return []
    return _batches(images, backbone)


def _with_past(reader: VideoReader, times: np.ndarray, drawn: np.ndarray, window: int) -> np.ndarray:
    """The samples of some indices, as the backbone reads them: each alone, or with those before it."""
    back = np.arange(window)[::-1]
    read = np.maximum(0, drawn[:, None] - back)
    images = reader.frames_at(times[read.ravel()]).images
    if len(images) != read.size and window > 1:
        raise VideoError("Windows expect each of their pictures, got fewer: some are damaged.")
    return images if window == 1 else images.reshape(len(drawn), window, *images.shape[1:])


def _batches(images: np.ndarray, backbone: Backbone) -> Iterator[np.ndarray]:
    for start in range(0, len(images), backbone.batch_size):
        yield backbone(images[start : start + backbone.batch_size])
