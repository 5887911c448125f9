import numpy as np
import pytest

from vidseq.errors import UserError
from vidseq.features.external import count_tokens, external_fingerprint, import_features
from vidseq.features.store import FeatureStore


@pytest.fixture
def store(tmp_path):
    return FeatureStore.create_in(tmp_path / "data", external_fingerprint("i3d", "30/2"))


def arrays(lengths, dim=7):
    rng = np.random.default_rng(0)
    return {f"v{number}": rng.normal(size=(length, dim)).astype(np.float32) for number, length in enumerate(lengths)}


def save(folder, features):
    folder.mkdir(exist_ok=True)
    for video, array in features.items():
        np.save(folder / f"{video}.npy", array)
    return folder


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("layout", ["auto", "said"])
def test_both_layouts(tmp_path, store, transposed, layout):
    features = arrays([5, 9, 9, 7])
    source = save(tmp_path / "in", {video: array.T if transposed else array for video, array in features.items()})
    said = "auto" if layout == "auto" else "DT" if transposed else "TD"
    report = import_features(source, store, layout=said, start=0.5)
    assert report.done == list(features) and not report.failed and report.num_frames == 30
    for video, array in features.items():
        got = store.read(video)
        np.testing.assert_array_equal(got.features, array.astype(np.float16))
        np.testing.assert_allclose(got.pts_seconds, 0.5 + np.arange(len(array)) / 15)
    again = import_features(source, store, layout=said)
    assert again.skipped == list(features) and not again.done


def test_layout_that_cannot_be_told(tmp_path, store):
    source = save(tmp_path / "in", arrays([5]))
    with pytest.raises(UserError, match=r"which axis is time, got 1 files like 5 x 7 of 'v0'"):
        import_features(source, store)


def test_bad_files_are_reported_and_the_rest_goes_on(tmp_path, store):
    features = arrays([5, 6, 8, 9, 10])
    features["v1"][2, 2] = np.nan
    features["wide"] = np.zeros((4, 8))
    features["flat"] = np.zeros(4)
    features["words"] = np.array([["a"]])
    source = save(tmp_path / "in", features)
    (source / "torn.npy").write_bytes((source / "v0.npy").read_bytes()[:-8])
    (source / "text.npz").write_text("no")
    np.savez(source / "two.npz", a=features["v0"], b=features["v0"])
    report = import_features(source, store)
    assert report.done == ["v0", "v2", "v3", "v4"] == store.videos()
    reasons = {
        "v1": "NaN",
        "wide": "expects width 7 like the other files, got 8",
        "flat": r"expects numbers with two axes, .* got float64 (4,)",
        "words": "expects numbers with two axes",
        "torn": "cannot be read",
        "text": "cannot be read",
        "two": "expects an array named 'features', got a, b",
    }
    assert report.failed.keys() == reasons.keys()
    for video, reason in reasons.items():
        assert all(part in report.failed[video] for part in reason.split(" .* "))
    assert "7 failed" in report.summary() and "failed: wide: " in report.summary()


def test_npz_with_times(tmp_path, store):
    features = arrays([3, 4])
    source = tmp_path / "in"
    source.mkdir()
    for video, array in features.items():
        np.savez(source / f"{video}.npz", features=array, pts_seconds=np.arange(len(array)) * 2.0)
    assert import_features(source, store, layout="TD", videos=["v1", "v9"]).failed == {
        "v9": f"{source} has no file for it"
    }
    np.testing.assert_array_equal(store.read("v1").pts_seconds, [0, 2, 4, 6])
    assert "v0" not in store


def token_arrays(lengths, tokens=4, dim=7):
    rng = np.random.default_rng(1)
    return {f"v{number}": rng.normal(size=(length, tokens, dim)) for number, length in enumerate(lengths)}


def test_a_token_axis_arrives(tmp_path):
    features = token_arrays([5, 9, 7])
    source = save(tmp_path / "in", features)
    assert count_tokens(source) == 4 and count_tokens(save(tmp_path / "flat", arrays([5]))) == 0
    store = FeatureStore.create_in(tmp_path / "data", external_fingerprint("vit", 15, tokens=4))
    assert import_features(source, store).done == list(features)
    for video, array in features.items():
        np.testing.assert_array_equal(store.read(video).features, array.astype(np.float16))
    assert (store.tokens, store.dim) == (4, 7)
    with pytest.raises(UserError, match=r"layout DT expects files with two axes, got \(5, 4, 7\)\."):
        import_features(source, store, layout="DT")


def test_files_with_other_tokens_are_refused(tmp_path, store):
    features = {
        **token_arrays([5, 9]),
        "few": np.zeros((5, 3, 7)),
        "flat": np.zeros((5, 7)),
        "wide": np.zeros((5, 4, 8)),
    }
    source = save(tmp_path / "in", features)
    with_tokens = FeatureStore.create_in(tmp_path / "data", external_fingerprint("vit", 15, tokens=4))
    report = import_features(source, with_tokens)
    assert report.done == ["v0", "v1"] and report.failed.keys() == {"few", "flat", "wide"}
    assert "three axes, (frames, 4, features), got float64 (5, 3, 7)." in report.failed["few"]
    assert "three axes, (frames, 4, features), got float64 (5, 7)." in report.failed["flat"]
    assert "expects width 7 like the other files, got 8" in report.failed["wide"]
    without = import_features(source, store, layout="TD")
    assert without.done == ["flat"] and "two axes, frames and features, got" in without.failed["v0"]


def test_misuse(tmp_path, store):
    with pytest.raises(FileNotFoundError, match=r"expects .npy or .npz files in .*, got none"):
        import_features(tmp_path, store)
    with pytest.raises(UserError, match=r"Unknown layout 'td'.* Known layouts: DT, TD, auto"):
        import_features(tmp_path, store, layout="td")


@pytest.mark.parametrize("transposed", [False, True])
def test_durations_find_the_axis_of_time(tmp_path, store, transposed):
    features = arrays([30, 30, 30], dim=200)
    source = save(tmp_path / "in", {video: array.T if transposed else array for video, array in features.items()})
    report = import_features(source, store, durations=dict.fromkeys(features, 2.0))
    assert not report.failed and store.dim == 200


def test_a_first_axis_of_the_batch_is_left_out(tmp_path, store):
    features = arrays([5, 6, 8])
    source = save(tmp_path / "in", {video: array[None] for video, array in features.items()})
    assert count_tokens(source) == 0
    report = import_features(source, store)
    assert not report.failed and store.dim == 7
    np.testing.assert_array_equal(store.read("v2").features, features["v2"].astype(np.float16))


def test_a_replaced_file_is_imported_again(tmp_path, store):
    source = save(tmp_path / "in", arrays([5, 6]))
    import_features(source, store)
    save(source, {"v1": np.ones((6, 7), np.float32)})
    (source / "v0.npy").touch()
    assert import_features(source, store).done == ["v1"]
    assert (store.read("v1").features == 1).all()


def test_rows_of_another_rate_are_refused(tmp_path):
    for index in range(4):
        np.save(tmp_path / f"v{index}.npy", np.zeros((40 + index, 6), np.float32))
    durations = {f"v{index}": 10 + index / 4 for index in range(4)}
    store = FeatureStore.create(tmp_path / "store", external_fingerprint("i3d", 8))
    message = r"about 80 rows of 'v0', by its duration at 8 a second, got 40\. Give .* such as --fps 4\."
    with pytest.raises(UserError, match=message):
        import_features(tmp_path, store, durations=durations)
    assert store.videos() == []
    right = FeatureStore.create(tmp_path / "right", external_fingerprint("i3d", 4))
    assert len(import_features(tmp_path, right, durations=durations).done) == 4


def test_two_files_of_one_video_are_refused(tmp_path):
    np.save(tmp_path / "v0.npy", np.zeros((4, 6), np.float32))
    np.savez(tmp_path / "v0.npz", features=np.ones((4, 6), np.float32))
    store = FeatureStore.create(tmp_path / "store", external_fingerprint("i3d", 4))
    with pytest.raises(UserError, match=r"one file a video in .*, got v0\.npy and v0\.npz\. Move one away"):
        import_features(tmp_path, store)
