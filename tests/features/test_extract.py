import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from color_backbone import ColorBackbone

from vidseq.errors import FingerprintError, UserError
from vidseq.features import store as store_module
from vidseq.features.disk import DiskFullError
from vidseq.features.extract import extract_features
from vidseq.features.registry import build_backbone
from vidseq.features.store import FeatureStore
from vidseq.video.reader import VideoReader
from vidseq.video.writer import VideoWriter

FPS = 8


def write_video(path, num_frames=32, red=0, fps=16):
    """A video that gets greener frame by frame; how red it is tells it from others."""
    images = np.zeros((num_frames, 48, 64, 3), np.uint8)
    images[..., 0] = red
    images[..., 1] = (np.arange(num_frames) * 4 % 256)[:, None, None]
    with VideoWriter(path, fps=fps) as writer:
        writer.write(images)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    return [(f"v{number}", write_video(folder / f"v{number}.mp4", 30 + number, 40 * number)) for number in range(4)]


@pytest.fixture
def backbone():
    return ColorBackbone()


@pytest.fixture
def store(tmp_path, backbone):
    return FeatureStore.create_in(tmp_path, backbone.fingerprint(FPS))


def expected_features(path, backbone):
    with VideoReader(path, size=backbone.size) as reader:
        (frames,) = reader.sample(FPS, chunk=1000)
    return backbone(frames.images), frames.pts_seconds, frames.picture_seconds


def check_store(store, videos, backbone):
    assert store.videos() == sorted(video for video, _ in videos)
    for video, path in videos:
        features, pts_seconds, pictures = expected_features(path, backbone)
        got = store.read(video)
        np.testing.assert_array_equal(got.features, features.astype(np.float16))
        np.testing.assert_array_equal(got.pts_seconds, pts_seconds)
        np.testing.assert_array_equal(got.picture_seconds, pictures)


@pytest.mark.parametrize("workers", [1, 2])
def test_videos_become_features(store, videos, backbone, workers):
    report = extract_features(videos, store, backbone, FPS, workers=workers)
    assert sorted(report.done) == ["v0", "v1", "v2", "v3"] and not report.failed and not report.skipped
    assert report.num_frames == 15 + 16 + 16 + 17
    assert report.seconds > 0 and report.summary().startswith("4 videos done, 64 frames")
    check_store(store, videos, backbone)
    source = store.source("v1")
    assert source["file"] == "v1.mp4" and source["decoder"] in ("decord", "pyav") and source["decoder_version"]


def test_a_real_backbone(tmp_path, videos):
    backbone = build_backbone("mobilenet_v3_small", weights="random", input_size=64, resize="whole", pooling="1x2")
    store = FeatureStore.create_in(tmp_path, backbone.fingerprint(FPS))
    assert extract_features(videos[:2], store, backbone, FPS).done == ["v0", "v1"]
    features, *_ = expected_features(videos[0][1], backbone)
    np.testing.assert_allclose(store.read("v0").features, features, rtol=2e-3, atol=1e-5)
    assert store.dim == 2 * 576


def test_finished_videos_are_skipped(store, videos, backbone):
    extract_features(videos[:2], store, backbone, FPS)
    report = extract_features(videos, store, backbone, FPS)
    assert report.skipped == ["v0", "v1"] and report.done == ["v2", "v3"]
    assert "2 were there already" in report.summary()


def test_a_file_that_was_replaced_is_read_again(tmp_path, store, backbone):
    path = write_video(tmp_path / "a.mp4")
    extract_features([("a", path)], store, backbone, FPS)
    write_video(path, num_frames=80, red=200)
    assert extract_features([("a", path)], store, backbone, FPS).done == ["a"]
    check_store(store, [("a", path)], backbone)
    path.unlink()
    assert extract_features([("a", path)], store, backbone, FPS).skipped == ["a"]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_bad_videos_are_reported_and_skipped(tmp_path, store, videos, backbone, workers):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video")
    bad = [(name, tmp_path / f"{name}.mp4") for name in ("empty", "text", "missing")]
    mixed = [bad[0], videos[0], bad[1], bad[2], videos[1]]
    report = extract_features(mixed, store, backbone, FPS, workers=workers)
    assert sorted(report.done) == ["v0", "v1"]
    assert report.failed.keys() == {"empty", "text", "missing"}
    for name, path in bad:
        assert str(path) in report.failed[name] and "\n" not in report.failed[name]
    assert "3 failed" in report.summary() and "failed: text: " in report.summary()
    check_store(store, videos[:2], backbone)


def test_decoders_that_fail_in_their_own_way_stop_nothing(store, videos, backbone, monkeypatch):
    real = VideoReader.sample

    def sample(self, fps, **options):
        if self.info.path.stem == "v1":
            raise RuntimeError("a decoder's own words")
        return real(self, fps, **options)

    monkeypatch.setattr(VideoReader, "sample", sample)
    report = extract_features(videos, store, backbone, FPS)
    assert report.done == ["v0", "v2", "v3"]
    assert "v1.mp4: RuntimeError: a decoder's own words" in report.failed["v1"]


def test_damaged_end(tmp_path, store, backbone):
    path = write_video(tmp_path / "cut.mp4", num_frames=200)
    path.write_bytes(path.read_bytes()[:-1500])
    report = extract_features([("cut", path)], store, backbone, FPS)
    assert "skip_bad" in report.failed["cut"] and "cut" not in store
    report = extract_features([("cut", path)], store, backbone, FPS, skip_bad=True)
    assert report.done == ["cut"] and 0 < report.num_frames < 100
    assert store.source("cut")["damage"]


def test_features_with_nan_are_reported(store, videos, backbone):
    class Broken(ColorBackbone):
        def __call__(self, images):
            features = super().__call__(images)
            return np.where(features[:, :1] > 30, np.nan, features)

    report = extract_features(videos, store, Broken(), FPS)
    assert report.done == ["v0"]
    assert "Video 'v2' expects finite features" in report.failed["v2"]


def test_full_disk_ends_the_run_and_keeps_what_is_finished(store, videos, backbone, monkeypatch):
    real = store_module.save_array

    def save(path, array):
        if path.stem == "v2":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, array)

    monkeypatch.setattr(store_module, "save_array", save)
    with pytest.raises(DiskFullError, match="expects free space"):
        extract_features(videos, store, backbone, FPS)
    assert store.videos() == ["v0", "v1"]
    monkeypatch.undo()
    assert extract_features(videos, store, backbone, FPS).skipped == ["v0", "v1"]
    check_store(store, videos, backbone)


@pytest.mark.slow
def test_a_process_that_dies_costs_its_video_only(tmp_path, videos):
    deadly = ColorBackbone(deadly_red=100)
    store = FeatureStore.create_in(tmp_path, deadly.fingerprint(FPS))
    report = extract_features([videos[3], *videos[:3]], store, deadly, FPS, workers=2)
    assert sorted(report.done) == ["v0", "v1", "v2"]
    assert "v3.mp4: its process ended with exit code 11" in report.failed["v3"]


SCRIPT = """
import sys
from pathlib import Path
from color_backbone import ColorBackbone
from vidseq.features.extract import extract_features
from vidseq.features.store import FeatureStore
if __name__ == "__main__":
    videos = [(Path(path).stem, path) for path in sys.argv[3:]]
    store = FeatureStore.open(sys.argv[1])
    try:
        extract_features(videos, store, ColorBackbone(seconds=0.05), 8, workers=int(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(42)
"""


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_resumes_after_a_stop(tmp_path, store, videos, backbone, stop, workers):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, store.folder, str(workers), *(path for _, path in videos)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not len(store) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, stop)  # as a terminal does: parent and workers alike
    assert process.wait(20) == (42 if stop == signal.SIGINT else -signal.SIGKILL)
    before = store.videos()
    assert 1 <= len(before) < 4
    report = extract_features(videos, store, backbone, FPS)
    assert sorted(report.skipped) == before and len(report.done) == 4 - len(before)
    check_store(store, videos, backbone)


def test_misuse(store, videos, backbone):
    with pytest.raises(FingerprintError, match="fps '4', got '8'"):
        extract_features(videos, store, backbone, 4)
    with pytest.raises(FingerprintError, match="decoder 'pyav', got 'auto'"):
        extract_features(videos, store, backbone, FPS, decoder="pyav")
    with pytest.raises(UserError, match="expects each video once, got 'v0' more than once"):
        extract_features([videos[0], *videos], store, backbone, FPS)
    with pytest.raises(UserError, match="expects at least 1 worker, got 0"):
        extract_features(videos, store, backbone, FPS, workers=0)


def test_a_video_of_the_old_form_without_known_samples_is_made_again(store, videos, backbone):
    extract_features(videos[:2], store, backbone, FPS)
    for (video, _), frames in zip(videos, (None, 10)):
        stored, file = store.read(video), store.folder / f"{video}.meta.json"
        features = np.array(stored.features[:frames])
        meta = json.loads(file.read_text())
        del meta["clock"], meta["pictures"]
        with (store.folder / f"{video}.pts").open("wb") as pts, (store.folder / f"{video}.npy").open("wb") as npy:
            np.save(pts, stored.picture_seconds[:frames])
            np.save(npy, features)
        file.write_text(json.dumps({**meta, "frames": len(features)}))
    assert extract_features(videos[:2], store, backbone, FPS).skipped == ["v0"]
    check_store(store, videos[:2], backbone)
