import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.ops.random_blocks import draw_blocks, hash_integers, reservoir_contents, reservoir_slots

WORD = 2**64


def hash_by_hand(*numbers: int) -> int:
    """Without any tensor."""
    mixed = 0
    for number in numbers:
        mixed = ((mixed ^ number % WORD) + 0x9E3779B97F4A7C15) % WORD
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % WORD
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % WORD
        mixed ^= mixed >> 31
    return mixed % 2**63


@given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4))
def test_the_hash_is_that_of_unlimited_integers(numbers: list[int]) -> None:
    assert int(hash_integers(*(torch.tensor(number) for number in numbers))) == hash_by_hand(*numbers)


def test_the_hash_is_the_published_one() -> None:
    """SplitMix64 seeded with 0 gives 0xe220a8397b1dcdaf first."""
    assert int(hash_integers(0)) == 0xE220A8397B1DCDAF % 2**63


@given(candidates=st.integers(0, 40), count=st.integers(1, 6), block=st.integers(0, 10**6), layer=st.integers(0, 9))
def test_distinct_blocks_are_drawn_one_from_each_share(candidates: int, count: int, block: int, layer: int) -> None:
    drawn, found = draw_blocks(layer, torch.tensor([block]), torch.tensor([candidates]), count)
    indices = drawn[found].tolist()
    assert len(set(indices)) == len(indices) == min(count, candidates)
    assert indices == sorted(indices) and all(0 <= index < candidates for index in indices)
    again, _ = draw_blocks(layer, torch.tensor([block + 1, block]), torch.tensor([3, candidates]), count)
    assert again[1].equal(drawn[0])


def test_all_candidates_are_equally_likely() -> None:
    drawn, found = draw_blocks(1, torch.arange(60_000), torch.full((60_000,), 12), 3)
    assert bool(found.all())
    counts = drawn.flatten().bincount(minlength=12)
    assert (counts - 15_000).abs().max() < 5 * 15_000**0.5


def contents_by_hand(layer: int, count: int, size: int) -> list[list[int]]:
    """Numbers of the blocks in the reservoir after each one; -1: none."""
    held, history = [-1] * size, [[-1] * size]
    for block in range(count):
        slot = block if block < size else hash_by_hand(layer, block, -1) % (block + 1)
        if slot < size:
            held[slot] = block
        history.append(list(held))
    return history


@given(first=st.lists(st.integers(-4, 30), min_size=1, max_size=3), count=st.integers(0, 20), size=st.integers(1, 6))
def test_the_reservoir_is_filled_as_block_by_block(first: list[int], count: int, size: int) -> None:
    contents = reservoir_contents(2, torch.tensor(first), count, size)
    for row, start in enumerate(first):
        history = contents_by_hand(2, max(0, start + count), size)
        before = history[max(0, start)]
        for index in range(count + 1):
            held = [before[at] if at < size else start + at - size for at in contents[row, index].tolist()]
            assert held == history[max(0, start + index)]


def test_a_block_of_any_age_is_equally_likely_to_be_kept() -> None:
    """Over many hashes: 4 of 40 blocks."""
    kept = torch.zeros(40)
    for layer in range(4000):
        slots, held = reservoir_slots(layer, torch.arange(40), 4).tolist(), [-1] * 4
        for block, slot in enumerate(slots):
            if 0 <= slot < 4:
                held[slot] = block
        kept[held] += 1
    assert (kept - 400).abs().max() < 5 * 400**0.5
