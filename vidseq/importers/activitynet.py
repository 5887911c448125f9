"""The JSON of ActivityNet, which THUMOS, FineAction, HACS and others use too.

```
{"database": {"<video>": {"subset": "training", "duration": 82.7, "fps"?: 30,
                          "annotations": [{"segment": [6.6, 77.4], "label": "Paintball"}, ...]}}}
```

`subset` is one of training, validation and testing, in any spelling; of videos for testing `annotations` is empty.
"""

from collections.abc import Mapping
from pathlib import Path

from vidseq.data.dataset import write_dataset
from vidseq.data.fields import Row
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.data.splits import SPLIT_NAMES
from vidseq.errors import DataError, unknown_name
from vidseq.importers.annotations import UNKNOWN, Annotations, VideoFiles
from vidseq.importers.base import importer
from vidseq.importers.conversion import ConversionReport, Findings
from vidseq.importers.json_rows import read_json_rows


@importer("activitynet")
def convert(
    source: Path,
    out: Path,
    *,
    videos: Path | None = None,
    subsets: dict[str, str] | None = None,
    name: str = "activitynet",
    licence: str = "unknown",
    skip_bad: bool = False,
) -> ConversionReport:
    """Converts annotations in the JSON of ActivityNet; the source is not changed.

    Args:
        source: the JSON file.
        out: the new data set.
        videos: the folder of the video files, "v_<video>" or "<video>" with any suffix; a video without a file is a
            bad row. None: the annotations alone.
        subsets: the split of a subset, if not that of its name; for THUMOS, which trains on its validation subset,
            {"validation": "train"}.
        name: of the data set.
        licence: of the data.
        skip_bad: leave bad rows out and list them; otherwise the first raises.

    Returns:
        the counts, the rows that were skipped, and notes.

    Raises:
        DataError: names the file and line.
        FileNotFoundError: there is no such file.
    """
    source, findings = Path(source), Findings(skip_bad)
    if not source.is_file():
        raise FileNotFoundError(f"The activitynet layout expects a JSON file, got {source}, which is none.")
    splits = SPLIT_NAMES | _chosen_splits(subsets or {})
    annotations = Annotations(findings, VideoFiles(videos, out) if videos else None, published=True)
    for _ in read_json_rows(
        source, lambda row: _take(row, splits, annotations, findings), findings, inside="database", key="video"
    ):
        pass
    found, segments = annotations.finished()
    info = DatasetInfo(
        name=name,
        tasks={"next_action": {"anticipation_seconds": 1.0}},
        labels={"action": tuple(sorted({segment.label for segment in segments}))},
        licence=licence,
        source=f"{source.name}, ActivityNet layout",
    )
    return findings.report(write_dataset(out, info, found.values(), segments))


def _chosen_splits(subsets: Mapping[str, str]) -> dict[str, str]:
    for split in subsets.values():
        if split not in SPLIT_NAMES.values():
            raise unknown_name("split", split, set(SPLIT_NAMES.values()))
    return {subset.lower(): split for subset, split in subsets.items()}


def _take(row: Row, splits: Mapping[str, str], annotations: Annotations, findings: Findings) -> None:
    video = row.file_name("video")
    subset = row.text("subset").lower()
    if subset not in splits:
        raise row.expect("subset", f"one of {', '.join(splits)}")
    duration = row.optional_seconds("duration") or UNKNOWN
    annotations.add_video(
        row,
        Video(video=video, split=splits[subset], duration=duration, fps=row.optional_fps("fps")),
        file_names=(f"v_{video}", video),
        once=True,
    )
    actions = row.values.get("annotations")
    if not isinstance(actions, list):
        raise row.expect("annotations", 'a list such as [{"segment": [1.5, 7.2], "label": "jump"}]')
    for index, action in enumerate(actions):
        inner = Row(f"{row.where}: annotation {index} of '{video}'", action if isinstance(action, dict) else {})
        try:
            annotations.add_segment(inner, _segment(inner, video))
        except DataError as problem:
            findings(problem)


def _segment(row: Row, video: str) -> Segment:
    segment = row.values.get("segment")
    if not isinstance(segment, list) or len(segment) != 2:
        raise row.expect("segment", "[start, end] in seconds")
    times = Row(row.where, dict(zip(("start", "end"), segment)))
    return Segment(video=video, start=times.seconds("start"), end=times.seconds("end"), label=row.text("label"))
