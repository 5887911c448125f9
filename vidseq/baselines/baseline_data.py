"""What a baseline may use: the training split's queries with their answers, and the past of the queries to answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vidseq.data.schema import Query, Segment
from vidseq.data.visible import Past, count_visible


@dataclass(frozen=True)
class BaselineData:
    """Queries of one kind to learn from and to answer, and what may be known of them."""

    training: Sequence[Query]
    """Queries of the training split."""
    queries: Sequence[Query]
    """The N queries to answer."""
    classes: Sequence[str]
    """The C possible answers."""
    segments: Mapping[str, Sequence[Segment]]
    """The segments of every video named above."""
    past: Callable[[Query], Past]
    """Returns the samples that a query may see."""
    background: str | None = None
    """The label that is no action."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """The group of each video; a video that is missing is a group of its own."""

    def labels_before(self, query: Query) -> list[str]:
        """The labels of the actions that began up to the query's time, oldest first, the current one included.

        An action has begun if the query sees a sample at its start.
        """
        starts, labels = self._actions_in_order.get(query.video, ([], []))
        return labels[: count_visible(starts, query.time)]

    def class_indices(self) -> dict[str, int]:
        """The column of each class."""
        return {label: index for index, label in enumerate(self.classes)}

    def answers(self) -> np.ndarray:
        """The class index of each training query's answer, -1 where it is no class, (number of training queries,)."""
        columns = self.class_indices()
        return np.array([columns.get(query.answer, -1) for query in self.training], dtype=int)

    def group_of(self, query: Query) -> str:
        """The group of a query's video."""
        return self.groups.get(query.video, query.video)

    @cached_property
    def label_indices(self) -> dict[str, int]:
        """The number of each label of an action, in alphabetical order."""
        labels = {label for _, labels in self._actions_in_order.values() for label in labels}
        return {label: index for index, label in enumerate(sorted(labels))}

    @cached_property
    def _actions_in_order(self) -> dict[str, tuple[list[float], list[str]]]:
        """When the actions of each video begin, and their labels."""
        in_order = {}
        for video, segments in self.segments.items():
            actions = [segment for segment in segments if segment.label != self.background]
            actions.sort(key=lambda segment: (segment.start, segment.end, segment.track, segment.label))
            in_order[video] = [action.start for action in actions], [action.label for action in actions]
        return in_order


def family_of(query: Query) -> str:
    """The family of a query; its kind where the data set names none."""
    return query.family or query.kind
