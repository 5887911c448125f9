"""Periods of time into which rows at different positions are cut."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vidseq.ops.exported import largest


def shift(x: Tensor, by: Tensor, size: int) -> Tensor:
    """Shifts each row's frames in time: frame t of row b goes to t + by[b], and zeros fill the gaps.

    Args:
        x: (B, H, T, d).
        by: int64 (B,), may be negative.
        size: frames of the result; frames outside of it are dropped.

    Returns:
        (B, H, size, d).
    """
    num_frames = x.shape[2]
    ahead = int(by[0]) if len(by) else 0
    if bool((by == ahead).all()) and -num_frames <= ahead <= size:
        after = size - num_frames - ahead
        return F.pad(x, (0, 0, ahead, after)) if ahead or after else x
    source = torch.arange(size, device=x.device) - by[:, None]
    inside = (source >= 0) & (source < num_frames)
    index = source.clamp(0, num_frames - 1)[:, None, :, None]
    return x.gather(2, index.expand(-1, x.shape[1], -1, x.shape[3])).masked_fill(~inside[:, None, :, None], 0)


class Periods:
    """The periods of a fixed number of frames that a chunk covers, each row counted from its own first frame.

        frames a b c d e, two before them, period 3:    (0 0 a) (b c d) (e 0 0)

    If all frames are in the current period, they are neither cut nor padded: a live frame costs one frame.

    Args:
        position: int64 (B,), frames of each row before this chunk.
        mask: bool (B, T), a row's valid frames first.
        period: frames of a period.
    """

    def __init__(self, position: Tensor, mask: Tensor, period: int) -> None:
        self.num_frames, self._period, self.offset = mask.shape[1], period, position % period
        furthest = largest(self.offset, period - 1) + self.num_frames
        self.count = -(-furthest // period)
        """Number of periods that the chunk touches."""
        self.next = (self.offset + mask.sum(dim=1)) // period
        """int64 (B,): period of each row's next frame, counted from that of its first frame here."""
        self.num_ends = furthest // period
        """Number of period ends that the furthest row reaches, `count` or one less; invalid frames count."""
        self.valid = self.split(mask[:, None, :, None].to(torch.uint8))[:, 0, ..., 0] > 0
        """Bool (B, count, frames), True for valid frames."""

    @property
    def offsets(self) -> Tensor:
        """Offsets in their period of the frames that `split` returns, int64 (B or 1, frames)."""
        if self.count > 1:
            return torch.arange(self._period, device=self.offset.device)[None]
        return self.offset[:, None] + torch.arange(self.num_frames, device=self.offset.device)

    def split(self, x: Tensor) -> Tensor:
        """Splits frames (B, H, T, d) to (B, H, count, frames, d), with zeros where a period has no frame here."""
        if self.count == 1:
            return x[:, :, None]
        return shift(x, self.offset, self.count * self._period).unflatten(2, (-1, self._period))

    def join(self, x: Tensor) -> Tensor:
        """Reverses `split`."""
        return shift(x.flatten(2, 3), -self.offset, self.num_frames) if self.count > 1 else x[:, :, 0]
