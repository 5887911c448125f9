"""The latest frames of a stream, in two parts, so that a live frame need not copy all of them.

    long   a b c d e f g h        what there was when the page was last full
    page   i j                    what has come since

The next frame k gives the same long part and the page i j k: neither is ever written to, so an older state keeps what
it had, and two streams may go on from one state. A full page and the long part make a new long part.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

Own = TypeVar("Own")

PAGE = 64
"""Frames of a page at most. With more, a live frame copies more, with fewer a long part is made more often."""


def page_frames(size: int) -> int:
    """How long a page may get, where `size` frames are kept."""
    return min(PAGE, size // 4)


def fits_page(page: Tensor, mask: Tensor, most: int, dim: int = 1) -> bool:
    """Whether new frames can go to the page, at whose frames all rows are in step.

    Args:
        page: (B, ..., N, ...) with its frames at `dim`.
        mask: bool (B, T) of the new frames, True = valid.
        most: frames that the page may have.
        dim: where frames are counted.
    """
    return page.shape[dim] + mask.shape[1] <= most and bool(mask.all())


def last_frames(parts: Sequence[Tensor], count: int, dim: int = 1) -> list[Tensor]:
    """Views of the last frames of some that follow one another.

    Args:
        parts: oldest first, each (B, ..., N, ...) with its frames at `dim`.
        count: how many; fewer where there are not as many.
        dim: where frames are counted.

    Returns:
        what belongs to them of each part, maybe nothing.
    """
    views = []
    for part in reversed(parts):
        taken = min(count, part.shape[dim])
        views.append(part.narrow(dim, part.shape[dim] - taken, taken))
        count -= taken
    return views[::-1]


def every(parts: Sequence[Tensor], stride: int, dim: int = 1) -> list[Tensor]:
    """Views of the first of some frames that follow one another, and of every `stride`-th after it.

    Args:
        parts: as in `last_frames`.
        stride: at least 1.
        dim: where frames are counted.

    Returns:
        what belongs to them of each part, maybe nothing.
    """
    views, start = [], 0
    for part in parts:
        first = min(-start % stride, part.shape[dim])
        views.append(part[(slice(None),) * dim + (slice(first, None, stride),)])
        start += part.shape[dim]
    return views


def latest(parts: Sequence[Tensor], mask: Tensor, most: int, dim: int = 1) -> Tensor:
    """Each row's latest frames, of which the newest may be padding.

    Args:
        parts: as in `last_frames`; not changed.
        mask: bool (B, T) for the last T frames, a row's valid ones first; all before them are valid.
        most: how many to keep; fewer where there are not as many.
        dim: where frames are counted.

    Returns:
        the latest frames up to each row's last valid one, a copy like `parts`. Where a row has fewer of them than the
        rest, anything comes before.
    """
    if bool(mask.all()):
        return torch.cat(last_frames(parts, most, dim), dim=dim)
    frames = torch.cat(list(parts), dim=dim)
    count = frames.shape[dim]
    size = min(most, count)
    index = mask.sum(dim=1, keepdim=True) + torch.arange(size, device=frames.device) + (count - mask.shape[1] - size)
    shape, target = [1] * frames.ndim, list(frames.shape)
    shape[0], shape[dim] = index.shape
    target[dim] = size
    return frames.gather(dim, index.clamp(min=0).view(shape).expand(target))


def with_both_sides(parts: Iterable[tuple[Own, Sequence[Tensor]]], side: int) -> Iterator[tuple[Own, list[Tensor]]]:
    """The parts of whole videos, each with the frames around it. A part is asked for when the one before it is due.

    Args:
        parts: what belongs to a part alone, and tensors of it, each (B, H, N, d), N at least `side` but for the last.
        side: frames before and after.

    Yields:
        what belongs to a part alone, and its tensors, (B, H, side + N + side, d), zero beyond the video.
    """
    before: list[_Cut | None] = []
    here: tuple[Own, list[_Cut]] | None = None
    for own, tensors in parts:
        following = [_cut(x, side) for x in tensors]
        if here is None:
            before = [None] * len(following)
        else:
            yield here[0], [_slab(*cuts, side) for cuts in zip(before, here[1], following)]
            before = [*here[1]]
        here = own, following
    if here is not None:
        yield here[0], [_slab(*cuts, None, side) for cuts in zip(before, here[1])]


class _Cut(NamedTuple):
    """A part in pieces: cut once, for otherwise the backward pass would put whole parts together for each slice."""

    pieces: tuple[Tensor, ...]
    first: tuple[Tensor, ...]
    """Those with the frames that belong to the part before it, too."""
    last: tuple[Tensor, ...]
    """Those with the frames that belong to the part after it, too."""


def _cut(x: Tensor, side: int) -> _Cut:
    size = x.shape[2]
    first, last = min(side, size), max(size - side, 0)
    low, high = sorted((first, last))
    pieces = x.split((low, high - low, size - high), dim=2)
    return _Cut(pieces, pieces[:1], pieces[2:]) if first <= last else _Cut(pieces, pieces[:2], pieces[1:])


def _slab(before: _Cut | None, here: _Cut, after: _Cut | None, side: int) -> Tensor:
    x = here.pieces[0]
    known = () if after is None else after.first
    missing = side - sum(part.shape[2] for part in known)
    earlier = (_zeros(x, side),) if before is None else before.last
    return torch.cat([*earlier, *here.pieces, *known, _zeros(x, missing)], dim=2)


def _zeros(x: Tensor, frames: int) -> Tensor:
    """So many frames like those of x (B, H, N, d)."""
    return x.new_zeros(*x.shape[:2], frames, x.shape[3])
