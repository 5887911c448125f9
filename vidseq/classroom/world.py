"""One video's world: who and what is there, and everything that happens, before a pixel is drawn."""

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
    """When the name tag shows, seconds; None if this child has none."""
    steps: tuple[Step, ...]

    @property
    def enters(self) -> float:
        """When the child comes in, seconds."""
        return self.steps[0].start

    def step_at(self, time: float) -> Step | None:
        """What the child is at, or None while it is not there yet."""
        return next((step for step in self.steps if step.start <= time < step.end), None)


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A child holds a present up."""

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
class Probe:
    """Something laid out in order to be asked about; whether it happens does not depend on when it would."""

    subject: str
    """The chair, a toy, a present, the bell or the lamp."""
    time: float
    """When it shall be asked about first, seconds; may be asked about again at any later time."""
    over: float
    """When all that belongs to it is over, seconds."""
    happens: bool
    spans: tuple[tuple[float, float], ...]
    """When it happens, or would, seconds."""


@dataclass(frozen=True, kw_only=True)
class World:
    """A whole video. All times are whole milliseconds, as they stand in a data set's files."""

    video: str
    split: str
    seconds: float
    """Length, whole seconds."""
    layout_seed: int
    children: tuple[Child, ...]
    cards: tuple[Show, ...]
    programmes: tuple[Show, ...]
    chair: tuple[Show, ...]
    """Colours that the chair has for a while; at all other times it is plain wood."""
    hides: tuple[Hide, ...]
    holds: tuple[Hold, ...]
    rings: tuple[tuple[float, float], ...]
    """When the bell rings."""
    flashes: tuple[tuple[float, float], ...]
    """When the lamp flashes."""
    colors: dict[str, tuple[Show, ...]]
    """Colours of the rug, the table and the door, one after another without gaps."""
    boxes: tuple[str, ...]
    """Colours of the boxes, left to right."""
    probes: tuple[Probe, ...]
    noise: float
    """How often a child's next activity is just any."""

    def record(self) -> Record:
        """Everything that can be seen, as facts."""
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
