"""Words to numbers."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

#: Number of the padding behind a short text.
PADDING = 0
#: Number of every word that was not seen in training.
UNKNOWN = 1

_WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Splits a text into lower-case words and punctuation marks."""
    return _WORD.findall(text.lower())


class Vocabulary:
    """The words that a model knows, each with a number; 0 is padding and 1 an unknown word.

    Args:
        words: the known words, the first of them number 2.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words, start=UNKNOWN + 1)}
        if len(self._numbers) < len(self.words):
            twice = next(word for word, count in Counter(self.words).items() if count > 1)
            raise ValueError(f"Vocabulary expects every word once, got '{twice}' twice. Remove one.")

    @classmethod
    def build(cls, texts: Iterable[str], *, min_count: int = 1) -> "Vocabulary":
        """Collects the words of texts, sorted, so that one set of texts gives one vocabulary.

        Args:
            texts: the training split's questions.
            min_count: words seen less often stay unknown.
        """
        counts = Counter(word for text in texts for word in split_words(text))
        return cls(sorted(word for word, count in counts.items() if count >= min_count))

    def __len__(self) -> int:
        """Numbers in use, padding and unknown included."""
        return len(self.words) + UNKNOWN + 1

    def encode(self, text: str | None) -> list[int]:
        """Turns a text into numbers.

        Args:
            text: any text; None or "" gives no numbers.

        Returns:
            one number a word, 1 where the word is unknown.
        """
        return [self._numbers.get(word, UNKNOWN) for word in split_words(text or "")]
