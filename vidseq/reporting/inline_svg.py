"""Puts figures into a page: their SVG, made safe to stand beside others."""

import re

#: Fonts of like widths, for readers that have not the first.
_FONTS = "'DejaVu Sans', Verdana, sans-serif"


def inline_svg(text: str, name: str, description: str) -> str:
    """An SVG file as an element that fills the width it is given.

    Args:
        text: the file's, as matplotlib writes it.
        name: unique in the page: it begins every id in the element.
        description: read out to those who do not see it; must be free of markup or escaped.
    """
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id=")([^"]+)"', rf'\g<1>{name}-\g<2>"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", text)
    text = text.replace("'DejaVu Sans'", _FONTS)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|version)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="{description}">{rest}'
