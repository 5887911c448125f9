"""Noise on features: its size, its slowness, and that nothing else changes."""

import pytest
import torch

from vidseq.training.feature_noise import add_feature_noise, slow_noise

FEATURES = torch.zeros(64, 200, 8, dtype=torch.float64)
STD = torch.tensor([1.0, 2.0, 0.5, 1.0, 1.0, 1.0, 1.0, 3.0], dtype=torch.float64)


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_nothing_is_nothing():
    assert add_feature_noise(FEATURES, STD, noise=0.0, drift=0.0, drift_frames=30) is FEATURES


@pytest.mark.parametrize(("noise", "drift"), [(0.5, 0.0), (0.0, 0.5), (0.3, 0.4)])
def test_its_size_is_in_standard_deviations(noise, drift):
    added = add_feature_noise(FEATURES, STD, noise=noise, drift=drift, drift_frames=10)
    assert torch.allclose(added.square().mean(dim=(0, 1)).sqrt(), 0.5 * STD, rtol=0.06)
    assert added.mean().abs() < 0.05
    assert not FEATURES.any()


@pytest.mark.parametrize("frames", [1, 2, 10, 300])
def test_slow_noise_is_slow_and_of_variance_one(frames):
    draws = [slow_noise(torch.zeros(20, 200, 8, dtype=torch.float64), frames) for _ in range(100)]
    noise = torch.cat(draws)  # every draw starts at another place between two knots
    assert noise.square().mean() == pytest.approx(1.0, rel=0.05)
    change = (noise[:, 1:] - noise[:, :-1]).square().mean().sqrt()
    assert change == pytest.approx(1.414 if frames == 1 else 1.73 / frames, rel=0.1)
    far = (noise[:, :100] * noise[:, 100:]).mean()
    assert abs(far) < 0.05 or frames > 100


def test_clips_do_not_share_noise():
    one, other = slow_noise(torch.zeros(2, 50, 4), 5)
    assert not torch.allclose(one, other)


def test_a_single_frame():
    assert slow_noise(torch.zeros(3, 1, 2), 30).shape == (3, 1, 2)
