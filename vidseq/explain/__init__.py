"""Which past frames a prediction rests on: frames are deleted, and the model is asked again.

Attention weights are no answer to that and are not shown: heads of this library do not hand them out, most have none,
and a weight says what was looked at, not what changed the answer.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
