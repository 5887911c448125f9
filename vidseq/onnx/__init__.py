"""Models as ONNX files, which run without torch and without vidseq."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
