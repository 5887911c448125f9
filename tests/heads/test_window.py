import pytest
import torch
import torch.nn.functional as F
from local_attention import LocalAttention
from references import band_attention, rotated
from references_blocks import network_reference
from torch import Tensor, nn

from vidseq.heads import make_head


def block_reference(block: nn.Module, x: Tensor, before: int, after: int) -> Tensor:
    q, k, v = block.qkv(block.attention_norm(x)).chunk(3, dim=-1)
    q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2) for part in (q, k, v))
    q, k = (torch.stack([rotated(part[:, :, t], t) for t in range(x.shape[1])], dim=2) for part in (q, k))
    k, v = (F.pad(part, (0, 0, before, after)) for part in (k, v))
    valid = F.pad(torch.ones(x.shape[:2], dtype=torch.bool), (before, after))
    read = band_attention(q, k, v, valid, before, after)
    x = x + block.attention_out(read.transpose(1, 2).flatten(2))
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


@pytest.mark.parametrize("window", [1, 2, 7, 40])
@pytest.mark.parametrize("causal", [True, False])
def test_equals_attention_query_by_query(window: int, causal: bool) -> None:
    torch.manual_seed(0)
    head = make_head("window", 8, {"window": window, "heads": 2}, causal).double()
    x = y = torch.randn(2, 20, 8, dtype=torch.float64)
    for block in head.blocks:
        y = block_reference(block, y, window - 1, 0 if causal else window - 1)
    torch.testing.assert_close(head(x), head.last_norm(y), rtol=1e-10, atol=1e-10)


def test_equals_the_local_attention_package() -> None:
    """Its exact window is a frame longer than it is called, and its rotary angles are in single precision; where it
    sees both sides, it rotates queries to the positions of others, so that it is no reference there."""
    torch.manual_seed(0)
    head = make_head("window", 8, {"window": 6, "heads": 2}).double()
    peer = LocalAttention(window_size=5, causal=True, exact_windowsize=True, dim=4).double()
    x = y = torch.randn(2, 30, 8, dtype=torch.float64)
    for block in head.blocks:
        qkv = block.qkv(block.attention_norm(y)).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        y = network_reference(block, y, peer(*qkv))
    torch.testing.assert_close(head(x), head.last_norm(y), rtol=1e-6, atol=1e-6)


def test_where_a_video_starts_does_not_matter() -> None:
    """Once the window is full of the same frames, the position counter must cancel out."""
    torch.manual_seed(0)
    head = make_head("window", 8, {"window": 4, "layers": 1, "heads": 2}).double()
    x = torch.randn(1, 30, 8, dtype=torch.float64)
    torch.testing.assert_close(head(x)[:, -5:], head(x[:, -8:])[:, -5:], rtol=1e-10, atol=1e-10)


def test_the_state_grows_to_the_window_and_no_further() -> None:
    head = make_head("window", 8, {"window": 5, "layers": 2, "heads": 2}).double().eval().requires_grad_(False)
    sizes, state = [], head.init_state(3)
    for taken in ([1, 0, 1], [2, 1, 0], [0, 0, 0], [1, 1, 1], [3, 0, 0], [0, 2, 3]):
        mask = torch.arange(3) < torch.tensor(taken)[:, None]
        _, state = head.step(torch.randn(3, 3, 8, dtype=torch.float64), state, mask)
        sizes.append(state.keys.shape[3])
    assert sizes == [1, 3, 3, 4, 4, 4]  # as many as the longest row has had
    assert state.position.tolist() == [7, 4, 5]
    assert head.state_bytes(1, 0) == 8 and head.state_bytes(1, 3) < head.state_bytes(1, 4) == head.state_bytes(1, 999)
