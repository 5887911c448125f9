"""The report of an importer: counts, skipped rows and notes."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError


@dataclass(frozen=True, kw_only=True)
class ConversionReport:
    """The outcome of a conversion."""

    folder: Path
    """The new data set."""
    num_videos: int
    num_segments: int
    num_queries: int
    num_features: int
    """Videos whose features were written."""
    skipped: tuple[str, ...] = ()
    """The bad rows that were left out, each `file:row: what`."""
    notes: tuple[str, ...] = ()
    """Choices that the importer made, and parts of the source that it did not use."""

    def summary(self) -> str:
        """Writes the report for a person, one fact a line."""
        counts = f"{self.num_videos} videos, {self.num_segments} segments, {self.num_queries} queries"
        lines = [f"{self.folder}: {counts}, features of {self.num_features} videos."]
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"skipped: {problem}" for problem in self.skipped]
        return "\n".join(lines)


@dataclass
class Findings:
    """Records the bad rows and the notes of a conversion. Called with a bad row, it raises it or skips it."""

    skip_bad: bool
    skipped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __call__(self, problem: DataError) -> None:
        """Raises the error of a bad row, or records the row as skipped."""
        if not self.skip_bad:
            raise problem
        self.skipped.append(str(problem))

    @contextlib.contextmanager
    def row(self) -> Iterator[None]:
        """Handles the error of the row that the block reads, and ends the block."""
        try:
            yield
        except DataError as problem:
            self(problem)

    def report(self, dataset: Dataset, num_features: int = 0) -> ConversionReport:
        """Makes the report of a finished conversion."""
        return ConversionReport(
            folder=dataset.folder,
            num_videos=len(dataset.videos),
            num_segments=len(dataset.segments),
            num_queries=len(dataset.queries),
            num_features=num_features,
            skipped=tuple(self.skipped),
            notes=tuple(self.notes),
        )
