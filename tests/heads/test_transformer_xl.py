import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.errors import UserError
from vidseq.heads import TransformerXL, make_head


def make(**options: object) -> TransformerXL:
    torch.manual_seed(0)
    head = make_head("transformer_xl", 8, {"layers": 2, "heads": 2, "memory": 5, **options})
    assert isinstance(head, TransformerXL)
    return head.double()


def layer_reference(head: TransformerXL, index: int, x: Tensor) -> Tensor:
    """The paper's four terms, (a) to (d), one pair of frames after another; x is (T, D)."""
    block, reads = head.blocks[index], []
    normed, (to_q, to_k, to_v) = block.attention_norm(x), block.qkv.weight.chunk(3)
    u, v = head.content_biases[index][:, 0], head.position_biases[index][:, 0]
    for t in range(len(x)):
        seen = range(max(0, t - head.config.memory), t + 1)
        query, scores = (to_q @ normed[t]).view(2, 4), []
        for j in seen:
            key = (to_k @ normed[j]).view(2, 4)
            angles = torch.tensor([(t - j) / 10_000 ** (2 * i / 8) for i in range(4)], dtype=x.dtype)
            distance = head.position_keys[index].weight @ torch.cat([angles.sin(), angles.cos()])
            distance = distance.view(2, 4)
            a, b = (query * key).sum(-1), (query * distance).sum(-1)
            c, d = (u * key).sum(-1), (v * distance).sum(-1)
            scores.append((a + b + c + d) / math.sqrt(4))
        values = torch.stack([(to_v @ normed[j]).view(2, 4) for j in seen])
        reads.append((torch.stack(scores).softmax(0)[..., None] * values).sum(0).flatten())
    x = x + block.attention_out(torch.stack(reads))
    return x + block.narrow(F.gelu(block.widen(block.network_norm(x))))


def test_equals_the_four_terms_of_the_paper_pair_by_pair() -> None:
    head, x = make(), torch.randn(1, 20, 8, dtype=torch.float64)
    y = layer_reference(head, 1, layer_reference(head, 0, x[0]))
    torch.testing.assert_close(head(x)[0], head.last_norm(y), rtol=1e-10, atol=1e-10)


def test_segments_with_a_stopped_gradient_give_the_same_outputs_and_no_gradient_beyond() -> None:
    head, x = make(), torch.randn(1, 24, 8, dtype=torch.float64, requires_grad=True)
    state, reads = head.init_state(1), []
    for segment in x.split(8, dim=1):
        y, state = head.step(segment, state)
        state = type(state)(*(part.detach() for part in state))
        reads.append(y)
    torch.testing.assert_close(torch.cat(reads, dim=1), head(x), rtol=1e-10, atol=1e-10)
    (gradient,) = torch.autograd.grad((reads[1] ** 3).sum(), x)
    assert bool(gradient[0, 8:16].any(-1).all()) and not gradient[0, :8].any() and not gradient[0, 16:].any()


def test_where_a_video_starts_does_not_matter() -> None:
    head, x = make(), torch.randn(1, 30, 8, dtype=torch.float64)
    torch.testing.assert_close(head(x)[:, -5:], head(x[:, -15:])[:, -5:], rtol=1e-10, atol=1e-10)


def test_without_a_memory_a_frame_sees_itself() -> None:
    head, x = make(memory=0), torch.randn(1, 9, 8, dtype=torch.float64)
    assert head.context_frames == 1
    torch.testing.assert_close(head(x)[0], head(x.transpose(0, 1))[:, 0], rtol=1e-10, atol=1e-10)


def test_an_odd_width_has_no_sinusoids() -> None:
    with pytest.raises(UserError, match="transformer_xl head expects dim in multiples of 6"):
        make(heads=3)
