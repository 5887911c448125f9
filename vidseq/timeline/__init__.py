"""Timelines: what models predict about videos beside the truth, as a page to look at and as a figure."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
