"""Reads the facts of a video file, and chooses a decoder that is exact on it."""

import contextlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from vidseq.errors import UserError, VideoError
from vidseq.video import decord_decoder
from vidseq.video.container import open_video, packets_of
from vidseq.video.geometry import Canvas, Orientation
from vidseq.video.joints import without_joints
from vidseq.video.length import promised_bytes
from vidseq.video.packets import INTERLACED, PacketIndex, read_packet_index

DECODERS = ("auto", "decord", "pyav")
#: decord is installed with vidseq wherever it has a wheel.
NO_DECORD_FIX = "It has wheels for Linux (x86-64) and Windows (AMD64) alone. Use decoder 'auto' or 'pyav'."
#: Packets among which the first shown picture of a file is.
_FIRST_PACKETS = 300
PICTURE_CODECS = frozenset({"mjpeg", "png", "bmp", "webp", "gif"})


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """The facts of one video stream of a file.

    Attributes:
        path: the file.
        container: its format, such as "mp4" (the name that FFmpeg lists first).
        codec: how frames are coded, such as "h264".
        stream: index of the stream in the file.
        orientation: how stored frames are mirrored and turned to stand upright.
        canvas: the size of shown frames, and the shape of the pixels of upright ones.
        pts_seconds: when each frame appears, in the order of display; 0 for the first displayed frame. (N,)
        fps: average frame rate.
        duration_seconds: when the last frame disappears.
        start_seconds: the file's own time of the first displayed frame.
        player_seconds: when players show that frame: they count from the first sound or picture of the file.
        decoder: "decord" or "pyav".
        decoder_version: version of that package.
        reason: why this decoder was chosen.
        damage: description of the file's damage; empty if none is known.
        tick_seconds: the file's unit of time, in seconds.
        packets: the packet index of the stream.
    """

    path: Path
    container: str
    codec: str
    stream: int
    orientation: Orientation
    canvas: Canvas
    pts_seconds: np.ndarray = field(repr=False)
    fps: Fraction
    duration_seconds: float
    start_seconds: float
    player_seconds: float
    decoder: str
    decoder_version: str
    reason: str
    damage: str
    tick_seconds: float
    packets: PacketIndex = field(repr=False)

    @property
    def height(self) -> int:
        """Pixels of a shown frame."""
        return self.canvas.height

    @property
    def width(self) -> int:
        """Pixels of a shown frame."""
        return self.canvas.width

    @property
    def rotation(self) -> int:
        """Degrees, counter-clockwise, by which stored frames are turned: 0, 90, 180 or 270."""
        return self.orientation.rotation

    @property
    def display_changes(self) -> list[str]:
        """What makes shown frames differ from stored ones, in words."""
        aspect = self.canvas.pixel_aspect
        checks = [
            (self.orientation.mirrored, "mirrored"),
            (self.rotation != 0, f"turned by {self.rotation} degrees"),
            (aspect != 1, f"scaled from pixels of {aspect.numerator}:{aspect.denominator}"),
            (self.packets.resized, "frames of other sizes scaled to it"),
        ]
        return [change for changes, change in checks if changes]

    @property
    def num_frames(self) -> int:
        """The number of displayed frames."""
        return len(self.pts_seconds)


def probe(path: Path | str, *, stream: int | None = None, decoder: str = "auto") -> VideoInfo:
    """Reads the facts of a video file and chooses its decoder.

    It reads all packets, and decodes one frame for its rotation.

    Args:
        path: the video file.
        stream: index of the video stream in the file; None for the first one that is neither a cover picture nor a
            thumbnail.
        decoder: "decord", "pyav", or "auto": decord if it is installed and exact on this file, else PyAV.

    Raises:
        FileNotFoundError: the file does not exist.
        UserError: the decoder is unknown, or is decord, which is not installed.
        VideoError: the file is not a readable video, or the decoder is decord, which is not exact on this file.
    """
    if decoder not in DECODERS:
        raise UserError(f"probe expects a decoder, got '{decoder}'. Known decoders: {', '.join(DECODERS)}.")
    if decoder == "decord" and not decord_decoder.is_installed():
        raise UserError(f"Decoder 'decord' expects the package decord, got none. {NO_DECORD_FIX}")
    path = Path(path)
    with open_video(path) as container:
        chosen = _choose_stream(container, path, stream)
        packets = read_packet_index(container, chosen)
        if not len(packets.order):
            raise VideoError(_no_frames(path, container, packets))
        # the streams of a closed container cannot be used, so everything is read here
        index, codec, name = chosen.index, chosen.codec_context.codec.canonical_name, container.format.name
        doubts, aspect = _stream_doubts(container, chosen), chosen.sample_aspect_ratio
        player_seconds = _after_start(container, packets)
    orientation, height, width = _first_frame(path, index)
    packets = without_joints(path, index, orientation, packets)
    damage = _damage(path, packets)
    if damage:
        doubts.append("the file is damaged")
    if decoder != "pyav" and not doubts and decord_decoder.is_installed():
        doubts += decord_decoder.doubts(path, name, codec, orientation, packets, 3 * width * height)
    used, reason = _choose_decoder(path, decoder, doubts)
    return VideoInfo(
        path=path,
        container=_container_name(name, path),
        codec=codec,
        stream=index,
        orientation=orientation,
        canvas=Canvas.of(height, width, orientation, aspect),
        pts_seconds=packets.seconds,
        fps=_average_rate(packets),
        duration_seconds=packets.end_seconds,
        start_seconds=packets.start_seconds,
        player_seconds=player_seconds,
        decoder=used,
        decoder_version=decord_decoder.version() if used == "decord" else av.__version__,
        reason=reason,
        damage=damage,
        tick_seconds=float(packets.time_base),
        packets=packets,
    )


def player_seconds(path: Path | str) -> float:
    """When players show the first picture of a file: they count from its first sound or picture.

    It reads the beginning alone. Where the file cannot be read, or no picture is late, it is 0.

    Returns:
        seconds, to the millisecond.
    """
    with contextlib.suppress(UserError, OSError), open_video(Path(path)) as container:
        packets = read_packet_index(container, _choose_stream(container, Path(path), None), _FIRST_PACKETS)
        return round(_after_start(container, packets), 3) if len(packets.order) else 0.0
    return 0.0


def _after_start(container: InputContainer, packets: PacketIndex) -> float:
    """The time from the start of a file to its first displayed frame; 0 where they differ by no frame."""
    start = 0 if container.start_time is None else container.start_time / av.time_base
    seconds = packets.start_seconds - max(0.0, start)
    return seconds if seconds > packets.end_seconds / len(packets.order) else 0.0


def _choose_decoder(path: Path, wanted: str, doubts: list[str]) -> tuple[str, str]:
    """Chooses the decoder of a file; returns it with the reason.

    Args:
        path: the file, for the message.
        wanted: one of `DECODERS`.
        doubts: reasons why decord may not be exact on the file.
    """
    if wanted == "pyav":
        return "pyav", "asked for"
    if not decord_decoder.is_installed():
        return "pyav", "decord is not installed"
    if not doubts:
        return "decord", "asked for" if wanted == "decord" else "its times agree with the packet index"
    if wanted == "decord":
        raise VideoError(
            f"{path}: decord cannot be trusted with this file: {doubts[0]}. Use decoder 'auto' or 'pyav'."
        )
    return "pyav", f"decord cannot be trusted: {doubts[0]}"


def _choose_stream(container: InputContainer, path: Path, wanted: int | None) -> VideoStream:
    streams = list(container.streams.video)
    if not streams:
        kinds = sorted({str(stream.type) for stream in container.streams})
        raise VideoError(f"{path}: no video stream, only {', '.join(kinds) or 'an empty container'}.")
    if wanted is not None:
        for stream in streams:
            if stream.index == wanted:
                return stream
        indices = ", ".join(str(stream.index) for stream in streams)
        raise VideoError(f"{path}: stream {wanted} is no video stream. Video streams: {indices}.")
    moving = [stream for stream in streams if not _is_picture(stream)]
    if not moving:
        raise VideoError(f"{path}: no video stream, only a cover picture.")
    # Matroska does not mark covers: next to another codec, a stream with a picture codec is a cover or a thumbnail
    films = [stream for stream in moving if stream.codec_context.codec.canonical_name not in PICTURE_CODECS]
    return (films or moving)[0]


def _stream_doubts(container: InputContainer, stream: VideoStream) -> list[str]:
    """Lists the reasons against decord that need the open file."""
    context = stream.codec_context
    deep = context.format is not None and context.format.components[0].bits > 8
    checks = [
        (len(container.streams.video) > 1, "it might read another video stream"),
        (deep, "its colours differ on more than 8 bits"),
        (context.field_order in INTERLACED, "its colours differ on interlaced frames"),
    ]
    return [reason for doubtful, reason in checks if doubtful]


def _is_picture(stream: VideoStream) -> bool:
    """Whether a stream is marked as a cover or a thumbnail."""
    disposition = av.stream.Disposition
    return bool(
        stream.disposition & (disposition.attached_pic | disposition.timed_thumbnails | disposition.still_image)
    )


def _first_frame(path: Path, stream_index: int) -> tuple[Orientation, int, int]:
    """Decodes the first frame and returns its orientation, and its height and width as stored.

    PyAV reports the orientation only with a decoded frame.
    """
    with open_video(path) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        stream.codec_context.thread_count = 1
        for packet in packets_of(container, stream):
            with contextlib.suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    return Orientation.of(frame), frame.height, frame.width
        with contextlib.suppress(av.error.FFmpegError):
            for frame in stream.decode(None):
                return Orientation.of(frame), frame.height, frame.width
    raise VideoError(f"{path}: no frame of its video stream can be decoded.")


def _container_name(names: str, path: Path) -> str:
    """Chooses one name from FFmpeg's list, such as "mov,mp4,m4a": the file's suffix if it is in the list."""
    choices = names.split(",")
    suffix = path.suffix.lower().removeprefix(".")
    aliases = {"matroska,webm": "webm" if suffix == "webm" else "mkv"}
    if names in aliases:
        return aliases[names]
    return suffix if suffix in choices else choices[0]


def _average_rate(packets: PacketIndex) -> Fraction:
    return Fraction(len(packets.seconds) / packets.end_seconds).limit_denominator(1001)


def _no_frames(path: Path, container: InputContainer, packets: PacketIndex) -> str:
    if packets.missing or len(packets.times):
        return f"{path}: none of its {packets.missing or len(packets.times)} frames can be read; the file is damaged."
    return f"{path}: a video stream with zero frames."


def _damage(path: Path, packets: PacketIndex) -> str:
    """Finds damage without decoding: fewer frames or bytes than stated, jumps, or packets marked as damaged."""
    have = len(packets.times)
    if packets.missing:
        return f"got {have} of {have + packets.missing} frames, the file ends at {packets.end_seconds:.2f} s"
    if packets.jump:
        jump = packets.jump
        return (
            f"its clock jumps by {_long_time(jump.hold_seconds)} after the picture at {jump.at_seconds:.2f} s "
            f"({jump.kept} of {jump.total}): cut the file there"
        )
    shown_corrupt = packets.corrupt[packets.order]
    if shown_corrupt.any():
        first = packets.seconds[int(np.argmax(shown_corrupt))]
        return f"{int(shown_corrupt.sum())} of {len(packets.order)} packets are damaged, the first at {first:.2f} s"
    promised, length = promised_bytes(path), path.stat().st_size
    if promised and promised > length:
        return f"cut short, {length} of {promised} bytes: the file ends at {packets.end_seconds:.2f} s"
    return ""


def _long_time(seconds: float) -> str:
    hours, days, years = seconds / 3600, seconds / 86400, seconds / (365.25 * 86400)
    return f"{years:.1f} years" if years > 2 else f"{days:.1f} days" if days >= 1 else f"{hours:.1f} hours"
