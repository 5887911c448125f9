"""Input controls change or shorten the past that a model sees. Each is one class, listed at the end of this file."""

import zlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from vidseq.baselines.control import (
    EVIDENCE,
    QUERIES_WITHOUT_FRAME,
    TWO_GROUPS,
    Control,
    Parameter,
    read_seconds,
    write_seconds,
)
from vidseq.data.schema import Query
from vidseq.data.visible import Past, visible_span, within_intervals
from vidseq.evaluation.contexts import Context

#: Largest number of frames that `BestFrame` shows, one at a time.
MAX_FRAMES = 32


class View(NamedTuple):
    """The samples [start, stop) of a query's video, as one input of the model."""

    context: Context
    """The context that the rows name."""
    start: int
    stop: int
    frames: int
    """Number of samples shown."""


class InputControl(Control):
    """Shows the model a changed past, then asks it.

    By default the whole past is one view, and `change` alters it.
    """

    only_cuts: ClassVar[bool] = False
    """True: the views only cut the past, and `change` is not called. The model then shares work with contexts."""

    def views(self, past: Past, query: Query) -> list[View]:
        """Returns the inputs of the model. If there are several, its most confident answer counts.

        Args:
            past: all samples that the query may see.
            query: the query.

        Returns:
            the inputs; an empty list leaves the query out.
        """
        count = len(past.pts_seconds)
        return [View(Context(), 0, count, count)]

    def change(self, past: Past, query: Query, donor: Callable[[], Past]) -> Past:
        """Returns the changed past.

        Args:
            past: all samples that the query may see.
            query: the query.
            donor: returns the samples of another group's video, at least one.
        """
        return past

    def depends_on(self, query: Query) -> Hashable:
        """Returns what the change depends on besides the query's video and time. Equal values share one reading."""
        return None


@dataclass(frozen=True)
class Blind(InputControl):
    """Shows no frame: the model knows only the question."""

    name = "blind"
    needs = QUERIES_WITHOUT_FRAME
    only_cuts = True

    def views(self, past: Past, query: Query) -> list[View]:
        """Returns one view without a sample."""
        return [View(Context(frames=0), 0, 0, 0)]


@dataclass(frozen=True)
class LastFrame(InputControl):
    """Shows only the newest frame."""

    name = "last_frame"
    only_cuts = True

    def views(self, past: Past, query: Query) -> list[View]:
        """Returns one view of one sample."""
        count = len(past.pts_seconds)
        return [View(Context(frames=1), count - 1, count, 1)]


@dataclass(frozen=True)
class Shuffled(InputControl):
    """Shows the past in random order, the newest frame last. Queries at one time of a video share the order."""

    name = "shuffled"

    def change(self, past: Past, query: Query, donor: Callable[[], Past]) -> Past:
        """Returns the features in random order, with the times unchanged."""
        count = len(past.pts_seconds)
        if count < 3:
            return past
        generator = np.random.default_rng(zlib.crc32(f"{query.video} {query.time:.6f}".encode()))
        order = np.append(generator.permutation(count - 1), count - 1)
        return Past(past.features[order], past.pts_seconds)


@dataclass(frozen=True)
class EvidenceOnly(InputControl):
    """Shows only the frames in the query's evidence intervals, ends included. Leaves out queries without evidence."""

    name = "evidence_only"
    needs = EVIDENCE

    def views(self, past: Past, query: Query) -> list[View]:
        """Returns one view, whose frames outside the intervals `change` removes."""
        shown = int(within_intervals(past.pts_seconds, query.evidence).sum())
        return [View(Context(), 0, len(past.pts_seconds), shown)] if query.evidence else []

    def change(self, past: Past, query: Query, donor: Callable[[], Past]) -> Past:
        """Returns the frames in the intervals."""
        keep = within_intervals(past.pts_seconds, query.evidence)
        return Past(past.features[keep], past.pts_seconds[keep])

    def depends_on(self, query: Query) -> Hashable:
        """Returns the intervals."""
        return query.evidence


@dataclass(frozen=True)
class SwappedPast(InputControl):
    """Keeps the newest seconds and replaces all older frames by those of another group's video."""

    name = "swapped_past"
    needs = TWO_GROUPS
    parameter = Parameter("how many seconds of the newest past stay", "30s", read_seconds, write_seconds)

    seconds: float = 10.0

    def change(self, past: Past, query: Query, donor: Callable[[], Past]) -> Past:
        """Returns the past with older frames replaced, index by index; a donor that is too short starts again."""
        old, _ = visible_span(past.pts_seconds, query.time, context_seconds=self.seconds)
        features = donor().features
        borrowed = features[np.arange(old) % len(features)]
        return Past(np.concatenate([borrowed, past.features[old:]]), past.pts_seconds)


@dataclass(frozen=True)
class BestFrame(InputControl):
    """Shows single frames of the past, one at a time, and takes the most confident answer: no order is used."""

    name = "best_frame"
    only_cuts = True

    def views(self, past: Past, query: Query) -> list[View]:
        """Returns up to `MAX_FRAMES` views of one frame each, evenly spaced; the newest frame is among them."""
        count = len(past.pts_seconds)
        back = np.unique(np.linspace(0, count - 1, min(MAX_FRAMES, count)).round().astype(int))
        return [View(Context(frames=1), int(index), int(index) + 1, 1) for index in count - 1 - back]


#: Every input control by its name.
INPUT_CONTROLS: dict[str, type[InputControl]] = {
    control.name: control for control in (Blind, LastFrame, Shuffled, EvidenceOnly, SwappedPast, BestFrame)
}
