"""Does a data set need long context? Small probes that see little, and alarms about shortcuts."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
