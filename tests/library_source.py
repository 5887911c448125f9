"""The library's source, which several tests read: parsed once."""

from pathlib import Path

from structure.source import Repository

LIBRARY = Repository(Path(__file__).parents[1])
