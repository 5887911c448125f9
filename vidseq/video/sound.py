"""Copies the sound of a video beside new pictures of it, without decoding."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer

from vidseq.video.container import open_video
from vidseq.video.probing import VideoInfo

#: Codecs whose packets each file can hold, and players know.
COPIED = {
    ".m4v": frozenset({"aac", "ac3", "alac"}),
    ".mov": frozenset({"aac", "ac3", "alac", "eac3", "mp3"}),
    **dict.fromkeys((".mp4", ".mkv"), frozenset({"aac", "ac3", "alac", "eac3", "mp3", "opus", "flac"})),
}


class Sound:
    """The sound of a video file, read packet by packet; only the first stream of sound is.

    Args:
        path: the file.
        start_seconds: the file's own time of the first picture, at which the copy begins.

    Raises:
        VideoError: the file cannot be read.
    """

    def __init__(self, path: Path, start_seconds: float) -> None:
        self._cleanup = contextlib.ExitStack()
        container = self._cleanup.enter_context(open_video(path))
        self._stream: AudioStream | None = next(iter(container.streams.audio), None)
        self._packets = None if self._stream is None else container.demux(self._stream)
        self._next: av.Packet | None = None
        self._start_seconds = start_seconds
        self._last = -1
        self._copy: AudioStream | None = None

    @property
    def codec(self) -> str:
        """How the sound is coded; empty if there is none."""
        return "" if self._stream is None else self._stream.codec_context.codec.canonical_name

    def add_to(self, container: OutputContainer) -> None:
        """Adds a stream to a new file, before its first packet; it must hold the codec, see `COPIED`."""
        assert self._stream is not None
        self._copy = container.add_stream_from_template(self._stream)

    def write_until(self, container: OutputContainer, seconds: float) -> None:
        """Writes the packets that begin before a time of the copy, in seconds."""
        while self._copy is not None and (packet := self._following()) is not None:
            if self._seconds(packet) >= seconds:
                return
            self._next = None
            self._write(container, packet)

    def close(self) -> None:
        """Closes the file that the sound is of."""
        self._cleanup.close()

    def _write(self, container: OutputContainer, packet: av.Packet) -> None:
        assert packet.time_base is not None and packet.pts is not None
        moved = round(self._start_seconds / packet.time_base)
        packet.pts -= moved
        packet.dts = packet.pts  # sound is in order
        if packet.pts <= self._last:  # before the first picture, or a clock that goes back
            return
        self._last = packet.pts
        packet.stream = self._copy
        container.mux(packet)

    def _following(self) -> av.Packet | None:
        """The packet that is next; None at the end, or where the file cannot be read on."""
        assert self._packets is not None
        with contextlib.suppress(StopIteration, av.error.FFmpegError):
            while self._next is None:
                packet = next(self._packets)
                self._next = packet if packet.size and packet.pts is not None else None
        return self._next

    def _seconds(self, packet: av.Packet) -> float:
        assert packet.time_base is not None and packet.pts is not None
        return float(packet.pts * packet.time_base) - self._start_seconds


@contextlib.contextmanager
def sound_of(info: VideoInfo, out: Path) -> Iterator[Sound | None]:
    """Opens the sound that goes beside new pictures of a video; where it cannot, one line on the error stream says so.

    Args:
        info: the video.
        out: the file of the copy.
    """
    with contextlib.closing(Sound(info.path, info.start_seconds)) as sound:
        why = ""
        if sound.codec and sound.codec not in COPIED.get(out.suffix.lower(), ()):
            why = f"{out.suffix} cannot hold what is coded as {sound.codec}"
        elif sound.codec and not info.packets.keeps_clock:
            why = "it has a clock that the pictures do not follow"
        if why:
            print(f"vidseq: the sound of {info.path} is left out of the copy: {why}.", file=sys.stderr)
        yield sound if sound.codec and not why else None
