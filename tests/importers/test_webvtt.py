from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import SRT_FILE, VTT_FILE, write_webvtt

from vidseq.data.dataset import Dataset
from vidseq.errors import DataError
from vidseq.importers.conversion import ConversionReport
from vidseq.importers.tool_videos import clock_seconds, media_name, one_line
from vidseq.importers.webvtt import convert

BadRow = Callable[..., ConversionReport]


def rows(folder: Path, video: str) -> list[tuple[float, float, str, str]]:
    return [(item.start, item.end, item.label, item.track) for item in Dataset.load(folder).segments_of(video)]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_everything_arrives(tmp_path: Path, ends: str) -> None:
    write_webvtt(tmp_path)
    for path in (tmp_path / "lecture.vtt", tmp_path / "walk.srt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", ends.encode()))
    report = convert(tmp_path, tmp_path / "out")
    assert rows(tmp_path / "out", "lecture") == [
        (1.5, 4.0, "waves & smiles", "Ann"),
        (3600.0, 3602.25, "asks", "Ann"),
        (3600.0, 3602.25, "answers, twice", "Bo"),
        (3605.0, 3606.0, "leaves", ""),
    ]
    assert rows(tmp_path / "out", "walk") == [(1.5, 4.0, "waves", ""), (4.0, 5.125, "Ann: smiles, and leaves", "")]
    assert "1 cues have no text and are left out." in report.notes


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.vtt",
            VTT_FILE + "\n1:2:3:4 --> 5\nx\n",
            r"a\.vtt:23: 'start' expects a time such as 00:01:23\.500, got '1:2:3:4 '",
        ),
        ("a.vtt", VTT_FILE + "\n00:05.000 -->\nx\n", r"a\.vtt:23: 'end' expects a time"),
        ("a.vtt", VTT_FILE + "\nlost\nwords\n", r"a\.vtt:23: a cue expects times such as .*, got 'lost'"),
        (
            "a.vtt",
            VTT_FILE + "\n00:05.000 --> 00:04.000\nx\n",
            r"a\.vtt:23: an action expects to start before it ends",
        ),
        ("a.srt", SRT_FILE + "\n3\n00:00:04,000 -> 00:00:05,125\nx\n", r"a\.srt:\d+: a cue expects times"),
    ],
)
def test_one_bad_cue(tmp_path: Path, bad_row: BadRow, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    assert bad_row(convert, tmp_path / name, message).num_segments == (4 if name == "a.vtt" else 2)


def test_a_file_without_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text(VTT_FILE[3:])
    with pytest.raises(DataError, match=r"a\.vtt:1: expects WEBVTT in the first line, got 'VTT - of a lecture'"):
        convert(tmp_path / "a.vtt", tmp_path / "out")


def test_times_names_and_lines() -> None:
    assert [clock_seconds(text) for text in ("83.5", "01:23.500", " 1:00:00,001 ", "7")] == [83.5, 83.5, 3600.001, 7]
    for text in ("", "1:2:3:4", "-1", "nan", "1e3", "٣"):
        with pytest.raises(ValueError, match="expects a time such as"):
            clock_seconds(text)
    addresses = ["file:///C:/Day%201/a b.MP4", r"C:\films\x.y.mov", "https://h/p/c.webm?v=1", "100% sure", "/f/d.txt"]
    assert [media_name(address) for address in addresses] == ["a b", "x.y", "c", "100% sure", "d.txt"]
    assert one_line(" a \r\n  b\n\nc ") == "a b c"


def test_commands_of_players_are_no_part_of_a_label(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<i>wave</i> {\\b1}hand{\\b0}\n")
    convert(tmp_path, tmp_path / "out")
    assert Dataset.load(tmp_path / "out").action_labels == ("wave hand",)


@pytest.mark.parametrize("between", ["\n", "\n\n", "\n2\n", "\n\n2\n", "\n7\n2\n"])
@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_a_cue_that_follows_without_an_empty_line_is_one_of_its_own(between: str, suffix: str, tmp_path: Path) -> None:
    head = "WEBVTT\n\n" if suffix == ".vtt" else "1\n"
    cues = f"00:00:01.000 --> 00:00:02.000\ncut{between}00:00:03.000 --> 00:00:04.000\njump --> high\n"
    (tmp_path / f"a{suffix}").write_text(head + cues)
    segments = Dataset.load(convert(tmp_path, tmp_path / "out").folder).segments
    label = "cut 7" if "7" in between else "cut"  # a number of a cue stands before its times
    assert [(item.start, item.end, item.label) for item in segments] == [(1, 2, label), (3, 4, "jump --> high")]
