"""A data set: a folder of small text files, read with every row checked, written whole or not at all."""

import dataclasses
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vidseq.data import consistency, tables
from vidseq.data import format as text
from vidseq.data.fields import Row, nearest
from vidseq.data.next_actions import derive_next_actions
from vidseq.data.schema import NEXT_ACTION, QUESTION, DatasetInfo, Query, Segment, Video
from vidseq.errors import DataError
from vidseq.files import atomic_write


@dataclass(frozen=True)
class Dataset:
    """Videos, what happens in them, and what is asked of them.

    The parts are never changed in place: make another with `dataclasses.replace` and `save` it.
    """

    folder: Path
    info: DatasetInfo
    videos: dict[str, Video]
    """By name, in the order of the file."""
    segments: list[Segment]
    queries: list[Query]

    @staticmethod
    def load(folder: Path | str) -> "Dataset":
        """Reads a data set and checks every row.

        Args:
            folder: holds `dataset.json`, `videos.jsonl` and, where there are any, `segments.csv` and `queries.jsonl`.

        Raises:
            DataError: the first row that is wrong, such as "queries.jsonl:12: ...".
            FileNotFoundError: the folder is no data set.
        """
        return read_dataset(folder)

    def save(self) -> None:
        """Writes all files to `folder`, times to the millisecond.

        Raises:
            DataError: a row that `load` would refuse; nothing is written.
        """
        write_dataset(self.folder, self.info, self.videos.values(), self.segments, self.queries)

    def split(self, name: str) -> list[Video]:
        """The videos of a split.

        Raises:
            DataError: there is no such split.
        """
        if name not in self.info.splits:
            raise DataError(
                f"Data set '{self.info.name}' has no split '{name}'.{nearest(name, self.info.splits)} "
                f"Its splits: {', '.join(self.info.splits)}."
            )
        return [video for video in self.videos.values() if video.split == name]

    def segments_of(self, video: str) -> list[Segment]:
        """The segments of a video, by start, end, track and label."""
        return self._segments_by_video.get(self._known(video), [])

    def queries_of(self, video: str) -> list[Query]:
        """The queries of a video, by time."""
        return self._queries_by_video.get(self._known(video), [])

    def video_path(self, video: str) -> Path | None:
        """Where the file of a video is, whether or not it exists; None where the data set names none."""
        path = self.videos[self._known(video)].path
        return None if path is None else self.folder / path

    def group_of(self, video: str) -> str:
        """The group of a video; a video without one is its own."""
        return self.videos[self._known(video)].group or video

    def shared_groups(self) -> dict[str, list[str]]:
        """The groups that stand in more than one split, each with its splits; a sound data set has none."""
        splits: defaultdict[str, set[str]] = defaultdict(set)
        for video in self.videos.values():
            splits[self.group_of(video.video)].add(video.split)
        return {group: sorted(names) for group, names in splits.items() if len(names) > 1}

    @cached_property
    def action_labels(self) -> tuple[str, ...]:
        """The action classes in order: those listed, or else those in the segments and next actions, sorted."""
        listed = self.info.labels.get("action")
        found = {item.label for item in self.segments} | {q.answer for q in self.queries if q.kind == NEXT_ACTION}
        return tuple(sorted(found)) if listed is None else listed

    @cached_property
    def answer_labels(self) -> tuple[str, ...]:
        """The answer classes in order: those listed, or else those of the questions, sorted."""
        listed = self.info.labels.get("answer")
        found = {query.answer for query in self.queries if query.kind == QUESTION}
        return tuple(sorted(found)) if listed is None else listed

    @cached_property
    def class_labels(self) -> dict[str, tuple[str, ...]]:
        """The classes in order, by the names that `dataset.json` lists them under: "action" and "answer"."""
        return {"action": self.action_labels, "answer": self.answer_labels}

    @cached_property
    def query_kinds(self) -> frozenset[str]:
        """The kinds of query that the data set itself asks."""
        return frozenset(query.kind for query in self.queries)

    def next_action_queries(self, anticipation_seconds: float) -> list[Query]:
        """A next-action query before every segment, its answer the segment's label (EPIC-Kitchens' protocol).

        A query whose time would be before the video's start is left out. Where the data set's own next-action queries
        hold one for the same video, time and answer, that one is given, with its question, cause and ceiling.

        Args:
            anticipation_seconds: how long before the segment's start it is asked.

        Returns:
            the queries by video and time.

        Raises:
            DataError: `anticipation_seconds` is negative.
        """
        own = [query for query in self.queries if query.kind == NEXT_ACTION]
        in_order = [segment for video in self.videos for segment in self.segments_of(video)]
        return derive_next_actions(in_order, own, anticipation_seconds, self.info.background)

    def _known(self, video: str) -> str:
        if video not in self.videos:
            raise DataError(f"Data set '{self.info.name}' has no video '{video}'.{nearest(video, self.videos)}")
        return video

    @cached_property
    def _segments_by_video(self) -> dict[str, list[Segment]]:
        by_video: defaultdict[str, list[Segment]] = defaultdict(list)
        for segment in sorted(self.segments, key=lambda item: (item.start, item.end, item.track, item.label)):
            by_video[segment.video].append(segment)
        return by_video

    @cached_property
    def _queries_by_video(self) -> dict[str, list[Query]]:
        by_video: defaultdict[str, list[Query]] = defaultdict(list)
        for query in sorted(self.queries, key=lambda item: item.time):
            by_video[query.video].append(query)
        return by_video


def read_dataset(folder: Path | str, report: tables.Report = tables.raise_it) -> Dataset:
    """Reads a data set; rows that are wrong go to `report` and are left out.

    Args:
        folder: the data set.
        report: told of every row that is wrong; raises by default.

    Raises:
        DataError: `dataset.json` is wrong, a header is, or `report` raises it.
        FileNotFoundError: the folder is no data set.
    """
    folder = Path(folder)
    for name in (text.INFO_FILE, text.VIDEOS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"A data set expects the file {name} in {folder}, which has none. "
                "Make one with `vidseq data init` (a folder of videos) or `vidseq data convert` (a known layout)."
            )
    info = text.parse_info(Row(text.INFO_FILE, tables.read_json(folder / text.INFO_FILE)))
    reader = _Reader(folder, info, report)
    return Dataset(folder, info, reader.videos(), reader.segments(), reader.queries())


def write_dataset(
    folder: Path | str,
    info: DatasetInfo,
    videos: Iterable[Video],
    segments: Iterable[Segment] = (),
    queries: Iterable[Query] = (),
) -> Dataset:
    """Writes a data set's files, all or none of them, times to the millisecond.

    Args:
        folder: made if it is missing; other files in it stay.
        info: the header.
        videos: in the order they shall stand in the file.
        segments: likewise.
        queries: likewise.

    Returns:
        the data set as `load` will read it.

    Raises:
        DataError: a row that `load` would refuse; nothing is written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as name:
        # Read back before anything takes its place: what is written is what `load` accepts.
        finished = Path(name)
        atomic_write(finished / text.INFO_FILE, text.info_json(info))
        atomic_write(finished / text.VIDEOS_FILE, "".join(text.video_json(video) + "\n" for video in videos))
        atomic_write(finished / text.SEGMENTS_FILE, text.segments_csv(segments))
        atomic_write(finished / text.QUERIES_FILE, "".join(text.query_json(query) + "\n" for query in queries))
        dataset = read_dataset(finished)
        for file in finished.iterdir():
            file.replace(folder / file.name)
    return dataclasses.replace(dataset, folder=folder)


class _Reader:
    """Reads the rows of one data set, each checked against what was read before it."""

    def __init__(self, folder: Path, info: DatasetInfo, report: tables.Report) -> None:
        self._folder = folder
        self._info = info
        self._report = report
        self._videos: dict[str, Video] = {}
        self._where: dict[str, str] = {}
        # Dictionaries keep the order for messages and find a label at once.
        self._labels = {kind: dict.fromkeys(names) for kind, names in info.labels.items()}

    def videos(self) -> dict[str, Video]:
        for where, video in tables.read_jsonl(self._folder / text.VIDEOS_FILE, self._video, self._report):
            self._videos[video.video] = video
            self._where[video.video] = where
        return self._videos

    def segments(self) -> list[Segment]:
        path = self._folder / text.SEGMENTS_FILE
        if not path.is_file():
            return []
        rows = tables.read_csv(path, self._segment, self._report, required=text.SEGMENT_FIELDS, optional=("track",))
        return [segment for _, segment in rows]

    def queries(self) -> list[Query]:
        path = self._folder / text.QUERIES_FILE
        if not path.is_file():
            return []
        return [query for _, query in tables.read_jsonl(path, self._query, self._report)]

    def _video(self, row: Row) -> Video:
        video = text.parse_video(row)
        consistency.check_video(row.where, video, self._info)
        if video.video in self._videos:
            raise row.error(
                f"'video' expects a name that is used once, got '{video.video}' as in {self._where[video.video]}. "
                "Rename one, or remove one of the rows."
            )
        return video

    def _segment(self, row: Row) -> Segment:
        segment = text.parse_segment(row)
        consistency.check_segment(row.where, segment, self._videos, self._labels.get("action"))
        return segment

    def _query(self, row: Row) -> Query:
        query = text.parse_query(row)
        consistency.check_query(row.where, query, self._videos, self._labels.get("action"), self._labels.get("answer"))
        return query
