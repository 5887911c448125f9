"""The best that anybody can do: exact Bayes-optimal next-action accuracy, given only the last seconds of a record.

What is unknown is which table is in force (see `scripts`): the turn of the latest card or programme, or the child's
own habit. Before anything is seen all are equally likely. Seen in the window are

* shows: a card that can be seen at all settles the turn; the latest one counts;
* transitions: a whole one (the activity before and the one after both seen) multiplies the posterior of every table by
  its probability. For cards and programmes those of all children count, for habits the child's own in that ring.

An activity whose predecessor lies before the window has the same probability whatever the tables are, because tables
are bijections and first activities are uniform; so it tells nothing, and the product is the exact posterior. Times
tell nothing either: durations and walks are the same for all.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise

from vidseq.classroom.actions import RING_OF
from vidseq.classroom.record import Record
from vidseq.classroom.scripts import (
    ACTIVITIES,
    WALK_SECONDS,
    Table,
    decided_by,
    shown_table,
    tables,
    transition_probability,
)

_MILLISECOND = 1e-3


@dataclass(frozen=True)
class Transition:
    """A child goes from one activity to another."""

    child: str
    before: str
    after: str
    left: float
    """When the first activity ended, seconds."""
    arrived: float
    """When the second one began."""


class Past:
    """The shows and transitions of a record, laid out so that windows of it are read fast.

    Args:
        record: of a whole video, or what is left of one.
        noise: probability that a child does just anything next.
    """

    def __init__(self, record: Record, noise: float) -> None:
        self.noise = noise
        self._actions = {
            child: sorted(record.find(child, "action"))
            for child in {fact.entity for fact in record.facts if fact.attribute == "action"}
        }
        self._shows = {
            "card": list(record.find("teacher", "card")),
            "television": list(record.find("television", "television")),
        }
        self._transitions = sorted(self._find_transitions(), key=lambda transition: transition.left)
        self._left = [transition.left for transition in self._transitions]

    def _find_transitions(self) -> list[Transition]:
        found = []
        for child, actions in self._actions.items():
            for before, after in pairwise(actions):
                in_rings = before.value in RING_OF and after.value in RING_OF
                if in_rings and after.start - before.end <= WALK_SECONDS + _MILLISECOND:
                    found.append(Transition(child, before.value, after.value, before.end, after.start))
        return found

    def current_action(self, child: str, time: float) -> str | None:
        """What the child can be seen doing at a time, or None."""
        actions = self._actions.get(child, [])
        return next((fact.value for fact in actions if fact.start <= time <= fact.end), None)

    def transitions(self, child: str | None, ring: int, start: float, end: float) -> list[Transition]:
        """The transitions out of a ring that can be seen in whole between two times (seconds), by time.

        Args:
            child: of this child, or of any.
            ring: number of the ring that is left.
            start: the end of the first activity must be seen after it.
            end: the beginning of the second one must be seen by it.
        """
        first, last = bisect_right(self._left, start), bisect_left(self._left, end)
        return [
            seen
            for seen in self._transitions[first:last]
            if RING_OF[seen.before][0] == ring and child in (None, seen.child) and seen.arrived < end
        ]

    def posterior(self, child: str, action: str, start: float, end: float) -> dict[Table, float]:
        """How likely each table is that decides what the child does after `action`, given what is seen.

        Args:
            child: who.
            action: what it is doing at the end of the window.
            start: seconds; where the window begins.
            end: seconds; where it ends.
        """
        decider, (ring, _) = decided_by(action), RING_OF[action]
        shows = [fact for fact in self._shows.get(decider, []) if fact.start < end and fact.end > start]
        if shows:
            return {shown_table(shows[-1].value): 1.0}
        weights = dict.fromkeys(tables(decider, ring), 1.0)
        for seen in self.transitions(child if decider == "habit" else None, ring, start, end):
            for table in weights:
                weights[table] *= transition_probability(seen.before, seen.after, table, self.noise)
            total = sum(weights.values())
            weights = {table: weight / total for table, weight in weights.items()}
        total = sum(weights.values())
        return {table: weight / total for table, weight in weights.items()}

    def forecast(self, child: str, start: float, end: float) -> dict[str, float]:
        """Probability of each next activity of a child that is about to leave, given what is seen in a window.

        Args:
            child: who is asked about; must be seen doing an activity of the rings at `end`.
            start: seconds; where the window begins.
            end: seconds; where it ends.

        Returns:
            probabilities by activity; empty if the child cannot be seen at any.
        """
        action = self.current_action(child, end)
        if action not in RING_OF:
            return {}
        believed = self.posterior(child, action, start, end)
        return {
            activity: sum(
                weight * transition_probability(action, activity, table, self.noise)
                for table, weight in believed.items()
            )
            for activity in ACTIVITIES
        }

    def ceiling(self, child: str, time: float, context_seconds: float) -> float:
        """Expected accuracy of the best forecast for a child from a context that ends at `time`."""
        forecast = self.forecast(child, time - context_seconds, time)
        return max(forecast.values())


def context_grid(seconds: float, fps: float) -> tuple[float, ...]:
    """Contexts that ceilings are given for: one frame, then 1, 2, 4, ... seconds, at last everything.

    Args:
        seconds: all that there is before the query.
        fps: frames a second.
    """
    doubled = [float(2**power) for power in range(13) if 2**power < seconds]
    return tuple(sorted({round(1 / fps, 3), *doubled, round(seconds, 3)}))
