import math

import pytest
import torch
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from vidseq.errors import UserError
from vidseq.heads import make_head
from vidseq.heads.codebook import nearest


def layer_reference(layer: nn.Module, x: Tensor) -> Tensor:
    """One video (T, D), with the list of values of each code."""
    width = x.shape[1] // layer.readers
    code_values: list[list[Tensor]] = [[] for _ in layer.codes]
    y = []
    for frame in x:
        code = min(range(len(code_values)), key=lambda k: float((layer.encode(frame) - layer.codes[k]).norm()))
        code_values[code].append(layer.value(frame))
        means = torch.stack([sum(some) / len(some) if some else torch.zeros_like(frame) for some in code_values])
        keys, values = layer.read_key(layer.codes), layer.known(layer.codes) + means
        reads = []
        for q, k, v in zip(layer.query(frame).split(width), keys.split(width, 1), values.split(width, 1)):
            reads.append((k @ q / math.sqrt(width)).softmax(0) @ v)
        shown = layer.show(frame)
        y.append(layer.out(torch.cat(reads) * shown * shown.sigmoid()))
    return torch.stack(y)


def test_equals_the_equations_frame_by_frame() -> None:
    torch.manual_seed(0)
    head = make_head("codebook", 6, {"codes": 5, "readers": 2, "layers": 2}).double().requires_grad_(False)
    x = y = torch.randn(2, 150, 6, dtype=torch.float64)
    for norm, layer in zip(head.stack.norms, head.stack.layers):
        y = y + torch.stack([layer_reference(layer, row) for row in norm(y)])
    torch.testing.assert_close(head(x), head.stack.last_norm(y), rtol=1e-10, atol=1e-10)


def test_codes_are_those_of_vector_quantize_pytorch() -> None:
    torch.manual_seed(0)
    peer = VectorQuantize(dim=8, codebook_size=20).eval()
    codes, x = torch.randn(20, 8), torch.randn(3, 100, 8)
    peer.codebook = codes
    quantized, index, _ = peer(x)
    assert torch.equal(nearest(x, codes).argmax(-1), index)
    torch.testing.assert_close(nearest(x, codes) @ codes, quantized)


def test_the_choice_is_hard_and_its_gradient_that_of_a_softmax() -> None:
    torch.manual_seed(0)
    x, codes = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((7, 4), (5, 4)))
    weight = torch.randn(7, 5, dtype=torch.float64)
    choice, soft = nearest(x, codes), (-torch.cdist(x, codes).square() / 2).softmax(-1)
    assert bool(((choice == 0) | (choice == 1)).all()) and torch.equal(choice.sum(-1), torch.ones(7))
    for hard, smooth in zip(*(torch.autograd.grad((part * weight).sum(), (x, codes)) for part in (choice, soft))):
        torch.testing.assert_close(hard, smooth, rtol=1e-9, atol=1e-9)


def test_each_code_keeps_the_mean_of_its_frames_whatever_else_comes() -> None:
    torch.manual_seed(0)
    head = make_head("codebook", 8, {"codes": 6, "readers": 2}).double().requires_grad_(False)
    layer, x = head.stack.layers[0], torch.randn(1, 5000, 8, dtype=torch.float64)
    _, state = head.step(x, head.init_state(1))
    frames = head.stack.norms[0](x)[0]
    code = torch.cdist(layer.encode(frames), layer.codes).argmin(-1)
    assert torch.equal(state.frames[0, 0], code.bincount(minlength=6).double())
    means = torch.stack([layer.value(frames)[code == k].sum(0) / max(1, int((code == k).sum())) for k in range(6)])
    held = state.mean[0, 0].transpose(0, 1).flatten(1)
    torch.testing.assert_close(held, means, rtol=1e-10, atol=1e-10)


def test_half_precision_still_counts_beyond_what_fits_its_digits() -> None:
    head = make_head("codebook", 8, {"codes": 1, "readers": 2}).bfloat16().requires_grad_(False)
    _, state = head.step(torch.zeros(1, 1001, 8, dtype=torch.bfloat16), head.init_state(1))
    assert state.frames.item() == 1001


def test_a_width_that_readers_cannot_share_is_refused() -> None:
    with pytest.raises(UserError, match=r"codebook head expects dim in multiples of its 3 readers, got 8\. Change"):
        make_head("codebook", 8, {"readers": 3})
