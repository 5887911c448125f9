import pytest
import torch
from references import rotated

from vidseq.ops.rotary import rotary_angles, rotate, rotate_qkv


def test_vectors_turn_like_complex_numbers() -> None:
    x = torch.randn(3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turned = rotate(x, rotary_angles(torch.tensor([0, 1, 500]), 6))
    for row, position in enumerate([0, 1, 500]):
        torch.testing.assert_close(turned[row], rotated(x[row], position), rtol=1e-12, atol=1e-12)


def test_scores_depend_on_distance_alone_even_after_a_million_frames() -> None:
    q, k = torch.randn(2, 64, generator=torch.Generator().manual_seed(0)).unbind()
    scores = []
    for start in (0, 1_000_000):
        ahead, behind = rotary_angles(torch.tensor([start + 9, start]), 64)
        scores.append(rotate(q, ahead) @ rotate(k, behind))
    torch.testing.assert_close(*scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
def test_queries_and_keys_turn_and_values_stay(rows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(3, 5, 3, 2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(3, 3, 2, 5, 6, generator=generator, dtype=torch.float64)
    angles = rotary_angles(torch.arange(5) + 100 * torch.arange(rows)[:, None], 6)
    results = []
    for parts in (
        rotate_qkv(qkv, angles),
        (*(rotate(qkv[:, :, part].transpose(1, 2), angles[:, None]) for part in (0, 1)), qkv[:, :, 2].transpose(1, 2)),
    ):
        loss = sum(((part * weight) ** 2).sum() for part, weight in zip(parts, weights))
        results.append([*parts, *torch.autograd.grad(loss, [qkv])])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sizes", [[0], [4], [2, 0, 3]])
def test_keys_and_values_come_behind_those_of_the_past(sizes: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(2, 5, 3, 2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    past = [torch.randn(2, 2, 2, n, 6, generator=generator, dtype=torch.float64, requires_grad=True) for n in sizes]
    angles, pairs = rotary_angles(torch.arange(5)[None] + 9, 6), [tuple(part.unbind()) for part in past]
    q, k, v = rotate_qkv(qkv, angles)
    k, v = (torch.cat(parts, dim=2) for parts in zip(*pairs, (k, v)))
    results = []
    for parts in (rotate_qkv(qkv, angles, pairs), (q, k, v)):
        loss = sum((part.cumsum(2) ** 2).sum() for part in parts)
        results.append([*parts, *torch.autograd.grad(loss, [qkv, *past])])
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("used", [0, 1, 2])
def test_what_is_not_used_has_no_gradient(used: int) -> None:
    qkv = torch.ones(1, 4, 3, 2, 6, dtype=torch.float64, requires_grad=True)
    rotate_qkv(qkv, rotary_angles(torch.arange(4)[None], 6))[used].square().sum().backward()
    assert [bool(part.any()) for part in qkv.grad.unbind(2)] == [part == used for part in range(3)]
