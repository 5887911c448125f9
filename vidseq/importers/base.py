"""The interface of importers, which convert foreign layouts to data sets."""

import functools
import inspect
from collections.abc import Callable
from typing import Generic, ParamSpec

from vidseq.importers.conversion import ConversionReport

P = ParamSpec("P")


class Importer(Generic[P]):
    """A function that converts a foreign layout, and the name of the layout.

    The function takes `source` and `out` and then its options, which are keywords with a type and a line in the
    docstring's `Args`. `vidseq data convert --from NAME` has the same options.

    Args:
        name: of the layout, as `vidseq data convert --from` takes it.
        convert: the function.
    """

    def __init__(self, name: str, convert: Callable[P, ConversionReport]) -> None:
        self.name = name
        self._convert = convert
        functools.update_wrapper(self, convert)

    def __call__(self, *args: P.args, **options: P.kwargs) -> ConversionReport:
        """Converts; see the function."""
        return self._convert(*args, **options)

    @property
    def summary(self) -> str:
        """What it converts, in one line: the first line of the function's docstring."""
        return (inspect.getdoc(self._convert) or "").partition("\n")[0]

    @property
    def options(self) -> tuple[str, ...]:
        """The names of its options."""
        return tuple(name for name in inspect.signature(self._convert).parameters if name not in ("source", "out"))


def importer(name: str) -> Callable[[Callable[P, ConversionReport]], Importer[P]]:
    """Makes a function the importer of a layout.

    Args:
        name: of the layout, as `vidseq data convert --from` takes it.
    """
    return functools.partial(Importer, name)
