"""Turns our docstrings, which are plain text with Google's sections, into reStructuredText.

Equations and drawings are indented: they become literal blocks, and so does what stands between fences. The rest is
prose, in which only backticks mean anything.
"""

import re
from collections.abc import Iterable, Iterator

#: Headings that napoleon reads; what is indented below them is text.
SECTIONS = frozenset({"Args:", "Attributes:", "Raises:", "Returns:", "Yields:"})
_INDENT = "    "


def to_rst(lines: Iterable[str]) -> list[str]:
    """Turns the lines of a docstring into those of a reStructuredText."""
    made: list[str] = []
    for literal, block in _blocks(lines):
        if literal:
            made += ["", "::", "", *(_INDENT + line for line in block), ""]
        else:
            made += [_escape(line) for line in block]
    return made


def _blocks(lines: Iterable[str]) -> Iterator[tuple[bool, list[str]]]:
    """Cuts a docstring into literal blocks (True) and prose (False)."""
    block: list[str] = []
    literal = fenced = in_section = False
    for line in lines:
        if line.strip().startswith("```"):
            fenced, is_literal = not fenced, not fenced
            if block:
                yield literal, block
            block, literal = [], is_literal
            continue
        if line and not line.startswith(" ") and not fenced:
            in_section = line in SECTIONS
        is_literal = fenced or (line.startswith(" ") and not in_section) or (literal and not line)
        if is_literal != literal and block:
            yield literal, block
            block = []
        literal = is_literal
        block.append(line)
    if block:
        yield literal, block


def _escape(line: str) -> str:
    """Escapes what reStructuredText reads as markup, except inside of backticks."""
    parts = line.split("`")
    parts[::2] = [re.sub(r"([*|\\]|(?<=\w)_(?=\W|$))", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


class Docstrings:
    """Handles the docstrings of a build, before and after napoleon reads their sections."""

    def __init__(self) -> None:
        self._attributes: dict[str, list[str]] = {}

    def before(self, app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
        """Turns a docstring into reStructuredText."""
        lines[:] = to_rst(lines)
        if what in ("attribute", "property", "data"):
            self._attributes[name] = list(lines)

    def after(self, app: object, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
        """Gives attributes their text back: napoleon takes what stands before a colon for a type."""
        lines[:] = self._attributes.pop(name, lines)
