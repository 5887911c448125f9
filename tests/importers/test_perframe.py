import json
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import PERFRAME_CLASS_OF, PERFRAME_CLASSES, perframe_features, perframe_target, write_perframe

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError
from vidseq.features.store import FeatureStore
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.perframe import class_runs, convert

BadRow = Callable[..., ConversionReport]
FIRST, SECOND, TEST = PERFRAME_CLASS_OF


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_perframe(tmp_path)
    return tmp_path / "THUMOS"


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    return {"info": tmp_path / "data_info.json", "features": "rgb_kinetics_resnet50"}


def test_everything_arrives(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    report = convert(source, tmp_path / "out", **options)
    assert report.notes == (
        f"1 videos have frames of several classes, whose segments overlap: {SECOND}. "
        "The header asks for many labels a frame (multi_label).",
    )
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.info.tasks["frame_labels"] == {"multi_label": True, "ambiguous": "Ambiguous"}
    assert dataset.action_labels == tuple(PERFRAME_CLASSES) and dataset.info.background == "Background"
    assert [(item.start, item.end, item.label) for item in dataset.segments_of(FIRST)] == [
        (0.25, 0.75, "CliffDiving"),
        (1.0, 1.25, "Ambiguous"),
        (1.5, 1.75, "Diving"),
    ]
    assert [(item.start, item.end, item.label) for item in dataset.segments_of(SECOND)] == [
        (0.0, 0.5, "CliffDiving"),
        (0.0, 0.75, "Diving"),
    ]
    assert [(video.split, video.duration) for video in dataset.videos.values()] == [
        ("train", 1.75),
        ("train", 1.0),
        ("test", 1.25),
    ]
    store = FeatureStore.open_in(dataset.folder)
    assert store.fingerprint.backbone == "external:rgb_kinetics_resnet50" and store.fingerprint.fps == "4"
    for video in dataset.videos:
        np.testing.assert_array_equal(store.read(video).features, perframe_features(video))
        np.testing.assert_array_equal(store.read(video).pts_seconds, np.arange(len(perframe_features(video))) / 4)


@pytest.mark.parametrize("turned", ["target_perframe", "rgb_kinetics_resnet50"])
def test_time_along_the_other_axis(source: Path, tmp_path: Path, options: dict[str, Any], turned: str) -> None:
    """The second video has as many frames as there are classes, so that it alone cannot tell."""
    convert(source, tmp_path / "expected", **options)
    for path in (source / turned).iterdir():
        np.save(path, np.load(path).T)
    convert(source, tmp_path / "out", **options)
    names = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(names) > 8
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()


def test_colour_and_motion_side_by_side(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    options["features"] = "rgb_kinetics_resnet50, flow_kinetics_bninception"
    convert(source, tmp_path / "out", **options)
    store = FeatureStore.open_in(tmp_path / "out")
    assert store.fingerprint.backbone == "external:rgb_kinetics_resnet50+flow_kinetics_bninception"
    expected = np.concatenate([perframe_features(TEST), perframe_features(TEST, dim=3) + 1], axis=1)
    np.testing.assert_array_equal(store.read(TEST).features, expected)


def add_token_axis(folder: Path, tokens: int) -> None:
    for path in folder.iterdir():
        features = np.load(path)
        np.save(path, np.stack([features + token for token in range(tokens)], axis=1))


def test_features_with_tokens(source: Path, tmp_path: Path, options: dict[str, Any], bad_row: BadRow) -> None:
    options["features"] = "rgb_kinetics_resnet50,flow_kinetics_bninception"
    for folder in options["features"].split(","):
        add_token_axis(source / folder, 4)
    convert(source, tmp_path / "out", **options)
    store = FeatureStore.open_in(tmp_path / "out")
    assert (store.tokens, store.dim) == (4, 9)
    for token, cells in enumerate(store.read(TEST).features.transpose(1, 0, 2)):
        parts = perframe_features(TEST) + token, perframe_features(TEST, dim=3) + 1 + token
        np.testing.assert_array_equal(cells, np.concatenate(parts, axis=1))
    save(source / f"rgb_kinetics_resnet50/{TEST}.npy", np.zeros((5, 3, 6)))
    message = rf"^rgb_kinetics_resnet50/{TEST}.npy: expects the axes of the first file, \(7, 4, 6\), got \(5, 3, 6\)\."
    assert bad_row(convert, source, message, **options).num_videos == 2


def test_parts_with_other_tokens(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    options["features"] = "rgb_kinetics_resnet50,flow_kinetics_bninception"
    add_token_axis(source / "rgb_kinetics_resnet50", 4)
    with pytest.raises(
        DataError, match=r"^Features to concatenate expect as many tokens in each folder, got 4 and 0\."
    ):
        convert(source, tmp_path / "out", **options)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=12))
def test_runs_say_the_class_of_every_frame(rows: list[list[bool]]) -> None:
    frames, fps = np.array(rows), Fraction(30000, 1001)
    rebuilt = np.zeros_like(frames)
    segments = list(class_runs("a", frames, "xyz", fps))
    for item in segments:
        rebuilt[round(item.start * fps) : round(item.end * fps), "xyz".index(item.label)] = True
    np.testing.assert_array_equal(rebuilt[:, 1:], frames[:, 1:])
    assert not rebuilt[:, 0].any()  # the background
    for left, right in pairwise(segments):
        assert left.label != right.label or left.end < right.start  # runs are as long as can be


def save(path: Path, array: np.ndarray) -> None:
    np.save(path, array)


TRAPS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no target": (
        lambda s: (s / f"target_perframe/{FIRST}.npy").unlink(),
        rf"^target_perframe/{FIRST}.npy: expects an array for '{FIRST}', got no such file",
    ),
    "no features": (
        lambda s: (s / f"rgb_kinetics_resnet50/{FIRST}.npy").unlink(),
        rf"^rgb_kinetics_resnet50/{FIRST}.npy: expects an array for '{FIRST}', got no such file",
    ),
    "another number of classes": (
        lambda s: save(s / f"target_perframe/{FIRST}.npy", np.zeros((7, 5))),
        rf"^target_perframe/{FIRST}.npy: expects \(T, 4\), a column a class of class_names, got \(7, 5\)",
    ),
    "NaN": (
        lambda s: save(s / f"target_perframe/{FIRST}.npy", np.full((7, 4), np.nan)),
        rf"^target_perframe/{FIRST}.npy: expects 0 and 1, got other values, such as nan",
    ),
    "probabilities": (
        lambda s: save(s / f"target_perframe/{FIRST}.npy", np.full((7, 4), 0.25)),
        rf"^target_perframe/{FIRST}.npy: expects 0 and 1, got other values, such as 0.25",
    ),
    "NaN features": (
        lambda s: save(s / f"rgb_kinetics_resnet50/{FIRST}.npy", np.full((7, 6), np.nan)),
        rf"^rgb_kinetics_resnet50/{FIRST}.npy: .*expects finite features",
    ),
    "too few features": (
        lambda s: save(s / f"rgb_kinetics_resnet50/{FIRST}.npy", np.zeros((5, 6))),
        rf"^target_perframe/{FIRST}.npy: expects a row for each of the 5 features in rgb_.*/{FIRST}.npy, got 7",
    ),
    "no array": (
        lambda s: (s / f"target_perframe/{FIRST}.npy").write_text("no array"),  # type: ignore[func-returns-value]
        rf"^target_perframe/{FIRST}.npy: expects a NumPy array, got a file that is none",
    ),
    "damaged header": (
        lambda s: (s / f"target_perframe/{FIRST}.npy").write_bytes(  # type: ignore[func-returns-value]
            (s / f"target_perframe/{FIRST}.npy").read_bytes().replace(b"}", b"\0")
        ),
        rf"^target_perframe/{FIRST}.npy: expects a NumPy array, got a file that is none",
    ),
    "three axes": (
        lambda s: save(s / f"target_perframe/{FIRST}.npy", np.zeros((7, 4, 1))),
        rf"^target_perframe/{FIRST}.npy: expects \(T, C\), \(C, T\), or a class a frame, \(T,\), got \(7, 4, 1\)",
    ),
    "unknown class numbers": (
        lambda s: save(s / f"target_perframe/{FIRST}.npy", np.array([0, 0, 1, 1, 4, 0, 0])),
        rf"^target_perframe/{FIRST}.npy: expects numbers of classes, 0 to 3, got others, such as 4",
    ),
    "a pickle": (
        lambda s: (s / f"target_perframe/{FIRST}.npy").rename(s / f"target_perframe/{FIRST}.pkl"),
        rf"^target_perframe/{FIRST}.npy: expects an array .* got no such file. There is {FIRST}.pkl; save it as",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_bad_video(source: Path, trap: str, options: dict[str, Any], bad_row: BadRow) -> None:
    spoil, message = TRAPS[trap]
    spoil(source)
    report = bad_row(convert, source, message, **options)
    assert report.num_videos == report.num_features == 2


def test_parts_of_two_lengths(source: Path, options: dict[str, Any], bad_row: BadRow) -> None:
    save(source / f"flow_kinetics_bninception/{FIRST}.npy", np.zeros((5, 3)))
    options["features"] = "rgb_kinetics_resnet50,flow_kinetics_bninception"
    message = rf"^'{FIRST}' expects features of one length, got 7 in rgb_kinetics_resnet50/.* and 5 in flow_"
    assert bad_row(convert, source, message, **options).num_videos == 2


def test_what_is_not_used_is_told(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    save(source / "target_perframe/extra.npy", np.zeros((3, 4)))
    assert "1 videos of target_perframe are in no split: extra." in convert(source, tmp_path / "out", **options).notes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fps": None}, r"data_info.json: THUMOS: expects frames a second as 'fps', got none. Give fps"),
        ({"fps": 0}, r"data_info.json: THUMOS: fps expects a rate above 0"),
        ({"class_names": ["Background"]}, r"'class_names' expects the background's name and one more"),
        ({"class_names": "all"}, r"'class_names' expects a list of texts"),
        ({"train_session_set": [], "test_session_set": []}, r"'train_session_set' expects a list of videos"),
        ({"test_session_set": [FIRST]}, rf"a video expects one split, got '{FIRST}' in train and test"),
    ],
)
def test_bad_info(source: Path, tmp_path: Path, options: dict[str, Any], values: dict[str, Any], message: str) -> None:
    about = json.loads(options["info"].read_text())
    about["THUMOS"].update(values)
    options["info"].write_text(json.dumps(about))
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "out", **options)


def test_other_options(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    convert(source, tmp_path / "out", **options, key="TVSeries")
    assert Dataset.load(tmp_path / "out").info.fps == 5
    convert(source, tmp_path / "out2", **options, fps="24000/1001")
    assert Dataset.load(tmp_path / "out2").info.fps == Fraction(24000, 1001)
    with pytest.raises(
        DataError, match=r"data_info.json: expects a data set 'EK100', got TVSeries, THUMOS. Name one as key"
    ):
        convert(source, tmp_path / "out", **options, key="EK100")
    options["info"].write_text('{"THUMOS": 5}')
    with pytest.raises(DataError, match=r"data_info.json: 'THUMOS' expects an object with class_names .* got 5"):
        convert(source, tmp_path / "out", **options)
    with pytest.raises(FileNotFoundError, match=r"expects a folder verb_perframe in .*THUMOS, got none"):
        convert(source, tmp_path / "out", **options, targets="verb_perframe")
    with pytest.raises(FileNotFoundError, match=r"The perframe layout expects the file .*nowhere, got none"):
        convert(source, tmp_path / "out", **{**options, "info": tmp_path / "nowhere"})


def test_the_target_of_the_fixture_is_one_hot() -> None:
    assert perframe_target(FIRST).sum(axis=1).tolist() == [1] * 7


def about(options: dict[str, Any], **values: Any) -> None:
    """Changes the entry of the data set."""
    everything = json.loads(options["info"].read_text())
    everything["THUMOS"].update(values)
    options["info"].write_text(json.dumps(everything))


def expect_the_same(source: Path, tmp_path: Path, options: dict[str, Any], change: Callable[[], None]) -> None:
    """Data sets before and after a change of the source have the same videos and segments."""
    convert(source, tmp_path / "expected", **options)
    change()
    report = convert(source, tmp_path / "out", **options)
    assert report.num_videos == report.num_features == 3
    for name in ("videos.jsonl", "segments.csv"):
        assert sorted((tmp_path / "out" / name).read_text().splitlines()) == sorted(
            (tmp_path / "expected" / name).read_text().splitlines()
        )


def targets_of(source: Path) -> list[Path]:
    return sorted((source / "target_perframe").iterdir())


@pytest.mark.parametrize("suffix", [".npy", ".mp4"])
def test_lists_with_suffixes_and_paths(source: Path, tmp_path: Path, options: dict[str, Any], suffix: str) -> None:
    named = {"train_session_set": [f"data/{FIRST}{suffix}", f"{SECOND}{suffix}"], "test_session_set": [TEST]}
    expect_the_same(source, tmp_path, options, lambda: about(options, **named))


def test_the_background_may_be_last(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    def turn() -> None:
        about(options, class_names=[*PERFRAME_CLASSES[1:], PERFRAME_CLASSES[0]], ignore_index=2)
        for path in targets_of(source):
            np.save(path, np.roll(np.load(path), -1, axis=1))

    expect_the_same(source, tmp_path, options, turn)
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.info.background == "Background" == dataset.action_labels[-1]
    assert dataset.info.tasks["frame_labels"] == {"multi_label": True, "ambiguous": "Ambiguous"}


def test_a_class_named_ambiguous_needs_no_index(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    expect_the_same(source, tmp_path, options, lambda: about(options, ignore_index=None))
    assert Dataset.load(tmp_path / "out").info.tasks["frame_labels"]["ambiguous"] == "Ambiguous"


def test_no_class_named_background(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    about(options, class_names=["Nothing", *PERFRAME_CLASSES[1:]])
    message = r"expects one class that is no action, got \(none\) among Nothing, .* Name it as background, or give"
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "out", **options)
    convert(source, tmp_path / "named", **options, background="Nothing")
    assert Dataset.load(tmp_path / "named").info.background == "Nothing"
    convert(source, tmp_path / "without", **options, background="none")
    dataset = Dataset.load(tmp_path / "without")
    assert dataset.info.background is None and any(item.label == "Nothing" for item in dataset.segments)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float64])
def test_targets_of_any_numbers(source: Path, tmp_path: Path, options: dict[str, Any], dtype: type) -> None:
    expect_the_same(
        source, tmp_path, options, lambda: [np.save(path, np.load(path).astype(dtype)) for path in targets_of(source)]
    )


def test_targets_and_features_in_archives(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    def archive() -> None:
        for path in [*targets_of(source), *(source / "rgb_kinetics_resnet50").iterdir()]:
            np.savez_compressed(path.with_suffix(".npz"), np.load(path))
            path.unlink()

    expect_the_same(source, tmp_path, options, archive)


def test_the_class_of_each_frame(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    path = source / f"target_perframe/{FIRST}.npy"  # one class a frame
    expect_the_same(source, tmp_path, options, lambda: np.save(path, np.load(path).argmax(axis=1)))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_frame_more_or_fewer_is_dropped(source: Path, tmp_path: Path, options: dict[str, Any], change: int) -> None:
    for path in (source / "rgb_kinetics_resnet50").iterdir():
        rows = np.load(path)
        np.save(path, np.concatenate([rows, rows[:1]])[: len(rows) + change])
    report = convert(source, tmp_path / "out", **options)
    assert any("3 videos have more features or more labels at the end" in note for note in report.notes)
    dataset = Dataset.load(tmp_path / "out")
    for video in dataset.videos.values():
        kept = len(perframe_target(video.video)) + min(change, 0)
        assert video.duration == kept / 4
        assert all(item.start < item.end <= video.duration for item in dataset.segments_of(video.video))


def test_targets_that_do_not_tell_the_axis_of_time(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    for path in targets_of(source):
        np.save(path, np.eye(4))
        np.save(source / "rgb_kinetics_resnet50" / path.name, np.zeros((4, 6)))
    with pytest.raises(DataError, match=r"^target_perframe/.* expects a shape that shows which axis is time"):
        convert(source, tmp_path / "out", **options)
    assert convert(source, tmp_path / "out", **options, time_axis=0).num_videos == 3
