"""A database of chunks: features of many videos in one folder, searched by the means of the chunks.

```
<database>/
  frames.npy       float16 (frames, F) or (frames, N, F): features of all videos, one video after another, read by mmap
  keys.npy         float32 (chunks, F): the mean of each chunk
  rows.npy         int64 (chunks,): first row of a chunk in frames.npy; its continuation follows it directly
  seconds.npy      float64 (chunks,): start of the chunk in its video
  database.json    the features' fingerprint, the chunk length, the videos with their groups and counts
```
"""

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from vidseq.claims import refuse_existing, scratch_folder
from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, FingerprintError, UserError
from vidseq.features.disk import open_mapped, save_array
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
from vidseq.files import NO_ARRAY, NOT_WRITABLE, atomic_write, parse_json

HEADER = "database.json"
FORMAT, FORMAT_VERSION = "vidseq database", 1
ARRAYS = ("frames", "keys", "rows", "seconds")


@dataclass(frozen=True)
class DatabaseVideo:
    """A video that a database holds."""

    video: str
    group: str
    chunks: int
    """Number of its chunks in the database; they are contiguous, in the order of the videos."""


@dataclass(frozen=True)
class Database:
    """Chunks of videos with their continuations; made by `build_database`."""

    folder: Path
    dataset: str
    split: str
    fingerprint: Fingerprint
    chunk: int
    """Frames m of a chunk."""
    videos: tuple[DatabaseVideo, ...]
    frames: np.ndarray
    """float16 (frames, F), mapped from disk."""
    keys: np.ndarray
    """float32 (C, F), mapped from disk: the mean of each chunk's frames."""
    rows: np.ndarray
    """int64 (C,): chunk and continuation are the 2 m frames from this row on."""
    seconds: np.ndarray
    """float64 (C,): start of each chunk in its video."""

    @staticmethod
    def open(folder: Path | str, fingerprint: Fingerprint | None = None) -> "Database":
        """Opens a database.

        Args:
            folder: written by `build_database`.
            fingerprint: of the features that will be searched for; None: not checked.

        Raises:
            FileNotFoundError: the folder is not a database.
            DataError: its files are damaged or of another version.
            FingerprintError: it was built from other features; the message names the field that differs.
        """
        return open_database(Path(folder), fingerprint)

    def __len__(self) -> int:
        return len(self.rows)

    def check(self, fingerprint: Fingerprint) -> None:
        """Checks that features with this fingerprint can be searched for.

        Raises:
            FingerprintError: the message names the first field that differs.
        """
        try:
            fingerprint.check(self.fingerprint)
        except FingerprintError as error:
            raise FingerprintError(f"Database {self.folder}: {error}") from error

    @cached_property
    def groups(self) -> np.ndarray:
        """Group index of each chunk, int64 (C,); videos of one group share an index."""
        indices = [self._group_indices[video.group] for video in self.videos]
        return np.repeat(np.array(indices, dtype=np.int64), [video.chunks for video in self.videos])

    def group_index(self, video: str) -> int:
        """Returns the index of a video's group; -1 for a video that is not in the database."""
        return self._group_by_video.get(video, -1)

    def video_of(self, chunk: int) -> str:
        """Returns the video of a chunk."""
        ends = np.cumsum([video.chunks for video in self.videos])
        return self.videos[int(np.searchsorted(ends, chunk, side="right"))].video

    def values(self, chunks: np.ndarray) -> np.ndarray:
        """Returns the frames of chunks (...,) and their continuations, float16 (..., 2 m, F)."""
        found: np.ndarray = self.frames[self.rows[chunks][..., None] + np.arange(2 * self.chunk)]
        return found

    @cached_property
    def _group_indices(self) -> dict[str, int]:
        return {group: index for index, group in enumerate(dict.fromkeys(video.group for video in self.videos))}

    @cached_property
    def _group_by_video(self) -> dict[str, int]:
        return {video.video: self._group_indices[video.group] for video in self.videos}


def build_database(
    dataset: Dataset, store: FeatureStore, out: Path | str, *, split: str = "train", chunk: int = 16
) -> Database:
    """Builds a database of a split's videos, completely or not at all.

    Args:
        dataset: its videos and groups.
        store: their features.
        out: a folder that does not exist yet.
        split: of the data set; models can be trained and tested with a database of "train".
        chunk: frames m of a chunk. Chunks begin at frames 0, m, 2 m, ... of a video and need 2 m frames each.

    Returns:
        the database, opened.

    Raises:
        UserError: `out` exists, or `chunk` is below 1.
        DataError: the split is unknown, features are missing, or no video has two chunks.
        OSError: the disk is full or the folder cannot be written; nothing is left there.
    """
    out = Path(out)
    if chunk < 1:
        raise UserError(f"A database expects chunks of at least 1 frame, got {chunk}.")
    refuse_existing(out, "A database")
    names = [video.video for video in dataset.split(split)]
    counts = {name: max(0, len(store.read(name).features) // chunk - 1) for name in names}
    if not sum(counts.values()):
        raise DataError(
            f"A database expects videos of at least two chunks, {2 * chunk} frames, "
            f"got none in split '{split}' of '{dataset.info.name}'. Use a smaller chunk, or another split."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with scratch_folder(out.parent, f".{out.name}") as temporary:
            _write_arrays(store, counts, chunk, temporary)
            videos = [{"video": name, "group": dataset.group_of(name), "chunks": counts[name]} for name in names]
            header = {
                "format": FORMAT,
                "version": FORMAT_VERSION,
                "dataset": dataset.info.name,
                "split": split,
                "chunk": chunk,
                "fingerprint": json.loads(store.fingerprint.to_json()),
                "videos": videos,
            }
            atomic_write(temporary / HEADER, json.dumps(header, indent=1, ensure_ascii=False) + "\n")
            temporary.chmod(0o755)
            temporary.rename(out)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise OSError(error.errno, os.strerror(error.errno or 0), str(out)) from error  # not a file for a while
    return Database.open(out)


def _write_arrays(store: FeatureStore, counts: dict[str, int], chunk: int, folder: Path) -> None:
    """Writes the arrays; frames go directly to disk, because they may exceed the memory."""
    lengths = {name: (count + 1) * chunk if count else 0 for name, count in counts.items()}
    shape = (sum(lengths.values()), *store.frame_shape)
    frames = open_mapped(folder / "frames.npy", shape, np.float16)
    keys, rows, seconds, start = [], [], [], 0
    for name, count in counts.items():
        if count:
            stored, length = store.read(name), lengths[name]
            frames[start : start + length] = stored.features[:length]
            chunks = stored.features[: count * chunk].reshape(count, chunk, -1)
            keys.append(chunks.mean(axis=1, dtype=np.float32))
            rows.append(start + chunk * np.arange(count, dtype=np.int64))
            seconds.append(stored.pts_seconds[: count * chunk : chunk])
            start += length
    frames.flush()
    for array, parts in (("keys", keys), ("rows", rows), ("seconds", seconds)):
        save_array(folder / f"{array}.npy", np.concatenate(parts))


def open_database(folder: Path, fingerprint: Fingerprint | None) -> Database:
    """Reads and checks a database for `Database.open`."""
    header = _read_header(folder)
    try:
        if (header["format"], header["version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError(f"version {header['version']} of '{header['format']}'")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
        database = Database(
            folder,
            dataset=header["dataset"],
            split=header["split"],
            fingerprint=Fingerprint(**header["fingerprint"]),
            chunk=header["chunk"],
            videos=tuple(DatabaseVideo(**video) for video in header["videos"]),
            **arrays,
        )
        num_chunks = sum(video.chunks for video in database.videos)
        if not len(database.keys) == len(database.rows) == len(database.seconds) == num_chunks:
            raise ValueError(f"{len(database.keys)} keys of {num_chunks} chunks")
        last = len(database.frames) - 2 * database.chunk
        if num_chunks and not 0 <= database.rows.min() <= database.rows.max() <= last:
            raise ValueError(f"chunks that begin outside of frames 0 to {last}")
    except (*NO_ARRAY, KeyError, TypeError) as error:
        raise DataError(
            f"Database {folder} is damaged: {error!r}. Build it again with `vidseq database build`."
        ) from error
    if fingerprint is not None:
        database.check(fingerprint)
    return database


def _read_header(folder: Path) -> dict[str, Any]:
    try:
        data = (folder / HEADER).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"A database expects {HEADER} in {folder}, got none. Build one with `vidseq database build`."
        ) from None
    try:
        header = parse_json(data.decode())
    except ValueError as error:  # not JSON, or not text
        raise DataError(f"{folder / HEADER} expects JSON, got {error}. Build the database again.") from error
    if not isinstance(header, dict):
        raise DataError(f"{folder / HEADER} expects a JSON object, got {data[:20]!r}. Build the database again.")
    return header
