"""Exporters, which write segments as the files of annotation tools; one file a tool."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
