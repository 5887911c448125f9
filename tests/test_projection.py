"""Whole videos before the head: levelled, and read in steps of several frames."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.projection import MIN_DEVIATION, level_videos, pool_frames

CONFIG = ModelConfig(
    feature_dim=3, labels={"action": ("a", "b")}, tasks={"frame_labels": {}}, dim=8, head="conv",
    head_options={"layers": 2}, causal=False, level_videos=True, frames_per_step=3,
)  # fmt: skip


@st.composite
def padded(draw):
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    features = torch.randn(len(lengths), max(lengths), 2, dtype=torch.float64, generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return features.masked_fill(~mask[..., None], float("nan")), mask, lengths


@given(padded())
def test_levelling_equals_numpy_on_each_video(case):
    features, mask, lengths = case
    mean, std = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.5, 3.0]).double()
    found = level_videos(features, mask, mean, std)
    for row, (video, length) in enumerate(zip(features.numpy(), lengths)):
        own = video[:length]
        scaled = (own - own.mean(0)) / (own.std(0) + MIN_DEVIATION * std.numpy()) * std.numpy() + mean.numpy()
        np.testing.assert_allclose(found[row, :length], scaled, atol=1e-9)
        assert not found[row, length:].any()


@given(padded(), st.integers(1, 4))
def test_steps_are_the_means_of_their_frames(case, stride):
    features, mask, lengths = case
    found, found_mask = pool_frames(features, mask, stride)
    for row, (video, length) in enumerate(zip(features.numpy(), lengths)):
        starts = range(0, length, stride)
        means = [video[start : min(start + stride, length)].mean(0) for start in starts]
        np.testing.assert_allclose(found[row, : len(means)], np.stack(means), atol=1e-9)
        assert found_mask[row].tolist() == [at < len(means) for at in range(found_mask.shape[1])]
        assert not found[row, len(means) :].any()


def test_padding_changes_nothing_of_a_levelled_video_in_steps():
    torch.manual_seed(0)
    model = VideoReasoner(CONFIG).eval()
    video = torch.randn(1, 10, 3)
    with torch.inference_mode():
        alone = model(video)
        both = model(
            torch.cat([torch.cat([video, torch.full((1, 3, 3), float("nan"))], dim=1), torch.randn(1, 13, 3)]),
            torch.arange(13) < torch.tensor([[10], [13]]),
        )
    torch.testing.assert_close(both[:1, :10], alone)
    assert not both[0, 10:].any()
    torch.testing.assert_close(alone[:, 0], alone[:, 2])  # frames of a step share their output


def test_brightness_of_a_video_does_not_matter_where_it_is_levelled():
    torch.manual_seed(0)
    model, video = VideoReasoner(CONFIG).eval(), torch.randn(1, 10, 3)
    plain = VideoReasoner(dataclasses.replace(CONFIG, level_videos=False)).eval()
    with torch.inference_mode():
        brighter = video + torch.tensor([5.0, 0.0, 0.0])
        torch.testing.assert_close(model(video), model(brighter), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(plain(video), plain(brighter), atol=1e-3)
        torch.testing.assert_close(model(model.level(video), levelled=True), model(video))


@pytest.mark.parametrize("options", [{"level_videos": True}, {"frames_per_step": 2}])
def test_a_causal_model_cannot_know_the_whole_video(options):
    values = {"level_videos": False, "frames_per_step": 1, **options}
    with pytest.raises(UserError, match="reads whole videos, so it expects causal=False"):
        VideoReasoner(dataclasses.replace(CONFIG, causal=True, **values))
