"""Generation: sequences from any autoregressive model, by greedy choice, sampling, or beam search.

A model is a function `step(tokens, state) -> (log-probabilities, state)`; its state is a NamedTuple of tensors, rows
first, and is never changed in place, so that a search can go back to any of its states and on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidseq.errors import UserError

#: Newest tokens (N,) and a state to log-probabilities (N, V) of the next token and the new state.
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
#: Told of every step of a beam search: totals (N, W, V) of all completions, and which were kept, (N, W) numbers in
#: W x V; a total of -infinity is no completion.
Watch = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class Writer:
    """An autoregressive model as a search sees it."""

    step: Step
    begin: int
    """The token that is read first."""
    end: int
    """The token that ends a sequence."""
    max_length: int
    """At most so many tokens, the end included."""
    banned: tuple[int, ...] = ()
    """Tokens that are never chosen."""

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise UserError(f"Generation expects a max_length of at least 1, got {self.max_length}.")

    def next(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step of the model, without what is banned; what is left is not made to sum to one."""
        log_probs, state = self.step(tokens, state)
        if self.banned:
            log_probs = log_probs.index_fill(-1, torch.tensor(self.banned, device=log_probs.device), -torch.inf)
        return log_probs, state


@dataclass(frozen=True)
class Completion:
    """A sequence that was generated."""

    tokens: tuple[int, ...]
    """With the end, if it came to it."""
    log_prob: float
    """The model's log-probability of exactly these tokens."""
    score: float
    """What it is ranked by: the log-probability, divided by a power of the length where that was asked for."""
    finished: bool
    """Whether it came to its end before `max_length`."""


@torch.no_grad()
def greedy(writer: Writer, state: Any) -> list[Completion]:
    """Takes the likeliest token at every place, the lowest number of equals.

    Args:
        writer: the model.
        state: of N sequences before the beginning.

    Returns:
        one completion a row.
    """
    return _follow(writer, state, lambda log_probs: _ranked(log_probs).indices[:, 0])


@torch.no_grad()
def sample(
    writer: Writer,
    state: Any,
    *,
    num_samples: int = 1,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> list[list[Completion]]:
    """Draws every token from the model's distribution, sharpened and cut as told; see `narrowed`.

    Args:
        writer: the model.
        state: of N sequences before the beginning.
        num_samples: how many a row, drawn independently.
        temperature: see `narrowed`; 0 is greedy.
        top_k: see `narrowed`.
        top_p: see `narrowed`.
        generator: the dice; None: torch's own.

    Returns:
        `num_samples` completions for each row; log-probabilities are the model's own, before any sharpening.
    """
    rows = torch.arange(_num_rows(state), device=_device(state)).repeat_interleave(num_samples)

    def choose(log_probs: Tensor) -> Tensor:
        narrow = narrowed(log_probs, temperature=temperature, top_k=top_k, top_p=top_p)
        return torch.multinomial(narrow.exp(), 1, generator=generator)[:, 0]

    drawn = _follow(writer, select_rows(state, rows), choose)
    return [drawn[first : first + num_samples] for first in range(0, len(drawn), num_samples)]


def narrowed(
    log_probs: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Sharpens and cuts distributions, and makes what is left sum to one.

    Args:
        log_probs: (N, V).
        temperature: log-probabilities are divided by it; towards 0 only the likeliest token is left, at 0 exactly it.
        top_k: only so many likeliest tokens are left.
        top_p: only the fewest likeliest tokens are left that together have at least this probability (the nucleus).

    Returns:
        log-probabilities (N, V), -infinity outside.

    Raises:
        UserError: a temperature below 0, a top_k below 1, or a top_p that is not above 0 and at most 1.

    Source: Fan et al., arXiv:1805.04833 (top k); Holtzman et al., arXiv:1904.09751 (nucleus).
    """
    if not temperature >= 0:
        raise UserError(f"Sampling expects a temperature of at least 0, got {temperature}.")
    if top_k is not None and top_k < 1:
        raise UserError(f"Sampling expects a top_k of at least 1, got {top_k}.")
    if top_p is not None and not 0 < top_p <= 1:
        raise UserError(f"Sampling expects a top_p above 0 and at most 1, got {top_p}.")
    ranked, order = _ranked(log_probs.double())
    most = 1 if temperature == 0 else ranked.shape[-1] if top_k is None else min(top_k, ranked.shape[-1])
    ranked = ((ranked - ranked[:, :1]) / (temperature or 1.0)).log_softmax(dim=-1)
    kept = (torch.arange(ranked.shape[-1], device=ranked.device) < most).expand_as(ranked)
    if top_p is not None:
        ranked = ranked.masked_fill(~kept, -torch.inf).log_softmax(dim=-1)
        before = ranked.exp().cumsum(dim=-1) - ranked.exp()
        kept = kept & (before < top_p)
    ranked = ranked.masked_fill(~kept, -torch.inf).log_softmax(dim=-1)
    return torch.full_like(ranked, -torch.inf).scatter(-1, order, ranked)


@torch.no_grad()
def beam_search(
    writer: Writer,
    state: Any,
    *,
    width: int,
    num_best: int = 1,
    length_power: float = 0.6,
    watch: Watch | None = None,
) -> list[list[Completion]]:
    """Grows a tree of sequences and keeps the best `width` of them at every step.

    Of all completions of the sequences kept so far by one token, the `width` likeliest are kept; those that end are
    set aside. What was set aside, and what has not ended after `max_length` tokens, is ranked by log-probability over
    length to a power. A row is done as soon as nothing that still grows can come among its best.

    Args:
        writer: the model.
        state: of N sequences before the beginning.
        width: how many grow at a time; 1 is greedy.
        num_best: how many are wanted of each row.
        length_power: 0 ranks by log-probability, 1 by its mean a token.
        watch: told of every step.

    Returns:
        for each row its best completions, best first; fewer where the search found fewer.

    Raises:
        UserError: a width or number below 1, or a negative power.

    Source: Sutskever et al., arXiv:1409.3215, section 3.2; length normalisation after Wu et al., arXiv:1609.08144,
    section 7; here: by the length itself.
    """
    if width < 1 or num_best < 1 or not length_power >= 0:
        raise UserError(
            f"Beam search expects width and num_best of at least 1 and length_power of at least 0, "
            f"got {width}, {num_best} and {length_power}."
        )
    return _Beams(writer, state, width, num_best, length_power, watch).run()


def select_rows(state: Any, rows: Tensor) -> Any:
    """Takes rows of a state, each as often as it is named.

    Args:
        state: a tensor, rows first, or a NamedTuple of such, however deep.
        rows: their numbers, long (M,).
    """
    if isinstance(state, Tensor):
        return state.index_select(0, rows)
    return type(state)(*(select_rows(part, rows) for part in state))


class _Beams:
    """The beams of N rows, W each; those that are no longer there have a log-probability of -infinity."""

    def __init__(
        self, writer: Writer, state: Any, width: int, num_best: int, length_power: float, watch: Watch | None
    ) -> None:
        self._writer, self._width, self._num_best, self._power = writer, width, num_best, length_power
        self._watch = watch
        self._rows, device = _num_rows(state), _device(state)
        self._first = torch.arange(self._rows, device=device)[:, None] * width
        self._state = select_rows(state, torch.arange(self._rows, device=device).repeat_interleave(width))
        self._tokens = torch.full((self._rows, width), writer.begin, device=device)
        self._written = self._tokens[..., :0, None].reshape(self._rows, width, 0)
        self._log_prob = torch.full((self._rows, width), -torch.inf, dtype=torch.float64, device=device)
        self._log_prob[:, 0] = 0  # one empty sequence; the other beams would only repeat it
        self._found: list[list[Completion]] = [[] for _ in range(self._rows)]

    def run(self) -> list[list[Completion]]:
        for length in range(1, self._writer.max_length + 1):
            if not self._grows():
                break
            self._grow()
            ended = (self._tokens == self._writer.end) & (self._log_prob > -torch.inf)
            self._set_aside(ended, length, finished=True)
            self._stop_rows_that_are_done()
        self._set_aside(self._log_prob > -torch.inf, self._writer.max_length, finished=False)
        # Sorting is stable: of equals, what was found first comes first.
        ranked = [sorted(found, key=lambda item: -item.score) for found in self._found]
        return [found[: self._num_best] for found in ranked]

    def _grows(self) -> bool:
        return bool((self._log_prob > -torch.inf).any())

    def _grow(self) -> None:
        log_probs, state = self._writer.next(self._tokens.flatten(), self._state)
        totals = self._log_prob[..., None] + log_probs.double().view(self._rows, self._width, -1)
        num_tokens = totals.shape[-1]
        ranked, numbers = _ranked(totals.flatten(1))
        self._log_prob, chosen = ranked[:, : self._width], numbers[:, : self._width]
        if self._watch is not None:
            self._watch(totals, chosen.masked_fill(self._log_prob == -torch.inf, -1))
        parents, self._tokens = chosen // num_tokens, chosen % num_tokens
        self._state = select_rows(state, (self._first + parents).flatten())
        history = self._written.gather(1, parents[..., None].expand(-1, -1, self._written.shape[-1]))
        self._written = torch.cat([history, self._tokens[..., None]], dim=-1)

    def _set_aside(self, which: Tensor, length: int, *, finished: bool) -> None:
        """Moves beams, bool (N, W), to what was found."""
        for row, beam in which.nonzero().tolist():
            log_prob = float(self._log_prob[row, beam])
            tokens = tuple(self._written[row, beam].tolist())
            score = log_prob / length**self._power
            self._found[row].append(Completion(tokens, log_prob, score, finished))
        self._log_prob = self._log_prob.masked_fill(which, -torch.inf)

    def _stop_rows_that_are_done(self) -> None:
        """A log-probability only falls, so a sequence can at best keep its own and be as long as is allowed."""
        done = []
        for row, found in enumerate(self._found):
            best_to_come = float(self._log_prob[row].max()) / self._writer.max_length**self._power
            done.append(sum(item.score >= best_to_come for item in found) >= self._num_best)
        stopped = torch.tensor(done, device=self._log_prob.device)[:, None]
        self._log_prob = self._log_prob.masked_fill(stopped, -torch.inf)


def _follow(writer: Writer, state: Any, choose: Callable[[Tensor], Tensor]) -> list[Completion]:
    """Writes one sequence a row, each token chosen from log-probabilities (N, V)."""
    num_rows, device = _num_rows(state), _device(state)
    tokens = torch.full((num_rows,), writer.begin, device=device)
    total = torch.zeros(num_rows, dtype=torch.float64, device=device)
    ended = torch.zeros(num_rows, dtype=torch.bool, device=device)
    written: list[Tensor] = []
    while len(written) < writer.max_length and not bool(ended.all()):
        log_probs, state = writer.next(tokens, state)
        tokens = choose(log_probs)
        total += log_probs.double().gather(1, tokens[:, None])[:, 0].masked_fill(ended, 0)
        written.append(tokens)
        ended = ended | (tokens == writer.end)
    sequences = torch.stack(written, dim=1).tolist() if written else []
    return [
        _completion(sequence, float(log_prob), writer.end) for sequence, log_prob in zip(sequences, total.tolist())
    ]


def _completion(tokens: list[int], log_prob: float, end: int) -> Completion:
    finished = end in tokens
    kept = tuple(tokens[: tokens.index(end) + 1] if finished else tokens)
    return Completion(kept, log_prob, log_prob, finished)


def _ranked(log_probs: Tensor) -> Any:
    """Sorted, best first, the lowest number of equals first; refuses NaN, which would be the best of all."""
    if bool(log_probs.isnan().any()):
        raise UserError("Generation expects log-probabilities, got NaN. Look at the model's weights and its input.")
    return log_probs.sort(dim=-1, descending=True, stable=True)


def _parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else [tensor for part in state for tensor in _parts(part)]


def _num_rows(state: Any) -> int:
    return len(_parts(state)[0])


def _device(state: Any) -> torch.device:
    return _parts(state)[0].device
