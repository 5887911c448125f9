"""Decodes with PyAV, all packets in order and without seeking."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vidseq.errors import VideoError
from vidseq.video.container import open_video, packets_of
from vidseq.video.geometry import Orientation
from vidseq.video.packets import INTERLACED, PacketIndex
from vidseq.video.pixel_aspects import AspectWatch
from vidseq.video.resizing import scale

# Only H.264 reliably marks pictures that no other picture refers to (nal_ref_idc = 0). HEVC's mark holds for one
# temporal layer only, and FFmpeg uses no mark of other codecs.
SKIPS_UNREFERENCED = frozenset({"h264"})
#: The way out of damage, in the words of the library and of the commands that have it.
WITHOUT_DAMAGE = (
    "Use skip_bad to go on without the damaged part (`vidseq features --skip-bad`, `vidseq predict --skip-bad`)."
)


class PyavDecoder:
    """Decodes full-size upright frames by their index.

    Args:
        path: the video file.
        stream: index of the stream in the file.
        orientation: how stored frames are turned upright.
        packets: packet index of that stream.
        skip_bad: leave damaged frames out instead of raising.
    """

    def __init__(
        self, path: Path, stream: int, orientation: Orientation, packets: PacketIndex, skip_bad: bool = False
    ) -> None:
        self._path = path
        self._stream = stream
        self._orientation = orientation
        self._packets = packets
        self._skip_bad = skip_bad
        self.bad_packets: set[int] = set()
        self._aspects: AspectWatch | None = None

    def decode(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes the wanted frames in order.

        Args:
            wanted: frame indices, ascending, without repetition. (N,)

        Yields:
            the index of a frame, and its picture, uint8 (H, W, 3) RGB, of its own size, with pixels of the shape that
            the stream's first ones have. With `skip_bad`, damaged
            frames are left out.

        Raises:
            VideoError: a frame is damaged or missing.
        """
        done = 0
        # skipping packets must never lose a frame, so missing frames are searched again among all packets
        for fast in (True,) if self._packets.counted else (True, False):
            for index, frame in self._find(wanted[done:], fast):
                if index < wanted[done]:
                    continue  # damaged streams may show a frame again
                if index != wanted[done] and not (self.bad_packets if fast else self._skip_bad):
                    break
                yield index, self._upright(index, frame)
                done = int(np.searchsorted(wanted, index)) + 1
                if done == len(wanted):
                    return
        if not self._skip_bad:
            raise self._broken(int(self._packets.order[wanted[done]]), "its frame cannot be decoded")

    def _find(self, wanted: np.ndarray, fast: bool) -> Iterator[tuple[int, VideoFrame]]:
        """Decodes in one pass and yields the wanted frames that are not damaged."""
        packets = self._packets
        decoded = self._decode(*packets.plan(wanted, fast))
        if packets.counted:
            yield from self._count_out(wanted, decoded)
            return
        indices_at_time = {int(packets.times[packets.order[index]]): int(index) for index in wanted}
        # a frame is known to be undamaged only after all frames that it may refer to, some of which are shown later
        latest_reference = np.maximum.accumulate(packets.times)
        held: list[tuple[int, VideoFrame]] = []
        for frame in decoded:
            index = indices_at_time.get(frame.pts) if frame.pts is not None else None
            if frame.is_corrupt:
                self._note(self._position_of(frame.pts), "its frame is damaged")
            if index is not None:
                held.append((index, frame))
            while held and frame.pts is not None and latest_reference[packets.order[held[0][0]]] <= frame.pts:
                yield from self._whole(*held.pop(0))
        for index, frame in held:
            yield from self._whole(index, frame)

    def _count_out(self, wanted: np.ndarray, decoded: Iterator[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        """Identifies frames by their order alone, so no frame after a damaged one is reliable."""
        last, asked = int(wanted[-1]), set(wanted.tolist())
        for index, frame in enumerate(decoded):
            if frame.is_corrupt:
                self._note(int(self._packets.order[min(index, last)]), "its frame is damaged")
                return
            if index in asked:
                yield index, frame
            if index == last:
                return

    def _whole(self, index: int, frame: VideoFrame) -> Iterator[tuple[int, VideoFrame]]:
        if not self._packets.is_harmed(int(self._packets.order[index]), self.bad_packets):
            yield index, frame

    def _position_of(self, pts: int | None) -> int:
        found = np.flatnonzero(self._packets.times == (-1 if pts is None else pts))
        return int(found[0]) if len(found) else 0

    def _decode(self, feed: np.ndarray, own: np.ndarray) -> Iterator[VideoFrame]:
        """Yields every frame that is decoded from the packets in `feed`."""
        with open_video(self._path) as container:
            stream = container.streams[self._stream]
            assert isinstance(stream, VideoStream)
            context = stream.codec_context
            self._aspects = AspectWatch(container.format.name, context)
            context.thread_count = 1  # so that an error belongs to the newest packet
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
                    frames = context.decode(packet)
                    self._aspects.see(position if self._packets.counted else int(self._packets.times[position]))
                    yield from frames
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
        """Notes a damaged packet with `skip_bad`, else raises an error."""
        if not self._skip_bad:
            raise self._broken(position, what)
        self.bad_packets.add(position)

    def _broken(self, position: int, what: str) -> VideoError:
        packets = self._packets
        shown = np.flatnonzero(packets.order == position)
        seconds = packets.seconds[shown[0]] if len(shown) else 0.0
        return VideoError(
            f"{self._path}: damaged at {seconds:.2f} s of {packets.end_seconds:.2f} s: {what}. {WITHOUT_DAMAGE}"
        )

    def _upright(self, index: int, frame: VideoFrame) -> np.ndarray:
        image = frame.to_ndarray(format="rgb24", threads=1)
        counted = self._packets.counted  # then packets and frames are in one order, and have no other times
        stretch = self._aspects.stretch(index if counted else frame.pts or 0) if self._aspects else 1
        if stretch != 1:  # the longer side becomes several, so that no detail is lost
            height, width = round(frame.height / min(stretch, 1)), round(frame.width * max(stretch, 1))
            image = scale(image[None], height, width)[0]
        return self._orientation.upright(image)
