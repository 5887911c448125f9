"""Opens video files, with one clear error for each way in which that can fail."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vidseq.errors import VideoError
from vidseq.video.length import mp4_boxes
from vidseq.watch import report_progress

#: Formats that name other files or addresses, which may lie anywhere.
LISTS = frozenset({"concat", "hls", "dash", "sdp", "imf", "rtsp", "webm_dash_manifest"})


@contextlib.contextmanager
def open_video(path: Path) -> Iterator[InputContainer]:
    """Opens a file with PyAV.

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the path is no file or no text, the file is empty, or it cannot be read as a video.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file.")
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise VideoError(f"{path}: a name that is not UTF-8. Rename it.") from None
    if path.is_dir():
        raise VideoError(f"{path}: a folder, not a video file.")
    if not path.is_file():  # to open a named pipe would wait for a writer
        raise VideoError(f"{path}: no file, such as a named pipe or a device.")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: an empty file (0 bytes).")
    try:
        # without "file:", a colon in the name would look like a protocol
        container = av.open(f"file:{path}", metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(f"{path}: {_why_unreadable(path, error)}") from error
    with container:
        name = container.format.name
        if name == "image2" or name.endswith("_pipe"):
            raise VideoError(f"{path}: an image ({name.removesuffix('_pipe')}), not a video.")
        if LISTS.intersection(name.split(",")):
            raise VideoError(f"{path}: a list of other files ({name}), not a video.")
        if name == "tty":
            raise VideoError(f"{path}: not a video.")
        yield container


def _why_unreadable(path: Path, error: Exception) -> str:
    if _begins_with(path, b"ffconcat"):
        return "a list of other files (concat), not a video."
    if isinstance(error, PermissionError):
        return "no permission to read this file."
    boxes = {name for name, _ in mp4_boxes(path)}
    if b"moov" in boxes:
        return "a damaged mp4: its index (moov) cannot be read. Copy or record it again."
    if b"ftyp" in boxes:
        return "an incomplete mp4: its index (moov) is missing, so that nothing can be read. Copy or record it again."
    return "not a video, or of a format that cannot be read."


def _begins_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """Yields the packets of one stream that hold data, up to the end of the file or its first unreadable position."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        report_progress()
        if packet.size:
            yield packet
