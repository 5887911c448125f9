import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import write_activitynet

from vidseq.data.check import check_dataset
from vidseq.data.dataset import Dataset
from vidseq.errors import DataError, UserError
from vidseq.importers.activitynet import convert
from vidseq.importers.conversion import ConversionReport

BadRow = Callable[..., ConversionReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_activitynet(tmp_path)
    return tmp_path / "activity_net.v1-3.min.json"


def change(source: Path, video: str, **values: Any) -> None:
    """Writes the file anew, a line a value, with another row for a video."""
    document = json.loads(source.read_text())
    document["database"].setdefault(video, {}).update(values)
    source.write_text(json.dumps(document, indent=1))


def test_everything_arrives(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out")
    assert report.notes == ("1 actions end after their video, by up to 0.004 s: they were cut to it.",)
    dataset = Dataset.load(tmp_path / "out")
    assert {video.video: (video.split, video.duration) for video in dataset.videos.values()} == {
        "-7dPJkx4zko": ("train", 82.75),
        "sJn5tJ7Q7Zg": ("val", 10.5),
        "a_test-0001": ("test", 12.0),
    }
    assert [(item.start, item.end, item.label) for item in dataset.segments_of("-7dPJkx4zko")] == [
        (6.195, 77.731, "Paintball"),
        (77.9, 82.75, "Walking the dog"),
    ]
    assert dataset.action_labels == ("Paintball", "Walking the dog")
    assert [query.answer for query in dataset.next_action_queries(1.0)] == ["Paintball", "Walking the dog"]


def test_thumos_spells_and_splits_otherwise(source: Path, tmp_path: Path) -> None:
    """As in thumos14.json of ActionFormer: capitals, fps, more fields, and training on the validation subset."""
    action = {"label": "CricketShot", "segment": [0.2, 1.1], "segment(frames)": [6.0, 33.0], "label_id": 5}
    database = {
        "video_validation_0000266": {"subset": "Validation", "duration": 48.37, "fps": 30.0, "annotations": [action]},
        "video_test_0000004": {"subset": "Test", "duration": 33.7, "fps": 29.97, "annotations": [action]},
    }
    source.write_text(json.dumps({"version": "Thumos14-30fps", "database": database}))
    report = convert(source, tmp_path / "out", subsets={"validation": "train"}, name="thumos14")
    dataset = Dataset.load(tmp_path / "out")
    assert report.skipped == () and [video.split for video in dataset.videos.values()] == ["train", "test"]
    assert float(dataset.videos["video_test_0000004"].fps or 0) == 29.97 and dataset.info.name == "thumos14"


def test_overlapping_and_repeated_actions(source: Path, tmp_path: Path) -> None:
    actions = [{"segment": times, "label": "Paintball"} for times in ([1, 5], [2, 4], [1, 5], [1.0001, 5])]
    change(source, "sJn5tJ7Q7Zg", annotations=actions)
    report = convert(source, tmp_path / "out")
    assert (
        "2 actions are exact copies of others and are left out: 'Paintball' at 1.0 s of sJn5tJ7Q7Zg, "
        in report.notes[1]
    )
    segments = Dataset.load(tmp_path / "out").segments_of("sJn5tJ7Q7Zg")
    assert [(item.start, item.end) for item in segments] == [(1.0, 5.0), (2.0, 4.0)]
    assert check_dataset(tmp_path / "out") == []


def test_a_duration_that_nobody_tells(source: Path, tmp_path: Path, bad_row: BadRow) -> None:
    change(source, "sJn5tJ7Q7Zg", duration=None)
    report = convert(source, tmp_path / "out")
    assert "1 videos have no duration: each ends with its last action." in report.notes
    assert Dataset.load(tmp_path / "out").videos["sJn5tJ7Q7Zg"].duration == 5.0
    change(source, "sJn5tJ7Q7Zg", annotations=[])
    message = r"json:\d+: 'sJn5tJ7Q7Zg' expects a duration, or an action that ends; got neither"
    assert bad_row(convert, source, message).num_videos == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"subset": "trainin"}, r"min.json:\d\d: 'subset' expects one of train, training, .* got 'trainin'"),
        ({"subset": None}, r"'subset' expects a text, got None"),
        (
            {"duration": float("nan")},
            r"'duration' expects seconds such as 63.5, a finite number that is not negative, got nan",
        ),
        ({"annotations": "none"}, r"'annotations' expects a list such as .* got 'none'"),
        ({"fps": "fast"}, r"fps expects a rate above 0"),
    ],
)
def test_a_bad_video(source: Path, values: dict[str, Any], message: str, bad_row: BadRow) -> None:
    change(source, "sJn5tJ7Q7Zg", **values)
    report = bad_row(convert, source, message)
    assert report.num_segments == 2


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (
            {"segment": [5, 2], "label": "x"},
            r"json:\d\d: annotation 1 of 'sJn5tJ7Q7Zg': an action expects to start before",
        ),
        (
            {"segment": [float("nan"), 2], "label": "x"},
            r"'start' expects seconds such as 63.5, a finite number .* got nan",
        ),
        (
            {"segment": [-1, 2], "label": "x"},
            r"'start' expects seconds such as 63.5, a finite number that is not negative, got -1",
        ),
        ({"segment": ["1", "2"], "label": "x"}, r"'start' expects seconds"),
        ({"segment": [1, 2, 3], "label": "x"}, r"'segment' expects \[start, end\] in seconds, got \[1, 2, 3\]"),
        ({"segment": [1, 2]}, r"'label' expects a text, got nothing"),
        ("jump", r"'segment' expects \[start, end\] in seconds, got nothing"),
    ],
)
def test_a_bad_action(source: Path, action: Any, message: str, bad_row: BadRow) -> None:
    change(source, "sJn5tJ7Q7Zg", annotations=[{"segment": [0, 1], "label": "Paintball"}, action])
    report = bad_row(convert, source, message)
    assert (report.num_videos, report.num_segments) == (3, 3)


def test_a_video_twice(source: Path, bad_row: BadRow) -> None:
    text = source.read_text()
    source.write_text(text.replace('"a_test-0001"', '"sJn5tJ7Q7Zg"').replace("testing", "validation"))
    assert bad_row(convert, source, r"min.json:1: expects every video once, got 'sJn5tJ7Q7Zg' as in").num_videos == 2


def test_videos_that_are_missing(source: Path, tmp_path: Path, clip: bytes, bad_row: BadRow) -> None:
    files = tmp_path / "files" / "deep"
    files.mkdir(parents=True)
    (files / "v_-7dPJkx4zko.mp4").write_bytes(clip)
    (files / "sJn5tJ7Q7Zg.mkv").write_bytes(clip)
    change(source, "-7dPJkx4zko", annotations=[{"segment": [0.1, 0.9], "label": "Paintball"}])
    change(source, "sJn5tJ7Q7Zg", annotations=[{"segment": [0.2, 0.4], "label": "Paintball"}])
    message = r"json:\d+: expects one video file 'v_a_test-0001' in .*files, got none"
    report = bad_row(convert, source, message, videos=tmp_path / "files")
    assert report.notes == ("1 actions end after their video, by up to 0.400 s: they were cut to it.",)
    dataset = Dataset.load(tmp_path / "skipped")
    assert {video.video: (video.duration, video.fps) for video in dataset.videos.values()} == {
        "-7dPJkx4zko": (0.5, 10),
        "sJn5tJ7Q7Zg": (0.5, 10),
    }
    assert (dataset.folder / str(dataset.videos["sJn5tJ7Q7Zg"].path)).resolve() == (
        files / "sJn5tJ7Q7Zg.mkv"
    ).resolve()


def test_actions_of_a_missing_video_are_counted(source: Path, tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "files").mkdir()
    for name in ("v_sJn5tJ7Q7Zg", "v_a_test-0001"):
        (tmp_path / "files" / f"{name}.mp4").write_bytes(clip)
    report = convert(source, tmp_path / "out", videos=tmp_path / "files", skip_bad=True)
    assert (
        len(report.skipped) == 1
        and "2 actions belong to videos that were skipped, and are skipped too." in report.notes
    )
    assert report.num_segments == 1


def test_two_files_of_one_name_and_one_that_is_broken(source: Path, tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "files" / "more").mkdir(parents=True)
    for place in ("v_sJn5tJ7Q7Zg.mp4", "more/v_sJn5tJ7Q7Zg.mkv", "v_-7dPJkx4zko.mp4"):
        (tmp_path / "files" / place).write_bytes(clip)
    (tmp_path / "files" / "v_a_test-0001.mp4").write_bytes(b"no video")
    report = convert(source, tmp_path / "out", videos=tmp_path / "files", skip_bad=True)
    assert "expects one video file 'v_sJn5tJ7Q7Zg' in " in report.skipped[0] and "got 2: " in report.skipped[0]
    assert "v_a_test-0001.mp4" in report.skipped[1] and report.num_videos == 1


def test_bad_options(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Unknown split 'trian'. Did you mean 'train'\?"):
        convert(source, tmp_path / "out", subsets={"validation": "trian"})
    with pytest.raises(DataError, match=r"A folder of videos expects at least one in .*nowhere, got no file"):
        convert(source, tmp_path / "out", videos=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"The activitynet layout expects a JSON file, got .*, which is none"):
        convert(tmp_path, tmp_path / "out")
    source.write_text('{"databas": {}}')
    with pytest.raises(DataError, match=r"min.json: expects a member 'database', got databas"):
        convert(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("segment", "why"),
    [([0, 0], "'x' at 0.0 s has no length"), ([10.5, 12], "'x' begins at 10.5 s, the video ends at 10.5 s")],
)
def test_actions_that_cover_no_frame_are_noted(source: Path, tmp_path: Path, segment: list[float], why: str) -> None:
    """ActivityNet has actions of no length, THUMOS actions after the end of their video."""
    change(source, "sJn5tJ7Q7Zg", annotations=[{"segment": [0, 1], "label": "p"}, {"segment": segment, "label": "x"}])
    report = convert(source, tmp_path / "out")
    assert report.num_segments == 3 and not report.skipped
    (note,) = [note for note in report.notes if "cover no frame" in note]
    assert note.startswith("1 actions cover no frame and are left out: ") and why in note
