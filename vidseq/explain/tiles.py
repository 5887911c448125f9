"""What frames look like on the strip: thumbnails where there is a video file, symbols otherwise."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.visible import Past
from vidseq.explain.figure import DrawTiles, Tile

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset

#: Pixels of a thumbnail, squared; its shape is the video's.
_PIXELS = 192
_CAPTION_LETTERS = 15


def tiles_of(dataset: "Dataset", video: str, past: Past) -> DrawTiles:
    """Thumbnails from the video's file if it is there, else the features as grey squares with what goes on.

    Args:
        dataset: whose video it is.
        video: its name.
        past: the frames that can be asked for.

    Raises:
        VideoError: raised by what is returned, for a file that is damaged.
    """
    path = dataset.video_path(video)
    if path is not None and path.is_file():
        return lambda numbers: _thumbnails(path, past.pts_seconds[list(numbers)])
    return lambda numbers: _symbols(dataset, video, past, numbers)


def _thumbnails(path: Path, times: np.ndarray) -> list[Tile]:
    from vidseq.video.reader import VideoReader  # needs torch, which rows and tables do not
    from vidseq.video.resizing import Size

    with VideoReader(path, size=Size(_PIXELS, resize="whole")) as reader:
        times = np.clip(times, 0, reader.info.duration_seconds)
        return [Tile(image) for image in reader.frames_at(times).images]


def _symbols(dataset: "Dataset", video: str, past: Past, numbers: Sequence[int]) -> list[Tile]:
    features = np.asarray(past.features, np.float32)
    low, high = features.min(axis=0), features.max(axis=0)
    spread = np.where(high > low, high - low, 1.0)
    segments = dataset.segments_of(video)
    tiles = []
    for number in numbers:
        time = float(past.pts_seconds[number])
        labels = sorted({item.label for item in segments if item.start <= time < item.end})
        caption = "\n".join(_short(label.replace("_", " ")) for label in labels[:3])
        tiles.append(Tile(_grid((features[number] - low) / spread), caption))
    return tiles


def _grid(values: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1] as a picture of about four to three, darker for more."""
    columns = max(1, int(np.ceil(np.sqrt(len(values) * 4 / 3))))
    rows = -(-len(values) // columns)
    grid = np.ones(rows * columns, np.float32)
    grid[: len(values)] = 1 - 0.75 * values
    return grid.reshape(rows, columns)


def _short(words: str) -> str:
    return words if len(words) <= _CAPTION_LETTERS else f"{words[: _CAPTION_LETTERS - 1]}…"
