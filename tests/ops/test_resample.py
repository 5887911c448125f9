import pytest
import torch
import torch.nn.functional as F

from vidseq.ops.resample import resample


def mask_of(*lengths: int, num_frames: int) -> torch.Tensor:
    return torch.arange(num_frames) < torch.tensor(lengths)[:, None]


def test_as_many_frames_as_points_stay_as_they_are() -> None:
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    torch.testing.assert_close(resample(x, mask_of(9, 9, num_frames=9), 9), x, rtol=0, atol=0)


@pytest.mark.parametrize("num_frames", [1, 4, 9, 10, 33, 200])
def test_a_matrix_times_the_points_is_the_stretched_matrix_times_the_video(num_frames: int) -> None:
    matrix = torch.randn(5, 9, dtype=torch.float64)
    x = torch.randn(2, num_frames + 3, 3, dtype=torch.float64)
    mask = mask_of(num_frames, num_frames, num_frames=num_frames + 3)
    stretched = F.interpolate(matrix[None], size=num_frames, mode="linear", align_corners=False)[0]
    expected = stretched @ x[:, :num_frames] * 9 / num_frames
    y = matrix @ resample(x.masked_fill(~mask[..., None], 0), mask, 9)
    torch.testing.assert_close(y, expected, rtol=1e-10, atol=1e-10)


def test_a_steady_video_keeps_its_level_at_any_length() -> None:
    sums = [resample(torch.ones(1, n, 1), mask_of(n, num_frames=n), 16).sum().item() for n in (1, 7, 16, 1000)]
    assert sums == pytest.approx([16] * 4, rel=1e-5)


def test_rows_of_other_lengths_and_empty_rows() -> None:
    x, mask = torch.randn(2, 20, 3, dtype=torch.float64), mask_of(7, 0, num_frames=20)
    y = resample(x.masked_fill(~mask[..., None], 0), mask, 5)
    torch.testing.assert_close(y[:1], resample(x[:1, :7], mask_of(7, num_frames=7), 5))
    assert not y[1].any()
