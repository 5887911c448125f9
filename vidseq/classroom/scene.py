"""The visible state at one moment: the only input of the renderer."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A person."""

    figure: str
    """Identifier, the same in the whole video: a child's track, or "teacher"."""
    x: float
    """Across the room, 0 left to 1 right."""
    depth: float
    """Into the room, 0 at the back wall to 1 nearest the camera."""
    action: str
    """Action: one of `actions.ACTIONS`, or "walk"."""
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
    """Name on a big tag over the head, while it is visible."""
    holding: str | None = None
    """Thing in the hand, such as "ball" or "card:star"."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """An object."""

    thing: str
    """Identifier, the same in the whole video."""
    kind: str
    """"chair", "box", "television", "door", "easel", "table", "bookshelf", "rug", "ball", "teddy", "car", ..."""
    x: float
    depth: float
    color: str = "brown"
    state: str = ""
    """"open" or "closed", "on" or "off", ..."""
    content: str | None = None
    """Visible content, such as the television's programme; None where it is hidden or off."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One moment of the classroom."""

    time: float
    figures: tuple[Figure, ...]
    things: tuple[Thing, ...]
    layout_seed: int
    """Seed of what stays the same in a video: wall colour, floor, posters, window."""
    brightness: float = 1.0
    warmth: float = 0.0
    """-1 cold to 1 warm light."""
    camera: tuple[float, float] = (0.0, 0.0)
    """Jitter, in parts of the picture's width and height."""
    distractors: tuple[Thing, ...] = field(default=())
    """Things without meaning: a fly, a balloon outside, a moving shadow."""
