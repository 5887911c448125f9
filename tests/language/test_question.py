import pytest
import torch

from vidseq.language.question import QuestionEncoder, pad_tokens


def test_padding_does_not_change_a_question() -> None:
    encoder = QuestionEncoder(9, 8).eval()
    alone = encoder(pad_tokens([[2, 3]]))
    together = encoder(pad_tokens([[2, 3], [4, 5, 6, 7, 8]]))
    torch.testing.assert_close(alone[0], together[0])


def test_an_empty_question_is_zero() -> None:
    encoder = QuestionEncoder(9, 8).eval()
    assert not encoder(pad_tokens([[], [2]]))[0].any()
    assert not encoder(pad_tokens([[]])).any()
    assert encoder(pad_tokens([]).reshape(0, 3)).shape == (0, 8)


def test_word_order_matters() -> None:
    encoder = QuestionEncoder(9, 8).eval()
    first, second = encoder(pad_tokens([[2, 3, 4], [4, 3, 2]]))
    assert (first - second).abs().max() > 1e-3


def test_any_leading_shape_will_do() -> None:
    tokens = torch.randint(1, 9, (2, 3, 4))
    assert QuestionEncoder(9, 8).eval()(tokens).shape == (2, 3, 8)


def test_word_dropout_is_for_training_alone() -> None:
    encoder = QuestionEncoder(9, 8, word_dropout=1.0)
    tokens = pad_tokens([[2, 3], [4, 5]])
    first, second = encoder(tokens)
    torch.testing.assert_close(first, second)  # all words are unknown now
    first, second = encoder.eval()(tokens)
    assert (first - second).abs().max() > 1e-3


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expects an even dim, got 7\. Use 8\."):
        QuestionEncoder(9, 7)


def test_repeated_texts_are_encoded_alike_and_distinct_ones_differ() -> None:
    encoder = QuestionEncoder(9, 8).eval()
    tokens = torch.tensor([[2, 3, 0], [4, 0, 0], [2, 3, 0], [0, 0, 0], [5, 6, 7], [4, 0, 0]])
    together = encoder(tokens)
    for row, text in zip(together, tokens):
        torch.testing.assert_close(row, encoder(text[None])[0])


@torch.no_grad()
def test_an_untrained_encoder_separates_words_and_orders() -> None:
    torch.manual_seed(0)
    encoder = QuestionEncoder(30, 16).eval()
    red, blue, turned = encoder(pad_tokens([[2, 3, 4], [2, 3, 5], [4, 3, 2]]))
    assert float((red - blue).norm()) > 0.2 * float(red.norm())
    assert float((red - turned).norm()) > 1e-4
    padded = encoder(pad_tokens([[2, 3, 4], [2, 3, 4, 5, 6, 7]]))[0]
    torch.testing.assert_close(padded, red)
