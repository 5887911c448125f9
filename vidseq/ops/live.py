"""What makes a single live frame cheap: weights that lie as a product with one row reads them fastest."""

from collections.abc import Callable

import torch
from torch import Tensor


def is_live(x: Tensor) -> bool:
    """Whether x (B, T, D) is one frame a row, read without gradients and in its own type."""
    return x.shape[1] == 1 and not torch.is_grad_enabled() and not torch.is_autocast_enabled(x.device.type)


class Arranged:
    """Weights arranged in another way, made anew when they have changed.

    A change is seen by where weights lie and how often they were written to, which torch counts. What is written
    behind its back, through `.data`, is seen after `forget`.

    Args:
        arrange: makes of the weights what is wanted.
    """

    def __init__(self, arrange: Callable[..., tuple[Tensor, ...]]) -> None:
        self._arrange = arrange
        self.forget()

    def forget(self) -> None:
        """Arranges the weights anew when they are next asked for."""
        self._known: list[tuple[int, int]] = []
        self._arranged: tuple[Tensor, ...] = ()

    def __call__(self, *weights: Tensor) -> tuple[Tensor, ...]:
        """The weights, arranged."""
        try:
            known = [(weight.data_ptr(), weight._version) for weight in weights]
        except RuntimeError:  # weights made in inference mode, whose changes are not counted
            return self._arrange(*weights)
        if known != self._known:
            with torch.no_grad():
                self._arranged = self._arrange(*weights)
            self._known = known
        return self._arranged
