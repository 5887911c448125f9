"""Databases of chunks of features of other videos, and their search; the retro head retrieves from them."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
