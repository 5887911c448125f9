import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vidseq.errors import UserError
from vidseq.features import engines
from vidseq.features.registry import BACKBONES, build_backbone
from vidseq.video.resizing import Size, resize


def cosine(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))


@pytest.fixture(scope="module")
def crops(photos):
    """Parts of photos, uint8 (6, 224, 224, 3)."""
    parts = [photo[:, :, left : left + 300] for photo in photos.values() for left in (0, 150, 300)]
    return np.concatenate([resize(part.copy(), Size()) for part in parts])


@pytest.fixture(scope="module")
def reference(crops):
    return build_backbone(engine="torch", device="cpu")(crops)


# the states of agreement that the documentation promises, for the default backbone on real pixels
@pytest.mark.parametrize(
    "engine, precision, lowest",
    [("openvino", "float32", 0.999999), ("openvino", "bf16", 0.99), ("torch", "bf16", 0.99)],
)
def test_agreement_with_torch_in_float32(crops, reference, engine, precision, lowest):
    try:
        backbone = build_backbone(engine=engine, precision=precision, device="cpu", batch_size=4)
    except UserError as error:
        pytest.skip(str(error))
    got = backbone(crops)
    assert cosine(got, reference).min() > lowest
    if precision == "float32":
        np.testing.assert_allclose(got, reference, atol=1e-4 * np.abs(reference).max())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "regnet_y_400mf", "shufflenet_v2_x1_0"])
def test_openvino_runs_every_kind_of_network(name, noise):
    by_torch, by_openvino = (
        build_backbone(name, weights="random", engine=engine, device="cpu", input_size=64, pooling="2x2")(noise)
        for engine in ("torch", "openvino")
    )
    np.testing.assert_allclose(by_openvino, by_torch, atol=1e-4 * np.abs(by_torch).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_openvino_runs_every_network(name, noise):
    test_openvino_runs_every_kind_of_network(name, noise)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize("num", [1, 2, 3, 4, 5])
def test_batches_do_not_matter(engine, num, noise):
    backbone = build_backbone("resnet18", weights="random", engine=engine, device="cpu", input_size=64, batch_size=2)
    one_by_one = np.concatenate([backbone(noise[index : index + 1]) for index in range(num)])
    np.testing.assert_allclose(backbone(noise[:num]), one_by_one, rtol=1e-4, atol=1e-5)


def test_results_are_not_overwritten_by_the_next_call(noise):
    backbone = build_backbone("resnet18", weights="random", engine="openvino", input_size=64, batch_size=5)
    first = backbone(noise)
    kept = first.copy()
    backbone(255 - noise)
    np.testing.assert_array_equal(first, kept)


def test_strided_images(noise):
    for engine in ("torch", "openvino"):
        backbone = build_backbone("resnet18", weights="random", engine=engine, input_size=64, batch_size=5)
        flipped = noise[:, ::-1]
        np.testing.assert_array_equal(backbone(flipped), backbone(flipped.copy()))


def test_compiled_sizes_are_bounded(monkeypatch):
    monkeypatch.setattr(engines, "COMPILED_KEPT", 2)
    backbone = build_backbone("mobilenet_v3_small", weights="random", engine="openvino", input_size=64)
    for width in (64, 96, 128, 64):
        assert backbone(np.zeros((2, 64, width, 3), np.uint8)).shape == (2, 576)
    assert [shape[2] for shape in backbone.engine._compiled] == [128, 64]


def test_threads_can_be_limited(noise):
    backbone = build_backbone("resnet18", weights="random", engine="openvino", input_size=64)
    before = backbone(noise)
    backbone.limit_threads(1)
    np.testing.assert_allclose(backbone(noise), before, rtol=1e-4, atol=1e-5)
    (compiled,) = backbone.engine._compiled.values()
    assert compiled.model.get_property("INFERENCE_NUM_THREADS") == 1
    assert not compiled.model.get_property("ENABLE_CPU_PINNING"), "processes side by side would share one core"


def test_batches_side_by_side_do_not_mix(noise):
    backbone = build_backbone(
        "resnet18", weights="random", engine="openvino", input_size=64, batch_size=2, threads=2, device="cpu"
    )
    assert backbone.side_by_side == 2
    images = [np.roll(noise[:2], shift, axis=2) for shift in range(24)]
    alone = [backbone(pair) for pair in images]
    with ThreadPoolExecutor(6) as pool:  # more callers than streams
        together = list(pool.map(backbone, images))
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(backbone(np.concatenate(images)), np.concatenate(alone), rtol=1e-4, atol=1e-5)
    (compiled,) = backbone.engine._compiled.values()
    assert int(compiled.model.get_property("NUM_STREAMS")) == 2


def test_a_single_image_gets_all_threads(noise):
    backbone = build_backbone("resnet18", weights="random", engine="openvino", input_size=64, threads=2, device="cpu")
    backbone(noise[:1])
    (compiled,) = backbone.engine._compiled.values()
    assert int(compiled.model.get_property("NUM_STREAMS")) == 1


def test_auto_means_openvino_on_cpu_and_torch_elsewhere(monkeypatch):
    assert engines.choose_engine("auto", "cpu") == "openvino"
    assert engines.choose_engine("torch", "cpu") == "torch"
    monkeypatch.setattr(engines, "choose_device", lambda name: engines.torch.device("cuda"))
    assert engines.choose_engine("auto", "auto") == "torch"
    with pytest.raises(UserError, match="Engine openvino expects device cpu, got cuda"):
        engines.choose_engine("openvino", "cuda")


def test_nothing_is_reported_to_anyone():
    """Importing OpenVINO by itself loads a package that reports its use over the network; ours must not."""
    code = (
        "import sys; from vidseq.features.engines import _import_openvino; _import_openvino();"
        "sys.exit(any(name.startswith('openvino_telemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_bf16_needs_a_cpu_that_has_it(monkeypatch):
    class Core:
        def get_property(self, device, name):
            return ["FP32"]

    monkeypatch.setattr(engines, "_core", Core)
    with pytest.raises(UserError, match="Precision bf16 expects a CPU that supports it, got one that does not"):
        build_backbone("resnet18", weights="random", engine="openvino", precision="bf16")
