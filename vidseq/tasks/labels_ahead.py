"""A task that forecasts the action at any share of the remaining video, each share in one step."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vidseq.data.action_sequences import actions_at, read_future
from vidseq.data.schema import Query
from vidseq.errors import UserError
from vidseq.tasks.base import cross_entropy
from vidseq.tasks.future import FutureOptions, FutureTask

#: Waves that encode a share: of 1/2, 1, 2, 4 and 8 periods.
_WAVES = 5


@dataclass(frozen=True, kw_only=True)
class LabelsAheadOptions(FutureOptions):
    """Options of labels ahead."""

    points: int = 50
    """Number of future moments in the training loss. Near moments are denser than far ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("points", "queries_per_video"):
            if getattr(self, name) < 1:
                raise UserError(f"labels_ahead task expects {name} of at least 1, got {getattr(self, name)}.")


class LabelsAhead(FutureTask):
    """Gives each class a probability after any share of the remaining video. The features must show its length.

    Source: Ke et al., CVPR 2019 (time-conditioned anticipation). The future moment is an input, so that no error
    accumulates over steps. Here the summary and the moment are combined by product and sum.
    """

    name = "labels_ahead"
    asked_with = None
    given_length = True
    learns_observed_labels = True
    Options = LabelsAheadOptions
    options: LabelsAheadOptions

    def __init__(self, dim: int, labels: Sequence[str], options: Mapping[str, object], dropout: float) -> None:
        super().__init__(dim, labels, options, dropout)
        self.summary = nn.Sequential(
            nn.LayerNorm(5 * dim), nn.Dropout(dropout), nn.Linear(5 * dim, dim), nn.GELU(), nn.Dropout(dropout)
        )
        self.when = nn.Sequential(nn.Linear(2 + 2 * _WAVES, dim), nn.GELU())
        self.classifier = nn.Sequential(
            *(nn.Linear(2 * dim, 2 * dim), nn.GELU(), nn.Dropout(dropout)),
            *(nn.Linear(2 * dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, len(self.labels))),
        )
        self._classes = {label: index for index, label in enumerate(self.labels)}
        self.register_buffer("points", torch.from_numpy(_points(self.options.points)).float(), persistent=False)
        self.points: Tensor

    def output(self, seen: Tensor) -> Tensor:
        """The vectors that `logits` are made from, (..., D)."""
        return self.summary(seen)

    def logits(self, decoded: Tensor, shares: Tensor) -> Tensor:
        """Scores of the classes after each share of the remaining video: (N, D) and (P,) to (N, P, C)."""
        when = self.when(_waves(shares))
        read = decoded[:, None]
        return self.classifier(torch.cat([read * when, read + when], dim=-1))

    @torch.no_grad()
    def forecast(self, decoded: Tensor, shares: np.ndarray) -> np.ndarray:
        """The probability of each class, float32 (N, P, C).

        Args:
            decoded: the output of `Predictor.decoded`, (N, D).
            shares: shares of the remaining video, from 0 (now) to 1 (the end); (P,).
        """
        moments = torch.as_tensor(shares, dtype=decoded.dtype, device=decoded.device)
        return self.logits(decoded, moments).float().softmax(dim=-1).cpu().numpy()

    def class_shares(self, decoded: Tensor, seconds: np.ndarray, remaining: float) -> np.ndarray:
        """The probability of each class at shares of the remaining video; see `FutureTask.class_shares`."""
        return self.forecast(decoded, np.clip(seconds / remaining, 0, 1))[0]

    def targets(self, queries: Sequence[Query]) -> Tensor:
        """The class at each point of each future, long (N, P)."""
        return torch.tensor([self._at_points(query) for query in queries])

    def loss(self, decoded: Tensor, targets: Tensor, offered: Tensor | None = None, /) -> Tensor:
        """Cross-entropy, the mean over points; see `QueryTask.loss`."""
        logits = self.logits(decoded, self.points)
        return cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=self.options.label_smoothing)

    def right(self, decoded: Tensor, targets: Tensor, offered: Tensor, /) -> Tensor:
        """Whether the most probable classes are right at half of the points or more; see `QueryTask.right`."""
        named = self.logits(decoded, self.points).argmax(dim=-1)
        return (named == targets).float().mean(dim=1) >= 0.5

    def _at_points(self, query: Query) -> list[int]:
        future = read_future(query.answer)
        left = math.fsum(seconds for _, seconds in future)
        classes = [self._classes[label] for label, _ in future]
        return [classes[position] for position in actions_at(future, _points(self.options.points) * left)]


def _points(count: int) -> np.ndarray:
    return ((np.arange(count) + 0.5) / count) ** 2


def _waves(shares: Tensor) -> Tensor:
    """Shares (P,) as vectors (P, 2 + 2 waves)."""
    angles = shares[:, None] * math.pi * 2.0 ** torch.arange(_WAVES, device=shares.device)
    return torch.cat([shares[:, None], shares[:, None].sqrt(), angles.sin(), angles.cos()], dim=-1)
