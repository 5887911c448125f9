"""The pieces that texts are written in: words or characters, each with a number."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from vidseq.errors import UserError
from vidseq.language.vocabulary import PADDING, UNKNOWN, split_words

#: What is read before the first piece; never written.
BEGIN = 2
#: What is written after the last piece.
END = 3
#: Number of the first piece.
FIRST_PIECE = 4
#: Numbers that are never written: padding comes after the end, and the beginning is given.
NEVER_WRITTEN = (PADDING, BEGIN)
#: What a text can be cut into.
UNITS = ("word", "character")

_UNKNOWN_TEXT = {"word": "<unknown>", "character": "\N{REPLACEMENT CHARACTER}"}
_SPACE_BEFORE_MARK = re.compile(r" (?=[.,;:!?](?: |$))")


class PieceVocabulary:
    """The pieces that a decoder reads and writes; 0 is padding, 1 an unknown piece, 2 the beginning, 3 the end.

    Args:
        pieces: the known ones, the first of them number 4.
        unit: one of `UNITS`. Words are lower-case and joined by spaces; characters are kept as they are.

    Raises:
        UserError: another unit.
        ValueError: a piece comes twice.
    """

    def __init__(self, pieces: Sequence[str], unit: str = "word") -> None:
        if unit not in UNITS:
            raise UserError(f"A vocabulary of pieces expects the unit {' or '.join(UNITS)}, got '{unit}'.")
        self.pieces = tuple(pieces)
        self.unit = unit
        self._numbers = {piece: number for number, piece in enumerate(self.pieces, start=FIRST_PIECE)}
        if len(self._numbers) < len(self.pieces):
            twice = next(piece for piece, count in Counter(self.pieces).items() if count > 1)
            raise ValueError(f"A vocabulary of pieces expects every piece once, got '{twice}' twice. Remove one.")

    @classmethod
    def build(cls, texts: Iterable[str], unit: str = "word", *, min_count: int = 1) -> "PieceVocabulary":
        """Collects the pieces of texts, sorted, so that one set of texts gives one vocabulary.

        Args:
            texts: the training split's answers.
            unit: one of `UNITS`.
            min_count: pieces seen less often stay unknown.
        """
        vocabulary = cls((), unit)
        counts = Counter(piece for text in texts for piece in vocabulary.split(text))
        return cls(sorted(piece for piece, count in counts.items() if count >= min_count), unit)

    def __len__(self) -> int:
        """Numbers in use: padding, unknown, beginning and end included."""
        return len(self.pieces) + FIRST_PIECE

    def split(self, text: str) -> list[str]:
        """Cuts a text into pieces."""
        return split_words(text) if self.unit == "word" else list(text)

    def encode(self, text: str) -> list[int]:
        """Turns a text into what a decoder should write: a number a piece, 1 where it is unknown, and the end."""
        return [*(self._numbers.get(piece, UNKNOWN) for piece in self.split(text)), END]

    def decode(self, tokens: Iterable[int]) -> str:
        """Turns what a decoder wrote into a text; the end and padding are left out.

        For text whose pieces are known, this undoes `encode` up to case and spaces (words) or wholly (characters).
        """
        pieces = [self.name_of(token) for token in tokens if token not in (PADDING, BEGIN, END)]
        return _SPACE_BEFORE_MARK.sub("", " ".join(pieces)) if self.unit == "word" else "".join(pieces)

    def name_of(self, token: int) -> str:
        """What a number stands for, for pictures and messages."""
        names = {PADDING: "<padding>", UNKNOWN: _UNKNOWN_TEXT[self.unit], BEGIN: "<begin>", END: "<end>"}
        return names[token] if token in names else self.pieces[token - FIRST_PIECE]
