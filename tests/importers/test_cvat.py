from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import CVAT_FILE, cvat_box

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.schema import DatasetInfo, Video
from vidseq.errors import DataError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.cvat import convert
from vidseq.importers.frame_counts import exact_text, frames_between, seconds_between

BadRow = Callable[..., ConversionReport]


def task(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in CVAT_FILE
    path = folder / "annotations.xml"
    path.write_text(CVAT_FILE.replace(old, new) if old else CVAT_FILE)
    return path


def rows(folder: Path) -> list[tuple[float, float, str]]:
    return [(item.start, item.end, item.label) for item in Dataset.load(folder).segments]


def test_everything_arrives(tmp_path: Path) -> None:
    report = convert(task(tmp_path), tmp_path / "out", fps=25)
    assert rows(tmp_path / "out") == [(0.2, 0.8, "walk"), (2.0, 2.2, "walk"), (3.6, 4.0, "run & jump")]
    assert list(Dataset.load(tmp_path / "out").videos) == ["Yard_first_day"]
    assert report.skipped == ()


def test_the_data_set_knows_the_rate_and_the_video(tmp_path: Path) -> None:
    video = Video(video="yard_1", split="val", duration=3.9, fps=Fraction(25))
    write_dataset(tmp_path / "data", DatasetInfo(name="yard"), [video])
    report = convert(task(tmp_path), tmp_path / "out", like=tmp_path / "data")
    assert rows(tmp_path / "out")[-1] == (3.6, 3.9, "run & jump")
    assert report.notes == ("1 actions end after their video, by up to 0.100 s: they were cut to it.",)
    report = convert(task(tmp_path), tmp_path / "again", like=tmp_path / "data", fps=50)
    assert "'yard_1' has 25 a second, the tool counted 50: times follow the tool." in report.notes[0]


def test_without_a_rate(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"annotations\.xml: counts frames and expects the frame rate of its video, got none"
    ):
        convert(task(tmp_path), tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'label="walk"',
            'label="wolk"',
            r"track '0': expects a label of the task .* got 'wolk'\. Did you mean 'walk'",
        ),
        ('frame="6"', 'frame="six"', r"track '0': 'frame' expects a whole number, got 'six'"),
        ('label="walk"', "", r"track '0': 'label' expects a text, got nothing"),
    ],
)
def test_one_bad_track(tmp_path: Path, bad_row: BadRow, old: str, new: str, message: str) -> None:
    assert bad_row(convert, task(tmp_path, old, new), message, fps=25).num_segments == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "<version>1.1</version>",
            "<version>2.0</version>",
            "expects CVAT's XML of a version up to 1, got version '2.0'",
        ),
        ("<version>1.1</version>", "", "got version None"),
        ("</annotations>", "", r"annotations\.xml:\d+: expects XML, got text that is none"),
        ("<annotations>", "<!DOCTYPE a SYSTEM 'file:///etc/hosts'><annotations>", "without a document type"),
        ("<dumped>", '<image id="0"/><dumped>', None),
        ("<task>", "<project>", r"expects XML, got text that is none"),
        ("<stop_frame>99", "<stop_frame>last", "'stop_frame' expects a whole number, got 'last'"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    if message is None:
        source = task(tmp_path, '<track id="0"', '<image id="0" name="a.png"/><track id="0"')
        message = "expects a task or job as 'CVAT for video 1.1', got another export"
    else:
        source = task(tmp_path, old, new)
    with pytest.raises(DataError, match=message):
        convert(source, tmp_path / "out", fps=25)


def test_a_job_and_a_track_without_end(tmp_path: Path) -> None:
    text = CVAT_FILE.replace("<task>", "<job>").replace("</task>", "</job>").replace("<stop_frame>99</stop_frame>", "")
    (tmp_path / "job 3.xml").write_text(text.replace("<size>100</size>", "").replace(cvat_box(55, outside=1), ""))
    convert(tmp_path / "job 3.xml", tmp_path / "out", fps=25)
    assert rows(tmp_path / "out") == [(0.2, 0.8, "walk"), (2.0, 2.04, "walk"), (3.6, 3.96, "run & jump")]


millis = st.integers(0, 100_000)


@given(
    millis, millis, st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(15, 2), Fraction(240)]), st.data()
)
def test_exact_times_count_unless_frames_were_changed(
    one: int, other: int, fps: Fraction, data: st.DataObject
) -> None:
    start, end = min(one, other) / 1000, (max(one, other) + 1) / 1000
    first, after = frames_between(start, end, fps)
    assert (
        first < after and abs(first / fps - start) <= 0.5 / fps + 1e-9 and abs(after / fps - end) <= 1.5 / fps + 1e-9
    )
    assert seconds_between(first, after, fps, exact_text(start, end)) == (start, end)
    moved = data.draw(st.integers(after + 1, after + 50))
    assert seconds_between(first, moved, fps, exact_text(start, end)) == (start, float(moved / fps))
    assert seconds_between(first, after, fps, "about noon") == (float(first / fps), float(after / fps))
