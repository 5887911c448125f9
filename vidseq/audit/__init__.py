"""Audits whether a data set needs long context, with small probes that see little and alarms about shortcuts."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
