"""What controls that ask no model may learn from: the training split alone."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vidseq.data.schema import Query, Segment
from vidseq.data.visible import Past


@dataclass(frozen=True)
class BaselineData:
    """Queries to learn from and to answer, of one kind, with what may be known of them."""

    training: Sequence[Query]
    """Of the training split."""
    queries: Sequence[Query]
    """What to answer, N of them."""
    classes: Sequence[str]
    """The answers that there are, C of them."""
    segments: Mapping[str, Sequence[Segment]]
    """The segments of every video named above."""
    past: Callable[[Query], Past]
    """All that may be seen for a query."""
    background: str | None = None
    """The label that is no action."""

    def labels_before(self, query: Query) -> list[str]:
        """The actions that had begun when the query is asked, oldest first, the one going on included."""
        starts, labels = self._told_in_order.get(query.video, ([], []))
        return labels[: bisect_right(starts, query.time)]

    def places(self) -> dict[str, int]:
        """The column of each class."""
        return {label: number for number, label in enumerate(self.classes)}

    def answers(self) -> np.ndarray:
        """The class of each training query that has one, and -1, (number of training queries,)."""
        places = self.places()
        return np.array([places.get(query.answer, -1) for query in self.training], dtype=int)

    @cached_property
    def _told_in_order(self) -> dict[str, tuple[list[float], list[str]]]:
        """When the actions of each video begin, and their labels."""
        told = {}
        for video, segments in self.segments.items():
            actions = [segment for segment in segments if segment.label != self.background]
            actions.sort(key=lambda segment: (segment.start, segment.end, segment.track, segment.label))
            told[video] = [action.start for action in actions], [action.label for action in actions]
        return told


def family_of(query: Query) -> str:
    """The family; the kind where the data set names none."""
    return query.family or query.kind
