"""What the files of exports hold: predictions with scores, rates, and what a tool needs beside."""

import dataclasses
import errno
import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from vidseq.cli import main
from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import FRAME_LABEL, DatasetInfo, Segment, Video
from vidseq.errors import DataError
from vidseq.exporters import EXPORTERS, export_dataset
from vidseq.importers import IMPORTERS

VIDEOS = [
    Video(video="a", split="train", duration=10.0, fps=Fraction(30000, 1001), path="films/film_a.mp4"),
    Video(video="b", split="val", duration=8.0, fps=Fraction(25)),
]
SEGMENTS = [
    Segment(video="a", start=1.0, end=2.5, label="cut"),
    Segment(video="a", start=2.5, end=4.0, label="stir"),
    Segment(video="b", start=0.0, end=8.0, label="cut"),
]
ROWS: list[dict[str, Any]] = [
    {"video": "film_a", "time": 0.5, "end": 2.25, "kind": FRAME_LABEL, "answer": "cut", "probability": 0.875},
    {"video": "film_a", "time": 2.25, "end": 10.0, "kind": FRAME_LABEL, "answer": "pour", "probability": 0.5},
    {"video": "film_a", "time": 4.0, "end": None, "kind": "question", "answer": "red", "probability": 0.25},
]


def dataset(folder: Path, videos: Iterable[Video] = VIDEOS) -> Dataset:
    return write_dataset(folder / "data", DatasetInfo(name="my kitchen"), videos, SEGMENTS)


def predictions(folder: Path, *changes: dict[str, Any]) -> Path:
    rows = [{**row, **change} for row, change in zip(ROWS, [*changes, *[{}] * len(ROWS)])]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


def export(folder: Path, layout: str) -> Path:
    report = export_dataset(dataset(folder), layout, folder / "out", predictions=predictions(folder))
    assert (report.num_videos, report.num_annotations) == (1, 2)
    return folder / "out"


@pytest.mark.parametrize("layout", [name for name in EXPORTERS if name != "activitynet"])
def test_predictions_are_annotations_that_import_reads(layout: str, tmp_path: Path) -> None:
    files = export(tmp_path, layout)
    options = {"predictions": True} if layout == "label_studio" else {}
    IMPORTERS[layout](files, tmp_path / "again", like=tmp_path / "data", **options)
    again = Dataset.load(tmp_path / "again")
    assert [(item.start, item.end, item.label) for item in again.segments_of("a")] == [
        (0.5, 2.25, "cut"),
        (2.25, 10.0, "pour"),
    ]
    assert again.segments_of("b") == [SEGMENTS[2]]


def test_label_studio_gets_scores_the_true_rate_and_a_configuration(tmp_path: Path) -> None:
    files = export(tmp_path, "label_studio")
    (task,) = json.loads((files / "tasks.json").read_text())
    assert "annotations" not in task and task["data"]["fps"] == pytest.approx(29.97002997)
    (prediction,) = task["predictions"]
    assert prediction["score"] == pytest.approx(0.6875)
    assert [item["score"] for item in prediction["result"]] == [0.875, 0.5]
    assert prediction["result"][0]["value"]["ranges"] == [{"start": 16, "end": 67}]  # 14.985 and 67.43 frames
    view = ElementTree.parse(files / "label_config.xml").getroot()
    video, labels = view.find("Video"), view.find("TimelineLabels")
    assert video is not None and video.attrib["frameRate"] == "$fps"
    assert labels is not None and [label.attrib["value"] for label in labels] == ["cut", "stir", "pour"]


def test_boris_via_and_cvat_keep_scores(tmp_path: Path) -> None:
    for layout in ("boris", "via", "cvat"):
        (tmp_path / layout).mkdir()
        export(tmp_path / layout, layout)
    project = json.loads((tmp_path / "boris/out/my_kitchen.boris").read_text())
    comments = [event[4] for event in project["observations"]["a"]["events"]]
    assert comments == ["probability 0.8750", "", "probability 0.5000", ""]
    via = json.loads((tmp_path / "via/out/my_kitchen.json").read_text())
    assert [entry["av"]["3"] for entry in via["metadata"].values()] == ["0.8750", "0.5000"]
    cvat = ElementTree.parse(tmp_path / "cvat/out/a.xml").getroot()
    scores = [item.text for item in cvat.iterfind("track/box/attribute[@name='score']")]
    assert scores == ["0.8750", "0.8750", "0.5000", "0.5000"]
    assert [(box.get("frame"), box.get("outside")) for box in cvat.iterfind("track/box")] == [
        ("15", "0"), ("67", "1"), ("67", "0"), ("300", "1")
    ]  # fmt: skip
    labels = json.loads((tmp_path / "cvat/out/labels.json").read_text())
    assert [label["name"] for label in labels] == ["cut", "stir", "pour"]


def test_activitynet_is_the_data_set_or_results(tmp_path: Path) -> None:
    report = export_dataset(dataset(tmp_path), "activitynet", tmp_path / "out")
    IMPORTERS["activitynet"](tmp_path / "out/my_kitchen.json", tmp_path / "again")
    again = Dataset.load(tmp_path / "again")
    assert again.segments == SEGMENTS and report.files == ("my_kitchen.json",)
    assert [(video.split, video.duration) for video in again.videos.values()] == [("train", 10.0), ("val", 8.0)]
    (tmp_path / "more").mkdir()
    results = json.loads((export(tmp_path / "more", "activitynet") / "my_kitchen.json").read_text())
    assert results["results"]["a"][1] == {"segment": [2.25, 10.0], "label": "pour", "score": 0.5}


@pytest.mark.parametrize("layout", ["cvat", "label_studio"])
def test_a_tool_that_counts_frames_needs_the_rate(layout: str, tmp_path: Path) -> None:
    videos = [VIDEOS[0], Video(video="b", split="val", duration=8.0)]
    with pytest.raises(DataError, match=rf"The {layout} layout counts frames .* got none for 'b'\. Add fps"):
        export_dataset(dataset(tmp_path, videos), layout, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_part_of_an_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = dataset(tmp_path)

    def fill(path: Path, text: str) -> None:
        if path.name == "b.vtt":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.write_text(text)

    with monkeypatch.context() as full, pytest.raises(OSError, match="No space left") as caught:
        full.setattr("vidseq.exporters.export.atomic_write", fill)
        export_dataset(made, "webvtt", tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert export_dataset(made, "webvtt", tmp_path / "out").files == ("a.vtt", "b.vtt")


def test_xml_has_no_control_characters(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", DatasetInfo(name="x"), VIDEOS)  # its files refuse such a label, too
    data = dataclasses.replace(data, segments=[Segment(video="a", start=0, end=1, label="a\x01b")])
    with pytest.raises(DataError, match=r"XML expects text without control characters, got '\\x01' in 'a\\x01b'"):
        export_dataset(data, "elan", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": "c"}, r"rows\.jsonl:1: 'video' expects the name of one video, got 'c' of 0"),
        ({"video": "film_c"}, r"got 'film_c' of 0\. Did you mean 'film_a'"),
        ({"end": 10.5}, r"rows\.jsonl:1: a segment expects to start before it ends .* got 0\.5 s to 10\.5 s"),
        ({"end": None}, r"rows\.jsonl:1: 'end' expects seconds"),
        ({"probability": 1.5}, r"rows\.jsonl:1: 'probability' expects a number from 0 to 1, got 1\.5"),
        ({"answer": ""}, r"rows\.jsonl:1: 'answer' expects a text"),
    ],
)
def test_bad_predictions(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        export_dataset(dataset(tmp_path), "elan", tmp_path / "out", predictions=predictions(tmp_path, change))


def test_predictions_of_other_kinds_alone(tmp_path: Path) -> None:
    other = {"kind": "question"}
    with pytest.raises(DataError, match=f"expects rows of kind '{FRAME_LABEL}', got none"):
        export_dataset(dataset(tmp_path), "elan", tmp_path / "out", predictions=predictions(tmp_path, other, other))
    with pytest.raises(FileNotFoundError, match="predictions expects a file of rows"):
        export_dataset(dataset(tmp_path), "elan", tmp_path / "out", predictions=tmp_path / "nothing.jsonl")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset(tmp_path)
    words = ["data", "export", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert main([*words, "--layout", "elam"]) == 2
    assert "Did you mean 'elan'?" in capsys.readouterr().err
    rows = str(predictions(tmp_path))
    assert main([*words, "--layout", "elan", "--splits", "train", "--predictions", rows]) == 0
    printed = capsys.readouterr().out
    assert "2 annotations of 1 videos in 1 files (a.eaf)" in printed
    assert "note: ELAN has no place for scores: they are left out." in printed
    assert main(["info"]) == 0
    assert "label_studio" in capsys.readouterr().out
