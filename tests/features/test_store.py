import dataclasses
import errno
import json
import os
import stat
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vidseq.errors import DataError, FingerprintError
from vidseq.features.disk import DiskFullError
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import LEFTOVER_SECONDS, FeatureStore
from vidseq.video.sampling import sample_times

FINGERPRINT = Fingerprint(backbone="tiny", weights="random-seed0", input_size=32, resize="crop", fps="4")
TIMES = np.arange(5) / 4


@pytest.fixture
def store(tmp_path):
    return FeatureStore.create_in(tmp_path, FINGERPRINT)


@pytest.fixture
def token_store(tmp_path):
    return FeatureStore.create_in(tmp_path, dataclasses.replace(FINGERPRINT, pooling="2x2", tokens=4))


def some_features(num_frames=5, dim=3, seed=0):
    return np.random.default_rng(seed).normal(size=(num_frames, dim)).astype(np.float32)


@given(
    features=hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=30),
        elements={"min_value": -1000, "max_value": 1000},
    ),
    video=st.from_regex(r"[A-Za-z0-9_é日][A-Za-z0-9_. -]{0,20}", fullmatch=True),
    data=st.data(),
)
def test_round_trip(tmp_path_factory, features, video, data):
    steps = data.draw(hnp.arrays(np.float64, features.shape[0], elements={"min_value": 0, "max_value": 1e5}))
    pts_seconds = np.cumsum(steps)
    folder = tmp_path_factory.mktemp("store")
    tokens = features.shape[1] if features.ndim == 3 else 0
    fingerprint = dataclasses.replace(FINGERPRINT, tokens=tokens)
    FeatureStore.create(folder, fingerprint).write(video, features, pts_seconds, {"decoder": "pyav"})
    store = FeatureStore.open(folder)
    got = store.read(video)
    assert got.features.dtype == np.float16 and isinstance(got.features, np.memmap)
    np.testing.assert_array_equal(got.features, features.astype(np.float16))
    np.testing.assert_array_equal(got.pts_seconds, pts_seconds)
    assert store.videos() == [video] and video in store and len(store) == 1
    assert store.dim == features.shape[-1] and store.tokens == (tokens or None)
    assert store.source(video) == {"decoder": "pyav"}


@pytest.mark.parametrize("video", ["fingerprint", "a.pts", "a.npy", "a.meta.json", "a"])
def test_names_never_collide(store, video):
    for other in ("a", "a.pts", "a.npy", "a.meta.json", "fingerprint"):
        store.write(other, some_features(seed=len(other)), TIMES)
    np.testing.assert_array_equal(store.read(video).features, some_features(seed=len(video)).astype(np.float16))
    assert FeatureStore.open(store.folder).fingerprint == FINGERPRINT


def test_absent_without_its_commit_mark(store):
    store.write("a", some_features(), TIMES)
    (store.folder / "a.meta.json").unlink()
    assert "a" not in store and store.videos() == []
    with pytest.raises(DataError, match="expects one of its 0 videos, got 'a'"):
        store.read("a")


def test_replacing_a_video(store):
    store.write("a", some_features(), TIMES)
    store.write("a", some_features(2, seed=1), TIMES[:2])
    assert store.read("a").features.shape == (2, 3)


@pytest.mark.parametrize("full_at", range(3))
def test_full_disk_leaves_nothing_half_written(store, monkeypatch, full_at):
    """The disk fills up at the first, second or third file of a video that replaces an older one."""
    store.write("old", some_features(), TIMES)
    store.write("new", some_features(), TIMES)
    files = []

    def fsync(handle, real=os.fsync):
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            files.append(handle)
            if len(files) > full_at:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(
        DiskFullError, match=r"expects free space in .*No space left on device.*finished videos are kept"
    ):
        store.write("new", some_features(seed=1), TIMES)
    monkeypatch.undo()
    assert store.videos() == ["old"]
    assert [path for path in store.folder.iterdir() if path.name.startswith(".")] == []
    store.write("new", some_features(seed=1), TIMES)
    np.testing.assert_array_equal(store.read("new").features, some_features(seed=1).astype(np.float16))


def test_other_disk_errors_stay_what_they_are(store, monkeypatch):
    def fail(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        store.write("a", some_features(), TIMES)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e6])
def test_features_that_are_not_finite_are_refused(store, bad):
    features = some_features()
    features[3, 1] = bad
    with pytest.raises(DataError, match=r"Video 'a' expects finite features .* in frame 3"):
        store.write("a", features, TIMES)
    assert "a" not in store


def test_another_width_is_refused(store):
    store.write("a", some_features(), TIMES)
    for same in (store, FeatureStore.open(store.folder)):
        with pytest.raises(DataError, match=r"Video 'b' expects features of width 3 .*got width 4"):
            same.write("b", some_features(dim=4), TIMES)


@pytest.mark.parametrize("shape", [(5,), (0, 3), (5, 0), (1, 5, 3)])
def test_shapes_are_checked(store, shape):
    with pytest.raises(DataError, match=r"Video 'a' expects features \(T, D\)"):
        store.write("a", np.zeros(shape), TIMES)


@pytest.mark.parametrize("shape", [(5, 3), (5, 1, 3), (5, 5, 3), (0, 4, 3), (5, 4, 0), (5, 4, 3, 1), (5, 12)])
def test_tokens_are_checked(token_store, shape):
    with pytest.raises(DataError, match=r"Video 'a' expects features \(T, 4, D\) with at least one frame, got \("):
        token_store.write("a", np.zeros(shape), TIMES)
    assert "a" not in token_store


def test_a_store_of_tokens(token_store):
    features = np.random.default_rng(0).normal(size=(5, 4, 3))
    token_store.write("a", features, TIMES)
    again = FeatureStore.open(token_store.folder)
    assert (again.tokens, again.dim) == (4, 3)
    np.testing.assert_array_equal(again.read("a").features, features.astype(np.float16))
    features[3, 2, 1] = np.nan
    with pytest.raises(DataError, match=r"got NaN, infinite or larger ones in frame 3\."):
        again.write("b", features, TIMES)
    with pytest.raises(DataError, match=r"Video 'b' expects features of width 3 .*got width 6"):
        again.write("b", np.zeros((5, 4, 6)), TIMES)
    np.save(token_store.folder / "a.npy", np.zeros((5, 12), np.float16))
    with pytest.raises(DataError, match=r"\(5, 12\) features and \(5,\) times instead of \(5, 4, 3\)"):
        again.read("a")


def test_times_are_checked(store):
    with pytest.raises(DataError, match="expects a time for each of 5 frames"):
        store.write("a", some_features(), TIMES[:4])
    for times in (TIMES[::-1], TIMES * np.nan):
        with pytest.raises(DataError, match="expects pts_seconds that are finite and never fall"):
            store.write("a", some_features(), times)


@pytest.mark.parametrize("video", ["", ".hidden", "a/b", "..", "a\\b", "a\0", "x" * 201])
def test_unsafe_names_are_refused(store, video):
    with pytest.raises(DataError, match="identifier expects to be safe as a file name"):
        store.write(video, some_features(), TIMES)


def test_mismatch_names_the_field(store):
    other = dataclasses.replace(FINGERPRINT, fps="8")
    with pytest.raises(FingerprintError, match="fps '8', got '4'"):
        FeatureStore.create(store.folder, other)


def test_open_in_chooses(tmp_path, store):
    assert FeatureStore.open_in(tmp_path).folder == store.folder
    faster = dataclasses.replace(FINGERPRINT, fps="8")
    with pytest.raises(FingerprintError, match="fps '8', got '4'"):
        FeatureStore.open_in(tmp_path, faster)
    second = FeatureStore.create_in(tmp_path, faster)
    store.write("a", np.ones((2, 3)), np.arange(2))
    assert FeatureStore.open_in(tmp_path).folder == store.folder, "of the second there is nothing but the folder"
    second.write("a", np.ones((2, 3)), np.arange(2))
    with pytest.raises(FingerprintError, match=f"got several that fit. Name one of: .*{second.folder.name}"):
        FeatureStore.open_in(tmp_path)
    with pytest.raises(FingerprintError, match=f"got none that fit. Name one of: .*{second.folder.name}"):
        FeatureStore.open_in(tmp_path, "resnet")
    assert FeatureStore.open_in(tmp_path, faster).folder == second.folder
    assert FeatureStore.open_in(tmp_path, second.folder.name[:-3]).folder == second.folder
    by_openvino = dataclasses.replace(FINGERPRINT, engine="openvino")
    assert FeatureStore.open_in(tmp_path, by_openvino).folder == store.folder


def test_no_features(tmp_path):
    with pytest.raises(FileNotFoundError, match="expects features, got none"):
        FeatureStore.open_in(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expects fingerprint.json in .*, got none"):
        FeatureStore.open(tmp_path)
    with pytest.raises(DataError, match="expects at least one video, got none"):
        FeatureStore.create(tmp_path / "new", FINGERPRINT).dim  # noqa: B018


@pytest.mark.parametrize("content, reason", [(b"{", "Fingerprint cannot be read"), (b"\xff", "'utf-8' codec")])
def test_broken_header(store, content, reason):
    (store.folder / "fingerprint.json").write_bytes(content)
    with pytest.raises(DataError, match=f"fingerprint.json: {reason}"):
        FeatureStore.open(store.folder)


@pytest.mark.parametrize("suffix", [".npy", ".pts", ".meta.json"])
@pytest.mark.parametrize("damage", ["truncate", "empty", "overwrite", "remove"])
def test_damaged_files_are_reported(store, suffix, damage):
    store.write("a", some_features(), TIMES)
    path = store.folder / f"a{suffix}"
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes({"truncate": path.read_bytes()[:-4], "empty": b"", "overwrite": b"\xff" * 99}[damage])
    expected = "expects one of its 0 videos" if (suffix, damage) == (".meta.json", "remove") else "are damaged"
    with pytest.raises(DataError, match=expected):
        store.read("a")


def test_files_of_another_video_are_noticed(store):
    store.write("a", some_features(), TIMES)
    store.write("b", some_features(4), TIMES[:4])
    (store.folder / "b.npy").replace(store.folder / "a.npy")
    with pytest.raises(DataError, match=r"\(4, 3\) features and \(5,\) times instead of \(5, 3\)"):
        store.read("a")


def test_leftovers_of_killed_runs_go(store):
    old, young = store.folder / ".a-1234.npy", store.folder / ".b-1234.npy"
    for path in (old, young):
        path.write_bytes(b"half")
    past = time.time() - LEFTOVER_SECONDS - 10
    os.utime(old, (past, past))
    assert FeatureStore.create(store.folder, FINGERPRINT).videos() == []
    assert not old.exists() and young.exists()


def test_kill_at_any_moment_leaves_whole_videos_only(tmp_path):
    code = """
import sys, itertools, numpy as np
from vidseq.features.fingerprint import Fingerprint
from vidseq.features.store import FeatureStore
store = FeatureStore.open(sys.argv[1])
print("ready", flush=True)
for number in itertools.count():
    store.write(f"v{number % 7}", np.full((200, 50), number % 7), np.arange(200.0))
"""
    store = FeatureStore.create(tmp_path, FINGERPRINT)
    for wait in (0.02, 0.11, 0.05):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(wait)
        process.kill()
        process.communicate()
        for video in store.videos():
            assert (store.read(video).features == int(video[1:])).all()


def test_no_torch():
    code = "import vidseq.features.store, vidseq.features.external, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_meta_is_plain_json(store):
    store.write("a", some_features(), TIMES)
    assert json.loads((store.folder / "a.meta.json").read_text()) == {
        **{"frames": 5, "dim": 3, "source": {}},
        **{"clock": "sample", "pictures": False},
    }


def write_old_form(store, video, features, times, source):
    """A video as it was written when the times of pictures were kept alone."""
    np.save(store.folder / f"{video}.npy", features.astype(np.float16))
    with (store.folder / f"{video}.pts").open("wb") as file:
        np.save(file, times)
    meta = {"frames": len(features), "dim": features.shape[1], "source": source}
    (store.folder / f"{video}.meta.json").write_text(json.dumps(meta) + "\n")


SOURCE = {"file": "a.mp4", "bytes": 99, "decoder": "pyav"}


@pytest.mark.parametrize("fps", ["4", "30000/1001", "1/3"])
def test_the_old_form_counts_samples_by_the_rate(tmp_path, fps):
    store = FeatureStore.create_in(tmp_path, dataclasses.replace(FINGERPRINT, fps=fps))
    times = sample_times(20.0, Fraction(fps))
    pictures = np.where((times > 4) & (times < 14), 4.0, times - 1e-3 * (times > 0))  # one is held for ten seconds
    features = some_features(len(times))
    write_old_form(store, "a", features, pictures, {**SOURCE, "duration_seconds": 20.0, "expected_frames": len(times)})
    got = FeatureStore.open(store.folder).read("a")
    np.testing.assert_array_equal(got.pts_seconds, times)
    np.testing.assert_array_equal(got.picture_seconds, pictures)
    np.testing.assert_array_equal(got.features, features.astype(np.float16))
    assert store.knows_samples("a")


def test_the_old_form_is_refused_where_samples_were_left_out(store):
    source = {**SOURCE, "duration_seconds": 2.0, "expected_frames": 8}
    write_old_form(store, "a", some_features(), np.array([0.0, 0.25, 1.0, 1.25, 1.5]), source)
    assert "a" in store and not store.knows_samples("a")
    refused = (
        r"Features of video 'a' in .* expect a row for every sample, got 5 rows with the times of pictures alone "
        r"\(an old form\)\. Run `vidseq features` again\.$"
    )
    with pytest.raises(DataError, match=refused):
        store.read("a")
    store.write("a", some_features(), TIMES)
    assert store.knows_samples("a") and store.read("a").pts_seconds.tolist() == TIMES.tolist()


@pytest.mark.parametrize("source", [{}, {"file": "a.npz", "bytes": 99}, {"observations": "symbolic"}])
def test_features_made_elsewhere_keep_their_own_times(store, source):
    own = np.array([0.5, 0.5, 3.0, 9.0, 9.5])
    write_old_form(store, "a", some_features(), own, source)
    got = store.read("a")
    assert got.pts_seconds.tolist() == own.tolist() and got.picture_seconds is None


def test_the_times_of_pictures_are_kept_beside(store):
    pictures = np.array([0.0, 0.0, 0.0, 0.7, 0.7])
    store.write("a", some_features(), TIMES, picture_seconds=pictures)
    got = store.read("a")
    assert (got.pts_seconds.tolist(), got.picture_seconds.tolist()) == (TIMES.tolist(), pictures.tolist())
    store.write("a", some_features(), TIMES)
    assert store.read("a").picture_seconds is None
    with pytest.raises(DataError, match=r"Video 'a' expects picture_seconds that are finite and never fall\."):
        store.write("a", some_features(), TIMES, picture_seconds=pictures[::-1])
    with pytest.raises(DataError, match=r"expects a time for each of 5 frames, got \(4,\)\."):
        store.write("a", some_features(), TIMES, picture_seconds=pictures[1:])
    store.write("a", some_features(), TIMES, picture_seconds=pictures)
    with (store.folder / "a.pictures").open("wb") as file:
        np.save(file, pictures[1:])
    with pytest.raises(DataError, match=r"damaged: \(4,\) times of pictures instead of \(5,\)\."):
        store.read("a")


def test_another_clock_is_refused(store):
    store.write("a", some_features(), TIMES)
    file = store.folder / "a.meta.json"
    file.write_text(file.read_text().replace('"sample"', '"moon"'))
    with pytest.raises(DataError, match=r"are damaged: \.meta\.json holds ValueError\(.clock 'moon'.\)"):
        store.read("a")
