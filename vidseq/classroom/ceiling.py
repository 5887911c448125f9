"""The ceiling: exact Bayes-optimal next-action accuracy, given only the last seconds of a record.

The unknown is the table in force (see `scripts`): the turn of the latest card or programme, or the child's own habit.
The prior over tables is uniform. The window shows

* shows: a visible card or programme determines the turn; the latest one counts;
* transitions: a complete one (with the activities before and after visible) multiplies the posterior of every table by
  its probability. For cards and programmes those of all children count, for habits the child's own in that ring.

An activity whose predecessor is before the window has the same probability under all tables, because tables are
bijections and first activities are uniform. So it gives no information, and the product is the exact posterior. Times
give no information either: durations and walks have the same distribution for all.
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
    """End of the first activity, seconds."""
    arrived: float
    """Start of the second activity, seconds."""


class ObservedHistory:
    """The shows and transitions of a record, indexed for fast queries of windows.

    Args:
        record: of a whole video, or a part of it.
        noise: probability of a random next action.
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
        """Returns the visible action of a child at a time, or None."""
        actions = self._actions.get(child, [])
        return next((fact.value for fact in actions if fact.start <= time <= fact.end), None)

    def transitions(self, child: str | None, ring: int, start: float, end: float) -> list[Transition]:
        """Returns the transitions out of a ring that are completely visible between two times (seconds), by time.

        Args:
            child: of this child, or None for all.
            ring: index of the ring.
            start: the end of the first activity must be visible after it.
            end: the start of the second activity must be visible before it.
        """
        first, last = bisect_right(self._left, start), bisect_left(self._left, end)
        return [
            seen
            for seen in self._transitions[first:last]
            if RING_OF[seen.before][0] == ring and child in (None, seen.child) and seen.arrived < end
        ]

    def posterior(self, child: str, action: str, start: float, end: float) -> dict[Table, float]:
        """Computes the posterior of the table that decides what the child does after `action`, given a window.

        Args:
            child: of the forecast.
            action: of the child at the end of the window.
            start: start of the window, seconds.
            end: end of the window, seconds.
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
        """Computes the probability of each next activity of a child that is about to leave, given a window.

        Args:
            child: of the forecast; must be visible in an activity of the rings at `end`.
            start: start of the window, seconds.
            end: end of the window, seconds.

        Returns:
            probabilities by activity; empty if no activity of the child is visible.
        """
        action = self.current_action(child, end)
        if action not in RING_OF:
            return {}
        posterior = self.posterior(child, action, start, end)
        return {
            activity: sum(
                weight * transition_probability(action, activity, table, self.noise)
                for table, weight in posterior.items()
            )
            for activity in ACTIVITIES
        }

    def likeliest(self, child: str, start: float, end: float) -> str | None:
        """Returns the next activity that is likelier than all others together; None: none is. See `forecast`."""
        forecast = self.forecast(child, start, end)
        return next((activity for activity, probability in forecast.items() if probability > 0.5), None)

    def ceiling(self, child: str, time: float, context_seconds: float) -> float:
        """Computes the expected accuracy of the best forecast for a child from a context that ends at `time`."""
        forecast = self.forecast(child, time - context_seconds, time)
        return max(forecast.values())


def context_grid(seconds: float, fps: float) -> tuple[float, ...]:
    """Returns the contexts of ceilings: one frame, then 1, 2, 4, ... seconds, and the whole past.

    Args:
        seconds: length of the past of the query.
        fps: frames per second.
    """
    doubled = [float(2**power) for power in range(13) if 2**power < seconds]
    return tuple(sorted({round(1 / fps, 3), *doubled, round(seconds, 3)}))
