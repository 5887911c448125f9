"""Decoding with decord, for the files on which it is exact."""

import importlib.metadata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidseq.video.packets import PacketIndex

# All others have been seen to give wrong frames silently (MPEG-TS, AVI), or cannot be opened.
TRUSTED_CONTAINERS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv"})
TIME_TOLERANCE_SECONDS = 2e-3  # Matroska counts milliseconds, and decord keeps times in single precision
BLOCK_BYTES = 32 << 20  # of full-size frames, read at once, unless one group needs more
GROUP_BYTES = 128 << 20  # of full-size frames between two keyframes


def version() -> str:
    """The version of decord that is installed."""
    return importlib.metadata.version("decord")


def doubts(path: Path, container: str, codec: str, rotation: int, packets: PacketIndex, frame_bytes: int) -> list[str]:
    """Says why decord should not read a file.

    Args:
        path: the file.
        container: FFmpeg's name of its format.
        codec: FFmpeg's name of its coding.
        rotation: degrees by which frames are to be turned.
        packets: its packet index.
        frame_bytes: bytes of one full-size RGB frame.

    Returns:
        reasons, the first one enough; empty if decord can be trusted.
    """
    checks = [
        (container not in TRUSTED_CONTAINERS, f"it is not exact on {container.split(',')[0]} files"),
        (codec == "av1", "it cannot read AV1"),
        (rotation != 0, "frames must be rotated"),
        (packets.counted, "packets lack times or repeat them"),
        (packets.discarded > 0, "an edit list hides frames"),
        (packets.hidden > packets.discarded, "some packets show no frame"),
        (packets.leading, "groups of frames are open"),
        (
            int(np.bincount(packets.key_group).max()) * frame_bytes > GROUP_BYTES,
            f"keyframes are so far apart that it would hold over {GROUP_BYTES >> 20} MB of frames",
        ),
    ]
    found = [reason for doubtful, reason in checks if doubtful]
    return found or _compare_times(path, packets)


def _compare_times(path: Path, packets: PacketIndex) -> list[str]:
    """Compares decord's own times with those of the packet index."""
    import decord

    try:
        reader = _open(path)
        count = len(reader)
        if count != len(packets.seconds):
            return [f"it finds {count} frames where the packet index has {len(packets.seconds)}"]
        starts = reader.get_frame_timestamp(range(count))[:, 0].astype(np.float64)
    except (decord.DECORDError, OSError, RuntimeError):
        return ["it cannot open the file"]
    tolerance = TIME_TOLERANCE_SECONDS + 2e-7 * packets.end_seconds
    if np.abs(starts - starts[0] - packets.seconds).max() > tolerance:
        return ["its times differ from the packet index"]
    return []


class DecordDecoder:
    """Gives full-size frames by number.

    Args:
        path: the video file.
        packets: its packet index.
        frame_bytes: bytes of one full-size RGB frame.
    """

    def __init__(self, path: Path, packets: PacketIndex, frame_bytes: int) -> None:
        self._packets = packets
        self._frame_bytes = frame_bytes
        self._reader = _open(path)

    def decode(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Gives the wanted frames in order.

        Args:
            wanted: frame numbers, ascending, none twice.

        Yields:
            the number of a frame, and its picture, uint8 (H, W, 3) RGB.

        Raises:
            RuntimeError: decord failed.
        """
        import decord

        for block in self._blocks(wanted):
            try:
                batch = self._reader.get_batch(block.tolist())
                # without this, decord decodes on while nobody asks, up to the whole file in memory
                self._reader.seek(0)
            except decord.DECORDError as error:
                raise RuntimeError("decord failed while decoding") from error
            yield from zip(block.tolist(), torch.utils.dlpack.from_dlpack(batch.to_dlpack()).numpy())

    def _blocks(self, wanted: np.ndarray) -> Iterator[np.ndarray]:
        """Cuts the wanted frames where a group starts, so that none is decoded twice, before they get too large."""
        limit = BLOCK_BYTES // self._frame_bytes
        groups = self._packets.key_group[self._packets.order[wanted]]
        starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
        first = 0
        for start, stop in pairwise([*starts.tolist(), len(wanted)]):
            if stop - first > limit and start > first:
                yield wanted[first:start]
                first = start
        yield wanted[first:]


def _open(path: Path) -> Any:
    import decord  # here, since importing it takes longer than many a probe

    decord.logging.set_level(decord.logging.QUIET)
    return decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
