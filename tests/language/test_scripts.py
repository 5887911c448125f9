"""Questions in any script have words."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidseq.language.pieces import PieceVocabulary
from vidseq.language.vocabulary import UNKNOWN, Vocabulary, split_words

SENTENCES = {
    "Chinese": ("是什么颜色?", ["是", "什", "么", "颜", "色", "?"]),
    "Japanese": ("何をしていますか。", [*"何をしていますか", "。"]),
    "Thai": ("ทำอะไร", ["ท", "ำ", "อ", "ะ", "ไ", "ร"]),
    "Hindi": ("वह क्या कर रही है?", ["वह", "क्या", "कर", "रही", "है", "?"]),
    "Arabic": ("ماذا يفعل؟", ["ماذا", "يفعل", "؟"]),
    "Korean": ("무슨 색인가요?", ["무슨", "색인가요", "?"]),
    "Russian": ("Какого цвета?", ["какого", "цвета", "?"]),
    "Vietnamese": ("Đó là màu gì?", ["đó", "là", "màu", "gì", "?"]),
    "mixed": ("红色 T-shirt", ["红", "色", "t", "-", "shirt"]),
}


@pytest.mark.parametrize("script", SENTENCES)
def test_a_sentence_has_several_words(script: str) -> None:
    text, words = SENTENCES[script]
    assert split_words(text) == words
    assert split_words(unicodedata.normalize("NFD", text)) == words
    assert UNKNOWN not in Vocabulary.build([text]).encode(text)


@pytest.mark.parametrize("text", ["红色", "打开 fridge", "what is it?", "क्या है", "どこですか。"])
def test_answers_in_words_come_back_as_they_were(text: str) -> None:
    vocabulary = PieceVocabulary.build([text])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(text=st.text(max_size=30))
def test_no_letter_is_lost(text: str) -> None:
    kept = unicodedata.normalize("NFC", text.lower())
    assert "".join(split_words(text)) == "".join(kept.split()) or not kept.isprintable()
