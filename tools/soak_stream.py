"""Reads a live source for hours of its own time, with drops, and watches memory, rows and latency.

Command:   python tools/soak_stream.py [--frames 200000] [--record] [--out rows.jsonl]
Cost:      about two minutes for 100,000 frames on an idle CPU core.
Expected:  resident memory flat after the first tenth; no row lost; a gap row for each drop.

The source is generated, and so is the time: a picture comes as soon as the model has read the one before, and the
clock then jumps to the moment of that picture. Latencies are real. Everything from the reading thread to the file of
rows is what `vidseq predict` uses; only the CNN is a mean colour, and the model untrained.
"""

import dataclasses
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidseq import ModelConfig, VideoReasoner
from vidseq.cli import run_script
from vidseq.errors import VideoError
from vidseq.features import Backbone, Fingerprint
from vidseq.inference import LiveRun, PredictionRequest, RowFile
from vidseq.video import Clock, LivePicture, LiveReader, Size

#: Pictures between two looks at the memory.
LOOK_EVERY = 500
#: Pictures a second: fewer than the model reads at most, so that each is wanted, however busy the machine is.
FPS = 6.0
#: How long a picture may take to be read.
MAX_WAIT_SECONDS = 5.0
#: The part of a run in which buffers still grow.
WARM_UP = 0.1
SIDES = (72, 128)
#: Seconds from one regular query to the next.
EVERY = 1.0
#: Times that differ by less are one.
SAME_TIME = 5e-4
FINGERPRINT = Fingerprint(
    backbone="mean_color", weights="none", input_size=32, resize="crop", fps="8", engine="external"
)


class MeanColor(Backbone):
    """The mean red, green and blue of a frame."""

    name, dim, batch_size, size = "mean_color", 3, 1, Size(32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """See `Backbone`."""
        return images.mean(axis=(1, 2), dtype=np.float32) / 255

    def fingerprint(self, fps: Fraction | float | str, decoder: str = "auto") -> Fingerprint:
        """See `Backbone`."""
        return FINGERPRINT


class SkippingClock(Clock):
    """A clock that jumps over the time in which a source has nothing to show."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "skipped", 0.0)

    def now(self) -> float:
        """Real time and all that was skipped."""
        return time.monotonic() + self.skipped  # type: ignore[attr-defined]

    def sleep(self, seconds: float) -> None:
        """Skips."""
        object.__setattr__(self, "skipped", self.skipped + max(0.0, seconds))  # type: ignore[attr-defined]


class Camera:
    """A source that gives a picture when the one before has been read, and drops again and again."""

    states_length = in_pieces = False

    def __init__(self, clock: SkippingClock, frames: int, fps: float, drop_every: float) -> None:
        self._clock, self._frames, self._fps, self._drop_every = clock, frames, fps, drop_every
        self._noise = np.random.default_rng(0).integers(0, 256, (16, *SIDES, 3), dtype=np.uint8)
        self._dropped_at = clock.now()
        self._next = clock.now()
        self.run: LiveRun | None = None
        self.num_given = self.num_drops = 0

    def open(self, source: str) -> "Camera":
        """Opens it again."""
        self._next = self._dropped_at = self._clock.now()
        return self

    def grab(self) -> tuple[Callable[[], np.ndarray], None] | None:
        """Waits until all that was given is read, and gives the next picture."""
        deadline = time.monotonic() + MAX_WAIT_SECONDS
        while (self.run is None or self.run.num_read < self.num_given) and time.monotonic() < deadline:
            time.sleep(0.0002)
        if self.num_given == self._frames:
            self.states_length = True
            return None
        now = self._clock.now()
        if now - self._dropped_at > self._drop_every:
            self._dropped_at = now
            self.num_drops += 1
            raise VideoError("the connection ended")
        self._clock.sleep(self._next - now)
        self._next = max(self._clock.now(), self._next) + 1 / self._fps
        image = self._noise[self.num_given % len(self._noise)]
        self.num_given += 1
        return (lambda: image), None

    def close(self) -> None:
        """Lets go of nothing."""


class CountingReader(LiveReader):
    """Counts the moments at which a regular query is due, from the times of pictures alone."""

    num_due = 0
    last_seconds = 0.0

    def sample(self, fps: float | Fraction, *, end: float = math.inf) -> Iterator[LivePicture]:
        """See `LiveReader`."""
        due = EVERY
        for picture in super().sample(fps, end=end):
            self.last_seconds = picture.pts_seconds
            if self.last_seconds + SAME_TIME >= due:
                self.num_due += 1
                due = EVERY * (math.floor((self.last_seconds + SAME_TIME) / EVERY) + 1)
            yield picture


@dataclasses.dataclass
class Report:
    """What a run was like."""

    frames: int
    stream_hours: float
    drops: int
    gap_rows: int
    rows: int
    rows_on_disk: int
    regular_rows: int
    due_rows: int
    """As many as the times of pictures alone ask for."""
    dropped: int
    memory_mb: Sequence[float]
    """Resident memory, from the end of the warm-up on."""
    latency: str

    @property
    def growth_mb(self) -> float:
        """How much more memory is resident in the last quarter than in the first after the warm-up, by medians."""
        quarter = max(1, len(self.memory_mb) // 4)
        return float(np.median(self.memory_mb[-quarter:]) - np.median(self.memory_mb[:quarter]))

    @property
    def is_well(self) -> bool:
        """Whether nothing was lost."""
        return (
            self.rows == self.rows_on_disk
            and self.regular_rows == self.due_rows
            and self.gap_rows == self.drops
            and not self.dropped
        )

    def lines(self) -> list[str]:
        """All of it, in words."""
        return [
            f"{self.frames} frames in {self.stream_hours:.2f} hours of the stream, {self.drops} drops",
            f"rows: {self.rows}, on disk {self.rows_on_disk}; regular {self.regular_rows} of {self.due_rows}; "
            f"gaps {self.gap_rows} of {self.drops}; pictures dropped {self.dropped}",
            f"resident memory after the first {WARM_UP:.0%}: {min(self.memory_mb):.0f} to {max(self.memory_mb):.0f} "
            f"MB, growth from first to last quarter {self.growth_mb:+.1f} MB",
            f"from picture to answer on disk: {self.latency}",
        ]


def soak(frames: int, out: Path, *, fps: float = FPS, drop_every: float = 180.0, record: bool = False) -> Report:
    """Reads so many frames.

    Args:
        frames: that the model reads.
        out: file for the rows.
        fps: pictures a second, of which the model reads eight at most.
        drop_every: seconds of the stream from one drop to the next.
        record: make an annotated recording beside the rows, too.
    """
    config = ModelConfig(
        feature_dim=3, dim=32, labels={"action": ("wait", "move", "sit")}, tasks={"next_action": {}},
        fps=FINGERPRINT.fps, fingerprint=FINGERPRINT,
    )  # fmt: skip
    clock = SkippingClock()
    camera = Camera(clock, frames, fps, drop_every)
    reader = CountingReader("rtsp://soak", opener=camera.open, clock=clock, say=lambda line: None)
    target = out.with_suffix(".mp4") if record else None
    request = PredictionRequest(every=EVERY)
    run = camera.run = LiveRun(VideoReasoner(config), MeanColor(), "soak", reader, request, target)
    kinds: Counter[str] = Counter()
    memory: list[float] = []

    looked = int(WARM_UP * frames)
    rows = RowFile(out, {}, live=True)
    rows.open(["soak"])
    for row in run:
        rows.write([row])
        kinds[row.kind] += 1
        if run.num_read - looked >= LOOK_EVERY:
            looked = run.num_read
            memory.append(resident_mb())
    rows.finish()
    with out.open("rb") as file:
        on_disk = sum(1 for _ in file)
    return Report(
        frames=run.num_read, stream_hours=reader.last_seconds / 3600, drops=camera.num_drops, gap_rows=kinds["gap"],
        rows=kinds.total(), rows_on_disk=on_disk, regular_rows=kinds["next_action"], due_rows=reader.num_due,
        dropped=reader.counts.num_late, memory_mb=memory or [resident_mb()], latency=run.latencies.summary(),
    )  # fmt: skip


def resident_mb() -> float:
    """Resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main(*, frames: int = 200_000, drop_every: float = 180.0, record: bool = False, out: Path | None = None) -> int:
    """Reads a live source for hours of its own time.

    Args:
        frames: that the model reads, six a second of the stream.
        drop_every: seconds of the stream from one drop to the next.
        record: make an annotated recording, too.
        out: file for the rows; left out, they are thrown away.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = soak(frames, out or Path(folder) / "rows.jsonl", drop_every=drop_every, record=record)
    print("\n".join(report.lines()))
    return 0 if report.is_well else 1


if __name__ == "__main__":
    run_script(main)
