"""The layout of RULSTM: annotations as for `epic`, features a frame in LMDB.

```
training.csv, validation.csv, actions.csv      the short form of `epic`, or its official files
<features>/data.mdb                            key "<video>_frame_0000000001.jpg", value a float32 vector
```

Frames are numbered from 1: frame k is at (k - 1) / fps seconds.
"""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import listing, nearest, parse_fps
from vidseq.errors import DataError, UserError
from vidseq.features.store import FeatureStore, VideoFeatures
from vidseq.importers.arrays import imported_fingerprint
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.epic import read_annotations, source_name
from vidseq.progress import progress

_KEY = re.compile(r"(.+)_frame_(\d{10})\.jpg")


@importer("rulstm")
def convert(
    source: Path,
    out: Path,
    *,
    features: str = "rgb",
    annotations: Path | None = None,
    labels: str = "action",
    group: str = "video",
    fps: str | float = 30,
    every: int = 1,
    split: int = 1,
    name: str = "epic_kitchens_100",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts annotations and features in the layout of RULSTM; the source is not changed.

    Features are copied into the new data set with the backbone "external:<features>". A video ends with its last
    action or its last frame.

    Args:
        source: the folder that holds the LMDB's folder.
        out: the new data set.
        features: the folder of the LMDB, such as "rgb", "flow" or "obj".
        annotations: the folder of the CSV files; None: the source.
        labels: what a segment's label is: "action" (verb and noun), "verb" or "noun".
        group: "video", or "participant"; see `epic.convert`.
        fps: frames a second, for all frame numbers.
        every: keeps one of so many frames, from the first.
        split: the number of the short files to use, where they have one, such as training1.csv of EGTEA.
        name: of the data set.
        skip_bad: leave out what cannot be read, and list it; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line, or the video: none of its frames, vectors of several widths, ...
        FileNotFoundError: the source is not in this layout.
        UserError: the package lmdb is not installed.
    """
    source, rate, findings = Path(source), parse_fps(fps), Findings(skip_bad)
    if every < 1:
        raise UserError(f"rulstm expects every to be at least 1, got {every}.")
    info, videos, segments = read_annotations(
        Path(annotations or source), findings, labels=labels, group=group, fps=rate, name=name, split=split
    )
    store = FeatureStore.create_in(out, imported_fingerprint(features, "external", rate / every))
    written = {}
    with _open(source / features) as frames:
        _note_others(frames, videos, findings)
        for video in progress(list(videos), what="Copying features", unit="video"):
            try:
                found = frames.read(source_name(video), rate, every)
                store.write(video, found.features, found.pts_seconds)
            except DataError as problem:
                findings(DataError(f"{features}/data.mdb: {problem}"))
            else:
                end = float(found.pts_seconds[-1]) + float(1 / rate)
                written[video] = replace(videos[video], duration=max(videos[video].duration, end))
    kept = [segment for segment in segments if segment.video in written]
    if len(kept) < len(segments):
        findings.notes.append(
            f"{len(segments) - len(kept)} actions belong to videos that were skipped, and are skipped too."
        )
    if frames.gaps:
        findings.notes.append(f"{len(frames.gaps)} videos lack frames in between: {listing(frames.gaps, 5)}.")
    info = replace(info, fps=rate / every, observations="features")
    return findings.report(write_dataset(out, info, written.values(), kept), len(written))


class _Frames:
    """Reads the features of all frames, video by video."""

    def __init__(self, environment: Any) -> None:
        self._environment = environment
        self.gaps: list[str] = []
        """Videos read so far whose frame numbers leave some out."""

    def videos(self) -> Iterator[str]:
        """Yields all videos that have frames, by seeking from one to the next."""
        with self._environment.begin() as transaction:
            cursor = transaction.cursor()
            more = cursor.first()
            while more:
                match = _KEY.fullmatch(cursor.key().decode("utf-8", "replace"))
                if match is None:
                    key = cursor.key().decode("utf-8", "replace")
                    raise DataError(f"data.mdb expects keys such as 'P01_01_frame_0000000001.jpg', got '{key}'.")
                yield match[1]
                more = cursor.set_range(f"{match[1]}_frame_9999999999.jpg~".encode())

    def read(self, video: str, fps: Fraction, every: int) -> VideoFeatures:
        """Reads the features of a video, float16 (T, D), and the time of each frame.

        Raises:
            DataError: the video has no frames, or their vectors differ in width.
        """
        prefix = f"{video}_frame_".encode()
        numbers: list[int] = []
        vectors: list[np.ndarray] = []
        with self._environment.begin() as transaction:
            cursor = transaction.cursor()
            more = cursor.set_range(prefix)
            while more and cursor.key().startswith(prefix):
                last = self._number(cursor.key())
                if not numbers or (last - numbers[0]) % every == 0:
                    numbers.append(last)
                    vectors.append(_vector(cursor.value(), last))
                more = cursor.next()
        if not numbers:
            raise DataError(f"'{video}' expects frames, got none.")
        widths = {len(vector) for vector in vectors}
        if len(widths) > 1:
            raise DataError(
                f"'{video}' expects float32 vectors of one width, got {listing(sorted(map(str, widths)))}."
            )
        if len(numbers) != (numbers[-1] - numbers[0]) // every + 1:
            self.gaps.append(video)
        times = (np.array(numbers, dtype=np.float64) - 1) / float(fps)
        return VideoFeatures(np.stack(vectors), times)

    @staticmethod
    def _number(key: bytes) -> int:
        text = key.decode("utf-8", "replace")
        match = _KEY.fullmatch(text)
        if match is None or int(match[2]) < 1:
            raise DataError(f"expects keys such as 'P01_01_frame_0000000001.jpg', numbered from 1, got '{text}'.")
        return int(match[2])


def _vector(value: bytes, number: int) -> np.ndarray:
    if not value or len(value) % 4:
        raise DataError(f"frame {number} expects a float32 vector, got {len(value)} bytes.")
    with np.errstate(over="ignore", invalid="ignore"):  # the store refuses what is too large
        return np.frombuffer(value, dtype=np.float32).astype(np.float16)  # as it is kept, half the memory


@contextlib.contextmanager
def _open(folder: Path) -> Iterator[_Frames]:
    """Opens an LMDB read-only, without its lock file."""
    if not (folder / "data.mdb").is_file():
        there = sorted(path.parent.name for path in folder.parent.glob("*/data.mdb"))
        raise FileNotFoundError(
            f"The rulstm layout expects {folder.name}/data.mdb in {folder.parent}, got none."
            f"{nearest(folder.name, there)} Features there: {listing(there)}."
        )
    lmdb = _lmdb()
    try:
        environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
    except lmdb.Error as problem:
        raise DataError(f"{folder.name}/data.mdb: expects an LMDB, got a file that is none ({problem}).") from None
    try:
        _check_whole(environment, folder)
        _check_sound(folder)
        yield _Frames(environment)
    except lmdb.Error as problem:
        raise DataError(f"{folder.name}/data.mdb: expects an LMDB, got a damaged one ({problem}).") from None
    finally:
        environment.close()


#: Reads the first and the last byte of every key and value of the LMDB in its first argument.
_WALK = """
import sys
sys.path[:] = sys.argv[2:]
import lmdb
with lmdb.open(sys.argv[1], readonly=True, lock=False, readahead=False) as environment:
    with environment.begin(buffers=True) as transaction, transaction.cursor() as cursor:
        for key, value in cursor:
            bytes(key), bytes(value[:1]), bytes(value[-1:])
"""


def _check_sound(folder: Path) -> None:
    """Refuses a file whose damage kills the process that reads it, by letting another process read it first."""
    walk = subprocess.run([sys.executable, "-c", _WALK, str(folder), *sys.path], capture_output=True, check=False)
    if walk.returncode < 0:
        raise DataError(f"{folder.name}/data.mdb: expects an LMDB, got a damaged one. Copy it again.")


def _check_whole(environment: Any, folder: Path) -> None:
    """Refuses a file that was cut short: reading past its end would kill the process."""
    expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = (folder / "data.mdb").stat().st_size
    if size < expected:
        raise DataError(f"{folder.name}/data.mdb: expects {expected} bytes, as it says itself, got {size}.")


def _lmdb() -> Any:
    """Imports lmdb, which is an optional package."""
    try:
        import lmdb
    except ImportError:
        raise UserError(
            "The rulstm layout expects the package lmdb, got none. Run `pip install vidseq[lmdb]`."
        ) from None
    return lmdb


def _note_others(frames: _Frames, videos: dict[str, Any], findings: Findings) -> None:
    named = {source_name(video) for video in videos}
    others = [video for video in frames.videos() if video not in named]
    if others:
        findings.notes.append(f"{len(others)} videos have frames but no actions: {listing(others, 5)}.")
