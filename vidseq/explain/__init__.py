"""Finds the past frames that a prediction depends on: frames are deleted, and the model is asked again.

Attention weights are not used. Most heads have none, and a weight shows which frames a head attends to, not which
frames change the answer.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
