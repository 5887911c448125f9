"""Compiled networks are kept between runs: with the same bytes out, never stale, and never in the way."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.features import engines
from vidseq.features.backbone_config import BackboneConfig
from vidseq.features.compiled_cache import CompiledCache, network_digest, user_cache_folder
from vidseq.features.engines import OpenVinoEngine
from vidseq.features.registry import build_backbone


class TinyNetwork(nn.Module):
    """One convolution and a mean, of random weights."""

    def __init__(self, dim: int = 4, stride: int = 2, scale: float = 1.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = nn.Conv2d(3, dim, 3, stride=stride)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)
        self.scale: Tensor

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.permute(0, 3, 1, 2).float() * self.scale).relu().mean(dim=(2, 3))


def tiny_engine(network: nn.Module | None = None, **options: Any) -> OpenVinoEngine:
    return OpenVinoEngine(network or TinyNetwork(), BackboneConfig(**{"batch_size": 2, "threads": 2, **options}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VIDSEQ_CACHE", str(tmp_path))
    return tmp_path / "compiled"


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the images of networks that are converted and compiled, not read."""
    done: list[tuple[int, ...]] = []
    convert = engines._converted

    def counted(network: nn.Module, shape: tuple[int, ...]) -> object:
        done.append(shape)
        return convert(network, shape)

    monkeypatch.setattr(engines, "_converted", counted)
    return done


def test_the_second_run_compiles_nothing_and_gives_the_same_bytes(
    folder: Path, conversions: list, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"weights": "random", "engine": "openvino", "device": "cpu", "input_size": 64}
    written = build_backbone(**options)(noise)
    assert len(conversions) == 1
    read = build_backbone(**options)(noise)
    assert len(conversions) == 1 == len(list(folder.iterdir()))
    monkeypatch.setenv("VIDSEQ_CACHE", "")
    without = build_backbone(**options)(noise)
    assert len(conversions) == 2
    assert written.tobytes() == read.tobytes() == without.tobytes()


def test_each_shape_is_an_entry(folder: Path, conversions: list, noise: np.ndarray) -> None:
    first, second = tiny_engine(), tiny_engine()
    images_of_each = (noise[:2], noise[:1], noise[:2, :32])
    written = [first(images).tobytes() for images in images_of_each]
    assert [shape[:3] for shape in conversions] == [(2, 64, 96), (1, 64, 96), (2, 32, 96)]
    assert [second(images).tobytes() for images in images_of_each] == written
    assert len(conversions) == 3 == len(list(folder.iterdir()))


def test_options_of_the_runtime_survive(folder: Path, noise: np.ndarray) -> None:
    for _ in range(2):
        engine = tiny_engine()
        engine(noise[:2])
        (compiled,) = engine._compiled.values()
        names = ("NUM_STREAMS", "INFERENCE_NUM_THREADS", "ENABLE_CPU_PINNING")
        assert [int(compiled.model.get_property(name)) for name in names] == [2, 2, 0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("change", [{"network": TinyNetwork(scale=2)}, {"threads": 1}, {"precision": "bf16"}])
def test_another_network_or_option_is_another_entry(
    change: dict, folder: Path, conversions: list, noise: np.ndarray
) -> None:
    try:
        tiny_engine(**change)
    except UserError as error:
        pytest.skip(str(error))
    for options, expected in (({}, 1), (change, 2), (change, 2), ({}, 2)):
        tiny_engine(**options)(noise[:2])
        assert len(conversions) == expected == len(list(folder.iterdir()))


@pytest.mark.parametrize("fact", ["openvino", "cpu"])
def test_another_version_or_cpu_is_another_entry(
    fact: str, folder: Path, conversions: list, noise: np.ndarray
) -> None:
    for value in ("this", "other", "other"):
        engine = tiny_engine()
        assert fact in engine._runtime
        engine._runtime = {**engine._runtime, fact: value}
        engine(noise[:2])
    assert len(conversions) == 2


def test_what_the_runtime_refuses_is_compiled_again(folder: Path, conversions: list, noise: np.ndarray) -> None:
    expected = tiny_engine()(noise[:2])
    (entry,) = folder.iterdir()
    CompiledCache(folder).write(entry.stem, b"exported by something else")
    for _ in range(2):
        np.testing.assert_array_equal(tiny_engine()(noise[:2]), expected)
    assert len(conversions) == 2, "the second run reads what the first one wrote again"


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_folder_that_cannot_be_written_is_no_error(
    below: str, tmp_path: Path, conversions: list, noise: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VIDSEQ_CACHE", str(tmp_path / "file" / below))
    for _ in range(2):
        tiny_engine()(noise[:2])
    assert len(conversions) == 2 and (tmp_path / "file").read_text() == "in the way"


def test_a_runtime_that_cannot_export_has_no_cache(folder: Path) -> None:
    class Core:
        def get_property(self, device: str, name: str) -> list[str]:
            return ["FP32"]

    assert engines._cache_of(Core()).folder is None
    assert engines._cache_of(tiny_engine().core).folder == folder


def test_the_digest_follows_weights_attributes_and_buffers() -> None:
    base = network_digest(TinyNetwork())
    assert network_digest(TinyNetwork()) == base
    assert network_digest(TinyNetwork(scale=1.5)) != base
    assert network_digest(TinyNetwork(stride=1)) != base, "the weights are the same"
    other = TinyNetwork()
    other.layer.weight.data[0, 0, 0, 0] += 1e-6
    assert network_digest(other) != base


def test_the_digest_follows_the_code_of_the_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest_of(factor: int) -> bytes:
        path = tmp_path / "own_layers.py"
        code = f"import torch\nclass Own(torch.nn.Module):\n    def forward(self, x):\n        return x * {factor}\n"
        path.write_text(code)
        spec = importlib.util.spec_from_file_location("own_layers", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "own_layers", module)
        spec.loader.exec_module(module)
        return network_digest(nn.Sequential(module.Own()))

    assert digest_of(1) == digest_of(1) != digest_of(2)


@given(blob=st.binary(max_size=64), position=st.integers(0, 200), flip=st.integers(1, 255))
def test_a_damaged_entry_is_none(
    blob: bytes, position: int, flip: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    cache, path = CompiledCache(folder), folder / "key.blob"
    cache.write("key", blob)
    assert cache.read("key") == blob and cache.read("other") is None
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: position % len(content)])
    assert cache.read("key") is None
    content[position % len(content)] ^= flip
    path.write_bytes(content)
    assert cache.read("key") is None


def test_what_was_not_used_for_longest_is_deleted(tmp_path: Path) -> None:
    cache = CompiledCache(tmp_path, max_bytes=300)
    for age, key in enumerate("abc"):
        cache.write(key, bytes(50))  # and the checksum's 32
        os.utime(tmp_path / f"{key}.blob", (1000 + age, 1000 + age))
    assert cache.read("a") == bytes(50)
    cache.write("d", bytes(50))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "c", "d"]
    cache.write("too large", bytes(301))
    assert cache.read("too large") is None and cache.read("a") is not None


def test_the_folder_follows_the_xdg_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIDSEQ_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert user_cache_folder() == tmp_path / "caches" / "vidseq"
    for unusable in ("", "relative/caches"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert user_cache_folder() == tmp_path / ".cache" / "vidseq"
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert user_cache_folder() is None

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert user_cache_folder() is None


def test_our_variable_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("VIDSEQ_CACHE", str(tmp_path / "own"))
    assert user_cache_folder() == tmp_path / "own"
    monkeypatch.setenv("VIDSEQ_CACHE", "")
    assert user_cache_folder() is None
