"""Makes a short video of each moment of a video: one frame per observed segment, and the future as its query.

A forecast depends on a few segments and their lengths, not on thousands of similar frames. With one video per moment,
training asks at the same moments as the test, and it can vary the lengths of the segments.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq.data.action_sequences import derive_action_sequences
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query, Segment, Video
from vidseq.errors import DataError
from vidseq.features.external import external_fingerprint
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore

#: Number of features besides those of the classes; see `observed_frames`.
NUM_TIMES = 6
#: Times in files are rounded to the millisecond, so times that differ by less than this count as equal.
_ROUNDING = 2e-3


def moments_of(
    dataset: Dataset, folder: Path, videos: Iterable[str], shares: Sequence[float], *, stretch: float = 0.0
) -> Dataset:
    """Makes a data set of moments of videos and writes their features to its feature store.

    Args:
        dataset: the data set; its segments start at 0 s and leave no gaps.
        folder: folder for the features.
        videos: names of the videos.
        shares: the moments, as shares of each video. They are rounded down to a frame if the data set has a frame
            rate. A share that comes twice makes two moments.
        stretch: standard deviation of the random log factors that multiply the lengths of a moment's segments, so that
            no two moments of a video are equal. Stretched moments are not rounded to frames.

    Returns:
        a data set in memory, with one video and one query for the future actions per moment.

    Raises:
        DataError: a video has no segments, or has gaps between them.
    """
    store = FeatureStore.create_in(folder, _fingerprint(len(dataset.action_labels)))
    made: dict[str, Video] = {}
    queries: list[Query] = []
    for name in videos:
        whole = dataset.segments_of(name)
        _check(whole, name)
        for index, share in enumerate(shares):
            moment = moment_name(name, index)
            segments = _stretched(whole, stretch, np.random.default_rng(zlib.crc32(moment.encode())))
            time = _on_a_frame(share, segments[-1].end, None if stretch else dataset.info.fps)
            frames = observed_frames(segments, time, dataset.action_labels)
            if moment not in store:
                store.write(moment, frames, np.arange(len(frames)))
            made[moment] = replace(
                dataset.videos[name], video=moment, duration=float(len(frames)), group=dataset.group_of(name)
            )
            (query,) = derive_action_sequences(segments, [time])
            queries.append(replace(query, video=moment, time=len(frames) - 1.0))
    info = replace(dataset.info, fps=None, labels={"action": dataset.action_labels}, observations="symbolic")
    return Dataset(folder, info, made, [], queries)


def moment_name(video: str, index: int) -> str:
    """Returns the name of a video's moment at the share with this index."""
    return f"{video}-moment{index}"


def _on_a_frame(share: float, seconds: float, fps: Fraction | None) -> float:
    """Returns the end of a share of a video in seconds, rounded down to a frame as in the published protocol."""
    return share * seconds if fps is None else int(share * round(seconds * fps)) / float(fps)


def _stretched(segments: Sequence[Segment], stretch: float, generator: np.random.Generator) -> list[Segment]:
    lengths = np.array([segment.end - segment.start for segment in segments])
    ends = np.cumsum(lengths * np.exp(stretch * generator.standard_normal(len(lengths)))).tolist()
    return [replace(item, start=start, end=end) for item, start, end in zip(segments, [0.0, *ends], ends)]


def observed_frames(segments: Sequence[Segment], time: float, labels: Sequence[str]) -> np.ndarray:
    """Returns features of the segments of a video up to a time, one frame per segment.

    Args:
        segments: segments of one video, without gaps.
        time: end of the observation in seconds, above 0; the current segment is cut there.
        labels: the C classes.

    Returns:
        features (K, 3 C + `NUM_TIMES`): the class of the segment; which classes occurred so far; the share of the
        video that each class took so far; length and start of the segment, each as the logarithm of seconds and as a
        share of the video; and at the end of the (observed part of the) segment, the logarithm of the remaining
        seconds and the elapsed share of the video. The features use the length of the video, as the published protocol
        does.
    """
    seen = [segment for segment in segments if segment.start < time - _ROUNDING]
    total = segments[-1].end
    start = np.array([segment.start for segment in seen])
    end = np.minimum([segment.end for segment in seen], time)
    hot = np.eye(len(labels))[[labels.index(segment.label) for segment in seen]]
    spent = (hot * (end - start)[:, None]).cumsum(axis=0) / total
    times = [np.log1p(end - start), (end - start) / total, np.log1p(start), start / total]
    return np.column_stack([hot, spent > 0, spent, *times, np.log1p(total - end), end / total])


def _check(segments: Sequence[Segment], video: str) -> None:
    bounds = [0.0, *(segment.end for segment in segments)]
    if not segments or any(abs(segment.start - end) > _ROUNDING for segment, end in zip(segments, bounds)):
        raise DataError(
            f"Moments expect segments of '{video}' from 0 s on without gaps, got {len(segments)} otherwise."
        )


def _fingerprint(num_classes: int) -> Fingerprint:
    return external_fingerprint(f"observed-segments-{num_classes}", 1, precision="external")
