"""Moments of videos as short videos of their own: what was observed until then, a frame a segment, and what comes.

A plan depends on a few segments and how long they lasted, not on thousands of like frames; and where each moment is a
video, training asks just where the test does, and its moments can be of videos whose segments last a little longer or
shorter than they did.
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

#: Numbers beside the classes; see `observed_frames`.
NUM_TIMES = 6
#: Times in files are rounded to the millisecond: what begins so little before a time begins then.
_ROUNDING = 2e-3


def moments_of(
    dataset: Dataset, folder: Path, videos: Iterable[str], shares: Sequence[float], *, stretch: float = 0.0
) -> Dataset:
    """Makes a data set of the moments of videos and writes what they show to its feature store.

    Args:
        dataset: the videos; segments without gaps from 0 on.
        folder: for the features.
        videos: which of them.
        shares: after which shares of each video, to the whole frame below where the data set has a rate; those that
            come twice make two moments.
        stretch: each moment's segments last as long as they did times what is drawn for each (a log-normal number of
            this width), so that no two moments of a video agree; they lie on no frames.

    Returns:
        a data set, not written, with a video and a query "what happens from now on?" a moment.

    Raises:
        DataError: a video without segments, or with gaps.
    """
    store = FeatureStore.create_in(folder, _fingerprint(len(dataset.action_labels)))
    made: dict[str, Video] = {}
    queries: list[Query] = []
    for name in videos:
        whole = dataset.segments_of(name)
        _check(whole, name)
        for number, share in enumerate(shares):
            moment = moment_name(name, number)
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


def moment_name(video: str, number: int) -> str:
    """What a video's moment after the share of that place is called."""
    return f"{video}-moment{number}"


def _on_a_frame(share: float, seconds: float, fps: Fraction | None) -> float:
    """When a share of a video is over, to the whole frame below where it has frames, as the protocol observes them."""
    return share * seconds if fps is None else int(share * round(seconds * fps)) / float(fps)


def _stretched(segments: Sequence[Segment], stretch: float, dice: np.random.Generator) -> list[Segment]:
    lengths = np.array([segment.end - segment.start for segment in segments])
    ends = np.cumsum(lengths * np.exp(stretch * dice.standard_normal(len(lengths)))).tolist()
    return [replace(item, start=start, end=end) for item, start, end in zip(segments, [0.0, *ends], ends)]


def observed_frames(segments: Sequence[Segment], time: float, labels: Sequence[str]) -> np.ndarray:
    """What is observed of a video until a time, a frame a segment.

    Args:
        segments: of one video, without gaps.
        time: seconds, above 0; the segment that goes on is cut there.
        labels: the classes, C of them.

    Returns:
        (K, 3 C + `NUM_TIMES`): the class; which classes occurred so far, and what share of the video each took; length
        and start as logarithms of seconds and as shares of the video, the logarithm of the seconds that are left, and
        the share of the video that is over, both when the segment (or what is observed of it) ends. The length of the
        video is known, as it is by the published protocol.
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
