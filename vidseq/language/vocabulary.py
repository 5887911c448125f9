"""The vocabulary of questions: words and their ids."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

#: Id of the padding behind a short text.
PADDING = 0
#: Id of every word that was not seen in training.
UNKNOWN = 1

_WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Splits a text into lower-case words and punctuation marks."""
    return _WORD.findall(text.lower())


class Vocabulary:
    """The words that a model knows, each with an id; 0 is padding and 1 an unknown word.

    Args:
        words: the known words; the first has id 2.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words = tuple(words)
        self._ids = {word: index for index, word in enumerate(self.words, start=UNKNOWN + 1)}
        if len(self._ids) < len(self.words):
            twice = next(word for word, count in Counter(self.words).items() if count > 1)
            raise ValueError(f"Vocabulary expects every word once, got '{twice}' twice. Remove one.")

    @classmethod
    def build(cls, texts: Iterable[str], *, min_count: int = 1) -> "Vocabulary":
        """Builds a vocabulary from the words of texts, sorted, so that the same texts give the same vocabulary.

        Args:
            texts: the training split's questions.
            min_count: rarer words stay unknown.
        """
        counts = Counter(word for text in texts for word in split_words(text))
        return cls(sorted(word for word, count in counts.items() if count >= min_count))

    def __len__(self) -> int:
        """Number of ids, padding and unknown included."""
        return len(self.words) + UNKNOWN + 1

    def encode(self, text: str | None) -> list[int]:
        """Encodes a text as word ids.

        Args:
            text: any text; None or "" gives no ids.

        Returns:
            one id per word, 1 where the word is unknown.
        """
        return [self._ids.get(word, UNKNOWN) for word in split_words(text or "")]
