import pytest
import torch
from references_blocks import head_reference

from vidseq.heads import dilated, make_head


def picture(num_frames: int, window: int, dilation: int, causal: bool) -> torch.Tensor:
    """Who sees whom in one layer, drawn frame by frame."""
    seen = torch.zeros(num_frames, num_frames, dtype=torch.bool)
    for frame in range(num_frames):
        for step in range(0 if causal else 1 - window, window):
            if 0 <= frame - step * dilation < num_frames:
                seen[frame, frame - step * dilation] = True
    return seen


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("dilation, growth, expected", [(1, 2, [1, 2, 4]), (3, 1, [3, 3, 3]), (2, 3, [2, 6, 18])])
def test_equals_attention_query_by_query(causal: bool, dilation: int, growth: int, expected: list[int]) -> None:
    torch.manual_seed(0)
    options = {"window": 3, "layers": 3, "heads": 2, "dilation": dilation, "growth": growth}
    head = make_head("dilated", 8, options, causal).double()
    assert head.dilations == expected and head.context_frames == 2 * sum(expected) + 1
    x = torch.randn(2, 30, 8, dtype=torch.float64)
    seen = torch.stack([picture(30, 3, dilation, causal) for dilation in expected])
    torch.testing.assert_close(head(x), head_reference(head, x, seen), rtol=1e-10, atol=1e-10)


def test_without_dilation_it_is_the_window_head() -> None:
    torch.manual_seed(0)
    head = make_head("dilated", 8, {"window": 5, "heads": 2, "growth": 1}).double()
    window = make_head("window", 8, {"window": 5, "heads": 2}).double()
    window.load_state_dict(head.state_dict())
    x = torch.randn(2, 30, 8, dtype=torch.float64)
    torch.testing.assert_close(head(x), window(x), rtol=0, atol=0)


def test_a_live_frame_costs_one_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not as many as the dilation has."""
    head, scores = make_head("dilated", 8, {"window": 5, "heads": 2, "dilation": 64, "layers": 1}), []
    read = dilated.attend_independent_queries

    def counted(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, past: list[tuple[torch.Tensor, torch.Tensor]], *rest: object
    ) -> torch.Tensor:
        scores.append(q.shape[0] * q.shape[2] * (1 + sum(keys.shape[2] for keys, _ in past)))
        return read(q, k, v, past, *rest)

    monkeypatch.setattr(dilated, "attend_independent_queries", counted)
    head.step(torch.zeros(1, 1, 8), head.init_state(1))
    assert scores == [5]
