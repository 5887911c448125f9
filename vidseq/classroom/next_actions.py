"""Next-action queries of a world, with their causes, evidence and ceilings."""

from itertools import pairwise

import numpy as np

from vidseq.classroom.actions import RING_OF
from vidseq.classroom.answers import Question
from vidseq.classroom.ceiling import ObservedHistory, Transition, context_grid
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.queries import PRESENT_SECONDS, PlannedQuery
from vidseq.classroom.scripts import ANTICIPATION_SECONDS, cause, decided_by, latest
from vidseq.classroom.wording import phrase_question
from vidseq.classroom.world import Child, World
from vidseq.data.evidence import Interval, certificate_seconds, merge
from vidseq.data.schema import NEXT_ACTION, Query

#: Times that a child must have followed its habit, from any activity of the ring, before the habit counts as shown.
#: Habits are permutations of three, so two transitions determine them. (Counting is fair; requiring the same activity
#: is not: whether a child returns to an activity depends on its habit, so the choice of queries would leak it.)
HABIT_SHOWINGS = 2

#: Seconds of two activities, before a child leaves and after it arrives, that show a transition.
_SHOWS_TRANSITION = 0.5


def make_next_actions(world: World, config: ClassroomConfig, rng: np.random.Generator) -> list[PlannedQuery]:
    """Makes the next-action queries of a video: one before every change from an activity of the rings to another.

    If a habit decides that the child has not shown `HABIT_SHOWINGS` times yet, the query has no cause and the tier
    "unseen": nobody can know the next action.

    Args:
        world: the world.
        config: frame rate of the shortest context of ceilings.
        rng: random number generator of the wording.

    Returns:
        queries in order of time.
    """
    past = ObservedHistory(world.record(), world.noise)
    queries = [
        _make_query(
            world, past, child, before.action, after.action, round(after.start - ANTICIPATION_SECONDS, 3), config, rng
        )
        for child in world.children
        for before, after in pairwise(child.steps)
        if before.action in RING_OF
    ]
    return sorted(queries, key=lambda item: item.query.time)


def _make_query(
    world: World,
    past: ObservedHistory,
    child: Child,
    action: str,
    following: str,
    time: float,
    config: ClassroomConfig,
    rng: np.random.Generator,
) -> PlannedQuery:
    question = Question("next", child.shirt)
    evidence, certificate, tier = _evidence(world, past, child.child, action, time)
    query = Query(
        video=world.video,
        time=time,
        kind=NEXT_ACTION,
        question=phrase_question(question, rng),
        answer=following,
        family="next_action",
        evidence=merge(evidence),
        certificate_seconds=certificate_seconds(certificate),
        cause=None if tier == "unseen" else cause(action),
        tier=tier,
        ceiling=tuple(
            (context, round(past.ceiling(child.child, time, context), 6))
            for context in context_grid(time, config.feature_fps)
        ),
    )
    return PlannedQuery(question, query)


def _evidence(
    world: World, past: ObservedHistory, child: str, action: str, time: float
) -> tuple[tuple[Interval, ...], tuple[Interval, ...], str | None]:
    """Returns all evidence of the table in force, its shortest sufficient part, and the tier."""
    decider, (ring, _) = decided_by(action), RING_OF[action]
    if decider == "current":
        present = ((round(time - PRESENT_SECONDS, 3), time),)
        return present, present, None
    if decider == "habit":
        seen = past.transitions(child, ring, 0.0, time)
        if len(seen) < HABIT_SHOWINGS:
            return (), (), "unseen"
        spans = {transition: _span(transition, time) for transition in seen}
        same = [span for transition, span in spans.items() if transition.before == action]
        return tuple(spans.values()), (min(same, key=_length),) if same else tuple(spans.values()), None
    shows = world.cards if decider == "card" else world.programmes
    show = latest(shows, time)
    assert show is not None, "the first show begins before the first decision"
    followed = past.transitions(None, ring, show.start + ANTICIPATION_SECONDS, time)
    shown = (show.start, min(show.end, time))
    return (
        (shown, *(_span(transition, time) for transition in followed)),
        (shown,),
        "overwrite" if shows[0] != show else None,
    )


def _span(transition: Transition, time: float) -> Interval:
    start = round(transition.left - _SHOWS_TRANSITION, 3)
    return start, round(min(time, transition.arrived + _SHOWS_TRANSITION), 3)


def _length(span: Interval) -> float:
    return span[1] - span[0]
