"""What the lecture says of heads, measured: how gradients flow, what a head costs, what it can remember."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
