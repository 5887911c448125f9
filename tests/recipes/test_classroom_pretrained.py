"""The recipe of the models that ship, on a tiny classroom."""

import subprocess
import sys
from pathlib import Path

import pytest

from vidseq.checkpoint import load_model

RECIPE = Path(__file__).parents[2] / "recipes" / "classroom_pretrained.py"


def run(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(RECIPE), "--out", str(out), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
def test_each_model_has_a_card(tmp_path: Path) -> None:
    tiny = ("--world.train_videos", "2", "--world.val_videos", "1", "--world.seconds", "40", "--world.fps", "2")
    fresh = ("--test.test_videos", "1", "--test.seconds", "30", "--test.fps", "2")
    ran = run(tmp_path, *tiny, *fresh, "--training.epochs", "1", "--training.dim", "16")
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
def test_a_mistake_costs_no_drawing(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    ran = run(tmp_path, *options)
    assert ran.returncode == 2 and said in ran.stderr and len(ran.stderr.splitlines()) == 1
    assert not [*tmp_path.iterdir()]
