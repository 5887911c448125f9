import pytest
import torch
from references_blocks import head_reference

from vidseq.heads import make_head


@pytest.mark.parametrize("causal", [True, False])
def test_equals_attention_query_by_query(causal: bool) -> None:
    torch.manual_seed(0)
    head = make_head("attention", 8, {"heads": 2}, causal).double()
    x, seen = torch.randn(2, 20, 8, dtype=torch.float64), torch.ones(20, 20, dtype=torch.bool)
    expected = head_reference(head, x, seen.tril() if causal else seen)
    torch.testing.assert_close(head(x), expected, rtol=1e-10, atol=1e-10)


def test_the_state_grows_with_the_longest_row_and_is_zero_behind_shorter_ones() -> None:
    torch.manual_seed(0)
    head = make_head("attention", 8, {"heads": 2}).double().requires_grad_(False)
    x, mask = torch.randn(3, 6, 8, dtype=torch.float64), torch.arange(6) < torch.tensor([[0], [4], [2]])
    _, state = head.step(x, head.init_state(3), mask)
    assert state.keys.shape == (3, 2, 2, 4, 4) and state.position.tolist() == [0, 4, 2]
    assert not state.keys[0].any() and not state.values[2, :, :, 2:].any() and state.values[2, :, :, 1].all()
    assert head.state_bytes(1, 1000) == 1000 * head.state_bytes(1, 1) - 999 * 8  # all but the counter grows
