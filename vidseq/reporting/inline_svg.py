"""Puts figures into a page: their SVG, made safe to stand beside others."""

import re

from markupsafe import Markup, escape

#: Fonts of like widths, for readers that have not the first.
_FONTS = "'DejaVu Sans', Verdana, sans-serif"


def inline_svg(text: str, name: str, description: str) -> Markup:
    """Turns an SVG file into an element that fills the width it is given.

    Args:
        text: the file's content, as matplotlib writes it, which escapes the words that it draws.
        name: unique in the page, of letters, digits, - and _: it begins every id in the element.
        description: plain text, read out to those who do not see the figure.
    """
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id=")([^"]+)"', rf'\g<1>{name}-\g<2>"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace("'DejaVu Sans'", _FONTS)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|version)="[^"]*"', "", head)
    return Markup(f'{head} role="img" aria-label="{escape(description)}">{rest}')


def drawn_pixels(text: str) -> float:
    """Reads how wide an SVG file of matplotlib was drawn, in pixels of a page."""
    drawn = re.search(r'<svg[^>]* width="([0-9.]+)pt"', text)
    assert drawn, "matplotlib writes the width in points"
    return float(drawn[1]) * 96 / 72
