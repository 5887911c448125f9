"""Where OpenVINO cannot be imported, torch runs the CNN: the same features, by a fingerprint that fits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vidseq.cli import main
from vidseq.errors import UserError
from vidseq.features.engines import OpenVinoEngine, choose_engine
from vidseq.features.registry import build_backbone


def small_cnn(noise: np.ndarray, **options: str):
    backbone = build_backbone("shufflenet_v2_x1_0", weights="random", input_size=64, device="cpu", **options)
    return backbone(noise), backbone.fingerprint(4)


def test_torch_takes_over(noise: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    features, fingerprint = small_cnn(noise)
    monkeypatch.setitem(sys.modules, "openvino", None)
    others, other_fingerprint = small_cnn(noise)
    assert (fingerprint.engine, other_fingerprint.engine) == ("openvino", "torch")
    fingerprint.check(other_fingerprint)
    np.testing.assert_allclose(others, features, atol=1e-4 * np.abs(features).max())


def test_asking_for_it_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"expects the package openvino, got none\. Install it, or use engine torch"):
        choose_engine("openvino", "cpu")
    assert main(["info"]) == 0
    assert "openvino is not installed" in capsys.readouterr().out


def test_a_package_that_does_not_load_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("raise ImportError('libtbb.so: cannot open\\nshared object')")
    for name in [name for name in sys.modules if name.split(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"a failure \(libtbb.so: cannot open shared object\)\. Install it again, or"):
        build_backbone("shufflenet_v2_x1_0", weights="random", engine="openvino", input_size=64, device="cpu")
    assert OpenVinoEngine.name == choose_engine("auto", "cpu")


@pytest.mark.slow
def test_nothing_imports_openvino_before_it_is_needed() -> None:
    code = (
        "import sys; sys.modules['openvino'] = None\n"
        "import vidseq.cli, vidseq.features.extract, vidseq.inference.predictor\n"
        "print('imported')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "imported\n"
