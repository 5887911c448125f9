import copy

import pytest
import torch
import torch.nn.functional as F
from heads.references_performer import linear_attention_frames
from references import rotated
from torch import Tensor

from vidseq.errors import UserError
from vidseq.heads import Performer, make_head
from vidseq.ops.random_features import orthogonal_directions


def make(causal: bool = True, dim: int = 8, **options: object) -> Performer:
    torch.manual_seed(0)
    head = make_head("performer", dim, {"heads": 2, "features": 12, **options}, causal)
    assert isinstance(head, Performer)
    return head.double()


def projected(block: torch.nn.Module, x: Tensor) -> list[Tensor]:
    q, k, v = block.qkv(block.attention_norm(x)).chunk(3, dim=-1)
    q, k, v = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2) for part in (q, k, v))
    q, k = (torch.stack([rotated(part[:, :, t], t) for t in range(x.shape[1])], dim=2) for part in (q, k))
    return [q, k, v]


def finished(block: torch.nn.Module, x: Tensor, read: Tensor) -> Tensor:
    x = x + block.attention_out(read.transpose(1, 2).flatten(2))
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


def test_equals_the_equations_frame_by_frame() -> None:
    head, x = make(layers=2), torch.randn(2, 20, 8, dtype=torch.float64)
    y = x
    for block, directions in zip(head.blocks, head.directions):
        read = linear_attention_frames(*projected(block, y), directions, [20, 20])
        y = finished(block, y, read)
    torch.testing.assert_close(head(x), head.last_norm(y), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_comes_closer_to_softmax_attention_the_more_features_it_has(causal: bool) -> None:
    x, errors = torch.randn(2, 40, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64), []
    counts = [64, 256, 1024]
    for features in counts:
        head = make(causal, dim=16, layers=1, features=features)
        block = head.blocks[0]
        block.qkv.weight *= 0.5
        exact = finished(block, x, F.scaled_dot_product_attention(*projected(block, x), is_causal=causal))
        wrong = []
        for seed in range(16):
            head.directions = orthogonal_directions(features, 8, torch.Generator().manual_seed(seed))[None]
            wrong.append((head(x) - head.last_norm(exact)).square().mean())
        errors.append(torch.stack(wrong).mean().sqrt())
    steps, y = torch.tensor(counts).double().log(), torch.stack(errors).log()
    slope = float(((steps - steps.mean()) * (y - y.mean())).sum() / (steps - steps.mean()).square().sum())
    assert slope == pytest.approx(-0.5, abs=0.08) and errors[-1] < 0.015


def test_features_are_the_same_in_every_new_head_and_differ_between_layers() -> None:
    assert torch.equal(make().directions, make().directions)
    assert not torch.equal(*make(layers=2).directions)


def test_features_are_redrawn_in_training_only_and_between_videos() -> None:
    head, x = make(redraw_every=2), torch.randn(2, 6, 8, dtype=torch.float64)
    first = head.directions
    head.eval()
    for _ in range(5):
        head(x)
    head.train()
    assert head.directions is first
    _, state = head.step(x, head.init_state(2))
    for _ in range(5):
        _, state = head.step(x, state)  # the same videos go on
    y = head(x)
    assert head.directions is first
    head(x)
    assert not torch.equal(head.directions, first) and head.directions.dtype == torch.float64
    y.sum().backward()  # the old features still serve the backward pass of their own batch
    twin = make(redraw_every=2)
    twin.load_state_dict(copy.deepcopy(head.state_dict()))
    assert torch.equal(twin.eval()(x), head.eval()(x))


def test_features_stay_by_default() -> None:
    head = make().train()
    first = head.directions
    for _ in range(3):
        head(torch.zeros(1, 2, 8, dtype=torch.float64))
    assert head.directions is first


def test_an_odd_width_cannot_be_rotated() -> None:
    with pytest.raises(
        UserError, match=r"performer head expects dim in multiples of 4 \(an even width per head\), got 6"
    ):
        make(dim=6)
