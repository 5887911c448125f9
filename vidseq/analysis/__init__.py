"""Measures heads: how gradients flow through them, what they cost, and what they can remember."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
