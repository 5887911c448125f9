"""The block that every attention head is made of."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.errors import UserError
from vidseq.ops.rotary import rotate_qkv


class TransformerBlock(nn.Module):
    """Attention of a kind that its head chooses, then a network on each frame, both pre-norm and residual.

    Source: Vaswani et al., arXiv:1706.03762; pre-norm: Xiong et al., arXiv:2002.04745; rotary positions: Su et al.,
    arXiv:2104.09864.

    Args:
        dim: width D.
        heads: attention heads.
        dropout: share of each part's output that is dropped in training.
        network: width of the network; 0: four times `dim`.
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
        """Queries, keys (both rotated) and values of x (B, T, D), each (B, heads, T, width).

        Angles are those of the frames, (B or 1, 1, T, width / 2). Keys and values come behind those of the past, which
        are given in parts.
        """
        qkv = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))  # (B, T, 3, heads, width)
        return rotate_qkv(qkv, angles[:, 0], past)

    def merge(self, read: Tensor) -> Tensor:
        """What attention read, (B, heads, T, width), as a layer's output (B, T, D)."""
        return self.attention_out(read.transpose(1, 2).flatten(2))

    def think(self, x: Tensor) -> Tensor:
        """The network on each frame of x (B, T, D)."""
        return self.narrow(F.gelu(self.widen(self.network_norm(x))))

    def add_read(self, x: Tensor, read: Tensor) -> Tensor:
        """Adds what attention read, (B, heads, T, width), to x (B, T, D)."""
        return x + self.dropout(self.merge(read))

    def finish(self, x: Tensor, read: Tensor) -> Tensor:
        """Adds what attention read, (B, heads, T, width), to x (B, T, D), then the network's thoughts on it."""
        x = self.add_read(x, read)
        return x + self.dropout(self.think(x))


def check_heads(name: str, dim: int, heads: int) -> None:
    """Raises the error of a width that attention heads cannot share and turn.

    Args:
        name: of the head whose options these are.
        dim: width D.
        heads: attention heads; each needs pairs of numbers.

    Raises:
        UserError: `dim` is not a multiple of twice `heads`.
    """
    if dim % (2 * heads):
        raise UserError(
            f"{name} head expects dim in multiples of {2 * heads} (two numbers a head), got {dim}. "
            f"Change dim or heads."
        )
