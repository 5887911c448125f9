import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidseq.ops.delta_rule import CHUNK, SEGMENT, delta_rule


def frame_by_frame(q: Tensor, k: Tensor, v: Tensor, rate: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """The equations of `delta_rule`, a frame at a time."""
    reads = []
    for t in range(q.shape[2]):
        known = torch.einsum("bhkv,bhk->bhv", memory, k[:, :, t])
        new = rate[:, :, t, None] * (v[:, :, t] - known)
        memory = memory + torch.einsum("bhk,bhv->bhkv", k[:, :, t], new)
        reads.append(torch.einsum("bhkv,bhk->bhv", memory, q[:, :, t]))
    return torch.stack(reads, dim=2), memory


def inputs(num_frames: int, seed: int = 0, width: int = 4) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    q, k = random(2, 2, 3, num_frames, width)
    v, rate, memory = random(2, 3, num_frames, 5), random(2, 3, num_frames), random(2, 3, width, 5)
    rate = torch.where(rate > 1, 1, rate.sigmoid()).masked_fill(rate < -1, 0)  # the ends are there too
    return tuple(part.detach().requires_grad_() for part in (q, F.normalize(k, dim=-1), v, rate, memory))


@settings(max_examples=15, deadline=None)
@given(num_frames=st.integers(1, 3 * CHUNK), seed=st.integers(0, 9))
def test_chunks_equal_the_equations_frame_by_frame(num_frames: int, seed: int) -> None:
    parts, results = inputs(num_frames, seed), []
    for scan in (delta_rule, frame_by_frame):
        read, memory = scan(*parts)
        results.append([read, memory, *torch.autograd.grad((read**2).sum() + (memory**3).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("num_frames", [SEGMENT, SEGMENT + 1, 2 * SEGMENT + 37])
def test_segments_join_without_a_seam(num_frames: int) -> None:
    parts = [part.detach() for part in inputs(num_frames)]
    for fast, slow in zip(delta_rule(*parts), frame_by_frame(*parts), strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(writes=st.lists(st.integers(0, 15), min_size=1, max_size=200), seed=st.integers(0, 9))
def test_orthogonal_keys_are_stored_and_overwritten_exactly(writes: list[int], seed: int) -> None:
    """At rate 1 a matrix of key width 16 is a dictionary of 16 keys: each answers with its latest value."""
    generator = torch.Generator().manual_seed(seed)
    keys, _ = torch.linalg.qr(torch.randn(16, 16, generator=generator, dtype=torch.float64))
    values = torch.randn(len(writes), 7, generator=generator, dtype=torch.float64)
    stored, expected = torch.zeros(16, 7, dtype=torch.float64), []
    for key, value in zip(writes, values):
        stored[key] = value
        expected.append(stored[writes[len(expected) // 2]].clone())  # query an old pair
    queries = keys[[writes[t // 2] for t in range(len(writes))]]
    read, memory = delta_rule(
        queries[None, None],
        keys[writes][None, None],
        values[None, None],
        torch.ones(1, 1, len(writes), dtype=torch.float64),
        torch.zeros(1, 1, 16, 7, dtype=torch.float64),
    )
    torch.testing.assert_close(read[0, 0], torch.stack(expected), rtol=0, atol=1e-12)
    torch.testing.assert_close(keys @ memory[0, 0], stored, rtol=0, atol=1e-12)


def test_errors_stay_within_twice_those_of_the_plain_loop() -> None:
    parts = [part.detach() for part in inputs(500, width=32)]
    single = [part.float() for part in parts]
    exact = frame_by_frame(*parts)[0]
    limit = 2 * (frame_by_frame(*single)[0] - exact).abs().max()
    assert (delta_rule(*single)[0] - exact).abs().max() <= limit
