"""The JSON of Ego4D's long-term anticipation: an action a row.

```
fho_lta_train.json, fho_lta_val.json, fho_lta_test_unannotated.json
    {"clips": [{"video_uid", "clip_uid", "action_idx", "clip_parent_start_sec", "clip_parent_end_sec",
                "action_clip_start_sec", "action_clip_end_sec", "verb", "verb_label", "noun", "noun_label", ...}, ...]}
fho_lta_taxonomy.json
    {"verbs": [...], "nouns": [...]}
```

A video of the new data set is a clip, and its times are those of the clip. Clips of one source video are one group.
"""

from collections.abc import Sequence
from pathlib import Path

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import Row
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.data.tables import read_json
from vidseq.errors import unknown_name
from vidseq.importers.annotations import (
    UNKNOWN,
    Annotations,
    VideoFiles,
    note_shared_groups,
    split_files,
)
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.json_rows import read_json_rows

KINDS = ("action", "verb", "noun")
_FILES = {"train": "fho_lta_train.json", "val": "fho_lta_val.json", "test": "fho_lta_test_unannotated.json"}
_TAXONOMY = "fho_lta_taxonomy.json"


@importer("ego4d_lta")
def convert(
    source: Path,
    out: Path,
    *,
    labels: str = "action",
    videos: Path | None = None,
    name: str = "ego4d_lta",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts the annotations of Ego4D's long-term anticipation; the source is not changed.

    Args:
        source: the folder of the JSON files, or one of them; the taxonomy beside it.
        out: the new data set.
        labels: what a segment's label is: "action" (verb and noun), "verb" or "noun".
        videos: the folder of the clips, "<clip_uid>" with any suffix; a clip without a file is a bad row. None: the
            annotations alone.
        name: of the data set.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: the source is not in this layout.
    """
    if labels not in KINDS:
        raise unknown_name("label", labels, KINDS)
    source, findings = Path(source), Findings(skip_bad)
    files = split_files("ego4d_lta", source, _FILES)
    taxonomy = _Taxonomy(files[0][1].parent / _TAXONOMY, labels)
    annotations = Annotations(findings, VideoFiles(videos, out) if videos else None, published=True)
    hidden = 0
    for split, path in files:
        for _, has_label in read_json_rows(
            path,
            lambda row: _take(row, split, taxonomy, annotations),  # noqa: B023
            findings,
            inside="clips",
        ):
            hidden += not has_label
    if hidden:
        findings.notes.append(
            f"{hidden} actions of the test split have no labels: their clips stand without segments."
        )
    found, segments = annotations.finished()
    note_shared_groups(found, findings)
    info = DatasetInfo(
        name=name,
        tasks={"next_action": {"anticipation_seconds": 1.0}},
        labels={"action": taxonomy.names(segments)},
        licence="Ego4D licence agreement",
        source="Ego4D long-term anticipation, https://ego4d-data.org",
    )
    return findings.report(write_dataset(out, info, found.values(), segments))


class _Taxonomy:
    """The names of verbs and nouns by their numbers."""

    def __init__(self, path: Path, kind: str) -> None:
        if not path.is_file():
            raise FileNotFoundError(
                f"The ego4d_lta layout expects {path.name} in {path.parent} to name its classes, got none."
            )
        row = Row(path.name, read_json(path))
        self._kind = kind
        self._names = {f"{word}_label": row.texts(f"{word}s") for word in ("verb", "noun") if kind in ("action", word)}
        for key, names in self._names.items():
            if not names:
                raise row.expect(key.replace("_label", "s"), "a list of names")

    def label(self, row: Row) -> str:
        """Returns the class of a row; raises `DataError` if it has none."""
        words = []
        for key, names in self._names.items():
            number = row.whole_number(key, "the number of a class")
            if number >= len(names):
                raise row.error(f"'{key}' expects a class from 0 to {len(names) - 1}, got {number}.")
            words.append(names[number])
        return " ".join(words)

    def names(self, segments: Sequence[Segment]) -> tuple[str, ...]:
        """Lists all classes in the order of their numbers; of actions only those that occur, sorted."""
        if self._kind == "action":
            return tuple(sorted({segment.label for segment in segments}))
        return self._names[f"{self._kind}_label"]


def _take(row: Row, split: str, taxonomy: _Taxonomy, annotations: Annotations) -> bool:
    """Adds an action; returns whether it has a label."""
    clip = row.file_name("clip_uid")
    start, end = row.seconds("action_clip_start_sec"), row.seconds("action_clip_end_sec")
    has_label = split != "test" or "verb_label" in row.values
    label = taxonomy.label(row) if has_label else ""
    annotations.add_video(
        row, Video(video=clip, split=split, duration=_clip_seconds(row), group=row.text("video_uid"))
    )
    if has_label:
        annotations.add_segment(row, Segment(video=clip, start=start, end=end, label=label))
    return has_label


def _clip_seconds(row: Row) -> float:
    start, end = (row.optional_seconds(f"clip_parent_{word}_sec") for word in ("start", "end"))
    return UNKNOWN if start is None or end is None else max(UNKNOWN, end - start)
