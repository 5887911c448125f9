"""The annotation files of ELAN (.eaf), one a video.

```
<ANNOTATION_DOCUMENT FORMAT="3.0" ...>
  <HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///..."/></HEADER>
  <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="760"/> ...</TIME_ORDER>
  <TIER TIER_ID="hand" PARTICIPANT="Ann"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
    <ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION> ...</TIER>
</ANNOTATION_DOCUMENT>
```

A tier of ELAN never overlaps itself. Where a track does, it has several tiers: "Ann", "Ann (2)", with one participant.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from vidseq.data.fields import Row, listing, nearest
from vidseq.data.schema import Video
from vidseq.errors import DataError
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.tool_videos import ToolVideos, one_line, refuse_newer
from vidseq.importers.xml_document import read_xml

#: The tier that ELAN gives every new file; its annotations are of no track.
DEFAULT_TIER = "default"
_NEWEST = 3
#: Start and end in seconds.
Interval = tuple[float, float]


@dataclass(frozen=True)
class _Value:
    """An annotation of a tier. Its start and end are names of time slots, or it has the times of its parent."""

    name: str
    text: str
    slots: tuple[str, str] | None
    parent: str | None


@importer("elan")
def convert(
    source: Path,
    out: Path,
    *,
    tiers: tuple[str, ...] = (),
    like: Path | None = None,
    videos: Path | None = None,
    split: str | None = None,
    name: str = "elan",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts annotation files of ELAN (.eaf), a tier a track; the source is not changed.

    Annotations without text are left out. Annotations of dependent tiers get the times of their parents.

    Args:
        source: a file, or a folder of files; a file has the name of its video.
        out: the new data set.
        tiers: the tiers to take; all if left out.
        like: a data set that has the videos; it gives splits, durations and rates, and keeps segments of other videos.
        videos: the folder of the video files; without it and like, a video ends with its last action.
        split: the split of all videos; drawn if left out.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and the annotation.
        FileNotFoundError: there are no such files.
    """
    found = ToolVideos("elan", source, out, (".eaf",), like=like, videos=videos, split=split, skip_bad=skip_bad)
    reader = _Reader(found, tiers)
    found.read_files(reader.read)
    reader.finish()
    return found.report(name, "ELAN")


class _Reader:
    """Reads files of ELAN, and counts what has no label."""

    def __init__(self, found: ToolVideos, tiers: Sequence[str]) -> None:
        self._found, self._tiers = found, tiers
        self._known: dict[str, None] = {}
        self._empty = 0

    def read(self, path: Path) -> None:
        root = read_xml(path, "ANNOTATION_DOCUMENT")
        refuse_newer(path, "ELAN's format", root.get("FORMAT", "2.0"), _NEWEST)
        media, times = _media(path, root), _Times(path, root)
        # All tiers are read before anything is taken, so that a damaged file leaves nothing half done.
        tiers = [(tier, times.read(tier)) for tier in _parents_first(root)]
        video = self._found.add_video(Row(path.name, {}), path.stem, media=media)
        for tier, values in tiers:
            name = tier.get("TIER_ID", "")
            self._known[name] = None
            if not self._tiers or name in self._tiers:
                self._take(video, values, track_of(name, tier.get("PARTICIPANT", "")))

    def _take(self, video: Video, values: Sequence[tuple[str, str, Interval]], track: str) -> None:
        for where, text, interval in values:
            if not one_line(text):
                self._empty += 1
                continue
            with self._found.findings.row():
                self._found.add_segment(Row(where, {}), video, *interval, text, track)

    def finish(self) -> None:
        """Refuses tiers that no file has, and adds the notes."""
        for tier in self._tiers:
            if tier not in self._known:
                raise DataError(
                    f"tiers expects names of tiers, got '{tier}'.{nearest(tier, self._known)} "
                    f"Tiers there: {listing(self._known)}."
                )
        if self._empty:
            self._found.findings.notes.append(f"{self._empty} annotations have no text and are left out.")


def track_of(tier: str, participant: str) -> str:
    """Returns the track of a tier: its participant where the tier has the participant's name, and else its own name.

    Args:
        tier: name of the tier, such as "Ann" or "Ann (2)".
        participant: who acts; may be empty.
    """
    layer = re.fullmatch(r"(.*?)( \(\d+\))?", tier, re.DOTALL)
    named = {tier, layer.group(1)} if layer else {tier}
    if participant:
        return participant if participant in named else tier
    return "" if DEFAULT_TIER in named else tier


def _media(path: Path, root: Element) -> str | None:
    header = root.find("HEADER")
    if header is None:
        return None
    units = header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise DataError(f"{path.name}: expects times in milliseconds, got {units}. Save the file with ELAN once.")
    media = header.find("MEDIA_DESCRIPTOR")
    if media is None:
        return None
    if media.get("TIME_ORIGIN", "0") not in ("", "0"):
        raise DataError(
            f"{path.name}: expects a video that starts at 0, got an offset of {media.get('TIME_ORIGIN')} ms. "
            "Shift the annotations in ELAN, and set the offset to 0."
        )
    return media.get("MEDIA_URL") or media.get("RELATIVE_MEDIA_URL") or None


class _Times:
    """Finds the times of annotations: of their slots, of the slots around them, or of their parents."""

    def __init__(self, path: Path, root: Element) -> None:
        self._file = path.name
        self._slots = {
            slot.get("TIME_SLOT_ID", ""): _slot_seconds(path.name, slot)
            for slot in root.iterfind("TIME_ORDER/TIME_SLOT")
        }
        self._intervals: dict[str, Interval] = {}

    def read(self, tier: Element) -> list[tuple[str, str, Interval]]:
        """Returns where each annotation of a tier is, its text, and its interval; parents are read before."""
        values = [_value(self._file, item) for item in tier.iterfind("ANNOTATION/*")]
        intervals = [*self._of_slots([value.slots for value in values if value.slots])]
        children = [value.parent for value in values if value.parent is not None]
        if children and intervals:
            raise DataError(f"{self._file}: tier '{tier.get('TIER_ID')}' expects slots or parents, got both.")
        intervals += self._of_parents(children)
        self._intervals |= {value.name: interval for value, interval in zip(values, intervals)}
        return [
            (f"{self._file}: annotation '{value.name}'", value.text, interval)
            for value, interval in zip(values, intervals)
        ]

    def _of_slots(self, pairs: Sequence[tuple[str, str]]) -> list[Interval]:
        """The times of slots; slots without one lie evenly between their neighbours in the tier."""
        chain = list(dict.fromkeys(slot for pair in pairs for slot in pair))
        for slot in chain:
            if slot not in self._slots:
                raise DataError(f"{self._file}: an annotation expects a time slot of the file, got '{slot}'.")
        times = [self._slots[slot] for slot in chain]
        if chain and None in (times[0], times[-1]):
            raise DataError(
                f"{self._file}: a tier expects times of its first and last slot, got '{chain[0]}' without."
            )
        known = {index: time for index, time in enumerate(times) if time is not None}
        between = np.interp(np.arange(len(chain)), [*known], [*known.values()]) if known else np.zeros(0)
        filled = dict(zip(chain, between.tolist()))
        return [(filled[first], filled[last]) for first, last in pairs]

    def _of_parents(self, parents: Sequence[str]) -> list[Interval]:
        """The times of parents; several annotations of one parent share its time evenly."""
        counts, seen = Counter(parents), Counter[str]()
        found = []
        for parent in parents:
            if parent not in self._intervals:
                raise DataError(f"{self._file}: an annotation expects a parent of the file, got '{parent}'.")
            (start, end), number = self._intervals[parent], seen[parent]
            step = (end - start) / counts[parent]
            found.append((start + number * step, start + (number + 1) * step))
            seen[parent] += 1
        return found


def _parents_first(root: Element) -> list[Element]:
    """The tiers, each after the tier that it depends on."""
    tiers = list(root.iter("TIER"))
    parents = {tier.get("TIER_ID"): tier.get("PARENT_REF") for tier in tiers}

    def depth(tier: Element) -> int:
        above, name = 0, tier.get("PARENT_REF")
        while name is not None and above <= len(tiers):
            above, name = above + 1, parents.get(name)
        return above

    return sorted(tiers, key=depth)


def _slot_seconds(file: str, slot: Element) -> float | None:
    if slot.get("TIME_VALUE") is None:
        return None
    row = Row(f"{file}: time slot '{slot.get('TIME_SLOT_ID')}'", dict(slot.attrib))
    return row.whole_number("TIME_VALUE", "milliseconds") / 1000


def _value(file: str, item: Element) -> _Value:
    name, text = item.get("ANNOTATION_ID", ""), item.findtext("ANNOTATION_VALUE") or ""
    if item.tag == "REF_ANNOTATION":
        return _Value(name, text, None, item.get("ANNOTATION_REF", ""))
    first, last = item.get("TIME_SLOT_REF1"), item.get("TIME_SLOT_REF2")
    if item.tag != "ALIGNABLE_ANNOTATION" or not first or not last:
        raise DataError(f"{file}: annotation '{name}' expects two time slots or a parent, got <{item.tag}> without.")
    return _Value(name, text, (first, last), None)
