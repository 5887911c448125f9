"""A classroom video at a time: what was seen by then, and what decides how children go on."""

import math
from dataclasses import dataclass, field
from functools import cached_property

from vidseq.classroom.ceiling import ObservedHistory
from vidseq.classroom.config import ClassroomConfig
from vidseq.classroom.record import Record
from vidseq.classroom.scripts import decided_by
from vidseq.classroom.world import Child, World


@dataclass(frozen=True)
class Moment:
    """A video at a time."""

    config: ClassroomConfig
    world: World
    time: float
    record: Record
    """What was visible up to the time."""
    clip: Record
    """The part of it that a clip shows."""
    since: float
    """Where the clip begins, seconds."""
    history: ObservedHistory
    """What the whole video shows of how children go on."""
    _known: dict[tuple[str, float], str | None] = field(default_factory=dict)

    @cached_property
    def present(self) -> list[Child]:
        """The children in the room."""
        return [child for child in self.world.children if child.enters < self.time]

    @cached_property
    def names(self) -> set[str] | None:
        """The names that the clip has shown; None: one is on view."""
        if next(self.clip.find(None, "name", at=self.time), None) is not None:
            return None
        return {fact.value for fact in self.clip.find(None, "name")}

    def child(self, shirt: str) -> Child:
        """The child in the room with this shirt."""
        return next(child for child in self.present if child.shirt == shirt)

    def next_action(self, child: Child) -> str | None:
        """The next action that is likelier than all others together, by all of the past; None: none is."""
        return self._likeliest(child, 0.0)

    def clip_decides(self, child: Child) -> bool:
        """Whether the clip shows as well as all of the past what the child does next."""
        return self.next_action(child) == self._likeliest(child, self.since)

    def _likeliest(self, child: Child, since: float) -> str | None:
        key = child.child, since
        if key not in self._known:  # several questions of a moment ask the same
            self._known[key] = self.history.likeliest(child.child, since, self.time)
        return self._known[key]

    def decider(self, shirt: str) -> str:
        """What decides what the child does after its present action, one of the rings."""
        step = self.child(shirt).step_at(self.time)
        assert step is not None, "next actions are asked during an action"
        return decided_by(step.action)


@dataclass(frozen=True)
class VideoMoments:
    """A video, and all that is seen in it."""

    config: ClassroomConfig
    world: World

    @cached_property
    def record(self) -> Record:
        """All that is visible."""
        return self.world.record()

    @cached_property
    def history(self) -> ObservedHistory:
        """How children go on."""
        return ObservedHistory(self.record, self.world.noise)

    def at(self, time: float, since: float = -math.inf) -> Moment:
        """The video at a time, as a clip that begins at another one shows it, seconds."""
        past, since = self.record.window(-1.0, time), max(0.0, since)
        clip = past if since == 0 else past.window(since, time)
        return Moment(self.config, self.world, time, past, clip, since, self.history)
