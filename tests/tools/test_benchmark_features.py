import subprocess
import sys
from pathlib import Path

import pytest
from video_kinds import needs_decord

TOOL = Path(__file__).parents[2] / "tools" / "benchmark_features.py"


@pytest.mark.slow
@needs_decord
def test_prints_every_row_and_target():
    options = ["--seconds", "2", "--backbone", "mobilenet_v3_small", "--weights", "random"]
    done = subprocess.run([sys.executable, TOOL, *options], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    for row in ("decode", "decode + resize", "CNN", "plain loop", "vidseq", "vidseq, one CPU"):
        assert f"| {row} | " in done.stdout
    assert "| vidseq / plain loop | " in done.stdout and "| >= 4 |" in done.stdout
    assert done.stdout.startswith("1280 x 720 h264, 2 s, read by ")
