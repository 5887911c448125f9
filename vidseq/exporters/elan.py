"""The annotation files of ELAN (.eaf), one a video; see `vidseq.importers.elan`."""

import datetime
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from vidseq.exporters.base import File, exporter
from vidseq.exporters.content import AnnotatedVideo, Annotation, ExportContent, layers, milliseconds
from vidseq.exporters.xml_text import add, xml_text
from vidseq.importers.elan import DEFAULT_TIER

_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
_MIME_TYPES = {".mp4": "video/mp4", ".mov": "video/quicktime", ".mpg": "video/mpeg", ".mpeg": "video/mpeg"}
_TYPE = "default-lt"


@exporter("elan")
def write(content: ExportContent) -> Iterator[File]:
    """Writes a file <video>.eaf for ELAN for each video, a tier a track; two tiers where a track overlaps itself."""
    if content.predicted:
        content.notes.append("ELAN has no place for scores: they are left out.")
    for video in content.videos:
        yield f"{video.video}.eaf", xml_text(_document(video))


def _document(video: AnnotatedVideo) -> Element:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    root = Element("ANNOTATION_DOCUMENT", {"AUTHOR": "", "DATE": now, "FORMAT": "3.0", "VERSION": "3.0"})
    root.set(_SCHEMA, "http://www.mpi.nl/tools/elan/EAFv3.0.xsd")
    header = add(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if video.media:
        path = Path(video.media)
        kind = _MIME_TYPES.get(path.suffix.lower(), "unknown")
        add(header, "MEDIA_DESCRIPTOR", MEDIA_URL=path.as_uri(), MIME_TYPE=kind)
    add(header, "PROPERTY", str(len(video.annotations)), NAME="lastUsedAnnotationId")
    order = add(root, "TIME_ORDER")
    _add_slots(order, video)
    _add_tiers(root, video)
    add(root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID=_TYPE, TIME_ALIGNABLE="true")
    return root


def _add_slots(order: Element, video: AnnotatedVideo) -> None:
    """Adds two slots an annotation, in order of time, as ELAN wants them."""
    times = [
        (milliseconds(time), f"ts{2 * number + side}")
        for number, item in enumerate(video.annotations, 1)
        for side, time in enumerate((item.start, item.end))
    ]
    for time, slot in sorted(times, key=lambda pair: pair[0]):
        add(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=str(time))


def _add_tiers(root: Element, video: AnnotatedVideo) -> None:
    numbers = {id(item): number for number, item in enumerate(video.annotations, 1)}
    tracks: defaultdict[str, list[Annotation]] = defaultdict(list)
    for item in video.annotations:
        tracks[item.track].append(item)
    taken: set[str] = set()
    for track, items in (tracks or {"": []}).items():
        for layer in layers(items) or [[]]:
            tier = add(root, "TIER", LINGUISTIC_TYPE_REF=_TYPE, TIER_ID=_tier_name(track or DEFAULT_TIER, taken))
            if track:
                tier.set("PARTICIPANT", track)
            for item in layer:
                _add_annotation(tier, item, numbers[id(item)])


def _tier_name(track: str, taken: set[str]) -> str:
    """The first of "track", "track (2)", ... that is free."""
    name, number = track, 1
    while name in taken:
        number += 1
        name = f"{track} ({number})"
    taken.add(name)
    return name


def _add_annotation(tier: Element, item: Annotation, number: int) -> None:
    aligned = add(
        add(tier, "ANNOTATION"),
        "ALIGNABLE_ANNOTATION",
        ANNOTATION_ID=f"a{number}",
        TIME_SLOT_REF1=f"ts{2 * number}",
        TIME_SLOT_REF2=f"ts{2 * number + 1}",
    )
    add(aligned, "ANNOTATION_VALUE", item.label)
