import torch
from references import rotated

from vidseq.ops.rotary import rotary_angles, rotate


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
