"""Subtitles whose texts are actions: WebVTT (.vtt) and SubRip (.srt), one file a video.

```
WEBVTT

00:01.500 --> 00:04.000
<v Ann>wave
```
"""

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vidseq.data.fields import Row
from vidseq.data.tables import read_text
from vidseq.errors import DataError
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.tool_videos import ToolVideos, clock_seconds, media_name, one_line

#: Blocks of WebVTT that are no cues.
_NO_CUES = re.compile(r"(NOTE|STYLE|REGION)(\s|$)")
_ARROW = "-->"
_TIMES = re.compile(r"\s*[\d:]+[.,]?\d*\s*-->\s*[\d:]+")
_VOICE = re.compile(r"<v(?:\.[^ \t>]*)?[ \t]+([^>]*)>")
#: Also the commands of players, as in {\an8}.
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


@importer("webvtt")
def convert(
    source: Path,
    out: Path,
    *,
    like: Path | None = None,
    videos: Path | None = None,
    split: str | None = None,
    name: str = "webvtt",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts subtitles, WebVTT (.vtt) or SubRip (.srt), a voice a track; the source is not changed.

    The text of a cue is the label, without tags. Cues without text are left out.

    Args:
        source: a file, or a folder of files; a file has the name of its video, with or without its suffix.
        out: the new data set.
        like: a data set that has the videos; it gives splits, durations and rates, and keeps segments of other videos.
        videos: the folder of the video files; without it and like, a video ends with its last action.
        split: the split of all videos; drawn if left out.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: there are no such files.
    """
    found = ToolVideos(
        "webvtt", source, out, (".vtt", ".srt"), like=like, videos=videos, split=split, skip_bad=skip_bad
    )
    reader = _Reader(found)
    found.read_files(reader.read)
    reader.add_notes()
    return found.report(name, "subtitles")


class _Reader:
    """Reads files of subtitles, and counts cues without text."""

    def __init__(self, found: ToolVideos) -> None:
        self._found = found
        self._empty = 0

    def read(self, path: Path) -> None:
        blocks = list(_blocks(path))
        video = self._found.add_video(Row(path.name, {}), path.stem, media_name(path.stem))
        for row, lines in blocks:
            with self._found.findings.row():
                start, end, texts = _cue(row, lines, tags=path.suffix.lower() == ".vtt")
                for track, label in texts:
                    self._found.add_segment(row, video, start, end, label, track)
                self._empty += not texts

    def add_notes(self) -> None:
        if self._empty:
            self._found.findings.notes.append(f"{self._empty} cues have no text and are left out.")


def _blocks(path: Path) -> Iterator[tuple[Row, Sequence[str]]]:
    """Gives the lines of each cue, with where it begins."""
    lines = re.split(r"\r\n|\r|\n", read_text(path))
    start = 0
    if path.suffix.lower() == ".vtt":
        if not re.match(r"WEBVTT([ \t]|$)", lines[0]):
            raise DataError(f"{path.name}:1: expects WEBVTT in the first line, got '{lines[0][:60]}'.")
        start = next((index for index, line in enumerate(lines) if not line), len(lines))
    block: list[str] = []
    for number, line in enumerate([*lines[start:], ""], start + 1):
        times = [index for index, other in enumerate(block) if _TIMES.match(other)]
        if times and _TIMES.match(line):  # no empty line stands before the next cue
            named = len(block) - (len(block) - 1 > times[0] and block[-1].strip().isdecimal())
            yield Row(f"{path.name}:{number - len(block)}", {}), block[:named]
            block = [*block[named:], line]
        elif line.strip():
            block.append(line)
        elif block:
            if not _NO_CUES.match(block[0]):
                yield Row(f"{path.name}:{number - len(block)}", {}), block
            block = []


def _cue(row: Row, lines: Sequence[str], *, tags: bool) -> tuple[float, float, list[tuple[str, str]]]:
    """Reads start, end, and each track with its label; a name may stand before the times."""
    position = next((position for position, line in enumerate(lines[:2]) if _ARROW in line), None)
    if position is None:
        raise row.error(f"a cue expects times such as 00:01.500 --> 00:04.000, got '{lines[0][:60]}'.")
    start, _, rest = lines[position].partition(_ARROW)
    # Settings such as "line:0" may stand after the end.
    times = Row(row.where, {"start": start, "end": (rest.split() or [""])[0]})
    start_seconds, end_seconds = (
        times.parsed(key, clock_seconds, "a time such as 00:01:23.500") for key in ("start", "end")
    )
    text = "\n".join(lines[position + 1 :])
    return start_seconds, end_seconds, _voices(text) if tags else _plain("", text)


def _voices(text: str) -> list[tuple[str, str]]:
    """Divides the text of a cue by its voices."""
    before, *rest = _VOICE.split(text)
    pairs = [("", before), *zip(rest[::2], rest[1::2])]
    return [(html.unescape(track), html.unescape(label)) for track, said in pairs for _, label in _plain("", said)]


def _plain(track: str, text: str) -> list[tuple[str, str]]:
    label = one_line(_TAG.sub("", text))
    return [(track, label)] if label else []
