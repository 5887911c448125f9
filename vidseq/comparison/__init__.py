"""Compares heads at an equal budget: the same features, splits, seeds and steps, with matched widths."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
