"""An importer is one function in the registry, which says its own name, summary and options."""

import inspect
from pathlib import Path

import pytest

from vidseq.cli import main
from vidseq.data.check import check_dataset
from vidseq.data.dataset import write_dataset
from vidseq.data.fields import parse_fps
from vidseq.data.schema import DatasetInfo, Segment, Video
from vidseq.importers import IMPORTERS, ConversionReport, importer
from vidseq.importers.conversion import Findings


@importer("subtitles")
def convert(source: Path, out: Path, *, fps: str | float = 25, skip_bad: bool = False) -> ConversionReport:
    """Converts lines such as "v1 0.5 2.0 wave"; the source is not changed.

    Args:
        source: the text file.
        out: the new data set.
        fps: frames a second of every video.
        skip_bad: leave bad rows out and list them; otherwise the first raises.
    """
    rows = [line.split() for line in Path(source).read_text().splitlines()]
    segments = [
        Segment(video=name, start=float(start), end=float(end), label=label) for name, start, end, label in rows
    ]
    ends = {name: max(float(end) for other, _, end, _ in rows if other == name) for name, *_ in rows}
    videos = [Video(video=name, split="train", duration=end, fps=parse_fps(fps)) for name, end in ends.items()]
    info = DatasetInfo(name="subtitles", labels={"action": tuple(sorted({row[3] for row in rows}))})
    return Findings(skip_bad).report(write_dataset(out, info, videos, segments))


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Registers the importer after the command has run once, which must not matter."""
    assert main(["data", "convert", "--from", "folder", "--help"]) == 0
    capsys.readouterr()
    monkeypatch.setitem(IMPORTERS, convert.name, convert)


@pytest.mark.usefixtures("registered")
def test_a_new_importer_is_a_layout_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.txt").write_text("v1 0.5 2.0 wave\nv1 2.0 3.0 jump\nv2 0 1 wave\n")
    words = ["data", "convert", "--from", "subtitles", str(tmp_path / "rows.txt"), "--out", str(tmp_path / "out")]
    assert main([*words, "--fps", "30"]) == 0, capsys.readouterr().err
    assert "2 videos, 3 segments" in capsys.readouterr().out
    assert check_dataset(tmp_path / "out") == []
    assert main(["data", "convert", "--from", "subtitles", "--help"]) == 0
    shown = capsys.readouterr().out
    assert convert.summary in shown and "--fps" in shown
    assert main(["info"]) == 0
    assert "subtitles" in capsys.readouterr().out


def test_an_importer_says_what_it_is() -> None:
    assert (convert.name, convert.options) == ("subtitles", ("fps", "skip_bad"))
    assert convert.summary == 'Converts lines such as "v1 0.5 2.0 wave"; the source is not changed.'


@pytest.mark.parametrize("name", IMPORTERS)
def test_every_importer_follows_the_form(name: str) -> None:
    found = IMPORTERS[name]
    assert found.name == name and found.summary.startswith("Converts ") and "skip_bad" in found.options
    signature = inspect.signature(found)
    assert list(signature.parameters)[:2] == ["source", "out"]
    assert all(signature.parameters[option].kind is inspect.Parameter.KEYWORD_ONLY for option in found.options)
    for option in ("source", "out", *found.options):
        assert f"\n    {option}: " in inspect.getdoc(found), f"{name} does not explain {option}"
