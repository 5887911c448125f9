"""Files of the layout of MS-TCN as they are published: each oddity is imported as the plain form is, or is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from importers.test_mstcn import LABELS, NUM_FRAMES, features_of, labels_of, source, write

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError
from vidseq.features.store import FeatureStore
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.mstcn import convert

__all__ = ["source"]


def rewrite(folder: Path, pattern: str, change: Callable[[str], str]) -> None:
    for path in folder.glob(pattern):
        path.write_bytes(change(path.read_text()).encode())


def each_line(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(f"{change(line)}\n" for line in text.splitlines())


def mapping(form: str, first: int = 0) -> Callable[[Path], None]:
    lines = [form.format(number=number, label=label) for number, label in enumerate(LABELS, first)]
    return lambda folder: write(folder / "mapping.txt", "\n".join(lines) + "\n")


def zip_features(folder: Path) -> None:
    for path in (folder / "features").iterdir():
        np.savez(path.with_suffix(".npz"), features=np.load(path))
        path.unlink()


ODDITIES: dict[str, Callable[[Path], None]] = {
    "bundles without suffix": lambda s: rewrite(s, "splits/*", each_line(lambda line: line.removesuffix(".txt"))),
    "bundles with the suffix of features": lambda s: rewrite(s, "splits/*", lambda text: text.replace(".txt", ".npy")),
    "bundles with the suffix of videos": lambda s: rewrite(s, "splits/*", lambda text: text.replace(".txt", ".AVI")),
    "bundles with a path": lambda s: rewrite(s, "splits/*", each_line(lambda line: f"/data/x/groundTruth/{line}")),
    "bundles with a path of Windows": lambda s: rewrite(s, "splits/*", each_line(lambda line: f"..\\gt\\{line}")),
    "Windows lines": lambda s: rewrite(s, "**/*.txt", lambda text: text.replace("\n", "\r\n")),
    "lines of an old Mac": lambda s: rewrite(s, "groundTruth/*", lambda text: text.replace("\n", "\r")),
    "no line end at the end": lambda s: rewrite(s, "**/*.txt", str.rstrip),
    "empty lines around": lambda s: rewrite(s, "**/*.txt", lambda text: f"\n\n{text}\n \n"),
    "spaces around": lambda s: rewrite(s, "**/*.txt", each_line(lambda line: f" {line}\t")),
    "a header of labels": lambda s: rewrite(s, "groundTruth/*", lambda text: f"### labels: ###\n{text}"),
    "a mapping with tabs": mapping("{number}\t{label}"),
    "a mapping with commas": mapping("{number}, {label}"),
    "a mapping with colons": mapping("{number}:{label}"),
    "a mapping with several spaces": mapping("{number}   {label}"),
    "a mapping with numbers last": mapping("{label},{number}"),
    "a mapping from 1 on": mapping("{number} {label}", first=1),
    "a mapping with empty lines": mapping("{number} {label}\n"),
    "a mapping with a header": lambda s: rewrite(s, "mapping.txt", lambda text: f"id,class\n{text}"),
    "zipped features": zip_features,
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_it_is_imported_as_the_plain_form(source: Path, tmp_path: Path, oddity: str) -> None:
    convert(source, tmp_path / "expected", fps=3)
    ODDITIES[oddity](source)
    report = convert(source, tmp_path / "out", fps=3)
    assert report.num_videos == report.num_features == 4 and report.skipped == ()
    for name in ("dataset.json", "videos.jsonl", "segments.csv"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "expected" / name).read_text()
    store = FeatureStore.open_in(tmp_path / "out")
    for video in NUM_FRAMES:
        np.testing.assert_array_equal(store.read(video).features, features_of(video))


def test_labels_as_predictions_are_published(source: Path, tmp_path: Path) -> None:
    """All in one line below a header; labels are then single words."""
    rewrite(source, "**/*.txt", lambda text: text.replace("cut tomato", "cut_tomato"))
    convert(source, tmp_path / "expected", fps=3)
    rewrite(source, "groundTruth/*", lambda text: "### Frame level recognition: ###\n" + " ".join(text.split()))
    convert(source, tmp_path / "out", fps=3)
    for name in ("videos.jsonl", "segments.csv"):
        assert (tmp_path / "out" / name).read_text() == (tmp_path / "expected" / name).read_text()


def test_a_bundle_of_validation_videos(source: Path, tmp_path: Path) -> None:
    write(source / "splits/train.split1.bundle", "01-1.txt\n01-2.txt\n")
    write(source / "splits/val.split1.bundle", "02-1.txt\n")
    convert(source, tmp_path / "out", fps=3)
    dataset = Dataset.load(tmp_path / "out")
    assert {video.video: video.split for video in dataset.videos.values()} == {
        "01-1": "train", "01-2": "train", "02-1": "val", "03-1": "test"
    }  # fmt: skip


@pytest.mark.parametrize("change", [-1, 1])
@pytest.mark.parametrize("turned", [False, True])
def test_a_frame_more_or_fewer_is_dropped(source: Path, tmp_path: Path, change: int, turned: bool) -> None:
    for video, number in NUM_FRAMES.items():
        features = np.concatenate([features_of(video), features_of(video)[:1]])[: number + change]
        np.save(source / "features" / f"{video}.npy", features.T if turned else features)
    report = convert(source, tmp_path / "out", fps=3, background="background")
    (note,) = report.notes
    assert note.startswith("4 videos have more features or more labels at the end, which are dropped: '01-1', ")
    store, dataset = FeatureStore.open_in(tmp_path / "out"), Dataset.load(tmp_path / "out")
    for video, number in NUM_FRAMES.items():
        kept = min(number, number + change)
        np.testing.assert_array_equal(store.read(video).features, features_of(video)[:kept])
        assert dataset.videos[video].duration == round(kept / 3, 3)


def test_shapes_that_do_not_tell_the_axis_of_time(source: Path, tmp_path: Path) -> None:
    for video in NUM_FRAMES:
        write(source / "groundTruth" / f"{video}.txt", "stir\n" * 6)
        np.save(source / "features" / f"{video}.npy", np.arange(36.0).reshape(6, 6))
    message = r"^features/01-1.npy: expects a shape that shows which axis is time, .* got \(6, 6\). Give time_axis, 0"
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "out", fps=3)
    for axis, first in ((0, [0, 1, 2, 3, 4, 5]), (1, [0, 6, 12, 18, 24, 30])):
        convert(source, tmp_path / str(axis), fps=3, time_axis=axis)
        assert FeatureStore.open_in(tmp_path / str(axis)).read("01-1").features[0].tolist() == first
    with pytest.raises(DataError, match=r"^time_axis expects 0 .* or 1 .*, got 2"):
        convert(source, tmp_path / "out", fps=3, time_axis=2)


@pytest.mark.parametrize("names", [(), ("one", "two")])
def test_an_archive_holds_one_array(source: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    (source / "features/01-2.npy").unlink()
    np.savez(source / "features/01-2.npz", **dict.fromkeys(names, np.zeros((5, 5))))
    with pytest.raises(DataError, match=rf"^features/01-2.npz: expects one array, got {', '.join(names) or 'none'}\."):
        convert(source, tmp_path / "out", fps=3)


def test_a_damaged_archive(source: Path, tmp_path: Path) -> None:
    path = source / "features/01-2.npz"
    np.savez_compressed(path, features_of("01-2"))
    (source / "features/01-2.npy").unlink()
    content = path.read_bytes()
    path.write_bytes(content[:60] + b"\0" * 20 + content[80:])
    with pytest.raises(DataError, match=r"^features/01-2.npz: expects a NumPy array, got a file that is none"):
        convert(source, tmp_path / "out", fps=3)


def test_the_source_has_what_the_fixture_says() -> None:
    assert {len(labels_of(video)) for video in NUM_FRAMES} == set(NUM_FRAMES.values()) and ConversionReport
