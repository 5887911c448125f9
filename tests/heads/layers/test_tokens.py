"""Tests of the layers with global tokens."""

import pytest
import torch

from vidseq.heads import make_head


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("dim", [8, 64])
@pytest.mark.parametrize("name", ["longformer", "big_bird"])
def test_stepping_equals_whole_clips_with_default_options(
    name: str, dim: int, dtype: torch.dtype, tolerance: float
) -> None:
    """At a width of two a head, queries used to come to the kernel in columns."""
    torch.manual_seed(0)
    head, x = make_head(name, dim).to(dtype).requires_grad_(False), torch.randn(2, 270, dim, dtype=dtype)
    for chunk in (1, 40):
        state, y = head.init_state(2), []
        for part in x.split(chunk, dim=1):
            out, state = head.step(part, state)
            y.append(out)
        torch.testing.assert_close(torch.cat(y, dim=1), head(x), rtol=tolerance, atol=tolerance)
