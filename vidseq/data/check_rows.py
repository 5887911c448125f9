"""Finds rows of a data set that can be read, and that their authors hardly meant."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from vidseq.data.consistency import repeated_questions
from vidseq.data.dataset import Dataset
from vidseq.data.fields import Row, listing, normal_text
from vidseq.data.format import (
    INFO_FILE,
    QUERIES_FILE,
    SEGMENT_FIELDS,
    SEGMENTS_FILE,
    VIDEOS_FILE,
    parse_query,
    parse_segment,
    parse_video,
    round_seconds,
)
from vidseq.data.schema import NEXT_ACTION, QUESTION, Query, Segment
from vidseq.data.table_files import table_of
from vidseq.data.tables import read_csv, read_json, read_jsonl
from vidseq.errors import DataError

#: The fields of rows that hold no names; the reader brings all others to their one form.
NO_NAMES = ("video", *SEGMENT_FIELDS[1:3])


def missing_rows(dataset: Dataset) -> Iterator[str]:
    """Yields a problem where nothing can be learnt: a data set without videos."""
    if not dataset.videos:
        yield f"{VIDEOS_FILE}: expects at least one video, got none. Add a row a video, or use `vidseq data init`."


def repeated_rows(dataset: Dataset) -> Iterator[str]:
    """Yields a problem for each row that its table holds before, to the millisecond."""
    tables: dict[str, Iterator[tuple[str, Segment | Query]]] = {
        SEGMENTS_FILE: _segments(table_of(dataset.folder, SEGMENTS_FILE)),
        QUERIES_FILE: _queries(table_of(dataset.folder, QUERIES_FILE)),
    }
    for name, rows in tables.items():
        first: dict[Segment | Query, str] = {}
        for where, item in rows:
            before = first.setdefault(_rounded(item), where)
            if before != where:
                yield f"{where}: {name} expects every row once, got the row of {before} again. Remove one of them."


def _rounded(item: Segment | Query) -> Segment | Query:
    if isinstance(item, Segment):
        return replace(item, start=round_seconds(item.start), end=round_seconds(item.end))
    return replace(item, time=round_seconds(item.time))


def names_that_differ_in_case(dataset: Dataset) -> Iterator[str]:
    """Yields a problem for names that are two by their case alone, and that `dataset.json` does not list.

    A class that is written in two ways has half of its examples each way. Features of videos whose names differ in
    case are one file on some systems, and a group is one person however it is written.
    """
    listed_actions = dataset.info.labels.get("action")
    labels = ((where, item.label) for where, item in _segments(table_of(dataset.folder, SEGMENTS_FILE)))
    yield from _case_twins(SEGMENTS_FILE, "label", "labels.action", listed_actions, labels)
    queries = list(_queries(table_of(dataset.folder, QUERIES_FILE)))
    for kind, listed in ((QUESTION, "answer"), (NEXT_ACTION, "action")):
        answers = ((where, query.answer) for where, query in queries if query.kind == kind and not query.choices)
        yield from _case_twins(QUERIES_FILE, "answer", f"labels.{listed}", dataset.info.labels.get(listed), answers)
    videos = list(read_jsonl(table_of(dataset.folder, VIDEOS_FILE), parse_video, _skip))
    yield from _case_twins(VIDEOS_FILE, "video", None, None, ((where, video.video) for where, video in videos))
    groups = ((where, video.group) for where, video in videos if video.group is not None)
    yield from _case_twins(VIDEOS_FILE, "group", None, None, groups)


def _case_twins(
    file: str, field: str, list_name: str | None, listed: Collection[str] | None, names: Iterable[tuple[str, str]]
) -> Iterator[str]:
    ways: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for where, name in names:
        if listed is None or name not in listed:
            ways[name.casefold()].setdefault(name, where)
    for forms in ways.values():
        if len(forms) > 1:
            (first, _), (second, where) = list(forms.items())[:2]
            also = "" if list_name is None else f", or list both in {list_name} of {INFO_FILE} if they are two"
            yield (
                f"{where}: '{field}' expects names that differ by more than case, got '{second}' besides '{first}' "
                f"({forms[first]}). Write one of them{also}."
            )


def questions_asked_twice(dataset: Dataset) -> Iterator[str]:
    """Yields a problem for each question that evaluation refuses; copies of a whole row are `repeated_rows`."""
    rows = list(_queries(table_of(dataset.folder, QUERIES_FILE)))
    for indices in repeated_questions([query for _, query in rows]):
        group = [rows[index] for index in indices]
        if len({query for _, query in group}) == 1:
            continue
        query, answers = group[0][1], dict.fromkeys(query.answer for _, query in group)
        what = f"got the answers {', '.join(answers)}" if len(answers) > 1 else f"got it {len(group)} times"
        yield (
            f"{group[-1][0]}: question '{query.question}' of '{query.video}' at {query.time:.3f} s expects one row, "
            f"{what} ({listing([where for where, _ in group], 5)}). Keep one of them: training and "
            "evaluation refuse more."
        )


def names_out_of_form(dataset: Dataset) -> Iterator[str]:
    """Yields a problem for each name that the reader changes: spaces too many, or letters in parts."""
    found: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for where, field, name in _names(dataset.folder):
        if normal_text(name) not in (name, ""):
            found[where.split(":")[0], field, name].append(where)
    for (_, field, name), rows in found.items():
        also = f" ({len(rows)} rows)" if len(rows) > 1 else ""
        yield (
            f"{rows[0]}: '{field}' expects single spaces, none at the ends, and composed letters (NFC), got {name!r}"
            f"{also}. It is read as '{normal_text(name)}'; write it so."
        )


def _names(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yields file and line, field, and text of every name, as it is written."""
    labels = read_json(table_of(folder, INFO_FILE)).get("labels")
    for kind, names in labels.items() if isinstance(labels, dict) else ():
        for name in names if isinstance(names, list) else ():
            yield INFO_FILE, f"labels.{kind}", str(name)
    for file, read in ((SEGMENTS_FILE, _segment_rows), (QUERIES_FILE, _query_rows)):
        table = table_of(folder, file)
        if table.is_file():
            for where, values in read(table):
                for field, value in values.items():
                    if field in NO_NAMES:
                        continue
                    for name in value if isinstance(value, list) else [value]:
                        if isinstance(name, str):
                            yield where, field, name


def _segments(path: Path) -> Iterator[tuple[str, Segment]]:
    if not path.is_file():
        return iter(())
    return read_csv(path, parse_segment, _skip, required=SEGMENT_FIELDS, optional=("track",))


def _queries(path: Path) -> Iterator[tuple[str, Query]]:
    return read_jsonl(path, parse_query, _skip) if path.is_file() else iter(())


def _segment_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    return read_csv(path, _values, _skip, required=SEGMENT_FIELDS, optional=("track",))


def _query_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    return read_jsonl(path, _values, _skip)


def _values(row: Row) -> Mapping[str, object]:
    return row.values


def _skip(problem: DataError) -> None:
    """Passes over a wrong row, which the reader reports."""
