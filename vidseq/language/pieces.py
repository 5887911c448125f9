"""The pieces of generated texts: words or characters, each with an id."""

from collections import Counter
from collections.abc import Iterable, Sequence

from vidseq.errors import UserError
from vidseq.language.vocabulary import PADDING, UNKNOWN, join_words, split_words

#: Id that is read before the first piece; never written.
BEGIN = 2
#: Id that is written after the last piece.
END = 3
#: Id of the first piece.
FIRST_PIECE = 4
#: Ids that are never written: padding follows the end, and the beginning is given.
NEVER_WRITTEN = (PADDING, BEGIN)
#: Units into which a text can be split.
UNITS = ("word", "character")

_UNKNOWN_TEXT = {"word": "<unknown>", "character": "\N{REPLACEMENT CHARACTER}"}


class PieceVocabulary:
    """The pieces that a decoder reads and writes; 0 is padding, 1 an unknown piece, 2 the beginning, 3 the end.

    Args:
        pieces: the known pieces; the first has id 4.
        unit: one of `UNITS`. Words are lower-case and separated by spaces; characters are kept as they are.

    Raises:
        UserError: the unit is unknown.
        ValueError: a piece appears twice.
    """

    def __init__(self, pieces: Sequence[str], unit: str = "word") -> None:
        if unit not in UNITS:
            raise UserError(f"A vocabulary of pieces expects the unit {' or '.join(UNITS)}, got '{unit}'.")
        self.pieces = tuple(pieces)
        self.unit = unit
        self._ids = {piece: index for index, piece in enumerate(self.pieces, start=FIRST_PIECE)}
        if len(self._ids) < len(self.pieces):
            twice = next(piece for piece, count in Counter(self.pieces).items() if count > 1)
            raise ValueError(f"A vocabulary of pieces expects every piece once, got '{twice}' twice. Remove one.")

    @classmethod
    def build(cls, texts: Iterable[str], unit: str = "word", *, min_count: int = 1) -> "PieceVocabulary":
        """Builds a vocabulary from the pieces of texts, sorted, so that the same texts give the same vocabulary.

        Args:
            texts: the training split's answers.
            unit: one of `UNITS`.
            min_count: rarer pieces stay unknown.
        """
        vocabulary = cls((), unit)
        counts = Counter(piece for text in texts for piece in vocabulary.split(text))
        return cls(sorted(piece for piece, count in counts.items() if count >= min_count), unit)

    def __len__(self) -> int:
        """Number of ids: padding, unknown, beginning and end included."""
        return len(self.pieces) + FIRST_PIECE

    def split(self, text: str) -> list[str]:
        """Splits a text into pieces."""
        return split_words(text) if self.unit == "word" else list(text)

    def encode(self, text: str) -> list[int]:
        """Encodes a text as a decoder should write it: an id per piece, 1 for unknown ones, and the end."""
        return [*(self._ids.get(piece, UNKNOWN) for piece in self.split(text)), END]

    def decode(self, tokens: Iterable[int]) -> str:
        """Decodes ids to a text; leaves out the end and padding.

        For a text of known pieces, this reverses `encode` up to case and spaces (words) or exactly (characters).
        """
        pieces = [self.name_of(token) for token in tokens if token not in (PADDING, BEGIN, END)]
        return join_words(pieces) if self.unit == "word" else "".join(pieces)

    def name_of(self, token: int) -> str:
        """Returns the text of an id, for figures and messages."""
        names = {PADDING: "<padding>", UNKNOWN: _UNKNOWN_TEXT[self.unit], BEGIN: "<begin>", END: "<end>"}
        return names[token] if token in names else self.pieces[token - FIRST_PIECE]
