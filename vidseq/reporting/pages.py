"""Renders pages: one HTML file each that needs nothing else, no network either, on a phone, a screen or paper."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2

from vidseq.reporting.bidi import without_controls


def render_page(template: str, **values: Any) -> str:
    """Renders a page.

    Args:
        template: its file in templates/, such as "report.html".
        values: what the template shows, by name. Text is escaped unless it is `Markup`; characters that would turn
            the direction of other text are left out.

    Raises:
        jinja2.UndefinedError: the template shows a value that is not given.
    """
    return without_controls(_environment().get_template(template).render(**values))


def template_macros(template: str, **values: Any) -> Any:
    """Gives the macros of a template as methods, to draw a part of a page.

    Args:
        template: its file in templates/, such as "timeline.html".
        values: what all macros may show, by name.
    """
    return _environment().get_template(template).make_module(values)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["px"] = lambda value: f"{round(value, 1):g}"
    return environment
