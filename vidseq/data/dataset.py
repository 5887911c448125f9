"""A data set: a folder of text files. Reading checks every row; writing replaces all files or none."""

import contextlib
import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vidseq.claims import refuse_existing, scratch_folder
from vidseq.data import consistency, tables
from vidseq.data import format as text
from vidseq.data.fields import Row, nearest
from vidseq.data.next_actions import derive_next_actions
from vidseq.data.schema import NEXT_ACTION, QUESTION, DatasetInfo, Query, Segment, Video
from vidseq.data.table_files import replace_tables, settle_tables, table_of
from vidseq.errors import DataError, UserError
from vidseq.files import atomic_write, naming


@dataclass(frozen=True)
class Dataset:
    """The videos, segments and queries of a data set.

    A data set is never changed in place: make another with `dataclasses.replace` and `save` it.
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
            folder: folder with `dataset.json`, `videos.jsonl` and optionally `segments.csv` and `queries.jsonl`.

        Raises:
            DataError: a row is wrong; the message names the first one, such as "queries.jsonl:12: ...".
            FileNotFoundError: the folder is not a data set.
        """
        return read_dataset(folder)

    def save(self) -> None:
        """Writes all files to `folder`, with times rounded to the millisecond.

        Raises:
            DataError: `load` would refuse a row; nothing is written.
        """
        write_dataset(self.folder, self.info, self.videos.values(), self.segments, self.queries)

    def split(self, name: str) -> list[Video]:
        """Returns the videos of a split.

        Raises:
            DataError: the split does not exist.
        """
        if name not in self.info.splits:
            raise DataError(
                f"Data set '{self.info.name}' has no split '{name}'.{nearest(name, self.info.splits)} "
                f"Its splits: {', '.join(self.info.splits)}."
            )
        return [video for video in self.videos.values() if video.split == name]

    def segments_of(self, video: str) -> list[Segment]:
        """Returns the segments of a video, sorted by start, end, track and label."""
        return self._segments_by_video.get(self._known(video), [])

    def queries_of(self, video: str) -> list[Query]:
        """Returns the queries of a video, sorted by time."""
        return self._queries_by_video.get(self._known(video), [])

    def video_path(self, video: str) -> Path | None:
        """Returns the path of a video's file, whether or not the file exists; None if the data set names none."""
        path = self.videos[self._known(video)].path
        return None if path is None else self.folder / path

    def group_of(self, video: str) -> str:
        """Returns the group of a video; a video without a group is its own group."""
        return self.videos[self._known(video)].group or video

    def shared_groups(self) -> dict[str, list[str]]:
        """Returns the groups that are in more than one split, with their splits; a valid data set has none."""
        splits: defaultdict[str, set[str]] = defaultdict(set)
        for video in self.videos.values():
            splits[self.group_of(video.video)].add(video.split)
        return {group: sorted(names) for group, names in splits.items() if len(names) > 1}

    @cached_property
    def action_labels(self) -> tuple[str, ...]:
        """The action classes in order: the listed ones, or else those of segments and next actions, sorted."""
        listed = self.info.labels.get("action")
        found = {item.label for item in self.segments} | {q.answer for q in self.queries if q.kind == NEXT_ACTION}
        return tuple(sorted(found)) if listed is None else listed

    @cached_property
    def answer_labels(self) -> tuple[str, ...]:
        """The answer classes in order: the listed ones, or else those of the questions, sorted."""
        listed = self.info.labels.get("answer")
        found = {query.answer for query in self.queries if query.kind == QUESTION}
        return tuple(sorted(found)) if listed is None else listed

    @cached_property
    def class_labels(self) -> dict[str, tuple[str, ...]]:
        """The classes in order, by the names that `dataset.json` lists them under: "action" and "answer"."""
        return {"action": self.action_labels, "answer": self.answer_labels}

    @cached_property
    def query_kinds(self) -> frozenset[str]:
        """The kinds of the data set's own queries."""
        return frozenset(query.kind for query in self.queries)

    def next_action_queries(self, anticipation_seconds: float) -> list[Query]:
        """Makes a next-action query before every segment, answered by its label (EPIC-Kitchens' protocol).

        Queries before the video's start are left out. If the data set has its own next-action query for the same
        video, time and answer, that query is used, with its question, cause and ceiling.

        Args:
            anticipation_seconds: time from the query to the start of the segment.

        Returns:
            the queries, sorted by video and time.

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
    """Reads a data set; wrong rows go to `report` and are left out.

    Args:
        folder: folder of the data set.
        report: called with the error of every wrong row; by default it raises the error.

    Raises:
        DataError: `dataset.json` or a header is wrong, or `report` raises the error of a row.
        FileNotFoundError: the folder is not a data set.
    """
    folder = Path(folder)
    settle_tables(folder)
    for name in (text.INFO_FILE, text.VIDEOS_FILE):
        if not table_of(folder, name).is_file():
            raise FileNotFoundError(
                f"A data set expects a folder with the file {name}, got {folder}, which {_lack(folder)}. "
                "Make one with `vidseq data init` (a folder of videos) or `vidseq data convert` (a known layout)."
            )
    info = text.parse_info(Row(text.INFO_FILE, tables.read_json(table_of(folder, text.INFO_FILE))))
    reader = _Reader(folder, info, report)
    return Dataset(folder, info, reader.videos(), reader.segments(), reader.queries())


def _lack(folder: Path) -> str:
    """Why a path is no folder with a certain file, as the end of a sentence."""
    if folder.is_dir():
        return "has none"
    return "is a file" if folder.exists() else "does not exist"


def _is_there(table: Path) -> bool:
    """Whether a table that may be missing is there.

    Raises:
        DataError: something is there that cannot be read as one; to pass over it would lose its rows.
    """
    if not table.is_file() and os.path.lexists(table):
        what = "a folder" if table.is_dir() else "something else" if table.exists() else "a link to nothing"
        raise DataError(f"{table.name}: expects a file, got {what}. Remove it, or put the table in its place.")
    return table.is_file()


def refuse_tables(folder: Path, *, overwrite: bool = False) -> None:
    """Refuses to write a data set where one is, or where a file has the name of one of its tables.

    Raises:
        UserError: such a file is there.
    """
    for name in text.DATASET_FILES:
        refuse_existing(table_of(folder, name), "A data set", overwrite=overwrite)


def refuse_table(path: Path, option: str) -> None:
    """Refuses to write results over a table of a data set.

    Args:
        path: where results would go.
        option: what names it, such as "--out".

    Raises:
        UserError: such a table is there.
    """
    if path.name in text.DATASET_FILES and path.with_name(text.INFO_FILE).is_file():
        raise UserError(
            f"{option} expects a file of its own, got '{path}', which is of the data set there. Choose another name."
        )


def write_dataset(
    folder: Path | str,
    info: DatasetInfo,
    videos: Iterable[Video],
    segments: Iterable[Segment] = (),
    queries: Iterable[Query] = (),
) -> Dataset:
    """Writes all files of a data set or none, with times rounded to the millisecond.

    Args:
        folder: folder of the data set; created if it is missing, and other files in it stay.
        info: the header.
        videos: the videos in the order of the file.
        segments: the segments in the order of the file.
        queries: the queries in the order of the file.

    Returns:
        the data set as `load` reads it.

    Raises:
        DataError: `load` would refuse a row; nothing is written.
    """
    folder = Path(folder)
    with naming(folder), contextlib.ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        # Reads the new files before they replace the old ones, so that `load` accepts what is written.
        finished = stack.enter_context(scratch_folder(folder, ".writing"))
        atomic_write(finished / text.INFO_FILE, text.info_json(info))
        atomic_write(finished / text.VIDEOS_FILE, "".join(text.video_json(video) + "\n" for video in videos))
        atomic_write(finished / text.SEGMENTS_FILE, text.segments_csv(segments))
        atomic_write(finished / text.QUERIES_FILE, "".join(text.query_json(query) + "\n" for query in queries))
        dataset = read_dataset(finished)
        replace_tables(finished, folder)
    return dataclasses.replace(dataset, folder=folder)


class _Reader:
    """Reads the rows of one data set and checks each against the rows before it."""

    def __init__(self, folder: Path, info: DatasetInfo, report: tables.Report) -> None:
        self._folder = folder
        self._info = info
        self._report = report
        self._videos: dict[str, Video] = {}
        self._where: dict[str, str] = {}
        # Dictionaries keep the order for messages and make lookups fast.
        self._labels = {kind: dict.fromkeys(names) for kind, names in info.labels.items()}

    def videos(self) -> dict[str, Video]:
        for where, video in tables.read_jsonl(self._table(text.VIDEOS_FILE), self._video, self._report):
            self._videos[video.video] = video
            self._where[video.video] = where
        return self._videos

    def segments(self) -> list[Segment]:
        path = self._table(text.SEGMENTS_FILE)
        if not _is_there(path):
            return []
        rows = tables.read_csv(path, self._segment, self._report, required=text.SEGMENT_FIELDS, optional=("track",))
        return [segment for _, segment in rows]

    def queries(self) -> list[Query]:
        path = self._table(text.QUERIES_FILE)
        if not _is_there(path):
            return []
        return [query for _, query in tables.read_jsonl(path, self._query, self._report)]

    def _table(self, name: str) -> Path:
        return table_of(self._folder, name)

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
