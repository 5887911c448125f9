"""A cache of weights in the memory layout that is fastest for a single live frame."""

from collections.abc import Callable

import torch
from torch import Tensor

from vidseq.ops.exported import is_exporting


def is_live(x: Tensor) -> bool:
    """Whether x (B, T, D) has one frame per row and is read without gradients and without autocast."""
    return x.shape[1] == 1 and not torch.is_grad_enabled() and not torch.is_autocast_enabled(x.device.type)


class CachedLayout:
    """Weights in another layout, recomputed when the weights change.

    It detects a change by the weights' addresses and by how often they were written to, which torch counts. Writes
    through `.data` are not counted and need `invalidate`.

    Args:
        arrange: makes the layout from the weights.
    """

    def __init__(self, arrange: Callable[..., tuple[Tensor, ...]]) -> None:
        self._arrange = arrange
        self.invalidate()

    def invalidate(self) -> None:
        """Recomputes the layout at the next call."""
        self._known: list[tuple[int, int]] = []
        self._arranged: tuple[Tensor, ...] = ()

    def __call__(self, *weights: Tensor) -> tuple[Tensor, ...]:
        """Returns the weights in the new layout."""
        if is_exporting():  # what a traced step makes is no number yet, so that it must not be kept
            return self._arrange(*weights)
        try:
            known = [(weight.data_ptr(), weight._version) for weight in weights]
        except RuntimeError:  # weights made in inference mode, whose writes are not counted
            return self._arrange(*weights)
        if known != self._known:
            with torch.no_grad():
                self._arranged = self._arrange(*weights)
            self._known = known
        return self._arranged
