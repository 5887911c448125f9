import pytest
import torch
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads import make_head
from vidseq.heads.associative import feature_map


def phi(x: Tensor, expansion: int) -> Tensor:
    """Number by number, as in arXiv:2102.11174, section 5.3, and then of length 1."""
    if expansion == 0:
        y = x * x.sigmoid()
    else:
        r = torch.cat([x, -x]).clamp(min=0)
        y = torch.stack([r[i] * r[(i - j) % len(r)] for j in range(1, expansion + 1) for i in range(len(r))])
    return y / y.norm().clamp(min=1e-12)  # a key may have no features at all


def layer_reference(layer: nn.Module, x: Tensor) -> Tensor:
    y = []
    for row in x:
        memory, answers = layer.init_state(1)[0][0], []
        for frame in row:
            heads = []
            rates = layer.rate(frame).sigmoid()
            parts = (part.view(layer.heads, -1) for part in (layer.qkv.weight @ frame).chunk(3))
            written = []
            for matrix, rate, q, k, v in zip(memory, rates, *parts):
                q, k = phi(q, layer.expansion), phi(k, layer.expansion)
                written.append(matrix + rate * torch.outer(k, v - matrix.T @ k))
                heads.append(written[-1].T @ q)
            memory = torch.stack(written)
            shown = layer.show(frame)
            answers.append(layer.out(torch.cat(heads) * shown * shown.sigmoid()))
        y.append(torch.stack(answers))
    return torch.stack(y)


@pytest.mark.parametrize("expansion", [0, 1, 3])
def test_equals_the_equations_frame_by_frame(expansion: int) -> None:
    torch.manual_seed(0)
    head = make_head("associative", 6, {"heads": 2, "layers": 2, "expansion": expansion}).double()
    x = y = torch.randn(2, 70, 6, dtype=torch.float64)
    for norm, layer in zip(head.stack.norms, head.stack.layers):
        y = y + layer_reference(layer, norm(y))
    torch.testing.assert_close(head(x), head.stack.last_norm(y), rtol=1e-10, atol=1e-10)


def test_expanded_keys_keep_more_pairs_apart() -> None:
    """Random keys interfere less the wider they are made: what the expansion is for."""
    torch.manual_seed(0)
    x = torch.randn(200, 8)
    overlaps = [(feature_map(x, n) @ feature_map(x, n).T).fill_diagonal_(0).square().mean() for n in (1, 2, 3)]
    assert overlaps[0] > overlaps[1] > overlaps[2]


def test_at_full_rate_a_repeated_frame_changes_nothing() -> None:
    """The second of two equal frames finds its own value and changes nothing."""
    torch.manual_seed(0)
    head = make_head("associative", 8, {"heads": 2, "write_bias": 60.0}).double()
    frame = torch.randn(1, 1, 8, dtype=torch.float64)
    _, once = head.step(frame, head.init_state(1))
    _, twice = head.step(frame, once)
    assert bool(once.memory.any())
    torch.testing.assert_close(twice.memory, once.memory, rtol=0, atol=1e-14)


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(UserError, match=r"associative head expects dim in multiples of its 3 heads, got 8\. Change"):
        make_head("associative", 8, {"heads": 3})
