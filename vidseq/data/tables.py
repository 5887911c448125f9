"""Reading tables of text: a JSON object a line, or CSV; every row knows its file and line.

A row that is wrong raises `DataError("queries.jsonl:12: ...")`. Whoever reads a table says through `report` what is to
happen then: raise it (loading a data set), or note it and go on (checking one).
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO, TypeVar

from vidseq.data.fields import Row, nearest
from vidseq.errors import DataError

Item = TypeVar("Item")
#: What to do with a row that is wrong.
Report = Callable[[DataError], None]


def raise_it(problem: DataError) -> NoReturn:
    """The strict `Report`."""
    raise problem


def read_jsonl(path: Path, parse: Callable[[Row], Item], report: Report = raise_it) -> Iterator[tuple[str, Item]]:
    """Reads a file of one JSON object a line; empty lines do not count.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, any line ends.
        parse: makes the item of a row, or raises `DataError`.
        report: told of every row that is wrong.

    Yields:
        where the row stands, such as "videos.jsonl:3", and its item.

    Raises:
        DataError: the file is no UTF-8 text.
    """
    with _open(path) as file:
        for number, line in enumerate(_lines(file, path), 1):
            if line.isspace():
                continue
            where = f"{path.name}:{number}"
            try:
                yield where, parse(Row(where, _json_object(where, line)))
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
        path: the file; UTF-8, with or without a byte-order mark, any line ends.
        parse: makes the item of a row, or raises `DataError`.
        report: told of every row that is wrong.
        required: columns that must be there, in any order.
        optional: columns that may be.
        other_columns: whether columns besides these are let pass.
        header: the columns' names, for a file whose first line is data.

    Yields:
        where the row stands, such as "segments.csv:3", and its item.

    Raises:
        DataError: the header is wrong, or the file is no UTF-8 text.
    """
    with _open(path) as file:
        rows = _csv_rows(file, path)
        columns = list(header) if header is not None else _header(rows, path, required)
        if header is None:
            _check_columns(columns, path, required, optional, other_columns)
        for number, values in rows:
            if not any(values):
                continue
            where = f"{path.name}:{number}"
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
    """Reads a file that is one JSON object.

    Raises:
        DataError: it is none.
    """
    return _json_object(path.name, read_text(path))


def read_text(path: Path) -> str:
    """All of a file of UTF-8 text, without a byte-order mark.

    Raises:
        DataError: the file is none.
    """
    with _open(path) as file:
        return "".join(_lines(file, path))


def check_characters(where: str, value: object) -> None:
    """Refuses text that no file can hold: JSON may escape half of a pair of surrogates.

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
    """Reads a file of text.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, any line ends.

    Yields:
        where a line stands, such as "mapping.txt:3", and the line; those that are empty do not count.

    Raises:
        DataError: the file is no UTF-8 text.
    """
    with _open(path) as file:
        for number, line in enumerate(_lines(file, path), 1):
            if line.strip():
                yield f"{path.name}:{number}", line.strip()


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8-sig", newline="")


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError as problem:
        raise DataError(
            f"{path.name}: expects UTF-8 text, got the byte {problem.object[problem.start]:#04x}."
        ) from None


def _json_object(where: str, text: str) -> dict[str, object]:
    try:
        value = _DECODER.decode(text.rstrip())
    except json.JSONDecodeError as problem:
        line = f" at line {problem.lineno}" if problem.lineno > 1 else ""
        raise DataError(
            f"{where}: expects one JSON object, got text that goes wrong{line} at character {problem.colno} "
            f"({problem.msg})."
        ) from None
    except DataError as problem:
        raise DataError(f"{where}: {problem}") from None
    except ValueError:
        raise DataError(f"{where}: expects whole numbers of fewer digits.") from None
    except RecursionError:
        raise DataError(f"{where}: expects one JSON object, got one nested too deep.") from None
    if "\\ud" in text.lower():
        check_characters(where, value)
    if not isinstance(value, dict):
        raise DataError(f"{where}: expects one JSON object in braces, got {text.strip()[:60]}.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise DataError(f"expects finite numbers, got {name}. Leave the field out where there is no value.")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _csv_rows(file: TextIO, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(_lines(file, path))
    try:
        for values in reader:
            yield reader.line_num, values
    except csv.Error as problem:
        raise DataError(
            f"{path.name}:{reader.line_num}: expects a row of CSV, got text that is none ({problem})."
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
    for column in columns:
        if columns.count(column) > 1:
            raise DataError(f"{path.name}:1: expects every column once, got '{column}' {columns.count(column)} times.")
        if column not in known and not other_columns:
            raise DataError(
                f"{path.name}:1: unknown column '{column}'.{nearest(column, known)} Columns: {', '.join(known)}."
            )
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(
            f"{path.name}:1: column '{missing[0]}' is missing. The first line names the columns; "
            f"needed: {', '.join(required)}."
        )
