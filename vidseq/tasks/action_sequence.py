"""A task that forecasts a sequence of actions with their durations; the autoregressive decoder writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.data.action_sequences import Future, actions_at, read_future
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.language.action_tokens import ActionTokens, NextActionToken
from vidseq.language.decoder import CELLS, Decoder
from vidseq.language.pieces import BEGIN, END
from vidseq.language.question import pad_tokens
from vidseq.language.search import Completion, Writer, greedy, sample
from vidseq.language.vocabulary import UNKNOWN
from vidseq.tasks.future import FutureOptions, SequenceTask


@dataclass(frozen=True, kw_only=True)
class ActionSequenceOptions(FutureOptions):
    """Options of action sequences."""

    cell: str = "lstm"
    """The decoder's network: "lstm" or "transformer"."""
    layers: int = 1
    """Layers of the cell."""
    shortest_seconds: float = 0.5
    """Shorter durations are set to this."""
    longest_seconds: float = 300.0
    """Longer durations are set to this."""
    bins: int = 48
    """Number of duration bins."""
    components: int = 4
    """Number of components in the mixture distribution of a duration."""
    most_actions: int = 12
    """The most actions in a future, in training and in forecasts. The current action counts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in CELLS:
            raise UserError(f"action_sequence task expects cell {' or '.join(CELLS)}, got '{self.cell}'.")
        for name in ("layers", "components", "most_actions", "queries_per_video"):
            if getattr(self, name) < 1:
                raise UserError(f"action_sequence task expects {name} of at least 1, got {getattr(self, name)}.")


class ActionSequence(SequenceTask):
    """Writes a future: the current action with its remaining duration, then each next action with its duration.

    Source: Abu Farha et al., arXiv:1804.00892 (pairs of label and length, predicted step by step). Here one decoder
    writes the pairs from one context vector. It has a distribution over durations, so that futures can be sampled.
    """

    name = "action_sequence"
    Options = ActionSequenceOptions
    options: ActionSequenceOptions

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.tokens = ActionTokens(
            self.labels,
            shortest_seconds=self.options.shortest_seconds,
            longest_seconds=self.options.longest_seconds,
            num_bins=self.options.bins,
        )
        self.summary = nn.Sequential(nn.Dropout(dropout), nn.Linear(5 * dim, dim), nn.GELU(), nn.Dropout(dropout))
        self.decoder = Decoder(
            len(self.tokens),
            dim,
            context_dim=dim,
            cell=self.options.cell,
            cell_options={"layers": self.options.layers},
            dropout=dropout,
            next_token=NextActionToken(dim, self.tokens, self.options.components),
        )

    def output(self, seen: Tensor) -> Tensor:
        """The vectors that futures are written from, (..., D)."""
        return self.summary(seen)

    def targets(self, queries: Sequence[Query]) -> Tensor:
        """The tokens of each future, long (N, L), padded with 0."""
        most = self.options.most_actions
        return pad_tokens([self.tokens.encode(read_future(query.answer), most) for query in queries])

    def loss(self, decoded: Tensor, targets: Tensor, offered: Tensor | None = None, /) -> Tensor:
        """Mean negative log-likelihood of the tokens, both labels and durations; see `Decoder.loss`."""
        return self.decoder.loss(targets, decoded, label_smoothing=self.options.label_smoothing)

    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor, /) -> Tensor:
        """Whether the greedy future has the right current action and next action; see `QueryTask.right`."""
        written = [_two_labels(item.tokens) for item in greedy(self.writer(2), self.decoder.init_state(decoded))]
        true = [_two_labels(row) for row in targets.tolist()]
        return torch.tensor([predicted == target for predicted, target in zip(written, true)], device=decoded.device)

    def writer(self, most_actions: int | None = None) -> Writer:
        """The decoder for a search.

        Args:
            most_actions: the most actions in a future; None: the option's value.
        """
        length = 2 * (most_actions or self.options.most_actions) + 1
        return Writer(self.decoder.step, BEGIN, END, length, banned=(UNKNOWN,))

    @torch.no_grad()
    def likeliest(self, decoded: Tensor) -> list[Future]:
        """The greedy future of each row of (N, D). A duration is the middle of its bin."""
        plans = greedy(self.writer(), self.decoder.init_state(decoded))
        return [self.tokens.decode(plan.tokens) for plan in plans]

    @torch.no_grad()
    def draw(
        self, decoded: Tensor, num_futures: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> list[list[Future]]:
        """Samples labels and durations. A duration is uniform within its bin. See `SequenceTask.draw`."""
        drawn = sample(
            self.writer(),
            self.decoder.init_state(decoded),
            num_samples=num_futures,
            temperature=temperature,
            generator=generator,
        )
        return [[self._within_bins(plan, generator) for plan in row] for row in drawn]

    def _within_bins(self, plan: Completion, generator: torch.Generator | None) -> Future:
        positions = torch.rand(len(plan.tokens), generator=generator).tolist()
        return self.tokens.decode(plan.tokens, positions)


def _two_labels(tokens: Sequence[int]) -> tuple[int, ...]:
    return tuple(tokens[:3:2])


def frames_of(future: Future, labels: Sequence[str], num_frames: int, fps: float) -> np.ndarray:
    """The class of each future frame. The last action continues after the future's end.

    Args:
        future: labels with their durations in seconds, at least one.
        labels: the class names.
        num_frames: the number of frames.
        fps: frames per second.

    Returns:
        (num_frames,).

    Raises:
        UserError: an empty future.
    """
    if not future:
        raise UserError("Frames to come expect a future of at least one action, got none.")
    classes = np.array([labels.index(label) for label, _ in future])
    return classes[actions_at(future, (np.arange(num_frames) + 0.5) / fps)]


def expected_frames(futures: Sequence[Future], labels: Sequence[str], num_frames: int, fps: float) -> np.ndarray:
    """The share of futures that have each class in each future frame. Its argmax is the most frequent class.

    Empty futures are left out.

    Args:
        futures: K futures.
        labels: C class names.
        num_frames: the number of frames.
        fps: frames per second.

    Returns:
        shares, (num_frames, C).

    Raises:
        UserError: no future with an action.
    """
    known = [frames_of(future, labels, num_frames, fps) for future in futures if future]
    if not known:
        raise UserError(f"Expected frames expect a future with at least one action, got {len(futures)} without.")
    return np.mean([np.eye(len(labels))[frames] for frames in known], axis=0)
