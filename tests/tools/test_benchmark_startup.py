"""The benchmark of the first answer: its clip, its table, and a failing process."""

from pathlib import Path

import pytest
from benchmark_startup import SECONDS, Cost, generate, table, timed

from vidseq.video import probe

ROOT = Path(__file__).parents[2]


def test_the_clip_is_ten_seconds_long(tmp_path: Path) -> None:
    assert probe(generate(tmp_path / "clip.mp4")).duration_seconds == pytest.approx(SECONDS)


def test_the_table_compares_with_the_other_checkout() -> None:
    costs = {
        **{"this, first run": Cost(6, 5), "this, second run": Cost(3, 2)},
        **{"before, first run": Cost(9, 10), "before, second run": Cost(9, 8)},
    }
    text = table(costs)
    assert "| second run, seconds | 3.00 | <= 3.5 |" in text
    assert "| before / this, second run | 3.00 |" in text and "| before / this, second run, CPU | 4.00 |" in text
    assert "before" not in table({name: cost for name, cost in costs.items() if "this" in name})


def test_a_process_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    assert timed(ROOT, tmp_path, ["-c", "pass"]).seconds > 0
    with pytest.raises(SystemExit, match="no such run"):
        timed(ROOT, tmp_path, ["-c", "raise SystemExit('no such run')"])
