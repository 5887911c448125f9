"""The actions of a video, and what has been done by a moment, as an annotator would say it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from vidseq.data.schema import Segment

#: Annotators disagree about the exact edge of an action. No question is asked closer than this, in seconds, to an edge
#: that its answer depends on.
MARGIN_SECONDS = 1.0


class Actions:
    """The actions of one video.

    Args:
        segments: its segments in any order, without background.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        actions = list(segments)
        #: By start.
        self.segments = sorted(actions, key=lambda item: (item.start, item.end, item.track, item.label))
        #: By end.
        self.by_end = sorted(actions, key=lambda item: (item.end, item.start, item.track, item.label))
        #: The segments of each label, by start.
        self.of_label: dict[str, list[Segment]] = {}
        for segment in self.segments:
            self.of_label.setdefault(segment.label, []).append(segment)
        self.labels = frozenset(self.of_label)
        self.label_subjects = [(label,) for label in sorted(self.labels)]
        self.tracks = tuple(sorted({segment.track for segment in actions}))
        self._starts = [segment.start for segment in self.segments]
        self._ends = [segment.end for segment in self.by_end]
        self._longest = max((segment.end - segment.start for segment in actions), default=0.0)

    def at(self, time: float) -> "Moment":
        """Returns what is known at a time, in seconds."""
        return Moment(self, time)

    def ended_by(self, time: float) -> list[Segment]:
        """Returns the segments that end at or before a time, by end."""
        return self.by_end[: bisect_right(self._ends, time)]

    def overlapping(self, start: float, stop: float) -> list[Segment]:
        """Returns the segments of which a part lies between two times, by start."""
        first = bisect_left(self._starts, start - self._longest - 1e-6)
        begun = self.segments[first : bisect_left(self._starts, stop)]
        return [segment for segment in begun if segment.end > start]


@dataclass(frozen=True)
class Moment:
    """What has been done, and what is going on, in a video at a time.

    An action has been done once it ended, at least the margin ago.
    """

    actions: Actions
    time: float

    @cached_property
    def done(self) -> list[Segment]:
        """The segments that have been done, by end."""
        return self.actions.ended_by(self.time - MARGIN_SECONDS)

    @cached_property
    def done_labels(self) -> frozenset[str]:
        """The labels of what has been done."""
        return frozenset(segment.label for segment in self.done)

    @cached_property
    def going_on(self) -> list[Segment]:
        """The segments with start <= time < end, by start."""
        around = self.actions.overlapping(self.time, self.time + MARGIN_SECONDS)
        return [segment for segment in around if segment.start <= self.time]

    @cached_property
    def present(self) -> tuple[str, ...]:
        """The labels of what is going on, sorted."""
        return tuple(sorted({segment.label for segment in self.going_on}))

    def done_of(self, label: str) -> list[Segment] | None:
        """Returns the segments of a label that have been done, by start.

        Returns:
            None if nobody can say: one is going on, or starts or ends closer than the margin.
        """
        low, high = self.time - MARGIN_SECONDS, self.time + MARGIN_SECONDS
        done = []
        for segment in self.actions.of_label.get(label, ()):
            if segment.end <= low:
                done.append(segment)
            elif segment.start < high:
                return None
        return done

    def around(self, lead: float = 0.0) -> list[Segment]:
        """Returns the segments of which a part lies within the margin of a time so many seconds later, by start."""
        middle = self.time + lead
        return self.actions.overlapping(middle - MARGIN_SECONDS, middle + MARGIN_SECONDS)


def is_steady(segment: Segment, time: float) -> bool:
    """Whether a segment began at least the margin before a time, and goes on by at least the margin."""
    return segment.start <= time - MARGIN_SECONDS and segment.end >= time + MARGIN_SECONDS
