"""A thread that reads a source and keeps its newest picture, so that slow work on one never delays the next."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from vidseq.errors import VideoError
from vidseq.video.capture import Capture, Picture

#: Intervals between pictures that show how far apart they usually are.
_NUM_INTERVALS = 9
#: Pictures that may wait for their moment, of sources that send pieces of some seconds at once.
_MAX_WAITING_SECONDS = 30.0


@dataclass(frozen=True)
class Clock:
    """The clock of live sources; a faster one is for tests."""

    speed: float = 1.0

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic() * self.speed

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(max(0.0, seconds) / self.speed)

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Waits for a change, at most so many seconds."""
        changed.wait(max(0.0, seconds) / self.speed)


@dataclass
class SampleTimes:
    """Which moments of sampling a source has passed, over all its connections: one each 1 / fps from the first on."""

    fps: Fraction
    first: float | None = None
    """When the first picture came, by the clock."""
    taken: int = -1
    """Number of the newest moment for which a picture was taken."""

    def index(self, arrived: float) -> int:
        """Number of the newest moment at a time of the clock."""
        assert self.first is not None
        return math.floor((arrived - self.first) * self.fps + 1e-6)


@dataclass(frozen=True)
class Arrived:
    """A picture with the time at which it came, by the clock."""

    picture: Picture
    arrived: float
    index: int
    """Number of its moment of sampling."""
    silence: tuple[float, float] | None
    """The last silence before it that is too long to be usual, if one came since the picture that was taken before."""


@dataclass
class Counts:
    """What became of a source's pictures."""

    num_arrived: int = 0
    num_late: int = 0
    """Moments of sampling whose pictures gave way to newer ones, because the one before was still worked on."""


class Connection:
    """Opens a source and reads it in a thread, until it ends or is closed.

    Args:
        open_capture: opens the source.
        times: when pictures are wanted; of the pictures since then, the newest is kept.
        clock: says when pictures come.
        gap_seconds: a silence that is longer than this and three usual intervals is too long.
        counts: is added to.
    """

    def __init__(
        self,
        open_capture: Callable[[], Capture],
        times: SampleTimes,
        clock: Clock,
        gap_seconds: float,
        counts: Counts,
    ) -> None:
        self._open, self._times, self._clock, self._gap_seconds, self._counts = (
            open_capture, times, clock, gap_seconds, counts,
        )  # fmt: skip
        self._changed = threading.Condition()
        self._newest: Arrived | None = None
        self._silence: tuple[float, float] | None = None
        self._intervals: deque[float] = deque(maxlen=_NUM_INTERVALS)
        self._closed = False
        self.is_open = False
        self.reason: str | None = None
        """Why no more pictures come; None: they may."""
        self.is_complete = False
        """Whether the source came to the end that it had stated."""
        self.began = self.last = clock.now()
        """When the last picture came, or the source was opened, or else the connection was begun."""
        self.num_pictures = 0
        threading.Thread(target=self._run, name="live-source", daemon=True).start()

    @property
    def usual_interval(self) -> float:
        """Seconds from one picture to the next, as a rule."""
        return sorted(self._intervals)[len(self._intervals) // 2] if self._intervals else 0.0

    def wait_until_open(self, seconds: float) -> None:
        """Waits until the source is open.

        Raises:
            VideoError: it cannot be opened, or not within so many seconds.
        """
        with self._changed:
            while not self.is_open and self.reason is None and (left := self.began + seconds - self._clock.now()) > 0:
                self._clock.wait(self._changed, left)
            if not self.is_open:
                raise VideoError(self.reason or f"no answer in {seconds:g} s")

    def take(self, deadline: Callable[[], float]) -> Arrived | None:
        """Waits for a picture, and takes the newest.

        Args:
            deadline: until when to wait, by the clock; asked again after each picture.

        Returns:
            None: the deadline has passed, or no more pictures come.
        """
        with self._changed:
            while self._newest is None and self.reason is None:
                left = deadline() - self._clock.now()
                if left <= 0:
                    return None
                self._clock.wait(self._changed, left)
            taken, self._newest = self._newest, None
            if taken is not None:
                # it may have come before the rate of sampling was known
                taken = replace(taken, index=self._times.index(taken.arrived))
                self._times.taken = taken.index
            return taken

    def close(self) -> None:
        """Lets go of the source. The thread ends when the call that it is in returns."""
        with self._changed:
            self._closed = True

    def _run(self) -> None:
        capture = None
        try:
            capture = self._open()
            self._say_open()
            while not self._closed and self._read(capture):
                pass
        except VideoError as error:
            self._end(str(error))
        except Exception as error:  # of a decoder or driver
            self._end(f"{type(error).__name__}: {error}".rstrip(": "))
        finally:
            if capture is not None:
                capture.close()

    def _say_open(self) -> None:
        with self._changed:
            self.is_open = True
            self.last = self._clock.now()
            self._changed.notify_all()

    def _read(self, capture: Capture) -> bool:
        """Reads a picture. Returns whether there was one."""
        grabbed = capture.grab()
        if grabbed is None:
            self._end("the server ended the stream", complete=capture.states_length)
            return False
        picture, shown_at = grabbed
        if capture.in_pieces and shown_at is not None:
            self._await_moment(shown_at)
        self._arrive(picture, self._clock.now())
        return True

    def _await_moment(self, shown_at: float) -> None:
        """Waits as long after the first picture as a picture's own time is after that of the first."""
        now = self._clock.now()
        if self.num_pictures == 0:
            self._begin = now - shown_at
        early = self._begin + shown_at - now
        if not -_MAX_WAITING_SECONDS < early < _MAX_WAITING_SECONDS:  # the source's clock has jumped
            self._begin = now - shown_at
        else:
            self._clock.sleep(early)

    def _arrive(self, picture: Picture, now: float) -> None:
        with self._changed:
            if self._closed:
                return
            times = self._times
            if times.first is None:
                times.first = now
            if self.num_pictures:
                interval = now - self.last
                if interval > self._gap_seconds + 3 * self.usual_interval:
                    self._silence = self.last, now
                self._intervals.append(interval)
            self._counts.num_arrived += 1
            self.num_pictures += 1
            self.last = now
            index = times.index(now)
            if self._newest is None and index <= times.taken:
                return
            if self._newest is not None and index > self._newest.index:
                self._counts.num_late += 1
            silence = self._silence or (self._newest.silence if self._newest is not None else None)
            self._newest, self._silence = Arrived(picture, now, index, silence), None
            self._changed.notify_all()

    def _end(self, reason: str, *, complete: bool = False) -> None:
        with self._changed:
            self.reason, self.is_complete = reason, complete
            self._changed.notify_all()
