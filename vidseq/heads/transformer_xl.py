"""The attention head with segment recurrence and relative positions."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.blocks import advance
from vidseq.heads.layers.transformer import TransformerBlock, check_heads
from vidseq.ops.relative_banded import relative_banded_attention
from vidseq.ops.rotary import rotary_angles


@dataclass(frozen=True, kw_only=True)
class TransformerXLConfig(HeadConfig):
    """Options of the transformer_xl head."""

    memory: int = option(256, at_least=0)
    """Earlier frames M that a layer remembers; every frame sees them."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class TransformerXLState(NamedTuple):
    """The memory: keys and values of the latest frames in every layer, and the number of frames."""

    keys: Tensor
    """(B, layers, heads, memory, width), oldest first, without positions."""
    values: Tensor
    """Like `keys`."""
    position: Tensor
    """int64 (B,): frames so far."""


class TransformerXL(TemporalHead):
    """A transformer that remembers its layers' earlier frames, and whose scores depend on how long ago a frame was.

        A(t, j) = (q_t + u) . k_j  +  (q_t + v) . W_R R_(t-j)           R: sinusoids of the distance t - j
        y_t     = softmax(A(t, j) / sqrt(d), t - M <= j <= t) v_j

          memory  │ segment 1 │ memory, segment 2         Each layer hands its keys and values on, so that L layers
        . . . ────┼──► ■ ■ ■ ─┼──► ■ ■ ■                  see L M frames back, over any number of segments.

    Source: Dai et al., arXiv:1901.02860, section 3.2 (memory), 3.3 (relative positions) and appendix B (shift). Here:
    a frame sees its M latest frames, in whichever segment they were. In the paper, the first frame of a segment sees
    fewer than the last, and outputs depend on where segments begin; here a stream can be cut anywhere. The paper's
    stop of the gradient is where a caller detaches the state between two scans; within a scan gradients pass, as
    within the paper's segment. The memory holds keys and values and not the hidden frames, so a step does not
    recompute them. Pre-norm. Cost: T M d.
    """

    name = "transformer_xl"
    Config = TransformerXLConfig
    fixed_context = True
    config: TransformerXLConfig

    def __init__(self, config: TransformerXLConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        self._width = config.dim // config.heads
        dim, heads, network = config.dim, config.heads, config.network
        blocks = (TransformerBlock(dim, heads, config.dropout, network) for _ in range(config.layers))
        self.blocks = cast("list[TransformerBlock]", nn.ModuleList(blocks))
        self.content_biases = nn.Parameter(0.02 * torch.randn(config.layers, config.heads, 1, self._width))  # u
        self.position_biases = nn.Parameter(0.02 * torch.randn(config.layers, config.heads, 1, self._width))  # v
        self.position_keys = nn.ModuleList(nn.Linear(config.dim, config.dim, bias=False) for _ in self.blocks)  # W_R
        self.last_norm = nn.LayerNorm(config.dim)

    @property
    def context_frames(self) -> int:
        """Each layer adds its memory."""
        return self.config.layers * self.config.memory + 1

    def init_state(self, batch_size: int) -> TransformerXLState:
        """Makes an empty memory."""
        config, weight = self.config, self.last_norm.weight
        keys = weight.new_zeros(batch_size, config.layers, config.heads, config.memory, self._width)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return TransformerXLState(keys, keys.clone(), position)

    def scan(self, x: Tensor, state: TransformerXLState, mask: Tensor) -> tuple[Tensor, TransformerXLState]:
        """Reads new frames; see `TemporalHead.scan`."""
        memory, num_frames = self.config.memory, x.shape[1]
        in_memory = torch.arange(memory, device=x.device) >= memory - state.position[:, None]
        valid = F.pad(in_memory, (0, num_frames), value=True)  # a valid frame never sees a later, invalid one
        angles = rotary_angles(torch.arange(memory, -1, -1, device=x.device), self.dim).to(x.dtype)
        distances = torch.cat([angles.sin(), angles.cos()], dim=-1)
        keys, values = [], []
        for index, (block, position_key) in enumerate(zip(self.blocks, self.position_keys)):
            q, k, v = block.qkv(block.attention_norm(x)).unflatten(-1, (3, block.heads, -1)).permute(2, 0, 3, 1, 4)
            old_k, old_v = state.keys[:, index], state.values[:, index]
            read = relative_banded_attention(
                q + self.content_biases[index].to(q.dtype),
                q + self.position_biases[index].to(q.dtype),
                torch.cat([old_k.to(k.dtype), k], dim=2),
                torch.cat([old_v.to(v.dtype), v], dim=2),
                position_key(distances).unflatten(-1, (block.heads, -1)).transpose(0, 1),
                valid,
            )
            x = block.finish(x, read)
            keys.append(advance(old_k, k.to(old_k.dtype), mask, dim=2))
            values.append(advance(old_v, v.to(old_v.dtype), mask, dim=2))
        position = state.position + mask.sum(dim=1)
        return self.last_norm(x), TransformerXLState(torch.stack(keys, dim=1), torch.stack(values, dim=1), position)
