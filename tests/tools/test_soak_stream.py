"""The soak of a live source, on few frames."""

from pathlib import Path

from soak_stream import soak


def test_no_row_is_lost_and_each_drop_is_a_gap(tmp_path: Path) -> None:
    report = soak(120, tmp_path / "rows.jsonl", drop_every=4.0, record=True)
    assert report.is_well and report.frames > 115
    assert report.drops >= 2 and report.regular_rows >= 10 and report.stream_hours * 3600 > 19
    assert (tmp_path / "rows.mp4").stat().st_size > 1000
    assert "growth from first to last quarter" in report.lines()[2]
