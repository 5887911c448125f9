"""The demo end to end, on a tiny classroom."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from vidseq.video.probing import probe

RECIPE = Path(__file__).parents[2] / "recipes" / "classroom.py"
TINY = [
    *("--heads", "conv,lstm", "--contexts", "1f,4s,full"),
    *("--new.test_videos", "1", "--new.seconds", "30", "--new.fps", "2", "--new.pair_fraction", "0"),
    *(
        "--world.train_videos",
        "3",
        "--world.val_videos",
        "1",
        "--world.test_videos",
        "1",
        "--world.pair_fraction",
        "0",
    ),
    *("--training.epochs", "1", "--training.dim", "16"),
]
ALONE = ("--workers", "1")  # each process imports torch


def run(out: Path, *options: str) -> str:
    command = [sys.executable, str(RECIPE), "--out", str(out), *TINY, *options]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=560).stdout


def test_the_demo_makes_what_it_promises(tmp_path: Path) -> None:
    said = run(tmp_path, *ALONE)
    assert "color_now, last_frame" in said and "| conv" in said and "lstm" in said
    rows = pd.read_parquet(tmp_path / "report" / "rows.parquet")
    assert set(rows["head"]) == {"conv", "lstm"} and {"blind", "last_frame", "majority"} <= set(rows["control"])
    shipped = pd.read_parquet(tmp_path / "new_report" / "rows.parquet")
    assert set(shipped["head"]) == {"classroom", "classroom_stream"} and set(shipped["control"]) == {"", "blind"}
    assert (tmp_path / "report" / "context.png").stat().st_size > 10_000
    assert (tmp_path / "browse.html").stat().st_size > 10_000
    assert "Who forgets when" in (tmp_path / "forgetting" / "index.html").read_text(encoding="utf-8")
    assert probe(tmp_path / "annotated.mp4").duration_seconds > 25
    predictions = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in predictions} == {"question", "next_action"}
    right = sum(row["answer"] == row["truth"] for row in predictions)
    assert f"{right} of {len(predictions)} answers are right." in said and right > len(predictions) / 3


@pytest.mark.slow
def test_the_demo_does_nothing_twice(tmp_path: Path) -> None:
    run(tmp_path)
    weights = tmp_path / "runs" / "lstm" / "checkpoints" / "best" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert "0 videos done" in run(tmp_path) and weights.stat().st_mtime_ns == before
