"""A slow, obvious autoregressive model: a table of probabilities for every prefix."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from vidseq.language.search import Writer

BEGIN, END = 0, 1


class Prefix(NamedTuple):
    """Tokens read so far."""

    tokens: Tensor
    """(N, L), the beginning included."""
    row: Tensor
    """Which table, (N, 1)."""


class Tables:
    """Language models over `num_tokens` tokens, one a row; probabilities are drawn anew for each prefix."""

    def __init__(self, num_tokens: int, seed: int = 0, sharpness: float = 1.5) -> None:
        self.num_tokens, self._seed, self._sharpness = num_tokens, seed, sharpness
        self._drawn: dict[tuple[int, ...], np.ndarray] = {}

    def probabilities(self, row: int, prefix: tuple[int, ...]) -> np.ndarray:
        """(V,), zero for the beginning."""
        key = (row, *prefix)
        if key not in self._drawn:
            self._drawn[key] = self._draw(row, prefix)
        return self._drawn[key]

    def _draw(self, row: int, prefix: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng([self._seed, row, *prefix])
        weights = np.exp(self._sharpness * rng.normal(size=self.num_tokens))
        weights[BEGIN] = 0
        return weights / weights.sum()

    def step(self, tokens: Tensor, state: Prefix) -> tuple[Tensor, Prefix]:
        """See `vidseq.language.search.Step`."""
        read = torch.cat([state.tokens, tokens[:, None]], dim=1)
        rows = [self.probabilities(row, tuple(p)) for (row,), p in zip(state.row.tolist(), read[:, 1:].tolist())]
        with np.errstate(divide="ignore"):
            return torch.from_numpy(np.log(np.stack(rows))), Prefix(read, state.row)

    def start(self, *rows: int) -> Prefix:
        """The state before the beginning."""
        return Prefix(torch.zeros(len(rows), 0, dtype=torch.long), torch.tensor(rows)[:, None])

    def writer(self, max_length: int, **options: tuple[int, ...]) -> Writer:
        """As a search sees them."""
        return Writer(self.step, BEGIN, END, max_length, **options)

    def all_sequences(self, row: int, max_length: int) -> dict[tuple[int, ...], float]:
        """Log-probability of every sequence that ends, and of every one that has not ended after `max_length`."""
        found = {}
        others = [token for token in range(self.num_tokens) if token not in (BEGIN, END)]
        for length in range(max_length):
            for start in itertools.product(others, repeat=length):
                found[(*start, END)] = self.log_prob(row, (*start, END))
        for whole in itertools.product(others, repeat=max_length):
            found[whole] = self.log_prob(row, whole)
        return found

    def log_prob(self, row: int, tokens: tuple[int, ...]) -> float:
        """The chain rule, spelt out."""
        return sum(
            math.log(self.probabilities(row, tokens[:position])[token]) for position, token in enumerate(tokens)
        )


@pytest.fixture
def tables() -> Tables:
    """Models over five tokens."""
    return Tables(5)
