"""Importers of foreign layouts, one file a layout; each has `convert(source, out, ...) -> ConversionReport`."""

from collections.abc import Callable
from typing import Final

from vidseq.data.conversion import ConversionReport
from vidseq.data.importers import epic, folder, mstcn

#: The layouts by the name that `vidseq data convert --from` takes.
IMPORTERS: Final[dict[str, Callable[..., ConversionReport]]] = {
    "mstcn": mstcn.convert,
    "epic": epic.convert,
    "folder": folder.convert,
}
