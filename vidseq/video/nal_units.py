"""The units of H.264 and HEVC packets."""

from collections.abc import Iterator

H264_SLICES = frozenset({1, 2, 5})
H264_IDR = 5


def nal_units(data: bytes, length_bytes: int) -> Iterator[memoryview]:
    """Yields the units of a packet, each from its header on.

    Args:
        data: the packet.
        length_bytes: number of bytes of each unit's length; 0 if start codes separate units.
    """
    view = memoryview(data)
    if length_bytes:
        at = 0
        while at + length_bytes < len(data):
            size = int.from_bytes(view[at : at + length_bytes], "big")
            at += length_bytes
            yield view[at : at + size]
            at += size
        return
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        following = data.find(b"\0\0\1", at + 3)
        yield view[at + 3 : following if following >= 0 else len(data)]
        at = following


def h264_length_bytes(extradata: bytes | None) -> int:
    """Returns the number of bytes of each unit's length; 0 if start codes separate units."""
    return (extradata[4] & 3) + 1 if extradata and len(extradata) > 4 and extradata[0] == 1 else 0


def hevc_length_bytes(extradata: bytes | None) -> int:
    """Returns the number of bytes of each unit's length; 0 if start codes separate units."""
    return (extradata[21] & 3) + 1 if extradata and len(extradata) > 21 and extradata[0] == 1 else 0


def starts_with_idr(data: bytes, length_bytes: int) -> bool:
    """Whether the first slice of an H.264 packet belongs to an IDR frame, which later frames never look behind."""
    for unit in nal_units(data, length_bytes):
        if unit and unit[0] & 31 in H264_SLICES:
            return unit[0] & 31 == H264_IDR
    return False
