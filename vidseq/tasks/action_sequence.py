"""What happens from now on: a sequence of actions with their durations, written by the autoregressive decoder."""

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
    """What reads the plan so far: "lstm" or "transformer"."""
    layers: int = 1
    """Layers of the cell."""
    shortest_seconds: float = 0.5
    """Durations below this count as this."""
    longest_seconds: float = 300.0
    """Durations above this count as this."""
    bins: int = 48
    """Durations are sorted into so many bins."""
    components: int = 4
    """Curves in the mixture that is the distribution of a duration."""
    most_actions: int = 12
    """How many actions ahead training goes and plans reach, the current one included."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell not in CELLS:
            raise UserError(f"action_sequence task expects cell {' or '.join(CELLS)}, got '{self.cell}'.")
        for name in ("layers", "components", "most_actions", "queries_per_video"):
            if getattr(self, name) < 1:
                raise UserError(f"action_sequence task expects {name} of at least 1, got {getattr(self, name)}.")


class ActionSequence(SequenceTask):
    """Writes what happens from now on: the current action with what is left of it, then each that follows.

    Source: Abu Farha et al., arXiv:1804.00892 (rolled-out pairs of label and length); here: one decoder from one
    context, with a distribution over durations, so that many futures can be drawn.
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
        """The tokens of each future, long (N, L), 0 behind the last."""
        most = self.options.most_actions
        return pad_tokens([self.tokens.encode(read_future(query.answer), most) for query in queries])

    def loss(self, decoded: Tensor, targets: Tensor, offered: Tensor | None = None, /) -> Tensor:
        """Negative log-likelihood a token, of labels and durations alike; see `Decoder.loss`."""
        return self.decoder.loss(targets, decoded, label_smoothing=self.options.label_smoothing)

    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor, /) -> Tensor:
        """Whether the greedy plan names the current action and the one after it rightly; see `QueryTask.right`."""
        written = [_two_labels(item.tokens) for item in greedy(self.writer(2), self.decoder.init_state(decoded))]
        true = [_two_labels(row) for row in targets.tolist()]
        return torch.tensor([ours == theirs for ours, theirs in zip(written, true)], device=decoded.device)

    def writer(self, most_actions: int | None = None) -> Writer:
        """The decoder as a search sees it; plans have at most so many actions, None: as the option says."""
        length = 2 * (most_actions or self.options.most_actions) + 1
        return Writer(self.decoder.step, BEGIN, END, length, banned=(UNKNOWN,))

    @torch.no_grad()
    def likeliest(self, decoded: Tensor) -> list[Future]:
        """The greedy plan of each row of (N, D), durations in the middle of their bins."""
        plans = greedy(self.writer(), self.decoder.init_state(decoded))
        return [self.tokens.decode(plan.tokens) for plan in plans]

    @torch.no_grad()
    def draw(
        self, decoded: Tensor, num_futures: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> list[list[Future]]:
        """Draws labels and durations, each uniform within its bin; see `SequenceTask.draw`."""
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
    """The class of each frame to come; a future's last action goes on behind its end.

    Args:
        future: labels with seconds, at least one.
        labels: the classes.
        num_frames: how many frames.
        fps: frames a second.

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
    """The share of several futures that have each class in each frame to come; its argmax is the best label a frame.

    Futures without a single action do not count.

    Args:
        futures: K of them.
        labels: the classes, C of them.
        num_frames: how many frames.
        fps: frames a second.

    Returns:
        shares, (num_frames, C).

    Raises:
        UserError: no future with an action.
    """
    known = [frames_of(future, labels, num_frames, fps) for future in futures if future]
    if not known:
        raise UserError(f"Expected frames expect a future with at least one action, got {len(futures)} without.")
    return np.mean([np.eye(len(labels))[frames] for frames in known], axis=0)
