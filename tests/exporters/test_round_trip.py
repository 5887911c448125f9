"""What is exported to a tool and imported again is what it was, for every tool that has both."""

import re
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vidseq.data.dataset import Dataset, write_dataset
from vidseq.data.fields import normal_text
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import DataError, UserError
from vidseq.exporters import EXPORTERS, export_dataset
from vidseq.importers import IMPORTERS
from vidseq.importers.conversion import ConversionReport

BOTH = [name for name in EXPORTERS if name in IMPORTERS and name != "activitynet"]
DURATION_MS = 20_000
#: The videos of every data set here: a rate of television, a whole one, and a name of another script.
VIDEOS = [
    Video(video="P01_cam.a", split="train", duration=20.0, fps=Fraction(30000, 1001), path="films/P01 cam.a.mp4"),
    Video(video="küche 2", split="val", duration=20.0, fps=Fraction(25), path="films/b.webm", group="Zoë"),
    Video(video="台所", split="test", duration=20.0, fps=Fraction(15)),
]
names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=12)
names = names.map(normal_text).filter(bool)
names |= st.sampled_from(
    ['say "no"', "it's, or", "<v Ann> & co.", "-->", "a (2)", "default", "0", "切る", "يقطع", "рез", "1:02", "]]>"]
)


@st.composite
def segment_lists(draw: st.DrawFn) -> list[Segment]:
    labels = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    tracks = ["", *draw(st.lists(names, max_size=2, unique=True))]
    found = []
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, DURATION_MS - 1))
        end = draw(st.integers(start + 1, DURATION_MS))
        found.append(
            Segment(
                video=draw(st.sampled_from(VIDEOS)).video,
                start=start / 1000,
                end=end / 1000,
                label=draw(st.sampled_from(labels)),
                track=draw(st.sampled_from(tracks)),
            )
        )
    return list(dict.fromkeys(found))


def dataset_of(folder: Path, segments: list[Segment]) -> Dataset:
    labels = tuple(sorted({segment.label for segment in segments}))
    info = DatasetInfo(name="kitchen", labels={"action": labels}, source="made up", licence="CC0")
    query = Query(video="台所", time=1.0, kind="next_action", answer=segments[0].label)
    return write_dataset(folder, info, VIDEOS, segments, [query])


def in_order(segments: list[Segment]) -> list[tuple[object, ...]]:
    return sorted((item.video, item.start, item.end, item.track, item.label) for item in segments)


@pytest.mark.parametrize("layout", BOTH)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(segments=segment_lists())
def test_import_after_export_is_the_original(layout: str, segments: list[Segment]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = dataset_of(folder / "data", segments)
        report = export_dataset(before, layout, folder / "files")
        assert (report.num_videos, report.num_annotations) == (3, len(segments))
        IMPORTERS[layout](folder / "files", folder / "again", like=folder / "data")
        again = Dataset.load(folder / "again")
        assert in_order(again.segments) == in_order(before.segments)
        assert again.info == before.info and again.queries == before.queries
        moved = [replace(item, path=item.path and f"../data/{item.path}") for item in before.videos.values()]
        assert list(again.videos.values()) == moved


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    segments = [
        Segment(video=video.video, start=start, end=end, label=label, track=track)
        for video in VIDEOS
        for start, end, label, track in [(1.234, 2.5, "cut", ""), (2, 4.001, "stir", "Ann"), (3, 20, "cut", "Ann")]
    ]
    return dataset_of(tmp_path / "data", segments)


@pytest.mark.parametrize("layout", BOTH)
def test_without_the_data_set_videos_have_their_names_and_segments(layout: str, data: Dataset, tmp_path: Path) -> None:
    export_dataset(data, layout, tmp_path / "files", splits=("train",))
    options = {"fps": "30000/1001"} if "fps" in IMPORTERS[layout].options else {}
    IMPORTERS[layout](tmp_path / "files", tmp_path / "out", **options)
    again = Dataset.load(tmp_path / "out")
    assert list(again.videos) == ["P01_cam.a"]
    assert in_order(again.segments) == in_order(data.segments_of("P01_cam.a"))


@pytest.mark.parametrize("layout", BOTH)
def test_other_videos_keep_their_segments(layout: str, data: Dataset, tmp_path: Path) -> None:
    """As after one video is corrected in a tool; the data set may be replaced by its new version."""
    report = export_dataset(data, layout, tmp_path / "files", splits=("val",))
    assert report.num_videos == 1
    done = IMPORTERS[layout](tmp_path / "files", tmp_path / "data", like=tmp_path / "data")
    assert done.notes == ("2 videos of 'kitchen' are not among the files: they keep their 6 segments.",)
    again = Dataset.load(tmp_path / "data")
    assert in_order(again.segments) == in_order(data.segments) and again.videos == data.videos


def bad_row(layout: str, folder: Path, message: str, like: Path) -> ConversionReport:
    """Imports files with one bad row, which is an error, or the one thing that is skipped."""
    with pytest.raises(DataError, match=message):
        IMPORTERS[layout](folder / "files", folder / "strict", like=like)
    report = IMPORTERS[layout](folder / "files", folder / "skipped", like=like, skip_bad=True)
    assert len(report.skipped) == 1 and re.search(message, report.skipped[0])
    return report


@pytest.mark.parametrize("layout", BOTH)
def test_a_video_that_the_data_set_lacks_is_a_bad_row(layout: str, data: Dataset, tmp_path: Path) -> None:
    export_dataset(data, layout, tmp_path / "files")
    renamed = [
        replace(video, video=video.video.replace("küche", "Stube"), path=video.path and video.path.replace("b.", "c."))
        for video in VIDEOS
    ]
    write_dataset(tmp_path / "other", replace(data.info, labels={}), renamed)
    message = r"expects a video of the data set 'kitchen', got 'k.*che 2'\."
    bad_row(layout, tmp_path, message, like=tmp_path / "other")


@pytest.mark.parametrize("layout", BOTH)
def test_actions_beyond_the_video_are_cut_or_bad_rows(layout: str, data: Dataset, tmp_path: Path) -> None:
    export_dataset(data, layout, tmp_path / "files", splits=("train",))
    short = [replace(video, duration=2.25) for video in VIDEOS]
    write_dataset(tmp_path / "short", data.info, short)
    message = r"an action expects to start before 'P01_cam\.a' ends at 2\.25 s, got 3"
    report = bad_row(layout, tmp_path, message, like=tmp_path / "short")
    assert "2 actions end after their video, by up to 1.751 s: they were cut to it." in report.notes
    ends = [item.end for item in Dataset.load(report.folder).segments]
    assert ends == [2.25, 2.25]


def test_export_refuses_what_it_does_not_know(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Unknown layout 'elam'\. Did you mean 'elan'\?"):
        export_dataset(data, "elam", tmp_path / "files")
    with pytest.raises(DataError, match=r"has no split 'trian'\. Did you mean 'train'\?"):
        export_dataset(data, "elan", tmp_path / "files", splits=("trian",))
    (tmp_path / "files").mkdir()
    with pytest.raises(UserError, match=r"An export expects .* to be new, got one that exists"):
        export_dataset(data, "elan", tmp_path / "files")
    export_dataset(data, "elan", tmp_path / "files", overwrite=True)


@pytest.mark.parametrize("layout", EXPORTERS)
def test_every_exporter_follows_the_form(layout: str) -> None:
    found = EXPORTERS[layout]
    assert found.name == layout and found.summary.startswith("Writes ") and found.summary.endswith(".")
