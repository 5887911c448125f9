"""Files of one name in two folders are two videos, whatever tool names them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.errors import DataError
from vidseq.importers import IMPORTERS
from vidseq.importers.tool_videos import folder_names
from vidseq.video.writer import VideoWriter

LABELS = ("wave", "jump")


def label_studio(addresses: list[str]) -> object:
    interval = {"ranges": [{"start": 1, "end": 10}]}
    return [
        {
            "data": {"video": address, "fps": 10},
            "annotations": [{"result": [{"type": "timelinelabels", "value": interval | {"timelinelabels": [label]}}]}],
        }
        for address, label in zip(addresses, LABELS)
    ]


def via(addresses: list[str]) -> object:
    numbered = {str(number): address for number, address in enumerate(addresses, 1)}
    return {
        "project": {"data_format_version": "3.1.1"},
        "attribute": {"1": {"aname": "action", "anchor_id": "FILE1_Z2_XY0", "type": 1}},
        "file": {number: {"fname": Path(address).name, "src": address} for number, address in numbered.items()},
        "view": {number: {"fid_list": [number]} for number in numbered},
        "metadata": {
            number: {"vid": number, "z": [0.0, 1.0], "av": {"1": label}} for number, label in zip(numbered, LABELS)
        },
    }


Project = Callable[[list[str]], object]
both = pytest.mark.parametrize(("layout", "project"), [("label_studio", label_studio), ("via", via)])


def labels_of(folder: Path) -> dict[str, list[str]]:
    dataset = Dataset.load(folder)
    return {name: [segment.label for segment in dataset.segments_of(name)] for name in dataset.videos}


def test_names_with_folders() -> None:
    for address in ("/x/cam1/a b.mp4", "s3://x/cam1/a%20b.mp4?key=1", "file:///x/cam1/a%20b.mp4", "x\\cam1\\a b.mp4"):
        assert next(folder_names(address)) == "cam1__a b"
    assert list(folder_names("clip.mp4")) == []


@both
def test_files_of_two_folders_are_two_videos(layout: str, project: Project, tmp_path: Path) -> None:
    source = tmp_path / "project.json"
    source.write_text(json.dumps(project(["/films/cam1/clip.mp4", "/films/cam2/clip.mp4"])))
    report = IMPORTERS[layout](source, tmp_path / "out")
    assert labels_of(tmp_path / "out") == {"clip": ["wave"], "cam2__clip": ["jump"]}
    assert "or but for signs: their own names are cam2__clip." in report.summary()


@both
def test_each_finds_its_own_file(layout: str, project: Project, tmp_path: Path) -> None:
    for seconds, camera in ((1, "cam1"), (2, "cam2")):
        with VideoWriter(tmp_path / "films" / camera / "clip.mp4", fps=2) as writer:
            writer.write(_black(2 * seconds))
    source = tmp_path / "project.json"
    source.write_text(json.dumps(project(["/films/cam2/clip.mp4", "/films/cam1/clip.mp4"])))
    IMPORTERS[layout](source, tmp_path / "out", videos=tmp_path / "films")
    durations = {name: video.duration for name, video in Dataset.load(tmp_path / "out").videos.items()}
    assert durations == {"clip": 2.0, "cam1__clip": 1.0}
    videos = [Video(video=f"{camera}__clip", split="train", duration=3) for camera in ("cam1", "cam2")]
    old = Segment(video="cam1__clip", start=0, end=1, label="sit")
    like = write_dataset(tmp_path / "like", DatasetInfo(name="d"), videos, [old])
    IMPORTERS[layout](source, tmp_path / "new", like=like.folder)
    assert labels_of(tmp_path / "new") == {"cam1__clip": ["jump"], "cam2__clip": ["wave"]}


def test_names_that_differ_by_a_sign_alone_are_two_videos(tmp_path: Path) -> None:
    folder = tmp_path / "cues"
    folder.mkdir()
    for name, label in (("cam 1", "wave"), ("cam_1", "jump"), ("cam_1-2", "sit")):
        (folder / f"{name}.vtt").write_text(f"WEBVTT\n\n00:00.000 --> 00:01.000\n{label}\n")
    report = IMPORTERS["webvtt"](folder, tmp_path / "out")
    assert labels_of(tmp_path / "out") == {"cam_1": ["wave"], "cam_1-2": ["sit"], "cam_1-3": ["jump"]}
    assert "their own names are cam_1-3." in report.summary()
    videos = [
        Video(video=name, split="train", duration=3, path=f"films/{stem}.mp4")
        for name, stem in (("cam_1", "cam_1"), ("cam_1-2", "cam 1"), ("cam_1-3", "cam_1-2"))
    ]
    like = write_dataset(tmp_path / "like", DatasetInfo(name="d"), videos)
    IMPORTERS["webvtt"](folder / "cam 1.vtt", tmp_path / "new", like=like.folder)
    assert labels_of(tmp_path / "new") == {"cam_1": [], "cam_1-2": ["wave"], "cam_1-3": []}


def test_subtitles_may_have_the_suffix_of_their_video_in_their_name(tmp_path: Path) -> None:
    for suffix, seconds in (("mp4", 1), ("mkv", 2)):
        with VideoWriter(tmp_path / "films" / f"clip.{suffix}", fps=2) as writer:
            writer.write(_black(2 * seconds))
    source = tmp_path / "clip.mkv.vtt"
    source.write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nwave\n")
    IMPORTERS["webvtt"](source, tmp_path / "out", videos=tmp_path / "films")
    (video,) = Dataset.load(tmp_path / "out").videos.values()
    assert video.path is not None and video.path.endswith("clip.mkv") and video.duration == 2
    like = write_dataset(tmp_path / "like", DatasetInfo(name="d"), [Video(video="clip", split="train", duration=3)])
    IMPORTERS["webvtt"](source, tmp_path / "new", like=like.folder)
    assert labels_of(tmp_path / "new") == {"clip": ["wave"]}


def test_files_of_one_name_without_folders_are_refused(tmp_path: Path) -> None:
    project = via(["clip.mp4", "clip.mp4"])
    assert isinstance(project, dict)
    for file in project["file"].values():
        file["src"] = ""
    (tmp_path / "project.json").write_text(json.dumps(project))
    with pytest.raises(
        DataError, match=r"file '2': expects files of different names, got 'clip\.mp4' as in .*file '1'"
    ):
        IMPORTERS["via"](tmp_path / "project.json", tmp_path / "out")


def _black(count: int) -> np.ndarray:
    return np.zeros((count, 16, 16, 3), np.uint8)
