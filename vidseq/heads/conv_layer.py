"""The layer that every convolution head is made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def taps_of(x: Tensor, kernel_size: int, dilation: int = 1) -> Tensor:
    """Lays the frames that a convolution looks at side by side, so that it is one product with a matrix.

    Args:
        x: (B, (kernel_size - 1) * dilation + T, C).
        kernel_size: frames that an output looks at.
        dilation: frames from one of them to the next.

    Returns:
        (B, T, kernel_size * C), oldest first.
    """
    num_frames = x.shape[1] - (kernel_size - 1) * dilation
    return torch.cat([x.narrow(1, tap * dilation, num_frames) for tap in range(kernel_size)], dim=-1)


class ConvLayer(nn.Module):
    """A dilated convolution, a ReLU, and a product with a matrix, on frames that carry their past with them."""

    def __init__(self, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.taps = nn.Linear(kernel_size * channels, channels)
        self.mix = nn.Linear(channels, channels)

    @property
    def reach(self) -> int:
        """Frames beside the current one that the convolution looks at."""
        return (self.kernel_size - 1) * self.dilation

    def forward(self, x: Tensor) -> Tensor:
        """Convolves x (B, reach + T, C) to (B, T, C)."""
        return self.mix(F.relu(self.taps(taps_of(x, self.kernel_size, self.dilation))))
