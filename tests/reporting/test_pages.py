"""Pages: whatever text a data set holds, it is shown as text, and a page that lacks a value is not made."""

import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from matplotlib.figure import Figure
from timeline.examples import small_timeline

from vidseq.audit.findings import Alarm, Verdict
from vidseq.audit.report import as_html
from vidseq.context.report.page import Page, Picture, Section, render
from vidseq.context.report.tables import Table
from vidseq.data.browse import write_browser
from vidseq.data.dataset import write_dataset
from vidseq.data.schema import DatasetInfo, Query, Segment, Video
from vidseq.reporting import figures, pages
from vidseq.reporting.inline_svg import drawn_pixels, inline_svg
from vidseq.timeline.page import render_timeline

#: Texts that end an attribute, a comment, a section of text, a script or a template, in HTML and in SVG.
HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' x='",
    "]]><script>alert(1)</script>",
    "--><img src=x onerror=alert(1)>",
    "</title></style></text></svg></script><b>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;i&gt; &amp; $x^2$ \\",
]
BENIGN = "plain text"


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, ...]] = []
        self.values: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _ in attributes)))
        self.values += [value or "" for _, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment",))

    def unknown_decl(self, data: str) -> None:
        self.elements.append(("cdata",))

    def handle_data(self, data: str) -> None:
        self.text += data


def browser(text: str, folder: Path) -> str:
    name = text.replace("/", "∕")  # no file is named with the plain one
    info = DatasetInfo(
        name=text, licence=text, source=text, labels={"action": (text, "other"), "answer": (text,)}, splits=(text, "b")
    )
    (folder / f"{name}.mp4").write_text("no video")
    videos = [
        Video(video="v", split=text, duration=2.0, group=text, path=f"{name}.mp4"),
        Video(video="w", split="b", duration=2.0, path=f"missing {name}.mp4"),
    ]
    segments = [Segment(video="v", start=0, end=2, label=text, track=text)]
    query = Query(
        video="v", time=1, kind="question", question=text, answer=text, choices=(text, f"{text}2"), family=text,
        tier=text, cause=text, evidence=((0, 1),),
    )  # fmt: skip
    write_dataset(folder, info, videos, segments, [query])
    return write_browser(folder, folder / "page.html").read_text(encoding="utf-8")


def drawing(text: str, folder: Path) -> str:
    figure = Figure()
    figure.subplots().set_title(text)
    return figures.save_figure(figure, folder / "figure")[0].read_text(encoding="utf-8")


def report(text: str, folder: Path) -> str:
    table = pd.DataFrame({text: [text], "b": [1]})
    picture = Picture("one", Figure(), text)
    section = Section(text, text, [text, f"Warning: {text}"], [picture], [], [Table("t", text, table, table)])
    return render(Page(text, [(text, text)], text, [section], text), {"one": drawing(text, folder)})


def audit(text: str, folder: Path) -> str:
    alarm = Alarm(*[text] * len(Alarm.__dataclass_fields__))  # type: ignore[arg-type]
    verdict = Verdict(*[text] * len(Verdict.__dataclass_fields__))  # type: ignore[arg-type]
    row = {"family": text, "probe": text, "sees": text, "accuracy": 0.5, "low": 0.4, "high": 0.6}
    return as_html([alarm], [verdict], [text], pd.DataFrame([row]), text, drawing(text, folder))


def timeline(text: str, folder: Path) -> str:
    return render_timeline(small_timeline(text), folder)


PAGES = {"browser": browser, "report": report, "audit": audit, "timeline": timeline}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("page", PAGES)
def test_text_is_never_markup(tmp_path: Path, page: str, text: str) -> None:
    """A page with hostile text has the very elements and attributes of one with plain text."""
    for name in ("plain", "hostile"):
        (tmp_path / name).mkdir()
    plain = Skeleton(PAGES[page](BENIGN, tmp_path / "plain"))
    hostile = Skeleton(PAGES[page](text, tmp_path / "hostile"))
    assert hostile.elements == plain.elements
    assert text in hostile.text and text in " ".join(hostile.values)


@pytest.mark.parametrize("page", PAGES)
def test_no_text_turns_the_text_after_it(tmp_path: Path, page: str) -> None:
    html = PAGES[page]("\u202emp4.\u2067red\u05d0", tmp_path)
    assert "mp4.red\u05d0" in html and "\u202e" not in html and "\u2067" not in html
    assert r"\u202e" not in html and "unicode-bidi: isolate" in html


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_nothing_else(tmp_path: Path, page: str) -> None:
    html = PAGES[page](BENIGN, tmp_path)
    assert html.startswith("<!DOCTYPE html>") and html.endswith("</html>\n")
    outside = html.replace("http://www.w3.org/", "")  # names of XML are no addresses
    assert "http" not in outside and "@import" not in outside and not re.findall(r"url\((?!#)", outside)
    assert not re.findall(r'(src|href)="(?!data:|#)', outside)
    assert 'name="viewport"' in html and "@media print" in html and "prefers-color-scheme: dark" in html


def test_all_pages_share_one_style(tmp_path: Path) -> None:
    style = (Path(pages.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    for name, page in PAGES.items():
        (tmp_path / name).mkdir()
        assert style.strip() in page(BENIGN, tmp_path / name)


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'summary' is undefined"):
        pages.render_page("audit.html", title="x", pixels=1.0)


def test_a_figure_in_a_page_is_unique_and_described(tmp_path: Path) -> None:
    svg = drawing("Title", tmp_path)
    element = inline_svg(svg, "one", '"<b>')
    assert isinstance(element, Markup) and 'aria-label="&#34;&lt;b&gt;"' in element and "<metadata" not in element
    ids = [part.split('"')[0] for part in element.split(' id="')[1:]]
    assert ids and all(name.startswith("one-") for name in ids) and len(set(ids)) == len(ids)
    assert drawn_pixels(svg) == pytest.approx(float(svg.split(' width="')[1].split("pt")[0]) * 96 / 72)
    assert np.isfinite(drawn_pixels(svg))


def test_words_in_figures_are_no_formulas(tmp_path: Path) -> None:
    """A dollar sign in a name neither ends the figure nor changes the name; numbers at axes stay formulas."""
    name = r"costs $\frac{1$ or $x^2$"
    figure = Figure()
    axis = figure.subplots()
    axis.plot([1, 10, 10_000], [0, 1, 2], label=name)
    axis.set_xscale("log")
    axis.set_yticks([0, 1, 2], [name, "b", "c"])
    axis.set_title(name)
    axis.set_xlabel(name)
    axis.legend(title=name)
    figure.suptitle(name)
    drawn = figures.save_figure(figure, tmp_path / "figure")[0].read_text(encoding="utf-8")
    assert drawn.count(f">{name}<") == 6
    assert "mathdefault" not in re.sub("<!--.*?-->", "", drawn)
