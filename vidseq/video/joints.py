"""Transport streams that were joined: a mark of damage before a joint that no picture bears out."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vidseq.errors import VideoError
from vidseq.video.geometry import Orientation
from vidseq.video.packets import PacketIndex
from vidseq.video.pyav_decoder import PyavDecoder


def without_joints(path: Path, stream: int, orientation: Orientation, packets: PacketIndex) -> PacketIndex:
    """Takes away the marks of packets before a joint if all pictures from there to the joint decode whole.

    Packets of a transport are numbered. Where files were joined, as by `cat` or from the parts of a stream (HLS), the
    numbers jump as they do where packets were lost, and one of the last two pictures before seems damaged. A loss
    harms a picture, or leaves a hole in time; a joint does neither.

    Args:
        path: the video file.
        stream: index of the stream in the file.
        orientation: of its pictures.
        packets: the packet index of the stream.

    Returns:
        the index, without the marks of joints.
    """
    marked = packets.corrupt & packets.before_joint
    if not marked.any():
        return packets
    doubtful = marked.copy()
    doubtful[1:] |= marked[:-1]  # the mark may be of the packet after
    shown = np.flatnonzero(doubtful[packets.order])
    decoder = PyavDecoder(path, stream, orientation, packets, skip_bad=True)
    try:
        whole = {int(packets.order[index]) for index, _ in decoder.decode(shown)} if len(shown) else set()
    except VideoError:
        return packets
    harmed = [position for position in np.flatnonzero(marked).tolist() if not {position, position + 1} <= whole]
    corrupt = packets.corrupt & ~marked
    corrupt[harmed] = True
    return replace(packets, corrupt=corrupt)
