"""Reads video files by time, samples and resizes frames, and writes videos."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
