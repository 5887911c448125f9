import math

import pytest
import torch
from torch import Tensor

from vidseq.ops.random_features import log_positive_features, orthogonal_directions


def vectors(seed: int = 0, count: int = 64, dim: int = 16) -> Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel_error(directions: Tensor) -> float:
    """Relative error of the estimated exponentials, root mean square over pairs of vectors."""
    q, k = 0.7 * vectors(1), 0.7 * vectors(2)
    exact = (q @ k.T / math.sqrt(q.shape[-1])).exp()
    phi_q, phi_k = (log_positive_features(part, directions).exp() for part in (q, k))
    return float(((phi_q @ phi_k.T / len(directions) - exact) / exact).square().mean().sqrt())


def mean_error(num_features: int, orthogonal: bool) -> float:
    errors = []
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        if orthogonal:
            directions = orthogonal_directions(num_features, 16, generator)
        else:
            directions = torch.randn(num_features, 16, generator=generator, dtype=torch.float64)
        errors.append(kernel_error(directions) ** 2)
    return math.sqrt(sum(errors) / len(errors))


def test_directions_are_orthogonal_in_groups_and_as_long_as_gaussian_vectors() -> None:
    directions = orthogonal_directions(1600, 16, torch.Generator().manual_seed(0))
    for start in range(0, 1600, 16):
        products = directions[start : start + 16] @ directions[start : start + 16].T
        torch.testing.assert_close(products, products.diagonal().diag(), rtol=0, atol=1e-9)
    squares = directions.square().sum(1)
    assert squares.mean().item() == pytest.approx(16, rel=0.05) and squares.var().item() == pytest.approx(32, rel=0.2)
    torch.testing.assert_close(directions.mean(0), torch.zeros(16, dtype=torch.float64), rtol=0, atol=0.1)
    assert orthogonal_directions(21, 16).shape == (21, 16)


def test_no_octant_is_likelier_than_another() -> None:
    """Without the signs of the triangle, QR prefers some directions."""
    generator = torch.Generator().manual_seed(0)
    first = torch.stack([orthogonal_directions(4, 4, generator) for _ in range(2000)])
    assert float((first > 0).double().mean(0).sub(0.5).abs().max()) < 0.05


def test_the_error_falls_with_the_root_of_the_number_of_features() -> None:
    counts = [16, 64, 256, 1024]
    x = torch.tensor(counts, dtype=torch.float64).log()
    y = torch.tensor([mean_error(count, orthogonal=True) for count in counts], dtype=torch.float64).log()
    slope = float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())
    assert slope == pytest.approx(-0.5, abs=0.08)


def test_orthogonal_directions_beat_independent_ones() -> None:
    for count in (16, 128):
        assert mean_error(count, orthogonal=True) < 0.97 * mean_error(count, orthogonal=False)
