import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.data.schema import Query, Segment, Video
from vidseq.data.timeline import draw_timeline, label_style, thumbnail
from vidseq.data.words import clock, count

VIDEO = Video(video="a", split="train", duration=10.0)
LABELS = {"cut": 0, "stir": 1}


def boxes(svg: str) -> list[tuple[float, float, float]]:
    """Left, top and width of every coloured box."""
    found = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="22" rx="2.5" fill="#', svg)
    return [tuple(map(float, box)) for box in found]


def test_segments_stand_where_they_happen() -> None:
    segments = [Segment(video="a", start=0, end=5, label="cut"), Segment(video="a", start=5, end=10, label="stir")]
    svg = draw_timeline(VIDEO, segments, [], LABELS)
    (left, top, width), (left2, top2, width2) = boxes(svg)
    assert top == top2 and width == width2 and left2 == pytest.approx(left + width + 1)
    assert "cut: 0.00 to 5.00 s" in svg


def test_no_segment_hides_another() -> None:
    segments = [
        Segment(video="a", start=0, end=5, label="cut", track="anna"),
        Segment(video="a", start=4, end=6, label="stir", track="anna"),
        Segment(video="a", start=5.5, end=8, label="cut", track="anna"),
        Segment(video="a", start=0, end=5, label="cut", track="ben"),
    ]
    tops = [top for _, top, _ in boxes(draw_timeline(VIDEO, segments, [], LABELS))]
    assert tops[0] == tops[2] and len({tops[0], tops[1], tops[3]}) == 3


def test_queries_and_their_evidence() -> None:
    queries = [
        Query(video="a", time=5, kind="question", question="Who?", answer="Anna", evidence=((1, 2), (3, 4))),
        Query(video="a", time=6, kind="next_action", answer="cut"),
    ]
    svg = draw_timeline(VIDEO, [], queries, LABELS)
    assert svg.count("data-query") == 2 and svg.count("<circle") == 1 and svg.count("<path") == 1
    assert len(re.findall(r'<g class="evidence"><rect[^>]*/><rect', svg)) == 1


def test_text_is_escaped() -> None:
    segments = [Segment(video="a", start=0, end=10, label="<b>&", track='"x"')]
    queries = [Query(video="a", time=1, kind="question", question="<script>", answer="&")]
    svg = draw_timeline(VIDEO, segments, queries, {"<b>&": 0})
    ElementTree.fromstring(svg)
    assert "<script>" not in svg and "<b>" not in svg


@given(
    st.floats(0.05, 20_000),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.text(max_size=9), st.sampled_from(["", "x", "y"]))),
)
def test_any_video_gives_a_drawing(duration: float, rows: list[tuple[float, float, str, str]]) -> None:
    video = Video(video="a", split="train", duration=duration)
    segments = sorted(
        (
            Segment(video="a", start=min(a, b) * duration, end=max(a, b) * duration, label="cut", track=track)
            for a, b, _, track in rows
        ),
        key=lambda item: item.start,
    )
    root = ElementTree.fromstring(draw_timeline(video, segments, [], LABELS))
    ticks = [node for node in root.iter("text") if node.get("class") == "tick"]
    assert 1 <= len(ticks) <= 13


def test_styles_differ_for_many_labels() -> None:
    assert len({label_style(number) for number in range(28)}) == 28


def test_thumbnail_holds_the_picture() -> None:
    assert thumbnail(np.zeros((8, 8, 3), dtype=np.uint8)).startswith("data:image/jpeg;base64,")


def test_words_for_people() -> None:
    assert (clock(4.54, 0.1), clock(59), clock(64), clock(3604)) == ("4.5 s", "59 s", "1:04", "1:00:04")
    assert (count(1, "query"), count(2, "query"), count(1200, "video")) == ("1 query", "2 queries", "1,200 videos")
