"""The app: a page in the browser that shows videos to models, and asks them at the player's time."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
