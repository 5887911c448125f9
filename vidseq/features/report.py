"""What became of each video when features were made."""

from dataclasses import dataclass, field


@dataclass
class ExtractReport:
    """What a run did; videos are in the order in which they were finished."""

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Finished by an earlier run."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why each video that failed did."""
    notes: dict[str, str] = field(default_factory=dict)
    """What to know of videos that were done, such as damaged frames that were left out."""
    num_frames: int = 0
    seconds: float = 0.0

    def summary(self) -> str:
        """A few lines for people; each failed video has its own."""
        rate = f" ({self.num_frames / self.seconds:.0f} a second)" if self.seconds else ""
        lines = [
            f"{len(self.done)} videos done, {self.num_frames} frames in {self.seconds:.1f} s{rate}; "
            f"{len(self.skipped)} were there already; {len(self.failed)} failed."
        ]
        lines += [f"failed: {video}: {reason}" for video, reason in self.failed.items()]
        lines += [f"note: {video}: {note}" for video, note in self.notes.items()]
        return "\n".join(lines)
