"""The XML of CVAT for videos ("CVAT for video 1.1"), one file a task.

```
<annotations><version>1.1</version>
  <meta><task><name>..</name><size>900</size><mode>interpolation</mode><stop_frame>899</stop_frame>
    <labels><label><name>wave</name></label></labels><source>a.mp4</source></task></meta>
  <track id="0" label="wave"><box frame="12" outside="0" ...><attribute name="track">Ann</attribute></box> ...
    <box frame="60" outside="1" .../></track>
</annotations>
```

An action is as long as a shape is in view: from a frame on, until it is outside.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

from vidseq.data.fields import Row, listing, nearest, parse_fps
from vidseq.errors import DataError
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.frame_counts import seconds_between
from vidseq.importers.tool_videos import ToolVideos, refuse_newer
from vidseq.importers.xml_document import read_xml

#: Attributes of labels: who acts, and the exact times of an exported action.
TRACK, TIMES = "track", "times"
#: What CVAT calls the file of annotations of any task.
_PLAIN_NAME = "annotations"
_NEWEST = 1


@importer("cvat")
def convert(
    source: Path,
    out: Path,
    *,
    fps: str | float | None = None,
    like: Path | None = None,
    videos: Path | None = None,
    split: str | None = None,
    name: str = "cvat",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts the XML of CVAT for videos, a shape in view an action; the source is not changed.

    Args:
        source: a file, or a folder of files.
        out: the new data set.
        fps: frame rate of the videos; None: that of the files, or of like. CVAT itself knows none.
        like: a data set that has the videos; it gives splits, durations and rates, and keeps segments of other videos.
        videos: the folder of the video files; without it and like, a video ends with its last action.
        split: the split of all videos; drawn if left out.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and the track.
        FileNotFoundError: there are no such files.
    """
    found = ToolVideos(
        "cvat", source, out, (".xml",), like=like, videos=videos, split=split, skip_bad=skip_bad, plays=False
    )
    rate = None if fps is None else parse_fps(fps)
    found.read_files(lambda path: _read(path, found, rate))
    return found.report(name, "CVAT")


def _read(path: Path, found: ToolVideos, fps: Fraction | None) -> None:
    root = read_xml(path, "annotations")
    refuse_newer(path, "CVAT's XML", root.findtext("version"), _NEWEST)
    about = root.find("meta/task")
    about = root.find("meta/job") if about is None else about
    if about is None or root.find("image") is not None:
        raise DataError(f"{path.name}: expects a task or job as 'CVAT for video 1.1', got another export of CVAT.")
    row = Row(path.name, {item.tag: item.text for item in about if item.text})
    names = [path.stem if path.stem != _PLAIN_NAME else "", row.optional_text("name") or path.stem]
    end, labels = _end(row), [label.findtext("name", "") for label in about.iterfind("labels/label")]
    video = found.add_video(row, *names, fps=fps, media=row.optional_text("source"))
    rate = fps or video.fps
    if rate is None:
        raise row.error("counts frames and expects the frame rate of its video, got none. Give fps, videos or like.")
    found.count_frames(video, rate)
    for track in root.iterfind("track"):
        with found.findings.row():
            inner = Row(f"{path.name}: track '{track.get('id')}'", dict(track.attrib))
            label = _label(inner, labels)
            for first, after, shape in _in_view(inner, track, end):
                values = {item.get("name"): item.text or "" for item in shape.iterfind("attribute")}
                times = seconds_between(first, after, rate, values.get(TIMES))
                found.add_segment(inner, video, *times, label, values.get(TRACK, ""))


def _label(row: Row, labels: Sequence[str]) -> str:
    label = row.text("label")
    if labels and label not in labels:
        raise row.error(f"expects a label of the task ({listing(labels)}), got '{label}'.{nearest(label, labels)}")
    return label


def _end(row: Row) -> int | None:
    """The number of frames up to the last of the task; None if it is not known."""
    if "stop_frame" in row.values:
        return row.whole_number("stop_frame") + 1
    return row.whole_number("size") if "size" in row.values else None


def _in_view(row: Row, track: Element, end: int | None) -> Iterator[tuple[int, int, Element]]:
    """Gives each time that a shape is in view: its first frame, the first frame after it, and its first shape."""
    shapes = [(Row(row.where, dict(shape.attrib)).whole_number("frame"), shape) for shape in track]
    began: tuple[int, Element] | None = None
    last = 0
    for frame, shape in sorted(shapes, key=lambda pair: pair[0]):
        last = frame
        if shape.get("outside") != "1":
            began = began or (frame, shape)
        elif began is not None:
            yield began[0], frame, began[1]
            began = None
    if began is not None:
        yield began[0], max(last + 1, end or 0), began[1]
