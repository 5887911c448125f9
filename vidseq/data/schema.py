"""What a data set says: its videos, the segments in them, and the queries asked of them. All times are seconds."""

from dataclasses import dataclass, field
from fractions import Fraction

# Kinds of query: the data format's words, the values of "kind" in queries.jsonl. They say what is asked; a task of
# `vidseq.tasks` says which kind it answers, and two tasks may answer one kind.

#: A text is asked; the answer is a class or words.
QUESTION = "question"
#: What happens next; the standing query, with or without a text.
NEXT_ACTION = "next_action"
#: The kinds that a data set's files may hold.
QUERY_KINDS = (QUESTION, NEXT_ACTION)
#: What goes on in the newest frame; made out of segments, never written.
FRAME_LABEL = "frame_labels"
#: What happens from now on, and how long each of it lasts; made out of segments, never written.
FUTURE = "action_sequence"


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video, whether or not its file is at hand."""

    video: str
    """Identifier, unique in the data set; safe as a file name."""
    split: str
    duration: float
    """Length in seconds."""
    fps: Fraction | None = None
    """Frame rate of the file."""
    path: str | None = None
    """The file, relative to the data set's folder; None where features are all there is."""
    group: str | None = None
    """Camera or person: what videos that are not independent share. None: the video is its own group."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A labelled action interval."""

    video: str
    start: float
    end: float
    label: str
    track: str = ""
    """Who acts, where several actions go on at once."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """Something asked of a video at a time; only frames up to `time` may be used."""

    video: str
    time: float
    kind: str
    answer: str
    question: str | None = None
    choices: tuple[str, ...] = ()
    """The answers offered, for multiple choice; empty for open answers."""
    family: str | None = None
    """What sort of question; accuracy is told a family."""
    evidence: tuple[tuple[float, float], ...] = ()
    """The intervals (start, end) that hold what the answer needs."""
    certificate_seconds: float | None = None
    """Length of the shortest set of intervals that suffices (EgoSchema, arXiv:2308.09126)."""
    cause: str | None = None
    """What a next action follows from, where known: "current", "cue" or "habit"."""
    tier: str | None = None
    """A harder variant of a family, such as "overwrite" or "two_hop"."""
    pair: str | None = None
    """Names the minimal pair: two queries of one pair share present and question but not past and answer."""
    ceiling: tuple[tuple[float, float], ...] = ()
    """(context_seconds, Bayes-optimal expected accuracy given only that much of the past), where known."""

    @property
    def reach_seconds(self) -> float | None:
        """Time from the start of the earliest evidence to the query, or None without evidence."""
        return self.time - min(start for start, _ in self.evidence) if self.evidence else None

    @property
    def evidence_age_seconds(self) -> float | None:
        """How long before the query the newest evidence ended, or None without evidence."""
        return max(0.0, self.time - max(end for _, end in self.evidence)) if self.evidence else None


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The header of a data set, `dataset.json`."""

    name: str
    version: str = "1"
    fps: Fraction | None = None
    """Rate at which features are sampled, frames a second."""
    tasks: dict[str, dict[str, float | int | str | bool]] = field(default_factory=dict)
    """Options of each task the data set is meant for, such as {"next_action": {"anticipation_seconds": 1.0}}."""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The class names, in order: "action" for segments and next actions, "answer" for questions."""
    splits: tuple[str, ...] = ("train", "val", "test")
    licence: str = "unknown"
    source: str = "unknown"
    background: str | None = None
    """The action label that edit and F1 leave out, if there is one."""
    observations: str = "video"
    """"video", "features" or "symbolic": what features were made from. Symbolic ones are no pixels; always say so."""
