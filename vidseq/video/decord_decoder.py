"""Decodes with decord the files on which it is exact, if decord is installed.

decord has wheels only for Linux on x86-64 and for Windows on AMD64. Only this module imports it, when it is needed.
"""

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vidseq.video.geometry import Orientation
from vidseq.video.packets import PacketIndex
from vidseq.watch import report_progress

# On other containers decord returns wrong frames without an error (MPEG-TS, AVI), or cannot open the file.
TRUSTED_CONTAINERS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv"})
TIME_TOLERANCE_SECONDS = 2e-3  # Matroska counts milliseconds, and decord keeps times in single precision
BLOCK_BYTES = 32 << 20  # of full-size frames, read at once, unless one group needs more
GROUP_BYTES = 128 << 20  # of full-size frames between two keyframes


def is_installed() -> bool:
    """Whether the package decord is installed."""
    return importlib.util.find_spec("decord") is not None


def version() -> str:
    """Returns the installed version of decord."""
    return importlib.metadata.version("decord")


def doubts(
    path: Path, container: str, codec: str, orientation: Orientation, packets: PacketIndex, frame_bytes: int
) -> list[str]:
    """Lists the reasons why decord cannot be trusted with a file; decord must be installed.

    Args:
        path: the file.
        container: FFmpeg's name of the container format.
        codec: FFmpeg's name of the codec.
        orientation: how frames must be turned.
        packets: the file's packet index.
        frame_bytes: bytes of one full-size RGB frame.

    Returns:
        the reasons, any one of which suffices; empty if decord can be trusted.
    """
    checks = [
        (container not in TRUSTED_CONTAINERS, f"it is not exact on {container.split(',')[0]} files"),
        (codec == "av1", "it cannot read AV1"),
        (orientation.rotation != 0, "frames must be rotated"),
        (orientation.mirrored, "frames must be mirrored"),
        (packets.resized, "the size of frames may change"),
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
    """Compares decord's times with those of the packet index."""
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
    """Decodes full-size frames by their index.

    Args:
        path: the video file.
        packets: the file's packet index.
        frame_bytes: bytes of one full-size RGB frame.
    """

    def __init__(self, path: Path, packets: PacketIndex, frame_bytes: int) -> None:
        self._packets = packets
        self._frame_bytes = frame_bytes
        self._reader = _open(path)

    def decode(self, wanted: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes the wanted frames in order.

        Args:
            wanted: frame indices, ascending, without repetition. (N,)

        Yields:
            the index of a frame, and its picture, uint8 (H, W, 3) RGB.

        Raises:
            RuntimeError: decord failed.
        """
        import decord
        import torch

        for block in self._blocks(wanted):
            try:
                batch = self._reader.get_batch(block.tolist())
                # without this, decord keeps decoding in its own thread, and may hold the whole file in memory
                self._reader.seek(0)
            except decord.DECORDError as error:
                raise RuntimeError("decord failed while decoding") from error
            report_progress()
            yield from zip(block.tolist(), torch.utils.dlpack.from_dlpack(batch.to_dlpack()).numpy())

    def _blocks(self, wanted: np.ndarray) -> Iterator[np.ndarray]:
        """Cuts the wanted frames into blocks of bounded size at starts of groups, so that none is decoded twice."""
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
    import decord  # here, because many machines lack it, and the import takes longer than most probes

    decord.logging.set_level(decord.logging.QUIET)
    return decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
