"""Features of other videos, cut into chunks, on disk and searched: what the retro head can retrieve from."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
