"""The autoregressive decoder: it writes each token from those before it and a context."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError, unknown_name
from vidseq.heads import make_head
from vidseq.language.pieces import BEGIN, NEVER_WRITTEN
from vidseq.language.vocabulary import PADDING

#: Cells that read the tokens so far, and the heads that implement them.
CELLS = {"lstm": "lstm", "transformer": "attention"}
#: Embeddings of tokens.
EMBEDDINGS = ("learned", "one_hot")


class DecoderState(NamedTuple):
    """State of a decoder that writes N sequences; never changed in place."""

    context: Tensor
    """Projected contexts, (N, D)."""
    cell: Any
    """The cell's state: a NamedTuple of tensors, N first."""


class OneHot(nn.Module):
    """Maps tokens to one-hot vectors, without parameters.

    Args:
        num_tokens: number of token ids.
        dim: width of the vectors, at least `num_tokens`.

    Raises:
        UserError: `dim` is too small.
    """

    def __init__(self, num_tokens: int, dim: int) -> None:
        super().__init__()
        if dim < num_tokens:
            raise UserError(
                f"A decoder with one_hot embedding expects a dim of at least its {num_tokens} tokens, got {dim}. "
                f"Use a larger dim, or the learned embedding."
            )
        self.dim = dim

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps long (...) to float (..., D)."""
        return F.one_hot(tokens, self.dim).to(torch.get_default_dtype())


class NextToken(nn.Module):
    """Maps the cell's output to log-probabilities of the next token; tokens in `NEVER_WRITTEN` have none.

    Args:
        dim: width D of the cell.
        num_tokens: number of token ids V.
    """

    def __init__(self, dim: int, num_tokens: int) -> None:
        super().__init__()
        written = [token for token in range(num_tokens) if token not in NEVER_WRITTEN]
        self.classifier = nn.Linear(dim, len(written))
        self.register_buffer("written", torch.tensor(written), persistent=False)
        self.written: Tensor
        self.num_tokens = num_tokens

    def forward(self, y: Tensor, read: Tensor) -> Tensor:
        """Maps outputs (..., D) after tokens (...) to log-probabilities (..., V)."""
        log_probs = self.classifier(y).log_softmax(dim=-1)
        never = log_probs.new_full((*y.shape[:-1], self.num_tokens), -torch.inf)
        return never.index_copy(-1, self.written, log_probs)


class Decoder(nn.Module):
    """Writes sequences from a context: p(w_1 ... w_L | c) = prod_i p(w_i | w_1 ... w_(i-1), c).

        c ──────┬──────────┬──────────┐
                ▼          ▼          ▼
        begin ─►cell─► w_1 ─►cell─► w_2 ─►cell─► end          every cell outputs log-probabilities of the next token

    The cell is a temporal head over tokens. So writing token by token and reading a whole sequence at once (teacher
    forcing) are one computation. The context is added to every token that the cell reads.

    Args:
        num_tokens: number of token ids V: 0 is padding, 2 the beginning.
        dim: width D of the cell.
        context_dim: width of the context.
        cell: one of `CELLS`.
        cell_options: the head's own options, such as {"layers": 2}.
        embedding: one of `EMBEDDINGS`.
        dropout: share of channels dropped in training, of embeddings and before the classifier.
        next_token: maps the cell's output and the last token to log-probabilities; None: a softmax over all tokens.

    Raises:
        UserError: a cell, embedding or option is unknown or does not fit.
    """

    def __init__(
        self,
        num_tokens: int,
        dim: int,
        *,
        context_dim: int,
        cell: str = "lstm",
        cell_options: Mapping[str, object] | None = None,
        embedding: str = "learned",
        dropout: float = 0.0,
        next_token: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise unknown_name("decoder cell", cell, CELLS)
        if embedding not in EMBEDDINGS:
            raise unknown_name("embedding", embedding, EMBEDDINGS)
        self.embedding = nn.Embedding(num_tokens, dim) if embedding == "learned" else OneHot(num_tokens, dim)
        self.from_context = nn.Linear(context_dim, dim)
        self.cell = make_head(CELLS[cell], dim, cell_options)
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)
        self.next_token = next_token or NextToken(dim, num_tokens)

    def init_state(self, context: Tensor) -> DecoderState:
        """Makes the state before the first token of N sequences, from contexts (N, context_dim)."""
        return DecoderState(self.from_context(context), self.cell.init_state(len(context)))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Reads one token of each sequence and predicts the next.

        Args:
            tokens: the newest, long (N,); `BEGIN` at first.
            state: from `init_state` or an earlier `step`; not changed.

        Returns:
            log-probabilities of the next token, (N, V), and the new state.
        """
        y, cell = self.cell.step(self._read(tokens, state.context)[:, None], state.cell)
        return self._predict(y[:, 0], tokens), DecoderState(state.context, cell)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Predicts every token of sequences from the tokens before it (teacher forcing).

        Args:
            tokens: long (N, L), 0 behind the last.
            context: (N, context_dim).

        Returns:
            log-probabilities (N, L, V); those at position i depend only on tokens before i.
        """
        return self._after(shift_right(tokens), context)

    def log_prob(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Computes the log-probability of whole sequences, the sum of those of their tokens (the chain rule).

        Args:
            tokens: long (N, L), 0 behind the last; without an end token, a sequence stands for all that start with it.
            context: (N, context_dim).

        Returns:
            (N,).
        """
        return token_log_probs(self(tokens, context), tokens).sum(dim=1)

    def loss(self, tokens: Tensor, context: Tensor, *, label_smoothing: float = 0.0, own_share: float = 0.0) -> Tensor:
        """Computes the mean negative log-likelihood over all tokens; zero where there is none.

        Args:
            tokens: long (N, L), 0 behind the last.
            context: (N, context_dim).
            label_smoothing: share of the target's probability that is spread over all possible tokens.
            own_share: probability that the decoder reads its own sample instead of the true token.

        Source: scheduled sampling, Bengio et al., arXiv:1506.03099, section 2.4; samples are drawn from torch's
        random state and take no gradient, as there.
        """
        read = self._sampled_inputs(tokens, context, own_share) if own_share > 0 else shift_right(tokens)
        return sequence_loss(self._after(read, context), tokens, label_smoothing=label_smoothing)

    def _after(self, read: Tensor, context: Tensor) -> Tensor:
        """Computes log-probabilities (N, L, V) after each of the tokens read, (N, L)."""
        x = self._read(read, self.from_context(context)[:, None])
        return self._predict(self.cell(x), read)

    def _read(self, tokens: Tensor, context: Tensor) -> Tensor:
        return self.dropout(self.embedding(tokens).to(context.dtype)) + context

    def _predict(self, y: Tensor, read: Tensor) -> Tensor:
        return self.next_token(self.dropout(self.norm(y)), read).float()

    @torch.no_grad()
    def _sampled_inputs(self, tokens: Tensor, context: Tensor, own_share: float) -> Tensor:
        """Makes inputs in which some tokens are the decoder's own, each drawn given the inputs before it."""
        state = self.init_state(context)
        read = [torch.full_like(tokens[:, 0], BEGIN)] if tokens.shape[1] else []
        for true in tokens[:, :-1].unbind(dim=1):
            log_probs, state = self.step(read[-1], state)
            sampled = torch.multinomial(log_probs.exp(), 1)[:, 0]
            read.append(torch.where(torch.rand(sampled.shape, device=sampled.device) < own_share, sampled, true))
        return torch.stack(read, dim=1) if read else tokens


def shift_right(tokens: Tensor) -> Tensor:
    """Shifts tokens, long (N, L), right by one, with the beginning first: the input of teacher forcing."""
    return F.pad(tokens, (1, 0), value=BEGIN)[:, :-1] if tokens.shape[1] else tokens


def token_log_probs(log_probs: Tensor, tokens: Tensor) -> Tensor:
    """Picks the log-probability of every token: (N, L, V) and long (N, L) to (N, L), zero at padding."""
    picked = log_probs.gather(-1, tokens[..., None])[..., 0]
    return picked.masked_fill(tokens == PADDING, 0)


def sequence_loss(log_probs: Tensor, tokens: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Computes the mean cross-entropy over all tokens but padding; zero, not NaN, where there is none.

    Args:
        log_probs: (N, L, V), -infinity for impossible tokens.
        tokens: long (N, L).
        label_smoothing: share of the target's probability that is spread over all possible tokens.
    """
    is_token = tokens != PADDING
    count = is_token.sum().clamp(min=1)
    loss = -token_log_probs(log_probs, tokens).sum() / count
    if label_smoothing == 0:
        return loss
    possible = torch.isfinite(log_probs)
    spread = log_probs.masked_fill(~possible, 0).sum(dim=-1) / possible.sum(dim=-1).clamp(min=1)
    return (1 - label_smoothing) * loss - label_smoothing * spread.masked_fill(~is_token, 0).sum() / count
