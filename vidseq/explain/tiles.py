"""Draws the tiles of a figure: thumbnails if there is a video file, else the features."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.visible import Past
from vidseq.data.words import label_in_words
from vidseq.explain.figure import DrawTiles, Tile

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset

#: A thumbnail has the area of a square of this side in pixels, and the aspect ratio of the video.
_PIXELS = 192
_CAPTION_LETTERS = 15


def tiles_of(dataset: "Dataset", video: str, past: Past) -> DrawTiles:
    """Returns a function that draws frames: thumbnails from the video file, else features as grey cells with labels.

    Args:
        dataset: the data set of the video.
        video: name of the video.
        past: the frames that can be drawn.

    Raises:
        VideoError: the returned function raises it for a damaged file.
    """
    path = dataset.video_path(video)
    if path is not None and path.is_file():
        return lambda indices: _thumbnails(path, past.pts_seconds[list(indices)])
    return lambda indices: _symbols(dataset, video, past, indices)


def _thumbnails(path: Path, times: np.ndarray) -> list[Tile]:
    from vidseq.video.reader import VideoReader  # needs torch, which rows and tables do not
    from vidseq.video.resizing import Size

    with VideoReader(path, size=Size(_PIXELS, resize="whole")) as reader:
        times = np.clip(times, 0, reader.info.duration_seconds)
        return [Tile(image) for image in reader.frames_at(times).images]


def _symbols(dataset: "Dataset", video: str, past: Past, indices: Sequence[int]) -> list[Tile]:
    features = np.asarray(past.flat_features, np.float32)
    low, high = features.min(axis=0), features.max(axis=0)
    spread = np.where(high > low, high - low, 1.0)
    segments = dataset.segments_of(video)
    tiles = []
    for index in indices:
        time = float(past.pts_seconds[index])
        labels = sorted({item.label for item in segments if item.start <= time < item.end})
        caption = "\n".join(_short(label_in_words(label)) for label in labels[:3])
        tiles.append(Tile(_grid((features[index] - low) / spread), caption))
    return tiles


def _grid(values: np.ndarray) -> np.ndarray:
    """Arranges values in [0, 1] as an image with an aspect ratio of about 4:3; higher values are darker."""
    columns = max(1, int(np.ceil(np.sqrt(len(values) * 4 / 3))))
    rows = -(-len(values) // columns)
    grid = np.ones(rows * columns, np.float32)
    grid[: len(values)] = 1 - 0.75 * values
    return grid.reshape(rows, columns)


def _short(words: str) -> str:
    return words if len(words) <= _CAPTION_LETTERS else f"{words[: _CAPTION_LETTERS - 1]}…"
