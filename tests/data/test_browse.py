import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from vidseq.data.browse import write_browser
from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.errors import UserError
from vidseq.video.writer import VideoWriter

INFO = DatasetInfo(name="<kitchen>", labels={"action": ("cut", "stir")}, licence="CC0 & more")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "a.mp4", fps=10) as writer:
        writer.write(np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), dtype=np.uint8))
    (tmp_path / "b.mp4").write_text("no video")
    videos = [
        Video(video="a", split="train", duration=2.0, path="a.mp4", group="anna"),
        Video(video="b", split="test", duration=2.0, path="b.mp4"),
        Video(video="c", split="test", duration=2.0, path="c.mp4"),
        Video(video="d", split="test", duration=2.0),
    ]
    segments = [Segment(video="a", start=0, end=1, label="cut", track="<x>")]
    query = Query(video="a", time=1, kind="question", question="<i>Who?", answer="Anna", choices=("Anna", "Ben"))
    queries = [dataclasses.replace(query, time=number / 10, evidence=((0, number / 10),)) for number in range(1, 6)]
    write_dataset(tmp_path, INFO, videos, segments, queries)
    return tmp_path


class Balance(HTMLParser):
    """Fails on a tag that is closed in the wrong place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page(folder: Path) -> None:
    page = write_browser(folder, folder / "out" / "page.html", thumbnails=3).read_text(encoding="utf-8")
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert page.count('<section class="video"') == 4 and page.count("data:image/jpeg") == 3
    assert "b.mp4" in page and "The file c.mp4 is not here." in page
    assert "&lt;kitchen&gt;" in page and "CC0 &amp; more" in page and "&lt;i&gt;Who?" in page
    assert "not Ben" in page and "5 queries" in page
    assert not re.search(r'(src|href)="(?!data:)', page) and "http" not in page


def test_limits(folder: Path) -> None:
    page = write_browser(folder, folder / "page.html", limit=2, thumbnails=0, queries_per_video=3).read_text()
    assert page.count('<section class="video"') == 2 and "2 of 4 videos are shown." in page
    assert "data:image" not in page and "2 more are not shown." in page
    with pytest.raises(UserError, match="A page of a data set expects limit of at least 0, got -1"):
        write_browser(folder, folder / "page.html", limit=-1)


def test_symbolic_observations_are_labelled(folder: Path) -> None:
    info = dataclasses.replace(INFO, observations="symbolic")
    write_dataset(folder, info, [Video(video="a", split="train", duration=2.0)])
    assert "symbolic observations, no pixels" in write_browser(folder, folder / "page.html").read_text()
