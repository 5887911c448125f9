"""Actions and their durations as tokens, so that a long-term plan is generated text.

    begin  wash 12s..14s  cut 30s..36s  mix 8s..9s  end

A duration always follows a label. A duration is a distribution, not a point: a mixture of logistic curves over the
logarithm of the seconds, in bins of equal width on that scale.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.data.action_sequences import Future
from vidseq.errors import UserError
from vidseq.language.pieces import END, FIRST_PIECE
from vidseq.language.vocabulary import UNKNOWN

#: Smallest probability of a bin before normalisation.
_MIN_VALUE = 1e-6


class ActionTokens:
    """Token ids of labels and of bins of durations; ids 0 to 3 are as in `PieceVocabulary`.

    Args:
        labels: the actions.
        shortest_seconds: start of the second bin; shorter durations fall into the first.
        longest_seconds: start of the last bin; longer durations fall into it.
        num_bins: bins of durations, at least 3.

    Raises:
        UserError: there is no label, or the bins do not fit.
    """

    def __init__(
        self, labels: Sequence[str], *, shortest_seconds: float, longest_seconds: float, num_bins: int
    ) -> None:
        if not labels or num_bins < 3 or not 0 < shortest_seconds < longest_seconds:
            raise UserError(
                f"Action tokens expect labels, at least 3 bins and 0 < shortest_seconds < longest_seconds, got "
                f"{len(labels)} labels, {num_bins} bins, {shortest_seconds} and {longest_seconds}."
            )
        self.labels = tuple(labels)
        self.num_bins = num_bins
        self.step = math.log(longest_seconds / shortest_seconds) / (num_bins - 2)
        self.log_shortest = math.log(shortest_seconds)
        self._ids = {label: index for index, label in enumerate(self.labels, start=FIRST_PIECE)}
        self.first_duration = FIRST_PIECE + len(self.labels)

    def __len__(self) -> int:
        """Number of token ids."""
        return self.first_duration + self.num_bins

    def encode(self, future: Future, max_actions: int | None = None) -> list[int]:
        """Encodes a future as tokens, with the end token if the future is complete.

        Args:
            future: labels with seconds.
            max_actions: number of actions to encode; None: all.
        """
        kept = future[:max_actions]
        tokens = [token for label, seconds in kept for token in (self._label(label), self._duration(seconds))]
        return tokens if len(kept) < len(future) else [*tokens, END]

    def decode(self, tokens: Sequence[int], fractions: Sequence[float] | None = None) -> Future:
        """Decodes tokens to a future; drops a last label without a duration.

        Args:
            tokens: alternating labels and durations, possibly with an end.
            fractions: position of each duration in its bin, from 0 to 1 on a logarithmic scale; None: the middle.
        """
        pairs = zip(tokens[::2], tokens[1::2])
        found = [(label, duration) for label, duration in pairs if label != END and duration != END]
        fractions = [0.5] * len(found) if fractions is None else fractions
        return tuple(
            (self.labels[label - FIRST_PIECE], self.seconds(duration, fraction))
            for (label, duration), fraction in zip(found, fractions)
        )

    def seconds(self, token: int, fraction: float = 0.5) -> float:
        """Returns the seconds of a duration token at a fraction of its bin."""
        return math.exp(self.log_shortest + self.step * (token - self.first_duration - 1 + fraction))

    def _label(self, label: str) -> int:
        return self._ids.get(label, UNKNOWN)

    def _duration(self, seconds: float) -> int:
        bin_index = 1 + math.floor((math.log(max(seconds, 1e-9)) - self.log_shortest) / self.step)
        return self.first_duration + min(max(bin_index, 0), self.num_bins - 1)


class NextActionToken(nn.Module):
    """Maps the cell's output to log-probabilities: of a duration after a label, otherwise of a label or the end.

    Args:
        dim: width D of the cell.
        tokens: labels and bins.
        components: curves of the mixture.

    Source: discretised logistic mixtures, Salimans et al., arXiv:1701.05517, section 2.1; here: of log seconds.
    """

    def __init__(self, dim: int, tokens: ActionTokens, components: int = 4) -> None:
        super().__init__()
        self.first_duration, self.num_bins = tokens.first_duration, tokens.num_bins
        self.label = nn.Linear(dim, len(tokens.labels) + 1)
        self.duration = nn.Linear(dim, 3 * components)
        with torch.no_grad():  # curves that cover all bins, each a few bins wide
            centres = (torch.arange(components) + 0.5) / components * (self.num_bins - 1)
            self.duration.bias.copy_(
                torch.cat([torch.zeros(components), centres, torch.full((components,), math.log(3.0))])
            )

    def forward(self, y: Tensor, read: Tensor) -> Tensor:
        """Maps outputs (..., D) after tokens (...) to log-probabilities (..., V)."""
        labels = self.label(y).log_softmax(dim=-1)
        as_label = F.pad(labels, (END, self.num_bins), value=-torch.inf)
        as_duration = F.pad(self.durations(y), (self.first_duration, 0), value=-torch.inf)
        after_label = ((read >= FIRST_PIECE) & (read < self.first_duration)) | (read == UNKNOWN)
        return torch.where(after_label[..., None], as_duration, as_label)

    def durations(self, y: Tensor) -> Tensor:
        """Computes log-probabilities of the bins, (..., bins)."""
        weight, centre, log_width = self.duration(y).float().chunk(3, dim=-1)
        edges = torch.arange(1, self.num_bins, device=y.device, dtype=weight.dtype)  # the outer bins are open
        below = torch.sigmoid((edges[:, None] - centre[..., None, :]) / log_width.exp()[..., None, :])
        below = (below * weight.softmax(dim=-1)[..., None, :]).sum(dim=-1)
        share = F.pad(below, (0, 1), value=1.0) - F.pad(below, (1, 0), value=0.0)
        return ((share.clamp(min=0) + _MIN_VALUE) / (1 + self.num_bins * _MIN_VALUE)).log().log_softmax(dim=-1)
