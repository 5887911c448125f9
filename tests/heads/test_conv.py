import pytest
import torch
from references import conv_layer

from vidseq.heads import make_head


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_equals_the_equation_tap_by_tap(causal: bool, kernel_size: int) -> None:
    torch.manual_seed(0)
    head = make_head("conv", 4, {"layers": 3, "channels": 5, "kernel_size": kernel_size}, causal).double()
    x = torch.randn(2, 20, 4, dtype=torch.float64)
    inner = head.into(x)
    for index, (norm, layer) in enumerate(zip(head.norms, head.layers)):
        ahead = 0 if causal else (kernel_size // 2) * 2**index
        inner = inner + conv_layer(layer, norm(inner), kernel_size, 2**index, ahead)
    torch.testing.assert_close(head(x), head.last_norm(x + head.out(inner)), rtol=1e-10, atol=1e-10)


def test_equals_torchs_dilated_convolution() -> None:
    torch.manual_seed(0)
    layer = make_head("conv", 4, {"layers": 2, "channels": 5}).layers[1]
    x = torch.randn(2, 20, 5)
    kernel = layer.taps.weight.unflatten(1, (3, 5)).transpose(1, 2)
    inner = torch.conv1d(x.transpose(1, 2), kernel, layer.taps.bias, dilation=2).transpose(1, 2)
    torch.testing.assert_close(layer(x), layer.mix(inner.relu()))


@pytest.mark.parametrize("causal, expected", [(True, 15), (False, 8)])
def test_three_layers_see_as_far_as_the_drawing_says(causal: bool, expected: int) -> None:
    assert make_head("conv", 4, {"layers": 3}, causal).context_frames == expected
