"""What a command does not need, it does not import, so that the first answer comes soon."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vidseq.checkpoint import save_model
from vidseq.cli import main
from vidseq.commands.imports import collection_paused
from vidseq.features.registry import build_backbone
from vidseq.model import ModelConfig, VideoReasoner
from vidseq.video.writer import VideoWriter

#: Each takes a tenth of a second to two seconds.
NOT_FOR_PREDICTING = (
    *("torchvision", "torch._dynamo", "sympy", "sklearn", "scipy", "pandas", "matplotlib", "lightning_fabric"),
    *("tensorboard", "jinja2", "cv2", "PIL", "faiss", "transformers"),
)


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """`vidseq predict` on half a second of noise with an untrained model, without the file to write."""
    backbone = build_backbone(weights="random", engine="openvino", input_size=32, device="cpu")
    torch.manual_seed(0)
    config = ModelConfig(
        feature_dim=backbone.dim,
        dim=8,
        labels={"action": ("wave", "jump"), "answer": ("red", "blue")},
        tasks={"frame_labels": {}, "next_action": {}, "question": {}},
        fps="4",
        fingerprint=backbone.fingerprint(4),
    )
    save_model(VideoReasoner(config), tmp_path / "model")
    with VideoWriter(tmp_path / "noise.mp4", fps=8) as writer:
        writer.write(np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8))
    source, model = str(tmp_path / "noise.mp4"), str(tmp_path / "model")
    return ["predict", source, model, "--question", "what", "--device", "cpu"]


def test_a_second_prediction_imports_no_more_than_it_needs(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDSEQ_CACHE", str(tmp_path / "cache"))
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    assert main([*words, "--out", str(first)]) == 0
    code = (
        "import json, sys; from vidseq.cli import main; assert main(sys.argv[1:]) == 0;"
        f"print(json.dumps([name for name in {NOT_FOR_PREDICTING} if name in sys.modules]))"
    )
    command = [sys.executable, "-c", code, *words, "--out", str(second)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout.splitlines()[-1]) == []
    assert second.read_text() == first.read_text() != ""


def test_the_process_ends_with_the_status_of_the_command() -> None:
    for words, status, printed in ((["--version"], 0, "vidseq "), (["nothing"], 2, "")):
        run = subprocess.run([sys.executable, "-m", "vidseq.cli", *words], capture_output=True, text=True)
        assert run.returncode == status and run.stdout.startswith(printed)


def test_letters_that_a_code_page_lacks_are_escaped_as_json() -> None:
    text = '{"a": "切😀é\udce9"}'
    code = f"import sys; from vidseq import cli; cli._escape_what_lacks(sys.stdout); print({text!a})"
    for page, kept in (("cp1252", "é"), ("ascii", ""), ("utf-8", "切😀é")):
        environment = {**os.environ, "PYTHONIOENCODING": page, "PYTHONUTF8": "0"}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
        printed = run.stdout.decode(page)
        assert kept in printed and json.loads(printed) == {"a": "切😀é\udce9"}


def test_collection_goes_on_after_imports_and_errors() -> None:
    with pytest.raises(ImportError), collection_paused():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
