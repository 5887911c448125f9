"""The world of one video: its children, things and events, before rendering."""

from dataclasses import dataclass

from vidseq.classroom.actions import ACTIONS
from vidseq.classroom.record import Fact, Record
from vidseq.classroom.scripts import Show, Step


@dataclass(frozen=True, kw_only=True)
class Child:
    """A child in one video."""

    child: str
    """"child0", ...: the track in `segments.csv`."""
    shirt: str
    hair: str
    hair_style: str
    skin: float
    name: str
    tag: tuple[float, float] | None
    """Interval in which the name tag is visible, seconds; None without a name tag."""
    steps: tuple[Step, ...]

    @property
    def enters(self) -> float:
        """Entry of the child, seconds."""
        return self.steps[0].start

    def step_at(self, time: float) -> Step | None:
        """Returns the child's step at a time, or None before it enters."""
        return next((step for step in self.steps if step.start <= time < step.end), None)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A child holds up a present."""

    gift: str
    child: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Hide:
    """A toy goes into the box of a colour."""

    toy: str
    box: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class QueryTarget:
    """A subject of questions; whether its event happens is independent of its time."""

    subject: str
    """The chair, a toy, a present, the bell or the lamp."""
    time: float
    """Time of the first question, seconds; others come later."""
    end: float
    """End of the event, seconds."""
    happens: bool
    spans: tuple[tuple[float, float], ...]
    """Intervals of the event, or those that it would have, seconds."""


@dataclass(frozen=True, kw_only=True)
class World:
    """A whole video. All times are whole milliseconds, as in the files of a data set."""

    video: str
    split: str
    seconds: float
    """Length, whole seconds."""
    layout_seed: int
    children: tuple[Child, ...]
    cards: tuple[Show, ...]
    programmes: tuple[Show, ...]
    chair: tuple[Show, ...]
    """Temporary colours of the chair; otherwise it is plain wood."""
    hides: tuple[Hide, ...]
    holds: tuple[Hold, ...]
    rings: tuple[tuple[float, float], ...]
    """Intervals in which the bell rings."""
    flashes: tuple[tuple[float, float], ...]
    """Intervals in which the lamp flashes."""
    colors: dict[str, tuple[Show, ...]]
    """Colours of the rug, the table and the door, without gaps in time."""
    boxes: tuple[str, ...]
    """Colours of the boxes, left to right."""
    targets: tuple[QueryTarget, ...]
    noise: float
    """Probability of a random next activity."""

    def record(self) -> Record:
        """Returns all visible facts."""
        facts: list[Fact] = []
        for child in self.children:
            facts += _child_facts(child, self.seconds)
        facts += [Fact(s.start, s.end, "teacher", "card", s.value) for s in self.cards]
        facts += [Fact(s.start, s.end, "television", "television", s.value) for s in self.programmes]
        facts += [Fact(s.start, s.end, "chair", "color", s.value) for s in self.chair]
        facts += [Fact(h.start, h.end, h.toy, "box", h.box) for h in self.hides]
        facts += [Fact(h.start, h.end, h.child, "holds", h.gift) for h in self.holds]
        facts += [Fact(start, end, "bell", "signal", "rings") for start, end in self.rings]
        facts += [Fact(start, end, "lamp", "signal", "flashes") for start, end in self.flashes]
        facts += [Fact(s.start, s.end, thing, "color", s.value) for thing, shows in self.colors.items() for s in shows]
        return Record(tuple(sorted(facts)))


def _child_facts(child: Child, seconds: float) -> list[Fact]:
    facts = [Fact(child.enters, seconds, child.child, "shirt", child.shirt)]
    if child.tag is not None:
        facts.append(Fact(*child.tag, child.child, "name", child.name))
    for step in child.steps:
        if step.arrives > step.start:
            facts.append(Fact(step.start, step.arrives, child.child, "walks", "walk"))
        if step.end > step.arrives:
            facts.append(Fact(step.arrives, step.end, child.child, "action", step.action))
            facts.append(Fact(step.arrives, step.end, child.child, "zone", ACTIONS[step.action].zone))
    return facts
