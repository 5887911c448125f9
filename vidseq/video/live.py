"""Reads the newest picture of a camera or stream, again and again, and gets over its failures."""

import functools
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType

import numpy as np

from vidseq.errors import VideoError
from vidseq.video.addresses import is_camera, without_password
from vidseq.video.capture import OPEN_SECONDS, Capture, open_capture
from vidseq.video.geometry import Canvas
from vidseq.video.newest import Arrived, Clock, Connection, Counts, SampleTimes

#: Seconds before a new try at most.
_LONGEST_WAIT = 8.0


class SourceLostError(VideoError):
    """A live source that was read, was lost, and did not come back."""


@dataclass(frozen=True, kw_only=True)
class LiveLimits:
    """How long a live source may be silent, in seconds."""

    gap: float = 3.0
    """A longer silence is a gap, if it is longer than usual between pictures, too."""
    stall: float = 10.0
    """After a longer one the source is opened anew."""
    reconnect: float = 60.0
    """How long to go on trying; 0: not at all."""
    wait: float = 0.5
    """How long to wait before the first new try; it doubles with each."""
    open: float = OPEN_SECONDS
    """How long a source may take to answer."""


USUAL_LIMITS = LiveLimits()
WALL_CLOCK = Clock()


@dataclass(frozen=True)
class Gap:
    """A time without pictures."""

    start: float
    """When the last picture before came, in seconds since the first of all."""
    end: float
    """When the first picture after came."""
    reason: str


@dataclass(frozen=True, eq=False)
class LivePicture:
    """A picture of a live source."""

    image: np.ndarray
    """RGB (H, W, 3) uint8, upright, with square pixels, of the first picture's size."""
    pts_seconds: float
    """When it came, in seconds since the first."""
    index: int
    """Number of its moment of sampling: there is one each 1 / fps, and none has two pictures."""
    gap: Gap | None
    """The silence before it, if it was long."""
    arrived: float
    """When it came, by the reader's clock."""


class LiveReader:
    """Reads a camera or a network stream at a sampling rate.

    A thread reads all pictures and keeps the newest, so that whoever takes pictures slowly gets fewer, never old ones.
    Times are seconds since the first picture came, by this machine's clock, because a live source has no other clock.
    A source that ends, or that is silent for long, is opened again, and each try is said in one line; so is each new
    size of pictures, which are scaled to that of the first.
    """

    def __init__(
        self,
        source: str,
        *,
        limits: LiveLimits = USUAL_LIMITS,
        opener: Callable[[str], Capture] = open_capture,
        clock: Clock = WALL_CLOCK,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Opens the source.

        Args:
            source: a camera number such as "0", or an address such as "rtsp://...".
            limits: how long it may be silent.
            opener: opens the source each time.
            clock: says when pictures come.
            say: takes a line about the source; None: it goes to the error stream.

        Raises:
            VideoError: the source cannot be opened.
        """
        self.name = f"camera {source}" if is_camera(source) else f"'{without_password(source)}'"
        self.clock = clock
        self.counts = Counts()
        self.gaps: list[Gap] = []
        """The gaps so far."""
        self.end_reason = ""
        """Why it ended."""
        self._limits, self._open = limits, functools.partial(opener, source)
        self._say = say or _to_error_stream
        self._times = SampleTimes(Fraction(1))
        self._canvas: Canvas | None = None
        self._sizes: set[tuple[int, ...]] = set()
        self._wait = limits.wait
        self._lost: tuple[float, str] | None = None
        """When the last picture came before the source was lost, by the clock, and why it was."""
        self._noticed = 0.0
        """When the loss was noticed, by the clock."""
        self._connection = self._connect()
        try:
            self._connection.wait_until_open(limits.open)
        except VideoError as error:
            self.close()
            raise VideoError(f"{self.name} cannot be opened: {error}. Check that it is on, and its address.") from None

    def sample(self, fps: float | Fraction, *, end: float = math.inf) -> Iterator[LivePicture]:
        """Yields at most one picture for each moment of sampling, the newest at the time when it is taken.

        Args:
            fps: moments a second.
            end: stops after so many seconds.

        Raises:
            VideoError: no picture ever came.
            SourceLostError: the source was lost and did not come back in time.
        """
        self._times.fps = Fraction(fps)
        while True:
            arrived = self._connection.take(functools.partial(self._deadline, end))
            if arrived is not None and self._since_first(arrived.arrived) <= end:
                yield self._picture(arrived)
            elif self._times.first is not None and self._since_first(self.clock.now()) >= end:
                self.end_reason = f"its limit of {end:g} s is reached"
                return
            elif self._connection.is_complete:
                self.end_reason = "it came to the end that it had stated"
                return
            else:
                self._reconnect(self._connection.reason or f"no picture came for {self._stall:.3g} s", end)

    def close(self) -> None:
        """Lets go of the source."""
        self._connection.close()

    def __enter__(self) -> "LiveReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _stall(self) -> float:
        return self._limits.stall + 3 * self._connection.usual_interval

    def _connect(self) -> Connection:
        return Connection(self._open, self._times, self.clock, self._limits.gap, self.counts)

    def _since_first(self, time: float) -> float:
        return 0.0 if self._times.first is None else time - self._times.first

    def _deadline(self, end: float) -> float:
        """Until when the next picture must come."""
        stalled = self._connection.last + (self._stall if self._connection.is_open else self._limits.open)
        return stalled if self._times.first is None else min(stalled, self._times.first + end)

    def _picture(self, arrived: Arrived) -> LivePicture:
        gap = None
        if self._lost is not None:
            gap = Gap(self._since_first(self._lost[0]), self._since_first(arrived.arrived), self._lost[1])
            self._say(f"{self.name} is back after a gap of {gap.end - gap.start:.1f} s.")
            self._lost = None
        elif arrived.silence is not None:
            start, until = map(self._since_first, arrived.silence)
            gap = Gap(start, until, "it was silent")
            self._say(f"{self.name} sent no picture from {start:.1f} to {until:.1f} s.")
        if gap is not None:
            self.gaps.append(gap)
        image = arrived.picture()
        self._canvas = self._canvas or Canvas(*image.shape[:2])
        self._say_size(image.shape[:2], arrived.arrived)
        return LivePicture(
            image=self._canvas.show(image),
            pts_seconds=self._since_first(arrived.arrived),
            index=arrived.index,
            gap=gap,
            arrived=arrived.arrived,
        )

    def _say_size(self, size: tuple[int, ...], arrived: float) -> None:
        """Says that pictures have a size that none had before, once each."""
        assert self._canvas is not None
        if self._sizes and size not in self._sizes:
            self._say(
                f"{self.name} sends pictures of {size[1]} x {size[0]} from {self._since_first(arrived):.1f} s on; "
                f"they are scaled to fit into {self._canvas.width} x {self._canvas.height}, the size of the first."
            )
        self._sizes.add(size)

    def _reconnect(self, reason: str, end: float) -> None:
        """Waits and opens the source again.

        Raises:
            VideoError: it has never sent a picture, or is lost for too long.
        """
        before, now = self._connection, self.clock.now()
        before.close()
        if self._times.first is None:
            raise VideoError(f"{self.name} sent no picture: {reason}. Check that it is on, and its address.")
        if self._lost is None:
            self._lost, self._noticed = (before.last, reason), now
        if before.num_pictures and before.last - before.began > self._wait:
            self._wait = self._limits.wait
        lost = f"{self.name} was lost at {self._since_first(self._lost[0]):.1f} s"
        left = self._noticed + self._limits.reconnect - now
        if left <= 0:
            raise SourceLostError(
                f"{lost} and did not come back in {self._limits.reconnect:g} s: {reason}. "
                "--reconnect says how long to try."
            )
        wait = max(0.0, min(self._wait, left, end - self._since_first(now)))
        self._say(f"{lost}: {reason}. Trying again in {wait:.2g} s.")
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        self.clock.sleep(wait)
        self._connection = self._connect()


def _to_error_stream(line: str) -> None:
    print(f"vidseq: {line}", file=sys.stderr, flush=True)
