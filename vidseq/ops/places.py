"""Places in the streams of a batch: where a query stands, and what was there.

frames        x_0 x_1 x_2 x_3           a query that sees 3 frames stands behind x_2 and counts as the next frame;
seen         0   1   2   3   4          one that sees 0 stands before all of them
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Places(NamedTuple):
    """Places in streams, each behind a number of a row's new frames."""

    rows: Tensor
    """int64 (P,): the stream of each."""
    seen: Tensor
    """int64 (P,): new frames before each, from 0 to T."""

    def distinct(self) -> tuple["Places", Tensor]:
        """Returns each place once, and for each of these which of those it is, int64 (P,)."""
        span = int(self.seen.max()) + 1 if len(self.seen) else 1
        found, index = torch.unique(self.rows * span + self.seen, return_inverse=True)
        return Places(found // span, found % span), index

    def within(self, start: int, stop: int) -> tuple["Places", Tensor]:
        """Returns the places behind frames [start, stop), counted from there, and their indices.

        Places before the first frame belong to the part that starts at 0.
        """
        inside = (self.seen > (start or -1)) & (self.seen <= stop)
        index = inside.nonzero()[:, 0]
        return Places(self.rows[index], self.seen[index] - start), index

    @classmethod
    def ends(cls, mask: Tensor) -> "Places":
        """The place after the last valid frame of each row of a mask (B, T)."""
        return cls(torch.arange(len(mask), device=mask.device), mask.sum(dim=1))

    def then(self, others: "Places") -> "Places":
        """These places and others behind them."""
        return Places(torch.cat([self.rows, others.rows]), torch.cat([self.seen, others.seen]))

    def newest(self, values: Tensor, before: Tensor) -> Tensor:
        """Picks the values of the newest frame at each place.

        Args:
            values: of every new frame, (B, T, ...).
            before: of the frame before them, (B, ...).

        Returns:
            (P, ...).
        """
        if values.shape[1] == 0:
            return before.index_select(0, self.rows)
        picked = values[self.rows, (self.seen - 1).clamp(min=0)]
        if bool((self.seen > 0).all()):
            return picked
        first = (self.seen == 0).view(-1, *[1] * (picked.ndim - 1))
        return torch.where(first, before.index_select(0, self.rows).to(picked.dtype), picked)

    def latest(self, past: Tensor, new: Tensor) -> Tensor:
        """Picks the latest frames at each place, as many as there are of the past.

        Args:
            past: the N frames before the new ones, (B, N, ...).
            new: (B, T, ...).

        Returns:
            (P, N, ...), oldest first.
        """
        index = self.seen[:, None] + torch.arange(past.shape[1], device=past.device)
        return torch.cat([past, new], dim=1)[self.rows[:, None], index]


def join_parts(parts: Sequence[Tensor], indices: Sequence[Tensor]) -> Tensor:
    """Joins what was found at the places of consecutive parts, and orders it by the indices from `Places.within`."""
    return parts[0] if len(parts) == 1 else torch.cat([*parts]).index_select(0, torch.cat([*indices]).argsort())


class PlacedQueries(NamedTuple):
    """Queries at places in the streams of a batch. No frame and no other query sees them."""

    vectors: Tensor
    """(N, D)."""
    places: Places
    """Of each query."""

    @classmethod
    def none(cls, x: Tensor) -> "PlacedQueries":
        """No queries about frames (B, T, D)."""
        index = torch.zeros(0, dtype=torch.int64, device=x.device)
        return cls(x.new_zeros(0, x.shape[2]), Places(index, index))

    def by_row(self, num_rows: int) -> "RowQueries":
        """Puts the queries of each row beside one another; short rows are filled up by zeros that see no frame."""
        rows, seen = self.places
        counts = torch.bincount(rows, minlength=num_rows)
        width = int(counts.max()) if len(rows) else 0
        order = rows.argsort(stable=True)
        first = (counts.cumsum(0) - counts)[rows[order]]
        slots = torch.empty_like(rows)
        slots[order] = rows[order] * width + torch.arange(len(rows), device=rows.device) - first
        vectors = self.vectors.new_zeros(num_rows * width, self.vectors.shape[1]).index_copy(0, slots, self.vectors)
        counts_seen = seen.new_zeros(num_rows * width).index_copy(0, slots, seen)
        return RowQueries(
            vectors.view(num_rows, width, self.vectors.shape[1]), counts_seen.view(num_rows, width), slots
        )


class RowQueries(NamedTuple):
    """Queries of each row side by side."""

    vectors: Tensor
    """(B, Q, D)."""
    seen: Tensor
    """int64 (B, Q): new frames that each sees."""
    slots: Tensor
    """int64 (N,): where each query stands among the B * Q."""

    @property
    def width(self) -> int:
        """Number Q of the row with the most."""
        return self.vectors.shape[1]

    def behind(self, x: Tensor) -> Tensor:
        """Puts the queries behind frames (B, T, D): (B, T + Q, D)."""
        return torch.cat([x, self.vectors], dim=1) if self.width else x

    def split(self, x: Tensor, dim: int = 2) -> tuple[Tensor, Tensor]:
        """Splits what `behind` joined into frames and queries."""
        frames, own = x.split([x.shape[dim] - self.width, self.width], dim=dim)
        return frames, own

    def positions(self, first: Tensor, num_frames: int) -> Tensor:
        """Returns the positions of frames and queries, (B, T + Q), where the first frames have positions (B,)."""
        frames = torch.arange(num_frames, device=first.device).expand(len(first), -1)
        return first[:, None] + torch.cat([frames, self.seen], dim=1)

    def visible(self, in_past: Tensor, num_frames: int, reach: int | None = None) -> Tensor:
        """Marks the frames that each query sees.

        Args:
            in_past: which frames before the new ones exist, bool (B, N); the newest is the last.
            num_frames: number T of new frames.
            reach: number of frames before a query that it sees; None: all.

        Returns:
            bool (B, Q, N + T).
        """
        past = in_past.shape[1]
        frame, seen = torch.arange(-past, num_frames, device=in_past.device), self.seen[..., None]
        visible = (frame < seen) & F.pad(in_past, (0, num_frames), value=True)[:, None]
        return visible if reach is None else visible & (frame >= seen - reach)

    def flatten(self, answers: Tensor) -> Tensor:
        """Puts answers (B, Q, D) into the order in which the queries were given, (N, D)."""
        return answers.flatten(0, 1).index_select(0, self.slots)
