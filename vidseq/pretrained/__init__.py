"""The models that ship with vidseq: a folder each, with weights, config, projection of features, and a card."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
