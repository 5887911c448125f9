"""vidseq: temporal reasoning on video. What do I see, and what happens next?

The public names are listed in `__init__.pyi`. Each is imported when it is first used: `import vidseq` is instant.
"""

from lazy_loader import attach_stub

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
