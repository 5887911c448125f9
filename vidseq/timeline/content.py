"""What a timeline shows: lines of labelled bars, and queries with the answer of each model. Times are in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: What the bars of a line are.
TRUTH, PREDICTED, FORECAST = "truth", "predicted", "forecast"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A labelled interval."""

    start: float
    end: float
    label: str
    confidence: float | None = None
    """Probability of the label, in [0, 1]; None: there is none, as for the truth."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """The bars of one source about one video: the truth, or a model."""

    name: str
    role: str
    """One of `TRUTH`, `PREDICTED`, `FORECAST`."""
    bars: Sequence[Bar]

    @property
    def sorted_bars(self) -> list[Bar]:
        """The bars by start."""
        return sorted(self.bars, key=lambda bar: (bar.start, bar.end))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one model answers to a query."""

    model: str
    answer: str
    probability: float
    ranking: Sequence[tuple[str, float]] = ()
    """The most probable answers, best first; empty: only the first is known."""
    right: bool | None = None
    """Whether it is right; None: the truth is not known."""


@dataclass(frozen=True, kw_only=True)
class TimelineQuery:
    """A query about a video, with the answers of all models that were asked."""

    time: float
    kind: str
    """One of the kinds of `vidseq.data.schema`."""
    question: str | None
    """None: the standing question of its kind."""
    truth: str | None = None
    evidence: Sequence[tuple[float, float]] = ()
    """The intervals that show what the answer needs."""
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class TimelineVideo:
    """A video with its lines and queries."""

    name: str
    duration: float
    media: Path | None = None
    """Its file; None: there is none."""
    player_seconds: float = 0.0
    """When players show the first picture of the file, which is at 0 s of all other times."""
    lines: list[Line] = field(default_factory=list)
    queries: list[TimelineQuery] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """The models that answered a query, in the order of the answers."""
        return list(dict.fromkeys(answer.model for query in self.queries for answer in query.answers))


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Everything that a page or a figure shows."""

    title: str
    videos: Sequence[TimelineVideo]
    labels: Sequence[str] = ()
    """Classes in order, which gives their colours; labels that are not among them follow, sorted."""
    notes: Sequence[str] = ()
    """What the reader has to know, such as what was left out."""

    @property
    def all_labels(self) -> list[str]:
        """The classes, and all other labels of bars."""
        found = {bar.label for video in self.videos for line in video.lines for bar in line.bars}
        return [*self.labels, *sorted(found - set(self.labels))]
