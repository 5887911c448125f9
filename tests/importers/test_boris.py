import copy
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from layouts import BORIS_PROJECT

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError
from vidseq.importers.boris import convert
from vidseq.importers.conversion import ConversionReport

BadRow = Callable[..., ConversionReport]
#: The first lines of BORIS's exports of events.
TABULAR = (
    "Observation id,Observation date,Description,Observation duration,Observation type,Source,Time offset (s),"
    "Coding duration,Media duration (s),FPS (frame/s),Subject,Observation duration by subject by observation,Behavior,"
    "Behavioral category,Modifier #1,Behavior type,Time,Media file name,Image index,Image file path,Comment\n"
)
AGGREGATED = (
    "Observation id,Observation date,Description,Observation type,Source,Time offset (s),Coding duration,"
    "Media duration (s),FPS (frame/s),Subject,Behavior,Behavioral category,Modifiers,Behavior type,Start (s),Stop (s),"
    "Duration (s),Media file name,Image index start,Image index stop,Comment start,Comment stop\n"
)


def tabular(subject: str, behavior: str, status: str, time: str, observation: str = "day 1") -> str:
    return (
        f"{observation},2024-03-05,,12.0,Media file,player #1:DSC_01.MP4,0.0,12.0,12.012,29.97,{subject},8.0,"
        f"{behavior},social,,{status},{time},DSC_01.MP4,31,,\n"
    )


def aggregated(subject: str, behavior: str, kind: str, start: str, stop: str) -> str:
    return (
        f"day 1,2024-03-05,,Media file,player #1:DSC_01.MP4,0.0,12.0,12.012,29.97,{subject},{behavior},social,,"
        f"{kind},{start},{stop},1.0,DSC_01.MP4,31,87,,\n"
    )


def project(folder: Path, change: Callable[[dict[str, Any]], object] = lambda values: None) -> Path:
    values = copy.deepcopy(BORIS_PROJECT)
    change(values)
    path = folder / "project.boris"
    path.write_text(json.dumps(values))
    return path


def rows(folder: Path, video: str = "day_1") -> list[tuple[float, float, str, str]]:
    return [(item.start, item.end, item.label, item.track) for item in Dataset.load(folder).segments_of(video)]


def test_a_project_arrives(tmp_path: Path) -> None:
    report = convert(project(tmp_path), tmp_path / "out")
    assert rows(tmp_path / "out") == [
        (1.25, 3.5, "groom", "Ann"),
        (2.0, 9.0, "rest, eyes shut", "Bo"),
        (3.5, 6.125, "groom", "Ann"),  # another modifier: another state
    ]
    assert rows(tmp_path / "out", "day_2") == [(0.5, 1.5, "groom", "")]
    assert "4 events have modifiers, which are left out." in report.notes
    video = Dataset.load(tmp_path / "out").videos["day_1"]
    assert (video.duration, video.fps) == (12.012, Fraction(30000, 1001))


def events(values: dict[str, Any]) -> list[list[Any]]:
    found: list[list[Any]] = values["observations"]["day 1"]["events"]
    return found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: events(v).append([10.0, "Bo", "groom", "", ""]), r"event 7: 'groom' expects a stop after 10\.0 s"),
        (lambda v: events(v).append([10.0, "Bo", "call", "", ""]), r"event 7: a point event .* Give point_seconds"),
        (lambda v: events(v).append([10.0, "Bo", "grom", "", ""]), r"a behaviour .*'grom'\. Did you mean 'groom'"),
        (lambda v: events(v).append([10.0, "Anne", "call", "", ""]), r"a subject .*'Anne'\. Did you mean 'Ann'"),
        (lambda v: events(v).append([None, "Bo", "call", "", ""]), r"'time' expects seconds"),
        (lambda v: events(v).append(["Bo"]), r"expects \[time, subject, behaviour, modifiers"),
        (lambda v: v["observations"].update(x={"type": "IMAGES", "events": []}), "got one of images"),
        (lambda v: v["observations"].update(x={"events": 3}), "'events' expects a list of events, got 3"),
    ],
)
def test_one_bad_row_of_a_project(
    tmp_path: Path, bad_row: BadRow, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    assert bad_row(convert, project(tmp_path, change), message).num_segments == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(project_format_version="8.1"), r"BORIS projects of a version up to 7, got version '8\.1'"),
        (lambda v: v.pop("project_format_version"), "got version None"),
        (lambda v: v.update(observations=[]), "'observations' expects an object"),
        (lambda v: v.update(behaviors_conf=[]), "'behaviors_conf' expects an object of objects"),
    ],
)
def test_a_project_that_is_none(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert(project(tmp_path, change), tmp_path / "out")


def test_point_events_get_a_length(tmp_path: Path) -> None:
    source = project(tmp_path, lambda values: events(values).append([10.0, "Bo", "call", "", ""]))
    convert(source, tmp_path / "out", point_seconds=0.5)
    assert rows(tmp_path / "out")[-1] == (10.0, 10.5, "call", "Bo")


def test_tabular_events_arrive(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        TABULAR
        + tabular("Ann", "groom", "START", "1.250")
        + tabular("No focal subject", '"rest, eyes shut"', "START", "00:00:02.000")
        + tabular("Ann", "groom", "START", "3.500")  # in the table before the stop at the same time
        + tabular("Ann", "groom", "STOP", "3.500")
        + tabular("Ann", "call", "POINT", "4.000")
        + tabular("Ann", "groom", "STOP", "6.125")
        + tabular("No focal subject", '"rest, eyes shut"', "STOP", "9.000")
        + tabular("Ann", "groom", "START", "1.000", "day 2")
        + tabular("Ann", "groom", "STOP", "2.000", "day 2")
    )
    convert(tmp_path / "events.csv", tmp_path / "out", point_seconds=0.25)
    assert rows(tmp_path / "out") == [
        (1.25, 3.5, "groom", "Ann"),
        (2.0, 9.0, "rest, eyes shut", ""),
        (3.5, 6.125, "groom", "Ann"),
        (4.0, 4.25, "call", "Ann"),
    ]
    assert rows(tmp_path / "out", "day_2") == [(1.0, 2.0, "groom", "Ann")]
    assert Dataset.load(tmp_path / "out").videos["day_1"].duration == 12.012


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            tabular("Ann", "groom", "STOP", "7"),
            r"events.csv:4: 'groom' expects to start and stop in turns, got a second STOP",
        ),
        (tabular("Ann", "groom", "BEGIN", "7"), r"expects START, STOP or POINT as 'Behavior type', got 'BEGIN'"),
        (tabular("Ann", "groom", "START", "soon"), r"'Time' expects a time in seconds, got 'soon'"),
    ],
)
def test_one_bad_row_of_a_table(tmp_path: Path, bad_row: BadRow, row: str, message: str) -> None:
    good = tabular("Ann", "groom", "START", "1") + tabular("Ann", "groom", "STOP", "2")
    (tmp_path / "events.csv").write_text(TABULAR + good + row)
    assert bad_row(convert, tmp_path / "events.csv", message).num_segments == 1


def test_aggregated_events_arrive(tmp_path: Path, bad_row: BadRow) -> None:
    states = aggregated("Ann", "groom", "STATE", "1.25", "3.5") + aggregated(
        "", '"rest, eyes shut"', "STATE", "2", "9"
    )
    point = aggregated("Bo", "call", "POINT", "10", "10")
    (tmp_path / "states.csv").write_text(AGGREGATED + states + point)
    report = bad_row(convert, tmp_path / "states.csv", r"states.csv:4: a point event expects a length")
    assert rows(report.folder) == [(1.25, 3.5, "groom", "Ann"), (2.0, 9.0, "rest, eyes shut", "")]
    convert(tmp_path / "states.csv", tmp_path / "points", point_seconds=1)
    assert rows(tmp_path / "points")[-1] == (10, 11, "call", "Bo")


def test_another_table(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("Time,Media file path,Subject\n1,a.mp4,Ann\n")
    with pytest.raises(DataError, match="column 'Observation id' is missing"):
        convert(tmp_path / "events.csv", tmp_path / "out")


def test_an_observation_of_several_files_is_named(tmp_path: Path) -> None:
    def two_files(values: dict[str, Any]) -> None:
        observation = values["observations"]["day 1"]
        observation["file"]["1"] = ["a.mp4", "b.mp4"]
        observation["media_info"] = {"length": {"a.mp4": 40.0, "b.mp4": 50.0}}

    report = convert(project(tmp_path, two_files), tmp_path / "out", point_seconds=1.0)
    assert any("is of 2 files one after another: a video without a file" in note for note in report.notes)
    assert 90.0 in {video.duration for video in Dataset.load(tmp_path / "out").videos.values()}
