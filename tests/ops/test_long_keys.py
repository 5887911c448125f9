import pytest
import torch
from torch import Tensor

from vidseq.ops import long_keys
from vidseq.ops.long_keys import attend_to_parts


def inputs(sizes: list[int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 2, size, 4) for size in (3, *sizes, *sizes)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("lengths", [(12, 12), (12, 7), (1, 9)])
@pytest.mark.parametrize("sizes", [[12], [5, 1, 6]])
def test_parts_are_one_softmax_in_outputs_and_gradients(sizes: list[int], lengths: tuple[int, int]) -> None:
    """Also where a row sees nothing of a part."""
    leaves = inputs(sizes)
    q, keys, values = leaves[0], leaves[1 : 1 + len(sizes)], leaves[1 + len(sizes) :]
    seen = torch.arange(12) < torch.tensor(lengths)[:, None]
    scores = (q @ torch.cat(keys, dim=2).mT / 2).masked_fill(~seen[:, None, None], -torch.inf)
    expected = scores.softmax(dim=-1) @ torch.cat(values, dim=2)
    read = attend_to_parts(q, keys, values, seen.split(sizes, dim=1))
    torch.testing.assert_close(read, expected, rtol=1e-10, atol=1e-10)
    for one, other in zip(*(torch.autograd.grad((y**2).sum(), leaves) for y in (read, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_other_devices_merge_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    q, *kv = (part.detach().to("meta") for part in inputs([5, 7]))
    valid = torch.ones(2, 12, dtype=torch.bool, device="meta").split([5, 7], dim=1)
    monkeypatch.setattr(long_keys, "_ToParts", None)
    assert attend_to_parts(q, kv[:2], kv[2:], valid).shape == q.shape
