"""Reads XML of unknown origin: no document types, and so no entities that name files or grow without end."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from xml.etree.ElementTree import Element

from vidseq.errors import DataError


def read_xml(path: Path, root: str) -> Element:
    """Reads an XML file.

    Args:
        path: the file.
        root: name of the outermost element.

    Raises:
        DataError: the file is damaged, has a document type, or has another outermost element.
    """
    parser = ElementTree.XMLParser(target=_NoDoctype(path.name))
    try:
        parser.feed(path.read_bytes())
        element: Element = parser.close()
    except ElementTree.ParseError as problem:
        raise DataError(
            f"{path.name}:{problem.position[0]}: expects XML, got text that is none ({problem})."
        ) from None
    except (LookupError, ValueError) as problem:
        if isinstance(problem, DataError):
            raise
        raise DataError(f"{path.name}: expects XML in a known encoding, got another one ({problem}).") from None
    if element.tag != root:
        raise DataError(f"{path.name}: expects XML whose outermost element is {root}, got {element.tag}.")
    return element


class _NoDoctype(ElementTree.TreeBuilder):
    """Builds the tree of a document; a document type ends the reading before its entities count."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Called with the document type."""
        raise DataError(f"{self._name}: expects XML without a document type, got <!DOCTYPE {name}>. Remove it.")
