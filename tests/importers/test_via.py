import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import VIA_PROJECT

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.via import convert

BadRow = Callable[..., ConversionReport]


def project(folder: Path, change: Callable[[dict[str, Any]], object] = lambda values: None) -> Path:
    values = copy.deepcopy(VIA_PROJECT)
    change(values)
    path = folder / "yard.json"
    path.write_text(json.dumps(values))
    return path


def rows(folder: Path, video: str = "yard_1") -> list[tuple[float, float, str, str]]:
    return [(item.start, item.end, item.label, item.track) for item in Dataset.load(folder).segments_of(video)]


def test_everything_arrives(tmp_path: Path) -> None:
    report = convert(project(tmp_path), tmp_path / "out")
    assert rows(tmp_path / "out") == [(0.5, 2.336, "walk", "Ann"), (2.5, 3, "by hand", "")]
    assert rows(tmp_path / "out", "yard_2") == [(0, 8.125, "run, fast", "")]
    assert report.notes == (
        "yard.json: the label is 'TEMPORAL-SEGMENTS'; left out: mood.",
        "1 entries mark places, single moments or whole files, and are left out.",
        "1 intervals have no label and are left out.",
        "2 videos have no duration: each ends with its last action.",
    )


def test_another_attribute_with_several_options(tmp_path: Path) -> None:
    source = project(tmp_path, lambda values: values["metadata"]["2_hD4uDf5z"]["av"].update({"4": "b"}))
    convert(source, tmp_path / "out", attribute="mood")
    assert rows(tmp_path / "out") == [(0.5, 2.336, "calm", "Ann"), (0.5, 2.336, "loud", "Ann")]


def test_an_unknown_attribute(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"got 'moot'\. Did you mean 'mood'\? Attributes there: TEMPORAL-SEGMENTS, mood"
    ):
        convert(project(tmp_path), tmp_path / "out", attribute="moot")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["metadata"]["1_42mcFXBb"].update(z=[3, 2]), r"metadata '1_42mcFXBb': an action expects to start"),
        (lambda v: v["metadata"]["1_42mcFXBb"].update(z=["a", 2]), "'start' expects seconds"),
        (lambda v: v["metadata"]["1_42mcFXBb"].update(z=[None, 2]), "'start' expects seconds"),
    ],
)
def test_one_bad_entry(
    tmp_path: Path, bad_row: BadRow, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    assert bad_row(convert, project(tmp_path, change), message).num_segments == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda v: v["project"].update(data_format_version="4.0.0"),
            "VIA projects of a version up to 3, got version '4.0.0'",
        ),
        (lambda v: v.pop("project"), r"'project' expects an object, as in a project of VIA 3 \(not 2\)"),
        (lambda v: v.update(metadata=[]), "'metadata' expects an object of objects"),
        (lambda v: v["metadata"]["2_hD4uDf5z"].update(vid="9"), "expects a view of the project, got vid '9'"),
        (lambda v: v["view"]["1"].update(fid_list=["1", "2"]), "'fid_list' expects one file of the project"),
        (lambda v: v["view"]["1"].update(fid_list=["7"]), "'fid_list' expects one file of the project"),
        (lambda v: v["file"]["1"].pop("fname"), "'fname' expects a text, got nothing"),
        (lambda v: v.update(attribute={}), "expects an attribute of intervals"),
    ],
)
def test_a_project_that_is_none(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert(project(tmp_path, change), tmp_path / "out")
