"""Prediction rows as a table for a person at a terminal, row by row, as they are known."""

import shutil
from typing import TYPE_CHECKING, TextIO

from vidseq.data.schema import FRAME_LABEL, FUTURE, NEXT_ACTION
from vidseq.inference.predictions import Prediction

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Letters of the columns of times and of bars; below `MIN_WIDTH` a row takes two lines.
_TIMES, _BAR, MIN_WIDTH = 17, 10, 72
#: A full, a half and an empty letter of a bar, and marks of right and wrong answers, with and without Unicode.
_UNICODE, _ASCII = ("█", "▌", "·", "✓", "✗", "–"), ("#", "=", ".", "+", "x", "-")
#: What rows of a kind say that have no question.
_WHAT = {FRAME_LABEL: "segment", NEXT_ACTION: "next action", FUTURE: "forecast"}


class TerminalTable:
    """Formats rows as lines of a table, with the name of a video before its first row.

    Args:
        output: the terminal; its width is read for each row, and NO_COLOR and TERM are respected.
        with_truth: whether rows hold right answers, so that there is a column for them.
    """

    def __init__(self, output: TextIO, *, with_truth: bool = False) -> None:
        self._output, self._with_truth = output, with_truth
        self._letters = _UNICODE if _writes("".join(_UNICODE), output) else _ASCII
        self._video: str | None = None

    def __call__(self, row: Prediction) -> str:
        """The lines of a row, without the last line end."""
        from rich.text import Text

        console = _console(self._output)
        with console.capture() as capture:
            if row.video != self._video:
                console.print(Text(("\n" if self._video is not None else "") + _plain(row.video), "bold"))
                self._video = row.video
            self._print(console, row)
        return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))

    def _print(self, console: "Console", row: Prediction) -> None:
        from rich.table import Table
        from rich.text import Text

        room = console.width - _TIMES - _BAR - 5 - 4
        cells = [Text(self._times(row), "dim"), Text(_what(row)), Text(_plain(row.answer), "bold")]
        if console.width < MIN_WIDTH:
            console.print(Text("  ").join(cells[:2]))
            console.print(Text("  ").join([Text(""), cells[2], self._bar(row), *self._verdict(row)]))
            return
        truth = room // 4 if self._with_truth else 0
        what = (room - truth) * 9 // 20
        grid = Table.grid(padding=(0, 1, 0, 0))
        widths = [_TIMES, what, room - truth - what, _BAR + 5, *([truth] if truth else [])]
        for width in widths:
            grid.add_column(width=max(1, width), overflow="fold")
        grid.add_row(*cells, self._bar(row), *(self._verdict(row) if truth else []))
        console.print(grid)

    def _times(self, row: Prediction) -> str:
        dash = self._letters[-1]
        return _clock(row.time) if row.end is None else f"{_clock(row.time)} {dash} {_clock(row.end)}"

    def _bar(self, row: Prediction) -> "Text":
        from rich.text import Text

        full, half, empty, *_ = self._letters
        halves = round(2 * _BAR * row.probability)
        filled = full * (halves // 2) + half * (halves % 2)
        return Text.assemble((filled, "blue"), (empty * (_BAR - len(filled)), "dim"), f" {row.probability:4.0%}")

    def _verdict(self, row: Prediction) -> list["Text"]:
        from rich.text import Text

        if row.truth is None:
            return []
        right, wrong = self._letters[3:5]
        return [Text(f"{wrong} {_plain(row.truth)}", "red") if row.is_wrong else Text(right, "green")]


def _console(output: TextIO) -> "Console":
    from rich.console import Console

    width, height = shutil.get_terminal_size()  # rich itself takes every plain terminal for one of 80 columns
    return Console(file=output, width=width, height=height, highlight=False, markup=False, emoji=False)


def _writes(letters: str, output: TextIO) -> bool:
    """Whether the encoding of an output has all letters."""
    try:
        letters.encode(getattr(output, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _what(row: Prediction) -> str:
    if row.kind == FUTURE or row.question is None:
        return _WHAT.get(row.kind, row.kind.replace("_", " "))
    return _plain(row.question)


def _plain(text: str) -> str:
    """A text without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _clock(seconds: float) -> str:
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = (
        f"{minutes:02d}:{tenths // 10:02d}.{tenths % 10}" if hours else f"{minutes}:{tenths // 10:02d}.{tenths % 10}"
    )
    return f"{hours}:{rest}" if hours else rest
