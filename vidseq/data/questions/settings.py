"""What the questions of a data set are about, as a file in its folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vidseq.errors import DataError
from vidseq.files import atomic_write, parse_json

FILE = "questions.json"


@dataclass(frozen=True)
class QuestionSettings:
    """The families of questions, and what they are not about."""

    families: tuple[str, ...]
    leave_out: tuple[str, ...]
    """Labels that are no actions, besides the background."""


def write_settings(folder: Path, settings: QuestionSettings) -> None:
    """Writes `questions.json`."""
    atomic_write(folder / FILE, json.dumps(asdict(settings), ensure_ascii=False) + "\n")


def read_settings(folder: Path) -> QuestionSettings:
    """Reads `questions.json`.

    Raises:
        DataError: the file is missing or damaged.
    """
    file = folder / FILE
    try:
        fields = parse_json(file.read_text(encoding="utf-8"))
        return QuestionSettings(tuple(fields["families"]), tuple(fields["leave_out"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"Questions expect their families in {file}, got none that can be read ({error!r}). Use the folder that "
            "`vidseq data ask` made, or set drawn_questions to 0."
        ) from None
