"""The vocabulary of questions: words and their ids."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

#: Id of the padding behind a short text.
PADDING = 0
#: Id of every word that was not seen in training.
UNKNOWN = 1

#: Letters of scripts that set no spaces between words: Thai, Lao, Burmese, Khmer, and the Chinese and Japanese ones.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
#: Marks that belong to the letter before them, such as the vowels of Devanagari and Thai; `\w` has none of them.
_MARKS = "".join(chr(code) for code in range(0x300, 0x3100) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
_JOINERS = "\u200c\u200d"
_LETTER = rf"(?:[^\W{_UNSPACED}]|[{_MARKS}{_JOINERS}])"
_NO_SPACE = re.compile(rf"(?<=[{_UNSPACED}]) (?=[{_UNSPACED}])| (?=[.,;:!?](?: |$))| (?=[。、，；：！？।])")
#: What `split_words` finds in a text of lower case, composed (NFC).
WORD_PATTERN = rf"[{_UNSPACED}][{_MARKS}]*|{_LETTER}+(?:'{_LETTER}+)?|[^\w\s]"
_WORD = re.compile(WORD_PATTERN)


def split_words(text: str) -> list[str]:
    """Splits a text into lower-case words and punctuation marks.

    Scripts without spaces between words, such as Chinese, Japanese and Thai, are split into their letters. Letters are
    composed (NFC), and vowel signs stay with their letters.
    """
    return _WORD.findall(unicodedata.normalize("NFC", text.lower()))


def join_words(words: Iterable[str]) -> str:
    """Joins words to a text: with spaces between them, but none within scripts that set none, nor before marks."""
    return _NO_SPACE.sub("", " ".join(words))


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
