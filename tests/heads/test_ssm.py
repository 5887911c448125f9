import pytest
import torch
import torch.nn.functional as F
from references_state_space import state_space
from torch import Tensor

from vidseq.heads import make_head
from vidseq.heads.ssm import SSMLayer
from vidseq.ops.selective_scan import selective_scan


def layer_reference(layer: SSMLayer, x: Tensor) -> Tensor:
    inner, gate = layer.into(x).chunk(2, dim=-1)
    kernel = layer.taps.T[:, None]
    padded = F.pad(inner.transpose(1, 2), (len(layer.taps) - 1, 0))
    inner = F.silu(F.conv1d(padded, kernel, layer.taps_bias, groups=len(kernel)).transpose(1, 2))
    step, b, c = layer.select(inner).split(layer.sizes, dim=-1)
    delta = torch.log(1 + torch.exp(layer.step(step)))
    y, _ = state_space(delta, inner, -layer.log_a.exp(), b, c, layer.init_state(len(x))[0])
    return layer.out((y + layer.skip * inner) * gate * gate.sigmoid())


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("options", [{"states": 1, "kernel_size": 1}, {"states": 3, "expand": 2}])
def test_equals_the_equations_frame_by_frame(causal: bool, options: dict[str, object]) -> None:
    torch.manual_seed(0)
    head = make_head("ssm", 6, {"layers": 2} | options, causal).double()
    for parameter in head.parameters():  # D begins as ones, and the taps' bias as zeros
        torch.nn.init.normal_(parameter, mean=parameter.mean().item(), std=0.3)
    x = y = torch.randn(2, 70, 6, dtype=torch.float64)
    stack = head.stack
    for index, (norm, layer) in enumerate(zip(stack.norms, stack.layers)):
        normed = norm(y)
        back = 0 if causal else layer_reference(stack.backward_layers[index], normed.flip(1)).flip(1)
        y = y + layer_reference(layer, normed) + back
    torch.testing.assert_close(head(x), stack.last_norm(y), rtol=1e-10, atol=1e-10)


def test_fixed_steps_make_a_convolution_with_decaying_exponentials() -> None:
    """As in S4D: y = sum over lags of K[lag] x, K[lag] = sum_n c_n exp(d a_n)^lag d b_n."""
    torch.manual_seed(0)
    a = -torch.arange(1.0, 5, dtype=torch.float64)[:, None].repeat(1, 2)
    b, c = torch.randn(2, 4, dtype=torch.float64)
    x, step = torch.randn(1, 30, 2, dtype=torch.float64), 0.1
    nothing = torch.zeros(1, 4, 2, dtype=torch.float64)
    every = (torch.full_like(x, step), x, a, b.expand(1, 30, 4), c.expand(1, 30, 4), nothing)
    kernel = torch.stack([(c * torch.exp(step * a[:, 0]) ** lag * step * b).sum() for lag in range(30)])
    expected = torch.stack([(kernel[: t + 1].flip(0)[:, None] * x[0, : t + 1]).sum(0) for t in range(30)])
    torch.testing.assert_close(selective_scan(*every)[0][0], expected, rtol=1e-10, atol=1e-10)


def test_steps_start_between_their_limits() -> None:
    width = F.softplus(make_head("ssm", 64).stack.layers[0].step.bias)
    assert 0.0009 < width.min() < 0.01 < width.max() < 0.11


def test_a_step_of_zero_keeps_what_is_held_for_10000_frames_to_the_last_bit() -> None:
    torch.manual_seed(0)
    head = make_head("ssm", 4, {"layers": 1, "states": 2})
    with torch.no_grad():
        head.stack.layers[0].step.weight.zero_()
        head.stack.layers[0].step.bias.fill_(-1000)
        state = head.init_state(1)._replace(hidden=torch.randn(1, 1, 2, 4))
        _, after = head.step(torch.randn(1, 10_000, 4), state)
    assert torch.equal(after.hidden, state.hidden)
