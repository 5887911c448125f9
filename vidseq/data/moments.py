"""Makes a short video of each moment of a video: one frame per observed segment, and the future as its query.

These are the features `OBSERVED_LABELS` of any data set that has segments. A forecast depends on a few segments and
their lengths, not on thousands of similar frames. With one video per moment, training asks at the same moments as the
test, and it can vary the lengths of the segments.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from vidseq.data.action_sequences import derive_action_sequences
from vidseq.data.dataset import Dataset
from vidseq.data.schema import Query, Segment, Video
from vidseq.errors import DataError
from vidseq.features.external import external_fingerprint
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.memory import MemoryFeatures

#: The name that stands for these features where a kind of features is chosen.
OBSERVED_LABELS = "observed_labels"
#: Labels a second, where a data set names no rate.
USUAL_RATE = Fraction(10)
_BACKBONE = "observed-segments-"
#: Number of features besides those of the classes; see `observed_frames`.
NUM_TIMES = 6
#: Times in files are rounded to the millisecond, so times that differ by less than this count as equal.
_ROUNDING = 2e-3


def moments_of(
    dataset: Dataset,
    videos: Iterable[str],
    shares: Sequence[float],
    *,
    stretch: float = 0.0,
    labels: Sequence[str] | None = None,
) -> tuple[Dataset, MemoryFeatures]:
    """Makes a data set of moments of videos, and their features.

    Args:
        dataset: the data set; its segments start at 0 s and leave no gaps, or it has a background that fills them.
        videos: names of the videos.
        shares: the moments, as shares of each video, rounded down to a frame; see `rate_of`. A share that comes twice
            makes two moments.
        stretch: standard deviation of the random log factors that multiply the lengths of a moment's segments, so that
            no two moments of a video are equal. Stretched moments are not rounded to frames.
        labels: the classes in the order of the features; None: those of the data set.

    Returns:
        a data set in memory, with one video and one query for the future actions per moment; and the features.

    Raises:
        DataError: a video has no segments, has gaps between them, or has a class that is not among the labels.
    """
    classes = dataset.action_labels if labels is None else tuple(labels)
    store = MemoryFeatures(observed_fingerprint(len(classes)))
    made: dict[str, Video] = {}
    queries: list[Query] = []
    for name in videos:
        whole = whole_segments(dataset, name, classes)
        for index, share in enumerate(shares):
            moment = moment_name(name, index)
            segments = _stretched(whole, stretch, np.random.default_rng(zlib.crc32(moment.encode())))
            time = _on_a_frame(share, segments[-1].end, None if stretch else rate_of(dataset))
            frames = observed_frames(segments, time, classes)
            store.put(moment, frames, np.arange(len(frames)))
            made[moment] = replace(
                dataset.videos[name], video=moment, duration=float(len(frames)), group=dataset.group_of(name)
            )
            (query,) = derive_action_sequences(segments, [time])
            queries.append(replace(query, video=moment, time=len(frames) - 1.0))
    info = replace(
        dataset.info, fps=None, labels={"action": classes}, observations="symbolic", tasks={}, question_source=None
    )
    return Dataset(dataset.folder, info, made, [], queries), store


def observed_fingerprint(num_classes: int) -> Fingerprint:
    """What the features of moments of so many classes were made with."""
    return external_fingerprint(f"{_BACKBONE}{num_classes}", 1, precision="external")


def shows_observed_labels(fingerprint: Fingerprint) -> bool:
    """Whether features are those of moments."""
    return fingerprint.backbone.startswith(_BACKBONE)


def rate_of(dataset: Dataset) -> Fraction:
    """The labels a second of a data set, `USUAL_RATE` if it names none."""
    return dataset.info.fps or USUAL_RATE


def classes_of(dataset: Dataset, video: str) -> np.ndarray:
    """The class of each frame of a video, (n,), at the rate of the data set; needs no features.

    Raises:
        DataError: see `moments_of`.
    """
    index_of, rate = {label: index for index, label in enumerate(dataset.action_labels)}, rate_of(dataset)
    return np.concatenate(
        [
            np.full(round(item.end * rate) - round(item.start * rate), index_of[item.label])
            for item in whole_segments(dataset, video)
        ]
    )


def whole_segments(dataset: Dataset, video: str, labels: Sequence[str] | None = None) -> list[Segment]:
    """The segments of a video from 0 s on without gaps; a background fills those that there are.

    Args:
        dataset: the data set.
        video: name of the video.
        labels: the classes that segments may have; None: those of the data set.

    Raises:
        DataError: there are no segments, there are gaps and the data set has no background, or another class.
    """
    background, end, whole = dataset.info.background, 0.0, list[Segment]()
    segments = dataset.segments_of(video)
    for segment in segments:
        if background is not None and segment.start > end + _ROUNDING:
            whole.append(Segment(video=video, start=end, end=segment.start, label=background))
        whole.append(segment)
        end = segment.end
    if segments and background is not None and dataset.videos[video].duration > end + _ROUNDING:
        whole.append(Segment(video=video, start=end, end=dataset.videos[video].duration, label=background))
    _check(whole, video)
    strange = {segment.label for segment in whole} - set(dataset.action_labels if labels is None else labels)
    if strange:
        raise DataError(f"Moments of '{video}' expect the classes that the model knows, got '{min(strange)}'.")
    return whole


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
            f"Moments expect segments of '{video}' from 0 s on without gaps, got {len(segments)} otherwise. "
            "Name a 'background' in dataset.json, which fills gaps, or leave the video out."
        )
