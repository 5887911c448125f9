"""Finds rows of a data set that can be read, and that their authors hardly meant."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vidseq.data.consistency import repeated_questions
from vidseq.data.dataset import Dataset
from vidseq.data.fields import Row, listing, normal_text
from vidseq.data.format import INFO_FILE, QUERIES_FILE, SEGMENT_FIELDS, SEGMENTS_FILE, parse_query
from vidseq.data.schema import Query, Segment
from vidseq.data.tables import read_csv, read_json, read_jsonl
from vidseq.errors import DataError

#: The fields of rows that hold no names; the reader brings all others to their one form.
NO_NAMES = ("video", *SEGMENT_FIELDS[1:3])


def repeated_rows(dataset: Dataset) -> Iterator[str]:
    """Yields a problem for each table that holds a row twice."""
    tables: dict[str, Sequence[Segment | Query]] = {SEGMENTS_FILE: dataset.segments, QUERIES_FILE: dataset.queries}
    for name, items in tables.items():
        counts = Counter(items)
        repeats = len(items) - len(counts)
        if repeats:
            first = counts.most_common(1)[0][0]
            yield f"{name}: expects every row once, got {repeats} repeated, the first {first}. Remove the copies."


def questions_asked_twice(dataset: Dataset) -> Iterator[str]:
    """Yields a problem for each question that evaluation refuses; copies of a whole row are `repeated_rows`."""
    path = dataset.folder / QUERIES_FILE
    if not path.is_file():
        return
    rows = list(read_jsonl(path, parse_query, _skip))
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


def names_out_of_form(folder: Path) -> Iterator[str]:
    """Yields a problem for each name that the reader changes: spaces too many, or letters in parts."""
    found: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for where, field, name in _names(folder):
        if name != normal_text(name):
            found[where.split(":")[0], field, name].append(where)
    for (_, field, name), rows in found.items():
        also = f" ({len(rows)} rows)" if len(rows) > 1 else ""
        yield (
            f"{rows[0]}: '{field}' expects single spaces, none at the ends, and composed letters (NFC), got {name!r}"
            f"{also}. It is read as '{normal_text(name)}'; write it so."
        )


def _names(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yields file and line, field, and text of every name, as it is written."""
    labels = read_json(folder / INFO_FILE).get("labels")
    for kind, names in labels.items() if isinstance(labels, dict) else ():
        for name in names if isinstance(names, list) else ():
            yield INFO_FILE, f"labels.{kind}", str(name)
    for file, read in ((SEGMENTS_FILE, _segment_rows), (QUERIES_FILE, _query_rows)):
        if (folder / file).is_file():
            for where, values in read(folder / file):
                for field, value in values.items():
                    if field in NO_NAMES:
                        continue
                    for name in value if isinstance(value, list) else [value]:
                        if isinstance(name, str):
                            yield where, field, name


def _segment_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    return read_csv(path, _values, _skip, required=SEGMENT_FIELDS, optional=("track",))


def _query_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    return read_jsonl(path, _values, _skip)


def _values(row: Row) -> Mapping[str, object]:
    return row.values


def _skip(problem: DataError) -> None:
    """Passes over a wrong row, which the reader reports."""
