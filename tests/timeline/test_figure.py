"""The figure of a timeline for papers."""

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from timeline.examples import LABELS, bars, small_timeline, small_video

from vidseq.data.timeline import label_style
from vidseq.reporting.figures import save_figure
from vidseq.timeline import Bar, Line, TimelineVideo, timeline_figure
from vidseq.timeline.figure import MAX_LEGEND


def test_each_bar_is_where_it_belongs_in_its_colour() -> None:
    figure = timeline_figure(small_video(), ("cut", "stir"))
    (axis,) = figure.axes
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        *("truth", "lstm", "forecast · lstm", "next action · lstm", "question · lstm", "question · conv")
    ]
    boxes = [
        (*np.round(path.get_extents().intervalx, 6).tolist(), tuple(np.round(collection.get_facecolor()[0], 3)))
        for collection in axis.collections
        if isinstance(collection, PolyCollection)
        for path in collection.get_paths()
        if np.ptp(path.vertices[:, 1]) > 0.1
    ]
    from matplotlib.colors import to_rgba

    cut, stir = (tuple(np.round(to_rgba(label_style(index).color), 3)) for index in range(2))
    assert sorted(boxes) == sorted(
        [(0, 4, cut), (4, 10, stir), (0, 5, cut), (5, 10, stir), (9, 12, cut), (10, 14, stir)]
    )
    assert axis.get_xlim() == (0, 10)


def test_strips_are_as_high_as_the_confidence() -> None:
    line = Line(name="m", role="predicted", bars=[
        Bar(start=0, end=1, label="a", confidence=1.0), Bar(start=1, end=2, label="a", confidence=0.25),
    ])  # fmt: skip
    (axis,) = timeline_figure(TimelineVideo(name="v", duration=2, lines=[line]), ["a"]).axes
    heights = [np.ptp(path.vertices[:, 1]) for path in axis.collections[-1].get_paths()]
    assert np.isclose(heights[1] / heights[0], 0.25)


def test_answers_are_drawn_by_whether_they_are_right() -> None:
    (axis,) = timeline_figure(small_video(), ("cut", "stir")).axes
    drawn = {(line.get_marker(), line.get_markerfacecolor()): 0 for line in axis.lines}
    for line in axis.lines:
        drawn[line.get_marker(), line.get_markerfacecolor()] += len(line.get_xdata())
    assert drawn == {("o", "#009E73"): 2, ("x", "#B33A00"): 1, ("o", "white"): 1}


def test_it_is_written_the_same_way_each_time_whatever_labels_say(tmp_path: Path) -> None:
    label = "</script><script>alert(1)</script> $x_1$"
    for name in ("one", "two"):
        save_figure(timeline_figure(small_timeline(label).videos[0], (label, "stir")), tmp_path / name)
    svg = (tmp_path / "one.svg").read_bytes()
    assert svg == (tmp_path / "two.svg").read_bytes() and b"<script>" not in svg and b"&lt;/script" in svg


def test_many_labels_leave_a_legend_that_can_be_read() -> None:
    labels = tuple(f"name{index}" for index in range(60))
    lines = [Line(name="m", role="truth", bars=bars(500, 600, confident=False, labels=labels))]
    figure = timeline_figure(TimelineVideo(name="v", duration=600, lines=lines), labels)
    assert len(figure.legends[0].get_texts()) == MAX_LEGEND
    empty = timeline_figure(TimelineVideo(name="v", duration=600), LABELS)
    assert not empty.legends
