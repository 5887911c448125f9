import warnings

import pytest
import torch
from heads.references_performer import linear_attention_frames, positive_features
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vidseq.ops.linear_attention import CHUNK, Sums, causal_linear_attention, empty_sums, linear_attention
from vidseq.ops.random_features import log_positive_features, orthogonal_directions

FEATURES, WIDTH = 10, 4
DIRECTIONS = orthogonal_directions(FEATURES, WIDTH, torch.Generator().manual_seed(0))


def log_features(x: Tensor) -> Tensor:
    return log_positive_features(x, DIRECTIONS.to(x.dtype))


def inputs(num_frames: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(num_frames)
    return tuple(torch.randn(3, 2, 2, num_frames, WIDTH, generator=generator, dtype=torch.float64).to(dtype).unbind())


def nothing(dtype: torch.dtype = torch.float64) -> Sums:
    return empty_sums(torch.zeros(2, 2, FEATURES, WIDTH, dtype=dtype), torch.zeros(2, 2, FEATURES, dtype=dtype))


def whole(q: Tensor, k: Tensor, v: Tensor, lengths: tuple[int, ...] = (10**9, 10**9)) -> tuple[Tensor, Tensor, Sums]:
    valid = torch.arange(q.shape[2]) < torch.tensor(lengths)[:, None]
    y, sums = causal_linear_attention(q, k, v, valid, nothing(q.dtype), log_features)
    return y.masked_fill(~valid[:, None, :, None], 0), valid, sums


@settings(max_examples=10, deadline=None)
@given(num_frames=st.integers(1, 60), short=st.integers(0, 60))
def test_prefix_sums_equal_the_loop_over_frames(num_frames: int, short: int) -> None:
    q, k, v = inputs(num_frames)
    lengths = [num_frames, min(short, num_frames)]
    expected = linear_attention_frames(q, k, v, DIRECTIONS, lengths)
    torch.testing.assert_close(whole(q, k, v, tuple(lengths))[0], expected, rtol=1e-10, atol=1e-10)


def test_chunks_equal_the_whole_matrix_in_outputs_and_gradients() -> None:
    parts = [part.requires_grad_() for part in inputs(2 * CHUNK + 37)]
    results = []
    for attend in (lambda *parts: whole(*parts)[0], dense):
        y = attend(*parts)
        results.append([y, *torch.autograd.grad((y**2).sum(), parts)])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


def dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = (positive_features(q, DIRECTIONS) @ positive_features(k, DIRECTIONS).transpose(2, 3)).tril()
    return weights / weights.sum(-1, keepdim=True) @ v


def test_the_whole_video_form_equals_performer_pytorchs_with_its_projection() -> None:
    """Without the constant that it adds to every feature."""
    with warnings.catch_warnings():  # it warns when it is imported
        warnings.simplefilter("ignore")
        from performer_pytorch.performer_pytorch import linear_attention as peer_attention
        from performer_pytorch.performer_pytorch import softmax_kernel
    q, k, v = inputs(CHUNK + 50)
    phi_q, phi_k = (
        softmax_kernel(part, projection_matrix=DIRECTIONS, is_query=is_query, eps=0)
        for part, is_query in ((q, True), (k, False))
    )
    valid = torch.ones(2, CHUNK + 50, dtype=torch.bool)
    ours = linear_attention(q, k, v, valid, log_features)
    torch.testing.assert_close(ours, peer_attention(phi_q, phi_k, v), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(ours[:, :, -1], whole(q, k, v)[0][:, :, -1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [0.1, 30.0, 200.0])
def test_keys_of_any_size_neither_overflow_nor_vanish(size: float) -> None:
    """Without a scale, features of these keys would all be 0 in float32."""
    q, k, v = inputs(CHUNK + 9, torch.float32)
    y, _, sums = whole(0.1 * q, size * k, v)
    assert bool(y.isfinite().all()) and bool((sums.weights.sum(-1) > 0.999).all())
    assert bool((y[:, :, 0] - v[:, :, 0]).abs().max() < 1e-5)


def test_a_great_key_does_not_disturb_what_came_before() -> None:
    """A maximum over the chunk would make the features of small keys vanish, and let the future be seen."""
    q, k, v = inputs(60, torch.float32)
    k[:, :, :40] *= 30  # great length: small features
    k[:, :, 40:] *= 0.01
    y, _, _ = whole(q, k, v)
    before, _, _ = whole(q[:, :, :40], k[:, :, :40], v[:, :, :40])
    torch.testing.assert_close(y[:, :, :40], before, rtol=1e-5, atol=1e-5)
    assert bool(before.abs().amax(-1).min() > 1e-3)


def test_a_scale_that_grows_between_chunks_changes_nothing() -> None:
    q, k, v = inputs(90)
    k = k * torch.linspace(6, 0.1, 90, dtype=torch.float64)[:, None]
    expected, sums, reads = whole(q, k, v)[0], nothing(), []
    for part in zip(q.split(13, 2), k.split(13, 2), v.split(13, 2)):
        y, sums = causal_linear_attention(*part, torch.ones(2, part[0].shape[2], dtype=torch.bool), sums, log_features)
        reads.append(y)
    torch.testing.assert_close(torch.cat(reads, dim=2), expected, rtol=1e-10, atol=1e-10)


def test_errors_stay_within_twice_those_of_plain_torch() -> None:
    exact = dense(*inputs(600))
    single = inputs(600, torch.float32)
    fast = whole(*single)[0]
    q, k, v = single
    weights = (positive_features(q, DIRECTIONS.float()) @ positive_features(k, DIRECTIONS.float()).mT).tril()
    plain = weights / weights.sum(-1, keepdim=True) @ v
    assert (fast - exact).abs().max() <= 2 * (plain - exact).abs().max()
