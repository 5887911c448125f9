"""Importers of foreign layouts, one file a layout; each has `convert(source, out, ...) -> ConversionReport`."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
