import pytest
import torch
from pytorch_tcn import TemporalConv1d
from references import conv_layer

from vidseq.heads import make_head
from vidseq.heads.layers.conv import ConvLayer


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_equals_the_equations_tap_by_tap(causal: bool, kernel_size: int) -> None:
    torch.manual_seed(0)
    options = {"stages": 3, "layers": 2, "channels": 5, "labels": 3, "kernel_size": kernel_size}
    head = make_head("ms_tcn", 4, options, causal).double()
    x = y = torch.randn(2, 20, 4, dtype=torch.float64)
    for index, stage in enumerate(head.stages):
        inner = stage.into(y if index == 0 else head.labels[index - 1](y).softmax(-1))
        for depth, (norm, layer) in enumerate(zip(stage.norms, stage.layers)):
            ahead = 0 if causal else (kernel_size // 2) * 2**depth
            inner = inner + conv_layer(layer, norm(inner), kernel_size, 2**depth, ahead)
        y = y + stage.out(inner)
    torch.testing.assert_close(head(x), head.last_norm(y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dilation", [1, 4])
def test_a_layer_equals_the_causal_convolution_of_pytorch_tcn(dilation: int) -> None:
    torch.manual_seed(0)
    layer, peer = ConvLayer(5, 3, dilation), TemporalConv1d(5, 5, 3, dilation=dilation, causal=True)
    with torch.no_grad():
        peer.weight.copy_(layer.taps.weight.unflatten(1, (3, 5)).transpose(1, 2))
        peer.bias.copy_(layer.taps.bias)
    x = torch.randn(2, 30, 5)
    padded = torch.cat([torch.zeros(2, layer.reach, 5), x], dim=1)
    torch.testing.assert_close(layer(padded), layer.mix(peer(x.transpose(1, 2)).transpose(1, 2).relu()))


def test_a_later_stage_sees_labels_alone() -> None:
    """Whatever leaves the labels as they are leaves what the stage adds as it is."""
    torch.manual_seed(0)
    head = make_head("ms_tcn", 6, {"stages": 2, "layers": 2, "channels": 5, "labels": 3}, causal=False).double()
    y = torch.randn(1, 12, 6, dtype=torch.float64)
    unseen = torch.linalg.svd(head.labels[0].weight)[2][-1]  # V unseen = 0
    mask = torch.ones(1, 12, dtype=torch.bool)
    added = [head.stages[1].forward_noncausal(head._seen(1, part), mask) for part in (y, y + 7 * unseen)]
    torch.testing.assert_close(*added, rtol=1e-10, atol=1e-10)


def test_the_paper_s_four_stages_of_ten_layers_see_four_times_1023_frames_to_either_side() -> None:
    assert make_head("ms_tcn", 4, {"channels": 4}, causal=False).context_frames == 1 + 4 * 1023


def test_an_even_kernel_has_no_centre() -> None:
    with pytest.raises(ValueError, match="ms_tcn head with causal=False expects an odd kernel_size, got 2"):
        make_head("ms_tcn", 4, {"kernel_size": 2}, causal=False)
