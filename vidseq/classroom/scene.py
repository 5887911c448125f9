"""What can be seen at one moment: the only thing the renderer is told."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A person."""

    figure: str
    """Identifier, the same through the video: a child's track, or "teacher"."""
    x: float
    """Across the room, 0 left to 1 right."""
    depth: float
    """Into the room, 0 at the back wall to 1 nearest the camera."""
    action: str
    """What the person does: one of `actions.ACTIONS`, or "walk"."""
    phase: float
    """Seconds since this action began; poses move with it."""
    facing: int = 1
    """1 to the right, -1 to the left."""
    adult: bool = False
    shirt: str = "red"
    """A colour name of `palette.COLORS`."""
    hair: str = "brown"
    hair_style: str = "short"
    """"short", "long", "bun", "curly" or "tail"."""
    skin: float = 0.5
    """0 light to 1 dark."""
    name_tag: str | None = None
    """The name that shows on a big tag over the head, if it shows now."""
    holding: str | None = None
    """What is carried, such as "ball" or "card:star"."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """An object."""

    thing: str
    """Identifier, the same through the video."""
    kind: str
    """"chair", "box", "television", "door", "easel", "table", "bookshelf", "rug", "ball", "teddy", "car", ..."""
    x: float
    depth: float
    color: str = "brown"
    state: str = ""
    """"open" or "closed", "on" or "off", ..."""
    content: str | None = None
    """What shows on or in it, such as the television's programme; None where it is hidden or off."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One moment of the classroom."""

    time: float
    figures: tuple[Figure, ...]
    things: tuple[Thing, ...]
    layout_seed: int
    """Wall colour, floor, posters, window: what stays the same through a video."""
    brightness: float = 1.0
    warmth: float = 0.0
    """-1 cold to 1 warm light."""
    camera: tuple[float, float] = (0.0, 0.0)
    """Jitter, in parts of the picture's width and height."""
    distractors: tuple[Thing, ...] = field(default=())
    """Things that mean nothing: a fly, a balloon outside, a moving shadow."""
