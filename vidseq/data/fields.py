"""Reads the fields of one row of a text file; the error of a wrong field names its file and line."""

import difflib
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from vidseq.errors import DataError

Value = TypeVar("Value")

#: Times are written to the millisecond; times that agree to the millisecond are equal.
TIME_DECIMALS = 3
#: How far a rounded time may exceed another rounded time that bounds it, in seconds.
TIME_TOLERANCE = 1.5e-3
#: The largest valid time, a thousand years.
MAX_SECONDS = 3.2e10
#: The largest valid frame rate, more than that of any camera.
MAX_FPS = 1_000_000

_SECONDS = "seconds such as 63.5, a finite number that is not negative"
_RATE = re.compile(r"\d{1,20}(\.\d{1,20}|/\d{1,20})?")
_ZERO_BELOW = re.compile(r"/0+$")
#: Characters that editors and web pages leave in texts and nobody sees: without width, soft hyphens, and marks that
#: turn the direction of writing, which letters know by themselves. Joiners stay: some scripts need them.
_UNSEEN = str.maketrans("", "", "\ufeff\u200b\u2060\u00ad\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
                        "\u2066\u2067\u2068\u2069")  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_UNSAFE_IN_FILE_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]')


def nearest(name: str, known: Collection[str]) -> str:
    """Returns a hint with the nearest known name, after a space; empty if no name is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def listing(names: Collection[str], most: int = 12) -> str:
    """Joins names for a message, and shortens a long list."""
    shown = ", ".join(list(names)[:most])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > most else shown or "(none)"


def normal_text(text: str) -> str:
    """Returns the one form of a label or a question: composed letters (NFC), single spaces, none at the ends.

    The reader, the check and all importers use this rule, so that names that look the same are one class.
    """
    if text.isascii():  # for speed alone
        return " ".join(text.split())
    return " ".join(unicodedata.normalize("NFC", text.translate(_UNSEEN)).split())


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _decimal(text: str) -> float:
    """Parses a number as other programs write it; Python also takes 1_0 for 10, and digits of every script."""
    if "_" in text or not text.isascii():
        raise ValueError
    return float(text)


def parse_fps(value: object) -> Fraction:
    """Parses a frame rate.

    Args:
        value: a rational text such as "30000/1001", a decimal text, a fraction, or a number.

    Returns:
        frames per second, above 0.

    Raises:
        DataError: the value is none of these.
    """
    text = str(value) if is_number(value) or isinstance(value, (str, Fraction)) else ""
    # Fraction would also accept exponents, and compute "1e999999999" forever.
    fps = Fraction(text) if _RATE.fullmatch(text) and not _ZERO_BELOW.search(text) else Fraction(0)
    if not 0 < fps <= MAX_FPS:
        raise DataError(f'fps expects a rate above 0 such as 25 or "30000/1001", got {value!r}.')
    return fps


class Row:
    """The fields of one row.

    Args:
        where: file and line, such as "queries.jsonl:12".
        values: the values by field.
    """

    __slots__ = ("values", "where")

    def __init__(self, where: str, values: Mapping[str, object]) -> None:
        self.where = where
        self.values = values

    def error(self, message: str) -> DataError:
        """Makes the error of this row, for the caller to raise."""
        return DataError(f"{self.where}: {message}")

    def expect(self, key: str, what: str) -> DataError:
        """Makes the error of a field that is not `what`."""
        got = "nothing" if key not in self.values else repr(self.values[key])
        return self.error(f"'{key}' expects {what}, got {got}.")

    def check_keys(self, required: Collection[str], optional: Collection[str] = ()) -> None:
        """Refuses unknown and missing fields."""
        known = [*required, *optional]
        for key in self.values:
            if key not in known:
                raise self.error(f"unknown field '{key}'.{nearest(key, known)} Known fields: {', '.join(known)}.")
        for key in required:
            if key not in self.values:
                raise self.error(f"field '{key}' is missing. Fields every row needs: {', '.join(required)}.")

    def text(self, key: str) -> str:
        """Returns a text that is not empty."""
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.expect(key, "a text")
        return value

    def optional_text(self, key: str) -> str | None:
        """Returns a text; None if the field is missing or null."""
        return None if self.values.get(key) is None else self.text(key)

    def name(self, key: str) -> str:
        """Returns a label, an answer or a question in its one form, see `normal_text`."""
        return self._name(key, self.text(key), "a text")

    def _name(self, key: str, text: str, what: str) -> str:
        normal = normal_text(text)
        if not normal:
            raise self.expect(key, what)
        if _CONTROL.search(normal):
            raise self.error(f"'{key}' expects text without control characters, got {text!r}. Remove them.")
        return normal

    def optional_name(self, key: str) -> str | None:
        """Returns a label, an answer or a question in its one form; None if the field is missing or null."""
        return None if self.values.get(key) is None else self.name(key)

    def identifier(self, key: str) -> str:
        """Returns the name of a video, in composed letters and without spaces at its ends."""
        return unicodedata.normalize("NFC", self.text(key)).strip()

    def file_name(self, key: str) -> str:
        """Returns a text of composed letters that can be a file name on any system."""
        value = unicodedata.normalize("NFC", self.text(key))
        if _UNSAFE_IN_FILE_NAMES.search(value) or value[0] in ". " or value[-1] in ". " or len(value.encode()) > 200:
            raise self.expect(
                key,
                'a name that any system takes for a file (none of / \\ : * ? " < > | or control characters, no dot or '
                "space at its ends, at most 200 bytes)",
            )
        return value

    def seconds(self, key: str) -> float:
        """Returns a time or duration: a finite number that is not negative."""
        value = self.values.get(key)
        # JSON's true and false are not numbers, though Python's True and False are.
        if isinstance(value, (float, int)) and value is not True and value is not False and 0 <= value <= MAX_SECONDS:
            return float(value)
        raise self.expect(key, _SECONDS)

    def seconds_as_text(self, key: str) -> float:
        """Returns a time or duration from a text such as "12.50"; NaN is an error."""
        seconds = self.parsed(key, _decimal, _SECONDS)
        if not 0 <= seconds <= MAX_SECONDS:
            raise self.expect(key, _SECONDS)
        return seconds

    def whole_number(self, key: str, what: str = "a whole number") -> int:
        """Returns a whole number from 0 on, given as a number or a text."""
        value = self.values.get(key)
        if not re.fullmatch(r"[0-9]{1,18}", str(value).strip()):
            raise self.expect(key, what)
        return int(str(value))

    def parsed(self, key: str, read: Callable[[str], Value], what: str) -> Value:
        """Parses a text with `read`, whose ValueError means that the field is not `what`."""
        try:
            return read(str(self.values[key]))
        except (KeyError, ValueError):
            raise self.expect(key, what) from None

    def optional_seconds(self, key: str) -> float | None:
        """Returns a time or duration in seconds; None if the field is missing or null."""
        return None if self.values.get(key) is None else self.seconds(key)

    def optional_fps(self, key: str) -> Fraction | None:
        """Returns a frame rate; None if the field is missing or null."""
        value = self.values.get(key)
        if value is None:
            return None
        try:
            return parse_fps(value)
        except DataError as problem:
            raise self.error(str(problem)) from None

    def texts(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """Returns a list of texts without repeats."""
        value = self.values.get(key)
        if value is None:
            return tuple(default)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.expect(key, "a list of texts")
        if len(set(value)) < len(value):
            twice = next(item for item in value if value.count(item) > 1)
            raise self.error(f"'{key}' expects every text once, got '{twice}' {value.count(twice)} times.")
        return tuple(value)

    def names(self, key: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """Returns a list of labels or answers in their one form; those that differ only in form are one."""
        texts = self.texts(key, default)
        return tuple(dict.fromkeys(self._name(key, text, "a list of texts") for text in texts))

    def pairs(self, key: str, what: str, valid: Callable[[float, float], bool]) -> tuple[tuple[float, float], ...]:
        """Returns a list of pairs of numbers that `valid` accepts; null as the first number means infinity."""
        value = self.values.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.expect(key, what)
        return tuple(self._pair(key, what, valid, item) for item in value)

    def _pair(self, key: str, what: str, valid: Callable[[float, float], bool], item: object) -> tuple[float, float]:
        if isinstance(item, list) and len(item) == 2:
            first, second = math.inf if item[0] is None else item[0], item[1]
            if is_number(first) and is_number(second) and valid(first, second):
                return float(first), float(second)
        raise self.error(f"'{key}' expects {what}, got {item!r}.")
