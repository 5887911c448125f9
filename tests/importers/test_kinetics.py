from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import write_kinetics

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.errors import DataError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.kinetics import convert

BadRow = Callable[..., ConversionReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    write_kinetics(folder)
    return folder


@pytest.fixture
def files(tmp_path: Path, clip: bytes) -> Path:
    """Three videos, a folder a class."""
    for place in ("air drumming/one.mp4", "testifying/two.mp4", "testifying/3 three.webm"):
        path = tmp_path / "files" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip)
    return tmp_path / "files"


def test_the_official_form(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out")
    assert report.notes == ("1 videos have no class.",)
    dataset = Dataset.load(tmp_path / "out")
    assert {video.video: (video.split, video.duration) for video in dataset.videos.values()} == {
        "---QUuC4vJs_000084_000094": ("train", 10.0),
        "-3B32lodo2M_000059_000069": ("train", 10.0),
        "--GkrdYZ9Tc_000000_000010": ("train", 10.0),
        "--nQbRBEz2s_000104_000114": ("val", 10.0),
        "_dbcJuKJQNs_000040_000050": ("test", 10.0),
    }
    assert dataset.answer_labels == ("air drumming", "testifying") and not dataset.segments
    (query,) = dataset.queries_of("-3B32lodo2M_000059_000069")
    assert (query.time, query.answer, query.family) == (10.0, "air drumming", "class")


def test_one_file_whose_column_tells_the_split(source: Path, tmp_path: Path) -> None:
    (source / "train.csv").rename(tmp_path / "kinetics.csv")
    assert convert(tmp_path / "kinetics.csv", tmp_path / "out").num_videos == 3
    (source / "validate.csv").write_text("label,youtube_id,time_start,time_end\nsit,abc,1,2\n")
    convert(source / "validate.csv", tmp_path / "out")
    assert Dataset.load(tmp_path / "out").videos["abc_000001_000002"].split == "val"


def test_official_files_that_are_missing(source: Path, tmp_path: Path, clip: bytes, bad_row: BadRow) -> None:
    (tmp_path / "files" / "x").mkdir(parents=True)
    for name in ("---QUuC4vJs_000084_000094", "--GkrdYZ9Tc", "-3B32lodo2M_000059_000069", "_dbcJuKJQNs"):
        (tmp_path / "files" / "x" / f"{name}.mp4").write_bytes(clip)
    message = r"^validate.csv:2: expects one video file '--nQbRBEz2s_000104_000114' in .*files, got none"
    report = bad_row(convert, source, message, videos=tmp_path / "files")
    assert report.num_videos == 4
    assert Dataset.load(tmp_path / "skipped").videos["--GkrdYZ9Tc_000000_000010"].duration == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "testifying/two.mp4 1\nair drumming/one.mp4 0\n3 three.webm 1\n",
        "testifying/two.mp4,1\nair drumming/one.mp4,0\n3 three.webm,1\n",
        "path,label\n/data/k400/testifying/two.mp4,testifying\none.mp4,air drumming\n3 three.webm,testifying\n",
        "path label\ntestifying\\two.mp4 testifying\none.mp4 0\n3 three.webm testifying\n",
        "two.mp4\t1\none.mp4\t0\n3 three.webm\t1\n",
        '"testifying/two.mp4",1\n"one.mp4", air drumming\n3 three.webm,1\n',
        "two.mp4 testifying\none.mp4 air drumming\n3 three.webm 1\n",
    ],
    ids=["spaces", "commas", "header and names", "Windows paths", "tabs", "quotes", "names with spaces"],
)
def test_lists_of_paths(text: str, files: Path, tmp_path: Path) -> None:
    (tmp_path / "kinetics400_train_list_videos.txt").write_text(text)
    (tmp_path / "classes.txt").write_text("air drumming\ntestifying\nzumba\n")
    report = convert(
        tmp_path / "kinetics400_train_list_videos.txt",
        tmp_path / "out",
        videos=files,
        classes=tmp_path / "classes.txt",
    )
    assert report.skipped == report.notes == ()
    dataset = Dataset.load(tmp_path / "out")
    assert dataset.answer_labels == ("air drumming", "testifying", "zumba")
    labels = {Path(str(dataset.videos[item.video].path)).stem: item.answer for item in dataset.queries}
    assert labels == {"one": "air drumming", "two": "testifying", "3 three": "testifying"}
    assert {item.time for item in dataset.queries} == {0.5}
    assert check_dataset(tmp_path / "out") == []


def test_commas_in_names_and_equal_names_in_folders(tmp_path: Path, clip: bytes) -> None:
    names = ("cam1/lecture, part 2.mp4", "cam2/lecture, part 2.mp4", "cam2/lecture, part 2.mkv")
    for name in names:
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(clip)
    (tmp_path / "val_list.txt").write_text(f"{names[0]} 0\n{names[1]} 10 1\n")
    convert(tmp_path / "val_list.txt", tmp_path / "out", videos=tmp_path / "files")
    dataset = Dataset.load(tmp_path / "out")
    paths = {query.answer: dataset.videos[query.video].path for query in dataset.queries}
    assert paths == {"0": f"../files/{names[0]}", "1": f"../files/{names[1]}"}


@pytest.mark.parametrize("line", ["lecture, part 2.mp4 300 1", "lecture, part 2 300 1", "lecture part 2,300,1"])
def test_a_single_line_with_a_comma_in_its_name(tmp_path: Path, line: str) -> None:
    (tmp_path / "val_list.txt").write_text(line)
    convert(tmp_path / "val_list.txt", tmp_path / "out", fps=30)
    ((name, video),) = Dataset.load(tmp_path / "out").videos.items()
    assert name == "lecture_part_2" and video.duration == 10.0


def test_lists_that_count_frames(tmp_path: Path) -> None:
    (tmp_path / "val_rawframes.txt").write_text("wave/clip_1 300 7\nwave/clip_2 150 3\n")
    report = convert(tmp_path / "val_rawframes.txt", tmp_path / "out", fps=30)
    assert report.notes == ("2 classes are numbers: 3, 7. Give classes to name them.",)
    videos = Dataset.load(tmp_path / "out").videos
    assert {name: video.duration for name, video in videos.items()} == {"wave__clip_1": 10.0, "wave__clip_2": 5.0}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("sit,abc,5,5,train", r"^validate.csv:3: a video expects to start before it ends, got 5 s to 5 s"),
        ("sit,abc,nan,5,train", r"^validate.csv:3: 'time_start' expects seconds.* got 'nan'"),
        ("sit,abc,1,5,trian", r"^validate.csv:3: 'split' expects one of train, .* got 'trian'"),
        ("sit,a/c,1,5,val", r"^validate.csv:3: 'youtube_id' expects a name that any system takes for a file"),
        ("sit,abc,1", r"^validate.csv:3: a row expects 5 values"),
        ("sit,--nQbRBEz2s,104,114,val", r"^validate.csv:3: expects every video once, got .* as in validate.csv:2"),
        ("sit,--nQbRBEz2s,104,114,train", r"^validate.csv:3: A video expects one split, got .* in val and train"),
    ],
)
def test_a_bad_row(source: Path, row: str, message: str, bad_row: BadRow) -> None:
    with (source / "validate.csv").open("a") as file:
        file.write(row + "\n")
    assert bad_row(convert, source, message).num_videos == 5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("one.mp4", r"^train_list.txt:2: expects a path and a class such as 'wave/clip.mp4 7', got 'one.mp4'"),
        ("one.mp4 9", r"^train_list.txt:2: expects a class from 0 to 1 or its name, got '9'"),
        ("four.mp4 0", r"^train_list.txt:2: expects one video file 'four.mp4' in .* got none"),
        ("two.mp4 0", r"^train_list.txt:2: expects every video once, got 'two' as in train_list.txt:1"),
    ],
)
def test_a_bad_line(files: Path, tmp_path: Path, row: str, message: str, bad_row: BadRow) -> None:
    (tmp_path / "train_list.txt").write_text(f"two.mp4 1\n{row}\n")
    (tmp_path / "classes.txt").write_text("air drumming\ntestifying\n")
    source = tmp_path / "train_list.txt"
    report = bad_row(convert, source, message, videos=files, classes=tmp_path / "classes.txt")
    assert (report.num_videos, report.num_queries) == (1, 1)


def test_bad_options(source: Path, tmp_path: Path) -> None:
    (tmp_path / "train_list.txt").write_text("two.mp4 1\n")
    with pytest.raises(DataError, match=r"The kinetics layout expects videos, or fps with lists that count frames"):
        convert(tmp_path / "train_list.txt", tmp_path / "out")
    (tmp_path / "list.txt").write_text("wave/clip 300 1\n")
    with pytest.raises(
        DataError, match=r"list.txt:1: expects a split in the file's name or in a column 'split', got none"
    ):
        convert(tmp_path / "list.txt", tmp_path / "out", fps=30)
    with pytest.raises(
        DataError, match=r"train_list.txt:1: 'two' expects a duration, or an action that ends; got neither"
    ):
        convert(tmp_path / "train_list.txt", tmp_path / "out", fps=30)
    (tmp_path / "classes.txt").write_text("sit\nsit\n")
    with pytest.raises(DataError, match=r"classes.txt: expects every class once"):
        convert(source, tmp_path / "out", classes=tmp_path / "classes.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"The kinetics layout expects lists such as train.csv or val_list.txt in"
    ):
        convert(tmp_path / "empty", tmp_path / "out")
