"""Frames keep their shape, and small pictures are as good as Pillow's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from vidseq.errors import UserError
from vidseq.video.resizing import Policy, Size, resize


def textured(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with edges, gradients and noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    waves = 127 + 90 * np.sin(columns / 9) * np.cos(rows / 13)
    image = waves[..., None] + random.integers(-40, 40, (height, width, 3))
    image[height // 3 : height // 2, width // 4 : width // 3] = (250, 5, 90)
    return np.clip(image, 0, 255).astype(np.uint8)


def with_pillow(
    image: np.ndarray, height: int, width: int, how: Image.Resampling = Image.Resampling.BILINEAR
) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), how))


def test_stretched_and_bicubic_is_pillows() -> None:
    image = textured(90, 150)
    ours = resize(image[None], Size(64, "stretch", 80, "bicubic"))[0]
    pillow = with_pillow(image, 80, 80, Image.Resampling.BICUBIC)[8:72, 8:72]
    assert ours.shape == (64, 64, 3) and np.abs(ours.astype(int) - pillow).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (480, 640), (640, 360), (97, 161), (100, 100), (256, 256)])
def test_crop_is_torchvisions(height: int, width: int) -> None:
    image = textured(height, width)
    ours = resize(image[None], Size(224))[0]
    chain = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(224)])
    theirs = chain(torch.from_numpy(image).permute(2, 0, 1)).permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    pillow = np.asarray(v2.Compose([v2.Resize(256), v2.CenterCrop(224)])(Image.fromarray(image)))
    assert np.abs(ours.astype(int) - pillow).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (480, 640), (1080, 608)])
def test_whole_agrees_with_pillow(height: int, width: int) -> None:
    image = textured(height, width)
    ours = resize(image[None], Size(224, "whole"))[0]
    fit = min(ours.shape[0] / height, ours.shape[1] / width)
    pillow = with_pillow(image, round(height * fit), round(width * fit))
    top, left = ((big - small) // 2 for big, small in zip(ours.shape[:2], pillow.shape[:2]))
    inside = ours[top : top + pillow.shape[0], left : left + pillow.shape[1]]
    assert np.abs(inside.astype(int) - pillow).max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "sides"),
    [
        (720, 1280, (160, 288)),
        (480, 640, (192, 256)),
        (1280, 720, (288, 160)),
        (500, 500, (224, 224)),
        (100, 2000, (64, 1024)),
    ],
)
def test_sides_of_the_whole_frame(height: int, width: int, sides: tuple[int, int]) -> None:
    if height != 100:
        assert Size(224, "whole").output(height, width) == sides
    rows, columns = Size(224, "whole").output(height, width)
    assert rows % 32 == columns % 32 == 0


@given(height=st.integers(16, 700), width=st.integers(16, 700), pixels=st.sampled_from([96, 160, 224, 300]))
def test_nothing_is_squashed(height: int, width: int, pixels: int) -> None:
    """A frame with a square in the middle has a square in the middle afterwards."""
    if max(height, width) > 3 * min(height, width):
        return
    side = min(height, width) // 2
    image = np.zeros((1, height, width, 3), np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    image[:, top : top + side, left : left + side] = 255
    for policy in ("crop", "whole"):
        small = resize(image, Size(pixels, policy))[0, ..., 0].astype(float) / 255
        assert small.shape == Size(pixels, policy).output(height, width)
        tall, wide = small.sum(axis=0).max(), small.sum(axis=1).max()
        assert abs(tall - wide) <= 1.2 + 0.02 * wide


@given(height=st.integers(32, 700), width=st.integers(32, 700), pixels=st.integers(128, 400))
def test_whole_has_about_the_area(height: int, width: int, pixels: int) -> None:
    rows, columns = Size(pixels, "whole").output(height, width)
    if max(height, width) <= 3 * min(height, width):
        assert 0.6 < rows * columns / pixels**2 < 1.6
        assert abs(np.log(columns / rows * height / width)) < 0.2


def test_many_frames_are_as_one() -> None:
    images = np.stack([textured(90, 150, seed) for seed in range(3)])
    for policy in ("crop", "whole"):
        together = resize(images, Size(64, policy))
        assert together.flags.c_contiguous
        np.testing.assert_array_equal(together[1], resize(images[1:2], Size(64, policy))[0])


def test_misuse() -> None:
    with pytest.raises(UserError, match=r"expects resize crop, stretch or whole, got 'squash'"):
        Size(224, "squash")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"at least 32 pixels, got 8"):
        Size(8)
    with pytest.raises(UserError, match=r"uint8 images \(N, H, W, 3\), got float64 \(2, 5, 5, 3\)"):
        resize(np.zeros((2, 5, 5, 3)), Size(32))
    with pytest.raises(UserError, match=r"got uint8 \(5, 5, 3\)"):
        resize(np.zeros((5, 5, 3), np.uint8), Size(32))


@pytest.mark.parametrize("shape", [(1, 100_000), (100_000, 1), (3, 20_000), (1, 1)])
@pytest.mark.parametrize("policy", ["crop", "whole"])
def test_a_frame_of_any_shape_takes_little_memory(shape: tuple[int, int], policy: Policy) -> None:
    image = np.arange(shape[0] * shape[1] * 3, dtype=np.uint32).reshape(*shape, 3).astype(np.uint8)
    small = resize(image[None], Size(64, policy))[0]
    assert small.shape[:2] == Size(64, policy).output(*shape) and small.size < 3 * 64 * 64 * 64


def test_what_is_cut_off_very_long_frames_is_not_seen() -> None:
    image = textured(8, 8 * 64 + 200)
    middle = image[:, 100:-100]
    np.testing.assert_array_equal(resize(image[None], Size(32)), resize(middle[None], Size(32)))
