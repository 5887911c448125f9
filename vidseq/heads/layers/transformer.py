"""The block of the attention heads."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.ops.rotary import rotate_qkv


class TransformerBlock(nn.Module):
    """Attention, which the head computes, then a feed-forward network on each frame; both pre-norm and residual.

    Source: Vaswani et al., arXiv:1706.03762; pre-norm: Xiong et al., arXiv:2002.04745; rotary positions: Su et al.,
    arXiv:2104.09864.

    Args:
        dim: width D.
        heads: attention heads.
        dropout: share of the output of attention and of the network that is dropped in training.
        network: width of the feed-forward network; 0: four times `dim`.
    """

    def __init__(self, dim: int, heads: int, dropout: float, network: int = 0) -> None:
        super().__init__()
        network = network or 4 * dim
        self.heads = heads
        self.attention_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.attention_out = nn.Linear(dim, dim, bias=False)
        self.network_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, network)
        self.narrow = nn.Linear(network, dim)
        self.dropout = nn.Dropout(dropout)

    def project(
        self, x: Tensor, angles: Tensor, past: Sequence[tuple[Tensor, Tensor]] = ()
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Projects x (B, T, D) to queries, keys (both rotated) and values, each (B, heads, T, width).

        Args:
            x: frames, (B, T, D).
            angles: of the frames' positions, (B or 1, 1, T, width / 2).
            past: keys and values of earlier frames in parts, put before those of x.
        """
        # Plain torch, here and below: for one live frame, einops costs more than the operation itself.
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, heads, width)
        return rotate_qkv(qkv, angles[:, 0], past)

    def project_output(self, read: Tensor) -> Tensor:
        """Projects the output of attention, (B, heads, T, width), to (B, T, D)."""
        return self.attention_out(read.transpose(1, 2).flatten(2))

    def feed_forward(self, x: Tensor) -> Tensor:
        """Applies the feed-forward network to each frame of x (B, T, D)."""
        return self.narrow(F.gelu(self.widen(self.network_norm(x))))

    def add_attention(self, x: Tensor, read: Tensor) -> Tensor:
        """Adds the output of attention, (B, heads, T, width), to x (B, T, D)."""
        return x + self.dropout(self.project_output(read))

    def finish(self, x: Tensor, read: Tensor) -> Tensor:
        """Adds the output of attention, (B, heads, T, width), to x (B, T, D), then that of the network."""
        x = self.add_attention(x, read)
        return x + self.dropout(self.feed_forward(x))


def check_heads(name: str, dim: int, heads: int) -> None:
    """Checks that attention heads can share and rotate the width.

    Args:
        name: of the head with these options.
        dim: width D.
        heads: attention heads; each has an even width.

    Raises:
        UserError: `dim` is not a multiple of twice `heads`.
    """
    if dim % (2 * heads):
        raise UserError(
            f"{name} head expects dim in multiples of {2 * heads} (an even width per head), got {dim}. "
            f"Change dim or heads."
        )
