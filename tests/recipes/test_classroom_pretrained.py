"""The recipe of the models that ship, on a tiny classroom."""

import subprocess
import sys
from pathlib import Path

import pytest
from script_runs import run_file

from vidseq.checkpoint import load_model

RECIPE = Path(__file__).parents[2] / "recipes" / "classroom_pretrained.py"


@pytest.mark.slow
def test_each_model_has_a_card(tmp_path: Path) -> None:
    tiny = ("--world.train_videos", "2", "--world.val_videos", "1", "--world.seconds", "40", "--world.fps", "2")
    fresh = ("--test.test_videos", "1", "--test.seconds", "30", "--test.fps", "2")
    command = [sys.executable, str(RECIPE), "--out", str(tmp_path), *tiny, *fresh]
    command += ["--training.epochs", "1", "--training.dim", "16", "--reasoning.epochs", "1", "--reasoning.dim", "16"]
    command += ["--symbols.train_videos", "2", "--symbols.val_videos", "1", "--perception_steps", "2"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert ran.returncode == 0, ran.stderr
    for name, head in (("classroom", "window"), ("classroom_stream", "memory")):
        assert load_model(tmp_path / "models" / name).config.head == head
        card = (tmp_path / "models" / name / "card.md").read_text(encoding="utf-8")
        assert f"# {name}" in card and f"Head: `{head}`" in card and "| color_now" in card


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--models", "class"), "Unknown model 'class'"),
        (("--world.seed", "1000000"), "expects a seed below 1000000"),
    ],
)
def test_a_mistake_costs_no_drawing(
    tmp_path: Path, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_file(RECIPE, "--out", str(tmp_path), *options) == 2
    printed = capsys.readouterr().err
    assert said in printed and len(printed.splitlines()) == 1
    assert not [*tmp_path.iterdir()]
