"""Heads compared at an equal budget: the same features, splits, seeds and steps, widths solved."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
