"""The projects of BORIS (.boris), and its tables of events (.csv).

```
{"project_format_version": "7.0", "subjects_conf": {"0": {"name": "Ann"}},
 "behaviors_conf": {"0": {"code": "walk", "type": "State event"}},
 "observations": {"<id>": {"file": {"1": ["/films/a.mp4"]}, "media_info": {"length": {...}, "fps": {...}},
                           "events": [[1.5, "Ann", "walk", "<modifiers>", "<comment>"], ...]}}}
```

A state starts with one event and stops with the next of the same subject, behaviour and modifiers. Tables are those of
"Export events": tabular, with an event a row, or aggregated, with a state a row.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vidseq.data.fields import Row, listing, nearest
from vidseq.data.schema import Video
from vidseq.data.tables import read_csv, read_json, read_lines
from vidseq.errors import DataError
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.frame_counts import file_rate
from vidseq.importers.tool_videos import ToolVideos, clock_seconds, refuse_newer

_NEWEST = 7
#: What BORIS writes into tables for events of nobody.
_NOBODY = "No focal subject"
_TABULAR = ("Observation id", "Subject", "Behavior", "Time")
_AGGREGATED = ("Observation id", "Subject", "Behavior", "Start (s)", "Stop (s)")


@dataclass(frozen=True)
class _Event:
    row: Row
    time: float
    subject: str
    behavior: str
    modifiers: str
    status: str
    """START, STOP or POINT; empty: a state, which starts and stops in turns."""


@importer("boris")
def convert(
    source: Path,
    out: Path,
    *,
    point_seconds: float | None = None,
    like: Path | None = None,
    videos: Path | None = None,
    split: str | None = None,
    name: str = "boris",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts projects of BORIS or its tables of events, a subject a track; the source is not changed.

    Args:
        source: a project (.boris), a table (.csv, tabular or aggregated events), or a folder of them. An observation
            is a video.
        out: the new data set.
        point_seconds: the length that point events get; without it they are bad rows.
        like: a data set that has the videos; it gives splits, durations and rates, and keeps segments of other videos.
        videos: the folder of the video files; without it and like, the tool's own lengths count.
        split: the split of all videos; drawn if left out.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file, the observation and the event.
        FileNotFoundError: there are no such files.
    """
    found = ToolVideos(
        "boris", source, out, (".boris", ".csv"), like=like, videos=videos, split=split, skip_bad=skip_bad
    )
    reader = _Reader(found, point_seconds)
    found.read_files(reader.read)
    reader.add_notes()
    return found.report(name, "BORIS")


class _Reader:
    """Reads projects and tables."""

    def __init__(self, found: ToolVideos, point_seconds: float | None) -> None:
        self._found, self._point_seconds = found, point_seconds
        self._modified = 0

    def add_notes(self) -> None:
        if self._modified:
            self._found.findings.notes.append(f"{self._modified} events have modifiers, which are left out.")

    def read(self, path: Path) -> None:
        if path.suffix.lower() != ".csv":
            self._project(path)
            return
        _, header = next(read_lines(path), ("", ""))
        if "Start (s)" in header:
            self._aggregated(path)
        else:
            self._tabular(path)

    def _project(self, path: Path) -> None:
        values = read_json(path)
        refuse_newer(path, "BORIS projects", values.get("project_format_version"), _NEWEST)
        kinds = {str(item.get("code")): str(item.get("type")) for item in _entries(path, values, "behaviors_conf")}
        subjects = {"", *(str(item.get("name")) for item in _entries(path, values, "subjects_conf"))}
        observations = values.get("observations")
        if not isinstance(observations, dict):
            raise Row(path.name, values).expect("observations", "an object with an observation a name")
        for name, observation in observations.items():
            row = Row(f"{path.name}: observation '{name}'", observation if isinstance(observation, dict) else {})
            with self._found.findings.row():
                self._observation(row, name, kinds, subjects)

    def _observation(self, row: Row, name: str, kinds: Mapping[str, str], subjects: Iterable[str]) -> None:
        events = row.values.get("events")
        if not isinstance(events, list):
            raise row.expect("events", "a list of events")
        if row.values.get("type") == "IMAGES":
            raise row.error("expects an observation of a video, got one of images.")
        if row.values.get("time offset"):
            self._found.findings.notes.append(f"{row.where} has a time offset, which is not applied.")
        media = _media(row)
        if len(media) > 1:
            self._found.findings.notes.append(
                f"{row.where} is of {len(media)} files one after another: a video without a file, whose times run "
                "through all of them."
            )
        video = self._found.add_video(
            row,
            name,
            duration=_length(row, media),
            fps=file_rate(_media_info(row, "fps"), media[0]) if len(media) == 1 else None,
            media=media[0] if len(media) == 1 else None,
        )
        self._take(
            video,
            self._parsed(
                ((f"{row.where}, event {number}", event) for number, event in enumerate(events, 1)),
                lambda where, event: _project_event(where, event, kinds, subjects),
            ),
        )

    def _tabular(self, path: Path) -> None:
        videos: dict[str, Video] = {}
        events: defaultdict[str, list[_Event]] = defaultdict(list)

        def take(row: Row) -> None:
            event = _table_event(row)
            video = self._table_video(row)
            videos[video.video] = video
            events[video.video].append(event)

        for _ in read_csv(path, take, self._found.findings, required=_TABULAR, other_columns=True):
            pass
        for name, video in videos.items():
            self._take(video, events[name])

    def _aggregated(self, path: Path) -> None:
        def take(row: Row) -> None:
            start, end = (row.parsed(key, clock_seconds, "a time in seconds") for key in _AGGREGATED[-2:])
            video = self._table_video(row)
            self._modified += _modifiers(row) != ""
            if str(row.values.get("Behavior type")).startswith("POINT"):
                end = start + self._length_of_point(row)
            self._found.add_segment(row, video, start, end, row.text("Behavior"), _subject(row))

        for _ in read_csv(path, take, self._found.findings, required=_AGGREGATED, other_columns=True):
            pass

    def _table_video(self, row: Row) -> Video:
        """The video of a row of a table."""
        values = {key: value for key, value in row.values.items() if value not in ("", "NA")}
        known = Row(row.where, values)
        return self._found.add_video(
            row,
            row.text("Observation id"),
            duration=known.seconds_as_text("Media duration (s)") if "Media duration (s)" in values else None,
            fps=next((file_rate(known, key) for key in ("FPS (frame/s)", "FPS") if key in values), None),
            media=known.optional_text("Media file name"),
        )

    def _parsed(self, rows: Iterable[tuple[str, object]], parse: Callable[[str, object], _Event]) -> Iterator[_Event]:
        for where, value in rows:
            with self._found.findings.row():
                yield parse(where, value)

    def _take(self, video: Video, events: Iterable[_Event]) -> None:
        """Adds the segments of states, and of points if they have a length."""
        started: dict[tuple[str, str, str], _Event] = {}
        # Where one state ends as the next one starts, it ends first.
        for event in sorted(events, key=lambda item: (item.time, item.status == "START")):
            self._modified += event.modifiers != ""
            with self._found.findings.row():
                if event.status == "POINT":
                    self._add(video, event, event.time + self._length_of_point(event.row))
                    continue
                key = event.subject, event.behavior, event.modifiers
                before = started.pop(key, None)
                if event.status == ("STOP" if before is None else "START"):
                    raise event.row.error(
                        f"'{event.behavior}' expects to start and stop in turns, got a second {event.status}."
                    )
                if before is None:
                    started[key] = event
                else:
                    self._add(video, before, event.time)
        for event in started.values():
            self._found.findings(event.row.error(f"'{event.behavior}' expects a stop after {event.time} s, got none."))

    def _add(self, video: Video, event: _Event, end: float) -> None:
        self._found.add_segment(event.row, video, event.time, end, event.behavior, event.subject)

    def _length_of_point(self, row: Row) -> float:
        if self._point_seconds is None:
            raise row.error("a point event expects a length, got none. Give point_seconds.")
        return self._point_seconds


def _entries(path: Path, values: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    entries = values.get(key, {})
    if not isinstance(entries, dict) or not all(isinstance(item, dict) for item in entries.values()):
        raise Row(path.name, values).expect(key, "an object of objects")
    return list(entries.values())


def _media(row: Row) -> list[str]:
    """The files of the first player, one after another."""
    players = row.values.get("file")
    files = players.get("1") if isinstance(players, dict) else None
    return [str(file) for file in files] if isinstance(files, list) else []


def _media_info(row: Row, key: str) -> Row:
    info = row.values.get("media_info")
    values = info.get(key) if isinstance(info, dict) else None
    return Row(f"{row.where}, {key}", values if isinstance(values, dict) else {})


def _length(row: Row, media: Iterable[str]) -> float | None:
    """The length of all files together; None where one is not known."""
    lengths = [_media_info(row, "length").optional_seconds(file) for file in media]
    return sum(length for length in lengths if length) if lengths and all(lengths) else None


def _project_event(where: str, event: object, kinds: Mapping[str, str], subjects: Iterable[str]) -> _Event:
    if not isinstance(event, list) or len(event) < 4:
        raise DataError(f"{where}: expects [time, subject, behaviour, modifiers, ...], got {str(event)[:60]}.")
    row = Row(where, {"time": event[0], "subject": event[1], "behaviour": event[2]})
    subject, behavior = str(event[1] or ""), row.text("behaviour")
    if behavior not in kinds:
        raise row.error(
            f"expects a behaviour of the project ({listing(kinds)}), got '{behavior}'.{nearest(behavior, kinds)}"
        )
    known = list(subjects)
    if subject not in known:
        raise row.error(f"expects a subject of the project, got '{subject}'.{nearest(subject, known)}")
    status = "POINT" if kinds[behavior].lower().startswith("point") else ""
    return _Event(row, row.seconds("time"), subject, behavior, str(event[3] or ""), status)


def _table_event(row: Row) -> _Event:
    status = str(row.values.get("Behavior type") or row.values.get("Status") or "").upper()
    if status not in ("START", "STOP", "POINT"):
        raise row.error(f"expects START, STOP or POINT as 'Behavior type', got '{status}'.")
    time = row.parsed("Time", clock_seconds, "a time in seconds")
    return _Event(row, time, _subject(row), row.text("Behavior"), _modifiers(row), status)


def _subject(row: Row) -> str:
    subject = str(row.values.get("Subject") or "")
    return "" if subject == _NOBODY else subject


def _modifiers(row: Row) -> str:
    values = (str(value) for key, value in row.values.items() if key.startswith("Modifier") and value)
    return "|".join(values)
