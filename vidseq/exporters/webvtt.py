"""WebVTT subtitles, one file a video."""

import html
from collections.abc import Iterator

from vidseq.exporters.base import File, exporter
from vidseq.exporters.content import Annotation, ExportContent, milliseconds
from vidseq.importers.tool_videos import one_line


@exporter("webvtt")
def write(content: ExportContent) -> Iterator[File]:
    """Writes subtitles <video>.vtt (WebVTT) for each video, with a voice a track."""
    if content.predicted:
        content.notes.append("WebVTT has no place for scores: they are left out.")
    for video in content.videos:
        yield f"{video.video}.vtt", "\n".join(["WEBVTT\n", *map(_cue, video.annotations)])


def _cue(item: Annotation) -> str:
    voice = f"<v {_text(item.track)}>" if item.track else ""
    return f"{_clock(item.start)} --> {_clock(item.end)}\n{voice}{_text(item.label)}\n"


def _text(text: str) -> str:
    return html.escape(one_line(text), quote=False)


def _clock(seconds: float) -> str:
    whole, millis = divmod(milliseconds(seconds), 1000)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}.{millis:03d}"
