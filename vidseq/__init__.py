"""vidseq: temporal reasoning on video. What do I see, and what happens next?"""

__version__ = "0.1.0.dev0"
