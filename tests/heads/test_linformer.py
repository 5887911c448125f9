import math

import pytest
import torch
import torch.nn.functional as F
from linformer import LinformerSelfAttention
from references import rotated
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.heads import TemporalHead, make_head

SMALL: dict[str, object] = {"layers": 2, "heads": 2, "block": 4, "rows": 2, "rank": 6, "places": 20}


def make(causal: bool = True, **options: object) -> TemporalHead:
    torch.manual_seed(0)
    return make_head("linformer", 8, SMALL | options, causal).double()


def network(block: nn.Module, x: Tensor) -> Tensor:
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


def test_the_whole_video_form_equals_the_linformer_package_with_copied_weights() -> None:
    head, x = make(causal=False), torch.randn(2, 20, 8, dtype=torch.float64)
    rates = 10_000 ** -(torch.arange(4, dtype=torch.float64) / 4)
    angles = torch.arange(20)[:, None] * rates
    y = x + torch.cat([angles.sin(), angles.cos()], dim=-1)
    for block, projections in zip(head.blocks, head.projections):
        peer = LinformerSelfAttention(8, seq_len=20, k=6, heads=2).double()
        weights = [*block.qkv.weight.chunk(3), block.attention_out.weight]
        with torch.no_grad():
            for layer, weight in zip((peer.to_q, peer.to_k, peer.to_v, peer.to_out), weights):
                layer.weight.copy_(weight)
            peer.to_out.bias.zero_()
            peer.proj_k.copy_(projections[0].T)
            peer.proj_v.copy_(projections[1].T)
        y = network(block, y + peer(block.attention_norm(y)))
    torch.testing.assert_close(head(x), head.last_norm(y), rtol=1e-10, atol=1e-10)


def layer_reference(block: nn.Module, projections: Tensor, x: Tensor) -> Tensor:
    """Frame by frame: the last summaries that exist, then the frames of the own block; x is (T, D)."""
    normed, size, rank, reads = block.attention_norm(x), 4, 6, []
    to_q, to_k, to_v = block.qkv.weight.chunk(3)

    def heads(vector: Tensor, position: float | None = None) -> Tensor:
        parts = vector.view(2, 4)
        return parts if position is None else rotated(parts, position)  # type: ignore[arg-type]

    for t in range(len(x)):
        keys, values = [], []
        for past in range(t // size):
            frames = normed[past * size : (past + 1) * size]
            for e, f in zip(projections[0], projections[1]):
                keys.append(heads(to_k @ (e @ frames), past * size + (size - 1) / 2))
                values.append(heads(to_v @ (f @ frames)))
        keys, values = keys[-rank:], values[-rank:]
        for j in range(t // size * size, t + 1):
            keys.append(heads(to_k @ normed[j], j))
            values.append(heads(to_v @ normed[j]))
        scores = (torch.stack(keys) * heads(to_q @ normed[t], t)).sum(-1) / math.sqrt(4)
        reads.append((scores.softmax(0)[..., None] * torch.stack(values)).sum(0).flatten())
    return network(block, x + block.attention_out(torch.stack(reads)))


def test_the_causal_form_equals_the_rows_one_by_one() -> None:
    head, x = make(), torch.randn(1, 27, 8, dtype=torch.float64)
    y = x[0]
    for block, projections in zip(head.blocks, head.projections):
        y = layer_reference(block, projections, y)
    torch.testing.assert_close(head(x)[0], head.last_norm(y), rtol=1e-10, atol=1e-10)


def test_where_a_video_starts_does_not_matter() -> None:
    """Blocks count from the first frame; what is further back than any summary leaves no trace."""
    head, x = make(layers=1), torch.randn(1, 40, 8, dtype=torch.float64)
    torch.testing.assert_close(head(x)[:, -4:], head(x[:, -16:])[:, -4:], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rank": 5}, r"linformer head expects rank in multiples of its 2 rows a block, got 5\. Change rank or rows"),
        ({"heads": 3}, r"linformer head expects dim in multiples of 6 \(an even width per head\), got 8"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(**options)
