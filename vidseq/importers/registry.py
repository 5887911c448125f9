"""Every importer by the name of its layout. A new importer is a new file, imported and listed here."""

from typing import Any, Final

from vidseq.importers import (
    activitynet,
    boris,
    charades,
    cvat,
    ego4d_lta,
    egoschema,
    elan,
    epic,
    folder,
    kinetics,
    label_studio,
    mstcn,
    nextqa,
    perframe,
    rulstm,
    via,
    webvtt,
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
        elan.convert,
        boris.convert,
        label_studio.convert,
        webvtt.convert,
        via.convert,
        cvat.convert,
    )
}
