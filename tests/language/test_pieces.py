import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.errors import UserError
from vidseq.language.pieces import BEGIN, END, FIRST_PIECE, PieceVocabulary
from vidseq.language.vocabulary import PADDING, UNKNOWN


def test_words_come_back_as_a_person_would_write_them() -> None:
    vocabulary = PieceVocabulary.build(["The girl turned it off.", "Ann's chair, red"])
    assert vocabulary.decode(vocabulary.encode("the girl turned  it OFF .")) == "the girl turned it off."
    assert vocabulary.decode(vocabulary.encode("Ann's chair, red")) == "ann's chair, red"
    assert vocabulary.encode("the boy") == [vocabulary.encode("the")[0], UNKNOWN, END]
    assert vocabulary.decode(vocabulary.encode("the boy")) == "the <unknown>"


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_characters_come_back_exactly(texts: list[str]) -> None:
    vocabulary = PieceVocabulary.build(texts, "character")
    for text in texts:
        tokens = vocabulary.encode(text)
        assert tokens[-1] == END
        assert min([FIRST_PIECE, *tokens[:-1]]) == FIRST_PIECE
        assert vocabulary.decode([BEGIN, *tokens, PADDING, PADDING]) == text


def test_the_same_texts_give_the_same_vocabulary() -> None:
    first, second = PieceVocabulary.build(["b a", "c a"]), PieceVocabulary.build(["c a", "b a"])
    assert first.pieces == second.pieces == ("a", "b", "c")
    assert len(first) == 7
    assert PieceVocabulary.build(["b a", "c a"], min_count=2).pieces == ("a",)
    assert [first.name_of(index) for index in range(5)] == ["<padding>", "<unknown>", "<begin>", "<end>", "a"]


def test_wrong_vocabularies_are_refused() -> None:
    with pytest.raises(UserError, match=r"expects the unit word or character, got 'syllable'\."):
        PieceVocabulary((), "syllable")
    with pytest.raises(ValueError, match=r"expects every piece once, got 'a' twice\. Remove one\."):
        PieceVocabulary(["a", "a"])
