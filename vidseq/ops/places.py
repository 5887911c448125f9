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
        picked = values.flatten(0, 1).index_select(0, self.rows * values.shape[1] + (self.seen - 1).clamp(min=0))
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
        slots, width = side_by_side(rows, num_rows)
        shape = (num_rows, width)
        return RowQueries(spread(self.vectors, slots, shape), spread(seen, slots, shape), slots)


def side_by_side(groups: Tensor, num_groups: int) -> tuple[Tensor, int]:
    """Puts the members of each group beside one another.

    Args:
        groups: int64 (N,), the group of each member.
        num_groups: number G of groups.

    Returns:
        the slot of each member among G * Q, int64 (N,), and Q, the size of the largest group.
    """
    counts = torch.bincount(groups, minlength=num_groups)
    width = int(counts.max()) if len(groups) else 0
    order = groups.argsort(stable=True)
    place = torch.arange(len(groups), device=groups.device) - (counts.cumsum(0) - counts)[groups[order]]
    return torch.empty_like(groups).index_copy(0, order, groups[order] * width + place), width


def spread(values: Tensor, slots: Tensor, shape: tuple[int, int]) -> Tensor:
    """Puts values (N, ...) into their slots from `side_by_side`, (G, Q, ...), zero where there is none."""
    return values.new_zeros(shape[0] * shape[1], *values.shape[1:]).index_copy(0, slots, values).unflatten(0, shape)


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
