"""Questions about a world, with their answers, evidence, certificates and tiers."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from vidseq.classroom.actions import ACTIONS, RING_OF
from vidseq.classroom.answers import UNKNOWN, Question
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.palette import GIFTS, SIGNALS, TOYS, ZONE_WORDS
from vidseq.classroom.plan import draw_age
from vidseq.classroom.scripts import Show
from vidseq.classroom.staging import showing
from vidseq.classroom.wording import phrase_question
from vidseq.classroom.world import Child, Hide, Hold, QueryTarget, World
from vidseq.data.evidence import Interval, certificate_seconds, merge
from vidseq.data.schema import QUESTION, Query

#: Drafts per thing, at different times and in different words.
REPEATS = 4

#: Seconds of the present that a question about the present needs.
PRESENT_SECONDS = 0.2


@dataclass(frozen=True)
class PlannedQuery:
    """A query and its question before it is put into words."""

    question: Question
    query: Query


@dataclass(frozen=True)
class _Draft:
    """A query before it is put into words."""

    question: Question
    family: str
    time: float
    answer: str
    evidence: tuple[Interval, ...]
    tier: str | None = None
    certificate: tuple[Interval, ...] | None = None
    """Shortest part of the evidence that suffices; None: all of it."""


def make_questions(world: World, config: ClassroomConfig, rng: np.random.Generator) -> list[PlannedQuery]:
    """Draws the questions of a video: as many as configured, from the families in turn.

    Args:
        world: the world.
        config: families and number of questions.
        rng: random number generator of the choice and wording.

    Returns:
        queries in order of time.
    """
    ready = {name: make for name, make in _FAMILIES.items() if name in config.families}
    drafts = {
        name: _distinct(draft for draft in make(world, rng) if _fair(world, draft)) for name, make in ready.items()
    }
    for offered in drafts.values():
        rng.shuffle(offered)
    taken: list[_Draft] = []
    while len(taken) < config.questions_per_video and any(drafts.values()):
        for name in rng.permutation(list(drafts)):
            if drafts[name] and len(taken) < config.questions_per_video:
                taken.append(drafts[name].pop())
    return [_finish(world, draft, rng) for draft in sorted(taken, key=lambda draft: draft.time)]


def _distinct(drafts: Iterable[_Draft]) -> list[_Draft]:
    """Leaves out drafts that ask the same question at the same time as one before."""
    return list({(draft.question, draft.time): draft for draft in drafts}.values())


def _finish(world: World, draft: _Draft, rng: np.random.Generator) -> PlannedQuery:
    certificate = draft.evidence if draft.certificate is None else draft.certificate
    query = Query(
        video=world.video,
        time=draft.time,
        kind=QUESTION,
        question=phrase_question(draft.question, rng),
        answer=draft.answer,
        family=draft.family,
        evidence=merge(draft.evidence),
        certificate_seconds=certificate_seconds(certificate),
        tier=draft.tier,
    )
    return PlannedQuery(draft.question, query)


def _fair(world: World, draft: _Draft) -> bool:
    """Whether the present does not answer a memory question: nothing of its kind is visible at its time."""
    time = draft.time
    if not 0.5 <= time < world.seconds:
        return False
    if draft.family in ("who", "who_did"):
        return not any(child.tag and child.tag[0] <= time < child.tag[1] for child in world.children)
    if draft.question.kind == "shown":
        return showing(world.cards if draft.question.subject == "card" else world.programmes, time) is None
    if draft.family in ("hidden", "order"):
        events: tuple[Hide | Hold, ...] = (*world.hides, *world.holds)
        return not any(event.start <= time < event.end for event in events)
    return True


def _color_now(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    for thing, shows in REPEATS * list(world.colors.items()):
        time = _any_time(world, rng)
        show = showing(shows, time)
        if show is not None and show.start < time:
            seen = (max(show.start, time - PRESENT_SECONDS), time)
            yield _Draft(Question("color_now", thing), "color_now", time, show.value, (seen,))


def _doing(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    for _ in range(3 * REPEATS):
        child, time = _any_child(world, rng), _any_time(world, rng)
        step = child.step_at(time)
        if step and step.action in RING_OF and time - PRESENT_SECONDS >= step.arrives:
            yield _Draft(Question("doing", child.shirt), "doing", time, step.action, ((time - PRESENT_SECONDS, time),))


def _who(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    for _ in range(3 * REPEATS):
        child = _any_child(world, rng)
        seen = child.tag[1] if child.tag else child.enters + 3.0
        time = round(seen + draw_age(world.seconds - seen - 0.5, rng), 3)
        zone = _alone_at(world, child, time)
        question = (
            Question("name_of", child.shirt) if zone is None or rng.random() < 0.3 else Question("name_at", zone)
        )
        later = any(seen < other.enters < time for other in world.children)
        evidence = (child.tag,) if child.tag else ()
        tier = "never_happened" if not child.tag else "interference" if later else None
        yield _Draft(question, "who", time, child.name if child.tag else UNKNOWN, evidence, tier)


def _color_then(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    target = next(target for target in world.targets if target.subject == "chair")
    for time in _query_times(world, target, rng):
        which = str(rng.choice(["first", "last"]))
        question = Question("color_then", "chair", which)
        if world.chair:
            show = world.chair[0 if which == "first" else -1]
            tier = _tier_of_several(len(world.chair), which)
            yield _Draft(question, "color_then", time, show.value, (_span(show),), tier)
        else:
            yield _Draft(question, "color_then", time, UNKNOWN, (), "never_happened")


def _first_last(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    for subject, shows in REPEATS * (("card", world.cards), ("television", world.programmes)):
        for which in ("first", "last"):
            known = shows[0] if which == "first" else shows[int(rng.integers(len(shows)))]
            following = [show.start for show in shows if which == "last" and show.start > known.start]
            until = min([*following, world.seconds])
            if until - known.end < 1.0:
                continue
            time = round(known.end + draw_age(until - known.end - 0.1, rng), 3)
            tier = _tier_of_several(sum(show.end <= time for show in shows), which)
            yield _Draft(Question("shown", subject, which), "first_last", time, known.value, (_span(known),), tier)


def _hidden(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    for target in world.targets:
        if target.subject in TOYS:
            hides = [hide for hide in world.hides if hide.toy == target.subject]
            for time in _query_times(world, target, rng):
                yield _box_draft(world, target, hides, time, str(rng.choice(["first", "last"], p=[0.3, 0.7])))


def _box_draft(world: World, target: QueryTarget, hides: list[Hide], time: float, which: str) -> _Draft:
    question = Question("box_of", target.subject, which)
    if not hides:
        return _Draft(question, "hidden", time, UNKNOWN, (), "never_happened")
    hide = hides[0 if which == "first" else -1]
    others = any(other.toy != hide.toy and hide.end < other.end < time for other in world.hides)
    tier = _tier_of_several(len(hides), which) or ("interference" if others else None)
    return _Draft(question, "hidden", time, hide.box, (_span(hide),), tier)


def _count(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    target = next(target for target in world.targets if target.subject in SIGNALS)
    spans, others = (world.rings, world.flashes) if target.subject == "bell" else (world.flashes, world.rings)
    tier = "never_happened" if not spans else "interference" if others else None
    for time in _query_times(world, target, rng):
        yield _Draft(Question("times", target.subject), "count", time, str(len(spans)), spans, tier)


def _order(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    """Drafts which of two events was first, or "unknown" if one never happened; of events that happen at most once."""
    for kind, subjects in REPEATS * (("first_hidden", TOYS), ("first_held", GIFTS)):
        targets = [target for target in world.targets if target.subject in subjects and len(target.spans) == 1]
        if len(targets) < 2:
            continue
        one, other = (targets[k] for k in rng.permutation(len(targets))[:2])
        if not (one.happens or other.happens) or one.spans[0][0] == other.spans[0][0]:
            continue
        question = Question(kind, one.subject, other.subject)
        seen = max(one.spans[0][1], other.spans[0][1])
        time = round(seen + draw_age(world.seconds - seen - 0.1, rng), 3)
        if one.happens and other.happens:
            first = min(one, other, key=lambda target: target.spans)
            yield _Draft(question, "order", time, first.subject, (*one.spans, *other.spans))
        else:
            yield _Draft(question, "order", time, UNKNOWN, (), "never_happened")


def _who_did(world: World, rng: np.random.Generator) -> Iterator[_Draft]:
    for target in world.targets:
        if target.subject in GIFTS:
            for time in _query_times(world, target, rng):
                yield _who_held(world, target, time)


def _who_held(world: World, target: QueryTarget, time: float) -> _Draft:
    hold = next((hold for hold in world.holds if hold.gift == target.subject), None)
    question = Question("holder", target.subject)
    if hold is None:
        return _Draft(question, "who_did", time, UNKNOWN, (), "never_happened")
    child = next(child for child in world.children if child.child == hold.child)
    assert child.tag is not None, "only children with a name tag hold something up"
    return _Draft(question, "who_did", time, child.name, (child.tag, _span(hold)), "two_hop")


#: The function that drafts the questions of each family, except next actions.
_FAMILIES: dict[str, Callable[[World, np.random.Generator], Iterator[_Draft]]] = {
    "color_now": _color_now,
    "doing": _doing,
    "who": _who,
    "color_then": _color_then,
    "first_last": _first_last,
    "hidden": _hidden,
    "count": _count,
    "order": _order,
    "who_did": _who_did,
}


def _span(event: Show | Hide | Hold) -> Interval:
    return event.start, event.end


def _tier_of_several(count: int, which: str) -> str | None:
    """Returns the tier of a question about one of several successive values of a thing."""
    if count < 2:
        return None
    return "overwrite" if which == "last" else "interference"


def _query_times(world: World, target: QueryTarget, rng: np.random.Generator) -> list[float]:
    """Returns the times of questions about a target: its own, and a few more at other ages."""
    longest = world.seconds - target.end - 0.1
    return [target.time, *(round(target.end + draw_age(longest, rng), 3) for _ in range(REPEATS - 1))]


def _any_time(world: World, rng: np.random.Generator) -> float:
    return round(rng.uniform(1.0, world.seconds - 0.1), 3)


def _any_child(world: World, rng: np.random.Generator) -> Child:
    return world.children[int(rng.integers(len(world.children)))]


def _alone_at(world: World, child: Child, time: float) -> str | None:
    """Returns the zone at which this child is alone, or None."""
    zones = {}
    for other in world.children:
        step = other.step_at(time)
        if step is not None and step.arrives <= time:
            zones[other.child] = ACTIONS[step.action].zone
    zone = zones.get(child.child)
    alone = zone in ZONE_WORDS and list(zones.values()).count(zone) == 1
    return zone if alone else None
