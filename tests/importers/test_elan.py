from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from layouts import ELAN_FILE

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.elan import convert, track_of

BadRow = Callable[..., ConversionReport]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "session1.eaf"
    path.write_text(ELAN_FILE, encoding="utf-8")
    return path


def change(source: Path, old: str, new: str) -> Path:
    text = source.read_text(encoding="utf-8")
    assert old in text
    source.write_text(text.replace(old, new), encoding="utf-8")
    return source


def rows(folder: Path) -> list[tuple[float, float, str, str]]:
    return sorted((item.start, item.end, item.label, item.track) for item in Dataset.load(folder).segments)


def test_everything_arrives(source: Path, tmp_path: Path) -> None:
    report = convert(source, tmp_path / "out")
    assert rows(tmp_path / "out") == [
        (0.76, 1.76, "los", "K-Word"),  # a slot without a time lies half way
        (0.76, 2.76, "los geht's", "K-Spch"),
        (0.76, 2.76, "so, “we’re” off", "K-Trans"),  # the tier stands before that of its parents
        (1.76, 2.76, "geht's", "K-Word"),
    ]
    assert report.notes == (
        "1 annotations have no text and are left out.",
        "1 videos have no duration: each ends with its last action.",
    )
    assert list(Dataset.load(tmp_path / "out").videos) == ["session1"]


def test_annotations_that_share_a_parent_share_its_time(source: Path, tmp_path: Path) -> None:
    second = (
        '<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a6" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a5">'
        "<ANNOTATION_VALUE>now</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER>"
    )
    text = source.read_text(encoding="utf-8").replace("</TIER>", second, 1)
    source.write_text(text, encoding="utf-8")
    convert(source, tmp_path / "out", tiers=("K-Trans",))
    assert [row[:2] for row in rows(tmp_path / "out")] == [(0.76, 1.76), (1.76, 2.76)]


def test_the_video_is_found_by_the_name_of_its_media_file(source: Path, tmp_path: Path, clip: bytes) -> None:
    change(change(source, '"2760"', '"300"'), '"760"', '"100"')
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "kitchen.mp4").write_bytes(clip)
    convert(source, tmp_path / "out", videos=tmp_path / "videos", tiers=("K-Spch",), split="test")
    video = Dataset.load(tmp_path / "out").videos["session1"]
    assert (video.split, video.duration, video.path) == ("test", 0.5, "../videos/kitchen.mp4")


@pytest.mark.parametrize(
    ("tier", "participant", "track"),
    [
        ("hand", "", "hand"),
        ("hand", "Ann", "hand"),
        ("Ann", "Ann", "Ann"),
        ("Ann (2)", "Ann", "Ann"),
        ("Ann (2)", "", "Ann (2)"),
        ("Ann (2)", "Ann (2)", "Ann (2)"),
        ("Ann (2) (3)", "Ann (2)", "Ann (2)"),
        ("default", "", ""),
        ("default (2)", "", ""),
        ("default", "default", "default"),
    ],
)
def test_a_track_is_a_tier_or_the_participant_that_it_is_named_after(tier: str, participant: str, track: str) -> None:
    assert track_of(tier, participant) == track


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'FORMAT="3.0"',
            'FORMAT="4.0"',
            r"session1.eaf: expects ELAN's format of a version up to 3, got version '4.0'",
        ),
        ("</ANNOTATION_DOCUMENT>", "", r"session1.eaf:\d+: expects XML, got text that is none"),
        ("<ANNOTATION_DOCUMENT", "<!DOCTYPE a [<!ENTITY b 'c'>]>\n<ANNOTATION_DOCUMENT", "without a document type"),
        ('encoding="UTF-8"', 'encoding="none"', "expects XML"),
        ('"milliseconds"', '"PAL-frames"', "expects times in milliseconds, got PAL-frames"),
        ("MIME_TYPE", 'TIME_ORIGIN="40" MIME_TYPE', "expects a video that starts at 0, got an offset of 40 ms"),
        ('TIME_SLOT_REF2="ts4"', 'TIME_SLOT_REF2="ts9"', "expects a time slot of the file, got 'ts9'"),
        ('TIME_SLOT_REF2="ts4"', "", "annotation 'a1' expects two time slots or a parent"),
        ('TIME_VALUE="760"', "", "expects times of its first and last slot, got 'ts1' without"),
        ('TIME_VALUE="2760"', 'TIME_VALUE="2.76"', "'TIME_VALUE' expects milliseconds, got '2.76'"),
        ('ANNOTATION_REF="a1"', 'ANNOTATION_REF="a9"', "expects a parent of the file, got 'a9'"),
    ],
)
def test_a_file_that_is_none(source: Path, tmp_path: Path, bad_row: BadRow, old: str, new: str, message: str) -> None:
    good = tmp_path / "many" / "other.eaf"
    good.parent.mkdir()
    good.write_bytes(source.read_bytes())
    (tmp_path / "many" / "session1.eaf").write_bytes(change(source, old, new).read_bytes())
    report = bad_row(convert, good.parent, message)
    assert "other" in Dataset.load(report.folder).videos


def test_one_bad_annotation_is_one_bad_row(source: Path, bad_row: BadRow) -> None:
    change(source, '"ts6" TIME_VALUE="3001"', '"ts6" TIME_VALUE="4600"')
    change(source, "<ANNOTATION_VALUE></", "<ANNOTATION_VALUE>wave</")
    report = bad_row(convert, source, r"session1.eaf: annotation 'a2': an action expects to start before it ends")
    assert report.num_segments == 4


def test_an_unknown_tier(source: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"got 'K-Spech'\. Did you mean 'K-Spch'\? Tiers there: K-Spch, K-Trans, K-Word"
    ):
        convert(source, tmp_path / "out", tiers=("K-Spech",))


def test_a_million_laughs_are_not_expanded(source: Path, tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "' + f"&e{n - 1};" * 10 + '">' for n in range(1, 10))
    change(source, "<ANNOTATION_DOCUMENT", f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]>\n<ANNOTATION_DOCUMENT')
    change(source, "<ANNOTATION_VALUE></", "<ANNOTATION_VALUE>&e9;</")
    with pytest.raises(DataError, match="without a document type"):
        convert(source, tmp_path / "out")


@pytest.mark.parametrize("options", [{"videos": Path()}, {"split": "test"}])
def test_like_stands_alone(source: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="like expects to be given alone"):
        convert(source, tmp_path / "out", like=tmp_path, **options)


def test_an_unknown_split(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="split expects one of train, val, test, got 'dev'"):
        convert(source, tmp_path / "out", split="dev")
