"""Video files: frames by time, sampling, resizing, writing."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
