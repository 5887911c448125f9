"""The latest frames of a stream in two parts, so that a live frame does not copy all of them.

    long   a b c d e f g h        the frames when the page was last full
    page   i j                    the frames since then

The next frame k gives the same long part and the page i j k. Neither part is ever written to, so older states stay
valid, and two streams can continue from one state. A full page and the long part make a new long part.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from vidseq.ops.exported import all_true, is_exporting

Own = TypeVar("Own")

PAGE = 64
"""Largest page. With a larger one a live frame copies more; with a smaller one long parts are made more often."""


def page_frames(size: int) -> int:
    """Returns the largest page of a stream that keeps `size` frames."""
    return min(PAGE, size // 4)


def fits_page(page: Tensor, mask: Tensor, max_frames: int, dim: int = 1) -> bool:
    """Whether new frames fit the page and are valid in all rows.

    Args:
        page: (B, ..., N, ...) with its frames at `dim`.
        mask: bool (B, T) of the new frames, True = valid.
        max_frames: largest page.
        dim: where frames are counted.
    """
    return not is_exporting() and page.shape[dim] + mask.shape[1] <= max_frames and bool(mask.all())


def last_frames(parts: Sequence[Tensor], count: int, dim: int = 1) -> list[Tensor]:
    """Returns views of the last frames of consecutive parts.

    Args:
        parts: oldest first, each (B, ..., N, ...) with its frames at `dim`.
        count: number of frames; fewer if the parts have fewer.
        dim: dimension of the frames.

    Returns:
        the frames of each part that are among them, possibly none.
    """
    views = []
    for part in reversed(parts):
        taken = min(count, part.shape[dim])
        views.append(part.narrow(dim, part.shape[dim] - taken, taken))
        count -= taken
    return views[::-1]


def every_nth(parts: Sequence[Tensor], stride: int, dim: int = 1) -> list[Tensor]:
    """Returns views of the first frame of consecutive parts and of every `stride`-th frame after it.

    Args:
        parts: as in `last_frames`.
        stride: at least 1.
        dim: dimension of the frames.

    Returns:
        the frames of each part that are among them, possibly none.
    """
    views, start = [], 0
    for part in parts:
        first = min(-start % stride, part.shape[dim])
        views.append(part[(slice(None),) * dim + (slice(first, None, stride),)])
        start += part.shape[dim]
    return views


def latest(parts: Sequence[Tensor], mask: Tensor, max_frames: int, dim: int = 1) -> Tensor:
    """Returns each row's latest frames, of which the newest may be padding.

    Args:
        parts: as in `last_frames`; not changed.
        mask: bool (B, T) for the last T frames, a row's valid ones first; all before them are valid.
        max_frames: number of frames to keep; fewer if the parts have fewer.
        dim: dimension of the frames.

    Returns:
        the latest frames up to each row's last valid one, a copy like `parts`. A row with fewer frames than the others
        starts with undefined ones.
    """
    if all_true(mask):
        return torch.cat(last_frames(parts, max_frames, dim), dim=dim)
    frames = torch.cat(list(parts), dim=dim)
    count = frames.shape[dim]
    size = min(max_frames, count)
    index = mask.sum(dim=1, keepdim=True) + torch.arange(size, device=frames.device) + (count - mask.shape[1] - size)
    shape, target = [1] * frames.ndim, list(frames.shape)
    shape[0], shape[dim] = index.shape
    target[dim] = size
    return frames.gather(dim, index.clamp(min=0).view(shape).expand(target))


def with_surroundings(parts: Iterable[tuple[Own, Sequence[Tensor]]], side: int) -> Iterator[tuple[Own, list[Tensor]]]:
    """Yields the parts of whole videos, each with the frames around it, on demand.

    Args:
        parts: data of a part, and its tensors, each (B, H, N, d), N at least `side` except in the last.
        side: frames before and after.

    Yields:
        data of a part, and its tensors, (B, H, side + N + side, d), zero beyond the video.
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
    """A part, cut into pieces once: otherwise the backward pass would build a whole part for each slice."""

    pieces: tuple[Tensor, ...]
    first: tuple[Tensor, ...]
    """Pieces with the frames that the part before also needs."""
    last: tuple[Tensor, ...]
    """Pieces with the frames that the part after also needs."""


def _cut(x: Tensor, side: int) -> _Cut:
    size = x.shape[2]
    first, last = min(side, size), max(size - side, 0)
    low, high = sorted((first, last))
    pieces = x.split((low, high - low, size - high), dim=2)
    return _Cut(pieces, pieces[:1], pieces[2:]) if first <= last else _Cut(pieces, pieces[:2], pieces[1:])


def _slab(before: _Cut | None, here: _Cut, after: _Cut | None, side: int) -> Tensor:
    x = here.pieces[0]
    following = () if after is None else after.first
    missing = side - sum(part.shape[2] for part in following)
    earlier = (_zeros(x, side),) if before is None else before.last
    return torch.cat([*earlier, *here.pieces, *following, _zeros(x, missing)], dim=2)


def _zeros(x: Tensor, frames: int) -> Tensor:
    """Makes frames of zeros like those of x (B, H, N, d)."""
    return x.new_zeros(*x.shape[:2], frames, x.shape[3])
