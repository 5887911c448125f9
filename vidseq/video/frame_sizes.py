"""Notices, without decoding, that a stream may change the size of its frames."""

from collections.abc import Callable, Iterator

import av

from vidseq.video.nal_units import h264_length_bytes, hevc_length_bytes, nal_units

#: Where packets of a codec state the size of their frames: after a mark, so many bytes.
SIZE_AFTER: dict[str, tuple[bytes, int]] = {
    "vp8": (b"\x9d\x01\x2a", 4),
    "mjpeg": (b"\xff\xc0", 7),
    "png": (b"IHDR", 8),
    "mpeg1video": (b"\0\0\1\xb3", 4),  # with the shape of pixels
    "mpeg2video": (b"\0\0\1\xb3", 4),
    "mpeg4": (b"\0\0\1\x20", 12),
}
#: Where a mark is searched, in bytes from the start of a packet.
SEARCHED = 4096
H264_SPS, HEVC_SPS = 7, 33
VP9_SYNC = 0x498342
VP9_SRGB = 7


class SizeWatch:
    """Compares what the packets of a stream state about the size of their frames.

    It never misses a change that a packet states; what it takes for one may be none, such as another profile.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: what the container holds of the codec's headers.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self.may_change = False
        self._extradata = extradata or b""
        self._first: bytes | None = None
        self._sizes = _reader_of(codec, extradata)
        self._key_alone = codec != "vp9"

    def see(self, packet: av.Packet) -> None:
        """Looks at the next packet."""
        if self.may_change or (self._key_alone and not packet.is_keyframe):
            return
        if packet.has_sidedata("new_extradata"):
            self.may_change = self._first is not None or bytes(packet.get_sidedata("new_extradata")) != self._extradata
        for size in self._sizes(packet):
            self._first = size if self._first is None else self._first
            self.may_change |= size != self._first


def _reader_of(codec: str, extradata: bytes | None) -> Callable[[av.Packet], Iterator[bytes]]:
    """Returns what finds the statements of size in a packet."""
    if codec in SIZE_AFTER:
        mark, count = SIZE_AFTER[codec]
        return lambda packet: _after(bytes(memoryview(packet)[:SEARCHED]), mark, count)
    if codec == "h264":
        length_bytes = h264_length_bytes(extradata)
        return lambda packet: _units(packet, length_bytes, lambda head: head & 31 == H264_SPS)
    if codec == "hevc":
        length_bytes = hevc_length_bytes(extradata)
        return lambda packet: _units(packet, length_bytes, lambda head: head >> 1 & 63 == HEVC_SPS)
    return _vp9_size if codec == "vp9" else lambda packet: iter(())


def _after(data: bytes, mark: bytes, count: int) -> Iterator[bytes]:
    at = data.find(mark)
    if at >= 0:
        yield data[at + len(mark) : at + len(mark) + count]


def _units(packet: av.Packet, length_bytes: int, is_wanted: Callable[[int], bool]) -> Iterator[bytes]:
    for unit in nal_units(bytes(packet), length_bytes):
        if unit and is_wanted(unit[0]):
            yield bytes(unit).rstrip(b"\0")


def _vp9_size(packet: av.Packet) -> Iterator[bytes]:
    """Yields the size that a VP9 frame states: a keyframe always, others where it is none of their references'.

    Source: VP9 Bitstream and Decoding Process Specification, section 6.2.
    """
    bits = _Bits(bytes(memoryview(packet)[:32]))
    bits.take(2)
    profile = bits.take(1) | bits.take(1) << 1
    if profile == 3:
        bits.take(1)
    if bits.take(1):  # an existing frame is shown again
        return
    inter, shown, resilient = bits.take(1), bits.take(1), bits.take(1)
    if not inter:
        if bits.take(24) == VP9_SYNC:
            _skip_vp9_colours(bits, profile)
            yield bits.take(32).to_bytes(4, "big")
        return
    intra_only = 0 if shown else bits.take(1)
    bits.take(0 if resilient else 2)
    if intra_only:
        bits.take(24)
        if profile:
            _skip_vp9_colours(bits, profile)
        bits.take(8)
        yield bits.take(32).to_bytes(4, "big")
        return
    bits.take(8 + 3 * 4)
    if not any(bits.take(1) for _ in range(3)):
        yield bits.take(32).to_bytes(4, "big")


def _skip_vp9_colours(bits: "_Bits", profile: int) -> None:
    bits.take(1 if profile >= 2 else 0)
    odd = profile & 1
    if bits.take(3) == VP9_SRGB:
        bits.take(odd)
    else:
        bits.take(4 if odd else 1)


class _Bits:
    """The bits of a header, the highest of each byte first; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Takes the next bits as a number."""
        self._left -= count
        shifted = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return shifted & ((1 << count) - 1)
