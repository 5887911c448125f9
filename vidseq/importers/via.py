"""The projects of VIA 3, the VGG Image Annotator, for videos (.json).

```
{"project": {"data_format_version": "3.1.1", "vid_list": ["1"]},
 "attribute": {"1": {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 4, "options": {"0": "wave"}}},
 "file": {"1": {"fname": "a.mp4", "src": "a.mp4"}}, "view": {"1": {"fid_list": ["1"]}},
 "metadata": {"1_Ab3dE6gH": {"vid": "1", "z": [1.5, 4.0], "xy": [], "av": {"1": "0"}}}}
```
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vidseq.data.fields import Row, listing, nearest
from vidseq.data.schema import Video
from vidseq.data.tables import read_json
from vidseq.errors import DataError
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.tool_videos import ToolVideos, media_name, refuse_newer

#: What an attribute of an interval of time is tied to.
TIME_ANCHOR = "FILE1_Z2_XY0"
#: The attribute that names the track.
TRACK = "track"
#: Types of attributes: a text, several options, and one option of a list.
TEXT, CHECKBOX, SELECT = 1, 2, 4
_NEWEST = 3


@importer("via")
def convert(
    source: Path,
    out: Path,
    *,
    attribute: str | None = None,
    like: Path | None = None,
    videos: Path | None = None,
    split: str | None = None,
    name: str = "via",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts projects of VIA 3 (.json) with intervals of videos; the source is not changed.

    Args:
        source: a project, or a folder of projects.
        out: the new data set.
        attribute: the attribute of intervals that is the label; the first if left out. One with the name "track" is
            the track.
        like: a data set that has the videos; it gives splits, durations and rates, and keeps segments of other videos.
        videos: the folder of the video files; without it and like, a video ends with its last action.
        split: the split of all videos; drawn if left out.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and the entry.
        FileNotFoundError: there are no such files.
    """
    found = ToolVideos("via", source, out, (".json",), like=like, videos=videos, split=split, skip_bad=skip_bad)
    reader = _Reader(found, attribute)
    found.read_files(reader.read)
    reader.add_notes()
    return found.report(name, "VIA")


class _Reader:
    """Reads projects."""

    def __init__(self, found: ToolVideos, attribute: str | None) -> None:
        self._found, self._attribute = found, attribute
        self._others, self._unlabelled = 0, 0

    def add_notes(self) -> None:
        if self._others:
            self._found.findings.notes.append(
                f"{self._others} entries mark places, single moments or whole files, and are left out."
            )
        if self._unlabelled:
            self._found.findings.notes.append(f"{self._unlabelled} intervals have no label and are left out.")

    def read(self, path: Path) -> None:
        document = _Document(path)
        label, track = document.attributes(self._attribute, self._found.findings.notes)
        local: dict[str, str] = {}
        for row in document.rows("view"):
            with self._found.findings.row():
                row_of_file = document.file_of(row)
                fname = row_of_file.text("fname")
                source = str(row_of_file.values.get("src") or "")
                if not source and local.setdefault(fname, row_of_file.where) != row_of_file.where:
                    raise row_of_file.error(
                        f"expects files of different names, got '{fname}' as in {local[fname]}. Rename one, here too."
                    )
                video = self._found.add_video(row_of_file, media_name(fname), fname, media=source or fname)
                for entry in document.entries_of(str(row.values["id"])):
                    with self._found.findings.row():
                        self._entry(entry, video, label, track)

    def _entry(self, row: Row, video: Video, label: Row, track: Row | None) -> None:
        times = row.values.get("z")
        if not isinstance(times, list) or len(times) != 2:
            self._others += 1
            return
        values = row.values.get("av")
        chosen = values if isinstance(values, dict) else {}
        labels = _options(label, chosen)
        self._unlabelled += not labels
        interval = Row(row.where, {"start": times[0], "end": times[1]})
        who = _options(track, chosen) if track is not None else []
        for name in labels:
            self._found.add_segment(
                row, video, interval.seconds("start"), interval.seconds("end"), name, who[0] if who else ""
            )


class _Document:
    """A project: objects of objects, whose names are their numbers."""

    def __init__(self, path: Path) -> None:
        self._name, self._values = path.name, read_json(path)
        project = self._values.get("project")
        if not isinstance(project, dict):
            raise Row(path.name, self._values).expect("project", "an object, as in a project of VIA 3 (not 2)")
        refuse_newer(path, "VIA projects", project.get("data_format_version", "3"), _NEWEST)
        self._files = {str(row.values["id"]): row for row in self.rows("file")}
        self._entries: dict[str, list[Row]] = {}
        for row in self.rows("metadata"):
            self._entries.setdefault(str(row.values.get("vid")), []).append(row)
        known = {str(row.values["id"]) for row in self.rows("view")}
        for vid, entries in self._entries.items():
            if vid not in known:
                raise entries[0].error(f"expects a view of the project, got vid '{vid}'.")

    def rows(self, key: str) -> list[Row]:
        """The members of a part of the project; the field "id" has the number of each."""
        members = self._values.get(key)
        if not isinstance(members, dict) or not all(isinstance(item, dict) for item in members.values()):
            raise Row(self._name, self._values).expect(key, "an object of objects")
        return [Row(f"{self._name}: {key} '{name}'", {**item, "id": name}) for name, item in members.items()]

    def entries_of(self, vid: str) -> Sequence[Row]:
        """What was marked in a view."""
        return self._entries.get(vid, [])

    def file_of(self, view: Row) -> Row:
        """The one file of a view."""
        files = view.values.get("fid_list")
        if not isinstance(files, list) or len(files) != 1 or str(files[0]) not in self._files:
            raise view.expect("fid_list", "one file of the project")
        return self._files[str(files[0])]

    def attributes(self, named: str | None, notes: list[str]) -> tuple[Row, Row | None]:
        """The attribute that is the label, and the one that is the track."""
        found = {str(row.values.get("aname")): row for row in self.rows("attribute") if _is_of_intervals(row)}
        track = found.pop(TRACK, None) if named != TRACK else None
        if named is not None and named not in found:
            raise DataError(
                f"{self._name}: attribute expects an attribute of intervals, got '{named}'.{nearest(named, found)} "
                f"Attributes there: {listing(found)}."
            )
        if not found:
            raise DataError(f"{self._name}: expects an attribute of intervals ({TIME_ANCHOR}), got none.")
        name = next(iter(found)) if named is None else named
        others = [other for other in found if other != name and other != "score"]
        if others:
            notes.append(f"{self._name}: the label is '{name}'; left out: {listing(others)}.")
        return found[name], track


def _is_of_intervals(row: Row) -> bool:
    return row.values.get("anchor_id") == TIME_ANCHOR


def _options(attribute: Row, chosen: Mapping[str, object]) -> list[str]:
    """The names that an entry has of an attribute."""
    value = str(chosen.get(str(attribute.values["id"]), ""))
    options = attribute.values.get("options")
    names = options if isinstance(options, dict) else {}
    several = attribute.values.get("type") == CHECKBOX and value not in names
    return [str(names.get(part, part)) for part in (value.split(",") if several else [value]) if part.strip()]
