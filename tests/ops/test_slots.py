import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import slots

from vidseq.ops.places import Places
from vidseq.ops.slots import SEGMENT, SlotFrames, SlotQueries, slot_scan


def scanned(*parts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    read, memory, _ = slot_scan(SlotFrames(*parts[:4]), *parts[4:])
    return read, memory


def inputs(num_frames: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    query, value = torch.randn(2, 2, 3, num_frames, 4, generator=generator, dtype=dtype)
    write, erase = torch.rand(2, 2, num_frames, 5, generator=generator, dtype=dtype)
    keep = torch.where(write > 0.9, 0, 1 - write * erase.round())
    keys, memory = torch.randn(3, 5, 4, generator=generator, dtype=dtype), torch.randn(2, 3, 5, 4, generator=generator)
    return tuple(part.requires_grad_() for part in (query, value, write, keep, keys, memory.to(dtype)))


@settings(max_examples=15)
@given(num_frames=st.integers(1, 150), seed=st.integers(0, 9))
def test_chunks_equal_the_equations_frame_by_frame(num_frames: int, seed: int) -> None:
    parts = inputs(num_frames, seed)
    results = []
    for scan in (scanned, slots):
        read, memory = scan(*parts)
        results.append([read, memory, *torch.autograd.grad((read**2).sum() + (memory**3).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("num_frames", [SEGMENT, SEGMENT + 1, 2 * SEGMENT + 37])
def test_segments_join_without_a_seam(num_frames: int) -> None:
    parts = [part.detach() for part in inputs(num_frames)]
    for fast, slow in zip(scanned(*parts), slots(*parts), strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


def test_errors_stay_within_twice_those_of_the_plain_loop() -> None:
    """Full erasures are the hard case: in logarithms they would lose digits."""
    query, value, write, _, keys, memory = (part.detach() for part in inputs(500))
    keep = torch.where(write > 0.7, 0, 1 - write)
    parts = (query, value, write, keep, keys, memory)
    single = [part.float() for part in parts]
    exact = slots(*parts)[0]
    assert (scanned(*single)[0] - exact).abs().max() <= 2 * (slots(*single)[0] - exact).abs().max()


@pytest.mark.parametrize("num_frames", [40, SEGMENT + 40])
def test_queries_read_like_the_next_frame(num_frames: int) -> None:
    """At borders of chunks and segments, and before the first frame."""
    parts, asked = ([part.detach() for part in inputs(length, seed)] for length, seed in ((num_frames, 0), (6, 1)))
    rows, seen = torch.tensor([0, 1, 1, 0, 0, 1]), torch.tensor([0, 1, 16, 17, num_frames - 40, num_frames])
    frame = torch.arange(6)
    alone = SlotFrames(*(part[rows, :, frame] for part in asked[:2]), *(part[rows, frame] for part in asked[2:4]))
    queries = SlotQueries(alone, Places(rows, seen))
    _, _, answers = slot_scan(SlotFrames(*parts[:4]), *parts[4:], queries)
    for index, (row, count) in enumerate(zip(rows, seen)):
        lengths = (2, 2, 1, 1)
        joined = [
            torch.cat([part[row, None].narrow(dim, 0, count), own[row, None].narrow(dim, index, 1)], dim)
            for part, own, dim in zip(parts, asked, lengths)
        ]
        expected, _ = slots(*joined, parts[4], parts[5][row, None])
        torch.testing.assert_close(answers[index], expected[0, :, -1], rtol=1e-10, atol=1e-10)
