"""Features of other videos, cut into chunks, on disk and searched: what the retro head can retrieve from."""

from vidseq.retrieval.database import Database, build_database
from vidseq.retrieval.embedded import EmbeddedDatabase
from vidseq.retrieval.search import SEARCHES, check_search, make_index, search_outside

__all__ = [
    "SEARCHES",
    "Database",
    "EmbeddedDatabase",
    "build_database",
    "check_search",
    "make_index",
    "search_outside",
]
