"""Search for the nearest keys by Euclidean distance: one interface, in memory or by FAISS."""

import abc
import math
import warnings
from typing import Any, ClassVar

import numpy as np
import torch

from vidseq.errors import UserError, unknown_name

#: Distances of a block, which bounds the workspace for any number of queries.
BLOCK_DISTANCES = 2**22


class SearchIndex(abc.ABC):
    """A search index of keys.

    Args:
        keys: (N, D), kept as float32.
    """

    name: ClassVar[str]

    def __init__(self, keys: np.ndarray) -> None:
        self.num_keys = len(keys)

    def search(self, queries: np.ndarray, count: int) -> np.ndarray:
        """Finds the nearest keys of each query.

        Args:
            queries: (M, D).
            count: number of keys to find.

        Returns:
            indices of keys, int64 (M, count), the nearest first; -1 where there are no more.
        """
        found = np.full((len(queries), count), -1, dtype=np.int64)
        available = min(count, self.num_keys)
        if available and len(queries):
            found[:, :available] = self._search(np.ascontiguousarray(queries, dtype=np.float32), available)
        return found

    @abc.abstractmethod
    def _search(self, queries: np.ndarray, count: int) -> np.ndarray:
        """Like `search`, for 1 to `num_keys` keys and at least one query."""


class ExactIndex(SearchIndex):
    """Exact search in memory, without any other package."""

    name = "exact"

    def __init__(self, keys: np.ndarray) -> None:
        super().__init__(keys)
        self._keys = torch.from_numpy(np.array(keys, dtype=np.float32))
        self._norms = self._keys.square().sum(1) / 2

    def _search(self, queries: np.ndarray, count: int) -> np.ndarray:
        block = max(1, BLOCK_DISTANCES // self.num_keys)
        parts = []
        with torch.no_grad():
            for part in torch.from_numpy(queries).split(block):
                nearness = torch.addmm(self._norms, part, self._keys.T, beta=-1)  # (|q|^2 - |q - k|^2) / 2
                parts.append(nearness.topk(count, dim=1).indices)
        return torch.cat(parts).numpy()


class FaissIndex(SearchIndex):
    """Exact search by FAISS (IndexFlatL2)."""

    name = "faiss"

    def __init__(self, keys: np.ndarray) -> None:
        super().__init__(keys)
        self._index = _faiss().IndexFlatL2(keys.shape[1])
        self._index.add(np.ascontiguousarray(keys, dtype=np.float32))

    def _search(self, queries: np.ndarray, count: int) -> np.ndarray:
        found: np.ndarray = self._index.search(queries, count)[1]
        return found


class FaissIVFIndex(SearchIndex):
    """Approximate search by FAISS (IndexIVFFlat): sorts keys into cells and searches the nearest cells only.

    It has about 4 sqrt(N) cells and searches an eighth of them: it compares about 6 times fewer keys and may miss some
    near neighbours.
    """

    name = "faiss_ivf"

    def __init__(self, keys: np.ndarray) -> None:
        super().__init__(keys)
        faiss, keys = _faiss(), np.ascontiguousarray(keys, dtype=np.float32)
        num_cells = max(1, min(int(4 * math.sqrt(len(keys))), len(keys) // 39))  # FAISS needs 39 keys per cell
        self._cells = faiss.IndexFlatL2(keys.shape[1])
        self._index = faiss.IndexIVFFlat(self._cells, keys.shape[1], num_cells)
        self._index.nprobe = max(1, math.ceil(num_cells / 8))
        if len(keys):
            self._index.train(keys)
            self._index.add(keys)

    def _search(self, queries: np.ndarray, count: int) -> np.ndarray:
        found: np.ndarray = self._index.search(queries, count)[1]
        return found


SEARCHES: dict[str, type[SearchIndex]] = {index.name: index for index in (ExactIndex, FaissIndex, FaissIVFIndex)}
"""All search indices by name."""


def check_search(name: str) -> None:
    """Checks the name of a search.

    Raises:
        UserError: it is not a key of `SEARCHES`.
    """
    if name not in SEARCHES:
        raise unknown_name("search", name, SEARCHES)


def make_index(name: str, keys: np.ndarray) -> SearchIndex:
    """Makes an index of keys (N, D).

    Raises:
        UserError: the name is unknown, or FAISS is not installed.
    """
    check_search(name)
    return SEARCHES[name](keys)


def search_outside(
    index: SearchIndex, queries: np.ndarray, count: int, groups: np.ndarray, without: np.ndarray
) -> np.ndarray:
    """Finds the nearest keys outside each query's own group.

    Args:
        index: of N keys.
        queries: (M, D).
        count: number of keys to find.
        groups: group of each key, int64 (N,).
        without: group to exclude for each query, int64 (M,); -1 for none.

    Returns:
        as `SearchIndex.search`.
    """
    sizes = np.bincount(groups, minlength=int(without.max(initial=-1)) + 1)  # a group may have no key at all
    max_excluded = int(sizes[without[without >= 0]].max(initial=0))  # this many results may have to be dropped
    found = index.search(queries, count + max_excluded)
    outside = (found >= 0) & (groups[found] != without[:, None])
    first = np.argsort(~outside, axis=1, kind="stable")[:, :count]
    kept: np.ndarray = np.take_along_axis(np.where(outside, found, -1), first, axis=1)
    return kept


def _faiss() -> Any:
    """Imports FAISS, which is an optional package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of its own wrapper, on newer Pythons
            import faiss
    except ImportError:
        raise UserError(
            "Search by FAISS expects the package faiss-cpu, got none. "
            "Run `pip install vidseq[retrieval]`, or use the search 'exact'."
        ) from None
    return faiss
