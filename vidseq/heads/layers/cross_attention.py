"""Chunked cross-attention: frames that follow a chunk attend to what was retrieved with it."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vidseq.ops.rotary import rotary_angles, rotate


class CrossAttention(nn.Module):
    """Attention of the frames that follow a chunk to all frames of its neighbours together."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, neighbours: Tensor, found: Tensor) -> Tensor:
        """Attends from x (N, m, D) to neighbours (N, k, 2 m, D) where found, bool (N, k); zero where none is."""
        chunk, length, width = x.shape[1], neighbours.shape[2], x.shape[2] // self.heads
        angles = rotary_angles(torch.arange(length, device=x.device), width)
        q = self.query(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = rearrange(self.key_value(neighbours), "n k l (two h d) -> two n h k l d", two=2, h=self.heads)
        # The first frame to attend is the last of its chunk, so it has the position of its neighbour's last frame.
        q = rotate(q, angles[chunk - 1 : 2 * chunk - 1])
        k = rotate(k, angles).flatten(2, 3)
        visible = found.repeat_interleave(length, dim=1)[:, None, None]
        read = F.scaled_dot_product_attention(q, k, v.flatten(2, 3), attn_mask=visible)
        return self.dropout(self.out(read.transpose(1, 2).flatten(2)))

    def attend_chunks(self, x: Tensor, offset: Tensor, neighbours: Tensor, found: Tensor) -> Tensor:
        """Attends from each stretch of m frames to the neighbours of its own chunk.

        Args:
            x: frames, (B, T, D).
            offset: int64 (B,), where the first frame of x stands in the first stretch.
            neighbours: of each stretch, (B, n, k, 2 m, D).
            found: bool (B, n, k), which of them exist.

        Returns:
            like `x`.
        """
        num_frames, dim = x.shape[1:]
        num_chunks, chunk = neighbours.shape[1], neighbours.shape[3] // 2
        source = torch.arange(num_chunks * chunk, device=x.device) - offset[:, None]
        stretches = x.gather(1, source.clamp(0, num_frames - 1)[..., None].expand(-1, -1, dim))
        read = self(stretches.reshape(-1, chunk, dim), neighbours.flatten(0, 1), found.flatten(0, 1))
        target = offset[:, None] + torch.arange(num_frames, device=x.device)
        return read.view_as(stretches).gather(1, target[..., None].expand(-1, -1, dim))
