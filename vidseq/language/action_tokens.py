"""Actions and how long they last as tokens, so that a long-term plan is generated text.

    begin  wash 12s..14s  cut 30s..36s  mix 8s..9s  end

A label is always followed by a duration. Durations are a distribution, not a point: a mixture of logistic curves over
the logarithm of the seconds, cut into bins that are equally wide there.
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

#: No duration is less likely than this before all are made to sum to one.
_MIN_VALUE = 1e-6


class ActionTokens:
    """Numbers for labels and for bins of durations; 0 to 3 are as in `PieceVocabulary`.

    Args:
        labels: the actions.
        shortest_seconds: where the second bin begins; what is shorter falls into the first.
        longest_seconds: where the last bin begins; what is longer falls into it.
        num_bins: bins of durations, at least 2.

    Raises:
        UserError: no label, or bins that make no sense.
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
        self._numbers = {label: number for number, label in enumerate(self.labels, start=FIRST_PIECE)}
        self.first_duration = FIRST_PIECE + len(self.labels)

    def __len__(self) -> int:
        """Numbers in use."""
        return self.first_duration + self.num_bins

    def encode(self, future: Future, most: int | None = None) -> list[int]:
        """Turns a future into tokens, with the end if all of it is there.

        Args:
            future: labels with seconds.
            most: only so many actions; None: all.
        """
        kept = future[:most]
        tokens = [token for label, seconds in kept for token in (self._label(label), self._duration(seconds))]
        return tokens if len(kept) < len(future) else [*tokens, END]

    def decode(self, tokens: Sequence[int], places: Sequence[float] | None = None) -> Future:
        """Turns tokens into a future; a label without a duration at the very end is left out.

        Args:
            tokens: labels and durations by turns, perhaps an end.
            places: where in its bin each duration lies, from 0 to 1 on a logarithmic scale; None: in the middle.
        """
        pairs = zip(tokens[::2], tokens[1::2])
        found = [(label, duration) for label, duration in pairs if label != END and duration != END]
        where = [0.5] * len(found) if places is None else places
        return tuple(
            (self.labels[label - FIRST_PIECE], self.seconds(duration, place))
            for (label, duration), place in zip(found, where)
        )

    def seconds(self, token: int, place: float = 0.5) -> float:
        """The seconds of a duration token at a place in its bin."""
        return math.exp(self.log_shortest + self.step * (token - self.first_duration - 1 + place))

    def _label(self, label: str) -> int:
        return self._numbers.get(label, UNKNOWN)

    def _duration(self, seconds: float) -> int:
        bin_number = 1 + math.floor((math.log(max(seconds, 1e-9)) - self.log_shortest) / self.step)
        return self.first_duration + min(max(bin_number, 0), self.num_bins - 1)


class NextActionToken(nn.Module):
    """What the cell says to log-probabilities: of a duration behind a label, else of a label or the end.

    Args:
        dim: width D of the cell.
        tokens: labels and bins.
        components: curves in the mixture.

    Source: discretised logistic mixtures, Salimans et al., arXiv:1701.05517, section 2.1; here: of log seconds.
    """

    def __init__(self, dim: int, tokens: ActionTokens, components: int = 4) -> None:
        super().__init__()
        self.first_duration, self.num_bins = tokens.first_duration, tokens.num_bins
        self.label = nn.Linear(dim, len(tokens.labels) + 1)
        self.duration = nn.Linear(dim, 3 * components)
        with torch.no_grad():  # curves spread over all bins, each a few bins wide
            centres = (torch.arange(components) + 0.5) / components * (self.num_bins - 1)
            self.duration.bias.copy_(
                torch.cat([torch.zeros(components), centres, torch.full((components,), math.log(3.0))])
            )

    def forward(self, y: Tensor, read: Tensor) -> Tensor:
        """What was said (..., D) after tokens (...) to (..., V)."""
        labels = self.label(y).log_softmax(dim=-1)
        as_label = F.pad(labels, (END, self.num_bins), value=-torch.inf)
        as_duration = F.pad(self.durations(y), (self.first_duration, 0), value=-torch.inf)
        after_label = ((read >= FIRST_PIECE) & (read < self.first_duration)) | (read == UNKNOWN)
        return torch.where(after_label[..., None], as_duration, as_label)

    def durations(self, y: Tensor) -> Tensor:
        """Log-probabilities of the bins, (..., bins)."""
        weight, centre, log_width = self.duration(y).float().chunk(3, dim=-1)
        edges = torch.arange(1, self.num_bins, device=y.device, dtype=weight.dtype)  # the outer bins are open
        below = torch.sigmoid((edges[:, None] - centre[..., None, :]) / log_width.exp()[..., None, :])
        below = (below * weight.softmax(dim=-1)[..., None, :]).sum(dim=-1)
        share = F.pad(below, (0, 1), value=1.0) - F.pad(below, (1, 0), value=0.0)
        return ((share.clamp(min=0) + _MIN_VALUE) / (1 + self.num_bins * _MIN_VALUE)).log().log_softmax(dim=-1)
