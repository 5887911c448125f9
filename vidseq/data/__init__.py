"""Data sets: the schema, the reader, batches, and importers of foreign layouts."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
