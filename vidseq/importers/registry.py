"""Importers of foreign layouts, one file a layout; each has `convert(source, out, ...) -> ConversionReport`."""

from collections.abc import Callable
from typing import Final

from vidseq.importers import (
    activitynet,
    charades,
    ego4d_lta,
    egoschema,
    epic,
    folder,
    kinetics,
    mstcn,
    nextqa,
    perframe,
    rulstm,
)
from vidseq.importers.conversion import ConversionReport

#: The layouts by the name that `vidseq data convert --from` takes.
IMPORTERS: Final[dict[str, Callable[..., ConversionReport]]] = {
    "mstcn": mstcn.convert,
    "epic": epic.convert,
    "activitynet": activitynet.convert,
    "kinetics": kinetics.convert,
    "folder": folder.convert,
    "charades": charades.convert,
    "ego4d_lta": ego4d_lta.convert,
    "nextqa": nextqa.convert,
    "egoschema": egoschema.convert,
    "perframe": perframe.convert,
    "rulstm": rulstm.convert,
}
