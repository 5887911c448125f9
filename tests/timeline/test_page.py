"""The page of a timeline, as far as it can be checked without a browser."""

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline.examples import LABELS, bars, small_timeline, small_video

from vidseq.errors import UserError
from vidseq.reporting.bidi import without_controls
from vidseq.timeline import Bar, Line, Timeline, TimelineVideo, timeline_page
from vidseq.timeline.page import MAX_LEGEND, render_timeline


class Page(HTMLParser):
    """The data of a page, its scripts, and its balance of tags."""

    VOID = ("meta", "input", "br")

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "script":
            self.scripts.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def data(self) -> dict:
        return json.loads(self.scripts[0])


def test_the_data_is_what_the_timeline_holds(tmp_path: Path) -> None:
    page = Page(timeline_page(small_timeline(), tmp_path / "new" / "page.html").read_text(encoding="utf-8"))
    (video,) = page.data["videos"]
    assert page.data["labels"] == ["cut", "stir"] and (video["name"], video["duration"]) == ("cut", 10.0)
    truth, predicted, forecast = video["lines"]
    assert truth["bars"] == [[0, 4, 0, None, 0], [4, 10, 1, None, 0]]
    assert predicted["bars"] == [[0, 5, 0, 0.9, 0], [5, 10, 1, 0.5, 0]], "by start"
    assert forecast["places"] == 2 and [bar[4] for bar in forecast["bars"]] == [0, 1], "none hides another"
    assert [query["time"] for query in video["queries"]] == [3.0, 8.0, 9.0]
    assert video["queries"][1]["evidence"] == [[1, 2.5]] and video["models"] == ["lstm", "conv"]
    assert video["queries"][1]["answers"][1] == {
        "model": 1, "answer": "stir", "probability": 0.5, "ranking": [], "right": False,
    }  # fmt: skip
    assert video["queries"][2]["truth"] is None and video["queries"][2]["answers"][0]["right"] is None
    assert "Timeline cut" in " ".join(page.words) and "10.0 s · 6 segments · 3 queries" in str(page.attributes)


@given(st.text(max_size=30))
def test_any_text_stays_text(text: str) -> None:
    page = Page(render_timeline(small_timeline(text), Path()).encode(errors="backslashreplace").decode())
    text = without_controls(text)
    assert len(page.scripts) == 2 and page.data["labels"] == [text, "stir"]
    assert page.data["videos"][0]["queries"][1]["asked"] == f"What was {text}?"


def test_a_script_in_a_label_never_runs() -> None:
    label = "</script><script>alert(1)</script><!--"
    text = render_timeline(small_timeline(label), Path())
    assert text.count("<script") == 2 and "<!--" not in text
    assert Page(text).data["labels"][0] == label


def test_controls_have_names() -> None:
    text = render_timeline(small_timeline(), Path())
    for tag, names in (
        ("canvas", ("role", "tabindex", "aria-label")),
        ("select", ("aria-label",)),
        ("video", ("aria-label",)),
    ):
        found = {name for element, name, _ in Page(text).attributes if element == tag}
        assert found >= set(names)
    assert '<html lang="en">' in text and "<noscript>" in text


def test_the_video_is_a_link_relative_to_the_page(tmp_path: Path) -> None:
    media = tmp_path / "videos" / "a b#1 ü%.mp4"
    media.parent.mkdir()
    media.write_bytes(b"")
    video = TimelineVideo(name="v", duration=1.0, media=media)
    page = timeline_page(Timeline(title="t", videos=[video]), tmp_path / "out" / "page.html")
    assert Page(page.read_text()).data["videos"][0]["file"] == "../videos/a%20b%231%20%C3%BC%25.mp4"


def test_thousands_of_segments_are_small_and_fast(tmp_path: Path) -> None:
    lines = [Line(name=str(number), role="predicted", bars=bars(5000, 7200, confident=True)) for number in range(4)]
    video = TimelineVideo(name="long", duration=7200.0, lines=lines)
    page = timeline_page(Timeline(title="t", videos=[video], labels=LABELS), tmp_path / "page.html")
    assert page.stat().st_size < 20_000 * 36 + 60_000


def test_a_confidence_that_is_no_number_is_left_out() -> None:
    line = Line(name="m", role="predicted", bars=[Bar(start=0, end=1, label="a", confidence=math.nan)])
    page = Page(
        render_timeline(Timeline(title="t", videos=[TimelineVideo(name="v", duration=1, lines=[line])]), Path())
    )
    assert page.data["videos"][0]["lines"][0]["bars"] == [[0, 1, 0, None, 0]] and page.data["labels"] == ["a"]


def test_the_legend_lists_what_is_there_and_ends() -> None:
    labels = tuple(f"name_{index}" for index in range(MAX_LEGEND + 7))
    line = Line(name="m", role="truth", bars=[Bar(start=0, end=1, label=label) for label in labels])
    video = TimelineVideo(name="v", duration=1, lines=[line])
    text = render_timeline(Timeline(title="t", videos=[video], labels=("unused", *labels)), Path())
    assert "7 more labels are not listed." in text and "<span>unused</span>" not in text
    assert text.count("<li>") == MAX_LEGEND and "<span>name 0</span>" in text


def test_without_videos_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="A timeline expects at least one video, got none"):
        timeline_page(Timeline(title="t", videos=[]), tmp_path / "page.html")
    assert small_video().models == ["lstm", "conv"]
