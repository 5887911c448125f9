"""Cells projected to fewer numbers: fitting, the file, the backbone, the store."""

import dataclasses
import pickle
from fractions import Fraction

import numpy as np
import pytest
from color_backbone import ColorBackbone
from hypothesis import given, settings
from hypothesis import strategies as st

from vidseq.errors import DataError, FingerprintError, ModelError, UserError
from vidseq.features.extract import extract_features
from vidseq.features.pca import CellMoments, fit_projection
from vidseq.features.projected import ProjectedBackbone
from vidseq.features.projection import FeatureProjection
from vidseq.features.rebuild import backbone_like
from vidseq.features.registry import build_backbone
from vidseq.features.store import FeatureStore
from vidseq.video.writer import VideoWriter

GRID = {"backbone": "mobilenet_v3_small", "weights": "random", "engine": "torch", "device": "cpu", "input_size": 64}


def fitted(cells: np.ndarray, dim: int, parts: int = 1) -> FeatureProjection:
    moments = CellMoments(cells.shape[1])
    for part in np.array_split(cells, parts):
        moments.add(part)
    return moments.fit(dim, 1)


@pytest.fixture(scope="module")
def projection() -> FeatureProjection:
    """Of the channels of `GRID` with 2 x 2 cells."""
    return fitted(np.random.default_rng(0).normal(size=(700, 576)).astype(np.float32), 5)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Four short videos, each of one colour that fades."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(4):
        with VideoWriter(folder / f"v{number}.mp4", fps=8) as writer:
            for frame in range(16):
                writer.write(np.full((64, 64, 3), (40 * number + 20, 9 * frame, 200 - 40 * number), np.uint8))
    return [(path.stem, path) for path in sorted(folder.iterdir())]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 8), parts=st.integers(1, 5), data=st.data())
def test_fit_is_the_svd_of_all_cells(seed, width, parts, data):
    """Parts that come one after another give what the SVD of all cells together gives."""
    dim = data.draw(st.integers(1, width))
    rng = np.random.default_rng(seed)
    spread = 3.0 ** -np.arange(width)  # no two directions explain the same
    cells = (rng.normal(size=(60, width)) * spread) @ np.linalg.qr(rng.normal(size=(width, width)))[0] + 50
    got = fitted(cells.astype(np.float32), dim, parts)
    centred = cells - cells.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(got.mean, cells.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(got.explained_variance, (values**2 / (values**2).sum())[:dim], atol=1e-3)
    np.testing.assert_allclose(np.abs(np.sum(got.components * directions[:dim].T, axis=0)), 1, atol=1e-2)
    np.testing.assert_allclose(got.components.T @ got.components, np.eye(dim), atol=1e-5)
    assert (got.num_cells, got.input_dim, got.dim) == (60, width, dim)


def test_more_numbers_than_there_are_cells():
    with pytest.raises(
        UserError, match=r"pca expects from 1 to 2 numbers a cell, got 4\. Use fewer, or more videos\."
    ):
        fitted(np.random.default_rng(0).normal(size=(3, 9)), 4)


def test_the_file_says_all(tmp_path, projection):
    projection.save(tmp_path / "a.safetensors")
    again = FeatureProjection.load(tmp_path / "a.safetensors")
    for name in ("mean", "components", "explained_variance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(projection, name))
    assert again.hash == projection.hash and len(again.hash) == 12 and again.to_bytes() == projection.to_bytes()
    assert (again.num_cells, again.num_videos) == (700, 1)
    assert again.summary().startswith("PCA: 5 of 576 numbers a cell keep 3.0% of the variance (700 cells of 1")
    assert dataclasses.replace(projection, mean=projection.mean + 1).hash != projection.hash


@pytest.mark.parametrize("content", [b"", b"no tensors", "weights", "shapes"])
def test_another_file_is_refused(tmp_path, projection, content):
    path = tmp_path / "a.safetensors"
    if content == "weights":
        from safetensors.numpy import save

        content = save({"layer": np.zeros(3)})
    elif content == "shapes":
        content = dataclasses.replace(projection, mean=np.zeros(3, np.float32)).to_bytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.safetensors expects a projection as `vidseq features --pca` writes it"):
        FeatureProjection.load(path)
    with pytest.raises(FileNotFoundError, match=r"A projection expects .*b\.safetensors, got none"):
        FeatureProjection.load(tmp_path / "b.safetensors")


@pytest.mark.parametrize("tokens", [True, False])
def test_each_cell_is_projected(noise, projection, tokens):
    plain = build_backbone(**GRID, pooling="2x2" if tokens else "mean", tokens=tokens)
    backbone = ProjectedBackbone(plain, projection)
    expected = (plain(noise) - projection.mean) @ projection.components
    np.testing.assert_allclose(backbone(noise), expected, atol=1e-4)
    assert (backbone.dim, backbone.tokens) == (5, 4 if tokens else None)
    assert backbone(noise[:0]).shape == (0, *expected.shape[1:])
    assert backbone.fingerprint(4) == dataclasses.replace(plain.fingerprint(4), projection=projection.hash)
    assert not backbone.fingerprint(4).matches(plain.fingerprint(4))
    again = pickle.loads(pickle.dumps(backbone))
    np.testing.assert_array_equal(again(noise), backbone(noise))
    with pytest.raises(UserError, match=r"projection expects 576 numbers a cell, got 5 of mobilenet_v3_small"):
        ProjectedBackbone(backbone, projection)
    with pytest.raises(UserError, match=r"projection expects 576 numbers a cell, got 3 of color"):
        ProjectedBackbone(ColorBackbone(), projection)


def test_fit_on_videos(videos, tmp_path):
    backbone = ColorBackbone()
    files = [path for _, path in videos]
    (tmp_path / "broken.mp4").write_text("no video")
    projection = fit_projection([*files, tmp_path / "broken.mp4"], backbone, 4, 2)
    assert (projection.num_videos, projection.dim, projection.num_cells) == (4, 2, 32)
    assert projection.explained_variance.sum() > 0.99, "red and blue rise and fall together"
    assert fit_projection(files, backbone, 4, 2, max_frames=8).num_cells == 8
    assert fit_projection(files, backbone, 4, 1, max_frames=2).num_videos == 2
    assert fit_projection(files, backbone, 4, 1, seed=3).hash == fit_projection(files, backbone, 4, 1, seed=3).hash
    with pytest.raises(UserError, match=r"pca expects from 1 to 3 numbers a cell, got 4\."):
        fit_projection(files, backbone, 4, 4)
    with pytest.raises(DataError, match=r"pca expects training videos that can be read, got none of 1\."):
        fit_projection([tmp_path / "broken.mp4"], backbone, 4, 2)
    backbone.dim = 5000
    with pytest.raises(UserError, match=r"pca expects cells of at most 4096 numbers, got 5000\. Use --tokens\."):
        fit_projection(files, backbone, 4, 4)


def test_a_store_keeps_its_projection(videos, tmp_path):
    projection = fit_projection([path for _, path in videos], ColorBackbone(), 4, 2)
    backbone = ProjectedBackbone(ColorBackbone(), projection)
    store = FeatureStore.create_in(tmp_path, backbone.fingerprint(4))
    store.keep_projection(projection)
    assert extract_features(videos, store, backbone, Fraction(4)).done == [name for name, _ in videos]
    assert store.dim == 2 and f"pca{projection.hash}" in store.folder.name
    again = FeatureStore.open(store.folder)
    assert again.projection.hash == projection.hash and again.videos() == [name for name, _ in videos]
    other = dataclasses.replace(projection, mean=projection.mean + 1)
    with pytest.raises(FingerprintError, match=rf"expects the projection '{projection.hash}', got {other.hash}\."):
        store.keep_projection(other)
    file = store.folder / "projection.safetensors"
    other.save(file)
    with pytest.raises(DataError, match=rf"expects the projection {projection.hash}, got {other.hash}\."):
        _ = again.projection
    file.unlink()
    with pytest.raises(DataError, match=r"Projected features expect .*projection\.safetensors, got none\."):
        _ = again.projection
    plain = FeatureStore.create_in(tmp_path, ColorBackbone().fingerprint(4))
    assert plain.projection is None


def test_a_fingerprint_gives_its_backbone_back(noise, projection):
    plain = build_backbone(**GRID, pooling="2x2", tokens=True, resize="whole")
    for made, by in ((plain, None), (ProjectedBackbone(plain, projection), projection)):
        again = backbone_like(made.fingerprint(4), by, engine="torch", device="cpu")
        np.testing.assert_array_equal(again(noise), made(noise))
    earlier = build_backbone(**GRID, layer="stride16")
    np.testing.assert_array_equal(backbone_like(earlier.fingerprint(4), engine="torch")(noise), earlier(noise))
    projected = ProjectedBackbone(plain, projection).fingerprint(4)
    with pytest.raises(FingerprintError, match=rf"Features expect projection '{projection.hash}', got none"):
        backbone_like(projected)
    with pytest.raises(FingerprintError, match=r"Features expect projection '', got '"):
        backbone_like(plain.fingerprint(4), projection)
    with pytest.raises(ModelError, match=r"expects a model trained on a CNN's features, got one .* 'color'"):
        backbone_like(ColorBackbone().fingerprint(4))
