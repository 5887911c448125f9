"""The interface of exporters, which write annotations as the files of a tool."""

import functools
import inspect
from collections.abc import Callable, Iterator

from vidseq.exporters.content import ExportContent

#: Name and text of a file.
File = tuple[str, str]
Write = Callable[[ExportContent], Iterator[File]]


class Exporter:
    """A function from content to files, and the name of the layout.

    Args:
        name: of the layout, as `vidseq data export --layout` takes it; the same as that of its importer.
        write: yields name and text of each file.
        plays: whether the tool shows times of a player, which counts from the first sound or picture of a file.
    """

    def __init__(self, name: str, write: Write, *, plays: bool = True) -> None:
        self.name, self.plays = name, plays
        self._write = write
        functools.update_wrapper(self, write)

    def __call__(self, content: ExportContent) -> Iterator[File]:
        """Yields name and text of each file; see the function."""
        return self._write(content)

    @property
    def summary(self) -> str:
        """What it writes, in one line: the first line of the function's docstring."""
        return (inspect.getdoc(self._write) or "").partition("\n")[0]


def exporter(name: str, *, plays: bool = True) -> Callable[[Write], Exporter]:
    """Makes a function the exporter of a layout.

    Args:
        name: of the layout, as `vidseq data export --layout` takes it.
        plays: see `Exporter`.
    """
    return functools.partial(Exporter, name, plays=plays)
