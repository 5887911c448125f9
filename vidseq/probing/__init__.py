"""Probes of features: what small models read from single frames, before anything is trained over time."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
