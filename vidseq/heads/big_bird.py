"""The BigBird head: a window, global tokens and random blocks."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import TemporalHead, segment_length
from vidseq.heads.config import HeadConfig, option
from vidseq.heads.layers.tokens import TokenLayer, TokenScan, TokenState, init_tokens, run_layers
from vidseq.heads.layers.transformer import check_heads
from vidseq.ops.block_causal import append_to_block
from vidseq.ops.block_sparse import Pattern, block_sparse_attention, block_sparse_parts
from vidseq.ops.exported import all_true
from vidseq.ops.merge import PartialAttention, partial_attention
from vidseq.ops.periods import Periods
from vidseq.ops.random_blocks import draw_blocks, reservoir_contents
from vidseq.ops.rotary import rotary_angles, rotate

SEGMENT = 1024
"""Frames of a part of a whole video where no gradients are wanted; parts hold whole blocks."""


@dataclass(frozen=True, kw_only=True)
class BigBirdConfig(HeadConfig):
    """Options of the big_bird head."""

    block: int = option(64, at_least=1)
    """Frames b of a block; all frames of a block see the same blocks."""
    window: int = option(2, at_least=1)
    """Blocks w that a frame sees, its own included; not causal: as many on the other side."""
    random: int = option(3, at_least=1)
    """Further blocks r, drawn for each block and layer from those outside the window."""
    capacity: int = option(16, at_least=1)
    """Blocks S of the past that a causal stream keeps to draw from: a random sample of all past blocks."""
    num_global: int = option(16, at_least=1)
    """Global tokens G: learned vectors that read every frame and that every frame sees."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another; frames of a block see what global tokens read in the block before."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their index."""
    network: int = option(0, at_least=0)
    """Width of the feed-forward network on each frame; 0: four times dim."""


class BigBirdState(NamedTuple):
    """The past blocks that every layer keeps, the latest frames, and the tokens."""

    keys: Tensor
    """(B, layers, heads, (S + w) b - 1, width): the S sampled blocks, the w - 1 latest before the current block,
    and the frames of that one; rotated to their positions, zero where none exists yet."""
    values: Tensor
    """Like `keys`."""
    token_keys: Tensor
    """As in `TokenState`."""
    token_values: Tensor
    """As in `TokenState`."""
    token_read: Tensor
    """As in `TokenState`."""
    token_logsumexp: Tensor
    """As in `TokenState`."""
    position: Tensor
    """int64 (B,): frames so far, which is the position of the next one."""


class BigBird(TemporalHead):
    """A transformer whose frames attend to the nearest blocks, to a few random ones, and to G tokens that see all.

        y_t = softmax(q_t . k_j / sqrt(d), j in N(block of t), and all g) v_j      frames
        g'_i = softmax(q_i . k_j / sqrt(d), all j and all g) v_j                   tokens

          g │ blocks                        causal, w = 2, r = 1:
        g ■ │ ■ ■ ■ ■ ■ ■               g │ ◣ . . . . .        ◣: up to the frame itself
        ────┼────────────               g │ ■ ◣ . . . .
        t ■ │ ■ ■ . . □ .               g │ □ ■ ◣ . . .        □: random, of the past alone
        │ ■ │ ■ ■ ■ . . □               G │ □ . ■ ◣ . .        G: tokens that have read blocks 1 and 2
        ▼ ■ │ □ ■ ■ ■ . .               G │ . □ . ■ ◣ .

    Two layers reach every frame: a token reads all frames in one layer, and all frames see it in the next.

    Causal: frames see the tokens as of the start of a period of w blocks; all later frames are in the window (see
    `layers.tokens`). A block that leaves the window may enter a reservoir of S blocks, which is at any time a uniform
    sample of the past. Random blocks are drawn from it. Both choices follow a fixed hash of layer and block index. So
    the context has no limit, the state is constant, and streams are exact at any length. The price: r blocks are drawn
    from S, not from all.

    Source: Zaheer et al., arXiv:2007.14062, section 2, BigBird-ETC: global tokens are added, instead of choosing some
    of the frames; blocks: appendix D. Here: tokens have no position; frames have rotary positions, which scores
    between tokens and frames leave out. A block's random blocks are distinct: one from each of r equal shares of the
    video's other blocks in order of time (causal: of the reservoir), the same for all heads. Pre-norm. Not causal: the
    paper's form. The paper has no causal form.
    """

    name = "big_bird"
    Config = BigBirdConfig
    supports_noncausal = True
    config: BigBirdConfig

    def __init__(self, config: BigBirdConfig) -> None:
        super().__init__(config)
        check_heads(self.name, config.dim, config.heads)
        dim, heads, network = config.dim, config.heads, config.network
        layers = (TokenLayer(dim, heads, config.dropout, False, network) for _ in range(config.layers))
        self.layers = cast("list[TokenLayer]", nn.ModuleList(layers))
        self.tokens = nn.Parameter(torch.randn(config.num_global, config.dim))
        self.last_norm = nn.LayerNorm(config.dim)
        self._width = config.dim // config.heads

    @property
    def context_frames(self) -> None:
        """No limit: a block of any age may be in the reservoir."""

    @property
    def segment_frames(self) -> int:
        """Several times as many frames as the state keeps, because each segment copies them."""
        return 4 * (self.config.capacity + self.config.window) * self.config.block

    def init_state(self, batch_size: int) -> BigBirdState:
        """Makes an empty past and tokens that have read one another only."""
        config, weight = self.config, self.last_norm.weight
        kept = (config.capacity + config.window) * config.block - 1
        past = weight.new_zeros(batch_size, config.layers, config.heads, kept, self._width)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return BigBirdState(past, past.clone(), *init_tokens(list(self.layers), self.tokens, batch_size), position)

    def scan(self, x: Tensor, state: BigBirdState, mask: Tensor) -> tuple[Tensor, BigBirdState]:
        """Reads new frames; see `TemporalHead.scan`. Blocks of keys are, in order: reservoir, window, new ones."""
        block, kept = self.config.block, self.config.capacity + self.config.window - 1
        blocks = Periods(state.position, mask, block)
        periods = Periods(state.position, mask, self.config.window * block)
        tokens = TokenScan(self.tokens, TokenState(*state[2:6]), periods)
        angles = self._angles(state.position[:, None] + torch.arange(x.shape[1], device=x.device))
        end = (kept + blocks.count) * block
        pasts = []
        for index, layer in enumerate(self.layers):
            q, k, v = layer.project_frames(x)
            token_part = tokens.attend(layer, q)
            if layer is not self.layers[-1]:
                tokens.update(layer, k, v)
            q, k = rotate(q, angles), rotate(k, angles)
            keys, values = (
                append_to_block(old[:, index].to(new.dtype), new, kept * block + blocks.offset, dim=2)
                for old, new in ((state.keys, k), (state.values, v))
            )
            keys, values = (F.pad(part, (0, 0, 0, end - part.shape[2])) for part in (keys, values))
            pattern, reservoir = self.causal_pattern(index, state.position // block, blocks)
            other_part = PartialAttention(
                blocks.split(token_part.read), blocks.split(token_part.logsumexp[..., None])[..., 0]
            )
            read = block_sparse_attention(blocks.split(q), keys, values, pattern, block, other_part)
            x = layer.block.finish(x, blocks.join(read))
            pasts.append(
                [self._keep(part, reservoir, blocks, state.position + mask.sum(dim=1)) for part in (keys, values)]
            )
        keys, values = (torch.stack(part, dim=1).to(state.keys.dtype) for part in zip(*pasts))
        return self.last_norm(x), BigBirdState(keys, values, *tokens.state(), state.position + mask.sum(dim=1))

    def causal_pattern(self, layer: int, first: Tensor, blocks: Periods) -> tuple[Pattern, Tensor]:
        """Returns the blocks that new blocks see, and the contents of the reservoir before and after each new block.

        Args:
            layer: index of the layer.
            first: int64 (B,), index of each row's first new block.
            blocks: the new blocks.

        Returns:
            the pattern, and int64 (B, blocks + 1, S); both index reservoir, window and new blocks from 0.
        """
        size, window, block = self.config.capacity, self.config.window, self.config.block
        new, near = torch.arange(blocks.count, device=first.device), torch.arange(window, device=first.device)
        reservoir = reservoir_contents(layer, first - window + 1, blocks.count, size)
        oldest = first[:, None] + new - window + 1  # in the window, and so how many have left it
        drawn, found = draw_blocks(layer, first[:, None] + new, oldest.clamp(0, size), self.config.random)
        random = reservoir[:, :-1].gather(2, drawn)
        table = torch.cat([random, (size + new[:, None] + near).expand(len(first), -1, -1)], dim=2)
        exists = torch.cat([found, oldest[..., None] + near >= 0], dim=2).repeat_interleave(block, dim=2)
        offset = torch.arange(exists.shape[2], device=first.device) - exists.shape[2] + block  # 0: own block
        return Pattern(table, exists, offset <= blocks.offsets[..., None]), reservoir

    def _keep(self, past: Tensor, reservoir: Tensor, blocks: Periods, position: Tensor) -> Tensor:
        """Selects the keys or values (B, heads, blocks * b, width) that the state keeps after `position` frames."""
        size, window, block = self.config.capacity, self.config.window, self.config.block
        kept = (size + window) * block - 1
        if not all_true(blocks.next == 0):
            held = reservoir[torch.arange(len(past), device=past.device), blocks.next]
            near = size + blocks.next[:, None] + torch.arange(window, device=past.device)
            index = torch.cat([held, near], dim=1).clamp(max=past.shape[2] // block - 1)[:, None, :, None, None]
            in_blocks = past.unflatten(2, (-1, block))
            past = in_blocks.gather(2, index.expand(-1, past.shape[1], -1, block, past.shape[3])).flatten(2, 3)
        exists = torch.arange(kept, device=past.device) < kept - block + 1 + position[:, None] % block
        return past[:, :, :kept] * exists[:, None, :, None]

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        return self.last_norm(run_layers(self.layer_noncausal, len(self.layers), self.tokens, x, mask))

    def layer_noncausal(
        self, index: int, x: Tensor, tokens: Tensor, mask: Tensor, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Runs a layer on frames (B, T, D) and tokens (B, G, D); the last layer leaves its tokens as they are."""
        layer, size = self.layers[index], self._part_frames
        parts, angles = x.split(size, dim=1), self._angles(torch.arange(x.shape[1], device=x.device)[None])
        projected = [layer.project_frames(part) for part in parts]
        read = self.attend_noncausal(layer, tokens, projected, angles, self.noncausal_pattern(index, mask))
        new_x = torch.cat([layer.block.finish(*both) for both in zip(parts, read)], dim=1)
        if not last:
            _, keys, values = zip(*projected)
            tokens = layer.block.finish(tokens, layer.attend_noncausal(tokens, keys, values, mask))
        return new_x, tokens

    @property
    def _part_frames(self) -> int:
        """Frames of a part: whole blocks."""
        return -(-segment_length(SEGMENT) // self.config.block) * self.config.block

    def noncausal_pattern(self, layer: int, mask: Tensor) -> Pattern:
        """Returns the blocks that each block of whole videos sees."""
        block, side = self.config.block, self.config.window - 1
        in_blocks = F.pad(mask, (0, -mask.shape[1] % block)).unflatten(1, (-1, block))
        count, index = (
            in_blocks.any(dim=2).sum(dim=1, keepdim=True),
            torch.arange(in_blocks.shape[1], device=mask.device),
        )
        near = index[:, None] + torch.arange(-side, side + 1, device=mask.device)
        first = (index - side).clamp(min=0).expand(len(mask), -1)
        width = (index + side + 1).minimum(count) - first
        drawn, found = draw_blocks(layer, index.expand_as(first), (count - width).clamp(min=0), self.config.random)
        random = drawn + (drawn >= first[..., None]) * width[..., None]  # those before the window, then those behind
        table = torch.cat([random, near.expand(len(mask), -1, -1)], dim=2)
        exists = torch.cat([found, (near >= 0) & (near < count[..., None])], dim=2)
        table = table.clamp(0, len(index) - 1)
        row = torch.arange(len(mask), device=mask.device)[:, None, None]
        valid = (in_blocks[row, table] & exists[..., None]).flatten(2)
        return Pattern(table, valid, torch.ones(1, block, valid.shape[2], dtype=torch.bool, device=mask.device))

    def attend_noncausal(
        self, layer: TokenLayer, tokens: Tensor, projected: list[tuple[Tensor, ...]], angles: Tensor, pattern: Pattern
    ) -> list[Tensor]:
        """Attends from frames to the blocks of a pattern and to tokens (B, G, D), part by part.

        `projected` has queries, keys and values (B, heads, N, width) of parts of equal length.
        """
        block, token_kv = self.config.block, layer.project_frames(tokens, 2)
        queries, token_parts, keys, values = [], [], [], []
        for (q, k, v), turn in zip(projected, angles.split(projected[0][0].shape[2], dim=2)):
            token_part = partial_attention(q, *token_kv)
            padded = [
                _whole_blocks(part, block)
                for part in (rotate(q, turn), token_part.read, token_part.logsumexp[..., None])
            ]
            q, read, logsumexp = (part.unflatten(2, (-1, block)) for part in padded)
            queries.append(q)
            token_parts.append(PartialAttention(read, logsumexp[..., 0]))
            keys.append(rotate(k, turn))
            values.append(v)
        all_k, all_v = (_whole_blocks(torch.cat(part, dim=2), block) for part in (keys, values))
        read = block_sparse_parts(queries, all_k, all_v, pattern, block, token_parts)
        return [part.flatten(2, 3)[:, :, : q.shape[2]] for part, (q, *_) in zip(read, projected)]

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]


def _whole_blocks(x: Tensor, block: int) -> Tensor:
    """Pads frames (B, H, T, d) to whole blocks."""
    missing = -x.shape[2] % block
    return F.pad(x, (0, 0, 0, missing)) if missing else x
