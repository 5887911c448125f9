"""Servers of live pictures on loopback, which drop, stall, change size and come back as their scenes say.

The brightness of a picture is its number, so that a test knows which picture it got.
"""

import contextlib
import io
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

#: Steps of brightness from one number to the next, and the number after which they begin again.
_STEP, NUMBERS = 6, 40
_BOUNDARY = b"picture"


def numbered(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A picture of one brightness, uint8 (H, W, 3)."""
    return np.full((height, width, 3), 8 + _STEP * (number % NUMBERS), np.uint8)


def number_of(image: np.ndarray) -> int:
    """The number of a picture, modulo `NUMBERS`."""
    return round((float(image.mean()) - 8) / _STEP)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a connection shows."""

    count: int
    """Pictures."""
    fps: float = 20.0
    size: tuple[int, int] = (48, 64)
    stall: float = 0.0
    """Seconds of silence after them, with the connection open; then comes the next scene, if it is not `last`."""
    last: bool = True
    """Whether the connection ends after this scene."""
    refused: bool = False
    """Whether the server ends the connection at once."""


class LiveServer(socketserver.ThreadingTCPServer):
    """Shows scenes: each connection begins with the first that no connection has shown; after all, it refuses."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, handler: type[socketserver.BaseRequestHandler], scenes: Sequence[Scene]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._scenes = list(scenes)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.num_shown = 0
        """Pictures so far."""

    def show(self, send: Callable[[bytes], object], coder: Callable[[], "Coder"]) -> None:
        """Sends pictures until a scene ends the connection."""
        while scene := self._next():
            if scene.refused:
                return
            code = coder()
            for _ in range(scene.count):
                with self._lock:
                    number, self.num_shown = self.num_shown, self.num_shown + 1
                send(code(numbered(number, *scene.size)))
                if self._stop.wait(1 / scene.fps):
                    return
            if self._stop.wait(scene.stall) or scene.last:
                return

    def _next(self) -> Scene | None:
        with self._lock:
            return self._scenes.pop(0) if self._scenes else None

    def handle_error(self, request: object, client_address: object) -> None:
        """Lets clients go away, as they should."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def server_close(self) -> None:
        """Ends all connections."""
        self._stop.set()
        super().server_close()


Coder = Callable[[np.ndarray], bytes]


def jpeg_coder() -> Coder:
    """Makes a part of a multipart answer of each picture."""
    from cv2 import imencode

    def code(image: np.ndarray) -> bytes:
        data = imencode(".jpg", image[..., ::-1])[1].tobytes()
        head = b"--" + _BOUNDARY + b"\r\nContent-Type: image/jpeg\r\nContent-Length: " + str(len(data)).encode()
        return head + b"\r\n\r\n" + data + b"\r\n"

    return code


def ts_coder() -> Coder:
    """Makes packets of an MPEG transport stream of each picture."""
    sink = _Sink()
    container = av.open(sink, "w", format="mpegts", options={"flush_packets": "1"})
    stream = container.add_stream("libx264", rate=20, options={"tune": "zerolatency", "g": "5", "threads": "1"})
    stream.pix_fmt = "yuv420p"
    count = 0

    def code(image: np.ndarray) -> bytes:
        nonlocal count
        if not count:
            stream.height, stream.width = image.shape[:2]
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = count, Fraction(1, 20)
        count += 1
        container.mux(stream.encode(frame))
        return sink.take()

    return code


class _Sink(io.RawIOBase):
    def __init__(self) -> None:
        self._data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._data += bytes(data)  # type: ignore[call-overload]
        return len(data)  # type: ignore[arg-type]

    def take(self) -> bytes:
        data, self._data = self._data, b""
        return data


class _Http(socketserver.StreamRequestHandler):
    kind: str
    coder: Callable[[], Coder]
    server: LiveServer

    def handle(self) -> None:
        asked = self.rfile.readline()
        while (line := self.rfile.readline()).strip():
            asked += line
        self.wfile.write(b"HTTP/1.0 200 OK\r\nContent-Type: " + self.kind.encode() + b"\r\n\r\n")
        if b"Lavf" in asked:  # others only ask what is here
            self.server.show(self.wfile.write, type(self).coder)


class MjpegHandler(_Http):
    """JPEG pictures in an answer without an end, as most cameras send them."""

    kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}"
    coder = staticmethod(jpeg_coder)


class TsHandler(_Http):
    """A transport stream of H.264."""

    kind = "video/mp2t"
    coder = staticmethod(ts_coder)


class RtspHandler(socketserver.StreamRequestHandler):
    """RTSP, with a transport stream in RTP packets on the same connection (RFC 2326, RFC 2250)."""

    server: LiveServer

    def handle(self) -> None:
        self._sequence = 0
        while asked := self._request():
            method, number = asked
            body, more = b"", ""
            if method == "DESCRIBE":
                body = b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=live\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:0\r\n"
                more = "Content-Type: application/sdp\r\n"
            elif method == "SETUP":
                more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n{more}Content-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode() + body)
            if method == "PLAY":
                self.server.show(self._send, ts_coder)
                return

    def _request(self) -> tuple[str, str] | None:
        line = self.rfile.readline().decode()
        number = ""
        while (header := self.rfile.readline().decode()).strip():
            name, _, value = header.partition(":")
            number = value.strip() if name.lower() == "cseq" else number
        return (line.split()[0], number) if line.strip() else None

    def _send(self, data: bytes) -> None:
        for start in range(0, len(data), 7 * 188):
            payload = data[start : start + 7 * 188]
            ticks = round(time.monotonic() * 90000) & 0xFFFFFFFF
            packet = struct.pack("!BBHII", 0x80, 33, self._sequence & 0xFFFF, ticks, 7) + payload
            self._sequence += 1
            self.wfile.write(struct.pack("!cBH", b"$", 0, len(packet)) + packet)


@contextlib.contextmanager
def serving(
    handler: type[socketserver.BaseRequestHandler], scenes: Sequence[Scene]
) -> Iterator[tuple[str, LiveServer]]:
    """Runs a server; yields its address and itself."""
    scheme = "rtsp" if handler is RtspHandler else "http"
    with LiveServer(handler, scenes) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{server.server_address[1]}/live", server
        finally:
            server.shutdown()
            thread.join()


def unused_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
