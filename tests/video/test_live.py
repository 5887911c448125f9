"""The newest picture of a live source, whatever the source does: fakes for the rules, servers for the protocols."""

import contextlib
import functools
import http.server
import queue
import socketserver
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from live_servers import (
    NUMBERS,
    MjpegHandler,
    RtspHandler,
    Scene,
    TsHandler,
    number_of,
    numbered,
    serving,
    ts_coder,
    unused_port,
)

from vidseq.errors import VideoError
from vidseq.video.addresses import without_password
from vidseq.video.capture import Capture, Picture
from vidseq.video.live import Gap, LiveLimits, LiveReader, SourceLostError
from vidseq.video.newest import Clock

assert torch  # resizes pictures; to import it takes seconds, in which a source goes unseen


class ManualClock(Clock):
    """Stands still, but for sleeps, which take no time, and for sources that set it."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "time", 100.0)

    def now(self) -> float:
        return self.time  # type: ignore[attr-defined, no-any-return]

    def set(self, time: float) -> None:
        object.__setattr__(self, "time", max(self.now(), 100 + time))

    def sleep(self, seconds: float) -> None:
        object.__setattr__(self, "time", self.now() + seconds)

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        changed.wait(0.02)


@dataclass(frozen=True)
class At:
    """What a source does at a time: a picture of this number, an error, or None: its end."""

    time: float
    what: int | Exception | None
    hangs: bool = False
    """Whether the call never returns."""
    size: tuple[int, int] = (48, 64)


class FakeCapture(Capture):
    """Does what the test puts into its queue."""

    def __init__(self, *steps: At, states_length: bool = False, in_pieces: bool = False) -> None:
        self.states_length, self.in_pieces = states_length, in_pieces
        self.steps: queue.Queue[At] = queue.Queue()
        for step in steps:
            self.steps.put(step)
        self.clock = ManualClock()
        self.closed = threading.Event()
        self._num_pictures = 0

    def grab(self) -> tuple[Picture, float | None] | None:
        step = self.steps.get(timeout=60)
        self.clock.set(step.time)
        if step.hangs:
            self.closed.wait(60)
        if step.what is None:
            return None
        if isinstance(step.what, Exception):
            raise step.what
        number = step.what
        self._num_pictures += 1
        return lambda: numbered(number, *step.size), (self._num_pictures - 1) / 10

    def close(self) -> None:
        self.closed.set()


PATIENT = LiveLimits(wait=1)


def reader_of(*captures: FakeCapture | Exception, limits: LiveLimits = PATIENT) -> tuple[LiveReader, list[str]]:
    """A reader that opens these one after another, and what it says."""
    said: list[str] = []
    clock, left = ManualClock(), iter(captures)

    def opener(source: str) -> Capture:
        capture = next(left, VideoError("gone"))
        if isinstance(capture, Exception):
            raise capture
        capture.clock = clock
        return capture

    return LiveReader("0", limits=limits, opener=opener, clock=clock, say=said.append), said


def wait_for_pictures(reader: LiveReader, count: int) -> None:
    deadline = time.monotonic() + 60
    while reader.counts.num_arrived < count:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_slow_taker_gets_the_newest_picture_with_the_time_at_which_it_came() -> None:
    capture = FakeCapture()
    reader, _ = reader_of(capture)
    pictures = reader.sample(10)
    newest = 0
    for burst in (1, 7, 12):
        for _ in range(burst):
            newest += 1
            capture.steps.put(At(newest / 10, newest))
        wait_for_pictures(reader, newest)
        picture = next(pictures)
        assert number_of(picture.image) == newest
        assert picture.pts_seconds == pytest.approx((newest - 1) / 10)
    assert reader.counts.num_late == newest - 3


def test_a_moment_has_one_picture_and_others_are_not_missed() -> None:
    capture = FakeCapture(At(0, 0))
    reader, _ = reader_of(capture)
    pictures = reader.sample(2)
    assert next(pictures).index == 0
    for number in range(1, 6):
        capture.steps.put(At(number * 0.15, number))
    wait_for_pictures(reader, 6)
    second = next(pictures)
    assert (second.index, number_of(second.image), second.pts_seconds) == (1, 5, pytest.approx(0.75))
    assert reader.counts.num_late == 0, "the picture at 0.6 s gave way to a newer one of its moment"


def test_pictures_that_come_before_the_rate_is_known_count_by_it() -> None:
    capture = FakeCapture(At(0, 0), At(1.2, 1))
    reader, _ = reader_of(capture)
    wait_for_pictures(reader, 2)
    pictures = reader.sample(4)
    assert (one := next(pictures)).index == 4 and one.pts_seconds == pytest.approx(1.2)
    capture.steps.put(At(1.3, 2))
    assert next(pictures).index == 5


def test_a_source_that_ends_is_opened_again_and_the_gap_is_named() -> None:
    first, second = FakeCapture(At(0, 1)), FakeCapture(At(5, 2))
    reader, said = reader_of(first, VideoError("Connection refused"), second)
    pictures = reader.sample(10)
    one = next(pictures)
    first.steps.put(At(0.3, None))
    two = next(pictures)
    assert one.gap is None and two.gap == Gap(0.0, 5.0, "the server ended the stream") and reader.gaps == [two.gap]
    assert two.pts_seconds == 5 and two.index == 50
    assert said == [
        "camera 0 was lost at 0.0 s: the server ended the stream. Trying again in 1 s.",
        "camera 0 was lost at 0.0 s: Connection refused. Trying again in 2 s.",
        "camera 0 is back after a gap of 5.0 s.",
    ]
    assert first.closed.wait(60)


def test_a_call_that_never_returns_is_left_behind() -> None:
    first, second = FakeCapture(At(0, 1)), FakeCapture(At(12, 2))
    reader, said = reader_of(first, second)
    pictures = reader.sample(10)
    next(pictures)
    first.steps.put(At(10.5, 3, hangs=True))
    assert number_of(next(pictures).image) == 2
    assert said[0] == "camera 0 was lost at 0.0 s: no picture came for 10 s. Trying again in 1 s."
    first.closed.set()
    assert reader.counts.num_arrived == 2, "what it gives later is not taken"


@pytest.mark.parametrize("error", [VideoError("it broke"), RuntimeError("it broke"), OSError(5, "it broke")])
def test_any_error_of_a_source_is_survived(error: Exception) -> None:
    first, second = FakeCapture(At(0, 1)), FakeCapture(At(2, 2))
    reader, said = reader_of(first, second)
    pictures = reader.sample(10)
    next(pictures)
    first.steps.put(At(0.1, error))
    assert number_of(next(pictures).image) == 2
    assert "it broke. Trying again" in said[0]


def test_a_silence_is_a_gap_even_if_the_connection_lasts_and_the_taker_is_slow() -> None:
    capture = FakeCapture(At(0, 1))
    reader, said = reader_of(capture)
    pictures = reader.sample(10)
    next(pictures)
    for step in (At(0.1, 2), At(4.1, 3), At(4.2, 4), At(4.3, 5)):
        capture.steps.put(step)
    wait_for_pictures(reader, 5)
    after = next(pictures)
    assert number_of(after.image) == 5, "the newest, but the gap before it is still known"
    assert after.gap is not None and (after.gap.start, after.gap.end) == pytest.approx((0.1, 4.1))
    assert said == ["camera 0 sent no picture from 0.1 to 4.1 s."]


def test_each_new_size_is_said_once() -> None:
    capture = FakeCapture()
    reader, said = reader_of(capture)
    pictures = reader.sample(10)
    for number, size in enumerate([(48, 64), (48, 64), (64, 48), (48, 64), (64, 48), (96, 128)]):
        capture.steps.put(At(number / 2, number, size=size))
        assert next(pictures).image.shape == (48, 64, 3)
    assert said == [
        f"camera 0 sends pictures of {size} from {time} s on; they are scaled to fit into 64 x 48, the size of the "
        "first."
        for size, time in (("48 x 64", "1.0"), ("128 x 96", "2.5"))
    ]


def test_a_source_with_few_pictures_has_no_gaps() -> None:
    capture = FakeCapture()
    reader, said = reader_of(capture)
    pictures = reader.sample(10)
    for number in range(20):  # ever farther apart, up to 19 s
        capture.steps.put(At(number * (number + 1) / 2, number))
        assert next(pictures).gap is None
    assert not said


def test_a_source_that_does_not_come_back_ends_with_a_reason() -> None:
    capture = FakeCapture(At(0, 1))
    reader, said = reader_of(capture)
    pictures = reader.sample(10)
    next(pictures)
    capture.steps.put(At(1, None))
    with pytest.raises(SourceLostError, match=r"was lost at 0\.0 s and did not come back in 60 s: gone\. --reconnect"):
        next(pictures)
    assert [line.partition("again in ")[2] for line in said] == [f"{wait} s." for wait in (1, 2, 4, *[8] * 6, 5)]


def test_no_tries_are_made_if_none_are_wanted() -> None:
    capture = FakeCapture(At(0, 1))
    reader, said = reader_of(capture, limits=LiveLimits(reconnect=0))
    pictures = reader.sample(10)
    next(pictures)
    capture.steps.put(At(1, None))
    with pytest.raises(SourceLostError, match="the server ended the stream"):
        next(pictures)
    assert not said


def test_a_stated_end_is_no_loss() -> None:
    reader, said = reader_of(FakeCapture(At(0, 1), At(0.1, None), states_length=True))
    assert len(list(reader.sample(10))) == 1
    assert reader.end_reason == "it came to the end that it had stated" and not said


def test_a_limit_ends_a_silent_source_too() -> None:
    capture = FakeCapture(At(0, 1))
    reader, _ = reader_of(capture)
    pictures = reader.sample(10, end=7)
    next(pictures)
    capture.steps.put(At(7.5, 2, hangs=True))
    assert not list(pictures) and reader.end_reason == "its limit of 7 s is reached"
    capture.closed.set()


def test_pictures_of_a_piece_come_at_their_own_pace() -> None:
    capture = FakeCapture(in_pieces=True)
    reader, _ = reader_of(capture)
    pictures = reader.sample(20)
    for number in range(1, 8):
        capture.steps.put(At(0, number))
        picture = next(pictures)
        assert number_of(picture.image) == number and picture.pts_seconds == pytest.approx((number - 1) / 10)


def test_a_source_that_cannot_be_opened_or_is_mute_is_one_line() -> None:
    with pytest.raises(VideoError, match=r"^camera 0 cannot be opened: it is off\. Check that it is on, and its"):
        reader_of(VideoError("it is off"))
    reader, _ = reader_of(FakeCapture(At(11, 1, hangs=True)))
    with pytest.raises(VideoError, match=r"^camera 0 sent no picture: no picture came for 10 s\. Check"):
        list(reader.sample(1))


def test_passwords_are_not_shown() -> None:
    address = f"rtsp://anna:secret@127.0.0.1:{unused_port()}/live"
    with pytest.raises(VideoError, match="Connection refused") as caught:
        LiveReader(address)
    assert "secret" not in str(caught.value) and "anna" not in str(caught.value)
    assert without_password("rtsp://a:b@host:1/x?y=1") == "rtsp://host:1/x?y=1"
    assert without_password("http://host/a@b") == "http://host/a@b"
    assert without_password("//share/a@b/clip.mp4") == "//share/a@b/clip.mp4"
    asked = "http://cam/video.cgi?user=anna&{}=secret&channel=1"
    for name in ("pwd", "password", "access_token", "apikey"):
        assert without_password(asked.format(name)) == asked.format(name).replace("secret", "***")


HANDLERS = (MjpegHandler, TsHandler, RtspHandler)
Read = tuple[LiveReader, list[tuple[int, tuple[int, ...], int]]]


def read_all(handler: type[socketserver.BaseRequestHandler], scenes: Sequence[Scene], limits: LiveLimits) -> Read:
    """Reads until the source is lost. Returns how many pictures old each picture is, its size and its moment, too."""
    seen = []
    with (
        serving(handler, scenes) as (address, server),
        LiveReader(address, limits=limits, say=lambda line: None) as reader,
        contextlib.suppress(SourceLostError),
    ):
        for picture in reader.sample(15):
            age = (server.num_shown - 1 - number_of(picture.image)) % NUMBERS
            seen.append((age, picture.image.shape[:2], picture.index))
    return reader, seen


def read_side_by_side(scenes: Sequence[Scene], limits: LiveLimits) -> list[Read]:
    """Reads a server of each kind; most of the time, all of them wait."""
    with ThreadPoolExecutor(len(HANDLERS)) as pool:
        return list(pool.map(lambda handler: read_all(handler, scenes, limits), HANDLERS))


def test_servers_that_drop_and_change_size_are_read_on() -> None:
    scenes = [Scene(count=20), Scene(count=0, refused=True), Scene(count=30, size=(96, 64))]
    for reader, seen in read_side_by_side(scenes, LiveLimits(reconnect=1, wait=0.05)):
        _, sizes, indices = zip(*seen, strict=True)
        assert set(sizes) == {(48, 64)}, "all pictures have the size of the first"
        assert list(indices) == sorted(set(indices))
        assert reader.counts.num_arrived > 20 and len(seen) > 4
        assert {gap.reason for gap in reader.gaps} & {"the connection ended", "the server ended the stream"}


@pytest.mark.slow
def test_servers_that_stall_are_read_on() -> None:
    scenes = [
        Scene(count=40),
        Scene(count=80, stall=2, last=False),
        Scene(count=20, size=(32, 100), stall=60),
        Scene(count=60),
    ]
    for reader, seen in read_side_by_side(scenes, LiveLimits(gap=1, stall=6, reconnect=2, wait=0.05)):
        reasons = [gap.reason for gap in reader.gaps]
        assert any(gap.reason == "it was silent" and gap.end - gap.start >= 2 for gap in reader.gaps)
        assert any(reason.startswith("no picture came for") for reason in reasons)
        # at first, up to two seconds of a stream are looked at before a picture is shown
        assert np.median([age for age, *_ in seen]) <= 10


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_recording_in_pieces_is_refused(tmp_path: Path) -> None:
    coder = ts_coder()
    (tmp_path / "a.ts").write_bytes(b"".join(coder(numbered(number)) for number in range(40)))
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-VERSION:3\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "clip.m3u8").write_text(text)
    handler = functools.partial(_Files, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/clip.m3u8"
        with pytest.raises(VideoError, match=r"it is a recording, not a live stream\. Copy it first, "):
            LiveReader(address)
        server.shutdown()
