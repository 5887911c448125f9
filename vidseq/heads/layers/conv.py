"""The layer of the convolution heads."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.ops.convolution import convolve
from vidseq.ops.places import Places


class ConvLayer(nn.Module):
    """A dilated convolution, a ReLU and a linear map. The input carries the past frames that the convolution needs."""

    def __init__(self, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.earlier = [tap * dilation for tap in range(kernel_size - 1)]
        self.reach = (kernel_size - 1) * dilation
        self.taps = nn.Linear(kernel_size * channels, channels)
        self.mix = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolves x (B, reach + T, C) to (B, T, C)."""
        return self.mix(F.relu(convolve(x, self.taps.weight, self.taps.bias, self.dilation)))

    def answer(self, queries: Tensor, x: Tensor, places: Places) -> Tensor:
        """Convolves each query (N, C) as the next frame at its place among x (B, reach + T, C): (N, C)."""
        offsets = torch.tensor(self.earlier, dtype=torch.int64, device=x.device)
        index = (places.rows * x.shape[1] + places.seen)[:, None] + offsets
        seen = x.flatten(0, 1).index_select(0, index.flatten()).view(len(queries), len(offsets) * x.shape[2])
        return self.mix(F.relu(self.taps(torch.cat([seen, queries], dim=-1))))
