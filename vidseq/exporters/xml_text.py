"""Writes XML documents."""

import re
import xml.etree.ElementTree as ElementTree
from xml.etree.ElementTree import Element

from vidseq.errors import DataError

#: What no XML document may hold, not even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def xml_text(root: Element) -> str:
    """Returns the text of a document.

    Raises:
        DataError: a name holds a character that XML has no place for.
    """
    for element in root.iter():
        for value in (element.text or "", *element.attrib.values()):
            forbidden = _FORBIDDEN.search(value)
            if forbidden:
                raise DataError(
                    f"XML expects text without control characters, got {forbidden.group()!r} in {value[:60]!r}. "
                    "Rename it in the data set."
                )
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def add(parent: Element, tag: str, text: str | None = None, /, **attributes: str) -> Element:
    """Adds an element to another.

    Args:
        parent: the element around it.
        tag: its name.
        text: what it holds.
        attributes: its attributes.

    Returns:
        the new element.
    """
    element = ElementTree.SubElement(parent, tag, attributes)
    element.text = text
    return element
