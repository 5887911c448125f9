"""Every exporter by the name of its layout. A new exporter is a new file, imported and listed here."""

from typing import Final

from vidseq.exporters import activitynet, boris, cvat, elan, label_studio, via, webvtt
from vidseq.exporters.base import Exporter

EXPORTERS: Final[dict[str, Exporter]] = {
    exporter.name: exporter
    for exporter in (
        elan.write,
        boris.write,
        label_studio.write,
        webvtt.write,
        via.write,
        cvat.write,
        activitynet.write,
    )
}
