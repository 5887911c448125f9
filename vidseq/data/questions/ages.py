"""Answers to "how long ago": ranges of ages, with edges from the data's own ages."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from vidseq.data.questions.moment import MARGIN_SECONDS, Actions

#: Edges are chosen from these seconds.
ROUND_SECONDS = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1200, 1800, 3600)
#: Ranges hold about equal shares of all ages.
NUM_RANGES = 4
#: The moments of each video, evenly spread, at which ages are measured.
NUM_MOMENTS = 20


@dataclass(frozen=True)
class AgeRanges:
    """Ranges of ages: below the first edge, between two edges, and above the last."""

    edges: tuple[float, ...]
    """In seconds, ascending; may be empty."""

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """The answers, from the newest to the oldest."""
        if not self.edges:
            return ()
        between = [f"{_seconds(low)} to {_seconds(high)}" for low, high in pairwise(self.edges)]
        return (f"less than {_seconds(self.edges[0])}", *between, f"more than {_seconds(self.edges[-1])}")

    def answer(self, age: float) -> str | None:
        """Returns the answer for an age in seconds; None closer than the margin to an edge, or without edges."""
        if not self.edges or any(abs(age - edge) < MARGIN_SECONDS for edge in self.edges):
            return None
        return self.answers[sum(age > edge for edge in self.edges)]


def age_ranges(videos: Iterable[Actions]) -> AgeRanges:
    """Derives the ranges from the ages of actions: quartiles, each moved to the nearest round number.

    At 20 moments of each video, evenly spread, the age of each label is the time since it was last done.
    """
    ages = [age for actions in videos for age in _ages(actions)]
    if not ages:
        return AgeRanges(())
    cuts = np.quantile(ages, np.arange(1, NUM_RANGES) / NUM_RANGES)
    return AgeRanges(tuple(sorted({float(_nearest_round(cut)) for cut in cuts})))


def _ages(actions: Actions) -> Iterable[float]:
    if not actions.segments:
        return
    for time in np.linspace(0, actions.by_end[-1].end, NUM_MOMENTS + 1)[1:]:
        newest = {segment.label: segment.end for segment in actions.ended_by(float(time))}
        yield from (float(time) - end for end in newest.values())


def _nearest_round(seconds: float) -> float:
    return min(ROUND_SECONDS, key=lambda choice: abs(math.log(choice / max(seconds, 1e-3))))


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"
