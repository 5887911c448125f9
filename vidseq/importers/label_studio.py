"""The JSON export of Label Studio, for videos whose timeline was labelled.

```
[{"data": {"video": "https://..."},
  "annotations": [{"result": [{"type": "timelinelabels", "value": {"ranges": [{"start": 11, "end": 25}],
                                                                   "timelinelabels": ["wave"]}}, ...]}],
  "predictions": [...]}, ...]
```

Frames count from 1, both ends belong to a range, and the tool counts with the `frameRate` of its configuration.
Regions of a synchronized audio track have the type "labels" and seconds instead.
"""

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from vidseq.data.fields import Row, parse_fps
from vidseq.data.schema import Video
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.frame_counts import file_rate, seconds_between
from vidseq.importers.json_rows import read_json_rows
from vidseq.importers.tool_videos import ToolVideos, media_name

#: The frame rate that the tool counts with where its configuration has none.
ASSUMED_RATE = Fraction(24)
#: What the tool puts before the names of files that are uploaded.
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
#: Starts the line of a region's text that names its track.
TRACK = "track: "
#: Starts the line of a region's text that has its exact times.
TIMES = "times: "


@importer("label_studio")
def convert(
    source: Path,
    out: Path,
    *,
    key: str = "video",
    fps: str | float | None = None,
    predictions: bool = False,
    like: Path | None = None,
    videos: Path | None = None,
    split: str | None = None,
    name: str = "label_studio",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts the JSON export of Label Studio, for labelled timelines of videos; the source is not changed.

    Args:
        source: the JSON file, or a folder of such files.
        out: the new data set.
        key: the field of a task that has the address of its video.
        fps: the frameRate that the tool counted with; None: the task's own field fps, or else the tool's default, 24.
        predictions: take the predictions of tasks in place of annotations.
        like: a data set that has the videos; it gives splits, durations and rates, and keeps segments of other videos.
        videos: the folder of the video files; without it and like, a video ends with its last action.
        split: the split of all videos; drawn if left out.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file, the line of the task and the result.
        FileNotFoundError: there are no such files.
    """
    found = ToolVideos(
        "label_studio", source, out, (".json",), like=like, videos=videos, split=split, skip_bad=skip_bad
    )
    reader = _Reader(
        found, key, None if fps is None else parse_fps(fps), "predictions" if predictions else "annotations"
    )
    found.read_files(reader.read)
    reader.add_notes()
    return found.report(name, "Label Studio")


class _Reader:
    """Reads tasks."""

    def __init__(self, found: ToolVideos, key: str, fps: Fraction | None, field: str) -> None:
        self._found, self._key, self._fps, self._field = found, key, fps, field
        self._assumed, self._others, self._several = 0, 0, 0

    def add_notes(self) -> None:
        notes = self._found.findings.notes
        if self._assumed:
            notes.append(
                f"{self._assumed} intervals have no frame rate: {ASSUMED_RATE} frames a second were counted, the "
                "tool's default. Give fps if its configuration has another frameRate."
            )
        if self._several:
            notes.append(f"{self._several} tasks have several {self._field}: the ground truth counts, or the newest.")
        if self._others:
            notes.append(f"{self._others} results are no labelled intervals and are left out.")

    def read(self, path: Path) -> None:
        for _ in read_json_rows(path, self._task, self._found.findings):
            pass

    def _task(self, row: Row) -> None:
        data = row.values.get("data")
        if not isinstance(data, dict):
            raise row.expect("data", "an object, as in the export named JSON (not JSON_MIN)")
        about = Row(row.where, data)
        media = about.text(self._key)
        names = [about.optional_text("name") or "", media_name(media), _UPLOAD.sub("", media_name(media))]
        results = self._results(row)
        video = self._found.add_video(about, *names, media=media)
        rate = self._fps or file_rate(about, "fps")
        for number, result in enumerate(results, 1):
            inner = Row(f"{row.where}, result {number}", result if isinstance(result, dict) else {})
            with self._found.findings.row():
                self._result(inner, video, rate)

    def _results(self, row: Row) -> list[object]:
        """The results of the one annotation that counts."""
        given = row.values.get(self._field) or []
        if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
            raise row.expect(self._field, "a list of objects")
        done = [item for item in given if not item.get("was_cancelled")]
        self._several += len(done) > 1
        chosen = next((item for item in done if item.get("ground_truth")), done[-1] if done else {})
        results = chosen.get("result", [])
        if not isinstance(results, list):
            raise row.error(f"expects a list of results, got {str(results)[:60]}.")
        return results

    def _result(self, row: Row, video: Video, rate: Fraction | None) -> None:
        value = row.values.get("value")
        kind = str(row.values.get("type"))
        is_box = (
            isinstance(value, dict) and "sequence" in value and "ranges" not in value
        )  # listed as both by the tool
        if not isinstance(value, dict) or is_box or kind not in ("timelinelabels", "labels"):
            self._others += 1
            return
        inner, notes = Row(row.where, value), _notes(row)
        if kind == "labels":
            intervals = iter([(inner.seconds("start"), inner.seconds("end"))])
        else:
            self._assumed += rate is None
            self._found.count_frames(video, rate or ASSUMED_RATE)
            intervals = _ranges(inner, rate or ASSUMED_RATE, notes.get(TIMES))
        labels = inner.texts(kind)
        if not labels:
            raise row.error("an interval expects a label, got none.")
        for start, end in intervals:
            for label in labels:
                self._found.add_segment(row, video, start, end, label, notes.get(TRACK, ""))


def _ranges(row: Row, fps: Fraction, exact: str | None) -> Iterator[tuple[float, float]]:
    ranges = row.values.get("ranges")
    if not isinstance(ranges, list):
        raise row.expect("ranges", 'a list such as [{"start": 11, "end": 25}]')
    for item in ranges:
        frames = Row(row.where, item if isinstance(item, dict) else {})
        first, last = (frames.whole_number(key, "a frame, counted from 1") for key in ("start", "end"))
        if not 1 <= first <= last:
            raise row.error(f"a range expects frames from 1, start before end, got {first} to {last}.")
        yield seconds_between(first - 1, last, fps, exact)


def _notes(row: Row) -> Mapping[str, str]:
    """What an exporter has noted in a region's text: its track and its exact times."""
    meta = row.values.get("meta")
    texts = meta.get("text") if isinstance(meta, dict) else None
    lines = [texts] if isinstance(texts, str) else texts if isinstance(texts, list) else []
    starts = (TRACK, TIMES)
    return {start: str(line)[len(start) :] for line in lines for start in starts if str(line).startswith(start)}
