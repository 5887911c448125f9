import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidseq.ops.running_means import running_means


def frame_by_frame(address: Tensor, assign: Tensor, value: Tensor, mean: Tensor, count: Tensor) -> tuple[Tensor, ...]:
    """The equations of `running_means`, a frame at a time."""
    reads, total = [], mean * count.clamp(min=1)[:, None, :, None]
    for t in range(value.shape[2]):
        count = count + assign[:, t]
        total = total + assign[:, t, None, :, None] * value[:, :, t, None]
        mean = total / count.clamp(min=1)[:, None, :, None]
        reads.append(torch.einsum("brk,brkd->brd", address[:, :, t], mean))
    return torch.stack(reads, dim=2), mean, count


def inputs(num_frames: int, seed: int) -> tuple[Tensor, ...]:
    """Two rows that have seen frames of some of four groups; a few frames are invalid."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.randint(5, (2, num_frames), generator=generator)
    count = torch.randint(3, (2, 4), generator=generator).double()
    address, value = (torch.randn(2, 3, num_frames, size, generator=generator).double() for size in (4, 6))
    mean = torch.randn(2, 3, 4, 6, generator=generator).double() * (count > 0)[:, None, :, None]
    return address, F.one_hot(group, 5)[..., :4].double(), value, mean, count


@settings(max_examples=25, deadline=None)
@given(num_frames=st.integers(1, 200), seed=st.integers(0, 9))
def test_chunks_equal_the_equations_frame_by_frame(num_frames: int, seed: int) -> None:
    parts, results = inputs(num_frames, seed), []
    parts = tuple(part.requires_grad_() for part in parts)
    for scan in (running_means, frame_by_frame):
        read, mean, count = scan(*parts)
        results.append([read, mean, count, *torch.autograd.grad((read**2).sum() + (mean**3).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-9)


def test_the_gradient_to_a_group_is_what_a_share_more_would_change() -> None:
    """Adding d of a frame to a group moves its mean by d (value - mean) / count."""
    address, assign, value, mean, count = inputs(100, seed=0)
    assign.requires_grad_()
    _, last, counts = running_means(address, assign, value, mean, count)
    (gradient,) = torch.autograd.grad(last[0, 1, 2].sum(), assign)
    expected = (value[0, 1] - last[0, 1, 2]).sum(-1) / counts[0, 2]
    torch.testing.assert_close(gradient[0, :, 2], expected.detach(), rtol=1e-9, atol=1e-9)


def test_a_day_of_frames_is_still_averaged_in_single_precision() -> None:
    value = 1000 + torch.randn(1, 1, 300_000, 1, generator=torch.Generator().manual_seed(0))
    assign, mean, count = torch.ones(1, 300_000, 1), torch.zeros(1, 1, 1, 1), torch.zeros(1, 1)
    _, mean, count = running_means(assign[:, None], assign, value, mean, count)
    assert count.item() == 300_000 and abs(mean.item() - value.double().mean().item()) < 1e-2
