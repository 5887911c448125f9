import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import LABEL_STUDIO_TASKS

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.fields import parse_fps
from vidseq.data.schema import DatasetInfo, Video
from vidseq.errors import DataError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.label_studio import convert

BadRow = Callable[..., ConversionReport]
VIDEO = "3a4b5c6d-yard_cam"


def tasks(folder: Path, change: Callable[[dict[str, Any]], object] = lambda task: None) -> Path:
    values = copy.deepcopy(LABEL_STUDIO_TASKS)
    change(values[0])
    path = folder / "export.json"
    path.write_text(json.dumps(values))
    return path


def results(task: dict[str, Any]) -> list[Any]:
    found: list[Any] = task["annotations"][1]["result"]
    return found


def rows(folder: Path) -> list[tuple[float, float, str]]:
    return [(item.start, item.end, item.label) for item in Dataset.load(folder).segments]


def test_everything_arrives(tmp_path: Path) -> None:
    report = convert(tasks(tmp_path), tmp_path / "out")
    assert rows(tmp_path / "out") == [(0, 1, "Movement"), (1.5, 2.5, "Still"), (3.25, 4.5, "Speech")]
    assert list(Dataset.load(tmp_path / "out").videos) == [VIDEO]
    assert report.notes[0].startswith("2 intervals have no frame rate: 24 frames a second were counted")
    assert "1 results are no labelled intervals and are left out." in report.notes


def test_a_box_that_the_tool_lists_as_an_interval_too_is_left_out(tmp_path: Path) -> None:
    box = {"type": "timelinelabels", "value": {"sequence": [{"frame": 1}], "timelinelabels": ["Still"]}}
    report = convert(tasks(tmp_path, lambda task: results(task).append(box)), tmp_path / "out")
    assert rows(tmp_path / "out") == [(0, 1, "Movement"), (1.5, 2.5, "Still"), (3.25, 4.5, "Speech")]
    assert "2 results are no labelled intervals and are left out." in report.notes


@pytest.mark.parametrize(
    ("change", "options"),
    [(lambda task: None, {"fps": 12}), (lambda task: task["data"].update(fps="12.0"), {})],
)
def test_the_tool_counts_with_the_rate_of_its_configuration(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], options: dict[str, Any]
) -> None:
    convert(tasks(tmp_path, change), tmp_path / "out", **options)
    assert rows(tmp_path / "out")[:2] == [(0, 2, "Movement"), (3, 5, "Still")]


def test_a_rate_that_is_not_the_file_s_is_reported(tmp_path: Path) -> None:
    video = Video(video="yard cam", split="val", duration=12.0, fps=parse_fps(25))
    write_dataset(tmp_path / "data", DatasetInfo(name="yard"), [video])
    report = convert(tasks(tmp_path), tmp_path / "out", like=tmp_path / "data")
    expected = "'yard cam' has 25 a second, the tool counted 24: times follow the tool."
    assert any(expected in note for note in report.notes)
    assert rows(tmp_path / "out")[0] == (0, 1, "Movement")


def test_predictions(tmp_path: Path) -> None:
    convert(tasks(tmp_path), tmp_path / "out", predictions=True)
    assert rows(tmp_path / "out") == [(0, 2, "Still")]


def test_of_several_annotations_the_ground_truth_counts(tmp_path: Path) -> None:
    def change(task: dict[str, Any]) -> None:
        other = {"type": "labels", "value": {"start": 5, "end": 6, "labels": ["Other"]}}
        task["annotations"].append({"result": [other], "ground_truth": False})
        task["annotations"][1]["ground_truth"] = True

    report = convert(tasks(tmp_path, change), tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 3
    assert "1 tasks have several annotations: the ground truth counts, or the newest." in report.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: results(t)[0]["value"].update(ranges=3), r"export.json:1, result 1: 'ranges' expects a list"),
        (
            lambda t: results(t)[0]["value"].update(ranges=[{"start": 0, "end": 4}]),
            r"expects frames from 1.*got 0 to 4",
        ),
        (lambda t: results(t)[0]["value"].update(ranges=[{"start": 9, "end": 4}]), r"start before end, got 9 to 4"),
        (lambda t: results(t)[0]["value"].update(ranges=[{"start": "a"}]), r"'start' expects a frame, counted from 1"),
        (lambda t: results(t)[0]["value"].update(timelinelabels=[]), "an interval expects a label, got none"),
        (lambda t: results(t)[0]["value"].pop("timelinelabels"), "an interval expects a label, got none"),
    ],
)
def test_one_bad_result(
    tmp_path: Path, bad_row: BadRow, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    assert bad_row(convert, tasks(tmp_path, change), message).num_segments == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("data"), r"'data' expects an object, as in the export named JSON \(not JSON_MIN\)"),
        (lambda t: t["data"].pop("video"), "'video' expects a text, got nothing"),
        (lambda t: t["data"].update(fps=0), "fps expects a rate above 0"),
        (lambda t: t.update(annotations={}), None),
        (lambda t: t.update(annotations=[3]), "'annotations' expects a list of objects"),
        (lambda t: t["annotations"][1].update(result=3), "expects a list of results, got 3"),
    ],
)
def test_a_task_that_is_none(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str | None) -> None:
    with pytest.raises(DataError, match=message or "expects a duration, or an action that ends; got neither"):
        convert(tasks(tmp_path, change), tmp_path / "out")


@pytest.mark.parametrize("text", ['{"tasks": []}', '[{"data": ', "", "[1]"])
def test_damaged_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "export.json").write_text(text)
    with pytest.raises(DataError, match=r"export\.json:1: expects"):
        convert(tmp_path / "export.json", tmp_path / "out")
