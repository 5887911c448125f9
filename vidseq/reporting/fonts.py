"""Finds fonts for the letters of any script, among the bundled ones and those of the system."""

import functools
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vidseq.reporting.bidi import without_controls

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Words in the names of files whose letters are not plain; such fonts come last.
_NOT_PLAIN = ("bold", "italic", "oblique", "mono", "thin", "black", "light", "condensed", "serif", "medium", "math")
#: Letters that were reported as lacking, so that each is reported once.
_reported: set[str] = set()


@functools.cache
def letters_of(path: str) -> frozenset[int]:
    """Returns the code points that a font file has letters for; none if it cannot be read."""
    from matplotlib.ft2font import FT2Font  # here, because few texts need another font

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return frozenset(FT2Font(path).get_charmap())
    except (RuntimeError, OSError, ValueError):
        return frozenset()


@functools.cache
def system_fonts() -> tuple[str, ...]:
    """Returns the font files of this machine: the bundled DejaVu Sans first, plain ones before others."""
    from matplotlib import font_manager, get_data_path

    bundled = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    found = sorted(font_manager.findSystemFonts(), key=lambda path: (_plainness(path), path))
    return (str(bundled), *found)


def _plainness(path: str) -> int:
    name = Path(path).stem.lower().replace("sansserif", "")
    return sum(word in name for word in _NOT_PLAIN)


@functools.lru_cache(maxsize=512)
def font_for(text: str) -> str:
    """Returns the font file that lacks the fewest letters of a text, the first of equals."""
    wanted = _visible(text)
    best, fewest = system_fonts()[0], len(wanted) + 1
    for path in system_fonts():
        lacking = len(wanted - letters_of(path))
        if lacking < fewest:
            best, fewest = path, lacking
        if not fewest:
            break
    return best


def report_missing(texts: Iterable[str]) -> str:
    """Writes one line to the error stream if no font has some letters of texts; each letter is reported once.

    Returns:
        the letters that are lacking now, sorted.
    """
    lacking = {chr(code) for text in set(texts) for code in _visible(text) - letters_of(font_for(text))}
    new = "".join(sorted(lacking - _reported))
    if new:
        _reported.update(new)
        more = f" and {len(new) - 20} more" if len(new) > 20 else ""
        print(
            f"vidseq: no font on this machine has the letters {new[:20]}{more}: they are drawn as boxes. "
            "Install a font that has them, such as Noto Sans for that script.",
            file=sys.stderr,
        )
    return "".join(sorted(lacking))


def set_fonts(figure: "Figure") -> None:
    """Gives the words of a figure a second font where the usual one lacks letters; reports those that no font has.

    Characters that would turn the direction of other words are left out.
    """
    from matplotlib import font_manager
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(without_controls(text.get_text()))
    usual = letters_of(system_fonts()[0])
    found = {text: _visible(text.get_text()) - usual for text in figure.findobj(Text)}
    foreign = {text: "".join(map(chr, sorted(lacking))) for text, lacking in found.items() if lacking}
    for text, letters in foreign.items():
        path = font_for(letters)
        if path != system_fonts()[0]:
            font_manager.fontManager.addfont(path)
            name = font_manager.FontProperties(fname=path).get_name()
            text.set_fontfamily(["DejaVu Sans", name])
    report_missing(foreign.values())


def _visible(text: str) -> frozenset[int]:
    """Returns the code points of a text that need a letter: no spaces and no joiners."""
    return frozenset(ord(letter) for letter in text if letter.isprintable() and not letter.isspace())
