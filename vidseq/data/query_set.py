"""The queries of a split with the videos that they are asked of."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from vidseq.data.schema import FRAME_LABEL, NEXT_ACTION, QUESTION, Query
from vidseq.data.visible import Past, count_visible, past_of
from vidseq.errors import UserError

if TYPE_CHECKING:
    from vidseq.data.dataset import Dataset
    from vidseq.features.store import FeatureStore, VideoFeatures

#: The list of the data set that the classes of a kind of query come from, unless a model has others.
LABELS_OF_KIND = {NEXT_ACTION: "action", QUESTION: "answer", FRAME_LABEL: "action"}


class QuerySet:
    """What is asked, with the features it is asked of.

    Args:
        dataset: the classes and groups.
        store: features of the videos.
        split: what donors of a past are taken from.
        queries: what to ask.
        classes: the classes that a model answers kinds of query with; of other kinds, those of the data set.

    Raises:
        UserError: a query before the first frame, or a question that is asked twice.
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
        self._check_once()
        for query in queries:
            self._check(query)

    def video(self, name: str) -> "VideoFeatures":
        """A video's features, from memory if they are there."""
        if name not in self._videos:
            self._videos[name] = self._store.read(name)
        return self._videos[name]

    def past(self, number: int) -> Past:
        """All that may be seen for a query."""
        return self.past_of(self.queries[number])

    def past_of(self, query: Query) -> Past:
        """All that may be seen for any query of the data set."""
        video = self.video(query.video)
        return past_of(video.features, video.pts_seconds, query.time)

    def donor(self, number: int) -> Past:
        """Another video's frames, for a query whose past is swapped."""
        video = self.video(self._donors[self.queries[number].video])
        return Past(video.features, video.pts_seconds)

    def history_seconds(self, number: int) -> float:
        """How much past a query has."""
        query = self.queries[number]
        return max(0.0, query.time - float(self.video(query.video).pts_seconds[0]))

    @cached_property
    def longest_seconds(self) -> float:
        """The longest past of any query."""
        return max(self.history_seconds(number) for number in range(len(self.queries)))

    def frame_seconds(self, number: int) -> float:
        """How long a frame of a query's video lasts."""
        name = self.queries[number].video
        if name not in self._frame_seconds:
            times = self.video(name).pts_seconds
            self._frame_seconds[name] = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        return self._frame_seconds[name]

    def classes(self, kind: str) -> tuple[str, ...]:
        """The classes that a kind of query is answered with."""
        return self._classes[kind] if kind in self._classes else self.dataset.class_labels[LABELS_OF_KIND[kind]]

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds of query, those that data sets know first."""
        asked = dict.fromkeys(query.kind for query in self.queries)
        return [kind for kind in dict.fromkeys([*LABELS_OF_KIND, *asked]) if kind in asked]

    def group(self, number: int) -> str:
        """What a query's video shares with others."""
        return self.dataset.group_of(self.queries[number].video)

    @cached_property
    def names(self) -> list[str]:
        """A name for each query: its video, kind, and place among the video's."""
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

    def _check_once(self) -> None:
        """Next actions without a text may come twice: two tracks may begin the same at one moment."""
        questions = Counter(
            (query.video, query.time, query.question, query.choices) for query in self.queries if query.question
        )
        for (video, time, question, _), count in questions.most_common(1):
            if count > 1:
                raise UserError(
                    f"Evaluation expects each question once, got '{question}' {count} times of '{video}' at "
                    f"{time:.3f} s. Remove the copies: they would count more than the others."
                )


def choose_donors(groups: Mapping[str, str]) -> dict[str, str]:
    """Gives each video another one, of another group, to borrow a past from.

    Args:
        groups: the group of each video, two groups or more.
    """
    donors = {}
    for video, group in groups.items():
        others = sorted(other for other in groups if groups[other] != group)
        donors[video] = others[zlib.crc32(video.encode()) % len(others)]
    return donors
