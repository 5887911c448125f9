"""A tiny video file, and checks that every importer's tests make."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidseq.data.check import check_dataset
from vidseq.errors import DataError
from vidseq.importers.conversion import ConversionReport
from vidseq.video.writer import VideoWriter

Convert = Callable[..., ConversionReport]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video of half a second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, fps=10) as writer:
        writer.write(rng.integers(0, 255, (5, 32, 48, 3), dtype=np.uint8))
    return path.read_bytes()


@pytest.fixture
def bad_row(tmp_path: Path) -> Callable[..., ConversionReport]:
    """Converts a source with one bad row: that is an error, or the one thing skipped; gives the report of the rest."""

    def check(convert: Convert, source: Path, message: str, **options: Any) -> ConversionReport:
        with pytest.raises(DataError, match=message):
            convert(source, tmp_path / "strict", **options)
        assert not (tmp_path / "strict" / "dataset.json").exists()
        report = convert(source, tmp_path / "skipped", skip_bad=True, **options)
        assert len(report.skipped) == 1, report.skipped
        assert f"skipped: {report.skipped[0]}" in report.summary()
        assert check_dataset(tmp_path / "skipped") == []
        return report

    return check
