"""Exported files compute what torch does, one frame at a time, and what cannot be exported is refused in one line."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vidseq.checkpoint import save_model
from vidseq.cli import main
from vidseq.errors import UserError
from vidseq.features import BACKBONES, build_backbone
from vidseq.features.cnn import Cnn
from vidseq.heads import HEADS
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.onnx import export, export_onnx, files
from vidseq.onnx.check import largest_difference
from vidseq.onnx.export import check_exportable, write_files
from vidseq.pretrained import pretrained_models
from vidseq.video import VideoWriter

TOOL = Path(__file__).parents[2] / "tools" / "run_onnx.py"
#: Options by which stores fill, blocks end and windows slide within a few frames.
SMALL = {
    "big_bird": {"block": 4},
    "compressive": {"block": 8, "memory": 8, "compressed": 4, "rate": 2},
    "conv": {"layers": 3},
    "dilated": {"window": 5},
    "linformer": {"block": 8, "rank": 8, "rows": 2},
    "longformer": {"window": 8},
    "ms_tcn": {"layers": 3},
    "transformer_xl": {"memory": 16},
    "window": {"window": 9},
}


def one_layer() -> nn.Module:
    """A CNN that is small enough to be exported in a second."""
    return nn.Sequential(nn.Conv2d(3, 8, 32, stride=32), nn.ReLU())


def all_layers(network: nn.Module) -> nn.Module:
    return network


def no_weights() -> Path:
    return Path("nowhere")


TINY = Cnn(name="tiny", dim=8, make=one_layer, layers=all_layers, pretrained=no_weights)
EXPORTABLE = [name for name, head in HEADS.items() if head.exportable]


def make_model(head: str = "gru", **fields: object) -> VideoReasoner:
    """An untrained model that labels frames and answers questions."""
    torch.manual_seed(0)
    values = {
        "feature_dim": 6,
        "dim": 16,
        "labels": {"action": ("wave", "jump", "rest"), "answer": ("red", "blue")},
        "tasks": {"frame_labels": {}, "question": {}},
        "vocabulary": ("colour", "is", "it", "what"),
        "head_options": SMALL.get(head, {}),
        "fps": "4",
        **fields,
    }
    model = VideoReasoner(ModelConfig(head=head, **values)).eval().requires_grad_(False)  # type: ignore[arg-type]
    model.prepare()
    return model


def difference(model: VideoReasoner, folder: Path, num_frames: int) -> float:
    content = write_files(model, folder, frames=num_frames + 8)
    asked = {name: task["file"] for name, task in content["answers"].items()}
    return largest_difference(model, folder, asked, num_frames)


@pytest.mark.slow
@pytest.mark.parametrize("head", EXPORTABLE)
def test_every_exportable_head_streams_1000_frames(head: str, tmp_path: Path) -> None:
    assert difference(make_model(head), tmp_path, 1000) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", pretrained_models())
def test_the_shipped_models_stream_1000_frames(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHECKED_FRAMES", 1000)
    assert export_onnx(name, tmp_path / "out", picture=(320, 240)).difference < 1e-4


@pytest.mark.slow
def test_a_command_writes_files_that_answer_without_vidseq(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", TINY)
    backbone = build_backbone("tiny", weights="random", engine="torch", input_size=32, device="cpu")
    fingerprint, tasks = backbone.fingerprint(4), {"question": {}}
    model = make_model(feature_dim=backbone.dim, fingerprint=fingerprint, tasks=tasks, temperatures={"question": 2.0})
    model.projection.mean.normal_()
    save_model(model, tmp_path / "model")
    with VideoWriter(tmp_path / "clip.mp4", fps=8) as writer:
        writer.write(np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8))
    question, clip, out = "What colour is it?", str(tmp_path / "clip.mp4"), tmp_path / "out"
    assert main(["export", str(tmp_path / "model"), "--onnx", str(out)]) == 0
    assert "differ from torch by at most" in capsys.readouterr().out
    content = json.loads((out / "model.json").read_text())
    assert content["fps"] == "4" and content["answers"]["question"]["temperature"] == 2.0
    assert content["fingerprint"]["backbone"] == content["images"]["backbone"] == "tiny"
    assert main(["predict", clip, str(tmp_path / "model"), "--question", question, "--device", "cpu"]) == 0
    wanted = dict(json.loads(capsys.readouterr().out.splitlines()[-1])["ranking"])
    monkeypatch.setattr(sys, "argv", [str(TOOL), str(out), clip, question])
    runpy.run_path(str(TOOL), run_name="__main__")
    got = {label: float(value) for value, label in (line.split() for line in capsys.readouterr().out.splitlines())}
    assert list(got) == list(wanted)
    assert max(abs(got[label] - wanted[label]) for label in wanted) < 0.02


def test_the_tool_imports_nothing_of_ours() -> None:
    words = [line.split()[1] for line in TOOL.read_text().splitlines() if line.startswith(("import ", "from "))]
    others = {word.split(".")[0] for word in words} - set(sys.stdlib_module_names)
    assert others == {"av", "numpy", "onnxruntime"}
    assert len(TOOL.read_text().splitlines()) <= 60


def test_a_future_head_and_a_noncausal_model_are_refused() -> None:
    with pytest.raises(UserError, match=r"^Export expects one of the heads .*gru, .*, got memorizing\. Train"):
        check_exportable(make_model("memorizing", head_options={"window": 4}))
    with pytest.raises(UserError, match=r"^Export expects a causal model, .* causal=False, which sees the future\. "):
        check_exportable(make_model(causal=False, tasks={"frame_labels": {}}))


def test_a_mistake_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(make_model(), tmp_path / "model")
    command = ["export", str(tmp_path / "model"), "--onnx", str(tmp_path / "out")]
    (tmp_path / "there").mkdir()
    for words, said in (
        (["--picture", "wide"], "--picture expects WIDTHxHEIGHT, got 'wide'"),
        (["--picture", "0x4"], "--picture expects a width and a height of at least 1, got 0x4"),
        (["--frames", "1"], "--frames expects at least 2, got 1"),
        (["--onnx", str(tmp_path / "there")], "to be new, got one that exists"),
    ):
        assert main([*command, *words]) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(files, "PACKAGES", ("onnx", "no_such_package"))
    assert main(command) == 2
    assert "got no no_such_package. Run `pip install vidseq[onnx]`" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "there"]


def test_files_that_differ_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(make_model(), tmp_path / "model")
    monkeypatch.setattr(export, "write_graph", lambda *_: None)
    monkeypatch.setattr(export, "largest_difference", lambda *_: float("nan"))
    with pytest.raises(UserError, match=r"at most 0\.001, got nan with the head gru\. Nothing is written"):
        export_onnx(tmp_path / "model", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_model_of_features_from_elsewhere_has_no_cnn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_model(make_model(), tmp_path / "model")
    monkeypatch.setattr(export, "write_graph", lambda *_: None)
    monkeypatch.setattr(export, "largest_difference", lambda *_: 0.0)
    made = export_onnx(tmp_path / "model", tmp_path / "out")
    assert "there is no CNN to export: step.onnx expects them as input" in made.summary()
    content = json.loads((tmp_path / "out" / "model.json").read_text())
    assert content["images"] is None and content["state"]["hidden"]["shape"] == [1, 1, 16]
