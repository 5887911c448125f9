"""Every importer by the name of its layout. A new importer is a new file, imported and listed here."""

from typing import Any, Final

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
from vidseq.importers.base import Importer

IMPORTERS: Final[dict[str, Importer[Any]]] = {
    importer.name: importer
    for importer in (
        mstcn.convert,
        epic.convert,
        activitynet.convert,
        kinetics.convert,
        folder.convert,
        charades.convert,
        ego4d_lta.convert,
        nextqa.convert,
        egoschema.convert,
        perframe.convert,
        rulstm.convert,
    )
}
