"""The generated classroom: videos in which the answer to every question, and its evidence, is known."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
