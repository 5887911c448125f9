"""Exports the segments of a data set, or predictions of them, to an annotation tool."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidseq.claims import refuse_existing, scratch_folder
from vidseq.data.dataset import Dataset
from vidseq.data.fields import TIME_TOLERANCE, Row, nearest
from vidseq.data.format import round_seconds
from vidseq.data.schema import FRAME_LABEL, Segment, Video
from vidseq.data.tables import read_jsonl
from vidseq.data.video_names import videos_by_name
from vidseq.errors import DataError, unknown_name
from vidseq.exporters.content import AnnotatedVideo, Annotation, ExportContent
from vidseq.exporters.registry import EXPORTERS
from vidseq.files import NOT_WRITABLE, atomic_write, real_path


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """The outcome of an export."""

    folder: Path
    files: tuple[str, ...]
    num_videos: int
    num_annotations: int
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Writes the report for a person, one fact a line."""
        shown = f"{self.files[0]}{', ...' if len(self.files) > 1 else ''}" if self.files else "none"
        counts = f"{self.num_annotations} annotations of {self.num_videos} videos"
        return "\n".join([f"{self.folder}: {counts} in {len(self.files)} files ({shown}).", *self._note_lines()])

    def _note_lines(self) -> list[str]:
        return [f"note: {note}" for note in self.notes]


def export_dataset(
    data: Dataset | Path | str,
    layout: str,
    out: Path | str,
    *,
    predictions: Path | str | None = None,
    splits: Sequence[str] = (),
    overwrite: bool = False,
) -> ExportReport:
    """Exports the segments of a data set, or predictions of them, as the files of an annotation tool.

    Args:
        data: the data set, or its folder.
        layout: the tool; one of `EXPORTERS`.
        out: folder of the files.
        predictions: rows of `vidseq predict` (.jsonl), which are exported in place of the segments; of the videos
            that they name.
        splits: the splits to export; none: all.
        overwrite: write into a folder that exists.

    Returns:
        the counts, and notes.

    Raises:
        UserError: the layout is unknown, or the folder exists.
        DataError: a split or row is wrong, or the layout cannot hold what is there; nothing is written.
    """
    if layout not in EXPORTERS:
        raise unknown_name("layout", layout, EXPORTERS)
    dataset = data if isinstance(data, Dataset) else Dataset.load(data)
    out = Path(out)
    refuse_existing(out, "An export", overwrite=overwrite)
    content = _content(dataset, None if predictions is None else Path(predictions), splits)
    write = EXPORTERS[layout]
    files = dict(write(content.for_players() if write.plays else content))
    _write(files, out)
    return ExportReport(
        folder=out,
        files=tuple(files),
        num_videos=len(content.videos),
        num_annotations=sum(len(video.annotations) for video in content.videos),
        notes=tuple(content.notes),
    )


def _write(files: Mapping[str, str], out: Path) -> None:
    """Writes all files of a new folder or none; in one that is there, each file is whole."""
    if out.exists():
        for name, text in files.items():
            atomic_write(out / name, text)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(out.parent, f".{out.name}") as made:
            for name, text in files.items():
                atomic_write(made / name, text)
            made.chmod(0o755)
            made.rename(out)
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        raise OSError(error.errno, os.strerror(error.errno or 0), str(out)) from error  # not a folder for a while


def _content(dataset: Dataset, predictions: Path | None, splits: Sequence[str]) -> ExportContent:
    videos = [video for split in splits or dataset.info.splits for video in dataset.split(split)]
    if predictions is None:
        annotations = {video.video: [*map(_annotation, dataset.segments_of(video.video))] for video in videos}
    else:
        rows = _predicted(dataset, predictions)
        annotations = {video.video: rows[video.video] for video in videos if video.video in rows}
    found = {item.label for items in annotations.values() for item in items}
    known = dataset.action_labels
    return ExportContent(
        name=dataset.info.name,
        videos=[
            _annotated(video, dataset.folder, annotations[video.video])
            for video in videos
            if video.video in annotations
        ],
        labels=(*known, *sorted(found - set(known))),
        predicted=predictions is not None,
    )


def _annotated(video: Video, folder: Path, annotations: Sequence[Annotation]) -> AnnotatedVideo:
    return AnnotatedVideo(
        video=video.video,
        split=video.split,
        duration=round_seconds(video.duration),
        fps=video.fps,
        media=None if video.path is None else real_path(folder / video.path).as_posix(),
        annotations=sorted(annotations, key=lambda item: (item.start, item.end, item.track, item.label)),
    )


def _annotation(segment: Segment) -> Annotation:
    return Annotation(
        start=round_seconds(segment.start), end=round_seconds(segment.end), label=segment.label, track=segment.track
    )


def _predicted(dataset: Dataset, path: Path) -> Mapping[str, list[Annotation]]:
    """Reads the predicted segments by video; rows of other kinds are left out."""
    found: defaultdict[str, list[Annotation]] = defaultdict(list)
    videos = videos_by_name(dataset)
    if not path.is_file():
        raise FileNotFoundError(f"predictions expects a file of rows, got {path}, which is none.")
    for _, item in read_jsonl(path, lambda row: _predicted_row(row, videos)):
        if item is not None:
            found[item[0]].append(item[1])
    if not found:
        raise DataError(
            f"{path.name}: expects rows of kind '{FRAME_LABEL}', got none. Predict with a model that labels frames."
        )
    return found


def _predicted_row(row: Row, videos: Mapping[str, Sequence[Video]]) -> tuple[str, Annotation] | None:
    if row.text("kind") != FRAME_LABEL:
        return None
    named = videos.get(row.text("video"), ())
    if len(named) != 1:
        hint = "" if named else nearest(row.text("video"), videos)
        raise row.error(f"'video' expects the name of one video, got '{row.text('video')}' of {len(named)}.{hint}")
    (video,) = named
    start, end = row.seconds("time"), row.seconds("end")
    if not start < end <= video.duration + TIME_TOLERANCE:
        raise row.error(
            f"a segment expects to start before it ends and to end before '{video.video}' does, at "
            f"{video.duration} s, got {start} s to {end} s."
        )
    score = row.values.get("probability")
    if score is not None and not 0 <= row.seconds("probability") <= 1:
        raise row.expect("probability", "a number from 0 to 1")
    return video.video, Annotation(
        start=round_seconds(start),
        end=round_seconds(min(end, video.duration)),
        label=row.text("answer"),
        score=None if score is None else row.seconds("probability"),
    )
