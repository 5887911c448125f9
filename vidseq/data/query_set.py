"""The queries of a split with the features of their videos."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.consistency import refuse_repeated_questions
from vidseq.data.schema import FRAME_LABEL, NEXT_ACTION, QUESTION, Query
from vidseq.data.visible import Past, count_visible, past_of
from vidseq.errors import UserError

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore, VideoFeatures

#: The label list of the data set that holds the classes of each kind of query, unless a model has its own classes.
LABELS_OF_KIND = {NEXT_ACTION: "action", QUESTION: "answer", FRAME_LABEL: "action"}


class QuerySet:
    """Queries with the features of their videos.

    Args:
        dataset: the classes and groups.
        store: features of the videos.
        split: the split of the donors of swapped pasts.
        queries: the queries.
        classes: a model's classes by kind of query; other kinds have the classes of the data set.

    Raises:
        UserError: a query lies before the first frame, or a question comes twice.
    """

    def __init__(
        self,
        dataset: "Dataset",
        store: "FeatureStore",
        split: str,
        queries: Sequence[Query],
        classes: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        self.dataset = dataset
        self.split = split
        self.queries = queries
        self._classes = classes
        self._store = store
        self._videos: dict[str, VideoFeatures] = {}
        self._frame_seconds: dict[str, float] = {}
        refuse_repeated_questions(queries, "Evaluation")
        for query in queries:
            self._check(query)

    def video(self, name: str) -> "VideoFeatures":
        """Returns a video's features; they are read once."""
        if name not in self._videos:
            self._videos[name] = self._store.read(name)
        return self._videos[name]

    def past(self, index: int) -> Past:
        """Returns all samples that a query may see, given its index."""
        return self.past_of(self.queries[index])

    def past_of(self, query: Query) -> Past:
        """Returns all samples that any query of the data set may see."""
        video = self.video(query.video)
        return past_of(video.features, video.pts_seconds, query.time)

    def donor(self, index: int) -> Past:
        """Returns the samples of another group's video, to swap into a query's past."""
        video = self.video(self._donors[self.queries[index].video])
        return Past(video.features, video.pts_seconds)

    def history_seconds(self, index: int) -> float:
        """Returns the length of a query's past in seconds."""
        query = self.queries[index]
        return max(0.0, query.time - float(self.video(query.video).pts_seconds[0]))

    @cached_property
    def longest_seconds(self) -> float:
        """The longest past of any query."""
        return max(self.history_seconds(index) for index in range(len(self.queries)))

    def frame_seconds(self, index: int) -> float:
        """Returns the median duration of a sample of a query's video."""
        name = self.queries[index].video
        if name not in self._frame_seconds:
            times = self.video(name).pts_seconds
            self._frame_seconds[name] = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        return self._frame_seconds[name]

    def classes(self, kind: str) -> tuple[str, ...]:
        """Returns the classes of a kind of query."""
        return self._classes[kind] if kind in self._classes else self.dataset.class_labels[LABELS_OF_KIND[kind]]

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds of the queries; those of the data format come first."""
        asked = dict.fromkeys(query.kind for query in self.queries)
        return [kind for kind in dict.fromkeys([*LABELS_OF_KIND, *asked]) if kind in asked]

    def group(self, index: int) -> str:
        """Returns the group of a query's video."""
        return self.dataset.group_of(self.queries[index].video)

    @cached_property
    def names(self) -> list[str]:
        """A name for each query: its video, its kind, and its index among those of the same video and kind."""
        seen: Counter[tuple[str, str]] = Counter()
        names = []
        for query in self.queries:
            names.append(f"{query.video}#{query.kind}{seen[query.video, query.kind]}")
            seen[query.video, query.kind] += 1
        return names

    @cached_property
    def _donors(self) -> dict[str, str]:
        videos = self.dataset.split(self.split)
        return choose_donors({video.video: self.dataset.group_of(video.video) for video in videos})

    def _check(self, query: Query) -> None:
        times = self.video(query.video).pts_seconds
        if not count_visible(times, query.time):
            raise UserError(
                f"Evaluation expects queries at or after the first frame of '{query.video}' at {times[0]:.3f} s, "
                f"got one at {query.time:.3f} s. Remove it, or ask later."
            )


def choose_donors(groups: Mapping[str, str]) -> dict[str, str]:
    """Chooses for each video a donor from another group.

    Args:
        groups: the group of each video; at least two groups.

    Returns:
        the donor of each video.
    """
    donors = {}
    for video, group in groups.items():
        others = sorted(other for other in groups if groups[other] != group)
        donors[video] = others[zlib.crc32(video.encode()) % len(others)]
    return donors
