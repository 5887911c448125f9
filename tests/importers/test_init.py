import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.importers import IMPORTERS
from vidseq.importers.init import init_dataset
from vidseq.tasks import TASKS
from vidseq.video.writer import VideoWriter

Make = Callable[..., Path]


def write_video(path: Path, num_frames: int = 5, fps: int = 10) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(num_frames)
    with VideoWriter(path, fps=fps) as writer:
        writer.write(rng.integers(0, 255, (num_frames, 32, 48, 3), dtype=np.uint8))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path)
    return path.read_bytes()


@pytest.fixture
def make(tmp_path: Path, clip: bytes) -> Make:
    """Makes a folder of videos of these paths."""

    def make(*paths: str) -> Path:
        for path in paths:
            target = tmp_path / "videos" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(clip)
        return tmp_path / "videos"

    return make


def splits_of(dataset: Dataset) -> dict[str, str]:
    return {video.video: video.split for video in dataset.videos.values()}


def test_a_folder_a_class(make: Make) -> None:
    folder = make(*(f"{label}/clip {n}.mp4" for label in ("wave", "jump") for n in range(10)))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report = init_dataset(folder, fps=4)
    assert (report.num_videos, report.num_segments, report.num_queries) == (20, 0, 20)
    dataset = Dataset.load(folder)
    assert dataset.info.name == "videos" and dataset.info.fps == 4
    assert dataset.answer_labels == ("jump", "wave") and dataset.action_labels == ()
    video = dataset.videos["jump__clip_3"]
    assert (video.path, video.duration, video.fps) == ("jump/clip 3.mp4", 0.5, Fraction(10))
    (query,) = dataset.queries_of("jump__clip_3")
    assert (query.question, query.answer, query.time) == ("What happens in this video?", "jump", 0.5)
    assert [len(dataset.split(name)) for name in dataset.info.splits] == [14, 3, 3]
    assert check_dataset(folder) == []
    assert all(path.read_bytes() == content for path, content in before.items())


def test_loose_files_into_another_folder(make: Make, tmp_path: Path) -> None:
    folder = make("a.mp4", "b.MP4", "c.mp4", ".hidden.mp4", ".cache/d.mp4")
    (folder / "notes.txt").write_text("x")
    report = init_dataset(folder, tmp_path / "out", seed=1)
    assert report.notes == ("1 files are no videos: .txt.",)
    dataset = Dataset.load(tmp_path / "out")
    assert list(dataset.videos) == ["a", "b", "c"] and dataset.info.labels == {}
    assert dataset.videos["a"].path == "../videos/a.mp4"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".cache",
        ".hidden.mp4",
        *("a.mp4", "b.MP4", "c.mp4"),
        "notes.txt",
    ]
    assert check_dataset(tmp_path / "out") == []


def test_a_link_to_nothing_and_a_name_of_other_bytes_are_bad_videos(make: Make, tmp_path: Path) -> None:
    folder = make("a.mp4", "b.mp4")
    (folder / "lost.mp4").symlink_to("nothing.mp4")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4")).write_bytes((folder / "a.mp4").read_bytes())
    with pytest.raises(
        DataError, match=r"2 of 4 videos cannot be read:\n.*not UTF-8.*Rename it\.\n.*a link to nothing"
    ):
        init_dataset(folder)
    report = init_dataset(folder, skip_bad=True)
    assert len(report.skipped) == 2 and list(Dataset.load(folder).videos) == ["a", "b"]


def test_folders_that_are_splits(make: Make) -> None:
    folder = make("train/wave/a.mp4", "train/jump/a.mp4", "Validation/jump/b.mp4", "test/wave/a.mp4")
    init_dataset(folder)
    dataset = Dataset.load(folder)
    assert splits_of(dataset) == {
        "train__wave__a": "train",
        "train__jump__a": "train",
        "Validation__jump__b": "val",
        "test__wave__a": "test",
    }
    assert dataset.answer_labels == ("jump", "wave")


def test_a_class_named_test_is_no_split(make: Make) -> None:
    folder = make("test/a.mp4", "exam/a.mp4")
    init_dataset(folder)
    assert Dataset.load(folder).answer_labels == ("exam", "test")


def test_one_folder_is_no_class(make: Make) -> None:
    folder = make("clips/a.mp4", "clips/b.mp4")
    assert init_dataset(folder).num_queries == 0


def test_names_stay_apart(make: Make) -> None:
    folder = make("a b.mp4", "a_b.mp4", "a_b.mkv", "ü/.x/c.mp4", "ü/é.mp4", "..d.mp4")
    init_dataset(folder, classes=False)
    videos = Dataset.load(folder).videos
    assert len(videos) == 4 and "ü__é" in videos
    assert {video.path for video in videos.values()} == {"a b.mp4", "a_b.mp4", "a_b.mkv", "ü/é.mp4"}


def test_groups_stay_together(make: Make) -> None:
    folder = make(*(f"P{person}_{n}.mp4" for person in range(6) for n in range(3)))
    init_dataset(folder, group=r"^P\d+", splits={"train": 0.5, "test": 0.5})
    dataset = Dataset.load(folder)
    assert dataset.shared_groups() == {} and len(dataset.split("train")) == len(dataset.split("test")) == 9
    assert dataset.group_of("P3_1") == "P3"


def test_split_file(make: Make, tmp_path: Path) -> None:
    folder = make("x/a.mp4", "x/b.mp4", "y/c.mp4")
    path = tmp_path / "splits.csv"
    path.write_text("video,split\nx/a.mp4,train\nb.mp4,test\nc,extra\n")
    init_dataset(folder, split_file=path)
    dataset = Dataset.load(folder)
    assert splits_of(dataset) == {"x__a": "train", "x__b": "test", "y__c": "extra"}
    assert dataset.info.splits == ("train", "val", "test", "extra")
    for text, message in (
        ("video,split\nx/a.mp4,train\n", r"splits.csv: expects a split for every video, got none for 2: x__b, y__c"),
        ("video,split\nd,train\n", r"splits.csv:2: 'video' expects a video that is there, got 'd'"),
        (
            "video,split\na,train\na,test\n",
            r"splits.csv:3: 'split' expects one split a video, got 'test' besides 'train'",
        ),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            init_dataset(folder, split_file=path, overwrite=True)


def test_given_splits_that_share_a_group(make: Make) -> None:
    folder = make("train/P1_a.mp4", "test/P1_b.mp4")
    with pytest.raises(DataError, match=r"Splits expect every group in one of them, got group 'P1' in test and train"):
        init_dataset(folder, group=r"__(P\d)")
    assert not (folder / "dataset.json").exists()


def test_bad_files_are_all_named(make: Make) -> None:
    folder = make("a.mp4", "b.mp4")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"(?s)^2 of 4 videos cannot be read:.*empty.mp4.*text.mp4.*--skip-bad"):
        init_dataset(folder)
    assert not (folder / "dataset.json").exists()
    report = init_dataset(folder, skip_bad=True)
    assert report.num_videos == 2 and len(report.skipped) == 2


def test_a_truncated_file_is_bad(make: Make, clip: bytes) -> None:
    folder = make("a.mp4")
    (folder / "b.mp4").write_bytes(clip[: len(clip) * 7 // 10])
    with pytest.raises(DataError, match=r"(?s)^1 of 2 videos cannot be read:.*b.mp4: got \d of 5 frames"):
        init_dataset(folder)
    assert init_dataset(folder, skip_bad=True).num_videos == 1


def test_an_existing_data_set_is_kept(make: Make) -> None:
    folder = make("a.mp4")
    init_dataset(folder)
    with pytest.raises(UserError, match=r"A data set expects '.*dataset\.json' to be new, .* or use --overwrite\."):
        init_dataset(folder)
    init_dataset(folder, overwrite=True)


def test_nothing_to_make_a_data_set_of(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"A folder of videos expects at least one in .*, got no file"):
        init_dataset(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"got .txt. Suffixes that count: .3gp .avi"):
        init_dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"expected in a folder, got .*missing, which does not exist"):
        init_dataset(tmp_path / "missing")


def test_misspelt_split(make: Make) -> None:
    with pytest.raises(UserError, match=r"Unknown split 'tran'. Did you mean 'train'\?"):
        init_dataset(make("a.mp4"), splits={"tran": 1.0})


def test_the_folder_importer_is_the_same(make: Make, tmp_path: Path) -> None:
    folder = make("x/a.mp4", "y/b.mp4")
    report = IMPORTERS["folder"](folder, tmp_path / "out")
    assert (report.num_videos, report.num_segments, report.num_queries) == (2, 0, 2)
    assert not {"next_action", "frame_labels"} & {
        name for name, task in TASKS.items() if task.fits(Dataset.load(tmp_path / "out"))
    }, "a class is about the whole clip"


def test_a_class_is_a_segment_where_that_is_asked_for(make: Make, tmp_path: Path) -> None:
    folder = make("x/a.mp4", "y/b.mp4")
    for name, options in (("asked", {"segments": True}), ("only", {"question": None})):
        report = init_dataset(folder, tmp_path / name, **options)  # type: ignore[arg-type]
        dataset = Dataset.load(tmp_path / name)
        (segment,) = dataset.segments_of("x__a")
        assert (segment.start, segment.end, segment.label) == (0.0, 0.5, "x")
        assert dataset.action_labels == ("x", "y") and report.num_queries == (2 if name == "asked" else 0)


@pytest.mark.parametrize("name", ["segments.csv", "queries.jsonl", "videos.jsonl"])
def test_a_table_of_the_users_own_is_kept(name: str, make: Make) -> None:
    folder = make("a.mp4")
    (folder / name).write_text("mine")
    with pytest.raises(UserError, match=rf"A data set expects '.*{name}' to be new, .* or use --overwrite"):
        init_dataset(folder)
    assert (folder / name).read_text() == "mine"
    init_dataset(folder, overwrite=True)
