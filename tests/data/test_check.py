import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.check import check_dataset
from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.features.store import FeatureStore
from vidseq.importers.arrays import imported_fingerprint
from vidseq.video.writer import VideoWriter

INFO = DatasetInfo(name="kitchen", labels={"action": ("cut",)})


def write_video(path: Path, num_frames: int) -> None:
    rng = np.random.default_rng(0)
    with VideoWriter(path, fps=10) as writer:
        writer.write(rng.integers(0, 255, (num_frames, 32, 48, 3), dtype=np.uint8))


VIDEOS = [
    Video(video="a", split="train", duration=4.0, path="a.mp4"),
    Video(video="b", split="test", duration=0.5, path="b.mp4"),
    Video(video="c", split="test", duration=3.0),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_video(tmp_path / "a.mp4", 40)
    write_video(tmp_path / "b.mp4", 5)
    write_dataset(tmp_path, INFO, VIDEOS, [Segment(video="a", start=1, end=2, label="cut")])
    return tmp_path


def changed(folder: Path, number: int, **fields: object) -> list[str]:
    videos = list(VIDEOS)
    videos[number] = dataclasses.replace(videos[number], **fields)
    write_dataset(folder, INFO, videos)
    return check_dataset(folder)


def test_nothing_is_wrong(folder: Path) -> None:
    assert check_dataset(folder) == []


def test_every_bad_row_is_told(folder: Path) -> None:
    (folder / "segments.csv").write_text("video,start,end,label\na,2,1,cut\na,1,9,cut\na,1,2,cut\na,1,2,cutt\n")
    (folder / "queries.jsonl").write_text('{"video": "z", "time": 1, "kind": "next_action", "answer": "cut"}\n{]\n')
    problems = check_dataset(folder)
    assert [problem.split(": ")[0] for problem in problems] == [
        *("segments.csv:2", "segments.csv:3", "segments.csv:5", "queries.jsonl:1", "queries.jsonl:2")
    ]


def test_a_header_that_is_wrong(folder: Path) -> None:
    (folder / "queries.jsonl").write_text('{"video": "z"}\n')
    (folder / "segments.csv").write_text("video,start,end\n")
    assert len(check_dataset(folder)) == 1
    (folder / "dataset.json").write_text("{")
    (problem,) = check_dataset(folder)
    assert problem.startswith("dataset.json: expects one JSON object")


def test_group_in_two_splits(folder: Path) -> None:
    write_dataset(folder, INFO, [dataclasses.replace(video, group="anna") for video in VIDEOS])
    (problem,) = check_dataset(folder)
    assert problem.startswith("videos.jsonl:1: group 'anna' is in test, train; a group belongs to one split.")


def test_repeated_rows(folder: Path) -> None:
    query = Query(video="a", time=1, kind="question", question="Who?", answer="Anna")
    write_dataset(folder, INFO, VIDEOS, [], [query, query])
    (problem,) = check_dataset(folder)
    assert problem.startswith("queries.jsonl:2: queries.jsonl expects every row once, got the row of queries.jsonl:1")


def test_files(folder: Path) -> None:
    (problem,) = changed(folder, 0, path="missing.mp4")
    assert problem.startswith("videos.jsonl:1: 'path' expects a video file, got missing.mp4, which does not exist")
    (problem,) = changed(folder, 0, duration=5.0)
    assert problem.startswith("videos.jsonl:1: 'duration' expects the length of a.mp4, 4.000 s, got 5.0")
    (problem,) = changed(folder, 0, fps=25)
    assert problem.startswith("videos.jsonl:1: 'fps' expects the rate of a.mp4, 10.000, got 25")
    problems = changed(folder, 1, path="a.mp4", duration=4.0)
    assert problems == ["videos.jsonl:2: the file a.mp4 is also that of 'a'. Remove one of the rows."]


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_files_that_are_no_videos(folder: Path, content: bytes) -> None:
    (folder / "b.mp4").write_bytes(content)
    (problem,) = check_dataset(folder)
    assert problem.startswith("videos.jsonl:2: ") and "b.mp4" in problem
    assert check_dataset(folder, videos=False) == []


@pytest.mark.parametrize("place", [0.05, 0.5, 0.9])
def test_damage_is_seen_at_the_start_the_middle_and_the_end(folder: Path, place: float) -> None:
    data = bytearray((folder / "a.mp4").read_bytes())
    start = data.index(b"mdat") + 8
    hole = start + int((len(data) - start) * place)
    length = (len(data) - hole) // 10
    data[hole : hole + length] = bytes(length)
    (folder / "a.mp4").write_bytes(data)
    assert any(problem.startswith("videos.jsonl:1: ") for problem in check_dataset(folder))


def test_features(folder: Path) -> None:
    store = FeatureStore.create_in(folder, imported_fingerprint("made_up", "external", 2))
    for video, num_frames in (("a", 8), ("b", 1), ("z", 3)):
        store.write(video, np.ones((num_frames, 4)), np.arange(num_frames) / 2)
    problems = check_dataset(folder)
    assert [problem.split(": ", 1)[1] for problem in problems] == [
        "expects features of all 3 videos, got none of 1: c. Run `vidseq features`.",
        "holds features of videos that videos.jsonl does not name: z.",
    ]
    assert check_dataset(folder, features=False) == []


@pytest.mark.parametrize("tokens", [0, 3])
def test_features_that_are_wrong_inside(folder: Path, tokens: int) -> None:
    sample = (tokens, 4) if tokens else (4,)
    store = FeatureStore.create_in(folder, imported_fingerprint("made_up", "external", 2, tokens))
    for video, num_frames in (("a", 9), ("b", 1), ("c", 10)):
        store.write(video, np.ones((num_frames, *sample)), np.arange(num_frames) / 2)
    assert "c.npy: expects times up to the video's duration, 3.0 s, got 4.500" in check_dataset(folder)[0]
    spoilt = np.ones((10, *sample), dtype=np.float16)
    spoilt[3] = np.nan
    np.save(store.folder / "c.npy", spoilt)
    assert "c.npy: expects finite numbers, got NaN or infinity in 1 of 10 frames" in check_dataset(folder)[0]
    np.save(store.folder / "a.npy", np.ones((9, 5), dtype=np.float16))
    assert "a.npy: " in check_dataset(folder)[0]
    (store.folder / "fingerprint.json").write_text("{")
    (problem,) = check_dataset(folder)
    assert problem.startswith(f"features/{store.folder.name}: ")
