"""What an exporter writes: videos with their annotations."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from vidseq.data.fields import listing
from vidseq.data.format import round_seconds
from vidseq.errors import DataError
from vidseq.video.probing import player_seconds


@dataclass(frozen=True, kw_only=True, order=True)
class Annotation:
    """A labelled interval of a video, times rounded to the millisecond. They sort by time."""

    start: float
    end: float
    track: str = ""
    label: str
    score: float | None = None
    """Probability of the label, if a model predicted it."""


@dataclass(frozen=True, kw_only=True)
class AnnotatedVideo:
    """A video with its annotations by time."""

    video: str
    split: str
    duration: float
    fps: Fraction | None
    media: str | None
    """Absolute path of its file; None if there is none."""
    annotations: Sequence[Annotation]

    def for_player(self) -> "AnnotatedVideo":
        """The same with the times at which players show them, which count from the first sound or picture."""
        late = 0.0 if self.media is None else player_seconds(self.media)
        if not late:
            return self
        moved = [
            replace(item, start=round_seconds(item.start + late), end=round_seconds(item.end + late))
            for item in self.annotations
        ]
        return replace(self, duration=round_seconds(self.duration + late), annotations=moved)

    def frame_rate(self, layout: str) -> Fraction:
        """The rate of the file, for a tool that counts frames.

        Raises:
            DataError: the data set does not know it.
        """
        if self.fps is None:
            raise DataError(
                f"The {layout} layout counts frames and expects the frame rate of every video, got none for "
                f"'{self.video}'. Add fps to its row in videos.jsonl."
            )
        return self.fps


@dataclass(frozen=True, kw_only=True)
class ExportContent:
    """All that is exported."""

    name: str
    """Of the data set."""
    videos: Sequence[AnnotatedVideo]
    labels: Sequence[str]
    """All classes in order."""
    predicted: bool
    """Whether a model made the annotations."""
    notes: list[str] = field(default_factory=list)
    """What an exporter has to say to the user."""

    def for_players(self) -> "ExportContent":
        """The same with the times at which players show them; a note names the videos where they differ."""
        videos = [video.for_player() for video in self.videos]
        late = [video.video for before, video in zip(self.videos, videos) if video is not before]
        if late:
            self.notes.append(
                f"{len(late)} videos begin with sound before their first picture ({listing(late, 3)}): the times are "
                "those of players, which count from the sound. `vidseq data convert --like` takes that into account."
            )
        return replace(self, videos=videos)

    @property
    def tracks(self) -> list[str]:
        """The tracks that have names, sorted."""
        return sorted({item.track for video in self.videos for item in video.annotations} - {""})


def milliseconds(seconds: float) -> int:
    """Returns a time as a whole number of milliseconds."""
    return round(round_seconds(seconds) * 1000)


def layers(annotations: Iterable[Annotation]) -> list[list[Annotation]]:
    """Distributes annotations over as few layers as needed, so that none overlaps another of its layer.

    Args:
        annotations: sorted by time.
    """
    found: list[list[Annotation]] = []
    for item in annotations:
        free = next((layer for layer in found if layer[-1].end <= item.start), None)
        if free is None:
            found.append([item])
        else:
            free.append(item)
    return found
