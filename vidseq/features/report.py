"""Reports the outcome of feature extraction for each video."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    """The outcome of one video: a number of frames, or an error."""

    video: str
    num_frames: int = 0
    error: str = ""
    note: str = ""


@dataclass
class ExtractReport:
    """The outcome of a run; videos are in the order in which they finished."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Finished by an earlier run."""
    failed: dict[str, str] = field(default_factory=dict)
    """The error of each failed video."""
    notes: dict[str, str] = field(default_factory=dict)
    """Notes on finished videos, such as damaged frames that were left out."""
    num_frames: int = 0
    seconds: float = 0.0
    about: list[str] = field(default_factory=list)
    """Notes on all of them, such as what a projection keeps."""

    def add(self, outcome: Outcome) -> None:
        """Adds the outcome of a video."""
        if outcome.error:
            self.failed[outcome.video] = outcome.error
            return
        self.done.append(outcome.video)
        self.num_frames += outcome.num_frames
        if outcome.note:
            self.notes[outcome.video] = outcome.note

    def summary(self) -> str:
        """Returns a summary as text, with a line for each failed video."""
        rate = f" ({self.num_frames / self.seconds:.0f} a second)" if self.seconds else ""
        lines = [
            f"{len(self.done)} videos done, {self.num_frames} frames in {self.seconds:.1f} s{rate}; "
            f"{len(self.skipped)} were there already; {len(self.failed)} failed."
        ]
        lines += self.about
        lines += [f"failed: {video}: {reason}" for video, reason in self.failed.items()]
        lines += [f"note: {video}: {note}" for video, note in self.notes.items()]
        return "\n".join(lines)
