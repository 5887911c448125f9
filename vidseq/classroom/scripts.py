"""How children choose their next action: a known random process with long-term causes.

Every activity belongs to a ring of three (`actions.RINGS`), and a child goes from ring to ring. A bijection (a table)
maps the current activity to one of the next ring's three, and it depends on

* nothing (rings decided by "current"): a fixed table;
* the symbol of the latest card, or the latest television programme ("card", "television"): a turn by 0, 1 or 2;
* the child's own habit ("habit"): a permutation drawn for each child, ring and video.

With probability `noise` the child does any other activity instead, uniformly.

Why bijections: first activities are uniform, and a bijection keeps them uniform for every card, programme and habit.
So an activity without the one before gives no information about cards and habits; only complete transitions do. This
makes the exact posterior of `ceiling` a short product, and leaves no shortcut by counting activities.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from vidseq.classroom.actions import DECIDED_BY, NEXT_RING, RING_OF, RINGS
from vidseq.classroom.palette import PROGRAMMES, SYMBOLS

Table = tuple[int, ...]

#: Seconds between two zones: the same for all pairs, so that it gives no information.
WALK_SECONDS = 1.5

#: A child decides this long before it leaves: later cards do not count. The tau_a of the queries.
ANTICIPATION_SECONDS = 1.0

#: All habits, equally likely.
HABITS: tuple[Table, ...] = tuple(permutations(range(3)))

#: Turns of a ring by a card or programme, equally likely.
TURNS: tuple[Table, ...] = tuple(tuple((position + turn) % 3 for position in range(3)) for turn in range(3))
_FIXED: dict[int, Table] = {1: (1, 2, 0), 3: (2, 0, 1), 5: (1, 2, 0)}

#: Rings that habit decides.
HABIT_RINGS = tuple(ring for ring, decider in enumerate(DECIDED_BY) if decider == "habit")

#: All activities of the rings, in order.
ACTIVITIES = tuple(RING_OF)

_CAUSES = {"card": "cue", "television": "cue", "habit": "habit", "current": "current"}


@dataclass(frozen=True)
class Show:
    """A visible card or programme."""

    start: float
    end: float
    value: str


@dataclass(frozen=True)
class Step:
    """One activity of a child, who walks to it from `start`, and does it from `arrives` to `end` (seconds)."""

    action: str
    start: float
    arrives: float
    end: float


def decided_by(action: str) -> str:
    """Returns what decides the activity after this one: "card", "television", "habit" or "current"."""
    return DECIDED_BY[RING_OF[action][0]]


def cause(action: str) -> str:
    """Returns the cause of a next action after this one: "cue", "habit" or "current"."""
    return _CAUSES[decided_by(action)]


def tables(decider: str, ring: int) -> tuple[Table, ...]:
    """Returns all possible tables of a decider, equally likely before anything is known.

    Args:
        decider: from `decided_by`.
        ring: index of the child's ring.
    """
    if decider == "current":
        return (_FIXED[ring],)
    return HABITS if decider == "habit" else TURNS


def shown_table(value: str) -> Table:
    """Returns the table of a card's symbol or a programme."""
    return TURNS[(SYMBOLS if value in SYMBOLS else PROGRAMMES).index(value)]


def follow(action: str, table: Table) -> str:
    """Returns the activity after `action` by a table."""
    ring, position = RING_OF[action]
    return RINGS[NEXT_RING[ring]][table[position]].name


def transition_probability(action: str, following: str, table: Table, noise: float) -> float:
    """Returns the probability that an activity follows another, given the table in force."""
    if following == action:
        return 0.0
    return (1 - noise) * (following == follow(action, table)) + noise / (len(ACTIVITIES) - 1)


def draw_next(action: str, table: Table, noise: float, rng: np.random.Generator) -> str:
    """Draws the activity after `action`."""
    if rng.random() >= noise:
        return follow(action, table)
    return str(rng.choice([other for other in ACTIVITIES if other != action]))


def latest(shows: tuple[Show, ...], time: float) -> Show | None:
    """Returns the last show that began before `time`, or None."""
    return next((show for show in reversed(shows) if show.start < time), None)


def draw_script(
    enters: float,
    end: float,
    shows: dict[str, tuple[Show, ...]],
    habits: dict[int, Table],
    durations: tuple[float, float],
    noise: float,
    rng: np.random.Generator,
) -> tuple[Step, ...]:
    """Draws all activities of a child from its entry to the end of the video.

    Args:
        enters: entry of the child, seconds.
        end: length of the video, seconds.
        shows: cards and programmes, by decider; the first of each begins before it is needed.
        habits: the child's table in each ring that habit decides.
        durations: shortest and longest duration of an activity, walking included, seconds.
        noise: probability of a random activity.
        rng: random number generator.

    Returns:
        steps without gaps; the last one is cut at `end`.
    """
    action, time = "come_in", enters
    steps: list[Step] = []
    while time < end:
        arrives = time if action == "come_in" else time + WALK_SECONDS
        stops = round(time + rng.uniform(*durations), 3)
        steps.append(Step(action, time, min(arrives, end), min(stops, end)))
        action = _next_of(action, round(stops - ANTICIPATION_SECONDS, 3), shows, habits, noise, rng)
        time = stops
    return tuple(steps)


def _next_of(
    action: str,
    time: float,
    shows: dict[str, tuple[Show, ...]],
    habits: dict[int, Table],
    noise: float,
    rng: np.random.Generator,
) -> str:
    if action == "come_in":
        return "hang_up_coat"
    if action == "hang_up_coat":
        return str(rng.choice(ACTIVITIES))
    ring, _ = RING_OF[action]
    decider = decided_by(action)
    if decider == "current":
        return draw_next(action, _FIXED[ring], noise, rng)
    if decider == "habit":
        return draw_next(action, habits[ring], noise, rng)
    show = latest(shows[decider], time)
    assert show is not None, "the first show begins before the first decision"
    return draw_next(action, shown_table(show.value), noise, rng)
