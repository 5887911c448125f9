import pytest

from vidseq.language.vocabulary import UNKNOWN, Vocabulary, split_words


def test_words_and_punctuation_are_split() -> None:
    assert split_words("What's Ann's 2nd colour, now?") == ["what's", "ann's", "2nd", "colour", ",", "now", "?"]


def test_unknown_words_share_one_id() -> None:
    vocabulary = Vocabulary.build(["Who is it?", "who was it"])
    assert vocabulary.words == ("?", "is", "it", "was", "who")
    assert len(vocabulary) == 7
    assert vocabulary.encode("Who was Frank?") == [6, 5, UNKNOWN, 2]
    assert vocabulary.encode(None) == vocabulary.encode("") == []


def test_rare_words_stay_unknown() -> None:
    assert Vocabulary.build(["a b", "a c"], min_count=2).words == ("a",)


def test_a_repeated_word_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expects every word once, got 'a' twice\. Remove one\."):
        Vocabulary(["a", "b", "a"])
