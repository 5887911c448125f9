"""Finds a data set's videos by the names that predictions give them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from vidseq.data.dataset import Dataset
from vidseq.data.schema import Video


def videos_by_name(dataset: Dataset) -> Mapping[str, Sequence[Video]]:
    """Returns the videos by their names and, as `vidseq predict` names them, by those of their files.

    A name of several files has them all: it names none of them.
    """
    found: defaultdict[str, list[Video]] = defaultdict(list)
    for video in dataset.videos.values():
        if video.path is not None and Path(video.path).stem not in dataset.videos:
            found[Path(video.path).stem].append(video)
    return {**found, **{name: [video] for name, video in dataset.videos.items()}}
