"""The packet index of a video stream: facts about its frames, read without decoding them."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from vidseq.video.container import packets_of
from vidseq.video.frame_sizes import SizeWatch
from vidseq.video.nal_units import h264_length_bytes, starts_with_idr

# After a keyframe of these codecs, decoding needs nothing from before it. H.264 marks such keyframes with a flag
# (IDR). Keyframes of other codecs may be open (frames after them may need frames before them), so no group starts
# there.
CLOSED_KEYFRAMES = frozenset({"vp8", "vp9", "mjpeg", "prores", "ffv1", "png", "rawvideo", "dnxhd", "huffyuv"})
# The clock of these containers counts packets or does not exist, so only the order of decoded frames is reliable.
COUNTED_CONTAINERS = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo", "obu", "ivf_raw"})
INTERLACED = frozenset({2, 3, 4, 5})  # FFmpeg's numbers for orders of fields
#: How long one picture may stay. A longer hold is a clock that jumped: its samples would cost more than the video.
MAX_HOLD_SECONDS = 3600
#: Decoding times that fall by more than this belong to a clock that started anew, as in files that were joined.
RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class ClockJump:
    """A picture that would stay for longer than `MAX_HOLD_SECONDS`: the clock of the file jumps."""

    at_seconds: float
    """When the picture appears."""
    hold_seconds: float
    """How long it would stay."""
    kept: int
    """Number of pictures up to it; only these are shown."""
    total: int
    """Number of pictures of the file."""


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """Facts about a stream's packets, in the order of the file.

    Attributes:
        times: presentation time of each packet in ticks of `time_base`; meaningless if `counted`. (P,)
        starts_group: True if decoding can start at the packet without earlier ones. (P,)
        corrupt: True if the file marks the packet as damaged. (P,)
        before_joint: True for the last two packets before a keyframe that follows in time: files may be joined there.
            (P,)
        undecodable: True for packets before the first keyframe, in the file or in time. (P,)
        key_group: index of the keyframe that a packet follows, in the file and in time. (P,)
        order: the packet of each shown frame, in display order. (N,)
        seconds: when each shown frame appears, 0 for the first. (N,)
        end_seconds: when the last frame disappears.
        start_seconds: the file's own time of the first shown frame.
        time_base: duration of a tick in seconds.
        counted: frames are identified by counting them, because packets lack times or repeat them.
        leading: whether a packet after a keyframe is shown before it.
        discarded: number of packets that an edit list hides.
        hidden: number of packets that are not shown: hidden by an edit list, or not decodable without a keyframe.
        missing: number of frames that the file's header states and the file does not hold.
        resized: whether the size of frames may change.
        keeps_clock: whether frames appear at the times of the file, which its sound has, too. Frames are counted in
            its place where packets lack times or repeat them, or where the clock starts anew.
        jump: where the clock jumps; the pictures after it are not shown. None: nowhere.
    """

    times: np.ndarray
    starts_group: np.ndarray
    corrupt: np.ndarray
    before_joint: np.ndarray
    undecodable: np.ndarray
    key_group: np.ndarray
    order: np.ndarray
    seconds: np.ndarray
    end_seconds: float
    start_seconds: float
    time_base: Fraction
    counted: bool
    leading: bool
    discarded: int
    hidden: int
    missing: int
    resized: bool
    keeps_clock: bool
    jump: ClockJump | None

    def plan(self, wanted: np.ndarray, fast: bool) -> tuple[np.ndarray, np.ndarray]:
        """Finds the packets that a decoder must see to show some frames.

        Args:
            wanted: frame indices in ascending order, (N,).
            fast: leave out packets that provably have no effect on the wanted frames.

        Returns:
            bool (P,), True for packets to decode; bool (P,), True for packets whose own frame is wanted.
        """
        count = len(self.times)
        if self.counted:
            return np.ones(count, dtype=bool), np.ones(count, dtype=bool)
        if not fast:
            last = int(self.order[wanted].max())
            return (np.arange(count) <= last) & ~self.undecodable, np.ones(count, dtype=bool)
        own = np.zeros(count, dtype=bool)
        own[self.order[wanted]] = True
        group = np.cumsum(self.starts_group)
        last_wanted = np.full(int(group[-1]) + 1, -1)
        positions = np.flatnonzero(own)
        last_wanted[group[positions]] = positions  # the last write of a group stays
        return (np.arange(count) <= last_wanted[group]) & ~self.undecodable, own

    def is_harmed(self, position: int, bad_positions: set[int]) -> bool:
        """Whether a packet is damaged, or its frame may be damaged by earlier packets of its group."""
        return any(bad <= position and self.key_group[bad] == self.key_group[position] for bad in bad_positions)


def read_packet_index(container: InputContainer, stream: VideoStream, most: int | None = None) -> PacketIndex:
    """Reads the packets of a stream without decoding them.

    Args:
        container: the open file, at its start.
        stream: the video stream to read.
        most: read no more packets; None: all.
    """
    codec = stream.codec_context.codec.canonical_name
    extradata = stream.codec_context.extradata
    length_bytes = h264_length_bytes(extradata)
    sizes = SizeWatch(codec, extradata)
    pts: list[int | None] = []
    dts: list[int | None] = []
    flags: list[tuple[bool, bool, bool, bool, bool]] = []
    durations: list[int] = []
    for packet in islice(packets_of(container, stream), most):
        pts.append(packet.pts)
        dts.append(packet.dts)
        durations.append(packet.duration or 0)
        sizes.see(packet)
        key = bool(packet.is_keyframe)
        invisible = codec == "vp8" and not memoryview(packet)[0] >> 4 & 1
        starts = key and (
            codec in CLOSED_KEYFRAMES or (codec == "h264" and starts_with_idr(bytes(packet), length_bytes))
        )
        flags.append((key, starts, bool(packet.is_corrupt), bool(packet.is_discard), invisible))
    packets = np.array(flags, dtype=bool).reshape(-1, 5)
    return _build(container, stream, pts, dts, durations, packets, sizes.may_change)


def _build(
    container: InputContainer,
    stream: VideoStream,
    pts: list[int | None],
    dts: list[int | None],
    durations: list[int],
    flags: np.ndarray,
    resized: bool,
) -> PacketIndex:
    key, starts, corrupt, discard, invisible = flags.T
    time_base = stream.time_base or Fraction(1, 1000)
    untimed = not pts or None in pts or len(set(pts)) < len(pts)
    falls = _falls(dts, time_base)
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    restarts = falls > RESTART_SECONDS
    if container.format.name == "mpegts":  # parts that overlap; within a part no time falls
        restarts |= (falls > 0) & np.append(key[1:], False)[: len(falls)]
    keeps_clock = not untimed and not restarts.any()
    # where files were joined, packets of the transport are numbered anew, and one of the last two before seems damaged
    corrupt = corrupt & (falls == 0) & (np.append(falls[1:], 0)[: len(falls)] == 0)
    counted = not keeps_clock or container.format.name in COUNTED_CONTAINERS
    if counted:
        times = _counted_times(dts, durations, time_base, rate, restarts)
    else:
        times = np.array(pts, dtype=np.int64)
    leading = np.zeros(len(times), dtype=bool)
    undecodable = np.zeros(len(times), dtype=bool)
    if not counted and key.any():
        newest_key = np.maximum.accumulate(np.where(key, times, np.iinfo(np.int64).min))
        leading = times < newest_key
        undecodable = times < times[np.argmax(key)]
        undecodable[: np.argmax(key)] = True
    hidden = discard | invisible | undecodable
    shown = np.flatnonzero(~hidden)
    order = shown[np.argsort(times[shown], kind="stable")]
    last = durations[int(order[-1])] if len(order) else 0
    order, jump = _before_jump(order, times, last, time_base)
    last = durations[int(order[-1])] if len(order) and jump is None else 0
    ticks = times[order]
    start = int(ticks[0]) if len(ticks) else 0
    seconds = _seconds(ticks - start, time_base)
    return PacketIndex(
        times=times,
        starts_group=starts,
        corrupt=corrupt,
        before_joint=_before_joint(key, dts),
        undecodable=undecodable,
        key_group=np.cumsum(key) - leading,
        order=order,
        seconds=seconds,
        end_seconds=_end(ticks - start, seconds, last, time_base, rate),
        start_seconds=float(start * time_base),
        time_base=time_base,
        counted=counted,
        leading=bool(leading.any()),
        discarded=int(discard.sum()),
        hidden=int(hidden.sum()),
        missing=max(0, len(stream.index_entries) - len(times)) if stream.frames else 0,
        resized=resized,
        keeps_clock=keeps_clock,
        jump=jump,
    )


def _seconds(ticks: np.ndarray, time_base: Fraction) -> np.ndarray:
    seconds: np.ndarray = ticks * time_base.numerator / time_base.denominator
    return seconds


def _before_jump(
    order: np.ndarray, times: np.ndarray, last: int, time_base: Fraction
) -> tuple[np.ndarray, ClockJump | None]:
    """Leaves out the pictures after the first one that would stay for too long.

    Args:
        order: the packet of each shown picture, (N,).
        times: presentation time of each packet in ticks, (P,).
        last: ticks for which the last picture stays; 0 if the file does not state it.
        time_base: duration of a tick in seconds.
    """
    holds = _seconds(np.diff(times[order], append=times[order[-1:]] + last), time_base)
    long = np.flatnonzero(holds > MAX_HOLD_SECONDS)
    if not len(long):
        return order, None
    index = int(long[0])
    at = float((int(times[order[index]]) - int(times[order[0]])) * time_base)
    return order[: index + 1], ClockJump(at, float(holds[index]), index + 1, len(order))


def _falls(dts: list[int | None], time_base: Fraction) -> np.ndarray:
    """The seconds by which the clock of the file falls back after each packet, from 0 on; (P,)."""
    falls = np.zeros(len(dts))
    known = [(index, tick) for index, tick in enumerate(dts) if tick is not None]
    for (index, tick), (_, following) in pairwise(known):
        falls[index] = max(0.0, float((tick - following) * time_base))
    return falls


def _before_joint(key: np.ndarray, dts: list[int | None]) -> np.ndarray:
    """The last two packets before each keyframe whose decoding time follows those before by a usual step."""
    found = np.zeros(len(key), dtype=bool)
    if len(dts) < 2 or None in dts:
        return found
    steps = np.diff(np.array(dts, dtype=np.int64))
    follows = np.append(False, key[1:] & (steps > 0) & (steps < 2 * np.median(steps)))
    found[:-1] |= follows[1:]
    found[:-2] |= follows[2:]
    return found


def _counted_times(
    dts: list[int | None], durations: list[int], time_base: Fraction, rate: Fraction, restarts: np.ndarray
) -> np.ndarray:
    """Returns times of frames that are shown in order: decoding times if they ascend, else one after another.

    Without times, as in a stream without a container, each frame stays as long as its packet says; if none says, as
    the rate.

    Where a clock starts anew, which `restarts` says of the packet before, its times continue those before, a frame
    later.
    """
    step = 1 / (rate * time_base)
    known = np.array([tick for tick in dts if tick is not None], dtype=np.int64)
    if len(known) and len(known) == len(dts):
        steps = np.diff(known)
        steps[restarts[:-1]] = max(1, round(step))
        if (steps > 0).all():
            return known[0] + np.concatenate([[0], np.cumsum(steps)])
    if dts and not len(known) and all(durations):
        return np.cumsum([0, *durations[:-1]])
    return np.array([round(frame * step) for frame in range(len(dts))], dtype=np.int64)


def _end(ticks: np.ndarray, seconds: np.ndarray, last: int, time_base: Fraction, rate: Fraction) -> float:
    """Returns when the last frame disappears, exactly, so that rounding adds no sample before it."""
    if not len(ticks):
        return 0.0
    if last > 0:
        return float((int(ticks[-1]) + last) * time_base)
    step = Fraction(float(np.median(np.diff(seconds)))) if len(seconds) > 1 else 1 / rate
    return float(int(ticks[-1]) * time_base + step)
