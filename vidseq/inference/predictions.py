"""Writes the rows of a prediction as JSONL, CSV or SubRip subtitles."""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vidseq.errors import UserError
from vidseq.files import atomic_write, csv_text
from vidseq.reporting.bidi import without_controls
from vidseq.tasks.prediction import Prediction as Prediction

#: How long a subtitle stays that has no end of its own.
SUBTITLE_SECONDS = 3.0

#: Separators of lines that JSON leaves as they are, though some readers of text end a line there.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


#: Players take <...> and {\\...} for commands, and do not show them; SubRip has no way to write them.
_NO_TAGS = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})


@dataclass(frozen=True)
class RowFormat:
    """A form of a file of rows, which grows row by row."""

    block: Callable[[Prediction, int], str]
    """The text of a row and its number, from 1 on."""
    header: str = ""

    def __call__(self, predictions: Iterable[Prediction]) -> str:
        """The text of a whole file."""
        return self.header + "".join(self.block(row, number) for number, row in enumerate(predictions, start=1))


def write_predictions(predictions: Sequence[Prediction], path: Path | str) -> None:
    """Writes rows whole or not at all, in the form that the file's ending names.

    Raises:
        UserError: the ending is none of .jsonl, .csv and .srt.
    """
    form = formatter(path)
    rows = in_order(predictions) if form is FORMATS[".srt"] else predictions
    atomic_write(path, to_bytes(form(rows)))


def formatter(path: Path | str, *, several: bool = False) -> RowFormat:
    """Finds the form for a file by its ending; call it early, to refuse a wrong one before long work.

    Args:
        path: the file.
        several: whether rows are of several videos, so that each subtitle names its own.

    Raises:
        UserError: the ending is none of .jsonl, .csv and .srt.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        instead = " Leave --out out to print the rows." if str(path) in ("-", "/dev/stdout") else ""
        raise UserError(f"--out expects a file that ends in {', '.join(FORMATS)}, got '{path}'.{instead}")
    return RowFormat(_named_subtitle) if several and suffix == ".srt" else FORMATS[suffix]


def in_order(predictions: Iterable[Prediction]) -> list[Prediction]:
    """Sorts the rows of a video by time, as subtitles are."""
    return sorted(predictions, key=lambda row: row.time)


def later(predictions: Iterable[Prediction], seconds: float) -> Iterator[Prediction]:
    """Moves rows to later times."""
    for row in predictions:
        end = None if row.end is None else row.end + seconds
        yield dataclasses.replace(row, time=row.time + seconds, end=end)


def to_bytes(text: str) -> bytes:
    """UTF-8; half a character, as in a question of other bytes, is escaped as JSON does it."""
    return text.encode(errors="backslashreplace")


def to_json(row: Prediction) -> str:
    """A row as one line of JSON."""
    return json.dumps(row.as_record(), ensure_ascii=False).translate(_LINE_ENDS)


def _json_line(row: Prediction, number: int) -> str:
    return to_json(row) + "\n"


def _table_row(row: Prediction, number: int) -> str:
    """A row of a table; the ranking is written as "label=probability; ..."."""
    record = row.as_record()
    record["ranking"] = "; ".join(f"{label}={value:.4f}" for label, value in row.ranking)
    return _csv_line(record[field] for field in Prediction.__dataclass_fields__)


def _csv_line(values: Iterable[object]) -> str:
    # a carriage return alone would end a row, and csv does not quote it where rows end in "\n"
    texts = ["" if value is None else str(value).replace("\r\n", "\n").replace("\r", "\n") for value in values]
    return csv_text([texts])


def _subtitle(row: Prediction, number: int) -> str:
    """A block of SubRip; segments last as long as they do, answers `SUBTITLE_SECONDS`."""
    return _block(row, number, row.as_text())


def _named_subtitle(row: Prediction, number: int) -> str:
    return _block(row, number, f"{row.video}: {row.as_text()}")


def _block(row: Prediction, number: int, text: str) -> str:
    end = row.time + SUBTITLE_SECONDS if row.end is None else row.end
    # an empty line would end the block, and an arrow would make a line of times
    line = " ".join(without_controls(text).replace("-->", "→").translate(_NO_TAGS).split())
    before = "\n" if number > 1 else ""
    return f"{before}{number}\n{_srt_time(row.time)} --> {_srt_time(max(end, row.time + 0.001))}\n{line}\n"


def _srt_time(seconds: float) -> str:
    millis = round(seconds * 1000)
    hours, millis = divmod(millis, 3_600_000)
    minutes, millis = divmod(millis, 60_000)
    whole, millis = divmod(millis, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d},{millis:03d}"


FORMATS: dict[str, RowFormat] = {
    ".jsonl": RowFormat(_json_line),
    ".csv": RowFormat(_table_row, header=_csv_line(Prediction.__dataclass_fields__)),
    ".srt": RowFormat(_subtitle),
}
