"""From video files to features in a store: decoding and CNN overlap, a run resumes, a bad video stops nothing."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from vidseq.errors import DataError, UserError
from vidseq.features.ahead import map_side_by_side, read_ahead
from vidseq.features.base import Backbone
from vidseq.features.fingerprint import rational
from vidseq.features.origin import file_state, is_replaced
from vidseq.features.report import ExtractReport, Outcome
from vidseq.features.store import FeatureStore
from vidseq.features.windows import PastWindows
from vidseq.processes import run_jobs
from vidseq.progress import progress
from vidseq.video.reader import Frames, VideoReader
from vidseq.video.sampling import sample_times
from vidseq.watch import PATIENCE_SECONDS, watched

#: Frames that may wait for the CNN; decoders give them in bursts.
FRAMES_AHEAD = 64

Videos = Iterable[tuple[str, Path]]


@dataclass(frozen=True)
class _Read:
    """The next frames of a video, or what ended it: its source when all went well, else the error."""

    video: str
    frames: Frames | None = None
    fraction: float = 1.0
    source: dict[str, object] | None = None
    error: str = ""


def extract_features(
    videos: Sequence[tuple[str, Path | str]],
    store: FeatureStore,
    backbone: Backbone,
    fps: Fraction | float | str,
    *,
    decoder: str = "auto",
    skip_bad: bool = False,
    workers: int = 1,
    stall_seconds: float = PATIENCE_SECONDS,
) -> ExtractReport:
    """Turns video files into features, all that the store does not hold yet.

    Stopping it at any moment, by Ctrl-C, a kill or a power cut, loses the videos that were under way and no others.

    Args:
        videos: identifier and file of each.
        store: where to; made with `backbone.fingerprint(fps, decoder)`.
        backbone: the network.
        fps: frames a second to sample.
        decoder: "auto", "decord" or "pyav".
        skip_bad: leave damaged frames out and note it; otherwise such a video counts as failed.
        workers: processes, each with videos of its own and its share of the CPUs. With more than one, a video that
            kills its decoder or hangs costs no more than itself; the calling script then needs
            `if __name__ == "__main__"`. With one, everything happens in this process.
        stall_seconds: with several workers, after how many seconds without progress a video counts as failed.

    Returns:
        what became of each video, with the reason for each that failed.

    Raises:
        FingerprintError: the store holds features made in another way.
        UserError: a video twice, no workers, or a full disk, after which trying other videos is pointless.
    """
    twice = [video for video, count in Counter(video for video, _ in videos).items() if count > 1]
    if twice:
        raise UserError(f"extract_features expects each video once, got '{twice[0]}' more than once. Rename one.")
    if workers < 1:
        raise UserError(f"extract_features expects at least 1 worker, got {workers}.")
    backbone.fingerprint(fps, decoder).check(store.fingerprint)
    report = ExtractReport(skipped=[video for video, path in videos if _is_current(store, video, Path(path))])
    there = set(report.skipped)
    left = [(video, Path(path)) for video, path in videos if video not in there]
    extractor = Extractor(store.folder, backbone, rational(fps), decoder, skip_bad)
    started = time.monotonic()
    with progress(total=len(videos), what="Making features", unit="video") as bar:

        def show(done: float) -> None:
            bar.n = round(len(there) + done, 2)
            bar.refresh()

        show(0)
        if workers == 1 or len(videos) == 1:
            outcomes = extractor.run(left, show)
        else:
            outcomes = _outcomes(extractor, left, workers, stall_seconds)
        for count, outcome in enumerate(outcomes, start=1):
            report.add(outcome)
            show(count)
    report.seconds = time.monotonic() - started
    return report


@dataclass(frozen=True)
class Extractor:
    """All that is needed to make features of a video; can be sent to another process."""

    store_folder: Path
    backbone: Backbone
    fps: Fraction
    decoder: str
    skip_bad: bool

    def run(self, videos: Videos, show: Callable[[float], None] = lambda done: None) -> Iterator[Outcome]:
        """Makes the features of videos one after another; the next is being decoded while one is finished.

        Args:
            videos: identifier and file.
            show: called with how many videos are done, fractions included.
        """
        store = FeatureStore.open(self.store_folder)
        parts: list[np.ndarray] = []
        times: list[tuple[np.ndarray, np.ndarray]] = []
        finished = 0
        depth = max(2, FRAMES_AHEAD // self.backbone.batch_size)
        reads = read_ahead(self._read_all(videos), depth)
        for read, features in map_side_by_side(self._with_features, reads, self.backbone.side_by_side):
            if read.frames is not None and features is not None:
                parts.append(features)
                times.append((read.frames.pts_seconds, read.frames.picture_seconds))
                show(finished + read.fraction)
                continue
            yield self._keep(store, read, parts, times)
            parts, times, finished = [], [], finished + 1

    def __call__(self, item: tuple[str, Path]) -> Outcome:
        """Makes the features of one video."""
        return next(self.run([item]))

    def limit_threads(self, threads: int) -> None:
        """Uses no more than so many CPU threads from now on."""
        torch.set_num_threads(threads)  # resizing is done by torch
        self.backbone.limit_threads(threads)

    def _with_features(self, read: _Read) -> tuple[_Read, np.ndarray | None]:
        if read.frames is None:
            return read, None
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and the store refuses that
            return read, self.backbone(read.frames.images).astype(np.float16)

    def _keep(
        self, store: FeatureStore, read: _Read, parts: list[np.ndarray], times: list[tuple[np.ndarray, np.ndarray]]
    ) -> Outcome:
        """Stores what was made of a video that has ended; `times` are those of samples and of their pictures."""
        if read.source is None:
            return Outcome(read.video, error=read.error)
        if not parts:
            return Outcome(read.video, error="no frame of it could be decoded")
        pts_seconds, pictures = map(np.concatenate, zip(*times))
        num_frames, expected = len(pts_seconds), int(str(read.source["expected_frames"]))
        try:
            store.write(read.video, np.concatenate(parts), pts_seconds, read.source, picture_seconds=pictures)
        except DataError as error:
            return Outcome(read.video, error=str(error))
        missing = expected - num_frames
        note = f"{missing} of {expected} frames are damaged and left out" if missing else ""
        return Outcome(read.video, num_frames, note=note)

    def _read_all(self, videos: Videos) -> Iterator[_Read]:
        for video, path in videos:
            try:
                yield from self._read_one(video, path)
            except (UserError, OSError) as error:
                yield _Read(video, error=str(error))
            except Exception as error:  # decoders have their own ideas of errors; other videos must not suffer
                yield _Read(video, error=f"{path}: {type(error).__name__}: {error}")

    def _read_one(self, video: str, path: Path) -> Iterator[_Read]:
        state = file_state(path)  # before reading: a file that is replaced meanwhile is read again next time
        with (
            watched(),
            VideoReader(path, size=self.backbone.size, decoder=self.decoder, skip_bad=self.skip_bad) as reader,
        ):
            duration = reader.info.duration_seconds
            windows = PastWindows(self.backbone.window)
            for frames in reader.sample(self.fps, chunk=self.backbone.batch_size):
                fraction = float(frames.pts_seconds[-1]) / duration if len(frames) else 0.0
                yield _Read(video, replace(frames, images=windows.add(frames.images)), min(1.0, fraction))
            info = reader.info  # only now: a decoder that gave up has been replaced
            source: dict[str, object] = {
                "file": path.name,
                **state,
                "duration_seconds": duration,
                "expected_frames": len(sample_times(duration, self.fps)),
                "decoder": info.decoder,
                "decoder_version": info.decoder_version,
                "reason": info.reason,
                "damage": info.damage,
            }
            yield _Read(video, source=source)


def _outcomes(
    extractor: Extractor, videos: Sequence[tuple[str, Path]], workers: int, stall_seconds: float
) -> Iterator[Outcome]:
    jobs = {video: (video, path) for video, path in videos}
    # What the extractor does not report as an outcome, such as a full disk, no other video would escape.
    results = run_jobs(
        extractor,
        jobs,
        workers,
        begin=extractor.limit_threads,
        fatal=(UserError,),
        isolated=True,
        patience=stall_seconds,
    )
    for result in results:
        error = f"{jobs[result.name][1]}: {result.error}"
        yield Outcome(result.name, error=error) if result.value is None else result.value


def _is_current(store: FeatureStore, video: str, path: Path) -> bool:
    """Whether the store holds a video that it can read, and its file has not been replaced since (it may be gone)."""
    if video not in store or not store.knows_samples(video):
        return False
    return not is_replaced(store.source(video), path)
