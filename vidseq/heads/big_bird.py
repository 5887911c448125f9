"""The BigBird head: a window, global tokens and random blocks."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidseq.heads.base import HeadConfig, TemporalHead, frames_at_once, option
from vidseq.heads.layers.tokens import TokenLayer, TokenScan, TokenState, new_tokens, through_layers
from vidseq.heads.layers.transformer import check_heads
from vidseq.ops.block_causal import follow
from vidseq.ops.block_sparse import Pattern, block_sparse_attention, block_sparse_parts
from vidseq.ops.merge import Part, attend_part
from vidseq.ops.periods import Periods
from vidseq.ops.random_blocks import draw, reservoir_contents
from vidseq.ops.rotary import rotary_angles, rotate

SEGMENT = 1024
"""Frames that are worked on at once in a whole video where no gradients are wanted; blocks are never cut."""


@dataclass(frozen=True, kw_only=True)
class BigBirdConfig(HeadConfig):
    """Options of the big_bird head."""

    block: int = option(64, at_least=1)
    """Frames b of a block; frames of a block see the same blocks."""
    window: int = option(2, at_least=1)
    """Blocks w that a frame sees, its own included; when not causal, as many to the other side."""
    random: int = option(3, at_least=1)
    """Blocks r besides, drawn for each block and layer from those further away."""
    capacity: int = option(16, at_least=1)
    """Blocks S of the past that a causal stream keeps to draw from: a sample of all of it."""
    num_global: int = option(16, at_least=1)
    """Global tokens G: learned vectors that read every frame and that every frame sees."""
    layers: int = option(2, at_least=1)
    """Transformer blocks on top of one another; what global tokens read in one, frames see in the next."""
    heads: int = option(4, at_least=1)
    """Attention heads; dim must be a multiple of twice their number."""
    network: int = option(0, at_least=0)
    """Width of the network on each frame; 0: four times dim."""


class BigBirdState(NamedTuple):
    """The blocks of the past that every layer keeps, the latest frames, and the tokens."""

    keys: Tensor
    """(B, layers, heads, (S + w) b - 1, width): the S sampled blocks, the w - 1 latest before the one under way, and
    the frames of that one; rotated to their positions, zero where there is none yet."""
    values: Tensor
    """Like `keys`."""
    token_keys: Tensor
    """As in `TokenState`, like the next three."""
    token_values: Tensor
    """See there."""
    token_read: Tensor
    """See there."""
    token_mass: Tensor
    """See there."""
    position: Tensor
    """int64 (B,): frames so far, and so where the next one stands."""


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

    Two layers reach everything: a token reads every frame in one, every frame sees it in the next.

    Causal: tokens are as of the start of a period of w blocks, all later frames being in the window (see
    `token_layer`). A block that leaves the window may enter a reservoir, which holds S blocks, at any time equally
    likely any of the past; random blocks are drawn from it. Both follow a fixed hash of layer and block number. So
    reach has no limit, the state is constant, and streams are exact at any length; the price is that r blocks are
    drawn from S, not from all.

    Source: Zaheer et al., arXiv:2007.14062, section 2, BigBird-ETC: global tokens are added, and not some of the
    frames; blocks: appendix D. Here: tokens have no position; frames have rotary ones, which scores between the two
    leave out; the random blocks of a block are different ones, one from each r-th of the video's other blocks in
    order of time (causal: of the reservoir), and the same for all heads; pre-norm. Not causal: the paper's form. The
    paper has no causal one.
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
        """Several times as many as are kept, for those are copied from segment to segment."""
        return 4 * (self.config.capacity + self.config.window) * self.config.block

    def init_state(self, batch_size: int) -> BigBirdState:
        """An empty past; tokens that have read nothing but one another."""
        config, weight = self.config, self.last_norm.weight
        kept = (config.capacity + config.window) * config.block - 1
        past = weight.new_zeros(batch_size, config.layers, config.heads, kept, self._width)
        position = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        return BigBirdState(past, past.clone(), *new_tokens(list(self.layers), self.tokens, batch_size), position)

    def scan(self, x: Tensor, state: BigBirdState, mask: Tensor) -> tuple[Tensor, BigBirdState]:
        """Reads new frames; see `TemporalHead.scan`. Keys are counted in blocks: reservoir, window, new ones."""
        block, kept = self.config.block, self.config.capacity + self.config.window - 1
        blocks = Periods(state.position, mask, block)
        periods = Periods(state.position, mask, self.config.window * block)
        tokens = TokenScan(self.tokens, TokenState(*state[2:6]), periods)
        angles = self._angles(state.position[:, None] + torch.arange(x.shape[1], device=x.device))
        end = (kept + blocks.count) * block
        pasts = []
        for index, layer in enumerate(self.layers):
            q, k, v = layer.near(x)
            beside = tokens.see(layer, q)
            if layer is not self.layers[-1]:
                tokens.read(layer, k, v)
            q, k = rotate(q, angles), rotate(k, angles)
            keys, values = (
                follow(old[:, index].to(new.dtype), new, kept * block + blocks.offset, dim=2)
                for old, new in ((state.keys, k), (state.values, v))
            )
            keys, values = (F.pad(part, (0, 0, 0, end - part.shape[2])) for part in (keys, values))
            pattern, reservoir = self.causal_pattern(index, state.position // block, blocks)
            aside = Part(blocks.cut(beside.read), blocks.cut(beside.mass[..., None])[..., 0])
            read = block_sparse_attention(blocks.cut(q), keys, values, pattern, block, aside)
            x = layer.block.finish(x, blocks.glue(read))
            pasts.append(
                [self._keep(part, reservoir, blocks, state.position + mask.sum(dim=1)) for part in (keys, values)]
            )
        keys, values = (torch.stack(part, dim=1).to(state.keys.dtype) for part in zip(*pasts))
        return self.last_norm(x), BigBirdState(keys, values, *tokens.state(), state.position + mask.sum(dim=1))

    def causal_pattern(self, layer: int, first: Tensor, blocks: Periods) -> tuple[Pattern, Tensor]:
        """Which blocks those from number `first` (B,) on see, and which the reservoir holds before and after each.

        The latter is int64 (B, blocks + 1, S). Both count reservoir, window and new blocks from 0.
        """
        size, window, block = self.config.capacity, self.config.window, self.config.block
        new, near = torch.arange(blocks.count, device=first.device), torch.arange(window, device=first.device)
        reservoir = reservoir_contents(layer, first - window + 1, blocks.count, size)
        oldest = first[:, None] + new - window + 1  # in the window, and so how many have left it
        place, found = draw(layer, first[:, None] + new, oldest.clamp(0, size), self.config.random)
        random = reservoir[:, :-1].gather(2, place)
        table = torch.cat([random, (size + new[:, None] + near).expand(len(first), -1, -1)], dim=2)
        there = torch.cat([found, oldest[..., None] + near >= 0], dim=2).repeat_interleave(block, dim=2)
        at = torch.arange(there.shape[2], device=first.device) - there.shape[2] + block  # in the block itself from 0
        return Pattern(table, there, at <= blocks.steps[..., None]), reservoir

    def _keep(self, past: Tensor, reservoir: Tensor, blocks: Periods, position: Tensor) -> Tensor:
        """What the state keeps of keys or values (B, heads, blocks * b, width) once `position` frames are read."""
        size, window, block = self.config.capacity, self.config.window, self.config.block
        kept = (size + window) * block - 1
        if bool(blocks.next.any()):
            held = reservoir[torch.arange(len(past), device=past.device), blocks.next]
            near = size + blocks.next[:, None] + torch.arange(window, device=past.device)
            number = torch.cat([held, near], dim=1).clamp(max=past.shape[2] // block - 1)[:, None, :, None, None]
            in_blocks = past.unflatten(2, (-1, block))
            past = in_blocks.gather(2, number.expand(-1, past.shape[1], -1, block, past.shape[3])).flatten(2, 3)
        there = torch.arange(kept, device=past.device) < kept - block + 1 + position[:, None] % block
        return past[:, :, :kept] * there[:, None, :, None]

    def forward_noncausal(self, x: Tensor, mask: Tensor) -> Tensor:
        """Reads whole videos; see `TemporalHead.forward_noncausal`."""
        return self.last_norm(through_layers(self.layer_noncausal, len(self.layers), self.tokens, x, mask))

    def layer_noncausal(
        self, index: int, x: Tensor, tokens: Tensor, mask: Tensor, last: bool = False
    ) -> tuple[Tensor, Tensor]:
        """A layer's frames and tokens from those it reads, (B, T, D) and (B, G, D); the last spares its tokens."""
        layer, size = self.layers[index], self._part_frames
        parts, angles = x.split(size, dim=1), self._angles(torch.arange(x.shape[1], device=x.device)[None])
        projected = [layer.near(part) for part in parts]
        read = self.attend_noncausal(layer, tokens, projected, angles, self.noncausal_pattern(index, mask))
        new_x = torch.cat([layer.block.finish(*both) for both in zip(parts, read)], dim=1)
        if not last:
            _, keys, values = zip(*projected)
            tokens = layer.block.finish(tokens, layer.attend_noncausal(tokens, keys, values, mask))
        return new_x, tokens

    @property
    def _part_frames(self) -> int:
        """Frames of a part, whole blocks."""
        return -(-frames_at_once(SEGMENT) // self.config.block) * self.config.block

    def noncausal_pattern(self, layer: int, mask: Tensor) -> Pattern:
        """Which blocks those of whole videos see."""
        block, side = self.config.block, self.config.window - 1
        in_blocks = F.pad(mask, (0, -mask.shape[1] % block)).unflatten(1, (-1, block))
        count, number = (
            in_blocks.any(dim=2).sum(dim=1, keepdim=True),
            torch.arange(in_blocks.shape[1], device=mask.device),
        )
        near = number[:, None] + torch.arange(-side, side + 1, device=mask.device)
        first = (number - side).clamp(min=0).expand(len(mask), -1)
        width = (number + side + 1).minimum(count) - first
        drawn, found = draw(layer, number.expand_as(first), (count - width).clamp(min=0), self.config.random)
        random = drawn + (drawn >= first[..., None]) * width[..., None]  # those before the window, then those behind
        table = torch.cat([random, near.expand(len(mask), -1, -1)], dim=2)
        there = torch.cat([found, (near >= 0) & (near < count[..., None])], dim=2)
        table = table.clamp(0, len(number) - 1)
        row = torch.arange(len(mask), device=mask.device)[:, None, None]
        valid = (in_blocks[row, table] & there[..., None]).flatten(2)
        return Pattern(table, valid, torch.ones(1, block, valid.shape[2], dtype=torch.bool, device=mask.device))

    def attend_noncausal(
        self, layer: TokenLayer, tokens: Tensor, projected: list[tuple[Tensor, ...]], angles: Tensor, pattern: Pattern
    ) -> list[Tensor]:
        """What frames, of whose equal parts there are queries, keys and values (B, heads, N, width), read by a pattern
        and in tokens (B, G, D), part by part."""
        block, token_kv = self.config.block, layer.near(tokens, 2)
        queries, besides, keys, values = [], [], [], []
        for (q, k, v), turn in zip(projected, angles.split(projected[0][0].shape[2], dim=2)):
            beside = attend_part(q, *token_kv)
            padded = [_whole_blocks(part, block) for part in (rotate(q, turn), beside.read, beside.mass[..., None])]
            q, read, mass = (part.unflatten(2, (-1, block)) for part in padded)
            queries.append(q)
            besides.append(Part(read, mass[..., 0]))
            keys.append(rotate(k, turn))
            values.append(v)
        all_k, all_v = (_whole_blocks(torch.cat(part, dim=2), block) for part in (keys, values))
        read = block_sparse_parts(queries, all_k, all_v, pattern, block, besides)
        return [part.flatten(2, 3)[:, :, : q.shape[2]] for part, (q, *_) in zip(read, projected)]

    def _angles(self, positions: Tensor) -> Tensor:
        return rotary_angles(positions, self._width)[:, None]


def _whole_blocks(x: Tensor, block: int) -> Tensor:
    """Frames (B, H, T, d) up to the end of their last block."""
    missing = -x.shape[2] % block
    return F.pad(x, (0, 0, 0, missing)) if missing else x
