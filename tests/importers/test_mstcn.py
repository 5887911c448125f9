import os
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.data.examples import Examples, frame_labels_of
from vidseq.errors import DataError, UserError
from vidseq.features.store import FeatureStore
from vidseq.importers.mstcn import convert

LABELS = ["background", "cut tomato", "stir"]
NUM_FRAMES = {"01-1": 7, "01-2": 5, "02-1": 9, "03-1": 6}
DIM = 5


def labels_of(video: str) -> list[str]:
    number = NUM_FRAMES[video]
    return (["background"] * 2 + ["cut tomato"] * 2 + ["stir"] * number)[:number]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four videos of three people; features (T, D), one of them with T = D."""
    folder = tmp_path / "salads"
    for name in ("groundTruth", "splits", "features"):
        (folder / name).mkdir(parents=True)
    (folder / "mapping.txt").write_text("".join(f"{n} {label}\n" for n, label in enumerate(LABELS)))
    for video in NUM_FRAMES:
        (folder / "groundTruth" / f"{video}.txt").write_text("\n".join(labels_of(video)) + "\n")
        np.save(folder / "features" / f"{video}.npy", features_of(video))
    (folder / "splits" / "train.split1.bundle").write_text("01-1.txt\n01-2.txt\n02-1.txt\n")
    (folder / "splits" / "test.split1.bundle").write_text("03-1.txt\n")
    return folder


def features_of(video: str) -> np.ndarray:
    rng = np.random.default_rng(sum(map(ord, video)))
    return rng.random((NUM_FRAMES[video], DIM)).astype(np.float16)


def test_everything_arrives(source: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    report = convert(source, tmp_path / "out", fps=3, group=r"^\d+", background="background", backbone="spatial_cnn")
    assert (report.num_videos, report.num_segments, report.num_features) == (4, 8, 4)
    assert report.skipped == () and report.notes == ()
    assert "4 videos, 8 segments, 0 queries, features of 4 videos" in report.summary()
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.action_labels == tuple(LABELS) and dataset.info.background == "background"
    assert [dataset.group_of(video) for video in dataset.videos] == ["01", "01", "02", "03"]
    assert dataset.videos["01-1"].duration == 2.333
    assert [(item.start, item.end) for item in dataset.segments_of("01-1")] == [(0.667, 1.333), (1.333, 2.333)]
    examples = Examples(dataset, FeatureStore.open_in(dataset.folder), "train")
    for example in (examples[index] for index in range(len(examples))):
        np.testing.assert_array_equal(example.features, features_of(example.video).astype(np.float32))
        assert [LABELS[number] for number in example.frame_labels] == labels_of(example.video)
    fingerprint = examples.store.fingerprint
    assert (fingerprint.backbone, fingerprint.weights, fingerprint.fps) == ("external:spatial_cnn", "external", "3")
    assert check_dataset(dataset.folder) == []
    assert before == {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_features_turned_and_in_a_folder_a_split(source: Path, tmp_path: Path, dtype: type) -> None:
    (source / "features" / "split1").mkdir()
    for video in NUM_FRAMES:
        (source / "features" / f"{video}.npy").unlink()
        np.save(source / "features" / "split1" / f"{video}.npy", features_of(video).T.astype(dtype))
    convert(source, tmp_path / "out", fps=3)
    store = FeatureStore.open_in(tmp_path / "out")
    assert store.fingerprint.weights == "split1"
    for video in NUM_FRAMES:
        np.testing.assert_array_equal(store.read(video).features, features_of(video))
        np.testing.assert_allclose(store.read(video).pts_seconds, np.arange(NUM_FRAMES[video]) / 3)


def test_features_with_tokens(source: Path, tmp_path: Path) -> None:
    for video in NUM_FRAMES:
        np.save(source / "features" / f"{video}.npy", np.stack([features_of(video)] * 3, axis=1))
    convert(source, tmp_path / "out", fps=3)
    store = FeatureStore.open_in(tmp_path / "out")
    assert (store.tokens, store.fingerprint.tokens, store.dim) == (3, 3, DIM)
    for video in NUM_FRAMES:
        np.testing.assert_array_equal(store.read(video).features[:, 2], features_of(video))


def test_labels_alone(source: Path, tmp_path: Path) -> None:
    for path in (source / "features").iterdir():
        path.unlink()
    report = convert(source, tmp_path / "out", fps="30000/1001")
    assert report.num_features == 0 and report.num_segments == 12
    assert "no features/<video>.npy: labels alone were converted." in report.notes
    assert any("'background' counts as an action" in note for note in report.notes)
    dataset = Dataset.load(tmp_path / "out")
    pts_seconds = np.arange(9) * 1001 / 30000
    frames = frame_labels_of(dataset.segments_of("02-1"), pts_seconds, LABELS)
    assert [LABELS[number] for number in frames] == labels_of("02-1")


def test_validation_is_carved_out_by_groups(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out", fps=3, group=r"^\d+", validation=0.4)
    dataset = Dataset.load(tmp_path / "out")
    assert {name: len(dataset.split(name)) for name in dataset.info.splits} == {"train": 2, "val": 1, "test": 1}
    assert dataset.shared_groups() == {}


def test_byte_order_mark_windows_lines_and_empty_lines(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "expected", fps=3)
    for path in [*source.glob("*.txt"), *source.glob("*/*.txt"), *source.glob("*/*.bundle")]:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    convert(source, tmp_path / "out", fps=3)
    for name in ("dataset.json", "videos.jsonl", "segments.csv"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "expected" / name).read_text()


def write(path: Path, text: str) -> None:
    path.write_text(text)


TRAPS = {
    "unknown label": (
        lambda s: write(s / "groundTruth/01-2.txt", "stir\nstirr\nstir\nstir\nstir\n"),
        r"groundTruth/01-2.txt:2: expects a label of mapping.txt, got 'stirr'. Did you mean 'stir'\?",
    ),
    "empty labels": (
        lambda s: write(s / "groundTruth/01-2.txt", "\n"),
        r"groundTruth/01-2.txt: expects a label a frame, got an empty file",
    ),
    "no labels": (
        lambda s: (s / "groundTruth/01-2.txt").unlink(),
        r"train.split1.bundle:2: expects the labels groundTruth/01-2.txt, got no such file",
    ),
    "no features": (
        lambda s: (s / "features/01-2.npy").unlink(),
        r"features/01-2.npy: expects an array for '01-2', got no such file",
    ),
    "too few labels": (
        lambda s: write(s / "groundTruth/01-2.txt", "stir\nstir\nstir\n"),
        r"groundTruth/01-2.txt: expects a label for each of the 5 features in 01-2.npy, got 3. Give cut_to_shorter",
    ),
    "a gap between labels": (
        lambda s: write(s / "groundTruth/01-2.txt", "stir\nstir\n\nstir\nstir\nstir\n"),
        r"groundTruth/01-2.txt:4: expects a label a line, got an empty line before it",
    ),
    "a header of another form": (
        lambda s: write(s / "groundTruth/01-2.txt", "label\nstir\nstir\nstir\nstir\nstir\n"),
        r"groundTruth/01-2.txt:1: expects a label of mapping.txt, got 'label'",
    ),
    "a pickle": (
        lambda s: (s / "features/01-2.npy").rename(s / "features/01-2.pkl"),
        r"features/01-2.npy: expects an array for '01-2', got no such file. There is 01-2.pkl; save it as 01-2.npy.",
    ),
    "no array": (
        lambda s: write(s / "features/01-2.npy", "no array"),
        r"features/01-2.npy: expects a NumPy array, got a file that is none \(it holds no array of numbers\)",
    ),
    "pickled array": (
        lambda s: np.save(s / "features/01-2.npy", np.array([{}])),
        r"features/01-2.npy: expects a NumPy array, got a file that is none",
    ),
    "three axes": (
        lambda s: np.save(s / "features/01-2.npy", np.zeros((5, 5, 1))),
        r"features/01-2.npy: expects the axes of the first file, \(7, 5\), got \(5, 5, 1\)",
    ),
    "text array": (
        lambda s: np.save(s / "features/01-2.npy", np.array([["a"]])),
        r"features/01-2.npy: expects an array of numbers",
    ),
    "NaN": (
        lambda s: np.save(s / "features/01-2.npy", np.full((5, 5), np.nan)),
        r"features/01-2.npy: .*'01-2' expects finite features",
    ),
    "another width": (
        lambda s: np.save(s / "features/01-2.npy", np.zeros((5, 4))),
        r"features/01-2.npy: .*'01-2' expects features of width 5",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_bad_video_is_named_or_skipped(source: Path, tmp_path: Path, trap: str) -> None:
    spoil, message = TRAPS[trap]
    spoil(source)
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "strict", fps=3)
    assert not (tmp_path / "strict" / "dataset.json").exists()
    report = convert(source, tmp_path / "out", fps=3, skip_bad=True)
    assert len(report.skipped) == 1 and report.num_videos == report.num_features == 3
    assert "01-2" not in Dataset.load(tmp_path / "out").videos
    assert f"skipped: {report.skipped[0]}" in report.summary()
    assert check_dataset(tmp_path / "out") == []


def test_video_in_both_bundles(source: Path, tmp_path: Path) -> None:
    write(source / "splits/test.split1.bundle", "03-1.txt\n01-1.txt\n")
    message = r"test.split1.bundle:2: expects every video once, got '01-1' as in train.split1.bundle:1"
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "out", fps=3)
    assert len(convert(source, tmp_path / "out", fps=3, skip_bad=True).skipped) == 1


@pytest.mark.parametrize("longer", ["labels", "features"])
def test_cut_to_shorter(source: Path, tmp_path: Path, longer: str) -> None:
    number = 10 if longer == "labels" else 4
    write(source / "groundTruth/01-1.txt", "stir\n" * number)
    report = convert(source, tmp_path / "out", fps=3, cut_to_shorter=True)
    note = f"at the end, which are dropped: '01-1', 7 features and {number} labels."
    assert any(note in found for found in report.notes)
    store = FeatureStore.open_in(tmp_path / "out")
    assert len(store.read("01-1").features) == min(7, number)
    assert Dataset.load(tmp_path / "out").videos["01-1"].duration == round(min(7, number) / 3, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 background\n2 stir\n", r"mapping.txt: expects the numbers 0 to 1 once each, got \[0, 2\]"),
        ("0 background\n0 stir\n", r"mapping.txt:2: expects every number and name once, got '0 stir' again"),
        ("0 stir\n1 stir\n", r"mapping.txt:2: expects every number and name once"),
        ("stir 0\nmix\n", r"mapping.txt:2: expects a class as 'number name', got 'mix'"),
        ("0 stir\nmix 1\n", r"mapping.txt:2: expects a class as 'number name', got 'mix 1'"),
        ("2 background\n3 stir\n", r"mapping.txt: expects the numbers 0 to 1 once each, got \[2, 3\]"),
        ("", r"mapping.txt: expects the numbers"),
    ],
)
def test_bad_mapping(source: Path, tmp_path: Path, text: str, message: str) -> None:
    write(source / "mapping.txt", text)
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "out", fps=3)


def test_bad_options(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"fps expects a rate above 0 .* got 'thirty'"):
        convert(source, out, fps="thirty")
    with pytest.raises(DataError, match=r"background expects one of mapping.txt, got 'Background'. Did you mean"):
        convert(source, out, fps=3, background="Background")
    with pytest.raises(
        FileNotFoundError, match=r"Split 2 expects .*train.split2.bundle, got none. Bundles there: test"
    ):
        convert(source, out, fps=3, split=2)
    with pytest.raises(DataError, match=r"validation expects a share from 0 to below 1, got 1"):
        convert(source, out, fps=3, validation=1)
    with pytest.raises(UserError, match=r"The group rule 'P' expects to match every video's name, got '01-1'"):
        convert(source, out, fps=3, group="P")
    with pytest.raises(FileNotFoundError, match=r"The mstcn layout expects mapping.txt in .*nowhere, got none"):
        convert(tmp_path / "nowhere", out, fps=3)
    assert not out.exists() or not any(out.iterdir())


def test_what_is_not_used_is_told(source: Path, tmp_path: Path) -> None:
    write(source / "groundTruth/04-1.txt", "stir\n")
    report = convert(source, tmp_path / "out", fps=3, background="background")
    assert report.notes == ("1 videos are in no bundle of split 1: 04-1.",)


def test_bundles_without_a_video(source: Path, tmp_path: Path) -> None:
    for name in ("train", "test"):
        write(source / f"splits/{name}.split1.bundle", "\n")
    with pytest.raises(DataError, match=r"The bundles of split 1 expect at least one video, got none\."):
        convert(source, tmp_path / "out", fps=3)


def test_bundles_that_split_a_group_are_told(source: Path, tmp_path: Path) -> None:
    write(source / "splits/train.split1.bundle", "01-1.txt\n02-1.txt\n")
    write(source / "splits/test.split1.bundle", "01-2.txt\n03-1.txt\n")
    report = convert(source, tmp_path / "out", fps=3, background="background", group=r"^\d+")
    assert report.notes == ("the bundles put 1 groups into train and test: 01.",)
    assert any("group '01' is in test, train" in problem for problem in check_dataset(tmp_path / "out"))


@pytest.mark.real_data
@pytest.mark.skipif("VIDSEQ_DATA" not in os.environ, reason="VIDSEQ_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("folder", "fps", "num_splits", "group", "background", "counts"),
    [
        ("50salads", 3, 5, r"^(\d+)-", "background", (50, 898, 855, 25)),
        ("50salads_labels", 30, 5, r"^rgb-(\d+)-", None, (50, 999, 949, 25)),
        ("breakfast", 15, 4, r"^(P\d+)_", "SIL", (1712, 8359, 7887, 52)),
    ],
)
def test_real_data(
    tmp_path: Path,
    folder: str,
    fps: int,
    num_splits: int,
    group: str,
    background: str | None,
    counts: tuple[int, int, int, int],
) -> None:
    source = Path(os.environ["VIDSEQ_DATA"]) / folder
    tests: list[str] = []
    for split in range(1, num_splits + 1):
        out = tmp_path / str(split)
        convert(source, out, fps=fps, split=split, group=group, background=background)
        dataset = Dataset.load(out)
        assert dataset.shared_groups() == {}
        tests += [video.video for video in dataset.split("test")]
    groups = {dataset.group_of(video) for video in dataset.videos}
    queries = dataset.next_action_queries(1.0)
    assert (len(dataset.videos), len(dataset.segments), len(queries), len(groups)) == counts
    assert sorted(tests) == sorted(dataset.videos), "every video is tested once"
    for video in dataset.videos:
        expected = (source / "groundTruth" / f"{video}.txt").read_text().split()
        pts_seconds = np.arange(len(expected)) / fps
        found = frame_labels_of(dataset.segments_of(video), pts_seconds, dataset.action_labels, background)
        assert [dataset.action_labels[number] for number in found] == expected


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "n" * 300, "切" * 90])
def test_a_bundle_names_files_of_the_layout_alone(source: Path, tmp_path: Path, name: str) -> None:
    (source / "secret.txt").write_text("SIL\n")
    bundle = source / "splits" / "train.split1.bundle"
    bundle.write_text(f"{bundle.read_text()}{name}.txt\n")
    with pytest.raises(DataError, match=r"split1\.bundle:\d+: expects the name of a file in groundTruth, got '"):
        convert(source, tmp_path / "out", fps=15)
