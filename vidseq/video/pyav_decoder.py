"""Decoding with PyAV: every packet in order, never a seek."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidseq.errors import VideoError
from vidseq.video.container import open_video, packets_of
from vidseq.video.packets import PacketIndex

# Only H.264 marks pictures that nothing else refers to without exception (nal_ref_idc = 0); HEVC's mark holds for one
# temporal layer only, and others have none that FFmpeg honours.
SKIPS_UNREFERENCED = frozenset({"h264"})
INTERLACED = frozenset({2, 3, 4, 5})


class PyavDecoder:
    """Gives full-size frames by number, turned upright.

    Args:
        path: the video file.
        stream: number of the stream in the file.
        rotation: degrees by which frames are turned, counter-clockwise.
        packets: packet index of that stream.
        skip_bad: leave damaged frames out instead of raising.
    """

    def __init__(self, path: Path, stream: int, rotation: int, packets: PacketIndex, skip_bad: bool = False) -> None:
        self._path = path
        self._stream = stream
        self._rotation = rotation
        self._packets = packets
        self._skip_bad = skip_bad
        self.bad_packets: set[int] = set()

    def decode(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Gives the wanted frames in order.

        Args:
            wanted: frame numbers, ascending, none twice.

        Yields:
            the number of a frame, and its picture, uint8 (H, W, 3) RGB. Bad ones are left out with `skip_bad`.

        Raises:
            VideoError: a frame is damaged or missing.
        """
        done = 0
        for number, frame in self._find(wanted, fast=True):
            if number != wanted[done] and not self.bad_packets:
                break
            yield number, self._upright(frame)
            done = int(np.searchsorted(wanted, number)) + 1
        if done == len(wanted):
            return
        if not self._packets.counted:
            # leaving packets out must never cost a frame: look for it again among all of them
            for number, frame in self._find(wanted[done:], fast=False):
                if number != wanted[done] and not self._skip_bad:
                    break
                yield number, self._upright(frame)
                done = int(np.searchsorted(wanted, number)) + 1
        if done < len(wanted) and not self._skip_bad:
            raise self._broken(int(self._packets.order[wanted[done]]), "its frame cannot be decoded")

    def _find(self, wanted: np.ndarray, fast: bool) -> Iterator[tuple[int, VideoFrame]]:
        """Decodes in one pass and gives those wanted frames that come out whole."""
        packets = self._packets
        numbers = {int(packets.times[packets.order[number]]): int(number) for number in wanted}
        left = len(numbers)
        for shown, frame in enumerate(self._decode(*packets.plan(wanted, fast))):
            key = (
                int(packets.times[packets.order[min(shown, len(packets.order) - 1)]]) if packets.counted else frame.pts
            )
            number = numbers.get(key) if key is not None else None
            if number is None:
                continue
            position = int(packets.order[number])
            if frame.is_corrupt:
                self._note(position, "its frame is damaged")
            if not packets.is_harmed(position, self.bad_packets):
                yield number, frame
            left -= 1
            if not left:
                return

    def _decode(self, feed: np.ndarray, own: np.ndarray) -> Iterator[VideoFrame]:
        """Gives every frame that comes out of the packets in `feed`."""
        with open_video(self._path) as container:
            stream = container.streams[self._stream]
            assert isinstance(stream, VideoStream)
            context = stream.codec_context
            context.thread_count = 1  # so that an error belongs to the packet that was just given
            skips = context.codec.canonical_name in SKIPS_UNREFERENCED and context.field_order not in INTERLACED
            last = int(np.flatnonzero(feed)[-1])
            before = -1
            for position, packet in enumerate(packets_of(container, stream)):
                if position > last:
                    break
                if not feed[position]:
                    continue
                if before not in (-1, position - 1):
                    yield from self._drain(context, before)
                    context.flush_buffers()
                context.skip_frame = "NONREF" if skips and not own[position] else "DEFAULT"
                try:
                    yield from context.decode(packet)
                except av.error.FFmpegError:
                    self._note(position, "a packet cannot be decoded")
                    if self._packets.counted:
                        return
                before = position
            yield from self._drain(context, before)

    def _drain(self, context: VideoCodecContext, position: int) -> Iterator[VideoFrame]:
        try:
            yield from context.decode(None)
        except av.error.FFmpegError:
            self._note(position, "the last frames cannot be decoded")

    def _note(self, position: int, what: str) -> None:
        """Remembers a damaged packet, or raises unless those are to be skipped."""
        if not self._skip_bad:
            raise self._broken(position, what)
        self.bad_packets.add(position)

    def _broken(self, position: int, what: str) -> VideoError:
        packets = self._packets
        shown = np.flatnonzero(packets.order == position)
        seconds = packets.seconds[shown[0]] if len(shown) else 0.0
        return VideoError(
            f"{self._path}: damaged at {seconds:.2f} s of {packets.end_seconds:.2f} s: {what}. "
            f"Use skip_bad (--skip-bad) to go on without the damaged part."
        )

    def _upright(self, frame: VideoFrame) -> np.ndarray:
        stored = frame.to_ndarray(format="rgb24")
        return np.ascontiguousarray(np.rot90(stored, self._rotation // 90))
