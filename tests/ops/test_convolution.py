import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.convolution import convolve

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 0.1}


def inputs(batch: int, num_frames: int, taps: int, dilation: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(batch, (taps - 1) * dilation + num_frames, 5), (3, taps * 5), (3,)]
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes
    ]


def by_torch(x: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    return F.conv1d(x.mT, weight.unflatten(1, (-1, 5)).mT, bias, dilation=dilation).mT


@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("taps, dilation", [(1, 1), (3, 1), (3, 4), (9, 1)])
@pytest.mark.parametrize("batch, num_frames", [(1, 17), (3, 8), (2, 1), (0, 4)])
def test_equals_torch_in_outputs_and_gradients(
    batch: int, num_frames: int, taps: int, dilation: int, dtype: torch.dtype
) -> None:
    leaves, results = inputs(batch, num_frames, taps, dilation, dtype), []
    for convolved in (convolve(*leaves, dilation), by_torch(*leaves, dilation)):
        results.append([convolved, *torch.autograd.grad((convolved**2).sum(), leaves)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_an_input_of_another_type_under_autocast() -> None:
    x, weight, bias = inputs(2, 9, 3, 2, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = convolve(x.bfloat16(), weight, bias, 2)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), by_torch(x, weight, bias, 2), rtol=0.05, atol=0.1)
