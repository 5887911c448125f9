import pytest
import torch
import torch.nn.functional as F
from local_attention import LocalAttention
from references import band_attention, rotated
from references_blocks import network_reference
from torch import Tensor, nn

from vidseq.heads import make_head
from vidseq.ops.places import PlacedQueries, Places


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


def make_head_with_slopes() -> nn.Module:
    head = make_head("window", 8, {"window": 6, "layers": 2, "heads": 2, "age_slopes": True}).double().eval()
    for slope in head.slopes:
        nn.init.normal_(slope.slope.weight, std=3.0)
        nn.init.normal_(slope.slope.bias, std=3.0)
    return head.requires_grad_(False)


@pytest.mark.parametrize("seen", [0, 1, 4, 9, 14])
def test_age_slopes_equal_a_query_at_a_time(seen: int) -> None:
    """Frames never use them; a query's score for a frame `age` frames ago gains its slope times the age."""
    torch.manual_seed(0)
    head = make_head_with_slopes()
    x, query = torch.randn(1, seen, 8, dtype=torch.float64), torch.randn(1, 1, 8, dtype=torch.float64)
    frames, want = x, query
    for block, slope in zip(head.blocks, head.slopes, strict=True):
        q, k, v = block.qkv(block.attention_norm(torch.cat([frames, want], dim=1))).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (2, -1)).transpose(1, 2) for part in (q, k, v))
        q, k = (torch.stack([rotated(part[:, :, t], t) for t in range(seen + 1)], dim=2) for part in (q, k))
        near = slice(max(0, seen - 5), seen + 1)
        ages = (seen - torch.arange(seen + 1))[near]
        slopes = slope.slope(slope.norm(want))[0, 0]  # (heads,)
        scores = (q[:, :, -1:] @ k[:, :, near].transpose(2, 3)) / 2 + slopes[:, None, None] * ages / 32
        read = scores.softmax(-1) @ v[:, :, near]
        want = want + block.attention_out(read.transpose(1, 2).flatten(2))
        want = want + block.narrow(F.gelu(block.widen(block.network_norm(want))))
        frames = block_reference(block, frames, 5, 0) if seen else frames
    state = head.step(x, head.init_state(1))[1] if seen else head.init_state(1)
    torch.testing.assert_close(head.ask(query, state), head.last_norm(want), rtol=1e-10, atol=1e-10)


def test_age_slopes_in_one_pass_equal_the_pieces() -> None:
    torch.manual_seed(0)
    head = make_head_with_slopes()
    past, x = torch.randn(2, 5, 8, dtype=torch.float64), torch.randn(2, 23, 8, dtype=torch.float64)
    _, state = head.step(past, head.init_state(2))
    rows, seen = torch.tensor([0, 0, 1, 1, 0, 1]), torch.tensor([0, 4, 9, 23, 17, 1])
    vectors, mask = torch.randn(6, 8, dtype=torch.float64), torch.ones(2, 23, dtype=torch.bool)
    _, _, answers = head.scan_with_queries(x, state, mask, PlacedQueries(vectors, Places(rows, seen)))
    for vector, row, frames, answer in zip(vectors, rows, seen, answers, strict=True):
        _, at = head.step(x, state, torch.arange(23).expand(2, -1) < frames)
        torch.testing.assert_close(head.ask(vector.expand(2, 1, -1), at)[row, 0], answer, rtol=1e-10, atol=1e-10)


def test_age_slopes_start_at_nothing() -> None:
    torch.manual_seed(0)
    head = make_head("window", 8, {"window": 6, "heads": 2, "age_slopes": True}).eval().requires_grad_(False)
    plain = make_head("window", 8, {"window": 6, "heads": 2}).eval().requires_grad_(False)
    plain.load_state_dict({name: part for name, part in head.state_dict().items() if not name.startswith("slopes")})
    x, query = torch.randn(1, 9, 8), torch.randn(1, 3, 8)
    assert torch.equal(*(one.ask(query, one.step(x, one.init_state(1))[1]) for one in (head, plain)))
