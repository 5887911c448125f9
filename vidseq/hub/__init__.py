"""Models on a hub: a card made from a run, one commit to push it, and a pull that verifies what it got."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
