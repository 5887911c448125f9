"""Reads JSON documents whose rows are items of a list or members of an object, each with its line."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from vidseq.data.fields import Row
from vidseq.data.tables import Report, check_characters, raise_it, read_text, repeated_field, repeats
from vidseq.errors import DataError

Item = TypeVar("Item")

_CLOSING = {"[": "]", "{": "}"}
_KIND = {"[": "a list", "{": "an object"}
_SPACE = re.compile(r"[ \t\n\r]*")


def read_json_rows(
    path: Path,
    parse: Callable[[Row], Item],
    report: Report = raise_it,
    *,
    inside: str | None = None,
    key: str | None = None,
) -> Iterator[tuple[str, Item]]:
    """Reads a JSON file whose rows are the objects in one list, or the members of one object.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, on one line or on many.
        parse: makes the item of a row, or raises `DataError`.
        report: called with the error of every bad row.
        inside: the member of the outermost object that holds the rows; None: the rows are outermost.
        key: where rows are the members of an object: the field of a row that gets the member's name.

    Yields:
        where the row begins, such as "activity_net.json:3", and its item.

    Raises:
        DataError: the file is no UTF-8 text or no JSON, or does not hold such rows.
    """
    text = read_text(path)
    document, may_hold_halves = _Document(path.name, text), "\\ud" in text.lower()
    if inside is not None:
        document.enter(inside)
    for where, name, value in document.items("[" if key is None else "{"):
        try:
            if not isinstance(value, dict):
                raise DataError(f"{where}: expects one JSON object in braces, got {str(value)[:60]}.")
            if may_hold_halves:
                check_characters(where, [name, value])
            document.refuse_repeats(where)
            yield where, parse(Row(where, value if key is None else {**value, key: name}))
        except DataError as problem:
            report(problem)


class _Document:
    """The text of a JSON document, read value by value."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._at = 0
        self._counted, self._line = 0, 1
        self._repeats: list[str] = []
        # NaN passes here; the check of the field refuses it, and names the row
        self._decoder = json.JSONDecoder(object_pairs_hook=self._fields)

    def refuse_repeats(self, where: str) -> None:
        """Refuses a row with a field that stands twice in the text, since one of its values would be lost.

        Raises:
            DataError: names the field.
        """
        found, self._repeats = self._repeats, []
        if found:
            raise repeated_field(where, found[0])

    def _fields(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        self._repeats += repeats(pairs)
        return dict(pairs)

    def enter(self, member: str) -> None:
        """Moves to the value of a member of the next object."""
        others = []
        for name in self._members("{"):
            if name == member:
                return
            others.append(str(name))
            self._value()
        raise DataError(f"{self._name}: expects a member '{member}', got {', '.join(others) or 'none'}.")

    def items(self, opening: str) -> Iterator[tuple[str, str | None, object]]:
        """Yields where each item of the next list or object begins, its name (None in a list), and its value."""
        for name in self._members(opening):
            self._next()
            where = self._where()
            yield where, name, self._value()

    def _members(self, opening: str) -> Iterator[str | None]:
        """Yields the names; the caller reads the value of each before the next."""
        self._take(opening, _KIND[opening])
        more = self._next() != _CLOSING[opening]
        while more:
            if opening == "{":
                name = self._value()
                if not isinstance(name, str):
                    raise self._wrong("a name in quotes")
                self._take(":", "a colon")
                self._next()
                yield name
            else:
                yield None
            more = self._next() == ","
            if more:
                self._take(",", "a comma")
        self._take(_CLOSING[opening], f"a comma or '{_CLOSING[opening]}'")

    def _value(self) -> object:
        self._next()
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as problem:
            self._at = problem.pos
            raise self._wrong(f"JSON ({problem.msg})") from None
        except RecursionError:
            raise self._wrong("JSON that is not nested too deep") from None
        except ValueError:
            raise self._wrong("whole numbers of fewer digits") from None
        return value

    def _next(self) -> str:
        """Returns the next character that is no whitespace; empty at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, character: str, what: str) -> None:
        if self._next() != character:
            raise self._wrong(what)
        self._at += 1

    def _where(self) -> str:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return f"{self._name}:{self._line}"

    def _wrong(self, what: str) -> DataError:
        rest = self._text[self._at : self._at + 40].splitlines()
        return DataError(f"{self._where()}: expects {what}, got {rest[0] if rest else 'the end of the file'}.")
