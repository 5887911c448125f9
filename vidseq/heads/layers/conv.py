"""The layer of the convolution heads."""

import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.ops.convolution import convolve


class ConvLayer(nn.Module):
    """A dilated convolution, a ReLU and a linear map. The input carries the past frames that the convolution needs."""

    def __init__(self, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.reach = (kernel_size - 1) * dilation
        self.taps = nn.Linear(kernel_size * channels, channels)
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolves x (B, reach + T, C) to (B, T, C)."""
        return self.mix(F.relu(convolve(x, self.taps.weight, self.taps.bias, self.dilation)))
