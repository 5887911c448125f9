"""How accuracy depends on how much of the past is shown: the sweep, its curves and summary numbers, its report."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
