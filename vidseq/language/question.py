"""Encoding of question texts as vectors."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from vidseq.language.vocabulary import PADDING, UNKNOWN
from vidseq.ops.exported import is_exporting


def pad_tokens(texts: Sequence[Sequence[int]]) -> Tensor:
    """Pads texts of different lengths to one tensor.

    Args:
        texts: the word ids of each text; a text may be empty.

    Returns:
        long (N, W), 0 behind the last word; W is at least 1.
    """
    width = max([1, *map(len, texts)])
    tokens = torch.full((len(texts), width), PADDING, dtype=torch.long)
    for row, text in enumerate(texts):
        tokens[row, : len(text)] = torch.as_tensor(text, dtype=torch.long)
    return tokens


class QuestionEncoder(nn.Module):
    """Reads a question in both directions, keeps the strongest response of each channel, and adds what its words say.

    The sum of the words has no order, but it distinguishes questions before any training: without it, a model takes
    several times as many steps until it knows which thing a question is about.

    An empty text gives zeros. Each distinct text is encoded once, with one draw of dropout. In training some words are
    replaced by unknown, so that the model tolerates new words.

    Args:
        vocab_size: number of word ids, padding and unknown included.
        dim: width D of the vectors; even.
        dropout: share of channels dropped in training, of words and of vectors.
        word_dropout: share of words replaced by unknown in training.

    Source: Conneau et al., arXiv:1705.02364, section 3.2.2 (BiLSTM with max pooling); sum of words: Iyyer et al., Deep
    unordered composition rivals syntactic methods for text classification, 2015.
    """

    def __init__(self, vocab_size: int, dim: int, *, dropout: float = 0.0, word_dropout: float = 0.0) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"QuestionEncoder expects an even dim, got {dim}. Use {dim + 1}.")
        self.word_dropout = word_dropout
        self.embedding = nn.Embedding(vocab_size, dim, padding_idx=PADDING)
        self.reader = nn.LSTM(dim, dim // 2, batch_first=True, bidirectional=True)
        self.words = nn.Linear(dim, dim)
        self.dropout = dropout

    def forward(self, tokens: Tensor, *, steady: bool = False) -> Tensor:
        """Encodes questions.

        Args:
            tokens: long (..., W), 0 behind the last word.
            steady: nothing is dropped in training.

        Returns:
            (..., D).
        """
        flat = tokens.flatten(0, -2)
        if is_exporting():
            return self._encode_plainly(flat).reshape(*tokens.shape[:-1], -1)
        filled = torch.nonzero((flat != PADDING).any(dim=1)).squeeze(1)
        vectors = self.embedding.weight.new_zeros(flat.shape[0], self.embedding.embedding_dim)
        if len(filled):
            texts, index = flat.index_select(0, filled).unique(dim=0, return_inverse=True)
            encoded = self._encode(texts, dropped=self.training and not steady).index_select(0, index)
            vectors = vectors.to(encoded.dtype).index_copy(0, filled, encoded)
        return vectors.reshape(*tokens.shape[:-1], vectors.shape[-1])

    def _encode(self, tokens: Tensor, *, dropped: bool) -> Tensor:
        lengths = (tokens != PADDING).sum(dim=1)
        if dropped and self.word_dropout > 0:
            lost = torch.rand(tokens.shape, device=tokens.device) < self.word_dropout
            tokens = torch.where(lost & (tokens != PADDING), UNKNOWN, tokens)
        words = functional.dropout(self.embedding(tokens), self.dropout, dropped)
        packed = pack_padded_sequence(words, lengths.cpu(), batch_first=True, enforce_sorted=False)
        read, _ = pad_packed_sequence(self.reader(packed)[0], batch_first=True, padding_value=float("-inf"))
        unordered = words.sum(dim=1) / lengths[:, None].sqrt()  # padding's embedding is zero
        return functional.dropout(read.amax(dim=1) + self.words(unordered), self.dropout, dropped)

    def _encode_plainly(self, tokens: Tensor) -> Tensor:
        """Encodes texts (N, W) by operators that ONNX has, (N, D); W may be any number when it runs."""
        known = tokens != PADDING
        lengths = known.sum(dim=1)
        words = self.embedding(tokens)
        read = _onnx_lstm(self.reader, words.transpose(0, 1), lengths.int()).permute(2, 0, 1, 3).flatten(2)
        strongest = read.masked_fill(~known[..., None], float("-inf")).amax(dim=1)
        unordered = words.sum(dim=1) / lengths.clamp(min=1)[:, None].to(words.dtype).sqrt()
        return torch.where(known.any(dim=1, keepdim=True), strongest + self.words(unordered), 0.0)


def _onnx_lstm(kernel: nn.LSTM, x: Tensor, lengths: Tensor) -> Tensor:
    """ONNX's operator of a recurrence in both directions, whose gates are in the order i, o, f, g.

    Args:
        kernel: one layer.
        x: (W, N, D).
        lengths: int32 (N,).

    Returns:
        (W, 2, N, H).
    """

    def ordered(part: Tensor) -> Tensor:
        i, f, g, o = part.chunk(4)
        return torch.cat([i, o, f, g])

    both = [[ordered(part) for part in direction] for direction in kernel.all_weights]
    inputs, hidden = (torch.stack([direction[index] for direction in both]) for index in (0, 1))
    biases = torch.stack([torch.cat(direction[2:]) for direction in both])
    width = kernel.hidden_size
    return torch.onnx.ops.symbolic(
        "LSTM",
        [x, inputs, hidden, biases, lengths],
        {"hidden_size": width, "direction": "bidirectional"},
        dtype=x.dtype,
        shape=(x.shape[0], 2, x.shape[1], width),
        version=14,
    )
