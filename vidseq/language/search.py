"""Generation: sequences from any autoregressive model, by greedy choice, sampling, or beam search.

A model is a function `step(tokens, state) -> (log-probabilities, state)`. Its state is a NamedTuple of tensors, rows
first, and is never changed in place, so that a search can continue from any earlier state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vidseq.errors import UserError
from vidseq.language.sampling import filter_log_probs, sort_descending

#: Maps the newest tokens (N,) and a state to log-probabilities (N, V) of the next token and the new state.
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
#: Called at every step of a beam search with the log-probabilities (N, W, V) of all completions, -infinity for none,
#: and the kept ones, (N, W) indices into W x V.
Observer = Callable[[Tensor, Tensor], None]


@dataclass(frozen=True)
class Writer:
    """The interface of an autoregressive model to a search."""

    step: Step
    begin: int
    """The token that is read first."""
    end: int
    """The token that ends a sequence."""
    max_length: int
    """Largest number of tokens, the end included."""
    banned: tuple[int, ...] = ()
    """Tokens that are never chosen."""

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise UserError(f"Generation expects a max_length of at least 1, got {self.max_length}.")

    def next(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Runs one step of the model without the banned tokens; the rest is not normalised again."""
        log_probs, state = self.step(tokens, state)
        if self.banned:
            log_probs = log_probs.index_fill(-1, torch.tensor(self.banned, device=log_probs.device), -torch.inf)
        return log_probs, state


@dataclass(frozen=True)
class Completion:
    """A generated sequence."""

    tokens: tuple[int, ...]
    """Tokens, with the end if the sequence reached it."""
    log_prob: float
    """The model's log-probability of exactly these tokens."""
    score: float
    """Value for ranking: the log-probability, divided by a power of the length if a search uses one."""
    finished: bool
    """Whether it reached its end within `max_length`."""


@torch.no_grad()
def greedy(writer: Writer, state: Any) -> list[Completion]:
    """Chooses the most likely token at every position, the lowest id among equals.

    Args:
        writer: the model.
        state: of N sequences before the beginning.

    Returns:
        one completion per row.
    """
    return _generate(writer, state, lambda log_probs: sort_descending(log_probs).indices[:, 0])


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
    """Draws every token from the model's distribution after `filter_log_probs`.

    Args:
        writer: the model.
        state: of N sequences before the beginning.
        num_samples: independent samples per row.
        temperature: see `filter_log_probs`; 0 is greedy.
        top_k: see `filter_log_probs`.
        top_p: see `filter_log_probs`.
        generator: random number generator; None: torch's own.

    Returns:
        `num_samples` completions for each row; log-probabilities are the model's own, before any filtering.
    """
    rows = torch.arange(_num_rows(state), device=_device(state)).repeat_interleave(num_samples)

    def choose(log_probs: Tensor) -> Tensor:
        narrow = filter_log_probs(log_probs, temperature=temperature, top_k=top_k, top_p=top_p)
        return torch.multinomial(narrow.exp(), 1, generator=generator)[:, 0]

    drawn = _generate(writer, select_rows(state, rows), choose)
    return [drawn[first : first + num_samples] for first in range(0, len(drawn), num_samples)]


@torch.no_grad()
def beam_search(
    writer: Writer,
    state: Any,
    *,
    width: int,
    num_best: int = 1,
    length_power: float = 0.6,
    observer: Observer | None = None,
) -> list[list[Completion]]:
    """Extends sequences token by token and keeps the best `width` of them at every step.

    Of all extensions of the kept sequences by one token, the `width` most likely are kept; those that end are
    collected. Collected sequences, and those that have not ended after `max_length` tokens, are ranked by
    log-probability over length to a power. A row stops as soon as no growing sequence can still come among its best.

    Args:
        writer: the model.
        state: of N sequences before the beginning.
        width: sequences that are kept at a time; 1 is greedy.
        num_best: completions to return per row.
        length_power: 0 ranks by log-probability, 1 by its mean per token.
        observer: called at every step.

    Returns:
        for each row its best completions, best first; fewer if the search found fewer.

    Raises:
        UserError: `width` or `num_best` is below 1, or `length_power` is negative.

    Source: Sutskever et al., arXiv:1409.3215, section 3.2; length normalisation after Wu et al., arXiv:1609.08144,
    section 7; here: by the length itself.
    """
    if width < 1 or num_best < 1 or not length_power >= 0:
        raise UserError(
            f"Beam search expects width and num_best of at least 1 and length_power of at least 0, "
            f"got {width}, {num_best} and {length_power}."
        )
    return _Beams(writer, state, width, num_best, length_power, observer).run()


def select_rows(state: Any, rows: Tensor) -> Any:
    """Selects rows of a state; a row may appear several times.

    Args:
        state: a tensor, rows first, or a nested NamedTuple of such tensors.
        rows: row indices, long (M,).
    """
    if isinstance(state, Tensor):
        return state.index_select(0, rows)
    return type(state)(*(select_rows(part, rows) for part in state))


class _Beams:
    """The beams of N rows, W each; stopped beams have a log-probability of -infinity."""

    def __init__(
        self, writer: Writer, state: Any, width: int, num_best: int, length_power: float, observer: Observer | None
    ) -> None:
        self._writer, self._width, self._num_best, self._power = writer, width, num_best, length_power
        self._observer = observer
        self._rows, device = _num_rows(state), _device(state)
        self._first = torch.arange(self._rows, device=device)[:, None] * width
        self._state = select_rows(state, torch.arange(self._rows, device=device).repeat_interleave(width))
        self._tokens = torch.full((self._rows, width), writer.begin, device=device)
        self._written = self._tokens[..., :0, None].reshape(self._rows, width, 0)
        self._log_probs = torch.full((self._rows, width), -torch.inf, dtype=torch.float64, device=device)
        self._log_probs[:, 0] = 0  # one empty sequence; the other beams would only repeat it
        self._found: list[list[Completion]] = [[] for _ in range(self._rows)]

    def run(self) -> list[list[Completion]]:
        for length in range(1, self._writer.max_length + 1):
            if not self._any_alive():
                break
            self._extend()
            ended = (self._tokens == self._writer.end) & (self._log_probs > -torch.inf)
            self._collect(ended, length, finished=True)
            self._stop_finished_rows()
        self._collect(self._log_probs > -torch.inf, self._writer.max_length, finished=False)
        # Sorting is stable: among equals, the first one found comes first.
        ranked = [sorted(found, key=lambda item: -item.score) for found in self._found]
        return [found[: self._num_best] for found in ranked]

    def _any_alive(self) -> bool:
        return bool((self._log_probs > -torch.inf).any())

    def _extend(self) -> None:
        log_probs, state = self._writer.next(self._tokens.flatten(), self._state)
        totals = self._log_probs[..., None] + log_probs.double().view(self._rows, self._width, -1)
        num_tokens = totals.shape[-1]
        ranked, indices = sort_descending(totals.flatten(1))
        self._log_probs, chosen = ranked[:, : self._width], indices[:, : self._width]
        if self._observer is not None:
            self._observer(totals, chosen.masked_fill(self._log_probs == -torch.inf, -1))
        parents, self._tokens = chosen // num_tokens, chosen % num_tokens
        self._state = select_rows(state, (self._first + parents).flatten())
        history = self._written.gather(1, parents[..., None].expand(-1, -1, self._written.shape[-1]))
        self._written = torch.cat([history, self._tokens[..., None]], dim=-1)

    def _collect(self, which: Tensor, length: int, *, finished: bool) -> None:
        """Moves beams, bool (N, W), to the collected completions."""
        for row, beam in which.nonzero().tolist():
            log_prob = float(self._log_probs[row, beam])
            tokens = tuple(self._written[row, beam].tolist())
            score = log_prob / length**self._power
            self._found[row].append(Completion(tokens, log_prob, score, finished))
        self._log_probs = self._log_probs.masked_fill(which, -torch.inf)

    def _stop_finished_rows(self) -> None:
        """Stops rows whose growing sequences cannot become better.

        A log-probability only falls, so at best a sequence keeps its own and reaches the largest length.
        """
        done = []
        for row, found in enumerate(self._found):
            bound = float(self._log_probs[row].max()) / self._writer.max_length**self._power
            done.append(sum(item.score >= bound for item in found) >= self._num_best)
        stopped = torch.tensor(done, device=self._log_probs.device)[:, None]
        self._log_probs = self._log_probs.masked_fill(stopped, -torch.inf)


def _generate(writer: Writer, state: Any, choose: Callable[[Tensor], Tensor]) -> list[Completion]:
    """Generates one sequence per row; `choose` picks each token from log-probabilities (N, V)."""
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


def _parts(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else [tensor for part in state for tensor in _parts(part)]


def _num_rows(state: Any) -> int:
    return len(_parts(state)[0])


def _device(state: Any) -> torch.device:
    return _parts(state)[0].device
