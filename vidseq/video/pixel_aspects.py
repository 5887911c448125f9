"""Notices that a stream changes the shape of its pixels, as broadcasts do between films of other shapes."""

from fractions import Fraction

from av.video.codeccontext import VideoCodecContext

#: Containers that state no shape of pixels: there the stream's own counts, and it may change.
STATE_NONE = frozenset({"mpegts", "mpeg", "mpegvideo", "h264", "hevc"})


class AspectWatch:
    """Follows the shape of a stream's pixels while its packets are decoded.

    Args:
        container: FFmpeg's name of the container.
        context: the decoder of the stream.
    """

    def __init__(self, container: str, context: VideoCodecContext) -> None:
        self._context = context
        self._first = self._newest = (context.sample_aspect_ratio or None) if container in STATE_NONE else None
        self._changes: list[tuple[int, Fraction]] = []

    def see(self, time: int) -> None:
        """Looks at the decoder after a packet of this presentation time, in any unit."""
        aspect = self._context.sample_aspect_ratio
        if self._first and aspect and aspect != self._newest:
            self._newest = aspect
            self._changes.append((time, aspect / self._first))

    def stretch(self, time: int) -> Fraction:
        """How much wider pixels of the frame of a time are than those of the first."""
        known = (factor for at, factor in reversed(self._changes) if at <= time)
        return next(known, Fraction(1))
