"""Where decord has no wheel, PyAV reads every file: the same times, the same pictures."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from video_kinds import KINDS, needs_decord

from vidseq.cli import main
from vidseq.errors import UserError
from vidseq.features.extract import extract_features
from vidseq.features.registry import build_backbone
from vidseq.features.store import FeatureStore
from vidseq.video.probing import probe
from vidseq.video.reader import VideoReader

Make = Callable[..., Path]


@pytest.fixture
def without_decord(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `import decord` fail, as where it is not installed."""
    monkeypatch.setitem(sys.modules, "decord", None)


@needs_decord
@pytest.mark.parametrize(
    ("name", "options"),
    [kind[:2] for kind in KINDS if kind[2] == "decord"],
    ids=[kind[0] for kind in KINDS if kind[2] == "decord"],
)
def test_pictures_and_times_are_those_of_decord(
    name: str, options: dict[str, Any], coded_video: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = coded_video(name, **options)
    with VideoReader(path) as reader:
        assert reader.info.decoder == "decord"
        given = list(reader)
        wanted = np.linspace(0, reader.info.duration_seconds, 7, endpoint=False)
        sought = reader.frames_at(wanted)
    monkeypatch.setitem(sys.modules, "decord", None)
    with VideoReader(path) as reader:
        assert (reader.info.decoder, reader.info.reason) == ("pyav", "decord is not installed")
        assert reader.info.decoder_version == av.__version__
        again = list(reader)
        np.testing.assert_array_equal(reader.frames_at(wanted).pts_seconds, sought.pts_seconds)
        assert np.abs(reader.frames_at(wanted).images.astype(int) - sought.images).max() <= 2
    assert [time for _, time in again] == [time for _, time in given]
    for (image, _), (other, _) in zip(again, given, strict=True):
        assert np.abs(image.astype(int) - other).max() <= 2


@pytest.mark.usefixtures("without_decord")
def test_asking_for_decord_is_one_clear_line(coded_video: Make) -> None:
    message = (
        r"Decoder 'decord' expects the package decord, got none\. It has wheels for Linux \(x86-64\) and Windows "
        r"\(AMD64\) alone\. Use decoder 'auto' or 'pyav'\."
    )
    with pytest.raises(UserError, match=message):
        probe(coded_video("plain.mp4"), decoder="decord")
    with pytest.raises(UserError, match=message):
        VideoReader(coded_video("plain.mp4"), decoder="decord")
    assert probe(coded_video("plain.mp4"), decoder="pyav").reason == "asked for"


@pytest.mark.usefixtures("without_decord")
def test_info_reports_what_is_there(coded_video: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    assert f"decord is not installed, av {av.__version__}" in capsys.readouterr().out
    assert main(["info", str(coded_video("plain.mp4"))]) == 0
    assert f"pyav {av.__version__}: decord is not installed" in capsys.readouterr().out


@needs_decord
def test_features_are_the_same(coded_video: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = coded_video("b_frames.mp4", options={"bf": "3", "b-pyramid": "normal", "g": "12"})

    def features(folder: str) -> tuple[np.ndarray, np.ndarray]:
        backbone = build_backbone("shufflenet_v2_x1_0", weights="random", engine="torch", input_size=64)
        store = FeatureStore.create(tmp_path / folder, backbone.fingerprint(4))
        report = extract_features([("v", path)], store, backbone, 4, workers=1)
        assert not report.failed
        made = store.read("v")
        return np.array(made.features, np.float32), np.array(made.pts_seconds)

    values, times = features("with")
    monkeypatch.setitem(sys.modules, "decord", None)
    others, other_times = features("without")
    np.testing.assert_array_equal(times, other_times)
    np.testing.assert_allclose(others, values, atol=0.05 * np.abs(values).max())


def test_nothing_imports_decord_before_it_is_needed() -> None:
    code = (
        "import sys; sys.modules['decord'] = None\n"
        "import vidseq.cli, vidseq.video.reader, vidseq.features.extract, vidseq.inference.predictor\n"
        "print('imported')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "imported\n"
