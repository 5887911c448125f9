"""Measures how accuracy depends on the length of the visible past: the sweep, its curves, its summary, its report."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
