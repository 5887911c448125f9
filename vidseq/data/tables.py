"""Reads text tables, as one JSON object per line or CSV, and keeps the file and line of each row.

The error of a wrong row is `DataError("queries.jsonl:12: ...")`. The caller's `report` handles it: it raises the error
(when a data set is loaded), or collects it and continues (when one is checked).
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO, TypeVar

from vidseq.data.fields import Row, nearest
from vidseq.errors import DataError

Item = TypeVar("Item")
#: Handles the error of a wrong row.
Report = Callable[[DataError], None]


def raise_it(problem: DataError) -> NoReturn:
    """Raises the error: the strict `Report`."""
    raise problem


def read_jsonl(path: Path, parse: Callable[[Row], Item], report: Report = raise_it) -> Iterator[tuple[str, Item]]:
    """Reads a file with one JSON object per line; empty lines are skipped.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, with any line endings.
        parse: converts a row to an item, or raises `DataError`.
        report: called with the error of every wrong row.

    Yields:
        file and line of the row, such as "videos.jsonl:3", and its item.

    Raises:
        DataError: the file is not UTF-8 text.
    """
    with _open(path) as file:
        for line_number, line in enumerate(_lines(file, path), 1):
            if line.isspace():
                continue
            where = f"{path.name}:{line_number}"
            try:
                yield where, parse(Row(where, _json_object(where, line, " in this line")))
            except DataError as problem:
                report(problem)


def read_csv(
    path: Path,
    parse: Callable[[Row], Item],
    report: Report = raise_it,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    other_columns: bool = False,
    header: Sequence[str] | None = None,
) -> Iterator[tuple[str, Item]]:
    """Reads a CSV file with a header.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, with any line endings.
        parse: converts a row to an item, or raises `DataError`.
        report: called with the error of every wrong row.
        required: columns that must exist, in any order.
        optional: columns that may exist.
        other_columns: whether further columns are allowed.
        header: names of the columns, for a file whose first line is data.

    Yields:
        file and line of the row, such as "segments.csv:3", and its item.

    Raises:
        DataError: the header is wrong, or the file is not UTF-8 text.
    """
    with _open(path) as file:
        rows = _csv_rows(file, path)
        columns = list(header) if header is not None else _header(rows, path, required)
        if header is None:
            _check_columns(columns, path, required, optional, other_columns)
        for line_number, values in rows:
            if not any(values):
                continue
            where = f"{path.name}:{line_number}"
            try:
                if len(values) != len(columns):
                    raise DataError(
                        f"{where}: a row expects {len(columns)} values ({','.join(columns)}), got {len(values)}. "
                        "Put double quotes around values that hold commas."
                    )
                yield where, parse(Row(where, dict(zip(columns, values))))
            except DataError as problem:
                report(problem)


def read_json(path: Path) -> dict[str, object]:
    """Reads a file that holds one JSON object.

    Raises:
        DataError: the file holds something else.
    """
    return _json_object(path.name, read_text(path))


def read_text(path: Path) -> str:
    """Reads a file of UTF-8 text, without its byte-order mark.

    Raises:
        DataError: the file is not UTF-8 text.
    """
    with _open(path) as file:
        return "".join(_lines(file, path))


def check_characters(where: str, value: object) -> None:
    """Refuses text that cannot be written to a file: JSON may escape half of a surrogate pair.

    Raises:
        DataError: `value` holds such text.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{where}: expects text, got half a character (\\ud800 to \\udfff alone). Write it in UTF-8."
        ) from None


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Reads the lines of a text file; empty lines are skipped.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, with any line endings.

    Yields:
        file and number of a line, such as "mapping.txt:3", and the line.

    Raises:
        DataError: the file is not UTF-8 text.
    """
    with _open(path) as file:
        for line_number, line in enumerate(_lines(file, path), 1):
            if line.strip():
                yield f"{path.name}:{line_number}", line.strip()


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError as problem:
        raise DataError(
            f"{path.name}:{_first_undecodable_line(path)}: expects UTF-8 text, got the byte "
            f"{problem.object[problem.start]:#04x}. Save the file as UTF-8."
        ) from None


def _first_undecodable_line(path: Path) -> int:
    for line_number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            return line_number
    return 1


def _json_object(where: str, text: str, in_line: str = "") -> dict[str, object]:
    try:
        value = _DECODER.decode(text.rstrip())
    except json.JSONDecodeError as problem:
        line = f" at line {problem.lineno}" if problem.lineno > 1 else ""
        raise DataError(
            f"{where}: expects one JSON object{in_line}, got text that goes wrong{line} at character {problem.colno} "
            f"({problem.msg})."
        ) from None
    except _RepeatedFieldError as problem:
        raise repeated_field(where, str(problem)) from None
    except DataError as problem:
        raise DataError(f"{where}: {problem}") from None
    except ValueError:
        raise DataError(f"{where}: expects whole numbers of fewer digits.") from None
    except RecursionError:
        raise DataError(f"{where}: expects one JSON object, got one nested too deep.") from None
    if "\\ud" in text.lower():
        check_characters(where, value)
    if not isinstance(value, dict):
        raise DataError(f"{where}: expects one JSON object{in_line}, in braces, got {text.strip()[:60]}.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise DataError(f"expects finite numbers, got {name}. Leave the field out where there is no value.")


def repeats(pairs: Sequence[tuple[str, object]]) -> list[str]:
    """The names of fields that stand more than once in the text of a JSON object."""
    if len(dict(pairs)) == len(pairs):
        return []
    return [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]


def repeated_field(where: str, name: str) -> DataError:
    """Makes the error of a field that stands twice, for the caller to raise."""
    return DataError(f"{where}: expects every field once, got '{name}' more than once. Keep one of them.")


class _RepeatedFieldError(Exception):
    pass


def _fields_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    for name in repeats(pairs):
        raise _RepeatedFieldError(name)
    return dict(pairs)


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_fields_once)


def _csv_rows(file: TextIO, path: Path) -> Iterator[tuple[int, list[str]]]:
    # not strict, a stray quote would make one value of the rows up to the next one
    reader = csv.reader(_lines(file, path), strict=True)
    begins = 1
    try:
        for values in reader:
            yield begins, values
            begins = reader.line_num + 1
    except csv.Error as problem:
        raise DataError(
            f"{path.name}:{begins}: expects a row of CSV, got text that is none ({problem}). Quotes around a value "
            "stand at both its ends, those inside it twice."
        ) from None


def _header(rows: Iterator[tuple[int, list[str]]], path: Path, required: Sequence[str]) -> list[str]:
    columns = [value.strip() for value in next(rows, (1, []))[1]]
    if not any(columns):
        raise DataError(f"{path.name}:1: expects a header with the columns {','.join(required)}, got an empty line.")
    return columns


def _check_columns(
    columns: list[str], path: Path, required: Sequence[str], optional: Sequence[str], other_columns: bool
) -> None:
    known = [*required, *optional]
    if not set(columns) & set(known):
        raise DataError(
            f"{path.name}:1: expects a header with the columns {','.join(required)}, with commas between, got "
            f"{','.join(columns)[:60]!r}. Write it above the rows, or save the file with commas."
        )
    for column in columns:
        if columns.count(column) > 1:
            raise DataError(f"{path.name}:1: expects every column once, got '{column}' {columns.count(column)} times.")
        if column not in known and not other_columns:
            raise DataError(
                f"{path.name}:1: unknown column '{column}'.{nearest(column, known)} Columns: {', '.join(known)}. "
                "Rename it, or remove it."
            )
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(
            f"{path.name}:1: column '{missing[0]}' is missing. The first line names the columns; "
            f"needed: {', '.join(required)}."
        )
