import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads import TemporalHead, make_head


def normalized(y: Tensor) -> Tensor:
    y = y.clamp(min=0)
    return y / (y.max(-1, keepdim=True).values + 1e-5)


def causal_level(conv: nn.Linear, frames: list[Tensor], kernel_size: int) -> list[Tensor]:
    """Frame by frame, with zeros before the first."""
    past = [torch.zeros_like(frames[0])] * (kernel_size - 1) + frames if frames else []
    return [normalized(conv(torch.cat(past[t : t + kernel_size], dim=-1))) for t in range(len(frames))]


def causal_reference(head: TemporalHead, x: Tensor) -> Tensor:
    kernel_size, levels = head.config.kernel_size, [list(head.into(x).unbind(1))]
    zeros = torch.zeros_like(levels[0][0])
    for conv in head.encoder:
        encoded = causal_level(conv, levels[-1], kernel_size)
        levels.append([torch.maximum(*encoded[t : t + 2]) for t in range(0, len(encoded) - 1, 2)])
    decoded = levels.pop()
    for conv, level in zip(reversed(head.decoder), reversed(levels)):
        known = [[zeros, *decoded][(t + 1) // 2] for t in range(len(level))]  # complete pairs after t + 1 frames
        decoded = causal_level(conv, known, kernel_size)
    return head.last_norm(x + head.out(torch.stack(decoded, dim=1)))


def centred_reference(head: TemporalHead, x: Tensor) -> Tensor:
    """With torch's convolution, pooling and upsampling, for whole pairs on every level."""
    kernel_size, y = head.config.kernel_size, head.into(x).transpose(1, 2)

    def convolve(conv: nn.Linear, y: Tensor) -> Tensor:
        kernel = conv.weight.unflatten(1, (kernel_size, -1)).transpose(1, 2)
        return normalized(F.conv1d(y, kernel, conv.bias, padding="same").transpose(1, 2)).transpose(1, 2)

    for conv in head.encoder:
        y = F.max_pool1d(convolve(conv, y), 2)
    for conv in reversed(head.decoder):
        y = convolve(conv, F.interpolate(y, scale_factor=2, mode="nearest"))
    return head.last_norm(x + head.out(y.transpose(1, 2)))


@pytest.mark.parametrize("kernel_size", [1, 2, 5])
@pytest.mark.parametrize("num_frames", [1, 2, 7, 24, 29])
def test_the_causal_form_equals_its_equations_frame_by_frame(kernel_size: int, num_frames: int) -> None:
    torch.manual_seed(0)
    head = make_head("conv_encoder", 4, {"layers": 3, "channels": 5, "kernel_size": kernel_size}).double()
    x = torch.randn(2, num_frames, 4, dtype=torch.float64)
    torch.testing.assert_close(head(x), causal_reference(head, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kernel_size", [1, 5])
def test_the_paper_s_form_equals_torchs_layers(kernel_size: int) -> None:
    torch.manual_seed(0)
    options = {"layers": 2, "channels": 5, "kernel_size": kernel_size}
    head = make_head("conv_encoder", 4, options, causal=False).double()
    x = torch.randn(2, 24, 4, dtype=torch.float64)
    torch.testing.assert_close(head(x), centred_reference(head, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("options", [{"layers": 1, "kernel_size": 5}, {"layers": 2, "kernel_size": 2}, {"layers": 3}])
def test_context_is_that_of_the_frames_that_see_furthest(options: dict[str, int]) -> None:
    torch.manual_seed(0)
    head = make_head("conv_encoder", 4, {"channels": 24, "kernel_size": 3} | options).double()
    x, levels = torch.randn(1, 96, 4, dtype=torch.float64, requires_grad=True), options["layers"]
    y, furthest = head(x) * torch.randn(4, dtype=torch.float64), 0
    for frame in range(96 - 2**levels, 96):
        (gradient,) = torch.autograd.grad(y[0, frame].sum(), x, retain_graph=True)
        furthest = max(furthest, frame - int(gradient[0].any(-1).nonzero().min()))
    assert head.context_frames == 1 + furthest


def test_an_even_kernel_has_no_centre() -> None:
    with pytest.raises(ValueError, match="conv_encoder head with causal=False expects an odd kernel_size, got 2"):
        make_head("conv_encoder", 4, {"kernel_size": 2}, causal=False)
