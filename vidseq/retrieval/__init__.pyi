from .database import Database as Database
from .database import build_database as build_database
from .embedded import EmbeddedDatabase as EmbeddedDatabase
from .search import SEARCHES as SEARCHES
from .search import check_search as check_search
from .search import make_index as make_index
from .search import search_outside as search_outside
