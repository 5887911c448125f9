"""Random features: vectors whose products estimate the exponential of softmax attention."""

import torch
from torch import Tensor


def orthogonal_directions(num_features: int, dim: int, generator: torch.Generator | None = None) -> Tensor:
    """Draws Gaussian vectors that are orthogonal to one another within every group of `dim`.

    Each is distributed like an independent Gaussian vector, so estimates stay unbiased; orthogonality makes their
    errors smaller.

    Source: Choromanski et al., arXiv:2009.14794, section 2.4.

    Args:
        num_features: vectors m; any number.
        dim: their width d.
        generator: random number generator; None: torch's own.

    Returns:
        float64 (m, d).
    """
    groups = []
    for start in range(0, num_features, dim):
        gaussian = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
        basis, triangle = torch.linalg.qr(gaussian)
        basis = basis * triangle.diagonal().sign()  # otherwise some directions would be more likely than others
        lengths = torch.randn(dim, dim, generator=generator, dtype=torch.float64).norm(dim=1)
        groups.append((basis.T * lengths[:, None])[: num_features - start])
    return torch.cat(groups)


def log_positive_features(x: Tensor, directions: Tensor) -> Tensor:
    """Computes the logarithms of features phi with E[phi(q) . phi(k)] = m exp(q . k / sqrt(d)).

        log phi(x) = w . x' - |x'|^2 / 2,    x' = x / d^(1/4),    for every direction w

    Source: Choromanski et al., arXiv:2009.14794, lemma 1; logarithms, because only their differences can be raised
    safely.

    Args:
        x: queries or keys, (..., d).
        directions: (m, d).

    Returns:
        (..., m).
    """
    x = x * x.shape[-1] ** -0.25
    return (x @ directions.T).sub_(x.square().sum(dim=-1, keepdim=True) / 2)
