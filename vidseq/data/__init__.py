"""Data sets: the schema, reading and checks, batches, and what a query may see."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
