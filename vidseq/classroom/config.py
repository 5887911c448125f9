"""Configuration of the generated classroom."""

from dataclasses import dataclass

from vidseq.classroom.palette import COLORS, GIFTS, NAMES, TOYS
from vidseq.errors import UserError, unknown_name

FAMILIES = (
    "next_action",
    "color_now",
    "doing",
    "who",
    "color_then",
    "first_last",
    "hidden",
    "count",
    "order",
    "who_did",
)

OBSERVATIONS = ("video", "symbolic")
ANSWERS = ("words", "sentences")


@dataclass(frozen=True, kw_only=True)
class ClassroomConfig:
    """Configuration of a data set; the defaults are small enough to learn from pixels within minutes."""

    train_videos: int = 60
    """Videos of the training split."""
    val_videos: int = 12
    """Videos of the validation split."""
    test_videos: int = 24
    """Videos of the test split."""
    seconds: float = 60.0
    """Mean length of a video, 30 to 3600."""
    seconds_spread: float = 0.1
    """Largest deviation from the mean length, as a share of it."""
    fps: int = 8
    """Frames per second of the video files."""
    width: int = 320
    """Width of a frame in pixels."""
    height: int = 240
    """Height of a frame in pixels."""
    min_children: int = 2
    """Fewest children in a video."""
    max_children: int = 3
    """Most children in a video."""
    num_colors: int = 4
    """Number of colours of shirts, boxes and things, 4 to 8."""
    num_names: int = 4
    """Number of children's names, 4 to 12."""
    num_toys: int = 2
    """Number of toys that go into boxes, 2 to 4."""
    num_gifts: int = 2
    """Number of presents that children hold up, 2 to 4."""
    min_action_seconds: float = 4.5
    """Shortest duration of an action.

    Durations are uniform with the same range for all actions, so they give no information."""
    max_action_seconds: float = 7.0
    """Longest duration of an action."""
    noise: float = 0.05
    """Probability that a child's next action is random.

    Otherwise it follows card, habit or current action."""
    event_density: float = 1.0
    """Factor on the frequency of cards, programmes and colour changes."""
    questions_per_video: int = 40
    """Questions asked about each video."""
    families: tuple[str, ...] = FAMILIES
    """Kinds of questions, such as doing,order; all if left out."""
    pair_fraction: float = 0.25
    """Share of the videos in twins: the same present, different pasts.

    Twins make minimal pairs."""
    answers: str = "words"
    """One word of a closed list (words), or whole sentences, for decoders (sentences)."""
    seed: int = 0
    """Decides all that is drawn at random."""
    observations: str = "video"
    """MP4 files (video), or noisy vectors of the visible facts (symbolic)."""
    feature_fps: int = 4
    """Rate of symbolic observations, and the recommended rate of features."""
    symbolic_noise: float = 0.1
    """Standard deviation of the noise on symbolic observations."""

    def __post_init__(self) -> None:
        _within("seconds", self.seconds, 30.0, 3600.0)
        _within("seconds_spread", self.seconds_spread, 0.0, 0.5)
        _within("the shortest video's seconds", self.seconds * (1 - self.seconds_spread), 25.0, 3600.0)
        _within("num_colors", self.num_colors, 4, len(COLORS))
        _within("num_names", self.num_names, 4, len(NAMES))
        _within("num_toys", self.num_toys, 2, len(TOYS))
        _within("num_gifts", self.num_gifts, 2, len(GIFTS))
        _within("max_children", self.max_children, 1, min(self.num_colors, self.num_names))
        _within("min_children", self.min_children, 1, self.max_children)
        _within("min_action_seconds", self.min_action_seconds, 4.5, self.max_action_seconds)
        _within("noise", self.noise, 0.0, 1.0)
        _within("event_density", self.event_density, 0.1, 20.0)
        _within("pair_fraction", self.pair_fraction, 0.0, 1.0)
        _within("fps", self.fps, 1, 60)
        _within("feature_fps", self.feature_fps, 1, 60)
        _within("width", self.width, 32, 3840)
        _within("height", self.height, 32, 2160)
        for name in ("train_videos", "val_videos", "test_videos", "questions_per_video"):
            _within(name, getattr(self, name), 0, 10**6)
        _within("seed", self.seed, 0, 2**63 - 1)
        _among("family", self.families, FAMILIES)
        _among("kind of answers", (self.answers,), ANSWERS)
        _among("kind of observations", (self.observations,), OBSERVATIONS)

    @property
    def colors(self) -> tuple[str, ...]:
        """The colours in use."""
        return tuple(COLORS)[: self.num_colors]

    @property
    def names(self) -> tuple[str, ...]:
        """The names in use."""
        return NAMES[: self.num_names]

    def videos_of(self, split: str) -> int:
        """Returns the number of videos of a split, twins included."""
        return {"train": self.train_videos, "val": self.val_videos, "test": self.test_videos}[split]


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UserError(f"A classroom expects {name} from {low} to {high}, got {value}. Choose a value in between.")


def _among(kind: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    for value in values:
        if value not in known:
            raise unknown_name(kind, value, known)
