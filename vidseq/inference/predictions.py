"""Writes the rows of a prediction as JSONL, CSV or SubRip subtitles."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vidseq.errors import UserError
from vidseq.files import atomic_write
from vidseq.tasks.prediction import Prediction as Prediction

#: How long a subtitle stays that has no end of its own.
SUBTITLE_SECONDS = 3.0


def write_predictions(predictions: Sequence[Prediction], path: Path | str) -> None:
    """Writes rows whole or not at all, in the form that the file's ending names.

    Raises:
        UserError: the ending is none of .jsonl, .csv and .srt.
    """
    atomic_write(path, formatter(path)(predictions))


def formatter(path: Path | str) -> Callable[[Iterable[Prediction]], str]:
    """Finds the form for a file by its ending; call it early, to refuse a wrong one before long work."""
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        raise UserError(f"--out expects a file that ends in {', '.join(FORMATS)}, got '{path}'.")
    return FORMATS[suffix]


def to_jsonl(predictions: Iterable[Prediction]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row.as_record(), ensure_ascii=False) + "\n" for row in predictions)


def to_csv(predictions: Iterable[Prediction]) -> str:
    """A table with a header; the ranking is written as "label=probability; ..."."""
    text = io.StringIO()
    fields = list(Prediction.__dataclass_fields__)
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    for row in predictions:
        record = row.as_record()
        record["ranking"] = "; ".join(f"{label}={value:.4f}" for label, value in row.ranking)
        writer.writerow(record)
    return text.getvalue()


def to_srt(predictions: Iterable[Prediction]) -> str:
    """SubRip subtitles in order of time; segments last as long as they do, answers `SUBTITLE_SECONDS`."""
    blocks = []
    for number, row in enumerate(sorted(predictions, key=lambda row: row.time), start=1):
        end = row.time + SUBTITLE_SECONDS if row.end is None else row.end
        blocks.append(f"{number}\n{_srt_time(row.time)} --> {_srt_time(end)}\n{row.as_text()}\n")
    return "\n".join(blocks)


def _srt_time(seconds: float) -> str:
    millis = round(seconds * 1000)
    hours, millis = divmod(millis, 3_600_000)
    minutes, millis = divmod(millis, 60_000)
    whole, millis = divmod(millis, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d},{millis:03d}"


FORMATS: dict[str, Callable[[Iterable[Prediction]], str]] = {".jsonl": to_jsonl, ".csv": to_csv, ".srt": to_srt}
