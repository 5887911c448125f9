import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.retrieval import SEARCHES, make_index, search, search_outside

every_search = pytest.mark.parametrize("name", list(SEARCHES))


def clustered(num_clusters: int, size: int, spread: float = 0.5) -> np.ndarray:
    """Keys around cluster centres, as chunks of a few kinds of scenes are."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(num_clusters, 1, 32))
    return (centres + spread * rng.normal(size=(num_clusters, size, 32))).reshape(-1, 32).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(num_keys=st.integers(1, 30), num_queries=st.integers(0, 5), count=st.integers(1, 8), block=st.integers(1, 99))
def test_exact_is_exact_and_faiss_flat_agrees(num_keys: int, num_queries: int, count: int, block: int) -> None:
    rng = np.random.default_rng(num_keys)
    keys, queries = rng.normal(size=(num_keys, 5)), rng.normal(size=(num_queries, 5))
    distances = np.linalg.norm(queries[:, None] - keys, axis=-1)
    expected = np.full((num_queries, count), -1)
    expected[:, : min(count, num_keys)] = distances.argsort(axis=1)[:, :count]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "BLOCK_DISTANCES", block)
        for name in ("exact", "faiss"):
            found = make_index(name, keys).search(queries, count)
            assert found.dtype == np.int64 and np.array_equal(found, expected), name


@every_search
def test_planted_neighbours_are_found(name: str) -> None:
    keys = clustered(20, 100)
    planted = np.random.default_rng(1).permutation(len(keys))[:50]
    queries = keys[planted] + 0.01
    assert make_index(name, keys).search(queries, 3)[:, 0].tolist() == planted.tolist()


@settings(max_examples=30, deadline=None)
@given(groups=st.lists(st.integers(0, 3), min_size=1, max_size=30), count=st.integers(1, 8), seed=st.integers(0, 99))
def test_keys_outside_a_group_are_found_even_if_the_group_is_nearer(groups: list[int], count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = rng.normal(size=(len(groups), 5)) + 9 * np.array(groups)[:, None]
    queries, without = rng.normal(size=(5, 5)) + 9 * np.arange(5)[:, None], np.array([0, 1, 2, 3, -1])
    expected = np.full((5, count), -1)
    for row, group in enumerate(without):
        others = [index for index, own in enumerate(groups) if own != group]
        nearest = sorted(others, key=lambda index: float(np.linalg.norm(keys[index] - queries[row])))[:count]
        expected[row, : len(nearest)] = nearest
    found = search_outside(make_index("exact", keys), queries, count, np.array(groups), without)
    np.testing.assert_array_equal(found, expected)


def test_ivf_finds_nearly_all_neighbours_in_clustered_keys() -> None:
    """Its share of the ten true neighbours, measured at 0.992 where clusters overlap."""
    keys = clustered(40, 200, spread=1.0)
    queries = keys[::16] + 0.1 * np.random.default_rng(2).normal(size=keys[::16].shape)
    exact, ivf = (make_index(name, keys).search(queries, 10) for name in ("exact", "faiss_ivf"))
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, ivf)])
    assert 0.97 <= recall < 1


def test_without_faiss_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    keys = np.zeros((3, 2))
    for name in ("faiss", "faiss_ivf"):
        with pytest.raises(
            UserError, match=r"expects the package faiss-cpu, got none\. Run `pip install vidseq\[retri"
        ):
            make_index(name, keys)
    assert make_index("exact", keys).search(keys, 1).shape == (3, 1)


def test_an_unknown_search() -> None:
    with pytest.raises(
        UserError, match=r"Unknown search 'faise'\. Did you mean 'faiss'\? Known searches: exact, faiss"
    ):
        make_index("faise", np.zeros((1, 2)))
