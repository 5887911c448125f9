"""The parts of a data set: videos, segments and queries. All times are in seconds."""

from dataclasses import dataclass, field
from fractions import Fraction

# Kinds of query: the values of "kind" in queries.jsonl. Each task of `vidseq.tasks` answers one kind, and several
# tasks may answer the same kind.

#: A question as text; the answer is a class or words.
QUESTION = "question"
#: The next action, with or without a text.
NEXT_ACTION = "next_action"
#: The kinds that a data set's files may hold.
QUERY_KINDS = (QUESTION, NEXT_ACTION)
#: The label of the newest frame; derived from segments and never written to files.
FRAME_LABEL = "frame_labels"
#: All future actions and their durations; derived from segments and never written to files.
FUTURE = "action_sequence"


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video, whether or not its file exists."""

    video: str
    """Identifier, unique in the data set; safe as a file name."""
    split: str
    duration: float
    """Length in seconds."""
    fps: Fraction | None = None
    """Frame rate of the file."""
    path: str | None = None
    """The file, relative to the data set's folder; None if there are only features."""
    group: str | None = None
    """Camera or person that videos share, so that they are not independent. None: the video is its own group."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A labelled action interval."""

    video: str
    start: float
    end: float
    label: str
    track: str = ""
    """The actor, if several actions happen at once."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query about a video at a time; its answer may use only frames up to `time`."""

    video: str
    time: float
    kind: str
    answer: str
    question: str | None = None
    choices: tuple[str, ...] = ()
    """The choices of a multiple-choice query; empty for open answers."""
    family: str | None = None
    """The family of the question; accuracy is reported by family."""
    evidence: tuple[tuple[float, float], ...] = ()
    """The intervals (start, end) that show what the answer needs."""
    certificate_seconds: float | None = None
    """Length of the shortest set of intervals that suffices (EgoSchema, arXiv:2308.09126)."""
    cause: str | None = None
    """What a next action follows from, if known: "current", "cue" or "habit"."""
    tier: str | None = None
    """The harder variant of a family, such as "overwrite" or "two_hop"."""
    pair: str | None = None
    """Name of the minimal pair: two queries with the same present and question but different pasts and answers."""
    ceiling: tuple[tuple[float, float], ...] = ()
    """Pairs of context_seconds and the Bayes-optimal expected accuracy given that context, if known."""

    @property
    def reach_seconds(self) -> float | None:
        """Time from the start of the earliest evidence to the query; None without evidence."""
        return self.time - min(start for start, _ in self.evidence) if self.evidence else None

    @property
    def evidence_age_seconds(self) -> float | None:
        """Time from the end of the newest evidence to the query; None without evidence."""
        return max(0.0, self.time - max(end for _, end in self.evidence)) if self.evidence else None


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The header of a data set, `dataset.json`."""

    name: str
    version: str = "1"
    fps: Fraction | None = None
    """Sampling rate of the features, in frames per second."""
    tasks: dict[str, dict[str, float | int | str | bool]] = field(default_factory=dict)
    """Options of the data set's tasks, such as {"next_action": {"anticipation_seconds": 1.0}}."""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The class names, in order: "action" for segments and next actions, "answer" for questions."""
    splits: tuple[str, ...] = ("train", "val", "test")
    licence: str = "unknown"
    source: str = "unknown"
    background: str | None = None
    """The action label that edit and F1 leave out, if there is one."""
    observations: str = "video"
    """What features were made from: "video", "features" or "symbolic". Reports always state that symbolic features are
    not from pixels."""
    question_source: str | None = None
    """What draws further questions about its videos in training: "classroom" or "segments"; None: nothing
    does."""
