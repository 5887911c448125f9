"""Input controls: what a model scores when something is taken from its past. Each is one class, listed at the end."""

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

#: How many frames of the past `BestFrame` asks of.
MAX_FRAMES = 32


class View(NamedTuple):
    """The samples [start, stop) of a query's video, as one input of the model."""

    context: Context
    """What the input is called in the rows."""
    start: int
    stop: int
    frames: int
    """How many samples are shown."""


class InputControl(Control):
    """Takes something from a model's past, then asks the model.

    By default the whole past is one view, which `change` alters.
    """

    only_cuts: ClassVar[bool] = False
    """True: the views say all, and `change` is not called. The model then shares work with contexts."""

    def views(self, past: Past, query: Query) -> list[View]:
        """What the model is asked of, one after the other; of several answers the most confident counts.

        Args:
            past: all samples that the query may see.
            query: what is asked.

        Returns:
            nothing where the query is left out.
        """
        count = len(past.pts_seconds)
        return [View(Context(), 0, count, count)]

    def change(self, past: Past, query: Query, donor: Callable[[], Past]) -> Past:
        """Returns what the model is shown.

        Args:
            past: all samples that the query may see.
            query: what is asked.
            donor: returns the samples of another group's video, at least one.
        """
        return past

    def depends_on(self, query: Query) -> Hashable:
        """What decides the change besides the query's video and time; queries that agree in it share one reading."""
        return None


@dataclass(frozen=True)
class Blind(InputControl):
    """Shows no frame: the model knows the question alone."""

    name = "blind"
    needs = QUERIES_WITHOUT_FRAME
    only_cuts = True

    def views(self, past: Past, query: Query) -> list[View]:
        """One view of nothing."""
        return [View(Context(frames=0), 0, 0, 0)]


@dataclass(frozen=True)
class LastFrame(InputControl):
    """Shows the newest frame alone."""

    name = "last_frame"
    only_cuts = True

    def views(self, past: Past, query: Query) -> list[View]:
        """One view of one frame."""
        count = len(past.pts_seconds)
        return [View(Context(frames=1), count - 1, count, 1)]


@dataclass(frozen=True)
class Shuffled(InputControl):
    """Shows the past in random order, the newest frame in its place; one order for one time of a video."""

    name = "shuffled"

    def change(self, past: Past, query: Query, donor: Callable[[], Past]) -> Past:
        """Returns the frames in another order, and the times as they were."""
        count = len(past.pts_seconds)
        if count < 3:
            return past
        generator = np.random.default_rng(zlib.crc32(f"{query.video} {query.time:.6f}".encode()))
        order = np.append(generator.permutation(count - 1), count - 1)
        return Past(past.features[order], past.pts_seconds)


@dataclass(frozen=True)
class EvidenceOnly(InputControl):
    """Shows the frames in the query's evidence intervals, ends included; queries without evidence are left out."""

    name = "evidence_only"
    needs = EVIDENCE

    def views(self, past: Past, query: Query) -> list[View]:
        """One view of the frames in the intervals."""
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
    """Keeps the newest seconds, and takes all that is older from another group's video, at the same positions."""

    name = "swapped_past"
    needs = TWO_GROUPS
    parameter = Parameter("how many seconds of the newest past stay", "30s", read_seconds, write_seconds)

    seconds: float = 10.0

    def change(self, past: Past, query: Query, donor: Callable[[], Past]) -> Past:
        """Returns the frames with the older ones replaced; a donor that is too short starts again."""
        old, _ = visible_span(past.pts_seconds, query.time, context_seconds=self.seconds)
        features = donor().features
        borrowed = features[np.arange(old) % len(features)]
        return Past(np.concatenate([borrowed, past.features[old:]]), past.pts_seconds)


@dataclass(frozen=True)
class BestFrame(InputControl):
    """Asks the model of single frames of the past, and takes its most confident answer: no order is used."""

    name = "best_frame"
    only_cuts = True

    def views(self, past: Past, query: Query) -> list[View]:
        """Up to 32 views of one frame each, evenly spread and counted from the newest, which is among them."""
        count = len(past.pts_seconds)
        back = np.unique(np.linspace(0, count - 1, min(MAX_FRAMES, count)).round().astype(int))
        return [View(Context(frames=1), int(index), int(index) + 1, 1) for index in count - 1 - back]


#: Every input control by its name.
INPUT_CONTROLS: dict[str, type[InputControl]] = {
    control.name: control for control in (Blind, LastFrame, Shuffled, EvidenceOnly, SwappedPast, BestFrame)
}
