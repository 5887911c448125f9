import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidseq.ops.entities import entity_scan


def frame_by_frame(
    x: Tensor, matches: Tensor, news: Tensor, constant: Tensor, weight: Tensor, slope: Tensor, memory: Tensor
) -> Tensor:
    """The equations of `entity_scan`, a frame and a memory at a time."""
    frames = []
    for frame, match, new in zip(x, matches, news):
        memories = []
        for j in range(memory.shape[1]):
            h = memory[:, j]
            gate = torch.sigmoid((frame * h).sum(-1) + match[:, j])
            change = h @ weight.T + constant[j] + new
            h = h + gate[:, None] * torch.where(change > 0, change, slope * change)
            memories.append(h / h.square().sum(-1, keepdim=True).sqrt())
        memory = torch.stack(memories, dim=1)
        frames.append(memory)
    return torch.stack(frames)


def inputs(num_frames: int, batch: int = 2, seed: int = 0) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [
        (num_frames, batch, 5),
        (num_frames, batch, 3),
        (num_frames, batch, 5),
        (3, 5),
        (5, 5),
        (1,),
        (batch, 3, 5),
    ]
    return tuple(torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes)


@settings(max_examples=15, deadline=None)
@given(num_frames=st.integers(1, 40), batch=st.integers(1, 3), seed=st.integers(0, 9))
def test_values_and_gradients_equal_the_equations_frame_by_frame(num_frames: int, batch: int, seed: int) -> None:
    parts, results = inputs(num_frames, batch, seed), []
    for scan in (entity_scan, frame_by_frame):
        memories = scan(*parts)
        weight = torch.linspace(-1, 2, memories.numel(), dtype=torch.float64).view_as(memories)
        results.append([memories, *torch.autograd.grad((weight * memories**2).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-8, atol=1e-8)


def test_errors_stay_within_twice_those_of_the_plain_loop() -> None:
    parts = [part.detach() for part in inputs(300)]
    parts[4] = F.normalize(parts[4]) / 2  # no chaos, which would multiply any error
    exact, single = frame_by_frame(*parts), [part.float() for part in parts]
    limit = 2 * (frame_by_frame(*single) - exact).abs().max()
    assert (entity_scan(*single) - exact).abs().max() <= limit
