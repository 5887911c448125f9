"""The page of a report, and what it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from vidseq.context.report.tables import Table
from vidseq.reporting.inline_svg import inline_svg
from vidseq.reporting.pages import render_page


@dataclass(frozen=True)
class Picture:
    """A figure and its caption."""

    name: str
    """The stem of its files, unique in the report."""
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Section:
    """The findings, figures and tables of one data set, split and mode."""

    heading: str
    explanation: str
    findings: Sequence[str]
    main: Sequence[Picture]
    """Of all families together."""
    families: Sequence[Picture]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Page:
    """Everything on the page, as plain text: the template escapes it."""

    title: str
    asked: Sequence[tuple[str, str]]
    """The data, models and queries that the rows hold: names and values."""
    command: str
    """The command that made the rows; empty if it is not known."""
    sections: Sequence[Section]
    version: str


def render(page: Page, drawings: Mapping[str, str]) -> str:
    """Renders the page as HTML.

    Args:
        page: what to show.
        drawings: the SVG file of each picture, by the picture's name.
    """
    pictures = [picture for section in page.sections for picture in (*section.main, *section.families)]
    figures = {picture.name: inline_svg(drawings[picture.name], picture.name, picture.caption) for picture in pictures}
    return render_page("report.html", title=page.title, page=page, drawings=figures)
