"""The page: one HTML file that needs nothing else, no network either, on a phone, a screen or paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from vidseq.context.report.tables import Table
from vidseq.reporting.inline_svg import inline_svg
from vidseq.reporting.page_style import SCRIPT, STYLE


@dataclass(frozen=True)
class Picture:
    """A figure with what is told below it."""

    name: str
    """The stem of its files, unique in the report."""
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Section:
    """What is told of one data set, split and mode."""

    heading: str
    explanation: str
    findings: Sequence[str]
    main: Sequence[Picture]
    """Of all families together."""
    families: Sequence[Picture]
    tables: Sequence[Table]


@dataclass(frozen=True)
class Page:
    """Everything on the page, as plain text: it is escaped when the page is made."""

    title: str
    asked: Sequence[tuple[str, str]]
    """What was asked: names and values."""
    command: str
    """What made it; empty where it is not known."""
    sections: Sequence[Section]
    version: str


_TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ page.title }}</title><style>{{ style }}</style></head>
<body><main>
<header><h1>{{ page.title }}</h1>
<dl>{% for name, value in page.asked %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endfor %}</dl>
{%- if page.command %}<pre class="command"><code>{{ page.command }}</code></pre>{% endif -%}
</header>
{%- macro shown(picture) %}
<figure>{{ svg(picture) }}
<figcaption>{{ picture.caption }}
{%- if page.command %} <span class="made">Made by: <code>{{ page.command }}</code></span>
{%- endif %} <span class="files">Files: figures/{{ picture.name }}.svg, .png</span></figcaption></figure>
{%- endmacro %}
{%- for section in page.sections %}
<section><h2>{{ section.heading }}</h2>
<p class="quiet">{{ section.explanation }}</p>
<ul class="findings">{% for finding in section.findings -%}
<li{% if finding.startswith("Warning:") %} class="warning"{% endif %}>{{ finding }}</li>
{%- endfor %}</ul>
<div class="figures">{% for picture in section.main %}{{ shown(picture) }}{% endfor %}</div>
{%- if section.families %}
<h3>By family</h3>
<div class="figures">{% for picture in section.families %}{{ shown(picture) }}{% endfor %}</div>
{%- endif %}
{%- for table in section.tables %}
{%- set many = table.shown|length %}
<details{% if loop.first %} open{% endif %} class="{% if many > 40 %}long{% endif %}
{%- if table.shown.columns|length > 10 %} wide{% endif %}">
<summary>{{ table.title }} ({{ many }} rows)</summary>
<div class="scroll"><table class="sortable"><thead><tr>
{%- for name in table.shown.columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.shown.itertuples(index=False) %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table></div>
<p class="files">Click a heading to sort. Files: tables/{{ table.name }}.csv (all digits), .md, .tex</p></details>
{%- endfor %}
</section>
{%- endfor %}
<footer><p>vidseq {{ page.version }}. Every number is made from rows.parquet, one row a query: no model is needed to
score again. Intervals: 95%, percentile bootstrap over groups with trained models resampled inside, taken further out
for few groups; never over queries.</p></footer>
</main><script>{{ script }}</script></body></html>
"""


def render(page: Page, drawings: Mapping[str, str]) -> str:
    """The page as HTML; whatever text it holds, none of it is taken for markup.

    Args:
        page: what to show.
        drawings: the SVG file of each picture, by its name.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)

    def svg(picture: Picture) -> Markup:
        return Markup(inline_svg(drawings[picture.name], picture.name, escape(picture.caption)))

    template = environment.from_string(_TEMPLATE)
    return template.render(page=page, svg=svg, style=Markup(STYLE), script=Markup(SCRIPT)) + "\n"
